"""Several processes that train together: the recipe, the figures and the directory are those of one."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from classify.classifier import Classifier

COMMAND = re.compile(r"^accelerate launch .*-m classify train .*$", re.MULTILINE)


@pytest.fixture(scope="module")
def commands(root) -> list[str]:
    return COMMAND.findall((root / "docs/retraining.md").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def environment(cli_environment, tmp_path_factory):
    # An accelerate configuration of this machine's user must not change the test.
    return cli_environment(HF_HOME=str(tmp_path_factory.mktemp("hf")), OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="")


@pytest.fixture(scope="module")
def launch(commands, environment, tmp_path_factory):
    """Run the documented command with two processes on the processor instead of a GPU each."""
    outside = tmp_path_factory.mktemp("outside")
    options = commands[0].partition(" -m classify train")[0].split()[2:]
    assert options == ["--multi_gpu", "--num_processes", "2"]

    def run(*arguments):
        command = [sys.executable, "-m", "accelerate.commands.launch", "--main_process_port", "0", *options]
        command += ["-m", "classify", "train", *map(str, arguments)]
        return subprocess.run(command, cwd=outside, env=environment, capture_output=True, text=True, timeout=300)

    return run


def test_two_processes_learn_what_one_learns(launch, run_cli, environment, recipe, labelled, tmp_path_factory, tmp_path, rows):
    # Without dropout little tells the runs apart.
    calm = tmp_path_factory.mktemp("calm") / "recipe.yaml"
    calm.write_text(recipe.read_text(encoding="utf-8") + "dropout: 0.0\n", encoding="utf-8")
    flags = ["--config", calm, "--data", labelled, "--folds", 2, "--epochs", 8, "--quiet"]
    one = run_cli("train", *flags, "--output", tmp_path / "one", env=environment)
    assert one.returncode == 0, one.stderr
    two = launch(*flags, "--output", tmp_path / "two")
    assert two.returncode == 0, two.stderr
    # One voice, one directory.
    assert two.stdout == one.stdout.replace("/one", "/two")
    said = [re.sub(r"[\d.]+", "#", result.stderr) for result in (one, two)]
    # The launcher itself speaks first.
    assert said[1].endswith(said[0])
    assert said[1].count("fold #") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]
    files = [{path.relative_to(tmp_path / name) for path in (tmp_path / name).rglob("*")} for name in ("one", "two")]
    assert files[0] == files[1]
    records = [json.loads((tmp_path / name / "training.json").read_text(encoding="utf-8")) for name in ("one", "two")]
    assert [record["machine"]["processes"] for record in records] == [1, 2]
    assert records[0]["settings"] | {"output": "two"} == records[1]["settings"]
    figures = [record["figures"]["fold_macro_f1"] for record in records]
    assert figures[0] == pytest.approx(figures[1], abs=0.06)
    texts = [row["text"] for row in rows]
    scores = [[list(p.scores.values()) for p in Classifier.from_pretrained(tmp_path / name).predict(texts)] for name in ("one", "two")]
    assert np.corrcoef(np.ravel(scores[0]), np.ravel(scores[1]))[0, 1] > 0.8


def test_mistake_is_said_once(launch, recipe, labelled, tmp_path):
    result = launch("--config", recipe, "--data", labelled, "--batch-size", 7, "--output", tmp_path / "m", "--quiet")
    assert result.returncode != 0
    assert [line for line in result.stderr.splitlines() if line.startswith("error: ")] == [
        "error: setting 'batch_size' must be a multiple of the 2 processes, not 7"
    ]
    assert not (tmp_path / "m").exists()


def test_documented_options_exist(commands):
    assert len(commands) == 2
    known = subprocess.run([sys.executable, "-m", "accelerate.commands.launch", "--help"], capture_output=True, text=True).stdout
    for command in commands:
        for option in re.findall(r"--\w+", command.partition("-m classify")[0]):
            assert option in known
