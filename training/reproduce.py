"""Running a recorded training again and saying whether it comes out the same."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from classify.errors import ClassifyError, DataError, SettingsError
from classify.modeldir import ModelDirectory
from classify.resources import file_digest, resource
from training.base import weight_files
from training.dataset import data_files
from training.evaluate import record_of
from training.finetune import train
from training.record import machine
from training.settings import build
from training.train_settings import TrainSettings

# Macro-F1 of a run repeated on another processor, or with other versions, may differ by this much: rounding takes other turns.
TOLERANCE = 0.02


@dataclass(frozen=True)
class Outcome:
    """What a repeated run came to.

    Attributes:
        same_weights: whether the weights are equal bit for bit; None where the record has no digest.
        same_machine: whether threads, instructions and versions are those of the recorded run, so that figures must be equal.
        figures: name, recorded and new value of every figure.
    """

    same_weights: bool | None
    same_machine: bool
    figures: list[tuple[str, float, float]] = field(default_factory=list)

    @property
    def tolerance(self) -> float:
        """By how much a figure may differ."""
        return 0.0 if self.same_machine else TOLERANCE

    @property
    def agrees(self) -> bool:
        """Whether the run comes out the same."""
        return self.same_weights is True or all(abs(new - old) <= self.tolerance for _, old, new in self.figures)

    def lines(self) -> list[str]:
        """For people."""
        found = []
        for name, old, new in self.figures:
            verdict = "" if abs(new - old) <= self.tolerance or self.same_weights else "  differs"
            found.append(f"{name}: {old:.4f} recorded, {new:.4f} now{verdict}")
        if self.same_weights:
            return [*found, "The weights are the same, bit for bit."]
        where = (
            "with the same versions, threads and kind of processor" if self.same_machine else "on another machine or with other versions"
        )
        wanted = "they must be equal" if self.same_machine else f"figures may differ by {TOLERANCE:g}"
        verdict = "The figures agree." if self.agrees else "The run does not come out the same."
        return [*found, f"{verdict} It was repeated {where}: {wanted}."]


def reproduce(
    directory: Path,
    output: Path,
    data: Sequence[Path] = (),
    pool: Sequence[Path] = (),
    base: str | None = None,
    quiet: bool = False,
) -> Outcome:
    """Train as ``directory/training.json`` tells, on the same data, and compare.

    Files are looked for under ``data`` first, then where the record has them, seen from the working directory.

    Args:
        directory: what ``classify train`` wrote.
        output: model directory to write.
        data: files, or folders of them, that the record names and that lie elsewhere now: labelled sentences, soft labels.
        pool: articles, where they lie elsewhere now.
        base: the base, where it lies elsewhere now.
        quiet: no progress bar.

    Raises:
        DataError: when a file is missing or has changed since; names it.
        SettingsError: when the directory holds no such record.
    """
    opened = ModelDirectory.open(directory)
    record = record_of(opened)
    if not {"settings", "data", "base", "figures"} <= record.keys():
        raise SettingsError(
            f"{directory} holds no training.json that tells how it was trained: only what `classify train` wrote can be repeated"
        )
    settings = build(TrainSettings, _settings(record, opened, output, data, pool, base), where=str(directory / "training.json"))
    if output.exists() and output.resolve() == directory.resolve():
        raise SettingsError(f"the output {output} is the model to compare with: choose another one")
    threads = torch.get_num_threads()
    torch.set_num_threads(record["machine"]["threads"])
    try:
        again = record_of(ModelDirectory.open(train(settings, quiet=quiet)))
        here = machine(settings.precision)
    finally:
        torch.set_num_threads(threads)
    known = record.get("weights", {}).get("sha256")
    same = record["machine"] == here and record["versions"] == {name: importlib.metadata.version(name) for name in record["versions"]}
    figures = dict(_flat(again["figures"]))
    compared = [(name, value, figures.get(name, float("nan"))) for name, value in _flat(record["figures"])]
    return Outcome(known == again["weights"].get("sha256") if known else None, same, compared)


def _settings(
    record: dict[str, Any], opened: ModelDirectory, output: Path, data: Sequence[Path], pool: Sequence[Path], base: str | None
) -> dict[str, Any]:
    """The recorded settings with paths of here, every file checked."""
    recorded = record["settings"]
    soft, rehearsed = recorded.get("soft_labels"), record.get("rehearsed", [])
    where = [*data, *(Path(path) for path in recorded["data"]), *(Path(path) for path in recorded.get("rehearse", []))]
    found = {name: _file(name, digest, where + ([Path(soft)] if soft else []), opened.path) for name, digest in record["data"].items()}
    names = [name for name in record["data"] if name not in rehearsed and name != Path(soft or "").name]
    if recorded["pool"] and not pool:
        pool = [Path(path) for path in recorded["pool"]]
        for path in pool:
            if not path.exists():
                raise DataError(f"the articles {path}, which {opened.path} was trained with, are not here: give them with --pool PATH")
    here = _base(record, opened, base)
    articles = {file.name: file for file in data_files(pool)}
    for name, digest in record.get("pool", {}).items():
        if name not in articles:
            raise DataError(f"the articles {name}, which {opened.path} was trained with, are not here: give them with --pool PATH")
        _unchanged(articles[name], digest, opened.path)
    return {
        # Earlier versions protected nothing, gave no head start and knew one recipe.
        "protect": False,
        "recipe": "full",
        "head_start": False,
        **recorded,
        "base": here,
        # What is mixed back in is mostly the base itself.
        **({"mix_base": here} if recorded.get("mix_base") == recorded["base"] else {}),
        "labels": opened.path / "labels.yaml",
        "output": output,
        "rejected": None,
        "pool": list(pool) if recorded["pool"] else [],
        "data": [found[name] for name in names],
        "rehearse": [found[name] for name in rehearsed],
        "soft_labels": found[Path(soft).name] if soft else None,
    }


def _file(name: str, digest: str, where: Sequence[Path], model: Path) -> Path:
    """The file of that name and content.

    Raises:
        DataError: when there is none, or only one of other content.
    """
    there = [path for path in _candidates(name, where) if path.is_file()]
    if not there:
        raise DataError(f"{name}, which {model} was trained on, is not here: give it with --data PATH")
    for path in there:
        if file_digest([path]) == digest:
            return path
    _unchanged(there[0], digest, model)
    return there[0]


def _candidates(name: str, where: Sequence[Path]) -> Iterator[Path]:
    for path in where:
        if path.is_dir():
            yield path / name
        elif path.name == name:
            yield path
    yield resource(f"data/{name}")


def _unchanged(path: Path, digest: str, model: Path) -> None:
    if file_digest([path]) != digest:
        raise DataError(f"{path} has changed since {model} was trained with it: bring back the file whose SHA-256 is {digest}")


def _base(record: dict[str, Any], opened: ModelDirectory, base: str | None) -> str:
    name = base or str(record["settings"]["base"])
    digest = record["base"].get("sha256")
    # A directory goes by its own name alone, so a name with an owner is the hub's, which is asked again.
    if digest is None or (base is None and "/" in record["base"]["name"]):
        return name
    weights = weight_files(Path(name)) if Path(name).is_dir() else []
    if not weights:
        raise ClassifyError(f"the base '{name}', which {opened.path} was trained from, is not here: give it with --base DIR")
    if file_digest(weights) != digest:
        raise DataError(f"the base {name} has changed since {opened.path} was trained from it: the SHA-256 of its weights was {digest}")
    return name


def _flat(figures: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """The macro-F1 figures of a record, one by one."""
    if "validation_macro_f1" in figures:
        yield "validation macro-F1", figures["validation_macro_f1"]
    if "cross_validated_macro_f1" in figures:
        yield "cross-validated macro-F1", figures["cross_validated_macro_f1"]
    for number, value in enumerate(figures.get("fold_macro_f1", []), 1):
        yield f"macro-F1 of fold {number}", value
    for part, groups in figures.get("held_out", {}).items():
        for group, value in groups.items():
            yield f"{part}, {group} macro-F1", value
