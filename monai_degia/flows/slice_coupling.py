"""The coupling of the wavelet flow: some channels move, all others say how."""

import torch
from monai.networks.layers.factories import Conv
from torch import Tensor, nn

from monai_degia.errors import UserError
from monai_degia.flows.bijections import Bijection


class SliceCoupling(Bijection):
    r"""Affine coupling in which the channels ``start`` to ``stop`` become :math:`x e^{s} + t` and the rest is frozen.

    s and t are a CNN (convolutions 3, 1 and 3 wide, as in Glow, arXiv 1807.03039) of all frozen channels. Its last
    convolution starts at zero: a new coupling is the identity. The bound of s is soft and lets small values through
    unchanged: :math:`s = b \tanh(\cdot / b)`.

    Args:
        num_channels: number of channels C.
        start: first channel that moves.
        stop: channel after the last one that moves.
        hidden_channels: width of the CNN.
        max_log_scale: b.
        spatial_dims: 2 for images, 3 for volumes.

    Raises:
        ValueError: if no channel would move, or none would be frozen.
    """

    def __init__(
        self,
        num_channels: int,
        start: int,
        stop: int,
        hidden_channels: int = 32,
        max_log_scale: float = 2.0,
        spatial_dims: int = 2,
    ) -> None:
        super().__init__()
        moving = stop - start
        if not (0 <= start < stop <= num_channels and moving < num_channels):
            raise UserError(
                f"SliceCoupling moves some of {num_channels} channels and freezes the others, so start and stop must "
                f"name a part of them, got start={start} and stop={stop}."
            )
        self.max_log_scale = max_log_scale
        self.sizes = [start, moving, num_channels - stop]
        convolution = Conv[Conv.CONV, spatial_dims]
        self.net = nn.Sequential(
            convolution(num_channels - moving, hidden_channels, 3, padding=1),
            nn.ReLU(),
            convolution(hidden_channels, hidden_channels, 1),
            nn.ReLU(),
            convolution(hidden_channels, 2 * moving, 3, padding=1),
        )
        for parameter in self.net[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and shift the moving channels."""
        before, moving, after = x.split(self.sizes, dim=1)
        log_s, t = self._log_scale_and_shift(before, after)
        return torch.cat((before, torch.addcmul(t, moving, log_s.exp()), after), dim=1), _sum(log_s)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Undo it: the frozen channels are unchanged, so the same s and t come out."""
        before, moving, after = z.split(self.sizes, dim=1)
        log_s, t = self._log_scale_and_shift(before, after)
        return torch.cat((before, (moving - t) * (-log_s).exp(), after), dim=1), -_sum(log_s)

    def _log_scale_and_shift(self, before: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        frozen = torch.cat((before, after), dim=1)
        # Under autocast the CNN returns half precision; the flow itself keeps the precision of the image.
        log_s, t = self.net(frozen).to(frozen.dtype).chunk(2, dim=1)
        return self.max_log_scale * (log_s / self.max_log_scale).tanh(), t


def _sum(log_s: Tensor) -> Tensor:
    # Over axes and not flattened, which would copy what lies in the memory format channels_last.
    return log_s.sum(tuple(range(1, log_s.ndim)))
