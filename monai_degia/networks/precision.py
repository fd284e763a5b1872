"""Where lower precision is faster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

__all__ = ["native_bfloat16"]

#: Instruction sets that multiply bfloat16, by the names of ``torch.cpu.get_capabilities``.
BFLOAT16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "bf16", "sve_bf16")


def native_bfloat16(device: torch.device | str) -> torch.dtype | None:
    """``torch.bfloat16`` if a device has instructions that make it faster than float32, else ``None``.

    A processor that emulates bfloat16 trains several times slower in it than in float32. Intel's that have
    ``avx512_bf16`` but no AMX (virtual machines may hide it) are slower in it too, by a tenth to a third. Made for the
    entry ``autocast_dtype`` of a config, so that the same config is fast on all kinds.

    Args:
        device: where the network runs. Of devices other than CUDA's and the processor, and of the processor where
            torch cannot tell (``torch.cpu.get_capabilities``), nothing is known: ``None``.

    """
    device = torch.device(device)
    native = False
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        native = any(capabilities.get(name, False) for name in BFLOAT16_INSTRUCTIONS)
        if "intel" in str(capabilities.get("cpu_name", "")).lower():
            native = bool(capabilities.get("amx_bf16", False))
    return torch.bfloat16 if native else None
