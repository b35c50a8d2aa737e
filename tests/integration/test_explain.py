import csv
import json

import numpy as np
import pytest

from classify.classifier import Classifier
from classify.errors import LabelsError
from classify.occlusion import words

ARTICLE = 'Kirby tampil di Gedung Putih.\n"Washington menuduh Moskow," ujarnya. Kremlin membantah tuduhan AS itu.\n'


@pytest.fixture(scope="module")
def model(tmp_path_factory, tiny_model):
    """A tiny model that gives every stance to every sentence."""
    import shutil

    directory = tmp_path_factory.mktemp("explain") / "model"
    shutil.copytree(tiny_model, directory)
    decisions = json.loads((directory / "decisions.json").read_text())
    for label in ("us_accusation", "dprk_denial", "russian_framing"):
        decisions["labels"][label]["threshold"] = 0.0
    (directory / "decisions.json").write_text(json.dumps(decisions))
    return directory


@pytest.fixture(scope="module")
def classifier(model):
    return Classifier.from_pretrained(model, threads=1)


@pytest.fixture
def nobody(model_copy):
    """A model whose labels are nobody's position."""
    (model_copy / "labels.yaml").unlink()
    return model_copy


def rows(result):
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_words_are_what_the_logit_loses_when_they_are_hidden(classifier, indonesian):
    text = indonesian[1]
    prediction = classifier.predict([text])[0]
    found = classifier.with_words([prediction], [""])[0].words
    assert list(found) == ["us_accusation", "dprk_denial", "russian_framing"]
    logit = lambda score: np.log(score / (1 - score))  # noqa: E731
    checked = 0
    for label, weights in found.items():
        assert 0 < len(weights) <= 5
        assert [weight for _, _, weight in weights] == sorted((weight for _, _, weight in weights), reverse=True)
        for begin, end, weight in weights:
            pieces = len(classifier._tokenizer.encode(text[begin:end], add_special_tokens=False))
            hidden = text[:begin] + " ".join(["[MASK]"] * pieces) + text[end:]
            lost = logit(prediction.scores[label]) - logit(classifier.predict([hidden])[0].scores[label])
            assert weight > 0
            assert weight == pytest.approx(lost, abs=0.002)
            checked += 1
    assert checked > 5


def test_words_do_not_depend_on_neighbours_or_copies(classifier, indonesian):
    texts = [*indonesian[:6], indonesian[0]]
    together = classifier.with_words(classifier.predict(texts), [""] * len(texts))
    for text, one in zip(texts, together, strict=True):
        assert one.words == classifier.with_words(classifier.predict([text]), [""])[0].words
    assert together[0].words == together[-1].words


def test_what_the_model_does_not_read_is_not_tried(classifier):
    runs = []

    class Counting:
        def logits(self, batch):
            runs.append(len(batch))
            return classifier._engine.logits(batch)

    long = "Washington menuduh Moskow. " * 200
    (found,) = words(long, "", [4], classifier._tokenizer, Counting(), 512)
    assert sum(runs) <= 97
    assert all(end <= len(long) for _, end, _ in found)


def test_python_explains_texts_with_their_contexts(classifier, nobody):
    first, second = classifier.explain(["Ia menuduh Moskow.", "Kremlin membantah."], ["Kirby berbicara.", ""])
    assert classifier.explain(iter(["Ia menuduh Moskow.", "Kremlin membantah."]), iter(["Kirby berbicara.", ""])) == [first, second]
    assert first["us_accusation"]["holder"] == {"text": "Kirby", "start": 0, "end": 5, "actor": "us", "inherited": True}
    assert first["us_accusation"]["cue"] == {"text": "menuduh", "start": 3, "end": 10}
    assert second["russian_framing"]["holder"]["text"] == "Kremlin"
    assert all(isinstance(weight, float) for _, _, weight in second["russian_framing"]["words"])
    with pytest.raises(LabelsError, match="holders"):
        Classifier.from_pretrained(nobody, threads=1).explain(["Kremlin membantah."])


def test_rows_carry_evidence_with_offsets_into_the_document(run_cli, model, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(ARTICLE, encoding="utf-8")
    plain = rows(run_cli("predict", path, "--model", model, "--format", "jsonl", "--threads", 1))
    explained = rows(run_cli("predict", path, "--model", model, "--format", "jsonl", "--threads", 1, "--explain"))
    assert [{key: value for key, value in row.items() if key != "evidence"} for row in explained] == plain
    for row in explained:
        assert list(row["evidence"]) == row["labels"]["stance"]
        for one in row["evidence"].values():
            assert list(one) == ["holder", "cue", "words"]
            for part in filter(None, (one["holder"], one["cue"])):
                assert ARTICLE[part["start"] : part["end"]] == part["text"]
            assert one["holder"] is None or one["holder"]["inherited"] == (one["holder"]["start"] < row["start"])
            assert all(row["start"] <= begin < end <= row["end"] for begin, end, _ in one["words"])
    assert explained[1]["evidence"]["us_accusation"]["holder"]["text"] == "Kirby"
    assert explained[2]["evidence"]["russian_framing"]["holder"]["text"] == "Kremlin"
    again = run_cli("predict", path, "--model", model, "--format", "jsonl", "--workers", 2, "--batch-size", 2, "--explain")
    assert rows(again) == explained


def test_lines_have_no_sentence_before(run_cli, model):
    text = b"Kirby menuduh Moskow.\nIa menuduh Moskow.\n"
    result = rows(run_cli("predict", "-", "--lines", "--model", model, "--format", "jsonl", "--explain", stdin=text))
    assert result[0]["evidence"]["us_accusation"]["holder"]["text"] == "Kirby"
    assert result[1]["evidence"]["us_accusation"]["holder"] is None


def test_tables_show_holder_and_cue(run_cli, model, tmp_path, assert_refused, nobody):
    path = tmp_path / "a.txt"
    path.write_text(ARTICLE, encoding="utf-8")
    shown = run_cli("predict", path, "--model", model, "--explain").stdout
    assert "Kremlin: membantah" in shown
    assert "(Kirby): ujarnya" in shown
    output = tmp_path / "rows.csv"
    assert run_cli("predict", path, "--model", model, "--explain", "--output", output).returncode == 0
    cells = list(csv.DictReader(output.open(encoding="utf-8")))
    assert (cells[2]["russian_framing_holder"], cells[2]["russian_framing_cue"]) == ("Kremlin", "membantah")
    assert ("(Kirby)", "ujarnya") in [(one["us_accusation_holder"], one["us_accusation_cue"]) for one in cells]
    # Topics are nobody's position.
    assert [name for name in cells[0] if name.endswith("_holder")] == [
        "us_accusation_holder",
        "dprk_denial_holder",
        "russian_framing_holder",
    ]
    workbook = pytest.importorskip("openpyxl")
    assert run_cli("predict", path, "--model", model, "--explain", "--output", tmp_path / "rows.xlsx").returncode == 0
    sheet = workbook.load_workbook(tmp_path / "rows.xlsx").active
    header, *rest = sheet.iter_rows(values_only=True)
    assert list(header) == list(cells[0])
    assert [[str(value or "") for value in row[-6:]] for row in rest] == [list(one.values())[-6:] for one in cells]
    assert_refused(run_cli("predict", path, "--model", nobody, "--explain"), "holders")
