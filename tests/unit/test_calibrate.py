import numpy as np
import pytest

from classify.labels import LabelScheme
from training.calibrate import GRID, MIN_SUPPORT, best_threshold, choose_thresholds

SCHEME = LabelScheme.from_dict({"groups": [{"id": "topic", "labels": ["a", "b"]}, {"id": "tone", "exclusive": True, "labels": ["x", "y"]}]})


def separated(border, rows=400, seed=0, share=0.3):
    """Scores that lie above ``border`` for positives and below it for negatives."""
    generator = np.random.default_rng(seed)
    truth = generator.random(rows) < share
    low, high = generator.uniform(0, border - 0.05, rows), generator.uniform(border + 0.05, 1, rows)
    return np.where(truth, high, low), truth


@pytest.mark.parametrize("border", [0.2, 0.35, 0.5, 0.7, 0.85])
def test_threshold_is_found_where_classes_part(border):
    scores, truth = separated(border)
    assert abs(best_threshold(scores, truth) - border) < 0.06


def test_threshold_is_the_middle_of_equally_good_ones():
    scores = np.asarray([0.2] * 20 + [0.8] * 20)
    truth = scores > 0.5
    assert best_threshold(scores, truth) == pytest.approx(0.5, abs=0.03)


def test_one_lucky_sentence_decides_nothing():
    generator = np.random.default_rng(1)
    truth = generator.random(2000) < 0.3
    scores = np.clip(np.where(truth, 0.6, 0.4) + generator.normal(0, 0.12, 2000), 0, 1)
    once = best_threshold(scores, truth)
    changed = truth.copy()
    changed[np.flatnonzero(scores > 0.88)[:1]] ^= True
    assert abs(best_threshold(scores, changed) - once) <= 0.02
    assert 0.4 < once < 0.6


def test_thresholds_stay_on_the_grid_whatever_the_scores():
    truth = np.asarray([True] * 15 + [False] * 15)
    for scores in (np.zeros(30), np.ones(30), truth * 0.01, 1 - truth * 0.01):
        assert GRID[0] <= best_threshold(scores, truth) <= GRID[-1]


def both_columns():
    a, truth_a = separated(0.3, seed=2)
    b, truth_b = separated(0.7, seed=3, share=0.1)
    scores = np.stack([a, b, np.full(400, 0.5), np.full(400, 0.5)], axis=1)
    wanted = np.stack([truth_a, truth_b, truth_a, ~truth_a], axis=1)
    return scores, wanted, np.ones_like(wanted)


def test_every_label_gets_its_own_with_support_interval_and_f1():
    scores, wanted, mask = both_columns()
    chosen = choose_thresholds(scores, wanted, mask, SCHEME)
    # Exclusive groups have no threshold.
    assert list(chosen) == ["a", "b"]
    assert chosen["a"]["threshold"] == pytest.approx(0.3, abs=0.06)
    assert chosen["b"]["threshold"] == pytest.approx(0.7, abs=0.06)
    for i, label in enumerate(chosen):
        entry = chosen[label]
        assert entry["support"] == wanted[:, i].sum()
        assert entry["f1"] == 1
        assert entry["interval"][0] <= entry["threshold"] <= entry["interval"][1]
    assert choose_thresholds(scores, wanted, mask, SCHEME) == chosen


def test_what_does_not_count_is_not_looked_at():
    scores, wanted, mask = both_columns()
    expected = choose_thresholds(scores, wanted, mask, SCHEME)
    extra = np.full((100, 4), 0.99)
    scores, mask = np.concatenate([scores, extra]), np.concatenate([mask, np.zeros((100, 4), dtype=bool)])
    wanted = np.concatenate([wanted, np.zeros((100, 4), dtype=bool)])
    assert choose_thresholds(scores, wanted, mask, SCHEME) == expected


def test_too_few_positives_keep_the_default():
    scores, wanted, mask = both_columns()
    positives = np.flatnonzero(wanted[:, 1])
    mask[positives[MIN_SUPPORT - 1 :], 1] = False
    chosen = choose_thresholds(scores, wanted, mask, SCHEME)
    assert chosen["b"] == {"threshold": 0.5, "support": MIN_SUPPORT - 1}
    assert "interval" in chosen["a"]
    mask[positives[MIN_SUPPORT - 1], 1] = True
    assert "interval" in choose_thresholds(scores, wanted, mask, SCHEME)["b"]
