"""Two models on the same sentences."""

import json
import shutil

import numpy as np
import pytest
import yaml
from sklearn.metrics import f1_score

from classify.classifier import Classifier
from classify.errors import DataError
from classify.labels import LabelScheme
from classify.modeldir import ModelDirectory
from training.dataset import Example
from training.diff import compare, compare_files, dropped, markdown, union


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def later(tiny_model, tmp_path_factory, root):
    """The tiny model with other thresholds for two labels, one stance renamed and one topic replaced by another."""
    directory = shutil.copytree(tiny_model, tmp_path_factory.mktemp("later") / "model")
    names = {"russian_framing": "moscow_framing", "satellite_tech": "nuclear_test"}
    scheme = yaml.safe_load((root / "configs/labels.yaml").read_text(encoding="utf-8"))
    for group in scheme["groups"]:
        for label in group["labels"]:
            if label["id"] == "russian_framing":
                label["renamed_from"] = label["id"]
            label["id"] = names.get(label["id"], label["id"])
    (directory / "labels.yaml").write_text(yaml.safe_dump(scheme), encoding="utf-8")
    config = read(directory / "config.json")
    config["id2label"] = {key: names.get(label, label) for key, label in config["id2label"].items()}
    (directory / "config.json").write_text(json.dumps(config), encoding="utf-8")
    decisions = read(directory / "decisions.json")
    decisions["labels"] = {names.get(label, label): entry for label, entry in decisions["labels"].items()}
    decisions["labels"]["sanctions"]["threshold"] = 0.0
    decisions["labels"]["diplomacy"]["threshold"] = 1.0
    (directory / "decisions.json").write_text(json.dumps(decisions), encoding="utf-8")
    return ModelDirectory.open(directory)


@pytest.fixture(scope="module")
def earlier(tiny_model):
    return ModelDirectory.open(tiny_model)


@pytest.fixture(scope="module")
def examples(indonesian, earlier):
    """Labelled as the earlier model answers, but for every third sentence; documents of two sentences."""
    found = []
    for i, (text, prediction) in enumerate(zip(indonesian, Classifier.from_pretrained(earlier.path).predict(indonesian), strict=True)):
        labels = {group: tuple(given) if i % 3 else ("sanctions",) * (group == "topic") for group, given in prediction.labels.items()}
        found.append(Example(id=str(i), text=text, context="", labels=labels, group=f"d{i // 2}", where=f"old.jsonl:{i}"))
    return found


@pytest.fixture(scope="module")
def result(earlier, later, examples):
    return compare(earlier, later, examples, resamples=300)


def test_figures_are_those_of_the_predictions(result, earlier, later, examples):
    for key, directory in (("old", earlier), ("new", later)):
        predictions = Classifier.from_pretrained(directory.path).predict([example.text for example in examples])
        for label, row in result["labels"].items():
            name = row.get("renamed_from", label) if key == "old" else label
            before = row.get("renamed_from", label)
            wanted = [any(before in given for given in example.labels.values()) for example in examples]
            given = [any(name in labels for labels in one.labels.values()) for one in predictions]
            assert row[key] == pytest.approx(f1_score(wanted, given, zero_division=0), abs=1e-4)
            assert row["support"] == sum(wanted)
    assert (result["sentences"], result["documents"], result["left_out"]) == (40, 20, 0)


def test_labels_of_one_model_stand_apart_and_renamed_ones_are_matched(result):
    assert set(result["only_old"]) == {"satellite_tech"}
    # Nobody labelled these sentences for it, so they say nothing against it.
    assert result["only_new"] == {"nuclear_test": {"support": 0, "f1": 0.0}}
    assert result["labels"]["moscow_framing"]["renamed_from"] == "russian_framing"
    # The same scores and thresholds on both sides: no difference, whatever is drawn.
    assert result["labels"]["moscow_framing"]["difference"] == [0.0, 0.0, 0.0]


def test_differences_are_paired(result):
    low_to_high = result["labels"]["sanctions"]["difference"]
    assert low_to_high[1] < low_to_high[0] < low_to_high[2]
    row = result["labels"]["diplomacy"]  # never given any more
    assert row["new"] == 0
    assert row["difference"][0] == pytest.approx(-row["old"], abs=1e-4)
    assert row["difference"][2] < 0
    assert dropped(result, 0.02) == ["diplomacy"]
    assert dropped(result, 1.0) == []


def test_flips_count_every_sentence_once_and_know_who_was_right(result, examples):
    wanted = np.asarray(["sanctions" in example.labels["topic"] for example in examples])
    flips = result["labels"]["sanctions"]["flips"]
    assert sum(count for cell in flips.values() for count in cell.values()) == len(examples)
    # Now always given: right where it is there.
    assert flips["both"]["right"] + flips["only_new"]["right"] == wanted.sum()
    assert flips["only_new"]["wrong"] == sum(not one for one in wanted) - flips["both"]["wrong"]
    assert flips["only_old"] == flips["neither"] == {"right": 0, "wrong": 0}


