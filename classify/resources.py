"""Where packaged data lies: beside the sources in a checkout, inside the package once installed."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource(name: str) -> Path:
    """The path of ``name`` (``configs/...`` or ``model``), from the installed package or from the checkout.

    The wheel carries ``model/`` and ``configs/`` inside the package; an editable install reads the checkout's.
    """
    for root in (_PACKAGE / "_data", _PACKAGE.parent):
        if (root / name).exists():
            return root / name
    return _PACKAGE / "_data" / name
