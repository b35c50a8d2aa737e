"""From paths to rows: the flow behind ``classify predict``, as plain functions.

Sentences are read in order and cut into chunks; a chunk is what is classified together, what goes to a worker process and what an
interrupted run has finished or has not. How the chunks are cut follows from the input alone, so that rows do not depend on who
classifies them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

from classify import documents
from classify.cache import LogitCache
from classify.classifier import LOOK_AHEAD, Classifier, Prediction
from classify.documents import NO_META, Document, Meta, Source
from classify.errors import ClassifyError, DocumentError, MissingExtraError
from classify.evidence import EARLIER, evidence
from classify.labels import LabelScheme
from classify.sentences import Sentence, split
from classify.writers import Row

# The first chunks are small, so that the first rows come soon.
FIRST_CHUNK = 64


@dataclass(frozen=True)
class Options:
    """How documents are read and what rows carry.

    Attributes:
        lines: each line is one sentence; nothing is split and nothing is taken for furniture.
        furniture: also give rows for page furniture, marked and without labels.
        all_scores: scores of every label instead of those given or to be reviewed.
        batch_size: sentences run through the network at once; None for those of one length.
        text_column: where JSON Lines and tables have the text; None for the usual names. Also makes standard input JSON Lines.
        explain: rows say who holds the position of a label, by what word, and on which words the model rests.
    """

    lines: bool = False
    furniture: bool = False
    all_scores: bool = False
    batch_size: int | None = None
    text_column: str | None = None
    explain: bool = False


@dataclass(frozen=True)
class Item:
    """A sentence that will be a row.

    Attributes:
        document: the name of its document.
        index: position among the rows of this document.
        sentence: with offsets into the document.
        before: the sentence before, ``""`` where there is none.
        meta: title, date and outlet of the document.
        earlier: some sentences before it, the nearest last, for those who ask who "he" is.
    """

    document: str
    index: int
    sentence: Sentence
    before: str
    meta: Meta = NO_META
    earlier: tuple[Sentence, ...] = ()


@dataclass(frozen=True)
class Watch:
    """Who is told what while documents are read.

    Attributes:
        failed: a document that cannot be read.
        started: the name of the next file.
        advance: bytes read.
    """

    failed: Callable[[ClassifyError], None]
    started: Callable[[str], None] = lambda name: None
    advance: Callable[[int], None] = lambda count: None


Scored = Generator[tuple[list[Item], Sequence[Prediction]], None, None]


def prepare() -> None:
    """Read and compile the rules for sentences, which the first document would otherwise wait for."""
    for _ in split(""):
        pass


def pairs(chunk: Iterable[Item]) -> list[tuple[str, str]]:
    """What of a chunk is classified: ``(sentence, sentence before)``, without furniture."""
    return [(item.sentence.text, item.before) for item in chunk if not item.sentence.furniture]


T = TypeVar("T")


def items(paths: Iterable[str], options: Options, watch: Watch) -> Iterator[Item]:
    """The sentences of all documents; what cannot be read is handed to ``watch.failed`` and the others go on."""
    return _each(paths, lambda name, inner: items_of(name, options, inner), watch)


def whole_documents(paths: Iterable[str], text_column: str | None, watch: Watch) -> Iterator[Document]:
    """All documents, each in memory at once; what cannot be read is handed to ``watch.failed`` and the others go on."""

    def of(name: Source, inner: Watch) -> Iterator[Document]:
        if documents.kind_of(name, text_column) == "archive":
            return _packed(str(name), of, inner)
        return documents.read_documents(name, text_column, inner.failed, inner.advance)

    return _each(paths, of, watch)


def _each(paths: Iterable[str], of: Callable[[str, Watch], Iterator[T]], watch: Watch) -> Iterator[T]:
    for name in documents.find(paths, watch.failed):
        watch.started(name)
        try:
            yield from of(name, watch)
        except (DocumentError, MissingExtraError) as error:
            watch.failed(error)


def items_of(name: Source, options: Options, watch: Watch) -> Iterator[Item]:
    """The sentences of one file; of an archive, those of all files in it.

    Raises:
        DocumentError, MissingExtraError: when it cannot be read.
    """
    kind = documents.kind_of(name, options.text_column)
    if kind == "archive":
        yield from _packed(str(name), lambda member, inner: items_of(member, options, inner), watch)
    elif kind != "text":
        for document in documents.read_documents(name, options.text_column, watch.failed, watch.advance):
            text = document.text
            found = _line_sentences(_offsets(text)) if options.lines else split(text)
            yield from _numbered(document.name, found, options, watch, document.meta)
    elif options.lines:
        yield from _numbered(str(name), _line_sentences(documents.read_lines(name, watch.advance)), options, watch)
    else:
        yield from _numbered(str(name), _split(documents.read_passages(name, watch.advance)), options, watch)


def _packed(name: str, of: Callable[[Source, Watch], Iterator[T]], watch: Watch) -> Iterator[T]:
    """What ``of`` makes of an archive's files; one that cannot be read is handed to ``watch.failed`` and the others go on."""
    # The bytes that are counted are those of the archive.
    inner = Watch(watch.failed)
    with documents.members(name, watch.failed) as members:
        for member in members:
            try:
                yield from of(member, inner)
            except (DocumentError, MissingExtraError) as error:
                watch.failed(error)
            watch.advance(member.packed)


