"""Which recipe a run takes, and what it decides that the settings leave open."""

from pathlib import Path

import pytest

from classify.errors import SettingsError
from classify.labels import LabelScheme
from training import recipes
from training.dataset import Example
from training.train_settings import TrainSettings

SCHEME = LabelScheme.from_dict(
    {"groups": [{"id": "tone", "exclusive": True, "labels": ["good", "bad"]}, {"id": "topic", "labels": ["war", "trade"]}]}
)


def settings(**changes):
    return TrainSettings(base="base", output=Path("unused"), data=(), **changes)


def examples(count):
    """Every sentence has a tone, every other one the topic war, none is labelled for trade."""
    rows = [{"tone": ("good",) if i % 3 else ("bad",), "topic": ("war",) * (i % 2)} for i in range(count)]
    return [Example(str(i), f"Kalimat {i}.", "", labels, f"g{i}", unknown=("trade",)) for i, labels in enumerate(rows)]


def chosen(count, new_labels=True, **changes):
    return recipes.choose(settings(**changes), SCHEME, examples(count), new_labels)


def test_auto_goes_by_labelled_sentences_a_label_and_says_so():
    # A sentence gives one and a half labels, of four.
    enough = round(recipes.FEW * 4 / 1.5)
    few, full = chosen(enough - 4), chosen(enough + 4)
    assert (few.recipe, full.recipe, full.said) == ("few", "full", "")
    assert f"{enough - 4} labelled sentences" in few.said
    assert f"fewer than {recipes.FEW}" in few.said
    assert few.record() == {"name": "few", "sentences": enough - 4, "sentences_a_label": few.record()["sentences_a_label"], "chosen": True}
    assert few.record()["sentences_a_label"] == pytest.approx(1.5 * (enough - 4) / 4, abs=0.3)


@pytest.mark.parametrize("changes", [{"recipe": "full"}, {"validation": 0.2}, {"folds": 3}, {"search": 2}, {"soft_labels": Path("s")}])
def test_few_is_not_chosen_against_what_was_asked_for(changes):
    assert chosen(20, **changes).recipe == "full"


def test_few_is_not_chosen_where_the_base_knows_labels():
    assert chosen(20, new_labels=False).recipe == "full"


def test_what_is_asked_for_is_taken_without_a_word():
    assert chosen(5000, recipe="few") == recipes.Choice("few", 5000, chosen(5000, recipe="few").a_label)
    with pytest.raises(SettingsError, match="auto, full, few"):
        settings(recipe="some")


def filled(count=60, new_labels=True, retrained=True, possible=True, **changes):
    choice = chosen(count, new_labels, **changes)
    return recipes.fill(settings(**changes), choice, new_labels, retrained, possible)


def test_few_keeps_nothing_aside_and_divides_for_thresholds():
    few = filled()
    assert (few.recipe, few.head_start, few.validation, few.test, few.folds) == ("few", True, 0.0, 0.0, recipes.FOLDS)
    given = filled(epochs=3, test=0.2)
    assert (given.epochs, given.test) == (3, 0.2)


def test_few_on_another_kind_of_network_takes_a_fixed_number_of_steps():
    few = filled(possible=False)
    assert (few.head_start, few.frozen) == (False, 0.0)
    assert few.epochs * -(-60 // few.batch_size) >= recipes.FEW_STEPS_ALONE


def test_little_data_for_new_labels_gets_more_passes():
    full = {count: filled(count, recipe="full") for count in (100, 1500, 20000)}
    assert full[100].epochs == recipes.MOST_EPOCHS > full[1500].epochs > full[20000].epochs == recipes.EPOCHS
    assert all(one.head_start and one.validation == recipes.VALIDATION for one in full.values())
    kept = filled(100, new_labels=False, retrained=False)
    assert (kept.epochs, kept.patience, kept.head_start) == (recipes.EPOCHS, recipes.PATIENCE, False)


def test_a_plain_base_gets_a_head_start_only_with_few_labels():
    assert filled(retrained=False).head_start
    assert not filled(3000, retrained=False).head_start


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"head_start": True, "possible": False}, "not of BERT's kind"),
        ({"head_start": True, "mix_base": "b", "mix_share": 0.2}, "do not go together"),
        ({"head_start": True, "new_labels": False, "retrained": False}, "what the base knows"),
    ],
)
def test_a_head_start_that_cannot_be_is_refused(changes, words):
    with pytest.raises(SettingsError, match=words):
        filled(**changes)
