"""Larger models answer the sentences that smaller ones learn from, each sentence by a model that had not seen it.

    python -m training.teach --config configs/teacher.yaml --base DIR --data DATA [--pool NEWS] --output soft.npz

A model that has learnt a sentence by heart repeats its label. So the training sentences are dealt out to folds; for each a teacher is
trained on the others and asked about this one, and what nobody labelled is asked of all, averaged (cross-fitting). The file is then a
setting of the student (``soft_labels``, see :mod:`training.distil`). Every fold's answers are kept beside the output until all are there:
an interrupted command goes on where it was, and with ``--fold N`` several processes share the work before one without it puts it together.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classify.decisions import Decisions, decide, probabilities
from classify.errors import ClassifyError, DataError, SettingsError
from classify.labels import LabelScheme
from training import recipes, splits
from training.corpus import HeldOut
from training.dataset import Example, Pool, load, scored, targets
from training.distil import SoftLabels, key, unlabelled
from training.fitting import fit, predict_logits
from training.metrics import group_macro_f1
from training.settings import load as settings_from
from training.train_settings import TrainSettings


def answer(
    settings: TrainSettings, scheme: LabelScheme, learned: Sequence[Example], asked: Sequence[Example], folder: Path, quiet: bool = False
) -> NDArray[np.float32]:
    """Train one teacher and ask it: scores ``(asked, labels)`` between 0 and 1.

    Args:
        settings: the teacher's recipe; all of its epochs are run.
        scheme: the labels.
        learned: what it is trained on.
        asked: what it is asked about.
        folder: for checkpoints, from which an interrupted training resumes; removed at the end.
        quiet: no progress bar.
    """
    run = fit(settings, scheme, learned, [], folder, quiet=quiet)
    scores = probabilities(predict_logits(run, asked, scheme, settings), scheme).astype(np.float32)
    shutil.rmtree(folder, ignore_errors=True)
    return scores


def figures(scores: NDArray[np.float32], examples: Sequence[Example], scheme: LabelScheme) -> str:
    """Macro-F1 of every group at a threshold of one half, as one line."""
    given = decide(scores.astype(np.float64), scheme, Decisions())
    wanted, mask = np.nan_to_num(targets(examples, scheme)) > 0.5, scored(examples, scheme)
    return ", ".join(f"{group} {value:.3f}" for group, value in group_macro_f1(given, wanted, mask, scheme).items())


def main() -> None:
    """The command line."""
    from classify.cli._extras import quiet_libraries

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, required=True, help="the teachers' recipe")
    parser.add_argument("--base", help="instead of the recipe's")
    parser.add_argument("--data", type=Path, action="append", help="labelled file or folder, instead of the recipe's; may be given again")
    parser.add_argument("--labels", type=Path, help="label scheme, instead of the recipe's")
    parser.add_argument("--pool", type=Path, action="append", help="articles that labels without text were drawn from; may be given again")
    parser.add_argument("--unlabelled", type=Path, action="append", default=[], help="articles whose other sentences are asked about, too")
    parser.add_argument("--held-out", type=Path, action="append", default=[], help="texts of a check: what shares wording is left out")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--fold", type=int, help="train this one only (from 0)")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    parser.add_argument("--output", type=Path, required=True, help="the .npz file to write")
    args = parser.parse_args()
    quiet_libraries()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    try:
        teach(args)
    except (ClassifyError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def teach(args: argparse.Namespace) -> None:
    """What :func:`main` does once the arguments are read.

    Raises:
        SettingsError, DataError, LabelsError: for what a user can put right.
    """
    if args.folds < 2 or not 0 <= (args.fold or 0) < args.folds:
        raise SettingsError(f"--folds must be at least 2 and --fold below it, not {args.folds} and {args.fold}")
    if not args.output.parent.is_dir():
        raise SettingsError(f"cannot write {args.output}: there is no folder {args.output.parent}")
    flags = {"base": args.base, "data": args.data, "labels": args.labels, "pool": args.pool, "output": args.output}
    settings = settings_from(TrainSettings, args.config, flags)
    scheme = LabelScheme.load(settings.labels)
    loaded = load(settings.data, scheme, Pool(settings.pool) if settings.pool else None)
    if loaded.without_text:
        print(f"{loaded.without_text} labels of real sentences were left out: their articles are not in the pool", file=sys.stderr)
    # As `classify train` divides them by default: what a student is judged by, nobody may whisper to it.
    sides = splits.assign(loaded.examples, recipes.VALIDATION, recipes.TEST, settings.split_seed)
    held = [example for example, side in zip(loaded.examples, sides, strict=True) if side != "train"]
    known = [example for example, side in zip(loaded.examples, sides, strict=True) if side == "train"]
    others = unlabelled(Pool(args.unlabelled), loaded.examples, held, HeldOut(args.held_out, whole=True)) if args.unlabelled else []
    # Real ones only to be told how good the teachers are.
    development = [example for example, side in zip(loaded.examples, sides, strict=True) if side == "development"]
    fold = np.asarray(splits.folds(known, args.folds, settings.split_seed))
    if len(set(fold.tolist())) < args.folds:
        raise DataError(f"{len(known)} training sentences are too few for {args.folds} folds: give more data or fewer folds")

    output: Path = args.output

    def kept(number: int) -> Path:
        return output.with_name(f".{output.name}.fold{number}.npz")

    for number in range(args.folds) if args.fold is None else [args.fold]:
        if kept(number).exists():
            continue
        inside = [example for example, one in zip(known, fold, strict=True) if one != number]
        outside = [example for example, one in zip(known, fold, strict=True) if one == number]
        folder = kept(number).with_suffix("")
        scores = answer(
            replace(settings, seed=settings.seed + number), scheme, inside, [*outside, *others, *development], folder, args.quiet
        )
        unfinished = kept(number).with_suffix(".part.npz")
        np.savez_compressed(unfinished, keys=[key(example) for example in [*outside, *others]], scores=scores)
        os.replace(unfinished, kept(number))
        print(
            f"fold {number + 1} of {args.folds}, sentences it had not seen: {figures(scores[: len(outside)], outside, scheme)}", flush=True
        )
    if args.fold is not None:
        return
    merged = np.zeros((len(known), len(scheme)), dtype=np.float32)
    rest = np.zeros((len(others) + len(development), len(scheme)), dtype=np.float32)
    for number in range(args.folds):
        outside = [example for example, one in zip(known, fold, strict=True) if one == number]
        with np.load(kept(number), allow_pickle=False) as saved:
            if saved["keys"].tolist() != [key(example) for example in [*outside, *others]]:
                raise DataError(f"{kept(number)} is about other sentences, from an earlier command: remove it")
            merged[fold == number] = saved["scores"][: len(outside)]
            rest += saved["scores"][len(outside) :] / args.folds
    print(f"all folds together: {figures(merged, known, scheme)}")
    for name, real in (("written", False), ("real", True)):
        if any(example.real == real for example in known):
            which = [i for i, example in enumerate(known) if example.real == real]
            print(f"  {name}: {figures(merged[which], [known[i] for i in which], scheme)}")
    if development:
        print(f"the teachers' mean on the development split: {figures(rest[len(others) :], development, scheme)}")
    rows = zip([*known, *others], [*merged, *rest[: len(others)]], strict=True)
    SoftLabels(scheme.ids, {key(example): row for example, row in rows}).save(output)
    for number in range(args.folds):
        kept(number).unlink()
    print(f"wrote {args.output}: {len(known) + len(others)} sentences")


if __name__ == "__main__":
    main()
