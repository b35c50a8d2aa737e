"""What of a trained model goes on in the next one."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from classify.classifier import Classifier
from classify.errors import LabelsError, SettingsError
from classify.labels import LabelScheme
from classify.modeldir import ModelDirectory
from training.base import load_model
from training.dataset import Example
from training.diff import matches
from training.encoding import Encoded
from training.rehearsal import Protection, as_new, carry_head, inherited_decisions, trained
from training.train_settings import TrainSettings

STANCES = ["us_accusation", "dprk_denial", {"id": "moscow_framing", "renamed_from": "russian_framing"}]
# One topic gone, one new and first, the others in another order; one stance renamed.
NEW = LabelScheme.from_dict(
    {
        "groups": [
            {"id": "topic", "labels": ["nuclear_test", "diplomacy", "sanctions", "arms_transfer"]},
            {"id": "stance", "labels": STANCES},
        ]
    }
)
OLD = LabelScheme.from_dict(
    {"groups": [{"id": "topic", "labels": ["trade", "war"]}, {"id": "tone", "exclusive": True, "labels": ["good", "bad", "flat"]}]}
)
LATER = LabelScheme.from_dict(
    {
        "groups": [
            {"id": "topic", "labels": ["war", "nuclear"]},
            {"id": "tone", "exclusive": True, "labels": [{"id": "fine", "renamed_from": "good"}, "bad", "mixed"]},
        ]
    }
)


def example(number, file="new.jsonl", **changes):
    values = {"id": str(number), "text": f"Kalimat nomor {number}.", "context": "", "labels": {"topic": ("war",)}, "group": f"g{number}"}
    return Example(**{**values, "where": f"{file}:{number}", **changes})


@pytest.fixture(scope="module")
def old(tiny_model) -> ModelDirectory:
    return trained(tiny_model)


# --------------------------------------------------------------------------------------------------------------------
# The output layer


def test_rows_of_labels_that_stay_are_equal_bit_for_bit(old, tiny_model):
    before = AutoModelForSequenceClassification.from_pretrained(tiny_model).classifier
    model = load_model(tiny_model, NEW, dropout=0.1, seed=3)
    carry_head(model, old, NEW, seed=3)
    for i, label in enumerate(NEW.ids):
        if label == "nuclear_test":
            continue
        j = old.scheme.ids.index({"moscow_framing": "russian_framing"}.get(label, label))
        assert torch.equal(model.classifier.weight[i], before.weight[j])
        assert torch.equal(model.classifier.bias[i], before.bias[j])
    fresh = model.classifier.weight[NEW.ids.index("nuclear_test")]
    assert not any(torch.equal(fresh, row) for row in before.weight)
    assert model.classifier.bias[NEW.ids.index("nuclear_test")] == 0


def test_as_many_other_labels_inherit_nothing(old, tiny_model):
    other = LabelScheme.from_ids([f"label{i}" for i in range(len(old.scheme))])
    before = AutoModelForSequenceClassification.from_pretrained(tiny_model).classifier
    model = load_model(tiny_model, other, dropout=0.1, seed=3)
    carry_head(model, old, other, seed=3)
    assert not any(torch.equal(row, known) for row in model.classifier.weight for known in before.weight)


def test_a_base_without_labels_is_not_continued(tiny_base, standard_model):
    assert trained(tiny_base) is None
    assert trained(standard_model) is None
    assert trained("indobenchmark/indobert-base-p1") is None


def test_labels_are_matched_by_id_or_old_id_and_kind_of_group():
    assert matches(OLD, LATER) == {"war": "war", "fine": "good", "bad": "bad"}
    moved = LabelScheme.from_dict({"groups": [{"id": "all", "labels": ["trade", "good"]}]})
    assert matches(OLD, moved) == {"trade": "trade"}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", {"id": "b", "renamed_from": "a"}], "'renamed_from: a' is still the id of another"),
        ([{"id": "b", "renamed_from": "a"}, {"id": "c", "renamed_from": "a"}], "'renamed_from: a' is claimed by two labels"),
        ([{"id": "b", "renamed_from": ["a"]}], "'renamed_from' must be the label's old id"),
    ],
)
def test_a_label_is_renamed_once(labels, message):
    with pytest.raises(LabelsError, match=message):
        LabelScheme.from_dict({"groups": [{"id": "topic", "labels": labels}]})


def test_thresholds_of_labels_without_evidence_stay(old):
    known = json.loads((old.path / "decisions.json").read_text())["labels"]
    chosen = {label: {"threshold": 0.5, "support": 0} for label in NEW.ids} | {"sanctions": {"threshold": 0.4, "interval": [0.3, 0.5]}}
    found = inherited_decisions(old, NEW, chosen)
    assert found["moscow_framing"]["threshold"] == known["russian_framing"]["threshold"]
    assert found["diplomacy"]["chosen_by"] == "base"
    assert found["sanctions"] == chosen["sanctions"]
    assert found["nuclear_test"] == chosen["nuclear_test"]
    # Also where nothing was kept aside to choose on.
    assert set(inherited_decisions(old, NEW, {})) == set(NEW.ids) - {"nuclear_test"}


# --------------------------------------------------------------------------------------------------------------------
# Old sentences under new labels


def test_old_sentences_say_nothing_of_new_labels():
    found = as_new(example(1, labels={"topic": ("trade", "war"), "tone": ("good",)}), OLD, LATER)
    assert found.labels == {"topic": ("war",), "tone": ("fine",)}
    assert found.disputed == ("nuclear",)
    # What was in doubt stays so under the new id; an exclusive answer that is gone leaves its group out.
    found = as_new(example(1, labels={"topic": (), "tone": ("flat",)}, disputed=("war",)), OLD, LATER)
    assert found.labels == {"topic": ()}
    assert set(found.disputed) == {"war", "nuclear"}
    assert as_new(example(1, labels={"tone": ("flat",)}), OLD, LATER) is None


def plan(old, examples, **changes):
    return Protection.plan(old, NEW, examples, **{"rehearse": [], "share": 0.8, **changes})


def test_what_a_file_never_gives_is_unknown_and_answered_by_the_old_model(old, indonesian):
    rows = [
        example(1, text=indonesian[0], labels={"topic": ("nuclear_test", "sanctions")}),
        example(2, text=indonesian[1], labels={"topic": ()}),
        example(3, text=indonesian[2], labels={"topic": ("diplomacy",), "stance": ()}, file="other.jsonl"),
    ]
    protection = plan(old, rows)
    assert protection.silent == ["diplomacy", "sanctions", "arms_transfer", "us_accusation", "dprk_denial", "moscow_framing"]
    taught = protection.taught(protection.examples)
    scores = [prediction.scores for prediction in Classifier.from_pretrained(old.path).predict(indonesian[:3])]
    nan = float("nan")
    stances = ("us_accusation", "dprk_denial", "russian_framing")
    # Columns: nuclear_test, diplomacy, sanctions, arms_transfer, three stances. The file gives sanctions, so its rows know.
    expected = [[nan, row["diplomacy"], nan, row["arms_transfer"], *(row[one] for one in stances)] for row in scores[:2]]
    expected.append([nan, nan, scores[2]["sanctions"], scores[2]["arms_transfer"], *(scores[2][one] for one in stances)])
    np.testing.assert_allclose(taught, expected, atol=1e-6)
    settings = TrainSettings(base="unused", output=Path("unused"), data=())
    learnt = Encoded(protection.examples, NEW, tokenizer_of(old), settings, True, taught)
    np.testing.assert_allclose(learnt[0]["labels"], np.where(np.isnan(expected[0]), [1, 0, 1, 0, 0, 0, 0], expected[0]), atol=1e-6)


def tokenizer_of(directory):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(directory.path)


def test_data_that_covers_everything_needs_no_protection(old):
    everything = {group.id: tuple(label.id for label in group.labels) for group in NEW.groups}
    rows = [example(1, labels=everything), example(2, labels={"topic": (), "stance": ()})]
    assert plan(old, rows) is None
    # A label in doubt is no reason either: it neither teaches nor counts.
    assert plan(old, [rows[0], example(2, labels=rows[1].labels, disputed=("sanctions",))]) is None
    assert plan(old, [rows[0], example(2, labels={"topic": ()})]) is not None


def test_rehearsed_sentences_are_read_in_the_old_labels_and_drawn_to_their_share(old, tmp_path, indonesian):
    rows = [{"id": i, "text": text, "topic": ["satellite_tech"], "stance": ["russian_framing"]} for i, text in enumerate(indonesian[:30])]
    file = tmp_path / "old.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    new = [example(i, labels={"topic": ("nuclear_test",)}) for i in range(4)]
    protection = plan(old, new, rehearse=[file])
    assert (protection.new, len(protection.examples), protection.files) == (4, 34, (file,))
    sides = ["train"] * 32 + ["validation", "test"]
    use = protection.keep(sides)
    assert use[:4] == [True] * 4
    assert sum(use[4:32]) == 16  # 4 / (16 + 4) is what 0.8 leaves to the new ones
    assert use[32:] == [True, True]
    assert use == protection.keep(sides)
    taught = protection.taught(protection.examples)
    column = NEW.ids.index("moscow_framing")
    assert protection.examples[9].labels == {"topic": (), "stance": ("moscow_framing",)}
    # Labelled and scored: both are learnt from; of the new label nothing is known.
    assert 0 < taught[9, column] < 1
    assert np.isnan(taught[:, NEW.ids.index("nuclear_test")]).all()
    assert plan(old, new, rehearse=[file], share=0.0).files == ()


def test_rehearsal_needs_a_model_with_labels():
    with pytest.raises(SettingsError, match="'rehearse' needs 'protect'"):
        TrainSettings(base="b", output=Path("m"), data=(), rehearse=(Path("old.jsonl"),), protect=False)


def test_exclusive_answers_are_shared_out_among_labels_that_stay(tmp_path, tiny_model):
    """Their scores are one answer: what a removed label had goes to the others."""
    ids = ["good", "bad", "flat"]
    model = load_model(tiny_model, LabelScheme.from_ids(ids, group="tone", exclusive=True), dropout=0.0, seed=1)
    model.save_pretrained(tmp_path)
    tokenizer_of(ModelDirectory.open(tiny_model)).save_pretrained(tmp_path)
    (tmp_path / "labels.yaml").write_text(json.dumps({"groups": [{"id": "tone", "exclusive": True, "labels": ids}]}))
    later = LabelScheme.from_dict(
        {"groups": [{"id": "tone", "exclusive": True, "labels": ["new", "bad", "good"]}, {"id": "topic", "labels": ["war"]}]}
    )
    protection = Protection.plan(trained(tmp_path), later, [example(1)], [], 0.8)
    (scores,) = (one.scores for one in Classifier.from_pretrained(tmp_path).predict([example(1).text]))
    (taught,) = protection.taught(protection.examples)
    total = scores["good"] + scores["bad"]
    np.testing.assert_allclose(taught, [0, scores["bad"] / total, scores["good"] / total, np.nan], atol=1e-5)


def test_decisions_that_rest_on_more_sentences_stay(tmp_path, tiny_model):
    directory = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    decisions = json.loads((directory / "decisions.json").read_text(encoding="utf-8"))
    decisions["labels"]["sanctions"]["support"] = 50
    decisions["labels"]["russian_framing"]["support"] = 50
    (directory / "decisions.json").write_text(json.dumps(decisions), encoding="utf-8")
    support = np.zeros(len(NEW), dtype=np.int64)
    support[NEW.ids.index("sanctions")], support[NEW.ids.index("moscow_framing")] = 50, 49
    firmer = plan(trained(directory), [example(1)]).firmer(support)
    assert firmer == {"moscow_framing": {**decisions["labels"]["russian_framing"], "chosen_by": "base"}}