def _offsets(text: str) -> Iterator[tuple[str, int]]:
    offset = 0
    for line in text.splitlines(keepends=True):
        yield line, offset
        offset += len(line)


def _line_sentences(lines: Iterable[tuple[str, int]]) -> Iterator[Sentence]:
    for line, offset in lines:
        body = line.strip()
        if body:
            start = offset + line.index(body)
            yield Sentence(start, start + len(body), body, paragraph=offset)


def _split(passages: Iterable[tuple[str, int, bool]]) -> Iterator[Sentence]:
    for passage, offset, whole in passages:
        for one in split(passage, whole):
            yield replace(one, start=offset + one.start, end=offset + one.end, paragraph=offset + one.paragraph) if offset else one


def _numbered(name: str, sentences: Iterable[Sentence], options: Options, watch: Watch, meta: Meta = NO_META) -> Iterator[Item]:
    before, index = "", 0
    earlier: tuple[Sentence, ...] = ()
    left_out = False
    for sentence in sentences:
        if sentence.furniture and not options.furniture:
            left_out = True
            continue
        yield Item(name, index, sentence, before, meta, earlier)
        index += 1
        # One sentence a line are sentences of their own: the line before is no context.
        if not sentence.furniture and not options.lines:
            before = sentence.text
            earlier = (*earlier, sentence)[-EARLIER:]
    # Told and not raised: of a table or JSON Lines, the records that follow are still to be read.
    if left_out and not index:
        shown = "standard input" if name == documents.STANDARD_INPUT else name
        what = 'page furniture (menus, dates, "Baca juga" ...)'
        watch.failed(DocumentError(f"{shown} holds nothing but {what}: `classify predict --furniture` shows it"))


def chunks(source: Iterable[Item]) -> Iterator[list[Item]]:
    """Cut the sentences into chunks of 64, 128, 256 and from then on ``LOOK_AHEAD``."""
    rest, size = iter(source), FIRST_CHUNK
    while chunk := list(islice(rest, size)):
        yield chunk
        size = min(2 * size, LOOK_AHEAD)


def classify(cut: Iterable[list[Item]], classifier: Classifier, options: Options) -> Scored:
    """Each chunk with the predictions for its :func:`pairs`."""
    cache = LogitCache()
    for chunk in cut:
        yield chunk, predictions(classifier, pairs(chunk), options, cache)


def predictions(classifier: Classifier, texts: Sequence[tuple[str, str]], options: Options, cache: LogitCache) -> list[Prediction]:
    """The predictions for the :func:`pairs` of a chunk, explained where that is asked for."""
    found = classifier.window(texts, batch_size=options.batch_size, cache=cache)
    return classifier.with_words(found, [before for _, before in texts]) if options.explain else found


def finish(chunk: Iterable[Item], predictions: Iterable[Prediction], scheme: LabelScheme, options: Options) -> Iterator[Row]:
    """The rows of a chunk."""
    rest = iter(predictions)
    for item in chunk:
        sentence = item.sentence
        prediction = None if sentence.furniture else next(rest)
        labels = prediction.labels if prediction else {group.id: [] for group in scheme.groups}
        scores = prediction.scores if prediction else {}
        review = prediction.review if prediction else ()
        if not options.all_scores:
            shown = {label for labels_of_group in labels.values() for label in labels_of_group}.union(review)
            scores = {label: score for label, score in scores.items() if label in shown}
        shown_evidence = evidence(sentence, item.earlier, scheme, labels, prediction.words) if options.explain and prediction else {}
        yield Row(
            item.document, item.index, sentence.start, sentence.end, sentence.text, labels, scores, sentence.furniture, review, item.meta,
            paragraph=sentence.paragraph, evidence=shown_evidence,
        )  # fmt: skip


def rows_of(name: str, classifier: Classifier, options: Options) -> Iterator[Row]:
    """The rows of one file, in order and in constant memory.

    Raises:
        DocumentError: when it cannot be read.
    """

    def fail(error: ClassifyError) -> None:
        raise error

    for chunk, predictions in classify(chunks(items_of(name, options, Watch(fail))), classifier, options):
        yield from finish(chunk, predictions, classifier.scheme, options)


def rows(
    paths: Iterable[str],
    classifier: Classifier,
    options: Options,
    failed: Callable[[ClassifyError], None],
    started: Callable[[str], None] = lambda name: None,
) -> Iterator[Row]:
    """The rows of all documents; a document that cannot be read is handed to ``failed`` and the others go on."""
    for chunk, predictions in classify(chunks(items(paths, options, Watch(failed, started))), classifier, options):
        yield from finish(chunk, predictions, classifier.scheme, options)
