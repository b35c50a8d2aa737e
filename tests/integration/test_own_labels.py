"""A researcher's spreadsheet and label scheme, from `classify labels new` to a trained model."""

import csv
import io
import json

import numpy as np
import pytest
import torch
import yaml

from classify.classifier import Classifier
from classify.decisions import Decisions, decide, probabilities
from classify.labels import LabelScheme
from classify.writers import CsvWriter, Row, TableWriter
from training.columns import Layout
from training.dataset import read_file, targets
from training.finetune import train
from training.loss import GroupedLoss, positive_weights

NAMES = ["dua kata", "😀 senang", "غاضب", "平静", "a/b", "ya", "no", "3", "x: y", "koma, titik", "# pagar", "- strip", "'kutip\"", "off"]


def write_csv(path, rows, **options):
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, **options).writerows(rows)
    return path


def test_new_writes_a_scheme_that_holds_and_does_not_overwrite(tmp_path, run_cli, assert_refused):
    path = tmp_path / "my-labels.yaml"
    result = run_cli("labels", "new", path)
    assert result.returncode == 0, result.stderr
    assert LabelScheme.load(path).ids == ["economy", "politics", "sport", "negative", "neutral", "positive"]
    path.write_text("mine", encoding="utf-8")
    assert_refused(run_cli("labels", "new", path), "is there already", "--force")
    assert path.read_text(encoding="utf-8") == "mine"
    assert run_cli("labels", "new", path, "--force").returncode == 0
    assert "exclusive: true" in path.read_text(encoding="utf-8")


def test_labels_found_in_data_are_read_again_whatever_their_names(tmp_path, run_cli):
    rows = [["kalimat", "rasa", "nada", "hoaks"]]
    # One name in both groups, one like the group itself.
    rows += [[f"Kalimat nomor {i}", [*NAMES, "nada"][i % 15], ["ya", "netral"][i % 2], i % 2] for i in range(45)]
    data = write_csv(tmp_path / "data.csv", rows, delimiter="|")
    path = tmp_path / "l.yaml"
    # The columns are named, because a separator could be guessed from such labels.
    made = run_cli("labels", "new", path, "--from", data, "--label-columns", "rasa,nada,hoaks", "--separator", ";;")
    assert made.returncode == 0, made.stderr
    scheme = LabelScheme.load(path)
    assert set(NAMES) <= set(scheme.ids)
    assert {"rasa/nada", "nada/ya", "netral", "hoaks"} <= set(scheme.ids)
    assert [group.exclusive for group in scheme.groups] == [True, True, False]
    result = run_cli("labels", "check", path, "--data", data, "--separator", ";;")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "45 sentences\n" in result.stdout
    counts = {line.rsplit(None, 1)[0].strip(): line.rsplit(None, 1)[1] for line in result.stdout.splitlines() if line.startswith("  ")}
    assert {counts[name] for name in NAMES} == {"3"}
    assert (counts["nada/ya"], counts["netral"], counts["hoaks"]) == ("23", "22", "22")


