"""Figures: precision, recall and F1 a label, macro and micro a group, bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import datasets
import evaluate
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support

from classify.labels import LabelScheme

Flags = NDArray[np.bool_]


class MultiLabelScores(evaluate.Metric):  # type: ignore[misc]
    """Precision, recall, F1 and support a label, as an `evaluate` metric defined here: nothing is fetched.

    Predictions are rows of 0/1; references rows of 0/1, with -1 where a label is unknown or disputed and does not count.
    """

    def _info(self) -> evaluate.MetricInfo:
        row = datasets.Sequence(datasets.Value("int32"))
        return evaluate.MetricInfo(
            description="Multi-label precision, recall, F1 and support per label.",
            citation="",
            inputs_description="predictions and references: lists of rows of 0 and 1; -1 in a reference is ignored",
            features=datasets.Features({"predictions": row, "references": row}),
        )

    def _compute(self, predictions: Any, references: Any) -> dict[str, list[float]]:
        given, wanted = np.asarray(predictions), np.asarray(references)
        columns: dict[str, list[float]] = {"precision": [], "recall": [], "f1": [], "support": [], "predicted": []}
        for label in range(wanted.shape[1]):
            counts = wanted[:, label] >= 0
            truth, answer = wanted[counts, label], given[counts, label]
            if not counts.any():  # nobody was asked about this label
                precision, recall, f1 = 0.0, 0.0, 0.0
            else:
                precision, recall, f1, _ = precision_recall_fscore_support(truth, answer, average="binary", zero_division=0)
            for name, value in zip(columns, (precision, recall, f1, truth.sum(), answer.sum()), strict=True):
                columns[name].append(float(value))
        return columns


def label_scores(given: Flags, wanted: Flags, mask: Flags) -> dict[str, list[float]]:
    """:class:`MultiLabelScores` of arrays ``(rows, labels)``; entries outside ``mask`` do not count."""
    references = np.where(mask, wanted.astype(np.int32), -1)
    # In memory, because files would go to a shared cache folder under one name for all processes.
    result: dict[str, list[float]] | None = MultiLabelScores(keep_in_memory=True).compute(
        predictions=given.astype(np.int32).tolist(), references=references.tolist()
    )
    assert result is not None
    return result


def f1(true: NDArray[Any], false_positive: NDArray[Any], false_negative: NDArray[Any]) -> NDArray[np.float64]:
    """F1 from counts; 0 where nothing was right, also where there was nothing."""
    below = 2 * true + false_positive + false_negative
    return np.where(below > 0, 2 * true / np.maximum(below, 1e-12), 0.0)


@dataclass(frozen=True)
class Interval:
    """A figure with its bootstrap 95 % interval."""

    value: float
    low: float
    high: float

    def as_list(self) -> list[float]:
        """``[value, low, high]``, rounded."""
        return [round(self.value, 4), round(self.low, 4), round(self.high, 4)]


@dataclass(frozen=True)
class Figures:
    """All figures of one system on one data set.

    Attributes:
        labels: per label precision, recall, f1 (each with interval), support, predicted.
        groups: per group macro_f1 and micro_f1 with interval, and the labels the macro mean leaves out for lack of support.
        exact_match: share of rows with every scored label right.
        rows: how many rows there were.
    """

    labels: dict[str, dict[str, Any]]
    groups: dict[str, dict[str, Any]]
    exact_match: Interval
    rows: int

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"rows": self.rows, "labels": self.labels, "groups": self.groups, "exact_match": self.exact_match.as_list()}


def figures(
    given: Flags, wanted: Flags, mask: Flags, scheme: LabelScheme, units: Sequence[str], resamples: int = 1000, seed: int = 0
) -> Figures:
    """Score predictions with bootstrap intervals.

    Whole ``units`` (documents) are drawn with replacement, because sentences of one document are not independent.

    Args:
        given: predicted, shape ``(rows, labels)``.
        wanted: true, same shape.
        mask: what counts, same shape.
        scheme: the labels.
        units: for every row the document it comes from.
        resamples: bootstrap samples.
        seed: of the bootstrap.
    """
    point = label_scores(given, wanted, mask)
    wanted = wanted & mask
    answered = given & mask
    true, wrong, missed = wanted & answered, answered & ~wanted, wanted & ~answered
    exact = ((given == wanted) | ~mask).all(axis=1)
    names, unit = np.unique(np.asarray(units), return_inverse=True)

    def per_unit(flags: NDArray[Any]) -> NDArray[np.float64]:
        sums = np.zeros((len(names), *flags.shape[1:]))
        np.add.at(sums, unit, flags)
        return sums

    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    tp, fp, fn = (draws @ per_unit(flags) for flags in (true, wrong, missed))

    def interval(value: float, samples: NDArray[np.float64]) -> Interval:
        low, high = np.nanpercentile(samples, [2.5, 97.5])
        return Interval(float(value), float(low), float(high))

    def ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(whole > 0, part / np.maximum(whole, 1e-12), 0.0)

    labels: dict[str, dict[str, Any]] = {}
    for i, name in enumerate(scheme.ids):
        labels[name] = {
            "precision": interval(point["precision"][i], ratio(tp[:, i], tp[:, i] + fp[:, i])).as_list(),
            "recall": interval(point["recall"][i], ratio(tp[:, i], tp[:, i] + fn[:, i])).as_list(),
            "f1": interval(point["f1"][i], f1(tp[:, i], fp[:, i], fn[:, i])).as_list(),
            "support": int(point["support"][i]),
            "predicted": int(point["predicted"][i]),
        }
    groups: dict[str, dict[str, Any]] = {}
    for group, columns in scheme.spans():
        inside = range(columns.start, columns.stop)
        supported = [i for i in inside if point["support"][i] > 0]
        macro_samples = f1(tp[:, supported], fp[:, supported], fn[:, supported]).mean(axis=1) if supported else np.zeros(resamples)
        macro = float(np.mean([point["f1"][i] for i in supported])) if supported else 0.0
        micro_samples = f1(tp[:, columns].sum(1), fp[:, columns].sum(1), fn[:, columns].sum(1))
        micro = f1(true[:, columns].sum(), wrong[:, columns].sum(), missed[:, columns].sum())
        groups[group.id] = {
            "macro_f1": interval(macro, macro_samples).as_list(),
            "micro_f1": interval(float(micro), micro_samples).as_list(),
            "without_support": [scheme.ids[i] for i in inside if i not in supported],
        }
    exact_samples = (draws @ per_unit(exact.astype(float))) / np.maximum(draws @ per_unit(np.ones(len(exact))), 1)
    return Figures(labels, groups, interval(float(exact.mean()), exact_samples), len(given))


def calibration_error(scores: NDArray[np.float64], wanted: Flags, bins: int = 10) -> tuple[float, list[tuple[float, float, int]]]:
    """Expected calibration error of one label (Naeini et al. 2015) over ``bins`` equal steps of the score.

    Args:
        scores: between 0 and 1, shape ``(rows,)``.
        wanted: the truth, same shape.
        bins: how many.

    Returns:
        the error, and for every bin that is not empty its mean score, its share of true sentences and its size.
    """
    if not len(scores):
        return 0.0, []
    place = np.minimum((scores * bins).astype(int), bins - 1)
    filled = [place == b for b in range(bins) if (place == b).any()]
    rows = [(float(scores[one].mean()), float(wanted[one].mean()), int(one.sum())) for one in filled]
    return sum(size * abs(mean - share) for mean, share, size in rows) / len(scores), rows


def group_macro_f1(given: Flags, wanted: Flags, mask: Flags, scheme: LabelScheme) -> dict[str, float]:
    """Macro-F1 of every group, labels without support left out; a group without any is left out as a whole."""
    scores = label_scores(given, wanted, mask)
    means = {}
    for group, columns in scheme.spans():
        supported = [scores["f1"][i] for i in range(columns.start, columns.stop) if scores["support"][i] > 0]
        if supported:
            means[group.id] = float(np.mean(supported))
    return means


def macro_f1(given: Flags, wanted: Flags, mask: Flags, scheme: LabelScheme) -> float:
    """Mean over the groups of their macro-F1, labels without support left out: what early stopping watches."""
    means = group_macro_f1(given, wanted, mask, scheme)
    return float(np.mean(list(means.values()))) if means else 0.0
