"""Which arithmetic to train in."""

from __future__ import annotations

import torch


def uses_bf16(precision: str, device: torch.device) -> bool:
    """Whether to compute in bfloat16: as told by ``fp32`` or ``bf16``, and for ``auto`` where the device multiplies it natively."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    # Emulated bf16 is slower than fp32; processors that multiply it natively train about twice as fast with it.
    native = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(bool(getattr(torch.cpu, name, lambda: False)()) for name in native)
