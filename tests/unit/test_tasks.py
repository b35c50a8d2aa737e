import csv
import io
import json
from xml.etree import ElementTree

import pytest

from classify.copies import digest
from classify.errors import DataError
from classify.labels import LabelScheme
from classify.tasks import FORMATS, Labelled, Suggestion, label_config

SCHEME = LabelScheme.from_dict(
    {
        "groups": [
            {
                "id": "topic",
                "name": {"en": "Topics & more"},
                "labels": [{"id": "arms", "definition": {"en": 'guns, "big" <ones>'}}, "space"],
            },
            {"id": "tone", "labels": ["calm", "angry"], "exclusive": True},
        ]
    }
)
SUGGESTIONS = [
    Suggestion("a1", "=Kim, \"kata\" dia\nitu", "-Sebelum", "x.txt", "x.txt", {"topic": ["arms", "space"], "tone": ["calm"]},
               {"arms": 0.9, "space": 0.6, "calm": 0.7, "angry": 0.3}, "uncertain: space 0.60"),
    Suggestion("b2", "Hujan di Bogor.", "", "y.txt", "y.txt", {"topic": [], "tone": ["angry"]},
               {"arms": 0.1, "space": 0.0, "calm": 0.2, "angry": 0.8}, "at random"),
]  # fmt: skip


def written(name):
    stream = io.StringIO(newline="")
    FORMATS[name](SUGGESTIONS, SCHEME, "mine", stream)
    return stream.getvalue()


def test_csv_has_a_column_a_group_and_no_formula():
    first, second = csv.DictReader(io.StringIO(written("csv"), newline=""))
    assert (first["text"], first["context"]) == ("'" + SUGGESTIONS[0].text, "'-Sebelum")
    assert (first["topic"], first["tone"], first["score_space"]) == ("arms;space", "calm", "0.6")
    assert (second["topic"], second["why"], second["group"]) == ("", "at random", "y.txt")


def test_jsonl_rows_are_what_train_reads():
    from training.dataset import parse

    rows = [json.loads(line) for line in written("jsonl").splitlines()]
    examples = [parse("x:1", row, SCHEME) for row in rows]
    assert [(e.id, e.text, e.context, e.group) for e in examples] == [(s.id, s.text, s.context, s.group) for s in SUGGESTIONS]
    assert examples[0].labels == {"topic": ("arms", "space"), "tone": ("calm",)}
    assert examples[1].labels == {"topic": (), "tone": ("angry",)}


def test_doccano_rows_have_one_list_of_labels():
    rows = [json.loads(line) for line in written("doccano").splitlines()]
    assert [row["label"] for row in rows] == [["arms", "space", "calm"], ["angry"]]
    assert [row["context"] for row in rows] == ["-Sebelum", ""]


def test_label_studio_predictions_fit_the_configuration():
    tasks = json.loads(written("label-studio"))
    view = ElementTree.fromstring(label_config(SCHEME))
    shown = {one.get("name"): one.get("value") for one in view.iter("Text")}
    choices = {one.get("name"): one for one in view.iter("Choices")}
    assert {name: one.get("choice") for name, one in choices.items()} == {"topic": "multiple", "tone": "single"}
    assert [one.get("value") for one in view.iter("Header")] == ["Topics & more", "tone"]
    assert next(view.iter("Choice")).get("hint") == 'guns, "big" <ones>'
    for task, suggestion in zip(tasks, SUGGESTIONS, strict=True):
        assert all(value.removeprefix("$") in task["data"] for value in shown.values())
        (prediction,) = task["predictions"]
        assert prediction["model_version"] == "mine"
        for answer in prediction["result"]:
            control = choices[answer["from_name"]]
            assert answer["to_name"] == control.get("toName") in shown
            assert set(answer["value"]["choices"]) <= {one.get("value") for one in control}
        given = {answer["from_name"]: answer["value"]["choices"] for answer in prediction["result"]}
        assert given == {group: labels for group, labels in suggestion.labels.items() if labels}


@pytest.mark.parametrize(("format", "name"), [("csv", "a.csv"), ("jsonl", "a.jsonl"), ("doccano", "b.jsonl"), ("label-studio", "a.json")])
def test_what_was_written_is_known_again(format, name, tmp_path):
    (tmp_path / name).write_text(written(format), encoding="utf-8", newline="")
    labelled = Labelled.load([tmp_path], SCHEME)
    assert labelled.digests == {digest(one.text) for one in SUGGESTIONS}
    assert labelled.texts == [one.text for one in SUGGESTIONS]
    # A prediction is no label; the other formats do not tell them apart.
    expected = [0, 0, 0, 0] if format == "label-studio" else [1, 1, 1, 1]
    assert [labelled.positives[label] for label in SCHEME.ids] == expected


def test_label_studio_annotations_and_spreadsheets_of_other_countries_count(tmp_path):
    answer = {"from_name": "topic", "to_name": "text", "type": "choices", "value": {"choices": ["space"]}}
    task = {"id": 1, "data": {"text": "Roket naik."}, "annotations": [{"result": [answer]}]}
    (tmp_path / "a.json").write_text(json.dumps([task]), encoding="utf-8")
    (tmp_path / "b.csv").write_text('\ufefftext;topic\n"Kim; lalu Putin.";arms,space\n', encoding="utf-8")
    (tmp_path / "c.jsonl").write_text('{"sha256": "' + digest("Rahasia.") + '", "topic": ["arms"]}\n', encoding="utf-8")
    labelled = Labelled.load([tmp_path / name for name in ("a.json", "b.csv", "c.jsonl")], SCHEME)
    assert labelled.digests == {digest(text) for text in ("Roket naik.", "Kim; lalu Putin.", "Rahasia.")}
    assert labelled.texts == ["Roket naik.", "Kim; lalu Putin."]
    assert labelled.positives == {"arms": 2, "space": 2, "calm": 0, "angry": 0}


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", b"{broken\n", "a.jsonl cannot be read as JSONL"),
        ("a.jsonl", b"[1]\n", "a.jsonl:1: not a JSON object (but list)"),
        ("a.json", b"[3]", "task 1: not a JSON object"),
        ("a.csv", b"kalimat,topic\nKim tiba.,arms\n", 'its rows need a "text"'),
        ("a.csv", b"text\n\xff\xfe\n", "not UTF-8"),
        ("a.xlsx", b"PK", "is no labelled data"),
    ],
)
def test_unusable_labelled_data_is_refused(name, content, words, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        Labelled.load([tmp_path / name], SCHEME)
    assert words in str(caught.value)


def test_missing_labelled_data_is_refused(tmp_path):
    with pytest.raises(DataError, match="no data file or folder"):
        Labelled.load([tmp_path / "nowhere.jsonl"], SCHEME)
    with pytest.raises(DataError, match="holds no labelled data"):
        Labelled.load([tmp_path], SCHEME)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_labelled_data_nested_too_deeply_is_refused(tmp_path, name):
    path = tmp_path / name
    path.write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(DataError, match="cannot be read as JSON"):
        Labelled.load([path], SCHEME)
