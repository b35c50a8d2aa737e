"""ONNX Runtime, told to keep to itself."""

from __future__ import annotations

import os
from typing import Any


def onnx_runtime() -> Any:
    """The package ``onnxruntime``, which since 1.32 would otherwise write a device number and usage events into the user's cache
    folder, to send them home. It looks at the variable when it is first imported.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    return onnxruntime
