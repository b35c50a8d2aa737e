"""Rows that are written to be cited, and computed again, through the command line."""

import hashlib
import json

import pytest

from classify import __version__

SCORES = 1e-4


@pytest.fixture(scope="module")
def model(tiny_model, tmp_path_factory):
    """The tiny model, which reads the sentence before here, and has bands to review."""
    import shutil

    folder = shutil.copytree(tiny_model, tmp_path_factory.mktemp("model") / "model")
    decisions = json.loads((folder / "decisions.json").read_text())
    for entry in decisions["labels"].values():
        entry["review"] = [max(0, entry["threshold"] - 0.1), min(1, entry["threshold"] + 0.1)]
        entry["precise"] = None
    (folder / "decisions.json").write_text(json.dumps({**decisions, "context": True}))
    return folder


@pytest.fixture(scope="module")
def run(model, run_cli):
    def call(command, *arguments, **more):
        return run_cli(command, "--model", model, "--threads", 1, *arguments, **more)

    return call


@pytest.fixture(scope="module")
def text(indonesian):
    return "Home > Dunia\nKim Bertemu Putin di Moskow\n\n" + "\n".join(" ".join(indonesian[i : i + 3]) for i in range(0, 30, 3))


@pytest.fixture(scope="module")
def cited(run, text, tmp_path_factory):
    path = tmp_path_factory.mktemp("cited") / "berita.txt"
    path.write_text(text, encoding="utf-8")
    output = path.with_name("rows.jsonl")
    result = run("predict", path, "--citable", "--furniture", "--all-scores", "--output", output)
    assert (result.returncode, result.stderr) == (0, "")
    return output


