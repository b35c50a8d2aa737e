"""From paths to rows: the flow behind ``classify predict``, as plain functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from classify import documents
from classify.classifier import Classifier, Prediction
from classify.errors import ClassifyError, DocumentError
from classify.sentences import Sentence, split
from classify.writers import Row


@dataclass(frozen=True)
class Options:
    """How documents are read and what rows carry.

    Attributes:
        lines: each line is one sentence; nothing is split and nothing is taken for furniture.
        furniture: also give rows for page furniture, marked and without labels.
        all_scores: scores of every label instead of those given or to be reviewed.
        batch_size: sentences run through the network at once.
    """

    lines: bool = False
    furniture: bool = False
    all_scores: bool = False
    batch_size: int = 16


def sentences(name: str, options: Options) -> Iterator[Sentence]:
    """The sentences of one document.

    Raises:
        DocumentError: when it cannot be read.
    """
    if not options.lines:
        yield from split(documents.read(name).text)
        return
    for line, offset in documents.read_lines(name):
        body = line.strip()
        if body:
            start = offset + line.index(body)
            yield Sentence(start, start + len(body), body)


def rows_of(name: str, classifier: Classifier, options: Options) -> Iterator[Row]:
    """The rows of one document, in order, in constant memory for one-sentence-a-line input."""
    pending: list[Sentence] = []

    def feed() -> Iterator[tuple[str, str]]:
        before = ""
        for sentence in sentences(name, options):
            if sentence.furniture:
                if options.furniture:
                    pending.append(sentence)
                continue
            pending.append(sentence)
            # One sentence a line are sentences of their own: the line before is no context.
            yield sentence.text, before
            before = "" if options.lines else sentence.text

    index = 0

    def make(sentence: Sentence, prediction: Prediction | None) -> Row:
        labels = prediction.labels if prediction else {group.id: [] for group in classifier.scheme.groups}
        scores = prediction.scores if prediction else {}
        review = prediction.review if prediction else ()
        if not options.all_scores:
            shown = {label for labels_of_group in labels.values() for label in labels_of_group}.union(review)
            scores = {label: score for label, score in scores.items() if label in shown}
        return Row(name, index, sentence.start, sentence.end, sentence.text, labels, scores, sentence.furniture, review)

    taken = 0
    for prediction in classifier.stream(feed(), batch_size=options.batch_size):
        while pending[taken].furniture:
            yield make(pending[taken], None)
            index, taken = index + 1, taken + 1
        yield make(pending[taken], prediction)
        index, taken = index + 1, taken + 1
        if taken > 4096:
            del pending[:taken]
            taken = 0
    for sentence in pending[taken:]:
        yield make(sentence, None)
        index += 1


def rows(
    paths: Iterable[str],
    classifier: Classifier,
    options: Options,
    failed: Callable[[ClassifyError], None],
    started: Callable[[str], None] = lambda name: None,
) -> Iterator[Row]:
    """The rows of all documents; a document that cannot be read is handed to ``failed`` and the others go on."""
    for name in documents.find(paths):
        started(name)
        try:
            yield from rows_of(name, classifier, options)
        except DocumentError as error:
            failed(error)
