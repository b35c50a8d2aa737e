"""The commands in "Choose what to label next" are run as they stand."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from classify.suggest import STRATEGIES
from classify.tasks import FORMATS

ROOT = Path(__file__).resolve().parents[2]
DOC = (ROOT / "docs" / "retraining.md").read_text(encoding="utf-8").split("## Choose what to label next")[1].split("\n## ")[0]
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", DOC, flags=re.DOTALL) for line in block.splitlines() if line.strip()]

pytestmark = pytest.mark.skipif(not (ROOT / "model" / "config.json").exists(), reason="the checkout holds no trained model")


def test_every_format_has_its_command_and_every_strategy_its_line():
    assert {re.search(r"--format (\S+)", one)[1] for one in COMMANDS} == set(FORMATS)
    assert set(re.findall(r"^\| `(\w+)` \|", DOC.split("### Strategies")[1], flags=re.MULTILINE)) == set(STRATEGIES)


def test_the_commands_work(run_cli, tmp_path):
    shutil.copytree(ROOT / "seeds", tmp_path / "seeds")
    (tmp_path / "data").mkdir()
    labelled = (ROOT / "data" / "sentences.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)[:300]
    (tmp_path / "data" / "sentences.jsonl").write_text("".join(labelled), encoding="utf-8")
    for command in COMMANDS:
        program, *arguments = shlex.split(command)
        assert program == "classify"
        done = run_cli(*arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stderr.startswith("40 of ")
    texts = [json.loads(line)["text"] for line in (tmp_path / "next.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [task["data"]["text"] for task in json.loads((tmp_path / "next.json").read_text(encoding="utf-8"))] == texts
    assert (tmp_path / "next.xml").exists()
