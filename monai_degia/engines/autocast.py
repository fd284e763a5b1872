"""Lower precision for the task network's passes, on whatever device they run and where that is faster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor

from monai_degia.errors import UserError
from monai_degia.inferers.passes import passes_of

__all__ = ["AutocastInferer"]


class AutocastInferer(Inferer):
    """Run the network of another inferer under autocast; what is around it, and the prediction, keep their precision.

    MONAI's engines autocast on CUDA alone. With ``torch.bfloat16`` no gradient scaling is needed, and processors that
    multiply bfloat16 (see :func:`monai_degia.native_bfloat16`) train convolutions in about half of the time.

    Args:
        inferer: what calls the network, e.g. ``SimpleInferer`` or :class:`monai_degia.ViewsInferer`.
        dtype: ``torch.bfloat16``; ``torch.float16`` needs scaled gradients, which this does not do.

    Raises:
        ValueError: if ``dtype`` is another type.

    """

    def __init__(self, inferer: Inferer, dtype: torch.dtype = torch.bfloat16) -> None:
        if dtype != torch.bfloat16:
            raise UserError(
                f"AutocastInferer trains in torch.bfloat16, got {dtype}: float16 would need scaled gradients, and "
                "float32 needs no autocast."
            )
        super().__init__()
        self.inferer, self.dtype = inferer, dtype

    @property
    def num_passes(self) -> int | None:
        """Images that the network is shown for each one, where the inferer within tells it."""
        return passes_of(self.inferer)

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Any:
        """Predict as the inferer does; predictions are float32."""

        def cast(x: Tensor, *more: Any, **named: Any) -> Tensor:
            with torch.autocast(x.device.type, dtype=self.dtype):
                return network(x, *more, **named).float()

        return self.inferer(inputs, cast, *args, **kwargs)
