import codecs
import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from classify import __version__
from classify.writers import FORMATS

KEYS = ["document", "index", "start", "end", "text", "labels", "scores"]
GROUPS = {
    "topic": ["arms_transfer", "sanctions", "diplomacy", "satellite_tech"],
    "stance": ["us_accusation", "dprk_denial", "russian_framing"],
}
LABELS = [label for labels in GROUPS.values() for label in labels]


@pytest.fixture(scope="module")
def article(indonesian):
    body = "\n\n".join(f"{one} {other}" for one, other in zip(indonesian[:8:2], indonesian[1:8:2], strict=True))
    head = "Home > Dunia\r\nKim Bertemu Putin 🚀 di Moskow\n\nJakarta - "
    return f"{head}{body}\n\nBaca juga: Putin ke Hanoi\n\n=Kutipan 'aneh', katanya.\n\nTags: x\n"


@pytest.fixture
def folder(tmp_path, article, indonesian):
    (tmp_path / "berita" / "sub").mkdir(parents=True)
    (tmp_path / "berita" / "a.txt").write_text(article, encoding="utf-8", newline="")
    (tmp_path / "berita" / "sub" / "b.txt").write_text("\n".join(indonesian[10:14]), encoding="utf-8")
    (tmp_path / "berita" / "catatan.md").write_text("Bukan dokumen.")
    return tmp_path / "berita"


@pytest.fixture(scope="module")
def predict(run_cli, tiny_model):
    def run(*arguments, **more):
        return run_cli("predict", "--model", tiny_model, "--threads", 1, *arguments, **more)

    return run


def objects(result):
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    lines = result.stdout.split("\n")
    assert lines.pop() == ""
    return [json.loads(line) for line in lines]


def test_jsonl_rows_have_the_documented_keys_and_exact_offsets(predict, folder):
    rows = objects(predict(folder, "--format", "jsonl"))
    names = [str(folder / "a.txt"), str(folder / "sub/b.txt")]
    assert list(dict.fromkeys(row["document"] for row in rows)) == names
    for name in names:
        mine = [row for row in rows if row["document"] == name]
        text = Path(name).read_bytes().decode()
        assert [row["index"] for row in mine] == list(range(len(mine)))
        assert [row["start"] for row in mine] == sorted(row["start"] for row in mine)
        assert all(text[row["start"] : row["end"]] == row["text"] for row in mine)
    for row in rows:
        assert list(row) == KEYS
        assert list(row["labels"]) == list(GROUPS)
        given = [label for group, labels in row["labels"].items() for label in labels]
        assert all(set(labels) <= set(GROUPS[group]) for group, labels in row["labels"].items())
        assert list(row["scores"]) == given
        assert all(0 <= score <= 1 for score in row["scores"].values())
    assert "Kim Bertemu Putin 🚀 di Moskow" in [row["text"] for row in rows]
    assert not {"Home > Dunia", "Baca juga: Putin ke Hanoi", "Tags: x"} & {row["text"] for row in rows}
    assert any(row["scores"] for row in rows)


def test_a_folder_that_may_not_be_entered_is_said_and_the_others_are_read(predict, folder, unprivileged, tmp_path):
    (folder / "tertutup").mkdir()
    (folder / "tertutup" / "c.txt").write_text("Kim tiba di Moskow.")
    (folder / "tertutup").chmod(0)
    # Its names can be seen, but not what is behind them.
    (folder / "terlihat").mkdir()
    (folder / "terlihat" / "d.txt").write_text("Kim tiba di Moskow.")
    (folder / "terlihat").chmod(0o400)
    output = tmp_path / "rows.jsonl"
    result = predict(folder, "--format", "jsonl", "--output", output, through=unprivileged)
    assert result.returncode == 2
    assert result.stderr.splitlines() == [
        f"error: cannot enter the folder {folder / 'tertutup'}: Permission denied; what is in it was left out",
        f"error: cannot read {folder / 'terlihat' / 'd.txt'}: Permission denied",
    ]
    names = {json.loads(line)["document"] for line in output.read_text(encoding="utf-8").splitlines()}
    assert names == {str(folder / "a.txt"), str(folder / "sub" / "b.txt")}
    # A second time, with an output that is looked for among the documents.
    assert predict(folder, "--format", "jsonl", "--output", output, through=unprivileged).stderr == result.stderr
    alone = predict(folder / "tertutup", "--format", "jsonl", "--output", output, through=unprivileged)
    assert alone.returncode == 2
    assert [line.split(":")[0] for line in alone.stderr.splitlines()] == ["error", "error"]
    assert "nothing could be classified" in alone.stderr


