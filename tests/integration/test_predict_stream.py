"""Large inputs: JSON Lines, several processes, runs that are interrupted and go on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from classify.cli import COMMANDS, app

linux = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at processes through /proc")
signals = pytest.mark.skipif(os.name == "nt", reason="signals differ")


@pytest.fixture(scope="module")
def lines():
    """Three hundred sentences in chunks of 64, 128 and 108, some of them twice."""
    return [f"Kapal nomor {i % 250} mengirim peluru ke Moskow{' bersama tentara' * (i % 5)}." for i in range(300)]


@pytest.fixture(scope="module")
def predict(run_cli, tiny_model):
    def run(*arguments, **more):
        return run_cli("predict", "--model", tiny_model, "--threads", 1, *arguments, **more)

    return run


@pytest.fixture
def start(cli_environment, tiny_model, tmp_path):
    """Start a prediction of lines on standard input, which stays open."""
    started = []

    def run(*arguments, stdin=b""):
        command = [sys.executable, "-m", "classify", "predict", "-", "--lines", "--threads", "1", "--model", tiny_model, *arguments]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        # What a shell starts in the background would ignore interrupts.
        more = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)} if os.name == "posix" else {}
        process = subprocess.Popen([str(one) for one in command], env=cli_environment(), cwd=tmp_path, **pipes, **more)
        started.append(process)
        process.stdin.write(stdin)
        process.stdin.flush()
        return process

    yield run
    for process in started:
        process.kill()
        for pipe in (process.stdin, process.stdout, process.stderr):
            pipe.close()
        process.wait()


def text(lines):
    return "".join(f"{line}\n" for line in lines).encode()


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def committed(journal):
    """Chunks a journal says are done."""
    return journal.read_bytes().count(b"\n") - 1 if journal.exists() else 0


def children(process):
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(pid) for pid in found if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_json_lines(predict, tmp_path):
    path = tmp_path / "berita.jsonl"
    rows = [{"id": "a-1", "isi": "Kim tiba di Moskow. Putin diam."}, {"isi": ""}, {"isi": "Rusia membantah."}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = predict(path, "--text-column", "isi", "--format", "jsonl")
    assert result.returncode == 2
    assert result.stderr.splitlines() == [f"error: {path} line 2 is empty: there is nothing to classify"]
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(row["document"], row["index"], row["start"], row["text"]) for row in found] == [
        ("a-1", 0, 0, "Kim tiba di Moskow."),
        ("a-1", 1, 20, "Putin diam."),
        (f"{path}:3", 0, 0, "Rusia membantah."),
    ]
    piped = predict("-", "--text-column", "isi", "--format", "csv", stdin=path.read_bytes())
    assert [line.split(",")[0] for line in piped.stdout.splitlines()[1:]] == ["a-1", "a-1", "'-:3"]
    assert piped.stderr == "error: standard input line 2 is empty: there is nothing to classify\n"


def test_the_name_of_the_output_tells_its_format(predict, tmp_path):
    for name in ("x.jsonl", "x.csv", "x.txt"):
        assert predict("-", "--output", tmp_path / name, stdin=b"Kim tiba.").returncode == 0
    assert json.loads((tmp_path / "x.jsonl").read_text())["text"] == "Kim tiba."
    assert (tmp_path / "x.csv").read_text().startswith("document,")
    assert "sentence" in (tmp_path / "x.txt").read_text()


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_workers_change_no_byte(form, predict, tmp_path, lines):
    (tmp_path / "berita.txt").write_bytes(text(lines[:40]))
    (tmp_path / "rusak.txt").write_bytes(b"\0\1\2" * 100)
    (tmp_path / "besar.jsonl").write_text("".join(json.dumps({"text": " ".join(lines[i : i + 9])}) + "\n" for i in range(0, 300, 9)))
    arguments = [tmp_path, tmp_path / "besar.jsonl", "--format", form, "--all-scores"]
    alone, together = predict(*arguments), predict(*arguments, "--workers", 2)
    assert alone.stdout == together.stdout
    assert alone.stdout.count("\n") == 340 + (form == "csv")
    assert (alone.returncode, alone.stderr) == (together.returncode, together.stderr)
    assert "rusak.txt" in alone.stderr


def test_a_model_that_a_worker_cannot_open(run_cli, model_copy, assert_refused):
    (model_copy / "onnx/model.onnx").write_bytes(b"\0\1\2" * 100)
    result = run_cli("predict", "-", "--model", model_copy, "--workers", 2, stdin=b"Kim tiba.")
    assert_refused(result, "model.onnx", "classify export")


@linux
def test_a_worker_that_is_killed_is_one_sentence(start, lines, tmp_path):
    process = start("--workers", 2, "--output", "rows.jsonl", stdin=text(lines[:10]))
    wait_for(lambda: len(children(process)) == 2)
    os.kill(children(process)[0], signal.SIGKILL)
    process.stdin.write(text(lines))
    process.stdin.close()
    errors = process.stderr.read().decode()
    assert process.wait(timeout=120) == 2
    assert errors.count("\n") == 1
    assert "worker process" in errors
    assert "--workers" in errors
    assert list(tmp_path.iterdir()) == []


@linux
def test_workers_end_with_the_process_they_work_for(start, lines):
    # The first comes while workers are being started.
    for ending, there in ((signal.SIGINT, 1), (signal.SIGINT, 2), (signal.SIGKILL, 2)):
        process = start("--workers", 2, stdin=text(lines[:10]))
        wait_for(lambda process=process, there=there: len(children(process)) >= there)
        workers = children(process)
        # As a terminal does: to all of them.
        for pid in (*workers, process.pid) if ending == signal.SIGINT else (process.pid,):
            os.kill(pid, ending)
        assert process.wait(timeout=120) == (130 if ending == signal.SIGINT else -signal.SIGKILL)
        wait_for(lambda workers=workers: not any(map(alive, workers)))
        if ending == signal.SIGINT:
            assert process.stderr.read().strip() == b""


@signals
def test_an_interrupt_leaves_whole_rows(start, lines):
    process = start("--format", "jsonl", "--all-scores", stdin=text(lines[:200]))
    rows = [process.stdout.readline() for _ in range(64)]
    process.send_signal(signal.SIGINT)
    rows += process.stdout.read().splitlines(keepends=True)
    assert process.wait(timeout=120) == 130
    assert [json.loads(row)["index"] for row in rows] == list(range(len(rows)))
    assert all(row.endswith(b"\n") for row in rows)
    assert process.stderr.read().strip() == b""


@linux
@pytest.mark.parametrize(("ending", "workers"), [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGTERM, 2)])
def test_what_is_ended_leaves_the_earlier_output_alone(ending, workers, start, lines, tmp_path):
    (tmp_path / "rows.jsonl").write_text("earlier\n", encoding="utf-8")
    process = start("--output", "rows.jsonl", "--workers", workers, stdin=text(lines[:200]))
    wait_for(lambda: any(tmp_path.glob(".rows.jsonl.*")) and len(children(process)) >= (workers if workers > 1 else 0))
    process.send_signal(ending)
    errors = process.stderr.read().decode()
    assert process.wait(timeout=120) == 128 + ending
    assert errors == ("interrupted: rows.jsonl was left as it was\n" if ending == signal.SIGINT else "")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]
    assert (tmp_path / "rows.jsonl").read_text(encoding="utf-8") == "earlier\n"


TAKEN_BY_ANOTHER = """
import os, signal, sys, threading, time
from classify.documents import read_lines

