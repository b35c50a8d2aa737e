import numpy as np
import pytest

from classify.rates import LabelRates
from classify.shares import MIN_ARTICLES, adjusted, marked_draws, refusal, shares


def collection(random, articles, share, true, false, spread=0.0):
    """Articles of 5 to 30 sentences, marked by a model with these rates; articles differ in their share by `spread`."""
    sizes = random.integers(5, 31, articles)
    own = np.clip(random.normal(share, spread, articles), 0, 1) if spread else np.full(articles, share)
    carry = random.binomial(sizes, own)
    return random.binomial(carry, true) + random.binomial(sizes - carry, false), sizes


def counted(random, positives, negatives, true, false):
    hits, wrong = int(random.binomial(positives, true)), int(random.binomial(negatives, false))
    return LabelRates(0.5, hits, positives - hits, wrong, negatives - wrong)


def test_known_rates_give_the_share_back():
    for share in (0.0, 0.02, 0.3, 1.0):
        raw = share * 0.7 + (1 - share) * 0.05
        assert adjusted(np.asarray(raw), np.asarray(0.7), np.asarray(0.05)) == pytest.approx(share)
    assert adjusted(np.asarray(0.01), np.asarray(0.7), np.asarray(0.05)) == 0
    assert np.isnan(adjusted(np.asarray(0.1), np.asarray(0.2), np.asarray(0.2)))


@pytest.mark.parametrize(("share", "true", "false"), [(0.03, 0.9, 0.05), (0.25, 0.6, 0.02), (0.004, 0.65, 0.01)])
def test_intervals_cover_the_true_share_where_the_raw_share_is_far_off(share, true, false):
    random = np.random.default_rng(7)
    covered = nearer = 0
    for _ in range(60):
        marked, sizes = collection(random, 80, share, true, false, spread=0.2 * share)
        found = shares(marked[:, None], sizes, [counted(random, 150, 1500, true, false)], resamples=300)[0]
        if found.value is None:
            continue
        covered += found.low <= share <= found.high
        nearer += abs(found.value - share) < abs(found.raw - share)
    # 95 % intervals: of 60, fewer than 53 would be under 0.5 % likely.
    assert covered >= 53
    assert nearer > 30


def test_few_counted_sentences_and_few_articles_make_intervals_wide():
    random = np.random.default_rng(3)
    marked, sizes = collection(random, 200, 0.2, 0.8, 0.05)

    def width(rows, rates):
        found = shares(marked[:rows, None], sizes[:rows], [rates])[0]
        return found.high - found.low

    sure, unsure = LabelRates(0.5, 800, 200, 500, 9500), LabelRates(0.5, 16, 4, 10, 190)
    assert width(200, sure) < width(200, unsure)
    assert width(200, sure) < width(20, sure)
    # The same counts from sentences that go wrong together tell less.
    assert width(200, LabelRates(0.5, 80, 20, 50, 950)) < width(200, LabelRates(0.5, 80, 20, 50, 950, (5.0, 5.0)))


def test_articles_are_drawn_whole():
    sizes = np.full(40, 10)
    whole = np.asarray([10] * 10 + [0] * 30)
    even = np.asarray([3, 2] * 20)
    assert whole.sum() == even.sum()
    spread = [marked_draws(one[:, None], sizes).std() for one in (whole, even)]
    assert spread[0] > 4 * spread[1]


def test_no_mark_is_not_certainty():
    found = shares(np.zeros((6, 1), dtype=int), np.full(6, 10), [LabelRates(0.5, 65, 35, 10, 990)])[0]
    assert (found.raw, found.value, found.low) == (0, 0, 0)
    assert 0.01 < found.high < 0.15


def test_marks_that_contradict_the_rates_are_not_corrected():
    sizes = np.full(40, 25)
    often_wrong, rarely_right = LabelRates(0.5, 850, 150, 50, 950), LabelRates(0.5, 400, 600, 10, 990)
    # One mark in a hundred sentences, where mistakes alone would make five; marks nearly everywhere, where four in ten are found.
    under = shares(np.asarray([1, 0, 0, 0] * 10)[:, None], sizes, [often_wrong])[0]
    over = shares(np.full((40, 1), 22), sizes, [rarely_right])[0]
    assert [(one.value, one.why) for one in (under, over)] == [(None, "misfit")] * 2
    assert under.raw == 0.01


@pytest.mark.parametrize(
    ("rates", "why"),
    [
        (LabelRates(0.5, 9, 0, 3, 500), "few_positives"),
        (LabelRates(0.5, 0, 0, 2, 3694), "few_positives"),
        (LabelRates(0.5, 40, 10, 1, 8), "few_negatives"),
        (LabelRates(0.5, 10, 90, 100, 900), "useless"),
        (LabelRates(0.5, 5, 95, 100, 900), "useless"),
        # Twice as often, but on so few sentences that it may well be chance.
        (LabelRates(0.5, 2, 10, 20, 220), "useless"),
        (LabelRates(0.5, 10, 0, 3, 500), ""),
        (LabelRates(0.5, 19, 21, 18, 3638, (1.26, 1.51)), ""),
    ],
)
def test_what_cannot_be_corrected_is_refused(rates, why):
    assert refusal(rates) == why


def test_without_a_correction_there_is_the_raw_share_and_why():
    marked, sizes = np.asarray([[2, 1]] * MIN_ARTICLES), np.full(MIN_ARTICLES, 10)
    good = LabelRates(0.5, 80, 20, 10, 990)
    refused, given = shares(marked, sizes, ["no_rates", good])
    assert (refused.raw, refused.value, refused.low, refused.why) == (0.2, None, None, "no_rates")
    assert given.why == ""
    assert given.low <= given.value <= given.high
    few = shares(marked[1:], sizes[1:], ["few_positives", good])
    assert [one.why for one in few] == ["few_positives", "few_articles"]
    assert few[1].value is None


def test_the_same_again_whatever_else_is_asked():
    random = np.random.default_rng(5)
    marked, sizes = collection(random, 30, 0.2, 0.8, 0.05)
    rates = LabelRates(0.5, 80, 20, 10, 990)
    alone = shares(marked[:, None], sizes, [rates])[0]
    beside = shares(np.stack([sizes, marked], axis=1), sizes, ["no_rates", rates])[1]
    assert alone == beside


def test_large_collections_are_drawn_in_parts():
    sizes = np.full(4000, 3)
    draws = marked_draws(np.ones((4000, 1), dtype=int), sizes, resamples=1500)
    assert draws.shape == (1500, 1)
    assert draws == pytest.approx(1 / 3)
