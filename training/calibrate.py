"""Calibration, thresholds, profiles and review bands, all from predictions for sentences the model was not trained on."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from classify.decisions import DEFAULT_THRESHOLD
from classify.labels import LabelScheme
from training.metrics import f1

logger = logging.getLogger(__name__)

GRID = np.round(np.arange(0.02, 0.97, 0.02), 2)
# With fewer positives than this the best threshold on paper is chance.
MIN_SUPPORT = 10
PRECISION = 0.95
# Thresholds whose F1 is this near the best one's are as good as it.
TOLERANCE = 0.01
# So many sentences must lie above a precise threshold: of five, five are right by luck.
SURE_SUPPORT = 20
# The share of a label's mistakes that its review band holds.
MISTAKES = 0.5


# --------------------------------------------------------------------------------------------------------------------
# Calibration


def platt(logits: NDArray[np.float64], wanted: NDArray[np.bool_], weights: NDArray[np.float64]) -> tuple[float, float]:
    """Scale and shift that make sigmoids of ``scale * logit + shift`` true frequencies (Platt 1999, with his soft targets).

    Args:
        logits: of one label on held-out sentences, shape ``(rows,)``.
        wanted: the truth, same shape.
        weights: how much each row counts, same shape.

    Returns:
        ``(1.0, 0.0)``, which changes nothing, where there is too little to learn from or the logits mislead.
    """
    from sklearn.linear_model import LogisticRegression

    if min(int(wanted.sum()), int((~wanted).sum())) < MIN_SUPPORT:
        return 1.0, 0.0
    positive, negative = weights[wanted].sum(), weights[~wanted].sum()
    if min(positive, negative) < 1:
        # What counts has no example of one side.
        return 1.0, 0.0
    high, low = (positive + 1) / (positive + 2), 1 / (negative + 2)
    target = np.where(wanted, high, low)
    # A soft target is a row seen twice, as right and as wrong.
    regression = LogisticRegression(C=1e4)
    regression.fit(
        np.concatenate([logits, logits])[:, None],
        np.concatenate([np.ones(len(logits)), np.zeros(len(logits))]),
        sample_weight=np.concatenate([target * weights, (1 - target) * weights]),
    )
    scale, shift = float(regression.coef_[0, 0]), float(regression.intercept_[0])
    return (scale, shift) if scale > 0 else (1.0, 0.0)


def temperature(logits: NDArray[np.float64], wanted: NDArray[np.bool_]) -> float:
    """What to multiply the logits of an exclusive group with ``(rows, labels)`` (Guo et al. 2017)."""
    from scipy.optimize import minimize_scalar

    if len(logits) < MIN_SUPPORT:
        return 1.0

    def loss(log_scale: float) -> float:
        values = logits * np.exp(log_scale)
        highest = values.max(1, keepdims=True)
        normal = highest[:, 0] + np.log(np.exp(values - highest).sum(1))
        return float(np.mean(normal - values[wanted]))

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))


def calibration(
    logits: NDArray[np.float32], wanted: NDArray[np.bool_], mask: NDArray[np.bool_], scheme: LabelScheme, weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scale and shift of every label, each ``(labels,)``, from held-out logits ``(rows, labels)``."""
    scale, shift = np.ones(len(scheme)), np.zeros(len(scheme))
    values = logits.astype(np.float64)
    for group, columns in scheme.spans():
        if group.exclusive:
            rows = mask[:, columns].all(axis=1)
            scale[columns] = temperature(values[rows, columns], wanted[rows, columns])
            continue
        for i in range(columns.start, columns.stop):
            rows = mask[:, i]
            scale[i], shift[i] = platt(values[rows, i], wanted[rows, i], weights[rows])
    return scale, shift


def output_layer(model: torch.nn.Module, labels: int) -> torch.nn.Linear | None:
    """The last linear layer with an output a label; None where it is not recognised."""
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m.out_features == labels and m.bias is not None]
    return layers[-1] if layers else None


def fold_into_head(model: torch.nn.Module, scale: NDArray[np.float64], shift: NDArray[np.float64]) -> bool:
    """Put the calibration into the output layer, so that every program that reads the directory gets calibrated scores.

    Returns:
        whether the model has such a layer, the last linear one with an output a label.
    """
    layer = output_layer(model, len(scale))
    if layer is None:
        logger.warning("the model's output layer was not recognised: its scores are left uncalibrated")
        return False
    with torch.no_grad():
        by = torch.from_numpy(scale).to(layer.weight)
        layer.weight.mul_(by[:, None])
        layer.bias.mul_(by).add_(torch.from_numpy(shift).to(layer.bias))
    return True


# --------------------------------------------------------------------------------------------------------------------
# Decisions


def best_threshold(scores: NDArray[np.float64], wanted: NDArray[np.bool_], weights: NDArray[np.float64] | None = None) -> float:
    """The threshold nearest to 0.5 among those with nearly the best F1.

    F1 is smoothed over neighbouring thresholds, so that one lucky sentence decides nothing, and where the curve is flat the
    threshold stays where calibrated scores have it.
    """
    weight = np.ones(len(scores)) if weights is None else weights
    given = scores[None, :] >= GRID[:, None]
    curve = f1((given & wanted) @ weight, (given & ~wanted) @ weight, (~given & wanted) @ weight)
    smooth = np.convolve(np.pad(curve, 2, mode="edge"), np.ones(5) / 5, mode="valid")
    good = GRID[smooth >= smooth.max() - TOLERANCE]
    return float(good[np.argmin(np.abs(good - DEFAULT_THRESHOLD))])


