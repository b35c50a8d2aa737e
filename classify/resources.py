"""Where packaged data lies: beside the sources in a checkout, inside the package once installed."""

from __future__ import annotations

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
