"""Sentences with known scores, by which integer arithmetic is checked on every machine that it first runs on."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from classify.decisions import probabilities
from classify.errors import ModelDirectoryError
from classify.resources import file_digest
from classify.runtime import onnx_runtime

if TYPE_CHECKING:
    from classify.engine import Engine
    from classify.modeldir import ModelDirectory

# The last bit of a 32-bit number, which differs between processors, decides some roundings, so that the scores differ a little on
# every kind of processor; their distance from those in 32 bits stays what it was. Wrong products make it grow.
FACTOR = 2.0
FLOOR = 1e-3


@dataclass(frozen=True)
class Canary:
    """A sentence, the one before it (``""``: none), and the score of every label in 32-bit arithmetic."""

    text: str
    context: str
    scores: dict[str, float]


def read(path: Path) -> tuple[list[Canary], float]:
    """The canaries in ``quantization.json``, and how far off the integers were where the graph was made, as :func:`distance`.

    Raises:
        ModelDirectoryError: when there are none.
    """
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        rows: list[dict[str, Any]] = record["canaries"]
        found = [Canary(str(r["text"]), str(r["context"]), {str(k): float(v) for k, v in r["scores"].items()}) for r in rows]
        known = float(record["canary_distance"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelDirectoryError(f"{path} is damaged ({type(error).__name__})") from None
    if not found:
        raise ModelDirectoryError(f"{path} holds no sentences to check by")
    return found, known


def distance(engine: Engine, directory: ModelDirectory, canaries: Sequence[Canary]) -> float:
    """Root mean square of the difference between the scores that ``engine`` gives and those in 32 bits.

    Raises:
        ModelDirectoryError: when the canaries' labels are not the model's.
    """
    ids = directory.scheme.ids
    if any(list(canary.scores) != ids for canary in canaries):
        raise ModelDirectoryError(f"the sentences to check {directory.path} by have other labels")
    pairs = [(c.text, c.context) if c.context and directory.decisions.context else c.text for c in canaries]
    scores = probabilities(engine.logits(directory.tokenizer().encode_batch(pairs)), directory.scheme)
    difference = scores - np.asarray([[c.scores[label] for label in ids] for c in canaries])
    # What is not a number agrees with nothing.
    return float(np.sqrt(np.mean(np.nan_to_num(difference, nan=np.inf) ** 2)))


def agree(engine: Engine, directory: ModelDirectory, path: Path) -> bool:
    """Whether the integers are as near to 32 bits here as they were where the graph was made.

    Raises:
        ModelDirectoryError: when ``path`` (``quantization.json``) is damaged or of another model.
    """
    canaries, known = read(path)
    return distance(engine, directory, canaries) <= FACTOR * max(known, FLOOR)


def processor() -> str:
    """The processor's name, and which of the instructions that matter to integer products it has."""
    name, flags = _cpuinfo()
    known = [flag for flag in ("avx2", "avx512f", "avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm") if flag in flags.split()]
    return " ".join([name or platform.processor() or platform.machine(), *known])


def _cpuinfo() -> tuple[str, str]:
    """Name and flags of the first processor; empty where the system keeps no such file."""
    name = flags = ""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                key, _, value = line.partition(":")
                if not line.strip():
                    break
                if key.strip() == "model name":
                    name = value.strip()
                elif key.strip() in ("flags", "Features"):
                    flags = value.strip()
    except OSError:
        pass
    return name, flags


def fingerprint(files: Sequence[Path]) -> str:
    """A digest of what the canaries' scores hang on: processor, runtime, and the content of the files."""
    onnxruntime = onnx_runtime()

    digest = hashlib.sha256()
    for part in (platform.machine(), platform.system(), *_cpuinfo(), onnxruntime.__version__):
        digest.update(part.encode() + b"\0")
    for path in files:
        digest.update(file_digest([path]).encode())
    return digest.hexdigest()


def cache_folder() -> Path:
    """Where this user's caches lie; ``CLASSIFY_CACHE`` names another place."""
    if named := os.environ.get("CLASSIFY_CACHE"):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "indonews-classify" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "indonews-classify"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "indonews-classify"


def agreed_before(key: str) -> bool:
    """Whether the canaries agreed on this machine before."""
    try:
        return (cache_folder() / f"canaries-{key}").is_file()
    except (OSError, RuntimeError):
        return False


def remember(key: str) -> None:
    """Note that they agreed; where that cannot be written they are asked again next time."""
    try:
        folder = cache_folder()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"canaries-{key}").touch()
    except (OSError, RuntimeError):  # RuntimeError: there is no home directory
        pass