def lines(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_citation_says_how_its_row_was_made(cited, model):
    rows = read(cited)
    thresholds = {label: entry["threshold"] for label, entry in json.loads((model / "decisions.json").read_text())["labels"].items()}
    before = ""
    for row in rows:
        citation = row["citation"]
        assert list(row)[-1] == "citation"
        assert (citation["version"], citation["engine"], citation["profile"]) == (__version__, "fp32", "balanced")
        assert citation["thresholds"] == thresholds
        assert citation["text_sha256"] == digest(row["text"])
        if not row.get("furniture"):
            assert (citation["context"], citation["context_sha256"]) == (before, digest(before))
            before = row["text"]
    assert len({row["citation"]["model"] for row in rows}) == 1
    assert any("furniture" in row for row in rows)
    assert any("review" in row for row in rows)


def test_what_was_written_is_confirmed_whole_in_part_and_in_any_order(cited, run):
    rows = read(cited)
    result = run("verify", cited)
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{len(rows)} of {len(rows)} rows confirmed\n", "")
    part = run("verify", "-", stdin=b"\n" + lines(rows[::-3]))
    assert (part.returncode, part.stdout) == (0, f"{len(rows[::-3])} of {len(rows[::-3])} rows confirmed\n")


def test_the_precise_profile_and_several_processes_are_confirmed_too(cited, run, text, tmp_path):
    flags = ["-", "--citable", "--format", "jsonl", "--profile", "precise"]
    alone = run("predict", *flags, stdin=text.encode())
    together = run("predict", *flags, "--workers", 2, stdin=text.encode())
    assert alone.stdout == together.stdout
    rows = [json.loads(line) for line in alone.stdout.splitlines()]
    assert {value for row in rows for value in row["citation"]["thresholds"].values()} == {None}
    mixed = run("verify", "-", stdin=lines([*read(cited)[:4], *rows]))
    assert (mixed.returncode, mixed.stdout) == (0, f"{len(rows) + 4} of {len(rows) + 4} rows confirmed\n")


def test_what_differs_is_listed_by_row(cited, run):
    rows = read(cited)[1:]
    one, other = "arms_transfer", "sanctions"

    def citation(row, **changes):
        row["citation"] |= changes

    rows[0]["text"] = rows[0]["text"].replace("Putin", "Biden")
    rows[1]["citation"]["context"] += " Tidak."
    rows[2]["labels"]["topic"] = [label for label in (one, other) if label not in rows[2]["labels"]["topic"]][:1]
    rows[3]["scores"][other] += 2 * SCORES
    rows[4]["scores"][other] += 0.5 * SCORES
    citation(rows[5], version="0.0.1\x1b[2J")
    citation(rows[6], model="0" * 64)
    citation(rows[7], model="0" * 64)
    citation(rows[8], thresholds={**rows[8]["citation"]["thresholds"], one: 0.99})
    rows[9]["review"] = [*rows[9].get("review", []), "sanksi"]
    citation(rows[10], engine="int8")
    rows[11]["scores"]["karangan"] = 0.5
    rows[12]["start"] += 1
    result = run("verify", "-", stdin=lines(rows))
    assert (result.returncode, result.stderr) == (1, "")
    *said, last = result.stdout.splitlines()
    expected = {
        1: "text changed", 2: "context changed", 3: "labels changed: topic is", 4: f"score moved: {other} is", 6: "made by version 0.0.1\ufffd",
        7: "made by another model", 9: "other thresholds", 10: "labels to review changed", 11: "8-bit integers", 12: "no label karangan",
        13: "start and end",
    }  # fmt: skip
    for number, words in expected.items():
        assert any(line.startswith(f"row {number}: ") and words in line for line in said), (number, said)
    assert not any(line.startswith(("row 5:", "row 8:")) for line in said)
    assert any(line.startswith("1 more row: made by another model") for line in said)
    assert last == f"{len(rows) - 12} of {len(rows)} rows confirmed"


def test_another_model_is_told_once_and_so_are_other_thresholds(cited, run_cli, model, tmp_path):
    import shutil

    copy = shutil.copytree(model, tmp_path / "model")
    decisions = json.loads((copy / "decisions.json").read_text())
    decisions["labels"]["diplomacy"]["threshold"] = 0.0
    (copy / "decisions.json").write_text(json.dumps(decisions))
    result = run_cli("verify", cited, "--model", copy)
    assert result.returncode == 1
    said = result.stdout.splitlines()
    count = len(read(cited))
    for words in ("made by another model", "made with other thresholds"):
        first, more = (line for line in said if words in line)
        assert first.startswith("row 1: ")
        assert more.startswith(f"{count - 1} more rows: ")
    assert any("labels changed" in line and "diplomacy" in line for line in said)
    assert said[-1] == f"0 of {count} rows confirmed"


def test_what_is_no_cited_row_is_unreadable(cited, run, tmp_path, assert_refused):
    row = read(cited)[2]
    damaged = [{**row, "citation": {**row["citation"], **change}} for change in ({"context": 1}, {"profile": "bold"}, {"thresholds": None})]
    plain = {name: value for name, value in row.items() if name != "citation"}
    other = [
        {**row, "labels": [1]},
        {**row, "scores": {"sanctions": "x"}},
        {**row, "scores": {"sanctions": 10**400}},
        {**row, "start": None},
    ]
    content = lines([row, plain, *damaged, *other, [1]]) + b"{\n" + b"[" * 100_000 + b"\n\xff\n"
    result = run("verify", "-", stdin=content)
    assert result.returncode == 2
    assert result.stdout == "1 of 13 rows confirmed\n"
    said = result.stderr.splitlines()
    assert [line.split()[:4] for line in said] == [["error:", "standard", "input", "line"]] * 12
    assert "--citable" in said[0]
    assert_refused(run("verify", tmp_path / "tidak-ada.jsonl"), "tidak-ada.jsonl")
    assert_refused(run("verify", "-", stdin=b"\n"), "holds no rows")
    assert_refused(run("predict", "-", "--citable", stdin=b"Ya."), "--citable is for --format jsonl")


def test_an_unfinished_run_goes_on_only_with_the_same_citations(run, text, tmp_path):
    flags = ["-", "--output", tmp_path / "rows.jsonl", "--resume", "--citable"]
    assert run("predict", *flags, stdin=text.encode()).returncode == 0
    assert run("verify", tmp_path / "rows.jsonl").returncode == 0