def precise_threshold(scores: NDArray[np.float64], wanted: NDArray[np.bool_], weights: NDArray[np.float64] | None = None) -> float | None:
    """The lowest score from which nineteen in twenty sentences are right; None where no score is that sure."""
    weight = np.ones(len(scores)) if weights is None else weights
    order = np.argsort(-scores, kind="stable")
    precision = np.cumsum((wanted * weight)[order]) / np.maximum(np.cumsum(weight[order]), 1e-12)
    # Equal scores stand or fall together.
    last_of_equals = np.append(np.diff(scores[order]) != 0, True)
    good = np.flatnonzero((precision >= PRECISION) & last_of_equals & (np.arange(1, len(order) + 1) >= SURE_SUPPORT))
    return float(scores[order][good[-1]]) if len(good) else None


def review_band(scores: NDArray[np.float64], wanted: NDArray[np.bool_], threshold: float) -> tuple[float, float] | None:
    """The scores around ``threshold`` that hold half of the mistakes among the fewest sentences; None without mistakes."""
    wrong = np.sort(scores[(scores >= threshold) != wanted])
    if not len(wrong):
        return None
    needed = max(1, int(np.ceil(MISTAKES * len(wrong))))
    in_order = np.sort(scores)
    best: tuple[int, float, float] | None = None
    for first in range(len(wrong) - needed + 1):
        low, high = min(wrong[first], threshold), max(wrong[first + needed - 1], threshold)
        size = int(np.searchsorted(in_order, high, "right") - np.searchsorted(in_order, low, "left"))
        if best is None or size < best[0]:
            best = size, float(low), float(high)
    assert best is not None
    return best[1], best[2]


def choose_thresholds(
    scores: NDArray[np.float64],
    wanted: NDArray[np.bool_],
    mask: NDArray[np.bool_],
    scheme: LabelScheme,
    weights: NDArray[np.float64] | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """What ``decisions.json`` says of every label.

    Args:
        scores: held-out scores, shape ``(rows, labels)``.
        wanted: truth, same shape.
        mask: what counts, same shape.
        scheme: the labels; those of exclusive groups have no threshold.
        weights: how much each row counts, shape ``(rows,)``; None for all alike.
        resamples: bootstrap samples for the threshold's interval.
        seed: of the bootstrap.

    Returns:
        per label ``threshold``, the point nearest to 0.5 in the bootstrap ``interval`` of the best one, with the ``support``
        it was chosen on and the ``f1`` it had there;
        ``precise``, the threshold of that profile (None where none is sure enough), with the ``precise_recall`` it had;
        ``review``, the band in which half of the mistakes lay, with the share of all sentences in it and the share of these
        that were mistakes.
    """
    random = np.random.default_rng(seed)
    every = np.ones(len(scores)) if weights is None else weights
    chosen: dict[str, dict[str, Any]] = {}
    for group, columns in scheme.spans():
        if group.exclusive:
            continue
        for i, label in enumerate(group.labels, columns.start):
            counted = mask[:, i]
            truth, values, weight = wanted[counted, i], scores[counted, i], every[counted]
            support = int(truth.sum())
            if support < MIN_SUPPORT:
                chosen[label.id] = {"threshold": DEFAULT_THRESHOLD, "support": support}
                continue
            draws = [random.integers(len(truth), size=len(truth)) for _ in range(resamples)]
            spread = np.percentile([best_threshold(values[d], truth[d], weight[d]) for d in draws], [2.5, 97.5])
            # Calibrated scores would have it at 0.5: the evidence moves it from there only as far as it must.
            threshold = float(np.clip(DEFAULT_THRESHOLD, *spread))
            given = values >= threshold
            reached = f1((given & truth).sum(), (given & ~truth).sum(), (~given & truth).sum())
            chosen[label.id] = {
                "threshold": round(threshold, 4),
                "support": support,
                "interval": [round(float(edge), 4) for edge in spread],
                "f1": round(float(reached), 4),
            }
            precise = precise_threshold(values, truth, weight)
            if precise is not None:
                # Rounded up, so that what was just under it stays out; never laxer than the balanced one.
                precise = min(1.0, max(threshold, float(np.ceil(precise * 1e6) / 1e6)))
                chosen[label.id]["precise_recall"] = round(float((values[truth] >= precise).mean()), 4)
            chosen[label.id]["precise"] = precise
            band = review_band(values, truth, threshold)
            if band is not None:
                low, high = float(np.floor(band[0] * 1e6) / 1e6), float(np.ceil(band[1] * 1e6) / 1e6)
                inside = (values >= low) & (values <= high)
                chosen[label.id]["review"] = [low, high]
                chosen[label.id]["review_share"] = round(float(inside.mean()), 4)
                chosen[label.id]["review_wrong"] = round(float((given != truth)[inside].mean()), 4)
    return chosen
