"""From logits to scores and labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classify.errors import ModelDirectoryError
from classify.labels import LabelScheme

DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Decisions:
    """What ``decisions.json`` of a model directory says.

    Attributes:
        thresholds: for every label of a group that is not exclusive, the score from which it is given.
        context: whether the model was trained with the sentence before as the second segment.
    """

    thresholds: Mapping[str, float] = field(default_factory=dict)
    context: bool = False

    @classmethod
    def load(cls, path: Path, scheme: LabelScheme) -> Decisions:
        """Read ``decisions.json``; a missing file means a threshold of 0.5 everywhere.

        Raises:
            ModelDirectoryError: when the file is damaged or its thresholds do not fit the labels.
        """
        if not path.exists():
            return cls()
        try:
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            thresholds = {label: float(entry["threshold"]) for label, entry in data["labels"].items()}
            context = bool(data.get("context", False))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelDirectoryError(f"{path} is damaged ({type(error).__name__}): export or train the model again") from None
        unknown = sorted(set(thresholds) - set(scheme.ids))
        if unknown:
            raise ModelDirectoryError(f"{path} has thresholds for {', '.join(unknown)}, which the model's labels do not include")
        if any(not 0 <= threshold <= 1 for threshold in thresholds.values()):
            raise ModelDirectoryError(f"{path} has a threshold outside 0 to 1")
        return cls(thresholds, context)

    def threshold(self, label: str) -> float:
        """The score from which ``label`` is given."""
        return self.thresholds.get(label, DEFAULT_THRESHOLD)


def probabilities(logits: NDArray[np.float32], scheme: LabelScheme) -> NDArray[np.float64]:
    """Scores between 0 and 1, shape ``(sentences, labels)``: sigmoid a label, softmax within exclusive groups."""
    values = logits.astype(np.float64)
    scores = np.empty_like(values)
    for group, columns in scheme.spans():
        part = values[:, columns]
        if group.exclusive:
            exponentials = np.exp(part - part.max(axis=1, keepdims=True))
            scores[:, columns] = exponentials / exponentials.sum(axis=1, keepdims=True)
        else:
            scores[:, columns] = np.where(part >= 0, 1 / (1 + np.exp(-np.abs(part))), 1 - 1 / (1 + np.exp(-np.abs(part))))
    return scores


def decide(scores: NDArray[np.float64], scheme: LabelScheme, decisions: Decisions) -> NDArray[np.bool_]:
    """Which labels are given, shape ``(sentences, labels)``: by threshold, or the best one of an exclusive group."""
    given = np.zeros(scores.shape, dtype=bool)
    for group, columns in scheme.spans():
        part = scores[:, columns]
        if group.exclusive:
            given[np.arange(len(part)), columns.start + part.argmax(axis=1)] = True
        else:
            given[:, columns] = part >= np.asarray([decisions.threshold(label.id) for label in group.labels])
    return given
