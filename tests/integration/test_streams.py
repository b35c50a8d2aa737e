"""What the system refuses, and standard streams that are full, closed or no longer read: one sentence, never a traceback."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LONG = "panjang" * 60
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the streams are redirected by a shell of Unix")


@pytest.fixture
def shell(cli_environment, tmp_path):
    """Run a line of shell in which `classify` is the command."""

    def run(line: str):
        line = f'set -o pipefail; classify() {{ "{sys.executable}" -m classify "$@"; }}; {line}'
        return subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=cli_environment(), cwd=tmp_path, check=False)

    return run


@pytest.fixture
def clean(tmp_path, labelled):
    return shutil.copy(labelled, tmp_path / "bersih.jsonl")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is full")
@pytest.mark.parametrize("command", ["check-data bersih.jsonl", "--help", "check-data --help"])
def test_a_full_disk_at_standard_output_is_one_sentence(shell, clean, command):
    result = shell(f"classify {command} > /dev/full")
    assert (result.returncode, result.stderr) == (2, "error: standard output: No space left on device\n")


@pytest.mark.parametrize("command", ["check-data bersih.jsonl", "--help", "check-data --help"])
def test_a_reader_that_went_away_ends_it_quietly(shell, clean, command):
    # It has surely gone when the first line comes.
    result = shell(f"classify {command} | true")
    assert (result.returncode, result.stderr) == (141, "")


def test_closed_standard_streams(shell, clean, tiny_model, tmp_path):
    (tmp_path / "a.txt").write_text("Kim tiba di Moskow.\n")
    predict = f"classify predict --model {tiny_model} --threads 1 --format jsonl"
    result = shell(f"{predict} - <&-")
    assert (result.returncode, result.stderr) == (2, "error: standard input is empty: there is nothing to classify\n")
    result = shell(f"{predict} a.txt >&-")
    assert (result.returncode, result.stderr) == (2, "error: cannot write to standard output: Bad file descriptor\n")
    result = shell("classify check-data bersih.jsonl >&-")
    assert (result.returncode, result.stderr) == (2, "error: standard output: Bad file descriptor\n")
    # Who writes to a file needs none of them.
    result = shell(f"{predict} a.txt --output rows.jsonl <&- >&- 2>&-")
    assert result.returncode == 0
    assert (tmp_path / "rows.jsonl").read_text().count("\n") == 1
    assert shell(f"{predict} absent.txt 2>&-").returncode == 2


def test_names_that_are_too_long(run_cli, assert_refused, labelled, tiny_model, tmp_path):
    text = tmp_path / "a.txt"
    text.write_text("Kim tiba di Moskow.\n")
    for arguments in (
        ("predict", text, "--model", tiny_model, "--output", tmp_path / LONG),
        ("predict", text, "--model", tmp_path / LONG),
        ("check-data", tmp_path / LONG),
        ("evaluate", "--data", tmp_path / LONG, "--model", tiny_model),
    ):
        assert_refused(run_cli(*arguments), LONG, "File name too long" if arguments[-1] != tiny_model else LONG)


def test_what_cannot_be_written_is_one_sentence(run_cli, assert_refused, model_copy, unprivileged):
    shutil.rmtree(model_copy / "onnx")
    (model_copy / "onnx").write_text("Bukan folder.")
    assert_refused(run_cli("export", model_copy), "onnx")
    (model_copy / "onnx").unlink()
    model_copy.chmod(0o555)
    assert_refused(run_cli("export", model_copy, through=unprivileged), str(model_copy), "Permission denied")