NOTHING_ELSE = 'holds nothing but page furniture (menus, dates, "Baca juga" ...): `classify predict --furniture` shows it'


def test_a_document_of_nothing_but_furniture_is_said(predict, folder, tmp_path, assert_refused):
    path, output = folder / "sisa.txt", tmp_path / "rows.jsonl"
    path.write_text("Home > Dunia\nBaca juga: Putin ke Hanoi\nTags: x\n")
    output.write_text("Sebelumnya.\n")
    result = predict(folder, "--format", "jsonl")
    assert (result.returncode, result.stderr) == (2, f"error: {path} {NOTHING_ELSE}\n")
    assert len({json.loads(line)["document"] for line in result.stdout.splitlines()}) == 2
    alone = predict(path, "--format", "jsonl", "--output", output)
    assert alone.returncode == 2
    assert alone.stderr.splitlines()[0] == f"error: {path} {NOTHING_ELSE}"
    assert output.read_text() == "Sebelumnya.\n"
    assert_refused(predict("-", stdin=path.read_bytes()), f"standard input {NOTHING_ELSE}")
    assert len(objects(predict(path, "--format", "jsonl", "--furniture"))) == 3
    assert len(objects(predict(path, "--format", "jsonl", "--lines"))) == 3


def test_of_records_the_ones_after_nothing_but_furniture_are_read(predict, tmp_path):
    path = tmp_path / "berita.jsonl"
    texts = ["Kim tiba di Moskow.", "Baca juga: Putin ke Hanoi", "Moskow membantah kabar itu."]
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    result = predict(path, "--format", "jsonl")
    assert (result.returncode, result.stderr) == (2, f"error: {path}:2 {NOTHING_ELSE}\n")
    assert [json.loads(line)["text"] for line in result.stdout.splitlines()] == texts[::2]


def test_furniture_and_all_scores_on_request(predict, folder):
    plain = objects(predict(folder / "a.txt", "--format", "jsonl"))
    rows = objects(predict(folder / "a.txt", "--format", "jsonl", "--furniture", "--all-scores"))
    marked = [row for row in rows if "furniture" in row]
    assert [row["text"] for row in marked] == ["Home > Dunia", "Baca juga: Putin ke Hanoi", "Tags: x"]
    text = (folder / "a.txt").read_bytes().decode()
    for row in rows:
        assert text[row["start"] : row["end"]] == row["text"]
    for row in marked:
        assert list(row) == [*KEYS, "furniture"]
        assert row["furniture"] is True
        assert row["labels"] == {"topic": [], "stance": []}
        assert row["scores"] == {}
    assert [row["index"] for row in rows] == list(range(len(rows)))
    classified = [row for row in rows if "furniture" not in row]
    assert all(list(row["scores"]) == LABELS for row in classified)
    assert [(row["text"], row["labels"]) for row in classified] == [(row["text"], row["labels"]) for row in plain]


