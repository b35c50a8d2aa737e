"""From logits to scores and labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classify.errors import ModelDirectoryError, SettingsError
from classify.labels import LabelScheme

DEFAULT_THRESHOLD = 0.5
# Of a label with too few held-out sentences to choose on, the precise profile asks for at least this much.
PRECISE_WITHOUT_EVIDENCE = 0.9
# Above every score: the label is never given.
NEVER = 2.0
PROFILES = ("balanced", "precise")


@dataclass(frozen=True)
class Decisions:
    """What ``decisions.json`` of a model directory says.

    Attributes:
        thresholds: for every label of a group that is not exclusive, the score from which it is given.
        context: whether the model was trained with the sentence before as the second segment.
        precise: the same as ``thresholds`` for the profile ``precise``; None where no score was sure enough.
        review: for a label the lowest and the highest score at which a person should look.
    """

    thresholds: Mapping[str, float] = field(default_factory=dict)
    context: bool = False
    precise: Mapping[str, float | None] = field(default_factory=dict)
    review: Mapping[str, tuple[float, float]] = field(default_factory=dict)

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
            precise = {label: _number(entry["precise"]) for label, entry in data["labels"].items() if "precise" in entry}
            review = {
                label: (float(entry["review"][0]), float(entry["review"][1]))
                for label, entry in data["labels"].items()
                if "review" in entry
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise ModelDirectoryError(f"{path} is damaged ({type(error).__name__}): export or train the model again") from None
        unknown = sorted(set(thresholds) - set(scheme.ids))
        if unknown:
            raise ModelDirectoryError(f"{path} has thresholds for {', '.join(unknown)}, which the model's labels do not include")
        numbers = [
            *thresholds.values(),
            *(one for one in precise.values() if one is not None),
            *(edge for band in review.values() for edge in band),
        ]
        if any(not 0 <= number <= 1 for number in numbers):
            raise ModelDirectoryError(f"{path} has a threshold outside 0 to 1")
        return cls(thresholds, context, precise, review)

    def threshold(self, label: str) -> float:
        """The score from which ``label`` is given."""
        return self.thresholds.get(label, DEFAULT_THRESHOLD)

    def profile(self, name: str, scheme: LabelScheme) -> Decisions:
        """The same with the thresholds of a profile: ``balanced`` (the best F1) or ``precise`` (a precision of 0.95).

        Raises:
            SettingsError: for another name.
        """
        if name not in PROFILES:
            raise SettingsError(f"unknown profile '{name}': choose one of {', '.join(PROFILES)}")
        if name == "balanced":
            return self
        thresholds = {}
        for label in scheme.ids:
            chosen = self.precise.get(label, PRECISE_WITHOUT_EVIDENCE)
            thresholds[label] = NEVER if chosen is None else max(self.threshold(label), chosen)
        return replace(self, thresholds=thresholds)

    def to_review(self, label: str, score: float) -> bool:
        """Whether ``score`` lies in the band that held half of the label's mistakes."""
        low, high = self.review.get(label, (NEVER, NEVER))
        return low <= score <= high


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


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
