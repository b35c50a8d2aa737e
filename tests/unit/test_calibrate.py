import numpy as np
import pytest
import torch

from classify.labels import LabelScheme
from training.calibrate import (
    GRID,
    MIN_SUPPORT,
    best_threshold,
    calibration,
    choose_thresholds,
    fold_into_head,
    platt,
    precise_threshold,
    review_band,
    temperature,
)
from training.metrics import calibration_error

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
    # Where many thresholds are as good, the one nearest to 0.5 is taken.
    assert abs(best_threshold(scores, truth) - border) < 0.09
    assert abs(best_threshold(scores, truth) - 0.5) <= abs(border - 0.5) + 0.02


def test_threshold_of_equally_good_ones_is_the_nearest_to_one_half():
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
    assert chosen["a"]["threshold"] == pytest.approx(0.3, abs=0.09)
    assert chosen["b"]["threshold"] == pytest.approx(0.7, abs=0.1)
    for i, label in enumerate(chosen):
        entry = chosen[label]
        assert entry["support"] == wanted[:, i].sum()
        assert entry["f1"] > 0.97
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


def overconfident(rows=6000, seed=4, factor=3.0, bias=1.0):
    """Logits that are ``factor`` times too sure and off by ``bias``, and a truth drawn from the right ones."""
    generator = np.random.default_rng(seed)
    right = generator.normal(-1, 1.5, rows)
    truth = generator.random(rows) < 1 / (1 + np.exp(-right))
    return right * factor + bias, truth


def test_platt_undoes_overconfidence():
    logits, truth = overconfident()
    scale, shift = platt(logits, truth, np.ones(len(truth)))
    assert scale == pytest.approx(1 / 3, rel=0.1)
    assert shift == pytest.approx(-1 / 3, abs=0.1)
    before, _ = calibration_error(1 / (1 + np.exp(-logits)), truth)
    after, bins = calibration_error(1 / (1 + np.exp(-(scale * logits + shift))), truth)
    assert before > 0.1
    assert after < 0.03
    assert sum(size for _, _, size in bins) == len(truth)


def test_platt_follows_the_rows_that_count():
    logits, truth = overconfident(rows=8000)
    flipped = np.concatenate([truth[:4000], np.random.default_rng(0).permutation(truth[4000:])])
    weights = np.concatenate([np.ones(4000), np.zeros(4000)])
    assert platt(logits, flipped, weights) == pytest.approx(platt(logits[:4000], truth[:4000], np.ones(4000)), rel=1e-3)


def test_platt_leaves_alone_what_does_not_count():
    logits, truth = overconfident(rows=500)
    assert platt(logits, truth, np.where(truth, 0.0, 1.0)) == (1.0, 0.0)


def test_thresholds_follow_the_rows_that_count():
    scores, truth = separated(0.3, rows=600)
    other, _ = separated(0.7, rows=600)
    both, wanted = np.concatenate([scores, other])[:, None], np.concatenate([truth, truth])[:, None]
    scheme = LabelScheme.from_dict({"groups": [{"id": "topic", "labels": ["a"]}]})
    for weights, border in ((np.repeat([1.0, 0.0], 600), 0.3), (np.repeat([0.0, 1.0], 600), 0.7)):
        chosen = choose_thresholds(both, wanted, np.ones_like(wanted), scheme, weights)
        assert chosen["a"]["threshold"] == pytest.approx(border, abs=0.09)


def test_platt_leaves_alone_what_it_cannot_know():
    assert platt(np.linspace(-2, 2, 50), np.arange(50) > 45, np.ones(50)) == (1.0, 0.0)
    # Scores that point the wrong way are not turned round.
    assert platt(np.linspace(-2, 2, 60), np.arange(60) < 30, np.ones(60)) == (1.0, 0.0)


def test_temperature_softens_an_exclusive_group():
    generator = np.random.default_rng(5)
    right = generator.normal(0, 1, (4000, 3))
    chance = np.exp(right) / np.exp(right).sum(1, keepdims=True)
    answer = (chance.cumsum(1) > generator.random((4000, 1))).argmax(1)
    wanted = np.eye(3, dtype=bool)[answer]
    assert temperature(right * 4, wanted) == pytest.approx(0.25, rel=0.1)


