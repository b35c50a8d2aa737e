import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from classify.errors import SettingsError
from training.pretrain import PretrainSettings, Stage
from training.settings import as_dict, build, load
from training.train_settings import TrainSettings

NEEDED = {"base": "base", "output": "model", "data": ["data"]}
NEEDED_TO_PRETRAIN = {"corpus": ["corpus.txt"], "output": "base"}


def recipe(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_unknown_setting_is_named_with_the_closest_and_all_valid_ones():
    with pytest.raises(SettingsError) as caught:
        build(TrainSettings, {**NEEDED, "learning_rat": 1e-4})
    message = str(caught.value)
    assert "unknown setting 'learning_rat'" in message
    assert "did you mean 'learning_rate'?" in message
    for name in ("base", "output", "data", "epochs", "folds", "compact", "seed"):
        assert name in message


def test_unknown_setting_in_a_file_names_the_file(tmp_path):
    path = recipe(tmp_path, "colour: blue\n")
    with pytest.raises(SettingsError, match="unknown setting 'colour' in .*recipe.yaml; valid ones: base"):
        load(TrainSettings, path)


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("epochs", "many", "int"),
        ("epochs", 2.5, "int"),
        ("epochs", True, "int"),
        ("epochs", [3], "int"),
        ("learning_rate", "fast", "number"),
        ("learning_rate", True, "float"),
        ("context", 1, "bool"),
        ("context", "yes", "bool"),
        ("base", 7, "str"),
        ("output", 7, "Path"),
        ("labels", None, "Path"),
        ("data", {"path": "x"}, "list"),
        ("data", [1], "Path"),
    ],
)
def test_wrong_type_is_named_with_its_value(key, value, kind):
    with pytest.raises(SettingsError) as caught:
        build(TrainSettings, {**NEEDED, key: value})
    assert f"'{key}'" in str(caught.value)
    assert kind in str(caught.value)
    assert str(value[0] if isinstance(value, list) else value) in str(caught.value)


def test_missing_settings_are_named():
    with pytest.raises(SettingsError, match="'base'.*'data'") as caught:
        build(TrainSettings, {"output": "model"})
    assert "'output'" not in str(caught.value)
    assert "__init__" not in str(caught.value)


@pytest.mark.parametrize(("written", "value"), [("3e-5", 3e-5), ("3.0e-5", 3e-5), ("1", 1.0), ("1E-3", 1e-3)])
def test_yaml_numbers_in_any_spelling(tmp_path, written, value):
    settings = load(TrainSettings, recipe(tmp_path, f"learning_rate: {written}\n"), NEEDED)
    assert settings.learning_rate == value
    assert isinstance(settings.learning_rate, float)


def test_overrides_win_unless_they_are_none(tmp_path):
    path = recipe(tmp_path, "base: one\noutput: out\ndata: [a.jsonl, b]\nepochs: 4\nseed: 5\n")
    settings = load(TrainSettings, path, {"epochs": 2, "seed": None, "base": "two"})
    assert (settings.epochs, settings.seed, settings.base) == (2, 5, "two")
    assert settings.data == (Path("a.jsonl"), Path("b"))
    assert settings.output == Path("out")


def test_one_value_may_stand_for_a_list():
    assert build(TrainSettings, {**NEEDED, "data": "sentences.jsonl"}).data == (Path("sentences.jsonl"),)
    assert build(TrainSettings, {**NEEDED, "data": Path("sentences.jsonl")}).data == (Path("sentences.jsonl"),)


def test_optional_setting_takes_a_value_or_nothing():
    assert build(PretrainSettings, {**NEEDED_TO_PRETRAIN, "teacher": None}).teacher is None
    assert build(PretrainSettings, {**NEEDED_TO_PRETRAIN, "teacher": "minilm"}).teacher == Path("minilm")


def test_blocks_become_stages_and_their_mistakes_are_named():
    settings = build(PretrainSettings, {**NEEDED_TO_PRETRAIN, "stages": [{"name": "a", "steps": 2}, {"name": "b", "steps": 3}]})
    assert settings.stages == (Stage("a", 2), Stage("b", 3))
    assert settings.steps == 5
    with pytest.raises(SettingsError, match="unknown setting 'step' in 'stages' .*did you mean 'steps'.*name, steps, distil"):
        build(PretrainSettings, {**NEEDED_TO_PRETRAIN, "stages": [{"name": "a", "step": 2}]})
    with pytest.raises(SettingsError, match="'stages' must be a block of keys, not 'a'"):
        build(PretrainSettings, {**NEEDED_TO_PRETRAIN, "stages": ["a"]})