def test_profile_and_review_band(run_cli, model_copy, folder, assert_refused):
    decisions = json.loads((model_copy / "decisions.json").read_text(encoding="utf-8"))
    for name, entry in decisions["labels"].items():
        entry["precise"] = None if name == "sanctions" else min(1.0, entry["threshold"] + 0.1)
        entry["review"] = [entry["threshold"] - 0.05, entry["threshold"] + 0.05]
    (model_copy / "decisions.json").write_text(json.dumps(decisions), encoding="utf-8")

    def rows(*flags):
        return objects(run_cli("predict", "--model", model_copy, folder, "--format", "jsonl", "--all-scores", *flags))

    balanced, precise = rows(), rows("--profile", "precise")
    assert balanced == rows("--profile", "balanced")
    for row, strict in zip(balanced, precise, strict=True):
        assert row["scores"] == strict["scores"]
        for group in GROUPS:
            given = decisions["labels"]
            assert row["labels"][group] == [x for x in GROUPS[group] if row["scores"][x] >= given[x]["threshold"]]
            sure = [x for x in GROUPS[group] if given[x]["precise"] is not None and row["scores"][x] >= given[x]["precise"]]
            assert strict["labels"][group] == sure
        close = [x for x in LABELS if given[x]["review"][0] <= row["scores"][x] <= given[x]["review"][1]]
        assert row.get("review", []) == close == strict.get("review", [])
    assert any("review" in row for row in balanced)
    assert any("review" not in row for row in balanced)
    assert " ?" in run_cli("predict", "--model", model_copy, folder).stdout
    assert_refused(run_cli("predict", "--model", model_copy, folder, "--profile", "bold"), "unknown profile 'bold'", "balanced, precise")


def test_csv_parses_back_and_holds_no_formula(predict, folder):
    rows = objects(predict(folder, "--format", "jsonl", "--all-scores", "--furniture"))
    result = predict(folder, "--format", "csv", "--all-scores", "--furniture")
    records = list(csv.DictReader(io.StringIO(result.stdout, newline="")))
    assert list(records[0]) == [
        "document",
        "index",
        "start",
        "end",
        "text",
        *GROUPS,
        *LABELS,
        "review",
        "furniture",
        "title",
        "date",
        "outlet",
    ]
    assert len(records) == len(rows)
    for record, row in zip(records, rows, strict=True):
        assert record["text"] == ("'" + row["text"] if row["text"].startswith("=") else row["text"])
        assert [record[key] for key in KEYS[:4]] == [str(row[key]) for key in KEYS[:4]]
        assert {group: record[group].split(";") if record[group] else [] for group in GROUPS} == row["labels"]
        assert {label: float(record[label]) for label in LABELS if record[label]} == row["scores"]
        assert record["furniture"] == ("true" if row.get("furniture") else "false")
    assert any(record["text"].startswith("'=") for record in records)


def test_the_table_is_for_people(predict, folder):
    result = predict(folder)
    assert (result.returncode, result.stderr) == (0, "")
    for word in (str(folder / "a.txt"), str(folder / "sub/b.txt"), "sentence", "topic", "stance", "Kim Bertemu Putin"):
        assert word in result.stdout
    assert any(f"{label} 0." in result.stdout for label in LABELS)
    assert "\x1b" not in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 120


@pytest.mark.parametrize("lines", [False, True])
def test_standard_input(lines, predict, article, folder):
    options = ["--format", "jsonl", "--all-scores", *(["--lines"] if lines else [])]
    rows = objects(predict("-", *options, stdin=article.encode()))
    assert {row["document"] for row in rows} == {"-"}
    assert all(article[row["start"] : row["end"]] == row["text"] for row in rows)
    named = objects(predict(folder / "a.txt", *options))
    assert [{**row, "document": "-"} for row in named] == rows


def test_lines_are_sentences_as_they_stand(predict, tmp_path):
    text = "Kim tiba. Putin menyambut.\r\n\r\n  Tags: rusia \nBaca juga: ini\u2028itu 🚀\rtanpa akhir"
    path = tmp_path / "baris.txt"
    for data in (text.encode(), codecs.BOM_UTF16_LE + text.encode("utf-16-le")):
        path.write_bytes(data)
        rows = objects(predict(path, "--lines", "--format", "jsonl"))
        assert [row["text"] for row in rows] == [
            "Kim tiba. Putin menyambut.",
            "Tags: rusia",
            "Baca juga: ini\u2028itu 🚀",
            "tanpa akhir",
        ]
        assert all(text[row["start"] : row["end"]] == row["text"] for row in rows)


