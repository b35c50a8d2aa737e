"""Knowledge distillation into a smaller classifier: what larger ones answer becomes part of what it learns (Hinton et al. 2015).

    python -m training.distil --teacher DIR [--teacher DIR ...] --data DATA [--pool NEWS] [--held-out GOLD] --output answers.npz

A teacher is a model directory that ``classify train`` wrote, so its scores are calibrated. The file is then a setting of the
student (``answers``). On labelled sentences the answers of all teachers, averaged, are mixed with the labels; on sentences of
the pool that nobody labelled they stand alone (self-training).
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification

from classify.decisions import probabilities
from classify.errors import ClassifyError, SettingsError
from classify.labels import LabelScheme
from classify.modeldir import ModelDirectory
from classify.resources import resource
from classify.sentences import split
from classify.writers import replacing
from training.base import load_tokenizer
from training.corpus import HeldOut, read_texts, shingles
from training.dataset import Example, Pool, digest, load

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answers:
    """What teachers made of sentences, by the sentence's id; kept in a file, so that who trains the student needs no teacher.

    Attributes:
        labels: the labels' ids, in the order of the columns.
        scores: for every id its scores between 0 and 1, shape ``(labels,)``.
    """

    labels: list[str]
    scores: dict[str, NDArray[np.float32]]

    @classmethod
    def load(cls, path: Path, scheme: LabelScheme) -> Answers:
        """Read what :meth:`save` wrote.

        Raises:
            SettingsError: when the file cannot be read or is about other labels than ``scheme``'s.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                labels, ids, values = arrays["labels"].tolist(), arrays["ids"].tolist(), arrays["scores"]
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise SettingsError(f"the teachers' answers {path} cannot be read: {error}") from None
        if labels != scheme.ids:
            raise SettingsError(f"{path} answers for other labels ({', '.join(labels)}) than the scheme's ({', '.join(scheme.ids)})")
        return cls(labels, dict(zip(ids, values.astype(np.float32) / 255, strict=True)))

    def save(self, path: Path) -> None:
        """Write one ``.npz`` file; scores are kept to the nearest 255th."""
        values = np.asarray(list(self.scores.values()), dtype=np.float32).reshape(-1, len(self.labels))
        ids = np.asarray(list(self.scores))
        with replacing(path) as stream:
            np.savez_compressed(stream.buffer, labels=np.asarray(self.labels), ids=ids, scores=np.round(values * 255).astype(np.uint8))

    def of(self, examples: Sequence[Example]) -> NDArray[np.float32]:
        """The answers for some sentences, ``(examples, labels)``; NaN where there is none."""
        nothing = np.full(len(self.labels), np.nan, dtype=np.float32)
        return np.stack([self.scores.get(example.id, nothing) for example in examples])


def ask(teachers: Sequence[Path], examples: Sequence[Example], scheme: LabelScheme, max_length: int = 192) -> Answers:
    """Ask teachers and average what they say.

    Args:
        teachers: model directories with the labels of ``scheme``.
        examples: the sentences; their own labels are not looked at.
        scheme: the labels.
        max_length: tokens read of a sentence with its context.

    Raises:
        SettingsError: when a teacher has other labels.
        ModelDirectoryError: when a directory is missing or damaged.
    """
    mean = np.mean([scores(teacher, examples, scheme, max_length) for teacher in teachers], axis=0)
    return Answers(scheme.ids, {example.id: row for example, row in zip(examples, mean, strict=True)})


def scores(directory: Path, examples: Sequence[Example], scheme: LabelScheme, max_length: int) -> NDArray[np.float32]:
    """Scores ``(examples, labels)`` of one model directory, on a GPU where there is one."""
    opened = ModelDirectory.open(directory)
    if opened.scheme.ids != scheme.ids:
        raise SettingsError(
            f"the model {directory} gives other labels ({', '.join(opened.scheme.ids)}) than the scheme ({', '.join(scheme.ids)})"
        )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = load_tokenizer(directory)
    model: Any = AutoModelForSequenceClassification.from_pretrained(
        directory, local_files_only=True, use_safetensors=True, dtype=torch.float32
    )
    model = model.to(device).eval()
    context = opened.decisions.context
    pairs = [(e.text, e.context) if context and e.context else (e.text,) for e in examples]
    encoded = [tokenizer(*pair, truncation="longest_first", max_length=min(max_length, opened.max_length)) for pair in pairs]
    order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]["input_ids"]))
    logits = np.zeros((len(encoded), len(scheme)), dtype=np.float32)
    with torch.inference_mode():
        for begin in range(0, len(order), 128):
            rows = order[begin : begin + 128]
            batch = tokenizer.pad([dict(encoded[i]) for i in rows], return_tensors="pt")
            logits[rows] = model(**{key: value.to(device) for key, value in batch.items()}).logits.float().cpu().numpy()
    result: NDArray[np.float32] = probabilities(logits, scheme).astype(np.float32)
    return result


def unlabelled(pool: Pool, labelled: Sequence[Example], held_out: Sequence[Example]) -> list[Example]:
    """The pool's sentences that nobody labelled and that have nothing to do with what is kept aside.

    Articles with a sentence among ``held_out`` are left out whole, and so is every sentence that shares eight words in a row
    with one of these: wire copy stands in several outlets.
    """
    aside = {digest(example.text) for example in held_out}
    wording = {run for example in held_out for run in shingles(f"{example.text}\n{example.context}")}
    seen = {digest(example.text) for example in labelled}
    found: list[Example] = []
    for name, text in pool.articles():
        sentences = [sentence for sentence in split(text) if not sentence.furniture]
        if not aside.isdisjoint(digest(sentence.text) for sentence in sentences):
            continue
        before = ""
        for sentence in sentences:
            key = digest(sentence.text)
            if key not in seen and wording.isdisjoint(shingles(sentence.text)):
                seen.add(key)
                found.append(Example(id=key[:16], text=sentence.text, context=before, labels={}, group=name, split="train", real=True))
            before = sentence.text
    logger.info("%d sentences of the pool are learnt from through the teachers' answers", len(found))
    return found


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=Path, action="append", required=True)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--pool", type=Path, action="append")
    parser.add_argument("--held-out", type=Path, action="append", default=[], help="texts of a check: what shares wording is left out")
    parser.add_argument("--labels", type=Path, default=resource("configs/labels.yaml"))
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    try:
        scheme = LabelScheme.load(args.labels)
        pool = Pool(args.pool) if args.pool else None
        examples = load(args.data, scheme, pool).examples
        aside = [e for e in examples if e.split in ("test", "development")]
        others = unlabelled(pool, examples, aside) if pool else []
        checks, exact = HeldOut(args.held_out), {digest(line) for path in args.held_out for line in read_texts(path)}
        # Short sentences share no run of words, but may be the same.
        others = [e for e in others if e.text not in checks and digest(e.text) not in exact]
        asked = [e for e in examples if e.split not in ("test", "development")] + others
        ask(args.teacher, asked, scheme).save(args.output)
    except (ClassifyError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    print(f"wrote {args.output}: {len(asked)} sentences")


if __name__ == "__main__":
    main()
