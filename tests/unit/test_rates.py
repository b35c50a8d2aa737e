import json

import numpy as np
import pytest

from classify.decisions import Decisions
from classify.errors import DataError, ModelDirectoryError
from classify.labels import LabelScheme
from classify.modeldir import ModelDirectory
from classify.rates import FILE, ErrorRates, LabelRates
from training import errors

SCHEME = LabelScheme.from_ids(["a", "b"], exclusive=False)
DECISIONS = Decisions(thresholds={"a": 0.5, "b": 0.4}, precise={"a": 0.8, "b": None})


def counted(scores, wanted, known=None, units=None):
    scores = np.asarray(scores, dtype=float)
    wanted = np.asarray(wanted, dtype=bool)
    known = np.ones(wanted.shape, dtype=bool) if known is None else np.asarray(known, dtype=bool)
    return errors.count(scores, wanted, known, units or [str(i) for i in range(len(scores))], SCHEME, DECISIONS)


def cells(entry):
    return [entry[name] for name in ("true_positives", "false_negatives", "false_positives", "true_negatives")]


def test_mistakes_are_counted_by_profile_and_label_where_the_truth_is_known():
    scores = [[0.9, 0.1], [0.6, 0.45], [0.3, 0.9], [0.7, 0.2], [0.1, 0.1]]
    wanted = [[1, 0], [1, 1], [1, 0], [0, 1], [0, 0]]
    found = counted(scores, wanted, known=[[1, 1], [1, 1], [1, 1], [1, 1], [1, 0]])
    assert cells(found["balanced"]["a"]) == [2, 1, 1, 1]
    assert cells(found["balanced"]["b"]) == [1, 1, 1, 1]
    assert cells(found["precise"]["a"]) == [1, 2, 0, 2]
    # No score is sure enough for b: the profile never gives it.
    assert cells(found["precise"]["b"]) == [0, 2, 0, 2]
    assert [found[name]["a"]["threshold"] for name in ("balanced", "precise")] == [0.5, 0.8]


def test_an_exclusive_group_has_no_threshold():
    scheme = LabelScheme.from_ids(["a", "b"], exclusive=True)
    scores, wanted = np.asarray([[0.6, 0.4], [0.3, 0.7]]), np.asarray([[True, False], [True, False]])
    found = errors.count(scores, wanted, np.ones((2, 2), dtype=bool), ["1", "2"], scheme, Decisions())
    assert found["balanced"]["a"]["threshold"] is None
    assert cells(found["balanced"]["a"]) == [1, 1, 0, 0]
    rates = errors.pooled([{"name": "x", "rows": 2, "documents": 2, "errors": found}], {})
    assert rates.of("a", "balanced", scheme, Decisions()).true_positives == 1


def test_sentences_that_go_wrong_together_weigh_less():
    random = np.random.default_rng(1)
    documents = random.random(60) < 0.5
    together = np.repeat(documents, 10)
    units = [str(i // 10) for i in range(600)]
    # Ten sentences that always agree say as much as one.
    assert errors.design_effect(together, units) == pytest.approx(10, rel=0.2)
    assert errors.design_effect(random.permutation(together), units) == pytest.approx(1, abs=0.3)
    assert errors.design_effect(np.zeros(600, dtype=bool), units) == 1
    assert errors.design_effect(np.zeros(0, dtype=bool), []) == 1


def test_parts_are_pooled_and_the_file_reads_back(tmp_path):
    first = {"name": "one", "rows": 2, "documents": 2, "errors": counted([[0.9, 0.9], [0.9, 0.1]], [[1, 1], [0, 0]])}
    second = {"name": "two", "rows": 1, "documents": 1, "errors": counted([[0.1, 0.1]], [[1, 0]])}
    rates = errors.pooled([first, second], {"weights": {"sha256": "ab"}}, validation=True)
    (tmp_path / FILE).write_text(rates.text(), encoding="utf-8")
    assert ErrorRates.load(tmp_path) == rates
    assert (rates.source, rates.validation, rates.sentences, rates.documents, rates.weights) == ("one, two", True, 3, 3, "ab")
    assert cells(rates.profiles["balanced"]["a"].as_dict()) == [1, 1, 1, 0]
    with pytest.raises(DataError):
        errors.pooled([], {})


def test_rates_hold_only_at_the_threshold_they_were_counted_at():
    rates = errors.pooled([{"name": "x", "rows": 1, "documents": 1, "errors": counted([[0.9, 0.9]], [[1, 1]])}], {})
    assert rates.of("a", "balanced", SCHEME, DECISIONS) is not None
    assert rates.of("a", "balanced", SCHEME, Decisions(thresholds={"a": 0.55})) is None
    assert rates.of("a", "precise", SCHEME, DECISIONS.profile("precise", SCHEME)) is not None
    assert rates.of("a", "other", SCHEME, DECISIONS) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("profiles"),
        lambda data: data["profiles"]["balanced"]["a"].update(true_positives=-1),
        lambda data: data["profiles"]["balanced"]["a"].update(true_positives="7"),
        lambda data: data["profiles"]["balanced"]["a"].update(design_effects=[0.5, 1.0]),
        lambda data: data["profiles"]["balanced"]["a"].update(design_effects=[1.0]),
        lambda data: data.update(profiles=[]),
    ],
)
def test_a_damaged_file_is_named_and_what_to_do(tmp_path, change):
    data = json.loads(errors.pooled([{"name": "x", "rows": 1, "documents": 1, "errors": counted([[0.9, 0.9]], [[1, 1]])}], {}).text())
    change(data)
    (tmp_path / FILE).write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ModelDirectoryError, match=r"error_rates\.json is damaged .*--error-rates"):
        ErrorRates.load(tmp_path)


def test_no_file_is_no_rates(tmp_path):
    assert ErrorRates.load(tmp_path) is None


def test_rates_of_counts():
    rates = LabelRates(0.5, 30, 10, 5, 95)
    assert (rates.true_positive_rate, rates.false_positive_rate, rates.positives, rates.negatives) == (0.75, 0.05, 40, 100)
    assert LabelRates(0.5, 0, 0, 0, 0).true_positive_rate == 0


def test_the_shipped_model_knows_its_mistakes(root):
    directory = ModelDirectory.open(root / "model")
    rates = ErrorRates.load(directory.path)
    assert rates is not None
    assert not rates.validation
    assert rates.weights == json.loads((root / "model/training.json").read_text(encoding="utf-8"))["weights"]["sha256"]
    for profile in ("balanced", "precise"):
        decisions = directory.decisions.profile(profile, directory.scheme)
        for label in directory.scheme.ids:
            one = rates.of(label, profile, directory.scheme, decisions)
            assert one is not None, (profile, label)
            assert 0 < one.positives + one.negatives <= rates.sentences
    assert (root / "model" / FILE).stat().st_size < 4096
