import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from classify.labels import LabelScheme
from training.metrics import MultiLabelScores, f1, figures, label_scores, macro_f1

SCHEME = LabelScheme.from_dict({"groups": [{"id": "topic", "labels": ["a", "b", "c"]}, {"id": "stance", "labels": ["d", "e"]}]})


def random_flags(seed, rows=200, share=0.3):
    generator = np.random.default_rng(seed)
    wanted = generator.random((rows, 5)) < share
    # Mostly right, so that no figure is 0 or 1.
    return np.where(generator.random((rows, 5)) < 0.25, ~wanted, wanted), wanted


def everything(flags):
    return np.ones_like(flags)


def units(rows, count):
    return [f"document {i % count}" for i in range(rows)]


@pytest.mark.parametrize("seed", range(4))
def test_labels_equal_scikit_learn(seed):
    given, wanted = random_flags(seed)
    scores = label_scores(given, wanted, everything(given))
    result = figures(given, wanted, everything(given), SCHEME, units(200, 40), resamples=20).as_dict()
    for name, function in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        expected = function(wanted, given, average=None, zero_division=0)
        np.testing.assert_allclose(scores[name], expected)
        shown = [result["labels"][label][name][0] for label in SCHEME.ids]
        np.testing.assert_allclose(shown, expected, atol=5e-5)
    assert [result["labels"][label]["support"] for label in SCHEME.ids] == wanted.sum(0).tolist()
    assert [result["labels"][label]["predicted"] for label in SCHEME.ids] == given.sum(0).tolist()


@pytest.mark.parametrize("seed", range(4))
def test_groups_equal_scikit_learn(seed):
    given, wanted = random_flags(seed)
    result = figures(given, wanted, everything(given), SCHEME, units(200, 40), resamples=20).as_dict()
    for group, columns in (("topic", slice(0, 3)), ("stance", slice(3, 5))):
        for kind in ("macro", "micro"):
            expected = f1_score(wanted[:, columns], given[:, columns], average=kind)
            assert result["groups"][group][f"{kind}_f1"][0] == pytest.approx(expected, abs=5e-5)
    assert result["exact_match"][0] == pytest.approx(accuracy_score(wanted, given), abs=5e-5)
    assert result["rows"] == 200
    macros = [f1_score(wanted[:, part], given[:, part], average="macro") for part in (slice(0, 3), slice(3, 5))]
    assert macro_f1(given, wanted, everything(given), SCHEME) == pytest.approx(np.mean(macros))


def test_what_is_outside_the_mask_does_not_count():
    given, wanted = random_flags(5)
    mask = np.random.default_rng(6).random(given.shape) < 0.7
    scores = label_scores(given, wanted, mask)
    result = figures(given, wanted, mask, SCHEME, units(200, 40), resamples=20).as_dict()
    for i, label in enumerate(SCHEME.ids):
        rows = mask[:, i]
        assert scores["f1"][i] == pytest.approx(f1_score(wanted[rows, i], given[rows, i]))
        assert result["labels"][label]["support"] == wanted[rows, i].sum()
        assert result["labels"][label]["predicted"] == given[rows, i].sum()
    assert result["exact_match"][0] == pytest.approx(np.mean([(g == w)[m].all() for g, w, m in zip(given, wanted, mask, strict=True)]))
    # Whatever is said about the masked entries changes nothing.
    other = figures(given ^ ~mask, wanted ^ ~mask, mask, SCHEME, units(200, 40), resamples=20)
    assert other.as_dict() == result


def test_a_label_nobody_was_asked_about():
    given, wanted = random_flags(7)
    mask = everything(given)
    mask[:, 3:] = False
    scores = label_scores(given, wanted, mask)
    assert scores["f1"][3:] == [0, 0]
    assert scores["support"][3:] == [0, 0]
    result = figures(given, wanted, mask, SCHEME, units(200, 40), resamples=20).as_dict()
    assert result["groups"]["stance"]["without_support"] == ["d", "e"]
    assert result["groups"]["stance"]["macro_f1"] == [0, 0, 0]
    assert macro_f1(given, wanted, mask, SCHEME) == pytest.approx(f1_score(wanted[:, :3], given[:, :3], average="macro"))
    assert macro_f1(given, wanted, np.zeros_like(mask), SCHEME) == 0