def test_lines_are_answered_while_more_are_to_come(cli_environment, tiny_model, tmp_path):
    command = [sys.executable, "-m", "classify", "predict", "-", "--lines", "--format", "jsonl", "--model", str(tiny_model)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=cli_environment(), cwd=tmp_path) as process:
        process.stdin.write(b"".join(b"Kalimat ke-%d.\n" % i for i in range(600)))
        process.stdin.flush()
        # Standard input is still open: these rows were not held back until its end.
        assert json.loads(process.stdout.readline())["text"] == "Kalimat ke-0."
        process.stdin.close()
        assert process.stdout.read().count(b"\n") == 599
    assert process.returncode == 0


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_encodings_do_not_change_the_rows(encoding, predict, tmp_path):
    text = "Kremlin: “Tidak ada bukti” – kata Peskov.\r\nMoskow membantah café itu.\r\n"
    (tmp_path / "x.txt").write_bytes(text.encode(encoding))
    rows = objects(predict("x.txt", "--format", "jsonl", cwd=tmp_path))
    assert [row["text"] for row in rows] == text.splitlines()
    assert [row["start"] for row in rows] == [0, text.index("Moskow")]
    assert {row["document"] for row in rows} == {"x.txt"}


def test_batches_and_threads_do_not_change_the_output(run_cli, tiny_model, folder):
    outputs = {
        run_cli("predict", folder, "--model", tiny_model, "--format", "jsonl", "--batch-size", size, "--threads", threads).stdout
        for size, threads in ((1, 1), (3, 2), (64, 1))
    }
    labels = {json.dumps([json.loads(line)["labels"] for line in output.splitlines()]) for output in outputs}
    assert len(labels) == 1


def test_good_documents_are_answered_and_bad_ones_named(predict, folder, tmp_path):
    bad = {
        "kosong.txt": b" \n",
        "gambar.txt": b"\x89PNG\r\n\x1a\n\0\0\0",
        "putus.txt": "Rudal 🚀".encode()[:-1],
    }
    for name, data in bad.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "hampa").mkdir()
    paths = [*(tmp_path / name for name in bad), tmp_path / "hampa", tmp_path / "tidak-ada.txt"]
    output = tmp_path / "hasil.jsonl"
    output.write_text("lama")
    result = predict(paths[0], folder / "a.txt", *paths[1:], folder / "sub", "--format", "jsonl", "--output", output)
    assert result.returncode == 2
    assert result.stdout == ""
    errors = result.stderr.splitlines()
    assert [error.startswith("error: ") and str(path) in error for error, path in zip(errors, paths, strict=True)] == [True] * 5
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert {row["document"] for row in rows} == {str(folder / "a.txt"), str(folder / "sub/b.txt")}


@pytest.mark.parametrize("form", FORMATS)
def test_the_output_file_is_left_alone_when_nothing_could_be_classified(form, predict, tmp_path):
    output = tmp_path / "hasil"
    output.write_text("lama")
    result = predict(tmp_path / "tidak-ada.txt", "--format", form, "--output", output)
    assert result.returncode == 2
    assert "tidak-ada.txt" in result.stderr
    assert "Traceback" not in result.stderr
    assert output.read_text() == "lama"
    assert [one.name for one in tmp_path.iterdir()] == ["hasil"]
    result = predict(tmp_path / "tidak-ada.txt", "--format", form, "--output", tmp_path / "baru")
    assert result.returncode == 2
    assert not (tmp_path / "baru").exists()