def test_a_scheme_from_json_lines_reads_them_plain_texts_and_lists_alike(tmp_path, run_cli):
    data, path = tmp_path / "mix.jsonl", tmp_path / "l.yaml"
    rows = [{"text": f"Kalimat {i}", "rubrik": [["niaga"], ["perang", "niaga"]][i % 2], "nada": ["baik", "buruk"][i % 2]} for i in range(8)]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    made = run_cli("labels", "new", path, "--from", data)
    assert made.returncode == 0, made.stderr
    read = read_file(data, LabelScheme.load(path))
    assert not read.rejected
    assert read.examples[1].labels == {"rubrik": ("niaga", "perang"), "nada": ("buruk",)}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("groups:\n- id: a\n  labels: [b, c]\n- id: d\n  labels:\n  - e\n  - b\n", ["line 7", "'b' is used twice"]),
        ("groups:\n- id: a\n  labels: []\n", ["line 2", "('a') needs a list 'labels'"]),
        ("groups:\n- id: a\n  labels:\n  - b\n  - no\n", ["line 5", "found False", "quotation marks"]),
        ("groups:\n- id: a\n  labels:\n  - b: c\n", ["line 4", "found {'b': 'c'}", "quotation marks"]),
        ("groups:\n- id: a\n  labels: [b]\n  labels: [c]\n", ["'labels' is given twice", "line 4"]),
        ("groups:\n- id: text\n  labels: [b]\n", ["line 2", "no group can be called 'text'"]),
        ("groups:\n- id: a\n  labels: [review]\n", ["line 3", "no label can be called 'review'"]),
        ('groups:\n- id: a\n  labels: ["b\\nc"]\n', ["line 3", "line break"]),
        ("groups:\n- id: a\n  exclusive: maybe\n  labels: [b]\n", ["line 2", "must be true or false"]),
        ("a: &a [b]\nb: *c\n", ["is not valid YAML"]),
    ],
)
def test_what_is_wrong_in_a_scheme_is_told_with_its_line(tmp_path, content, words):
    path = tmp_path / "l.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(Exception) as caught:
        LabelScheme.load(path)
    assert all(word in str(caught.value) for word in [str(path), *words]), caught.value
    assert "\n" not in str(caught.value)


def test_check_tells_what_the_scheme_lacks(tmp_path, run_cli, assert_refused):
    labels = tmp_path / "l.yaml"
    labels.write_text("groups:\n- {id: nada, labels: [resah, senang]}\n", encoding="utf-8")
    data = write_csv(tmp_path / "d.csv", [["text", "nada"], ["a", "resah"], ["b", "marah"], ["c", "marah"]])
    result = run_cli("labels", "check", labels, "--data", data)
    assert result.returncode == 1
    assert "labels of d.csv that the scheme lacks: 'marah' (2)" in result.stdout
    assert f"  {data}:3: column 'nada': unknown nada label 'marah'" in result.stdout
    assert "senang" in result.stdout
    assert "never given" in result.stdout
    labels.write_text("groups:\n- {id: nada, labels: [resah, resah]}\n", encoding="utf-8")
    assert_refused(run_cli("labels", "check", labels), "line 2", "'resah' is used twice")


