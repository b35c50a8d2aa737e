"""Which arithmetic to train in."""

from __future__ import annotations

import torch


def uses_bf16(precision: str, device: torch.device) -> bool:
    """Whether to compute in bfloat16: as told by ``fp32`` or ``bf16``, and for ``auto`` where the device multiplies it natively."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    # Emulated bf16 is slower than fp32; only processors with matrix tiles gain from it.
    return bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())
