"""The wheel carries everything the installed command needs, and nothing of the checkout is needed beside it."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / "model" / "config.json").exists(), reason="the checkout holds no trained model")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    target = folder / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def test_wheel_holds_model_and_configs_but_no_torch_weights(installed):
    model = installed / "classify" / "_data" / "model"
    assert (model / "onnx" / "model.onnx").stat().st_size > 1_000_000
    assert not (model / "model.safetensors").exists()
    assert (installed / "classify" / "_data" / "configs" / "labels.yaml").exists()
    assert (installed / "classify" / "_data" / "configs" / "furniture.yaml").exists()
    assert (installed / "training" / "finetune.py").exists()
    assert (installed / "classify" / "_data" / "configs" / "report.yaml").exists()
    assert (model / "error_rates.json").exists()
    assert {path.name for path in (installed / "classify" / "templates").iterdir()} == {"report.css", "report.html", "report.js"}


def test_wheel_needs_no_torch(installed):
    metadata = next(installed.glob("*.dist-info")).joinpath("METADATA").read_text(encoding="utf-8")
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert required
    assert not any(name in line for line in required for name in ("torch", "transformers", "datasets"))


def test_unpacked_wheel_predicts_from_any_folder(installed, tmp_path):
    article = tmp_path / "artikel.txt"
    article.write_text("Korut membantah mengirim amunisi ke Rusia.\n", encoding="utf-8")
    # -I -S would hide the dependencies too; PYTHONPATH puts the unpacked wheel before an editable install.
    probe = "import classify, sys; sys.exit(0 if classify.__file__.startswith(sys.argv[1]) else 3)"
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    subprocess.run([sys.executable, "-c", probe, str(installed)], cwd=tmp_path, env=environment, check=True, timeout=60)
    done = subprocess.run(
        [sys.executable, "-m", "classify", "predict", "artikel.txt", "--format", "jsonl", "--all-scores"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert len(row["scores"]) == 7