def test_flipped_sentences_are_told_apart(result, examples):
    assert {one["label"] for one in result["better"] + result["worse"]} <= {"sanctions", "diplomacy"}
    assert all(one["wanted"] for one in result["better"] if one["label"] == "sanctions")
    assert not any(one["wanted"] for one in result["worse"] if one["label"] == "sanctions")
    assert 0 < len(result["worse"]) <= 20
    change = [abs(one["new"] - one["old"]) for one in result["worse"]]
    assert change == sorted(change, reverse=True)
    text = markdown(result)
    assert f"not sanctions, {result['worse'][0]['old']:.2f} ->" in text
    assert "moscow_framing (was russian_framing)" in text
    assert "Only the old model has: satellite_tech" in text


def test_a_file_labelled_for_a_new_label_is_silent_about_old_ones_it_never_gives(earlier, later, examples):
    made = [
        Example(id="1", text=one.text, context="", labels={"topic": ("nuclear_test", "sanctions")}, group="n", where="new.jsonl:1")
        for one in examples[:5]
    ]
    found = compare(earlier, later, [*examples, *made], resamples=10)
    assert found["only_new"]["nuclear_test"]["support"] == 5
    assert found["labels"]["sanctions"]["support"] == compare(earlier, later, examples, resamples=10)["labels"]["sanctions"]["support"] + 5
    assert sum(sum(cell.values()) for cell in found["labels"]["diplomacy"]["flips"].values()) == len(examples)
    assert sum(sum(cell.values()) for cell in found["labels"]["sanctions"]["flips"].values()) == len(examples) + 5


def test_only_sentences_that_neither_was_trained_on_count(earlier, later, examples, tmp_path):
    old, new = (ModelDirectory.open(shutil.copytree(one.path, tmp_path / name)) for one, name in ((earlier, "old"), (later, "new")))
    held = {"test": {"old.jsonl": [str(i) for i in range(10)]}}
    (old.path / "training.json").write_text(json.dumps({"data": {"old.jsonl": "0"}, "held_out": held}))
    # The new one read another file, but continues a model that kept fewer of the old sentences aside.
    before = [{"data": {"old.jsonl": "0"}, "held_out": {"test": {"old.jsonl": ["8", "9", "20"]}}}]
    (new.path / "training.json").write_text(json.dumps({"data": {"new.jsonl": "1"}, "held_out": {}, "before": before}))
    found = compare(old, new, examples, resamples=10)
    assert (found["sentences"], found["left_out"]) == (2, 38)
    with pytest.raises(DataError, match="used in training one of the two models"):
        compare(old, new, examples[10:], resamples=10)


def test_files_in_the_labels_of_either_model_are_read(earlier, later, tmp_path, indonesian, run_cli, assert_refused):
    rows = [
        [{"text": indonesian[0], "topic": ["satellite_tech"], "stance": ["russian_framing"]}],
        [{"text": indonesian[1], "topic": ["nuclear_test"], "stance": ["moscow_framing"]}],
    ]
    files = [tmp_path / "before.jsonl", tmp_path / "after.jsonl"]
    for file, content in zip(files, rows, strict=True):
        file.write_text("".join(json.dumps(row) + "\n" for row in content), encoding="utf-8")
    found = compare_files(earlier.path, later.path, files, resamples=10)
    assert found["labels"]["moscow_framing"]["support"] == 2
    assert found["only_old"]["satellite_tech"]["support"] == found["only_new"]["nuclear_test"]["support"] == 1
    output = tmp_path / "diff.json"
    flags = ["--data", files[0], "--format", "json", "--output", output, "--max-drop", "0.02"]
    ran = run_cli("diff", earlier.path, later.path, *flags)
    assert ran.returncode in (0, 1), ran.stderr
    assert set(read(output)["labels"]) == set(found["labels"])
    assert_refused(run_cli("diff", earlier.path, later.path, "--data", files[0], "--format", "html"), "unknown format 'html'", "json")


def test_tables_are_compared_on_and_what_nobody_can_judge_is_named(earlier, later, tmp_path, indonesian, run_cli):
    table = tmp_path / "named.csv"
    table.write_text(f'isi_berita;nada\n"{indonesian[0]}";sanctions\n"{indonesian[1]}";diplomacy\n', encoding="utf-8")
    flags = ["--text-column", "isi_berita", "--label-columns", "nada", "--max-drop", "1"]
    ran = run_cli("diff", earlier.path, later.path, "--data", table, *flags)
    assert ran.returncode == 0, ran.stderr
    assert "### 2 sentences" in ran.stdout
    told = next(line for line in ran.stderr.splitlines() if line.startswith("no sentence tells whether these fell: "))
    assert "arms_transfer" in told
    assert "satellite_tech" in told
    assert "sanctions" not in told


def test_a_union_reads_both_schemes():
    old = LabelScheme.from_dict({"groups": [{"id": "topic", "labels": ["a", "b"]}, {"id": "tone", "labels": ["c"]}]})
    new = LabelScheme.from_dict({"groups": [{"id": "topic", "labels": ["b", {"id": "d", "renamed_from": "a"}]}]})
    assert [(group.id, [label.id for label in group.labels]) for group in union(old, new).groups] == [
        ("topic", ["b", "d", "a"]),
        ("tone", ["c"]),
    ]
