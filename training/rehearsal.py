"""Keeping what a trained classifier knows while it learns something new from data that does not cover it.

Rows of the output layer whose labels stay go on as they are. What the new data is silent about is taught by the old model's own
scores (learning without forgetting, Li & Hoiem 2016), and labelled sentences of old are seen again (rehearsal, Robins 1995), with
labels and old scores mixed (dark experience replay, Buzzega et al. 2020).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification

from classify.labels import LabelScheme
from classify.modeldir import ModelDirectory
from classify.resources import file_digest, resource
from training import distil
from training.calibrate import output_layer
from training.dataset import Example, Pool, load, scored
from training.diff import matches
from training.evaluate import record_of, unseen

logger = logging.getLogger(__name__)

# Enough to calibrate and to stop by; more would only cost time, every epoch.
REHEARSED_VALIDATION = 500


def trained(base: str | Path) -> ModelDirectory | None:
    """The base as a model directory when it brings labels of its own (``labels.yaml``), else None."""
    path = Path(base)
    return ModelDirectory.open(path) if (path / "labels.yaml").is_file() and (path / "config.json").is_file() else None


def carry_head(model: Any, directory: ModelDirectory, scheme: LabelScheme, seed: int) -> None:
    """Give ``model`` the old output rows of labels that stay, bit for bit; rows of new ones are drawn anew.

    The rows include the old calibration, which lives in them (see :mod:`training.calibrate`).

    Args:
        model: a classifier with the labels of ``scheme`` on the body of ``directory``; changed in place.
        directory: the model continued from.
        scheme: the labels.
        seed: of the new rows.
    """
    old = AutoModelForSequenceClassification.from_pretrained(directory.path, local_files_only=True, dtype=torch.float32)
    layer, before = output_layer(model, len(scheme)), output_layer(old, len(directory.scheme))
    if layer is None or before is None:
        logger.warning("the output layer of %s was not recognised: all labels start anew", directory.path)
        return
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        layer.weight.copy_(
            torch.normal(0.0, float(getattr(model.config, "initializer_range", 0.02)), layer.weight.shape, generator=generator)
        )
        layer.bias.zero_()
        for label, known in matches(directory.scheme, scheme).items():
            i, j = scheme.ids.index(label), directory.scheme.ids.index(known)
            layer.weight[i], layer.bias[i] = before.weight[j], before.bias[j]


def inherited_decisions(directory: ModelDirectory, scheme: LabelScheme, decisions: dict[str, Any]) -> dict[str, Any]:
    """``decisions`` with the old model's entry, marked, for kept labels that had too few sentences to choose on."""
    before = _old_decisions(directory, scheme)
    few = {label: entry for label, entry in before.items() if "interval" not in decisions.get(label, {})}
    return {label: found[label] for found in [{**decisions, **few}] for label in scheme.ids if label in found}


def _old_decisions(directory: ModelDirectory, scheme: LabelScheme) -> dict[str, dict[str, Any]]:
    """What the old ``decisions.json`` says of labels that stay, under their new ids and marked as the base's."""
    path = directory.path / "decisions.json"
    before = json.loads(path.read_text(encoding="utf-8"))["labels"] if path.exists() else {}
    kept = matches(directory.scheme, scheme)
    return {label: {**before[known], "chosen_by": "base"} for label, known in kept.items() if known in before}


# --------------------------------------------------------------------------------------------------------------------
# Protection


def own_files(directory: ModelDirectory) -> tuple[Path, ...]:
    """Files with text that the model was trained on and that lie in this checkout's ``data/``, unchanged."""
    path = resource("data/sentences.jsonl")
    wanted = record_of(directory).get("data", {}).get(path.name)
    return (path,) if wanted and path.is_file() and file_digest([path]) == wanted else ()


def as_new(example: Example, old: LabelScheme, new: LabelScheme) -> Example | None:
    """A sentence labelled in the old scheme, in the new one: of labels it was never asked about it says nothing.

    Returns:
        None when nothing of it is left.
    """
    kept = matches(old, new)
    labels: dict[str, tuple[str, ...]] = {}
    silent: list[str] = [label for label in kept if kept[label] in example.disputed]
    for group in new.groups:
        # An old id may have moved to another group.
        asked = [label.id for label in group.labels if label.id in kept and old.group_of(kept[label.id]).id in example.labels]
        given = tuple(label for label in asked if kept[label] in example.labels[old.group_of(kept[label]).id])
        if not asked or (group.exclusive and len(given) != 1):
            continue
        labels[group.id] = given
        if not group.exclusive:
            silent += [label.id for label in group.labels if label.id not in asked]
    return replace(example, labels=labels, disputed=tuple(silent)) if labels else None