def test_calibration_in_the_head_is_calibration_of_the_logits():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.Tanh(), torch.nn.Linear(4, 4))
    rows = torch.randn(5, 8)
    before = model(rows).detach().numpy()
    scale, shift = np.asarray([2.0, 0.5, 1.0, 3.0]), np.asarray([0.1, -1.0, 0.0, 2.0])
    assert fold_into_head(model, scale, shift)
    assert np.allclose(model(rows).detach().numpy(), before * scale + shift, atol=1e-5)
    assert not fold_into_head(torch.nn.Linear(8, 3), scale, shift)


def test_each_group_is_calibrated_in_its_own_way():
    logits, truth = overconfident(rows=1000)
    columns = np.stack([logits, -logits, logits, -logits], axis=1).astype(np.float32)
    wanted = np.stack([truth, np.zeros_like(truth), truth, ~truth], axis=1)
    scale, shift = calibration(columns, wanted, np.ones_like(wanted), SCHEME, np.ones(1000))
    assert scale[0] < 0.6
    # Nothing is known of a label without a single true sentence.
    assert (scale[1], shift[1]) == (1.0, 0.0)
    assert scale[2] == scale[3]
    assert shift[2] == shift[3] == 0


def test_precise_threshold_is_the_lowest_that_keeps_the_promise():
    scores = np.asarray([0.9] * 19 + [0.8] + [0.7] * 20 + [0.2] * 60)
    truth = np.asarray([True] * 19 + [False] + [True, False] * 10 + [False] * 60)
    # From 0.8 up 19 of 20 are right; from 0.7 up 29 of 40.
    assert precise_threshold(scores, truth) == 0.8
    # Of fewer than twenty, all may be right by luck.
    assert precise_threshold(scores[1:20], truth[1:20]) is None


def test_no_precise_threshold_where_the_surest_are_wrong():
    assert precise_threshold(np.linspace(0, 1, 100), np.arange(100) < 50) is None


def test_equal_scores_stand_or_fall_together():
    scores = np.asarray([0.9] * 40)
    truth = np.asarray([True] * 30 + [False] * 10)
    assert precise_threshold(scores, truth) is None


def test_review_band_holds_half_of_the_mistakes_in_few_sentences():
    generator = np.random.default_rng(6)
    scores = generator.random(4000)
    truth = generator.random(4000) < 1 / (1 + np.exp(-12 * (scores - 0.5)))
    low, high = review_band(scores, truth, 0.5)
    inside = (scores >= low) & (scores <= high)
    wrong = (scores >= 0.5) != truth
    assert wrong[inside].sum() >= 0.5 * wrong.sum()
    assert inside.mean() < 0.2
    assert low <= 0.5 <= high
    assert review_band(np.asarray([0.1, 0.9]), np.asarray([False, True]), 0.5) is None


def test_decisions_carry_profile_and_band_where_there_is_evidence():
    scores, wanted, mask = both_columns()
    flipped = wanted.copy()
    flipped[:6, 0] ^= True
    chosen = choose_thresholds(scores, flipped, mask, SCHEME)
    # Hardly a sentence of "b" lies on the wrong side, so its profile asks for no less than the balanced one.
    assert chosen["b"]["precise"] >= chosen["b"]["threshold"]
    assert chosen["b"]["precise_recall"] == pytest.approx((scores[wanted[:, 1], 1] >= chosen["b"]["precise"]).mean(), abs=1e-3)
    assert 0 < chosen["a"]["review_wrong"] <= 1
    assert chosen["a"]["review"][0] <= chosen["a"]["threshold"] <= chosen["a"]["review"][1]
    assert 0 < chosen["a"]["review_share"] < 1
    few = choose_thresholds(scores[:12], wanted[:12], mask[:12], SCHEME)
    assert all("precise" not in one and "review" not in one for one in few.values() if one["support"] < MIN_SUPPORT)