def test_stances_of_a_spreadsheet_train_beside_topics_of_json_lines(tmp_path, run_cli, recipe, rows, write_rows):
    stances = [["Kalimat", "Bantahan Korut", "tuduhan AS", "Russian framing", "berkas"]]
    columns = ("dprk_denial", "us_accusation", "russian_framing")
    stances += [[row["text"], *(int(one in row["stance"]) for one in columns), f"g{i}"] for i, row in enumerate(rows[:40])]
    sheet = write_csv(tmp_path / "sikap.csv", stances, delimiter=";")
    topics = write_rows(tmp_path / "topics.jsonl", [{"text": row["text"], "topic": row["topic"]} for row in rows[40:]])
    out, rejected = tmp_path / "model", tmp_path / "rejected.csv"
    result = run_cli(
        "train", "--config", recipe, "--data", sheet, "--data", topics, "--output", out, "--epochs", "3", "--quiet", "--rejected", rejected
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr.startswith(
        "sikap.csv: text = 'Kalimat', stance from one column a label (Bantahan Korut, tuduhan AS, Russian framing), "
        "not read: berkas, delimiter ';', UTF-8\n"
    )
    record = json.loads((out / "training.json").read_text(encoding="utf-8"))
    assert set(record["data"]) == {"sikap.csv", "topics.jsonl"}
    assert sum(record["sentences"].values()) == 80
    assert all(np.isfinite(one["eval_loss"]) for one in record["history"])
    assert rejected.read_text(encoding="utf-8-sig") == "file,line,reason\n"
    (prediction,) = Classifier.from_pretrained(out).predict([rows[0]["text"]])
    assert set(prediction.labels) == {"topic", "stance"}


def test_more_than_one_in_a_hundred_bad_rows_stop_with_exit_2(tmp_path, run_cli, recipe, rows):
    table = [
        ["text", "topic"],
        *([row["text"], ";".join(row["topic"]) or "-"] for row in rows[:60]),
        ["", "sanctions"],
        ["x", "sanksi berat"],
    ]
    path = write_csv(tmp_path / "d.csv", table)
    result = run_cli("train", "--config", recipe, "--data", path, "--output", tmp_path / "m", "--quiet")
    assert result.returncode == 2
    assert f"error: 2 of 62 rows of {path} cannot be used, and more than 1% stops:\n  {path}:62: the text" in result.stderr
    assert f"{path}:63: column 'topic': unknown topic label 'sanksi berat'" in result.stderr
    assert not (tmp_path / "m").exists()
    checked = run_cli("check-data", path)
    assert checked.returncode == 1
    assert checked.stdout.startswith("d.csv: text = 'text', topic from 'topic', ")
    assert f"{path}: 2 of 62 rows cannot be used; above 1 % nothing is trained" in checked.stdout


def test_what_a_table_does_not_say_has_no_gradient(tmp_path, root):
    scheme = LabelScheme.load(root / "configs/labels.yaml")
    path = write_csv(tmp_path / "d.csv", [["text", "us_accusation", "dprk_denial"], ["a", "1", ""], ["b", "0", "0"], ["c", "0", "1"]])
    wanted = torch.from_numpy(targets(read_file(path, scheme, layout=Layout()).examples, scheme))
    torch.manual_seed(1)
    head = torch.nn.Linear(5, len(scheme))
    GroupedLoss(scheme, positive_weights(wanted, 0.5))(head(torch.randn(3, 5)), wanted).backward()
    moved = {label: bool(row.abs().sum() > 0) for label, row in zip(scheme.ids, head.weight.grad, strict=True)}
    assert moved == {label: label in ("us_accusation", "dprk_denial") for label in scheme.ids}


def test_a_hundred_labels(tmp_path, settings, write_rows):
    names = [f"label {i:03}" for i in range(98)]
    labels = tmp_path / "l.yaml"
    groups = [{"id": "banyak", "labels": names}, {"id": "dua", "exclusive": True, "labels": ["ya/tidak", "صح"]}]
    labels.write_text(yaml.safe_dump({"groups": groups}, allow_unicode=True), encoding="utf-8")
    scheme = LabelScheme.load(labels)
    assert len(scheme) == 100
    rows = [
        {"text": f"kalimat nomor {i} tentang hal {i * 7}", "banyak": [names[i % 98]], "dua": [["ya/tidak", "صح"][i % 2]]}
        for i in range(120)
    ]
    data = write_rows(tmp_path / "d.jsonl", rows)
    wanted = targets(read_file(data, scheme).examples, scheme)
    assert wanted.shape == (120, 100)
    assert (wanted.sum(axis=1) == 2).all()
    given = decide(probabilities(np.where(wanted > 0, 4.0, -4.0).astype(np.float32), scheme), scheme, Decisions())
    assert (given == (wanted > 0)).all()
    out = train(settings(data=[data], labels=labels, output=tmp_path / "m", epochs=1), quiet=True)
    (prediction,) = Classifier.from_pretrained(out).predict(["kalimat nomor 3"])
    assert len(prediction.scores) == 100
    assert len(prediction.labels["dua"]) == 1
    row = Row("d", 0, 0, 15, "kalimat nomor 3", {"banyak": names, "dua": ["صح"]}, prediction.scores)
    for make in (CsvWriter, TableWriter):
        stream = io.StringIO()
        writer = make(stream, scheme)
        writer.write(row)
        writer.close()
        assert "صح" in stream.getvalue()
