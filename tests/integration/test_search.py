"""Looking for better settings before training."""

import importlib.util
import json

import pytest

from classify.errors import MissingExtraError, SettingsError
from training.finetune import train


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def searched(settings, labelled, tmp_path_factory):
    """A search of three trials, and what it takes to repeat it."""
    folder = tmp_path_factory.mktemp("searched")
    make = lambda name: settings(data=[labelled], output=folder / name, epochs=8, search=3, export=False)  # noqa: E731
    return train(make("whole"), quiet=True), make


def test_search_on_the_command_line(run_cli, recipe, labelled, tmp_path):
    flags = ["--config", recipe, "--data", labelled, "--epochs", 4, "--search", 2, "--output", tmp_path / "m", "--quiet"]
    result = run_cli("train", *flags)
    assert result.returncode == 0, result.stderr
    told = [line for line in result.stderr.splitlines() if line.startswith("trial ")]
    assert [line[:12] for line in told] == ["trial 1 of 2", "trial 2 of 2"]
    assert "learning_rate 0.005, epochs 4, batch_size 8, dropout 0.1, layer_decay 1, weighting 0.5" in told[0]
    assert len(read_json(tmp_path / "m/search.json")["trials"]) == 2
    assert (tmp_path / "m/onnx/model.onnx").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_best_trial_decides_and_the_final_model_is_as_good_as_told(searched):
    out, make = searched
    found, record, recipe = read_json(out / "search.json"), read_json(out / "training.json"), make("whole")
    scores = [trial["macro_f1"] for trial in found["trials"]]
    assert len(set(scores)) > 1
    assert scores[found["best_trial"] - 1] == max(scores)
    best = found["trials"][found["best_trial"] - 1]
    assert {name: record["settings"][name] for name in best["settings"]} == best["settings"]
    assert record["figures"]["validation_macro_f1"] == pytest.approx(best["macro_f1"], abs=1e-4)
    assert record["figures"]["best_epoch"] == best["best_epoch"]
    first, *others = (trial["settings"] for trial in found["trials"])
    assert first == {name: getattr(recipe, name) for name in first}
    for trial in others:
        assert recipe.learning_rate / 4 <= trial["learning_rate"] <= recipe.learning_rate * 4
        assert 4 <= trial["epochs"] <= 8
        assert trial["batch_size"] in (4, 8, 16)


def test_interrupted_search_goes_on_as_if_it_had_not_been(searched, monkeypatch):
    out, make = searched
    from transformers import Trainer

    trials, whole = 0, Trainer.train

    def cut_off(*arguments, **more):
        nonlocal trials
        trials += 1
        if trials == 3:
            raise KeyboardInterrupt
        return whole(*arguments, **more)

    # The recipe, and with it the checkpoints, are known by the output's name as well.
    other = make("again")
    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "train", cut_off)
        with pytest.raises(KeyboardInterrupt):
            train(other, quiet=True)
    assert len(read_json(other.output.with_name(".again.training") / "search.json")["trials"]) == 2
    train(other, quiet=True)
    assert (other.output / "search.json").read_bytes() == (out / "search.json").read_bytes()
    assert (other.output / "model.safetensors").read_bytes() == (out / "model.safetensors").read_bytes()


@pytest.mark.parametrize("changes", [{"search": -1}, {"search": 2, "folds": 3}, {"search": 2, "validation": 0.0}])
def test_search_that_nothing_can_judge_is_refused(changes, settings, labelled, tmp_path):
    with pytest.raises(SettingsError, match="'search' is the number of trials, which a validation share judges"):
        settings(data=[labelled], output=tmp_path / "m", **changes)


def test_missing_package_is_named_with_the_command(settings, labelled, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "optuna" else find(name, *more))
    with pytest.raises(MissingExtraError, match=r'a search needs packages .* pip install "\.\[search\]"'):
        train(settings(data=[labelled], output=tmp_path / "m", search=1), quiet=True)
    assert not (tmp_path / "m").exists()


def test_documented_command_asks_for_what_exists(root):
    import inspect
    import re

    from classify.cli.train import train as command

    (line,) = re.findall(r"^classify train .*--search .*$", (root / "docs/retraining.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {option.replace("-", "_") for option in re.findall(r"--([\w-]+)", line)} <= set(inspect.signature(command).parameters)