def test_macro_leaves_out_labels_without_support():
    given, wanted = random_flags(8)
    wanted[:, 1] = False
    result = figures(given, wanted, everything(given), SCHEME, units(200, 40), resamples=20).as_dict()
    assert result["groups"]["topic"]["without_support"] == ["b"]
    expected = np.mean([f1_score(wanted[:, i], given[:, i]) for i in (0, 2)])
    assert result["groups"]["topic"]["macro_f1"][0] == pytest.approx(expected, abs=5e-5)
    # Micro-F1 does count what was given wrongly.
    assert result["groups"]["topic"]["micro_f1"][0] == pytest.approx(f1_score(wanted[:, :3], given[:, :3], average="micro"), abs=5e-5)


def intervals(result):
    for values in result["labels"].values():
        yield from (values[name] for name in ("precision", "recall", "f1"))
    for values in result["groups"].values():
        yield from (values[name] for name in ("macro_f1", "micro_f1"))
    yield result["exact_match"]


@pytest.mark.parametrize("seed", range(3))
def test_interval_contains_the_point(seed):
    given, wanted = random_flags(seed, rows=300)
    result = figures(given, wanted, everything(given), SCHEME, units(300, 60)).as_dict()
    for point, low, high in intervals(result):
        assert 0 <= low <= point <= high <= 1
        assert low < high


def test_interval_widens_with_fewer_documents():
    generator = np.random.default_rng(9)
    wanted = generator.random((400, 5)) < 0.4
    # Documents differ in difficulty: what is drawn whole varies more than what is drawn one by one.
    hard = np.repeat(generator.random(10) < 0.5, 40)
    given = np.where(hard[:, None] & (generator.random((400, 5)) < 0.5), ~wanted, wanted)
    few = figures(given, wanted, everything(given), SCHEME, [str(i // 40) for i in range(400)]).as_dict()
    many = figures(given, wanted, everything(given), SCHEME, [str(i) for i in range(400)]).as_dict()
    for (point, low, high), (same, lower, upper) in zip(intervals(few), intervals(many), strict=True):
        assert point == same
        assert high - low > upper - lower


def test_interval_narrows_with_more_sentences_and_repeats_with_its_seed():
    given, wanted = random_flags(10, rows=1600)
    small = figures(given[:100], wanted[:100], everything(given[:100]), SCHEME, units(100, 100)).as_dict()
    large = figures(given, wanted, everything(given), SCHEME, units(1600, 1600)).as_dict()
    for (_, low, high), (_, lower, upper) in zip(intervals(small), intervals(large), strict=True):
        assert high - low > upper - lower
    again = figures(given, wanted, everything(given), SCHEME, units(1600, 1600)).as_dict()
    assert again == large


def test_perfect_predictions_are_certain():
    _, wanted = random_flags(11)
    result = figures(wanted, wanted, everything(wanted), SCHEME, units(200, 20), resamples=50).as_dict()
    assert list(intervals(result)) == [[1, 1, 1]] * len(list(intervals(result)))


@settings(max_examples=60, deadline=None)
@given(counts=st.tuples(*[st.integers(0, 50)] * 3))
def test_f1_from_counts(counts):
    true, extra, missed = counts
    truth = [1] * true + [0] * extra + [1] * missed
    answer = [1] * true + [1] * extra + [0] * missed
    expected = f1_score(truth, answer, zero_division=0) if truth else 0
    assert float(f1(*map(np.asarray, counts))) == pytest.approx(expected)


def test_it_is_an_evaluate_metric():
    result = MultiLabelScores().compute(predictions=[[1, 0], [1, 1], [0, 1]], references=[[1, 0], [0, 1], [0, -1]])
    assert result["precision"] == [0.5, 1.0]
    assert result["recall"] == [1.0, 1.0]
    assert result["support"] == [1, 1]
    assert result["predicted"] == [2, 1]
