"""Training on a few dozen sentences, through the command line."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from classify.classifier import Classifier

TONES = {"senang": ["gembira", "riang", "bahagia"], "marah": ["murka", "geram", "kesal"]}
SCHEME = {"groups": [{"id": "nada", "exclusive": True, "labels": ["senang", "marah"]}, {"id": "pokok", "labels": ["pasar", "sekolah"]}]}


def rows(count):
    """Half say nothing of one group, one in four of the others carries no label there."""
    for i in range(count):
        tone = "senang" if i % 2 else "marah"
        topic = [[], ["pasar"], ["sekolah"], ["pasar", "sekolah"]][i % 4]
        words = f"Warga {TONES[tone][i % 3]} di {' dan '.join(topic) or 'rumah'} nomor {i}."
        yield {"id": str(i), "text": words, "nada": [tone], **({"pokok": topic} if i % 3 else {})}


@pytest.fixture(scope="module")
def few(tmp_path_factory, run_cli, write_rows, tiny_base):
    folder = tmp_path_factory.mktemp("few")
    data, labels = write_rows(folder / "sentences.jsonl", rows(36)), folder / "labels.yaml"
    labels.write_text(yaml.safe_dump(SCHEME), encoding="utf-8")
    flags = ["--data", data, "--labels", labels, "--base", tiny_base, "--output", folder / "model", "--quiet", "--seed", 2]
    result = run_cli("train", *flags, "--learning-rate", "1e-3")
    assert result.returncode == 0, result.stderr
    return SimpleNamespace(path=folder / "model", said=result.stderr, flags=flags, data=data)


def test_it_says_which_recipe_it_takes_and_what_came_of_it(few):
    lines = few.said.splitlines()
    assert any(line.startswith("36 labelled sentences") and "the recipe for few labels" in line for line in lines), few.said
    assert any(line.startswith("macro-F1 0.") and "4 folds of the 36 sentences" in line for line in lines), few.said


def test_every_sentence_teaches_and_the_record_says_how(few):
    record = json.loads((few.path / "training.json").read_text(encoding="utf-8"))
    assert (record["recipe"]["name"], record["recipe"]["chosen"], record["recipe"]["sentences"]) == ("few", True, 36)
    assert record["sentences"] == {"train": 36, "validation": 0, "test": 0, "development": 0}
    assert (record["settings"]["recipe"], record["settings"]["head_start"]) == ("few", True)
    assert 0 < record["figures"]["cross_validated_macro_f1"] <= 1
    assert "recipe for few labels" in (few.path / "README.md").read_text(encoding="utf-8")


def test_decisions_rest_on_sentences_that_their_model_had_not_seen(few):
    labels = json.loads((few.path / "decisions.json").read_text(encoding="utf-8"))["labels"]
    # Twelve sentences with each topic speak of it: enough for a threshold; the exclusive group has none.
    assert {label: entry["support"] for label, entry in labels.items()} == {"pasar": 12, "sekolah": 12}
    assert all("interval" in entry for entry in labels.values())


def test_the_model_predicts_all_groups(few):
    sentences = list(rows(36))
    predictions = Classifier.from_pretrained(few.path).predict([row["text"] for row in sentences])
    right = [prediction.labels["nada"] == row["nada"] for prediction, row in zip(predictions, sentences, strict=True)]
    assert np.mean(right) > 0.8


def test_a_recorded_run_comes_out_the_same(few, run_cli, tmp_path):
    result = run_cli("reproduce", few.path, "--output", tmp_path / "again", "--data", few.data, "--base", few.flags[5], "--quiet")
    assert result.returncode == 0, result.stderr
    assert "the same, bit for bit" in result.stdout


def test_full_is_taken_where_asked_for(few, run_cli, tmp_path):
    flags = [*few.flags[:7], tmp_path / "full", *few.flags[8:], "--recipe", "full", "--epochs", 1]
    result = run_cli("train", *flags)
    assert result.returncode == 0, result.stderr
    record = json.loads((tmp_path / "full" / "training.json").read_text(encoding="utf-8"))
    assert (record["recipe"]["name"], record["recipe"]["chosen"]) == ("full", False)
    assert record["sentences"]["validation"]
    assert "recipe" not in result.stderr
