"""How often the model is wrong, as counted on sentences it was not trained on: ``error_rates.json`` of a model directory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from classify.decisions import Decisions
from classify.errors import ModelDirectoryError
from classify.labels import LabelScheme

FILE = "error_rates.json"
# A rate of fewer sentences than this is chance.
MIN_SUPPORT = 10


@dataclass(frozen=True)
class LabelRates:
    """What one label's mistakes were.

    Attributes:
        threshold: the score from which the label was given; None where its group is exclusive.
        true_positives, false_negatives: of the sentences that carry the label, those it was given to and those it was not.
        false_positives, true_negatives: the same of those that do not carry it.
        design_effects: of the true and of the false positive rate, how many times its variance is that of as many sentences of
            different documents (Kish 1965, "Survey Sampling"): sentences of one article go wrong together.
    """

    threshold: float | None
    true_positives: int
    false_negatives: int
    false_positives: int
    true_negatives: int
    design_effects: tuple[float, float] = (1.0, 1.0)

    @property
    def positives(self) -> int:
        """Sentences that carry the label."""
        return self.true_positives + self.false_negatives

    @property
    def negatives(self) -> int:
        """Sentences that do not."""
        return self.false_positives + self.true_negatives

    @property
    def true_positive_rate(self) -> float:
        """Share of the positives that got the label; 0 without any."""
        return self.true_positives / self.positives if self.positives else 0.0

    @property
    def false_positive_rate(self) -> float:
        """Share of the negatives that got it; 0 without any."""
        return self.false_positives / self.negatives if self.negatives else 0.0

    def as_dict(self) -> dict[str, Any]:
        """As it stands in the file."""
        return {
            "threshold": self.threshold,
            "true_positives": self.true_positives,
            "false_negatives": self.false_negatives,
            "false_positives": self.false_positives,
            "true_negatives": self.true_negatives,
            "design_effects": [round(effect, 2) for effect in self.design_effects],
        }


@dataclass(frozen=True)
class ErrorRates:
    """What ``error_rates.json`` says.

    Attributes:
        source: the sentences it was counted on, for people.
        validation: whether these are the sentences thresholds were chosen on, which flatters the model a little.
        sentences, documents: how many they were.
        weights: digest of the weights that were asked, as in ``training.json``; ``""`` where there is no such record.
        profiles: by profile and label.
    """

    source: str
    validation: bool
    sentences: int
    documents: int
    weights: str
    profiles: Mapping[str, Mapping[str, LabelRates]] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> ErrorRates | None:
        """Read the file of a model directory; None where there is none.

        Raises:
            ModelDirectoryError: when it is damaged.
        """
        path = folder / FILE
        if not path.exists():
            return None
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            profiles = {name: {label: parse(entry) for label, entry in labels.items()} for name, labels in data["profiles"].items()}
            counted = int(data["sentences"]), int(data["documents"])
            return cls(str(data["source"]), bool(data["validation"]), *counted, str(data["weights"]), profiles)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelDirectoryError(
                f"{path} is damaged ({type(error).__name__}: {error}): delete it, or write it anew with classify evaluate --error-rates"
            ) from None

    def of(self, label: str, profile: str, scheme: LabelScheme, decisions: Decisions) -> LabelRates | None:
        """The rates of a label as it is decided now; None where none were counted, or at another threshold.

        ``decisions`` are those of the profile.
        """
        found = self.profiles.get(profile, {}).get(label)
        now = threshold_of(label, scheme, decisions)
        return found if found is not None and found.threshold == now else None

    def text(self) -> str:
        """The file: a label a line."""
        head: dict[str, Any] = {
            "source": self.source, "validation": self.validation, "sentences": self.sentences, "documents": self.documents,
            "weights": self.weights,
        }  # fmt: skip
        lines = [f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}," for name, value in head.items()]
        blocks = [
            f"  {json.dumps(name)}: {{\n"
            + ",\n".join(f"   {json.dumps(label, ensure_ascii=False)}: {json.dumps(one.as_dict())}" for label, one in labels.items())
            + "\n  }"
            for name, labels in self.profiles.items()
        ]
        return "{\n" + "\n".join(lines) + '\n "profiles": {\n' + ",\n".join(blocks) + "\n }\n}\n"


def threshold_of(label: str, scheme: LabelScheme, decisions: Decisions) -> float | None:
    """The score from which a label is given; None where the best of an exclusive group is."""
    return None if scheme.group_of(label).exclusive else decisions.threshold(label)


def parse(entry: Mapping[str, Any]) -> LabelRates:
    """One label's entry.

    Raises:
        KeyError, TypeError, ValueError: when it is none.
    """
    true, missed, false, right = counts = [
        entry[name] for name in ("true_positives", "false_negatives", "false_positives", "true_negatives")
    ]
    if not all(type(count) is int and count >= 0 for count in counts):
        raise ValueError("counts must be whole numbers")
    first, second = (float(effect) for effect in entry["design_effects"])
    if not (1 <= first < float("inf") and 1 <= second < float("inf")):
        raise ValueError("design effects must be at least 1")
    threshold = entry["threshold"]
    return LabelRates(None if threshold is None else float(threshold), true, missed, false, right, (first, second))