@dataclass(frozen=True)
class Protection:
    """Old labels and what keeps them.

    Attributes:
        directory: the model continued from.
        scheme: the new labels.
        examples: the new sentences, then those to rehearse.
        new: how many of them are new.
        silent: kept labels that some file of the new data never gives.
        files: what is rehearsed.
        share: of the training sentences that are rehearsed ones.
        seed: of their choice.
    """

    directory: ModelDirectory
    scheme: LabelScheme
    examples: list[Example]
    new: int
    silent: list[str]
    files: tuple[Path, ...]
    share: float
    seed: int

    @classmethod
    def plan(
        cls,
        directory: ModelDirectory,
        scheme: LabelScheme,
        examples: Sequence[Example],
        rehearse: Sequence[Path],
        share: float,
        pool: Pool | None = None,
        seed: int = 0,
    ) -> Protection | None:
        """Find what the new data leaves uncovered and read what is to be rehearsed; None when there is nothing to protect.

        A row that does not name a group says nothing of it. A file that never gives a label of the base was not labelled for
        it: there, too, it counts as unknown instead of absent (an exclusive group's rows always answer).

        Args:
            directory: the model continued from.
            scheme: the new labels.
            examples: the new data.
            rehearse: files labelled in the old scheme, or folders of them; none: those of this checkout that the base was trained
                on, if some kept label is given nowhere in the new data.
            share: see :class:`Protection`; with 0 nothing is rehearsed.
            pool: articles to join labels without text with.
            seed: see :class:`Protection`.
        """
        kept = matches(directory.scheme, scheme)
        given: dict[str, set[str]] = {}
        for example in examples:
            given.setdefault(example.file, set()).update(one for labels in example.labels.values() for one in labels)
        missing = {file: [label for label in kept if label not in labels] for file, labels in given.items()}
        silent = [label for label in kept if any(label in one for one in missing.values())]
        answering = [group for group in scheme.groups if any(label.id in kept for label in group.labels)]
        unspoken = any(group.id not in example.labels for example in examples for group in answering)
        if not kept or not (silent or unspoken or rehearse):
            return None
        unasked = {file: [one for one in labels if not scheme.group_of(one).exclusive] for file, labels in missing.items()}
        marked = [replace(e, disputed=(*e.disputed, *unasked[e.file])) if unasked[e.file] else e for e in examples]
        files = tuple(rehearse)
        if not files and any(all(label in one for one in missing.values()) for label in silent):
            files = tuple(path for path in own_files(directory) if path.name not in given)
        old = _rehearsable(directory, scheme, files, examples, pool) if files and share else []
        return cls(directory, scheme, [*marked, *old], len(marked), silent, files if old else (), share if old else 0.0, seed)

    def keep(self, sides: Sequence[str]) -> list[bool]:
        """Which of ``examples`` to use: all new ones, and of the rehearsed as many as the share says.

        Args:
            sides: the split of each of ``examples``.
        """
        learnt = sum(side == "train" for side in sides[: self.new])
        room = {"train": round(learnt * self.share / (1 - self.share)), "validation": REHEARSED_VALIDATION}
        use = [True] * len(sides)
        for index in self.new + np.random.default_rng(self.seed).permutation(len(sides) - self.new):
            if sides[index] in room:
                room[sides[index]] -= 1
                use[index] = room[sides[index]] >= 0
        return use

    def taught(self, examples: Sequence[Example]) -> NDArray[np.float32]:
        """The old model's scores, ``(examples, labels)``: all kept labels of rehearsed sentences, of new ones what they leave open.

        NaN elsewhere. In an exclusive group the old model's answer is one of those labels that stay.
        """
        answer = np.full((len(examples), len(self.scheme)), np.nan, dtype=np.float32)
        own = scored(examples, self.scheme)
        rehearsed = {example.where for example in self.examples[self.new :]}
        again = np.asarray([example.where in rehearsed for example in examples], dtype=bool)
        rows = np.flatnonzero(again | ~own.all(axis=1))
        if not len(rows):
            return answer
        said = distil.scores(self.directory, [examples[i] for i in rows.tolist()])
        kept = matches(self.directory.scheme, self.scheme)
        for group, columns in self.scheme.spans():
            for i, label in enumerate(group.labels, columns.start):
                if label.id in kept:
                    answer[rows, i] = said[:, self.directory.scheme.ids.index(kept[label.id])]
            if group.exclusive and any(label.id in kept for label in group.labels):
                part = np.nan_to_num(answer[rows, columns])
                total = part.sum(axis=1, keepdims=True)
                answer[rows, columns] = np.where(total > 0, part / np.maximum(total, 1e-9), np.nan)
        answer[own & ~again[:, None]] = np.nan
        return answer

    def firmer(self, support: NDArray[np.int64]) -> dict[str, dict[str, Any]]:
        """Old decisions that rest on more positive sentences than ``support``, ``(labels,)``, tells of here."""
        before = _old_decisions(self.directory, self.scheme)
        return {label: entry for label, entry in before.items() if entry.get("support", 0) > support[self.scheme.ids.index(label)]}

    def describe(self, sides: Sequence[str]) -> str:
        """One line for the user; ``sides`` are the splits of the rehearsed sentences in use."""
        who = (
            f"labels that some file never gives: {', '.join(self.silent)}" if self.silent else "old labels where the data leaves them open"
        )
        names = ", ".join(path.name for path in self.files)
        again = f" {sum(side == 'train' for side in sides)} sentences of {names} are rehearsed." if self.files else ""
        return f"the scores of {self.directory.path} teach {who} (protect: false turns this off).{again}"

    def columns(self) -> list[int]:
        """Outputs of the labels that are kept."""
        return [self.scheme.ids.index(label) for label in matches(self.directory.scheme, self.scheme)]


def _rehearsable(
    directory: ModelDirectory, scheme: LabelScheme, files: Sequence[Path], new: Sequence[Example], pool: Pool | None
) -> list[Example]:
    """The old sentences in the new scheme; what the old model was judged by stays aside, what it was trained on never does."""
    aside = unseen(record_of(directory))
    known = {distil.key(example) for example in new}
    found = []
    for example in load(files, directory.scheme, pool).examples:
        translated = as_new(example, directory.scheme, scheme)
        if translated is not None and distil.key(example) not in known:
            found.append(replace(translated, split=aside(example) or example.split or "train"))
    return found
