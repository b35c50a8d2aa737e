"""What a model directory keeps of its making: ``training.json``."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from classify.modeldir import ModelDirectory
from classify.resources import file_digest
from training import processes, recipes
from training.base import Base
from training.dataset import Example, data_files
from training.evaluate import record_of
from training.fitting import Run
from training.precision import uses_bf16
from training.settings import as_dict
from training.train_settings import TrainSettings


def record_run(
    settings: TrainSettings,
    bases: dict[str, Base],
    asked: dict[str, str],
    examples: Sequence[Example],
    sides: Sequence[str],
    run: Run,
    facts: dict[str, Any],
    continued: ModelDirectory | None,
    fresh: Path,
    choice: recipes.Choice,
) -> dict[str, Any]:
    """What somebody needs to repeat the run: settings, data digests, versions, machine."""
    files = data_files([*settings.data, *settings.rehearse]) + ([settings.soft_labels] if settings.soft_labels else [])
    before = record_of(continued) if continued else {}
    held_out = {side: _ids_by_file([e for e, one in zip(examples, sides, strict=True) if one == side])
                for side in ("test", "development") if side in sides}  # fmt: skip
    return {
        # Paths of this machine mean nothing elsewhere; names do, and paths from where the command was given.
        "settings": {**as_dict(settings), **asked,
                     "output": settings.output.name, "labels": settings.labels.name,
                     "rejected": settings.rejected.name if settings.rejected else None,
                     **{name: [portable(path) for path in getattr(settings, name)] for name in ("data", "pool", "rehearse")},
                     "soft_labels": portable(settings.soft_labels) if settings.soft_labels else None},
        "recipe": choice.record(),
        "base": bases["base"].record(),
        **({"mixed_back": bases["mix_base"].record()} if settings.mix_share else {}),
        "data": {file.name: file_digest([file]) for file in files},
        "rehearsed": [file.name for file in data_files(settings.rehearse)],
        "pool": {file.name: file_digest([file]) for file in data_files(settings.pool)},
        "weights": {"sha256": file_digest([fresh / "model.safetensors"])} if (fresh / "model.safetensors").is_file() else {},
        "sentences": {side: sum(one == side for one in sides) for side in ("train", "validation", "test", "development")},
        # By file and id, so that an evaluation knows what the model has not seen.
        "held_out": held_out,
        # What the models before it were trained on, it has seen as well.
        **({"before": _earlier(before, held_out)} if before.get("data") else {}),
        "figures": facts,
        "history": run.history,
        "versions": {name: importlib.metadata.version(name)
                     for name in ("torch", "transformers", "tokenizers", "datasets", "accelerate", "scikit-learn", "numpy")},
        "python": platform.python_version(),
        "machine": machine(settings.precision),
    }  # fmt: skip


def _earlier(before: dict[str, Any], held_out: dict[str, Any]) -> list[dict[str, Any]]:
    """What the runs before this one were trained on; where one kept aside what this one does, that is not said again."""
    found = []
    for run in (before, *before.get("before", [])):
        aside = run.get("held_out", before.get("held_out", {}))
        found.append({"data": run["data"]} | ({} if aside == held_out else {"held_out": aside}))
    return found


def machine(precision: str) -> dict[str, Any]:
    """What of this machine decides the last digits of a run."""
    gpu = torch.cuda.is_available()
    return {
        "processor": platform.machine(),
        "instructions": torch.cuda.get_device_name() if gpu else torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "processes": processes.count(),
        "bf16": uses_bf16(precision, torch.device("cuda" if gpu else "cpu")),
    }


def portable(path: str | Path) -> str:
    """The path from the working directory where it lies below that, else its name alone."""
    whole = Path(path).resolve()
    return whole.relative_to(Path.cwd()).as_posix() if whole.is_relative_to(Path.cwd()) else whole.name


def _ids_by_file(examples: Sequence[Example]) -> dict[str, list[str]]:
    ids: dict[str, list[str]] = {}
    for example in examples:
        ids.setdefault(example.file, []).append(example.id)
    return ids