def test_the_output_file_holds_what_standard_output_would(predict, folder, tmp_path):
    output = tmp_path / "hasil.csv"
    output.write_text("lama")
    result = predict(folder, "--format", "csv", "--output", output)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert output.read_bytes().decode() == predict(folder, "--format", "csv").stdout


def test_where_the_output_cannot_be_written(predict, folder, tmp_path, assert_refused):
    assert_refused(predict(folder, "--output", tmp_path / "tidak-ada" / "x.csv"), str(tmp_path / "tidak-ada/x.csv"), "No such file")
    assert_refused(predict(folder, "--output", tmp_path / "berita"), str(tmp_path / "berita"), "directory")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("form", FORMATS)
def test_a_full_disk_is_an_error(form, cli_environment, tiny_model, folder):
    command = [sys.executable, "-m", "classify", "predict", str(folder), "--format", form, "--model", str(tiny_model)]
    with open("/dev/full", "wb") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=cli_environment(), check=False)
    assert result.returncode == 2
    assert result.stderr.splitlines() == ["error: cannot write to standard output: No space left on device"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_without_permission(predict, folder, tmp_path, assert_refused):
    locked = tmp_path / "terkunci"
    locked.mkdir(mode=0o500)
    assert_refused(predict(folder, "--output", locked / "x.csv"), "Permission denied")


@pytest.mark.parametrize("form", FORMATS)
def test_a_reader_that_has_had_enough(form, cli_environment, tiny_model, tmp_path):
    path = tmp_path / "panjang.txt"
    path.write_text("".join(f"Kalimat ke-{i}.\n" for i in range(4000)), encoding="utf-8")
    command = [sys.executable, "-m", "classify", "predict", str(path), "--format", form, "--model", str(tiny_model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=cli_environment()) as process:
        assert process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        process.wait(timeout=120)
    assert errors == b""


@pytest.mark.skipif(os.name == "nt", reason="signals differ")
def test_an_interrupt_ends_without_a_traceback_and_without_output(cli_environment, tiny_model, tmp_path):
    output = tmp_path / "hasil.jsonl"
    command = [sys.executable, "-m", "classify", "predict", "-", "--lines", "--output", str(output), "--model", str(tiny_model)]
    # What a shell starts in the background would ignore interrupts.
    more = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)} if os.name == "posix" else {}
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=cli_environment(), cwd=tmp_path, **pipes, **more) as process:
        process.stdin.write(b"Kim tiba.\n" * 5)
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".hasil.jsonl.*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        errors = process.stderr.read()
        process.wait(timeout=60)
    assert process.returncode != 0
    assert b"Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_a_document_whose_name_is_no_unicode(predict, tmp_path):
    name = os.fsencode(tmp_path) + b"/berita-\xff.txt"
    try:
        with open(name, "wb") as file:
            file.write(b"Kim tiba di Moskow.")
    except OSError:
        pytest.skip("the file system takes only Unicode names")
    (row,) = objects(predict(tmp_path, "--format", "jsonl"))
    assert row["text"] == "Kim tiba di Moskow."
    result = predict(tmp_path, "--format", "jsonl", "--output", tmp_path / "hasil")
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path / "hasil").read_text(encoding="utf-8")) == row


