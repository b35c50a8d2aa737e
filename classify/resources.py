"""What the package finds around it: its data, beside the sources in a checkout or inside the package; files; processors."""

from __future__ import annotations

import os
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parent


def resource(name: str) -> Path:
    """The path of ``name`` (``configs/...`` or ``model``), from the installed package or from the checkout.

    The wheel carries ``model/`` and ``configs/`` inside the package; an editable install reads the checkout's.
    """
    for root in (_PACKAGE / "_data", _PACKAGE.parent):
        if (root / name).exists():
            return root / name
    return _PACKAGE / "_data" / name


def load_yaml(path: Path) -> Any:
    """The plain values in a YAML file, by libyaml where PyYAML was built with it: a dozen times faster, and every start pays.

    Raises:
        OSError, UnicodeDecodeError, yaml.YAMLError: as they come.
    """
    import yaml

    # Both build plain values only.
    return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506


def file_digest(files: Iterable[Path]) -> str:
    """SHA-256 of the files one after the other, as hexadecimal digits."""
    digest = sha256()
    for path in files:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def processors() -> int:
    """Processors this process may use, of which the machine may have more."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