def end():
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)

signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(7))
threading.Thread(target=end).start()
# As where it comes too early for the read that follows: it does not wake the main thread.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print([line for line, _ in read_lines("-")])
"""


@linux
def test_an_end_that_does_not_wake_the_reading_of_a_pipe_is_heard_all_the_same(cli_environment):
    process = subprocess.Popen([sys.executable, "-c", TAKEN_BY_ANOTHER], stdin=subprocess.PIPE, env=cli_environment())
    try:
        process.stdin.write(text(["Kim tiba."]))
        process.stdin.flush()
        assert process.wait(timeout=60) == 7
    finally:
        process.kill()
        process.stdin.close()
        process.wait()


@signals
@pytest.mark.parametrize("form", ["jsonl", "table"])
def test_head_ends_quietly(cli_environment, tiny_model, lines, form):
    command = (
        f'"{sys.executable}" -m classify predict - --lines --format {form} --model "{tiny_model}" | head -n 3; exit ${{PIPESTATUS[0]}}'
    )
    shell = ["bash", "-c", command]
    done = subprocess.run(shell, input=text(lines * 20), capture_output=True, env=cli_environment(), timeout=120, check=False)
    assert (done.returncode, done.stderr) == (141, b"")
    assert done.stdout.count(b"\n") == 3


@signals
@pytest.mark.parametrize(("form", "workers"), [("jsonl", 1), ("csv", 1), ("jsonl", 2)])
def test_a_killed_run_goes_on_and_ends_as_if_undisturbed(form, workers, start, predict, tmp_path, lines):
    output, partial, journal = (tmp_path / name for name in (f"rows.{form}", f".rows.{form}.partial", f".rows.{form}.journal"))
    output.write_text("lama")
    process = start("--resume", "--output", output, stdin=text(lines[:250]))
    wait_for(lambda: committed(journal) == 2)
    process.kill()
    process.wait()
    assert output.read_text() == "lama"
    # A row that was torn, and one whose chunk the journal does not have.
    with partial.open("ab") as file:
        file.write(b'{"document": "-", "index": 192}\n{"docum')
    with journal.open("ab") as file:
        file.write(b'{"chunks": 3, "ro')
    # Rows that are done are kept as they are, not made again.
    first = partial.read_bytes()
    partial.write_bytes(first.replace(b"Kapal", b"KAPAL", 1))
    arguments = ["-", "--lines", "--resume", "--workers", workers, "--output", output]
    result = predict(*arguments, stdin=text(lines))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    whole = predict("-", "--lines", "--format", form, stdin=text(lines)).stdout
    assert output.read_bytes().decode() == whole.replace("Kapal", "KAPAL", 1)
    assert [path.name for path in tmp_path.iterdir()] == [output.name]


@pytest.fixture
def begun(start, tmp_path, lines):
    """An output of which two chunks are done."""
    output = tmp_path / "rows.jsonl"
    process = start("--resume", "--output", output, stdin=text(lines[:200]))
    wait_for(lambda: committed(tmp_path / ".rows.jsonl.journal") == 2)
    process.kill()
    process.wait()
    return output


@signals
def test_what_cannot_be_resumed_is_refused(begun, start, predict, tmp_path, lines, assert_refused):
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    arguments = ["-", "--lines", "--resume", "--output", begun]
    assert_refused(
        predict(*arguments, "--profile", "precise", "--all-scores", stdin=text(lines)), "another options and profile", ".partial"
    )
    assert_refused(predict(*arguments[1:], tmp_path, stdin=text(lines)), "another input")
    assert_refused(predict(*arguments, stdin=text([lines[1], *lines[1:]])), "the input has changed", str(begun))
    assert_refused(predict(*arguments, stdin=text(lines[:150])), "the input has changed")
    assert_refused(predict("-", "--resume"), "--resume needs --output")
    assert_refused(predict("-", "--resume", "--output", tmp_path / "tabel.txt"), "--format jsonl or csv")
    assert_refused(predict("-", "--resume", "--output", "/dev/null", "--format", "csv"), "/dev/null is no file")
    assert_refused(predict("-", "--resume", "--output", tmp_path / "tidak-ada" / "x.csv"), "x.csv", "No such file")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    (tmp_path / ".rows.jsonl.journal").write_bytes(b"{}\n\0\n")
    assert_refused(predict(*arguments, stdin=text(lines)), ".rows.jsonl.journal is damaged", "delete it")


@signals
def test_another_model_or_another_run_at_once_is_refused(begun, run_cli, start, tmp_path, model_copy, lines, assert_refused):
    decisions = json.loads((model_copy / "decisions.json").read_text())
    decisions["labels"]["sanctions"]["threshold"] = 0.99
    (model_copy / "decisions.json").write_text(json.dumps(decisions))
    arguments = ["predict", "-", "--lines", "--resume", "--output", begun, "--model", model_copy]
    assert_refused(run_cli(*arguments, stdin=text(lines)), "another model")
    pytest.importorskip("fcntl")
    # The third chunk is full, and more may be to come.
    start("--resume", "--output", begun, stdin=text(lines * 2))
    wait_for(lambda: committed(tmp_path / ".rows.jsonl.journal") == 3)
    assert_refused(run_cli(*arguments, stdin=text(lines)), "another run is writing")


def test_a_run_that_could_classify_nothing_leaves_nothing(predict, tmp_path, assert_refused):
    result = predict(tmp_path / "tidak-ada.txt", "--resume", "--output", tmp_path / "rows.csv")
    assert result.returncode == 2
    assert "tidak-ada.txt" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_help_of_all_commands_says_what_theirs_does():
    import click

    assert list(app.commands or COMMANDS) == list(COMMANDS)
    for name, summary in COMMANDS.items():
        module = __import__(f"classify.cli.{name.replace('-', '_')}", fromlist=["*"])
        command = getattr(module, name.replace("-", "_"), None) or module.app.info
        told = command.__doc__ if callable(command) and not isinstance(command, click.Command) else command.help
        assert told.strip().splitlines()[0] == summary
