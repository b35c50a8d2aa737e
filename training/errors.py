"""Counting a model's mistakes for ``error_rates.json``, by which `classify report` corrects shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classify.decisions import PROFILES, Decisions, decide
from classify.errors import DataError
from classify.labels import LabelScheme
from classify.modeldir import ModelDirectory
from classify.rates import FILE, ErrorRates, LabelRates, parse, threshold_of
from classify.writers import replacing

RESAMPLES = 500


def count(
    scores: NDArray[np.float64],
    wanted: NDArray[np.bool_],
    known: NDArray[np.bool_],
    units: Sequence[str],
    scheme: LabelScheme,
    decisions: Decisions,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Mistakes by profile and label, as they stand in the file.

    Disputed labels count as they were adjudicated: shares are about all sentences, not about the clear ones.

    Args:
        scores: of sentences not trained on, shape ``(rows, labels)``.
        wanted: the truth, same shape.
        known: where it is known, same shape.
        units: for every row its document.
        scheme: the labels.
        decisions: of the balanced profile.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name in PROFILES:
        profile = decisions.profile(name, scheme)
        given = decide(scores, scheme, profile)
        found[name] = {}
        for i, label in enumerate(scheme.ids):
            truth, answer = wanted[known[:, i], i], given[known[:, i], i]
            true, missed, wrong, right = (int(part.sum()) for part in (truth & answer, truth & ~answer, ~truth & answer, ~truth & ~answer))
            rows = [unit for unit, counted in zip(units, known[:, i], strict=True) if counted]
            effects = design_effect(answer[truth], _of(rows, truth)), design_effect(answer[~truth], _of(rows, ~truth))
            found[name][label] = LabelRates(threshold_of(label, scheme, profile), true, missed, wrong, right, effects).as_dict()
    return found


def _of(rows: Sequence[str], chosen: NDArray[np.bool_]) -> list[str]:
    return [row for row, one in zip(rows, chosen, strict=True) if one]


def design_effect(answers: NDArray[np.bool_], units: Sequence[str], seed: int = 0) -> float:
    """The variance of a rate when whole documents are drawn, as a multiple of that of sentences drawn one by one; at least 1."""
    names, unit = np.unique(np.asarray(units), return_inverse=True)
    share = float(answers.mean()) if len(answers) else 0.0
    if len(names) < 2 or not 0 < share < 1:
        return 1.0
    right, size = np.bincount(unit, weights=answers), np.bincount(unit)
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    rates = (draws @ right) / np.maximum(draws @ size, 1)
    return max(1.0, float(rates.var() / (share * (1 - share) / len(answers))))


def pooled(parts: Sequence[Mapping[str, Any]], record: Mapping[str, Any], validation: bool = False) -> ErrorRates:
    """The mistakes in all ``parts`` that :func:`training.evaluate.measure` returned.

    Raises:
        DataError: when there are none.
    """
    if not parts:
        raise DataError("no sentence is left to count mistakes on")
    profiles: dict[str, dict[str, LabelRates]] = {}
    for part in parts:
        for name, labels in part["errors"].items():
            mine = profiles.setdefault(name, {})
            for label, entry in labels.items():
                mine[label] = _sum(mine[label], parse(entry)) if label in mine else parse(entry)
    return ErrorRates(
        ", ".join(part["name"] for part in parts), validation, sum(part["rows"] for part in parts),
        sum(part["documents"] for part in parts), str(record.get("weights", {}).get("sha256", "")), profiles,
    )  # fmt: skip


def _sum(one: LabelRates, other: LabelRates) -> LabelRates:
    def mean(place: int, first: int, second: int) -> float:
        whole = max(1, first + second)
        return max(1.0, (one.design_effects[place] * first + other.design_effects[place] * second) / whole)

    return replace(
        one,
        true_positives=one.true_positives + other.true_positives,
        false_negatives=one.false_negatives + other.false_negatives,
        false_positives=one.false_positives + other.false_positives,
        true_negatives=one.true_negatives + other.true_negatives,
        design_effects=(mean(0, one.positives, other.positives), mean(1, one.negatives, other.negatives)),
    )


def write(rates: ErrorRates, directory: ModelDirectory) -> None:
    """Write ``error_rates.json`` into a model directory."""
    with replacing(directory.path / FILE) as stream:
        stream.write(rates.text())
