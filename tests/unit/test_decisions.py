import json

import numpy as np
import pytest

from classify.decisions import PRECISE_WITHOUT_EVIDENCE, Decisions, decide, probabilities
from classify.errors import ModelDirectoryError, SettingsError
from classify.labels import LabelScheme

SCHEME = LabelScheme.from_dict(
    {"groups": [{"id": "topic", "labels": ["trade", "war"]}, {"id": "tone", "exclusive": True, "labels": ["good", "bad", "none"]}]}
)
LOGITS = np.array([[0, 2, 1, 1, -1], [-3, 0.5, -2, 5, 0], [800, -800, 900, -900, 899]], dtype=np.float32)


def test_independent_labels_get_a_sigmoid_each_and_exclusive_ones_a_softmax():
    scores = probabilities(LOGITS, SCHEME)
    np.testing.assert_allclose(scores[:2, :2], 1 / (1 + np.exp(-LOGITS[:2, :2].astype(float))), rtol=1e-12)
    exponentials = np.exp(LOGITS[:2, 2:].astype(float))
    np.testing.assert_allclose(scores[:2, 2:], exponentials / exponentials.sum(axis=1, keepdims=True), rtol=1e-12)
    np.testing.assert_allclose(scores[:, 2:].sum(axis=1), 1)
    assert scores.min() >= 0
    assert scores.max() <= 1


def test_huge_logits_neither_overflow_nor_warn():
    with np.errstate(all="raise", under="ignore"):
        scores = probabilities(LOGITS, SCHEME)
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores[2, :2], [1, 0], atol=1e-12)
    np.testing.assert_allclose(scores[2, 2:], [1 / (1 + np.exp(-1)), 0, 1 / (1 + np.exp(1))], atol=1e-9)


def test_thresholds_are_inclusive_and_per_label():
    scores = np.array([[0.5, 0.5, 1, 0, 0], [0.49, 0.7, 1, 0, 0], [0.51, 0.69, 1, 0, 0]])
    given = decide(scores, SCHEME, Decisions({"war": 0.7}))
    assert given[:, :2].tolist() == [[True, False], [False, True], [True, False]]


def test_an_exclusive_group_gives_exactly_its_best_label_whatever_the_thresholds():
    scores = np.array([[0, 0, 0.2, 0.5, 0.3], [0, 0, 0.1, 0.1, 0.8], [0, 0, 0.4, 0.4, 0.2], [0, 0, 1 / 3, 1 / 3, 1 / 3]])
    given = decide(scores, SCHEME, Decisions({"bad": 0.99, "good": 0.0}))
    assert given[:, 2:].sum(axis=1).tolist() == [1, 1, 1, 1]
    assert given[:, 2:].argmax(axis=1).tolist() == [1, 2, 0, 0]
    assert not given[:, :2].any()


def test_no_sentences_give_no_decisions():
    scores = probabilities(np.empty((0, 5), dtype=np.float32), SCHEME)
    assert decide(scores, SCHEME, Decisions()).shape == (0, 5)


def test_a_missing_file_means_one_half_everywhere_and_no_context(tmp_path):
    decisions = Decisions.load(tmp_path / "decisions.json", SCHEME)
    assert [decisions.threshold(label) for label in SCHEME.ids] == [0.5] * 5
    assert not decisions.context


def test_thresholds_and_context_are_read_and_other_keys_ignored(tmp_path):
    path = tmp_path / "decisions.json"
    path.write_text(json.dumps({"labels": {"war": {"threshold": 0.25, "support": 12}, "trade": {"threshold": 1}}, "context": True, "x": 1}))
    decisions = Decisions.load(path, SCHEME)
    assert (decisions.threshold("war"), decisions.threshold("trade"), decisions.threshold("good")) == (0.25, 1.0, 0.5)
    assert decisions.context


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"null",
        b"{}",
        b'{"labels": []}',
        b'{"labels": {"war": 0.5}}',
        b'{"labels": {"war": {}}}',
        b'{"labels": {"war": {"threshold": "high"}}}',
        b'{"labels": {"war": {"threshold": null}}}',
        b'{"labels": {"war": {"threshold": 1.5}}}',
        b'{"labels": {"war": {"threshold": -0.1}}}',
        b'{"labels": {"war": {"threshold": NaN}}}',
        b'{"labels": {"peace": {"threshold": 0.5}}}',
        b"\xff\xfe{}",
    ],
)
def test_damaged_decisions_name_the_file(content, tmp_path):
    path = tmp_path / "decisions.json"
    path.write_bytes(content)
    with pytest.raises(ModelDirectoryError) as caught:
        Decisions.load(path, SCHEME)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_threshold_for_a_label_the_model_lacks_is_named(tmp_path):
    path = tmp_path / "decisions.json"
    path.write_text(json.dumps({"labels": {"peace": {"threshold": 0.5}, "war": {"threshold": 0.5}}}))
    with pytest.raises(ModelDirectoryError, match="thresholds for peace,"):
        Decisions.load(path, SCHEME)


def test_profile_and_review_band_are_read(tmp_path):
    labels = {"trade": {"threshold": 0.4, "precise": 0.8, "review": [0.3, 0.6]}, "war": {"threshold": 0.5, "precise": None}}
    (tmp_path / "decisions.json").write_text(json.dumps({"labels": labels}))
    decisions = Decisions.load(tmp_path / "decisions.json", SCHEME)
    assert decisions.profile("balanced", SCHEME) == decisions
    precise = decisions.profile("precise", SCHEME)
    scores = np.array([[0.79, 1.0, 0, 1, 0], [0.8, 0.999, 1, 0, 0]])
    # No score of "war" was sure enough on held-out sentences, so it is never given.
    assert decide(scores, SCHEME, precise)[:, :2].tolist() == [[False, False], [True, False]]
    assert decide(scores, SCHEME, decisions)[:, :2].all()
    for profile in (decisions, precise):
        assert [profile.to_review("trade", score) for score in (0.29, 0.3, 0.6, 0.61)] == [False, True, True, False]
        assert not profile.to_review("war", 0.5)


def test_precise_without_evidence_asks_for_much():
    precise = Decisions({"war": 0.95}).profile("precise", SCHEME)
    assert precise.threshold("trade") == PRECISE_WITHOUT_EVIDENCE
    assert precise.threshold("war") == 0.95


def test_unknown_profile_names_the_known_ones():
    with pytest.raises(SettingsError, match="unknown profile 'sharp': choose one of balanced, precise"):
        Decisions().profile("sharp", SCHEME)


@pytest.mark.parametrize("entry", [{"review": [0.2]}, {"review": [0.2, 1.5]}, {"precise": "much"}, {"precise": -1}, {"review": 3}])
def test_a_damaged_profile_or_band_names_the_file(entry, tmp_path):
    (tmp_path / "decisions.json").write_text(json.dumps({"labels": {"trade": {"threshold": 0.4, **entry}}}))
    with pytest.raises(ModelDirectoryError, match="decisions.json"):
        Decisions.load(tmp_path / "decisions.json", SCHEME)
