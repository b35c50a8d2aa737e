"""Knowledge distillation into a smaller classifier: what larger ones answer becomes part of what it learns (Hinton et al. 2015).

    python -m training.distil --teacher DIR [--teacher DIR ...] --data DATA [--pool NEWS] [--held-out GOLD] --output soft.npz

A teacher is a model directory that ``classify train`` wrote, so its scores are calibrated. The file is then a setting of the
student (``soft_labels``). On labelled sentences the scores of all teachers, averaged, are mixed with the labels; on sentences of
the pool that nobody labelled they stand alone (self-training).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from classify.classifier import Classifier
from classify.engine import TorchEngine, open_engine
from classify.errors import ClassifyError, DataError, SettingsError
from classify.labels import LabelScheme
from classify.modeldir import ModelDirectory
from classify.resources import resource
from classify.sentences import split
from classify.writers import replacing
from training import splits
from training.corpus import HeldOut, shingles
from training.dataset import Example, Pool, digest, load, scored, targets


def key(example: Example) -> str:
    """What a sentence with the one before it is known by, whatever file it stands in: sixteen hexadecimal digits."""
    return digest(f"{example.text}\n{example.context}")[:16]


@dataclass(frozen=True)
class SoftLabels:
    """What teachers made of sentences; kept in a file, so that who trains the student needs no teacher.

    Attributes:
        labels: the labels' ids, in the order of the columns.
        scores: for every sentence's :func:`key` its scores between 0 and 1, shape ``(labels,)``.
    """

    labels: list[str]
    scores: dict[str, NDArray[np.float32]]

    @classmethod
    def load(cls, path: Path, scheme: LabelScheme) -> SoftLabels:
        """Read what :meth:`save` wrote.

        Raises:
            SettingsError: when the file cannot be read or is about other labels than ``scheme``'s.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                labels, keys, values = arrays["labels"].tolist(), arrays["keys"].tolist(), arrays["scores"]
            if values.shape != (len(keys), len(labels)):
                raise ValueError(f"{len(keys)} sentences and {len(labels)} labels, but scores of shape {values.shape}")
        except (OSError, TypeError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise SettingsError(f"the soft labels {path} cannot be read ({error}): make them with  python -m training.distil") from None
        if labels != scheme.ids:
            raise SettingsError(
                f"{path} holds soft labels for {', '.join(labels)}, but the scheme's labels are {', '.join(scheme.ids)}: "
                "give the scheme's own, or leave 'soft_labels' out"
            )
        return cls(labels, dict(zip(keys, values.astype(np.float32) / 255, strict=True)))

    def save(self, path: Path) -> None:
        """Write one ``.npz`` file; scores are kept to the nearest 255th."""
        values = np.asarray(list(self.scores.values()), dtype=np.float32).reshape(-1, len(self.labels))
        with replacing(path) as stream:
            np.savez_compressed(
                stream.buffer,
                labels=np.asarray(self.labels),
                keys=np.asarray(list(self.scores)),
                scores=np.round(values * 255).astype(np.uint8),
            )

    def of(self, examples: Sequence[Example]) -> NDArray[np.float32]:
        """The soft labels of some sentences, ``(examples, labels)``; NaN where there are none."""
        nothing = np.full(len(self.labels), np.nan, dtype=np.float32)
        return np.stack([self.scores.get(key(example), nothing) for example in examples])


def overruled(
    taught: NDArray[np.float32], examples: Sequence[Example], scheme: LabelScheme
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Soft labels in which labels have the last word.

    Teachers that answer a sentence they had not seen miss the rare and the tricky ones, which teach most. Where they are on the other
    side of one half than a label that is known and not disputed, the label takes the place of what they say; of a group with one
    answer, as a whole where another label is their first.

    Args:
        taught: scores ``(examples, labels)``, NaN where the teachers say nothing.
        examples: the sentences.
        scheme: the labels.

    Returns:
        The soft labels to learn from, and where they were replaced, both of the shape of ``taught``.
    """
    wanted, known = targets(examples, scheme), scored(examples, scheme) & ~np.isnan(taught)
    wrong = known & ((taught > 0.5) != (np.nan_to_num(wanted) > 0.5))
    for group, columns in scheme.spans():
        if group.exclusive:
            first = np.nan_to_num(taught[:, columns]).argmax(axis=1) != np.nan_to_num(wanted[:, columns]).argmax(axis=1)
            wrong[:, columns] = (known[:, columns].all(axis=1) & first)[:, None]
    return np.where(wrong, wanted, taught).astype(np.float32), wrong


def ask(teachers: Sequence[Path], examples: Sequence[Example], scheme: LabelScheme) -> SoftLabels:
    """Ask teachers and average what they say.

    Args:
        teachers: model directories with the labels of ``scheme``.
        examples: the sentences; their own labels are not looked at.
        scheme: the labels.

    Raises:
        SettingsError: when a teacher has other labels.
        ModelDirectoryError: when a directory is missing or damaged.
    """
    opened = [ModelDirectory.open(teacher) for teacher in teachers]
    for directory in opened:
        if directory.scheme.ids != scheme.ids:
            raise SettingsError(
                f"the teacher {directory.path} gives other labels ({', '.join(directory.scheme.ids)}) than the scheme "
                f"({', '.join(scheme.ids)})"
            )
    mean = np.mean([scores(directory, examples) for directory in opened], axis=0)
    return SoftLabels(scheme.ids, {key(example): row for example, row in zip(examples, mean, strict=True)})


def scores(directory: ModelDirectory, examples: Sequence[Example]) -> NDArray[np.float32]:
    """Scores ``(examples, labels)`` of one model directory, on a GPU where there is one.

    Raises:
        ModelDirectoryError: when the weights are missing or damaged.
    """
    gpu = torch.cuda.is_available()
    classifier = Classifier(directory, TorchEngine(directory, device="cuda") if gpu else open_engine(directory))
    predictions = classifier.predict([e.text for e in examples], [e.context for e in examples], batch_size=128 if gpu else 16)
    return np.asarray([list(prediction.scores.values()) for prediction in predictions], dtype=np.float32)


def unlabelled(pool: Pool, labelled: Sequence[Example], held_out: Sequence[Example], texts: HeldOut | None = None) -> list[Example]:
    """The pool's sentences that nobody labelled and that have nothing to do with what is kept aside.

    Articles with a sentence among ``held_out`` are left out whole, and so is every sentence that shares eight words in a row
    with one of these, or with ``texts``: wire copy stands in several outlets. Such a sentence is no context either.
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
            if not wording.isdisjoint(shingles(sentence.text)) or (texts is not None and sentence.text in texts):
                before = ""
                continue
            digits = digest(sentence.text)
            if digits not in seen:
                seen.add(digits)
                found.append(Example(id=digits[:16], text=sentence.text, context=before, labels={}, group=name, split="train", real=True))
            before = sentence.text
    return found


def main() -> None:
    """The command line."""
    from classify.cli._extras import quiet_libraries

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=Path, action="append", required=True, help="model directory; may be given again")
    parser.add_argument("--data", type=Path, action="append", required=True, help="labelled file or folder; may be given again")
    parser.add_argument("--pool", type=Path, action="append", help="articles that labels without text were drawn from")
    parser.add_argument("--held-out", type=Path, action="append", default=[], help="texts of a check: what shares wording is left out")
    parser.add_argument("--labels", type=Path, default=resource("configs/labels.yaml"), help="label scheme; by default the shipped one")
    parser.add_argument("--validation", type=float, default=0.1, help="share that teachers and student keep aside to stop by")
    parser.add_argument("--test", type=float, default=0.1, help="share that teachers and student keep aside to be judged by")
    parser.add_argument("--split-seed", type=int, default=13, help="of these splits, as given to `classify train`")
    parser.add_argument("--output", type=Path, required=True, help="the .npz file to write")
    args = parser.parse_args()
    quiet_libraries()
    try:
        scheme = LabelScheme.load(args.labels)
        pool = Pool(args.pool) if args.pool else None
        loaded = load(args.data, scheme, pool)
        if loaded.without_text:
            print(f"{loaded.without_text} labels of real sentences were left out: their articles are not in the pool", file=sys.stderr)
        # As `classify train` divides them by default: what a student is judged by, nobody may whisper to it.
        sides = splits.assign(loaded.examples, args.validation, args.test, args.split_seed)
        held = [example for example, side in zip(loaded.examples, sides, strict=True) if side != "train"]
        asked = [example for example, side in zip(loaded.examples, sides, strict=True) if side == "train"]
        if pool:
            asked += unlabelled(pool, loaded.examples, held, HeldOut(args.held_out, whole=True))
        if not asked:
            raise DataError("there is no sentence to ask about: all of the data is kept aside")
        if not args.output.parent.is_dir():
            raise SettingsError(f"cannot write {args.output}: there is no folder {args.output.parent}")
        ask(args.teacher, asked, scheme).save(args.output)
    except (ClassifyError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    print(f"wrote {args.output}: {len(asked)} sentences")


if __name__ == "__main__":
    main()
