"""Choosing the threshold of every label on predictions for sentences the model was not trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from classify.decisions import DEFAULT_THRESHOLD
from classify.labels import LabelScheme
from training.metrics import f1

GRID = np.round(np.arange(0.1, 0.91, 0.02), 2)
# With fewer positives than this the best threshold on paper is chance.
MIN_SUPPORT = 10


def best_threshold(scores: NDArray[np.float64], wanted: NDArray[np.bool_]) -> float:
    """The threshold with the best F1 after smoothing over its neighbours, so that one lucky sentence decides nothing."""
    given = scores[None, :] >= GRID[:, None]
    curve = f1((given & wanted).sum(1), (given & ~wanted).sum(1), (~given & wanted).sum(1))
    smooth = np.convolve(np.pad(curve, 2, mode="edge"), np.ones(5) / 5, mode="valid")
    best = np.flatnonzero(smooth >= smooth.max() - 1e-9)
    return float(GRID[best[len(best) // 2]])


def choose_thresholds(
    scores: NDArray[np.float64],
    wanted: NDArray[np.bool_],
    mask: NDArray[np.bool_],
    scheme: LabelScheme,
    resamples: int = 200,
    seed: int = 0,
) -> dict[str, dict[str, Any]]:
    """Thresholds for ``decisions.json``.

    Args:
        scores: held-out scores, shape ``(rows, labels)``.
        wanted: truth, same shape.
        mask: what counts, same shape.
        scheme: the labels; those of exclusive groups have no threshold.
        resamples: bootstrap samples for the threshold's interval.
        seed: of the bootstrap.

    Returns:
        per label ``threshold``, the ``support`` it was chosen on, its bootstrap ``interval`` and the ``f1`` it had there.
    """
    random = np.random.default_rng(seed)
    chosen: dict[str, dict[str, Any]] = {}
    for group, columns in scheme.spans():
        if group.exclusive:
            continue
        for i, label in enumerate(group.labels, columns.start):
            counted = mask[:, i]
            truth, values = wanted[counted, i], scores[counted, i]
            support = int(truth.sum())
            if support < MIN_SUPPORT:
                chosen[label.id] = {"threshold": DEFAULT_THRESHOLD, "support": support}
                continue
            threshold = best_threshold(values, truth)
            draws = [random.integers(len(truth), size=len(truth)) for _ in range(resamples)]
            spread = np.percentile([best_threshold(values[d], truth[d]) for d in draws], [2.5, 97.5])
            given = values >= threshold
            reached = f1((given & truth).sum(), (given & ~truth).sum(), (~given & truth).sum())
            chosen[label.id] = {
                "threshold": round(threshold, 4),
                "support": support,
                "interval": [round(float(edge), 4) for edge in spread],
                "f1": round(float(reached), 4),
            }
    return chosen