@pytest.mark.parametrize(
    ("text", "message"),
    [("- a\n- b\n", "must hold 'key: value' lines, not list"), ("a: [1\n", "is not valid YAML"), ("hello\n", "not str")],
)
def test_file_that_is_no_mapping_is_refused(tmp_path, text, message):
    with pytest.raises(SettingsError, match=message):
        load(TrainSettings, recipe(tmp_path, text))


def test_file_in_another_encoding_is_refused(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_bytes("base: caf\xe9\n".encode("latin-1"))
    with pytest.raises(SettingsError, match="recipe.yaml is not valid YAML"):
        load(TrainSettings, path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match="cannot read the settings file .*absent.yaml"):
        load(TrainSettings, tmp_path / "absent.yaml")


def test_empty_file_leaves_the_defaults(tmp_path):
    assert load(TrainSettings, recipe(tmp_path, "# nothing yet\n"), NEEDED) == build(TrainSettings, NEEDED)


def test_as_dict_is_plain_and_builds_the_same_again():

    settings = build(PretrainSettings, {**NEEDED_TO_PRETRAIN, "corpus": ["a", "b"], "stages": [{"name": "x", "steps": 1}]})
    plain = json.loads(json.dumps(as_dict(settings)))
    assert plain["corpus"] == ["a", "b"]
    assert plain["stages"] == [{"name": "x", "steps": 1, "distil": 0.0}]
    assert build(PretrainSettings, plain) == settings


def test_defaults_are_not_shared():
    @dataclass(frozen=True)
    class Simple:
        name: str
        size: int | None = None

    assert build(Simple, {"name": "a", "size": 3}) == Simple("a", 3)
    assert build(Simple, {"name": "a", "size": None}) == Simple("a")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"validation": 0.6}, ["validation", "0.5", "0.6"]),
        ({"test": -0.1}, ["test", "-0.1"]),
        ({"dropout": 0.95}, ["dropout", "0.95"]),
        ({"epochs": 0}, ["epochs", "at least 1", "0"]),
        ({"batch_size": -2}, ["batch_size", "-2"]),
        ({"max_length": 300}, ["max_length", "256", "300"]),
        ({"learning_rate": 0}, ["learning_rate", "above 0"]),
        ({"precision": "fp8"}, ["precision", "auto, fp32, bf16", "fp8"]),
        ({"folds": 1}, ["folds", "at least 2", "1"]),
        ({"folds": -3}, ["folds", "-3"]),
    ],
)
def test_impossible_training_settings_are_refused_with_what_is_possible(changes, words):
    with pytest.raises(SettingsError) as caught:
        build(TrainSettings, {**NEEDED, **changes})
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"precision": "fp16"}, ["precision", "auto, fp32, bf16"]),
        ({"mask": 1.0}, ["mask", "between 0 and 1"]),
        ({"hidden_size": 100, "heads": 12}, ["hidden_size", "100", "heads", "12"]),
        ({"vocabulary_size": 70_000}, ["vocabulary_size", "65536"]),
        ({"stages": [{"name": "a", "steps": 2, "distil": 0.5}]}, ["distil", "teacher"]),
        ({"parallel": "pairs.tsv"}, ["parallel", "teacher"]),
        ({"dictionary": "words.tsv", "teacher": "t"}, ["dictionary", "parallel"]),
    ],
)
def test_impossible_pretraining_settings_are_refused(changes, words):
    with pytest.raises(SettingsError) as caught:
        build(PretrainSettings, {**NEEDED_TO_PRETRAIN, **changes})
    assert all(word in str(caught.value) for word in words)


def test_shipped_recipes_are_valid(root):
    for name in ("default", "second"):
        train = load(TrainSettings, root / f"configs/{name}.yaml")
        assert all((root / path).exists() for path in (*train.data, train.labels))
    assert load(PretrainSettings, root / "configs/pretrain.yaml", {"teacher": Path("t")}).steps > 0
    assert load(PretrainSettings, root / "configs/pretrain-pairs.yaml", {"parallel": Path("p"), "teacher": Path("t")}).steps > 0