def break_model(directory, how):
    config = json.loads((directory / "config.json").read_text())
    if how == "no config":
        (directory / "config.json").unlink()
    elif how == "config no JSON":
        (directory / "config.json").write_text("{")
    elif how == "no labels":
        del config["id2label"]
        (directory / "config.json").write_text(json.dumps(config))
    elif how == "other labels":
        text = (directory / "labels.yaml").read_text(encoding="utf-8")
        (directory / "labels.yaml").write_text(text.replace("id: sanctions", "id: penalties"), encoding="utf-8")
    elif how == "labels no YAML":
        (directory / "labels.yaml").write_text("groups: [\n\n'")
    elif how == "decisions damaged":
        (directory / "decisions.json").write_text('{"labels": 3}')
    elif how == "graph damaged":
        (directory / "onnx/model.onnx").write_bytes(b"\0\1\2" * 100)
    elif how == "tokenizer damaged":
        (directory / "tokenizer.json").write_text('{"version": "1.0"}')
    elif how == "no tokenizer":
        (directory / "tokenizer.json").unlink()
    else:
        shutil.rmtree(directory / "onnx")
        (directory / "model.safetensors").unlink()
        if how == "pickle only":
            (directory / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'echo'\ntR.")


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("no config", ["config.json"]),
        ("config no JSON", ["config.json"]),
        ("no labels", ["id2label"]),
        ("other labels", ["labels.yaml", "penalties", "sanctions"]),
        ("labels no YAML", ["labels.yaml", "YAML"]),
        ("decisions damaged", ["decisions.json"]),
        ("graph damaged", ["model.onnx", "classify export"]),
        ("tokenizer damaged", ["tokenizer"]),
        ("no tokenizer", ["tokenizer.json", "vocab.txt"]),
        ("no weights", ["model.safetensors"]),
        ("pickle only", ["model.safetensors", "save_pretrained"]),
    ],
)
def test_a_broken_model_directory(how, words, run_cli, model_copy, assert_refused):
    break_model(model_copy, how)
    result = run_cli("predict", "-", "--model", model_copy, stdin=b"Kim tiba.")
    assert_refused(result, str(model_copy), *words)
    assert result.stdout == ""


def test_a_standard_directory_predicts_one_label_a_sentence(run_cli, standard_model, folder):
    rows = objects(run_cli("predict", folder, "--model", standard_model, "--threads", 1, "--format", "jsonl"))
    assert len(rows) > 5
    for row in rows:
        (label,) = row["labels"]["label"]
        assert list(row["scores"]) == [label]


def test_impossible_options(predict, run_cli, folder, tmp_path, assert_refused):
    assert_refused(predict(folder, "--format", "xml"), "'xml'", "table, jsonl, csv")
    assert_refused(run_cli("predict", folder, "--model", tmp_path / "tidak-ada"), "tidak-ada", "does not exist")
    for arguments in (["--threads", "0"], ["--batch-size", "0"], ["--batch-size", "banyak"], ["--tidak-ada"]):
        result = run_cli("predict", folder, *arguments)
        assert result.returncode == 2
        assert "Traceback" not in result.stderr
        assert arguments[0] in result.stderr
    assert run_cli("predict").returncode == 2


@pytest.fixture
def probe(tmp_path, cli_environment):
    """An environment whose interpreter runs this code before anything else."""

    def environment(code):
        (tmp_path / "probe").mkdir()
        (tmp_path / "probe" / "sitecustomize.py").write_text(code)
        return cli_environment(tmp_path / "probe")

    return environment


def imported(tmp_path):
    return set((tmp_path / "modules").read_text().split())


RECORD = """
import atexit, sys
atexit.register(lambda: open({path!r}, "w").write(" ".join(sys.modules)))
"""


def test_help_and_version_wait_for_no_heavy_package(run_cli, probe, tmp_path):
    env = probe(RECORD.format(path=str(tmp_path / "modules")))
    for arguments in (["--help"], ["--version"], ["predict", "--help"], ["train", "--help"], ["suggest", "--help"], []):
        result = run_cli(*arguments, env=env)
        assert result.returncode == (0 if arguments else 2)
        heavy = {"numpy", "onnxruntime", "tokenizers", "sentencex", "torch", "transformers", "training", "yaml", "rich"}
        assert not imported(tmp_path) & heavy
        # Typer brings pydantic with it; only the commands that are still written with it may wait for them.
        if arguments[:1] not in (["train"], ["suggest"]):
            assert not imported(tmp_path) & {"typer", "pydantic", "classify.cli.train"}
        if arguments == ["--version"]:
            assert result.stdout == f"classify {__version__}\n"
        else:
            assert "Usage" in result.stdout + result.stderr
    assert "onnxruntime" not in result.stderr


