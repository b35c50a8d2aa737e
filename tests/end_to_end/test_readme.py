"""Every command and Python block of the README, and every command of docs/retraining.md, is run in a copy of the checkout."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
# The other sections have their own tests: test_retraining, test_search and test_processes, and test_suggest_docs.
RETRAINING = (ROOT / "docs" / "retraining.md").read_text(encoding="utf-8").partition("## Keep what worked")[0]


def blocks(text):
    return re.findall(r"```(\w*)\n(.*?)```", text, flags=re.DOTALL)


def commands(text):
    return [line for kind, block in blocks(text) if kind == "sh" for line in block.splitlines() if line.strip()]


BLOCKS = blocks(README)
COMMANDS = commands(README)
SCORE = re.compile(r"\d\.\d\d")
SNIPPETS = [block for kind, block in BLOCKS if kind == "python"]
# Installing is what CI and the packaging test do; in an environment that has the package, only the rest of the line is left.
INSTALL = re.compile(r"^(?:python -m )?pip install [^&]*(?:&&\s*|$)")

pytestmark = pytest.mark.skipif(not (ROOT / "model" / "config.json").exists(), reason="the checkout holds no trained model")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readme")
    for name in ("configs", "model", "seeds"):
        shutil.copytree(ROOT / name, folder / name)
    (folder / "data").mkdir()
    with (ROOT / "data" / "sentences.jsonl").open(encoding="utf-8") as lines:
        rows = [(json.loads(line).get("split"), line) for line in lines]
    kept = [row for split, row in rows if split == "test"][:60] + [row for split, row in rows if not split][:150]
    (folder / "data" / "sentences.jsonl").write_text("".join(kept), encoding="utf-8")
    sentences = "Kremlin menyebut tuduhan itu tidak berdasar.\nHujan turun di Bogor.\n"
    (folder / "sentences.txt").write_text(sentences, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bin")
    script = folder / "classify"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m classify "$@"\n')
    script.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
    }


def test_readme_has_the_two_lines_at_the_top():
    assert COMMANDS[0].startswith("pip install . && classify predict seeds/")
    assert COMMANDS[1] == 'pip install -e ".[dev]" && pytest'


def test_readme_commands_work_in_order(checkout, environment):
    ran = 0
    for command in COMMANDS:
        rest = INSTALL.sub("", command).strip()
        if not rest or rest == "pytest":
            continue
        done = subprocess.run(rest, shell=True, cwd=checkout, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{rest}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        assert "Traceback" not in done.stderr
        ran += 1
    assert ran >= 8
    assert (checkout / "rows.jsonl").stat().st_size > 0
    assert (checkout / "runs" / "mine" / "onnx" / "model.onnx").exists()
    assert (checkout / "runs" / "evaluation" / "evaluation.md").exists()


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_readme_python_works(snippet, checkout, environment):
    done = subprocess.run([sys.executable, "-c", snippet], cwd=checkout, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "dprk_denial" in done.stdout


def test_readme_output_is_what_the_command_prints(checkout, environment):
    shown = next(block for kind, block in BLOCKS if kind == "")
    command = INSTALL.sub("", COMMANDS[0])
    done = subprocess.run(command, shell=True, cwd=checkout, env=environment, capture_output=True, text=True, timeout=60)
    # On processors without 8-bit dot products the scores are those of 32-bit arithmetic, a hundredth or so apart.
    words = [SCORE.split(line.rstrip()) for line in done.stdout.splitlines()]
    scores = [SCORE.findall(line) for line in done.stdout.splitlines()]
    for line in shown.splitlines():
        if line.strip() and line.strip() != "...":
            place = words.index(SCORE.split(line.rstrip()))
            assert [float(score) for score in SCORE.findall(line)] == pytest.approx([float(score) for score in scores[place]], abs=0.03)


def test_readme_row_is_what_the_command_prints(checkout, environment):
    shown = json.loads(next(block for kind, block in BLOCKS if kind == "json"))
    done = subprocess.run(
        ["classify", "predict", shown["document"], "--format", "jsonl"],
        cwd=checkout, env=environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    printed = json.loads(done.stdout.splitlines()[shown["index"]])
    assert shown.pop("scores") == pytest.approx(printed.pop("scores"), abs=0.03)
    assert shown == printed


def test_retraining_commands_work_in_order(tmp_path, tiny_model, environment):
    for name in ("configs", "docs", "seeds"):
        shutil.copytree(ROOT / name, tmp_path / name)
    # Small, because what is asked here is whether the commands go together.
    shutil.copytree(tiny_model, tmp_path / "model")
    said = ""
    for command in commands(RETRAINING):
        rest = INSTALL.sub("", command).strip()
        if rest:
            done = subprocess.run(rest, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, f"{rest}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
            assert "Traceback" not in done.stderr
            said += done.stdout + done.stderr
    scheme = next(block for kind, block in blocks(RETRAINING) if kind == "yaml")
    written = (tmp_path / "my-labels.yaml").read_text(encoding="utf-8")
    assert [line.split("#")[0].rstrip() for line in scheme.splitlines()] == [
        line.split("#")[0].rstrip() for line in written.splitlines() if not line.startswith("#")
    ]
    recipe, layout = [block.strip() for kind, block in blocks(RETRAINING) if kind == ""][:2]
    assert said.count(recipe) == 1
    # Once by the check and once by the training.
    assert said.count(layout) >= 2
    assert re.search(r"(negative|neutral|positive) 0\.\d\d", said)
