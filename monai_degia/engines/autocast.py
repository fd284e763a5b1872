"""Lower precision for the task network's passes, on whatever device they run and where that is faster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor

__all__ = ["AutocastInferer", "native_bfloat16"]

#: Instruction sets that multiply bfloat16, by the names of ``torch.cpu.get_capabilities``.
BFLOAT16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "bf16", "sve_bf16")


def native_bfloat16(device: torch.device | str) -> torch.dtype | None:
    """``torch.bfloat16`` if a device has instructions for it, else ``None``: without them it is emulated.

    A processor that emulates bfloat16 trains several times slower in it than in float32. Intel's with ``avx512_bf16``
    but no AMX, which virtual machines may hide, multiply it and are slower in it all the same. Made for the entry
    ``autocast_dtype`` of a config, so that the same config is fast on all of them.

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


class AutocastInferer(Inferer):
    """Run the network of another inferer under autocast; what is around it, and the prediction, keep their precision.

    MONAI's engines autocast on CUDA alone. With ``torch.bfloat16`` no gradient scaling is needed, and processors that
    multiply bfloat16 (see :func:`native_bfloat16`) train convolutions in about half of the time.

    Args:
        inferer: what calls the network, e.g. ``SimpleInferer`` or :class:`monai_degia.ViewsInferer`.
        dtype: ``torch.bfloat16``; ``torch.float16`` needs scaled gradients, which this does not do.

    Raises:
        ValueError: if ``dtype`` is another type.

    """

    def __init__(self, inferer: Inferer, dtype: torch.dtype = torch.bfloat16) -> None:
        if dtype != torch.bfloat16:
            raise ValueError(
                f"AutocastInferer trains in torch.bfloat16, got {dtype}: float16 would need scaled gradients, and "
                "float32 needs no autocast."
            )
        super().__init__()
        self.inferer, self.dtype = inferer, dtype

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Any:
        """Predict as the inferer does; predictions are float32."""

        def cast(x: Tensor, *more: Any, **named: Any) -> Tensor:
            with torch.autocast(x.device.type, dtype=self.dtype):
                return network(x, *more, **named).float()

        return self.inferer(inputs, cast, *args, **kwargs)