def test_predicting_needs_no_training_package(predict, probe, folder, tmp_path):
    env = probe(RECORD.format(path=str(tmp_path / "modules")))
    assert predict(folder, "--format", "jsonl", env=env).returncode == 0
    # For rows that no person reads the packages that draw are not needed either.
    assert not imported(tmp_path) & {"typer", "pydantic", "rich", "tempfile", "multiprocessing", "concurrent.futures"}
    assert predict(folder, env=env).returncode == 0
    modules = imported(tmp_path)
    assert {"onnxruntime", "rich"} <= modules
    assert not modules & {
        "torch",
        "transformers",
        "datasets",
        "sklearn",
        "pandas",
        "scipy",
        "training",
        "classify.cli._extras.torch",
    }


def test_predicting_opens_no_socket(predict, probe, folder, tmp_path):
    env = probe(
        "import socket\n"
        "class Forbidden(socket.socket):\n"
        "    def __init__(self, *_, **__):\n"
        f"        open({str(tmp_path / 'opened')!r}, 'w').close()\n"
        "        raise RuntimeError('a socket was opened')\n"
        "socket.socket = Forbidden\n"
        "def create_connection(*_, **__):\n"
        "    Forbidden()\n"
        "socket.create_connection = create_connection\n"
        f"open({str(tmp_path / 'probed')!r}, 'w').close()\n"
    )
    rows = objects(predict(folder, "--format", "jsonl", env=env))
    assert rows
    assert (tmp_path / "probed").exists()
    assert not (tmp_path / "opened").exists()


def test_nothing_is_written_beside_the_documents_or_the_model(predict, folder, tiny_model):
    before = {path: path.stat().st_mtime_ns for base in (folder, tiny_model) for path in base.rglob("*")}
    assert predict(folder, cwd=folder).returncode == 0
    assert {path: path.stat().st_mtime_ns for base in (folder, tiny_model) for path in base.rglob("*")} == before


def test_nothing_is_written_into_the_users_home(predict, cli_environment, folder, tmp_path):
    # The runtime would keep a device number and usage events there.
    home = tmp_path / "home"
    home.mkdir()
    env = cli_environment(HOME=str(home), XDG_CACHE_HOME=str(home / ".cache"), USERPROFILE=str(home))
    assert predict(folder, env=env).returncode == 0
    assert list(home.rglob("*")) == []


@pytest.mark.parametrize("command", ["predict", "extract", "pairs", "report"])
def test_what_is_read_is_not_written_over(command, run_cli, assert_refused, tiny_model, tmp_path):
    source = tmp_path / "folder" / "a.txt"
    source.parent.mkdir()
    source.write_text("Kim tiba di Moskow.\n", encoding="utf-8")
    model = () if command == "extract" else ("--model", tiny_model)
    for output in (source, tmp_path / "folder" / ".." / "folder" / "a.txt"):
        assert_refused(run_cli(command, source.parent, *model, "--output", output), "a.txt", "--output")
    assert source.read_text(encoding="utf-8") == "Kim tiba di Moskow.\n"


def test_an_ending_that_is_no_format(run_cli, assert_refused, tiny_model, tmp_path):
    text = b"Kim tiba."
    assert_refused(run_cli("predict", "-", "--model", tiny_model, "--output", tmp_path / "x.parquet", stdin=text), "x.parquet", "--format")
    assert list(tmp_path.iterdir()) == []
    asked = run_cli("predict", "-", "--model", tiny_model, "--output", tmp_path / "x.parquet", "--format", "jsonl", stdin=text)
    assert asked.returncode == 0
    assert run_cli("predict", "-", "--model", tiny_model, "--output", tmp_path / "x.JSONL", stdin=text).returncode == 0
    assert (tmp_path / "x.JSONL").read_bytes() == (tmp_path / "x.parquet").read_bytes()
