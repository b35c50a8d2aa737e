import json
import shutil

import pytest
import yaml


@pytest.fixture(scope="module")
def model(tmp_path_factory, tiny_model):
    """A tiny model that gives every stance to every sentence, so that what is paired follows from the input."""
    directory = tmp_path_factory.mktemp("pairs") / "model"
    shutil.copytree(tiny_model, directory)
    decisions = json.loads((directory / "decisions.json").read_text())
    for label, entry in decisions["labels"].items():
        entry["threshold"] = 0.0 if label in ("us_accusation", "dprk_denial") else 1.0
    (directory / "decisions.json").write_text(json.dumps(decisions))
    return directory


@pytest.fixture(scope="module")
def articles(tmp_path_factory, indonesian):
    path = tmp_path_factory.mktemp("pairs") / "news.jsonl"
    rows = [{"id": f"n{i}", "text": text, "date": "2024-03-01", "outlet": f"o{i % 2}.id"} for i, text in enumerate(indonesian[:4])]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_jsonl_has_an_accusation_a_line(run_cli, model, articles, tmp_path):
    output = tmp_path / "pairs.jsonl"
    result = run_cli("pairs", articles, "--model", model, "--output", output)
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    assert result.stderr == "4 accusations in 4 articles, 4 answered (100%) in 4 articles\n"
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [line["accusation"]["document"] for line in lines] == ["n0", "n1", "n2", "n3"]
    for line in lines:
        assert list(line) == ["accusation", "answers", "same_document"]
        assert line["same_document"] is True
        assert [answer["text"] for answer in line["answers"]] == [line["accusation"]["text"]]
        assert line["accusation"]["meta"]["date"] == "2024-03-01"


def test_the_table_has_the_unanswered_first_and_outlets_last(run_cli, model, tmp_path, articles):
    scheme = yaml.safe_load((model / "labels.yaml").read_text(encoding="utf-8"))
    next(label for label in scheme["groups"][1]["labels"] if label["id"] == "dprk_denial")["answers"] = ["satellite_tech"]
    silent = shutil.copytree(model, tmp_path / "silent")
    (silent / "labels.yaml").write_text(yaml.safe_dump(scheme), encoding="utf-8")
    shown = run_cli("pairs", articles, "--model", silent)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.index("unanswered: 4 of 4") < shown.stdout.index("answered, by outlet")
    assert "0%" in shown.stdout
    answered = run_cli("pairs", articles, "--model", model).stdout
    assert "answered: 4 of 4" in answered
    assert "unanswered" not in answered
    assert "100%" in answered


def test_the_table_names_labels_in_the_language_asked_for(run_cli, assert_refused, model, articles, tmp_path):
    scheme = yaml.safe_load((model / "labels.yaml").read_text(encoding="utf-8"))
    named = shutil.copytree(model, tmp_path / "named")
    for label, names in (("us_accusation", {"id": "tuduhan AS", "en": "US accusation"}), ("dprk_denial", {"en": "denial"})):
        next(one for one in scheme["groups"][1]["labels"] if one["id"] == label)["name"] = names
    (named / "labels.yaml").write_text(yaml.safe_dump(scheme), encoding="utf-8")
    english = run_cli("pairs", articles, "--model", named).stdout
    assert "[US accusation 0." in english
    assert "answered: 4 of 4 (100%)" in english
    indonesian = run_cli("pairs", articles, "--model", named, "--lang", "id").stdout
    # A label without a name in that language keeps its English one.
    assert "[tuduhan AS 0," in indonesian
    assert "[denial 0," in indonesian
    assert "dijawab: 4 dari 4 (100%)" in indonesian
    assert_refused(run_cli("pairs", articles, "--model", named, "--lang", "fr"), "'fr'", "en, id")


def test_unanswered_accusations_of_an_article_stand_together(run_cli, model, tmp_path, indonesian):
    scheme = yaml.safe_load((model / "labels.yaml").read_text(encoding="utf-8"))
    next(label for label in scheme["groups"][1]["labels"] if label["id"] == "dprk_denial")["answers"] = ["satellite_tech"]
    silent = shutil.copytree(model, tmp_path / "silent")
    (silent / "labels.yaml").write_text(yaml.safe_dump(scheme), encoding="utf-8")
    source = tmp_path / "two.txt"
    source.write_text("\n\n".join(indonesian[:2]) + "\n", encoding="utf-8")
    shown = run_cli("pairs", source, "--model", silent)
    assert shown.returncode == 0, shown.stderr
    assert "unanswered: 2 of 2 (100%)" in shown.stdout
    assert shown.stdout.count("two.txt") == 1


def test_what_has_no_pairs_says_so(run_cli, assert_refused, model_copy, standard_model, articles):
    assert_refused(run_cli("pairs", articles, "--model", standard_model), str(standard_model), "answers:")
    assert_refused(run_cli("pairs", articles, "--model", model_copy, "--format", "csv"), "'csv'", "table, jsonl")


def test_what_cannot_be_read_costs_a_line_and_nothing_else(run_cli, model, articles, tmp_path):
    result = run_cli("pairs", tmp_path / "none.txt", articles, "--model", model)
    assert result.returncode == 2
    assert "none.txt" in result.stderr.splitlines()[0]
    assert "answered: 4 of 4" in result.stdout
    kept = tmp_path / "pairs.jsonl"
    kept.write_text("old")
    assert run_cli("pairs", tmp_path / "none.txt", "--model", model, "--output", kept).returncode == 2
    assert kept.read_text() == "old"
