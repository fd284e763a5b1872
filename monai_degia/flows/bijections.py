"""Invertible maps of image batches with exact log-determinants: the parts the image flow is assembled from.

Sign convention of the whole package: ``forward`` runs from data to latent, and each direction returns
log |det J| of the map it has just applied. Hence the two log-determinants of one pair are opposite.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import cast

import torch
import torch.distributed as dist
from monai.networks.layers.factories import Conv
from monai.networks.utils import pixelshuffle, pixelunshuffle
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from monai_degia.errors import UserError


class Bijection(nn.Module, ABC):
    """An invertible map of a batch; tensors are (B, C, X, Y) or (B, C, X, Y, Z) unless a subclass says otherwise."""

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map data to latent; return z and ``log |det dz/dx|`` in nats, shape (B,)."""

    @abstractmethod
    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Map latent to data; return x and ``log |det dx/dz|`` in nats, shape (B,)."""


class Chain(Bijection):
    """The given bijections one after the other, first to last in ``forward``.

    Args:
        bijections: members in the order in which ``forward`` applies them.
        use_checkpoint: keep the input of each member alone for the backward pass, and compute what is inside once more
            then: less memory for more time.
    """

    def __init__(self, bijections: Iterable[Bijection], use_checkpoint: bool = False) -> None:
        super().__init__()
        self.bijections, self.use_checkpoint = nn.ModuleList(bijections), use_checkpoint

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Apply every member, first to last; log-determinants add up."""
        log_det = x.new_zeros(len(x))
        for bijection in self.bijections:
            x, step = self._run(bijection, x)
            log_det = log_det + step
        return x, log_det

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Undo every member, last to first."""
        log_det = z.new_zeros(len(z))
        for bijection in cast("Iterator[Bijection]", reversed(self.bijections)):
            z, step = self._run(bijection.inverse, z)
            log_det = log_det + step
        return z, log_det

    def _run(self, step: Callable[[Tensor], tuple[Tensor, Tensor]], x: Tensor) -> tuple[Tensor, Tensor]:
        if self.use_checkpoint and torch.is_grad_enabled():
            return cast("tuple[Tensor, Tensor]", checkpoint(step, x, use_reentrant=False))
        return step(x)


class Squeeze(Bijection):
    """Space to depth: (B, C, X, Y) becomes (B, 4 C, X / 2, Y / 2), one channel for each place in a 2 x 2 block.

    Volumes have blocks of 2 x 2 x 2, hence eight times as many channels.
    A reordering of entries, so its log-determinant is 0. RealNVP, section 3.6 (arXiv 1605.08803).
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Move blocks into channels."""
        return pixelunshuffle(x, x.ndim - 2, 2), x.new_zeros(len(x))

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Move groups of channels back into blocks."""
        return pixelshuffle(z, z.ndim - 2, 2), z.new_zeros(len(z))


class ChannelPermutation(Bijection):
    """A fixed random order of the channels; log-determinant 0.

    Args:
        num_channels: number of channels C.
        seed: decides the order. The order is a buffer: a loaded ``state_dict`` brings its own.
    """

    permutation: Tensor

    def __init__(self, num_channels: int, seed: int = 0) -> None:
        super().__init__()
        order = torch.randperm(num_channels, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("permutation", order)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Reorder the channels."""
        return x.index_select(1, self.permutation), x.new_zeros(len(x))

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Put the channels back in order."""
        return z.index_select(1, self.permutation.argsort()), z.new_zeros(len(z))


class ActNorm(Bijection):
    r"""Scale and shift of each channel, :math:`z = x e^{s} + t`; Glow, section 3.1 (arXiv 1807.03039).

    The first batch seen by ``forward`` in training mode sets s and t so that the channels of z have mean 0 and
    standard deviation 1; from then on they are ordinary parameters. Before that batch the map is the identity.
    With ``torch.distributed`` running, the moments are those of the batches of all ranks, so that all ranks start
    from the same parameters; every rank must then take part in that first call.

    Args:
        num_channels: number of channels C.
        min_std: a channel with a smaller standard deviation in the first batch is only shifted, not scaled.
        spatial_dims: 2 for images, 3 for volumes.
    """

    initialized: Tensor

    def __init__(self, num_channels: int, min_std: float = 1e-3, spatial_dims: int = 2) -> None:
        super().__init__()
        self.min_std = min_std
        shape = (1, num_channels, *[1] * spatial_dims)
        self.log_scale, self.shift = nn.Parameter(torch.zeros(shape)), nn.Parameter(torch.zeros(shape))
        self.register_buffer("initialized", torch.tensor(False))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise the channels; the first training batch sets the parameters.

        Raises:
            ValueError: if that first batch is empty or holds values that are not finite.
        """
        if self.training and not self.initialized:
            self._initialize(x)
        return torch.addcmul(self.shift, x, self.log_scale.exp()), self._log_det(x)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Undo the normalisation."""
        return (z - self.shift) * (-self.log_scale).exp(), -self._log_det(z)

    def _log_det(self, x: Tensor) -> Tensor:
        return (self.log_scale.sum() * x.shape[2:].numel()).expand(len(x))

    @torch.no_grad()
    def _initialize(self, x: Tensor) -> None:
        axes = (0, *range(2, x.ndim))
        mean = _mean_over_ranks(x.mean(axes, keepdim=True))
        std = _mean_over_ranks((x - mean).square().mean(axes, keepdim=True)).sqrt()
        if not torch.isfinite(mean + std).all():
            raise UserError(
                f"ActNorm takes its scale from the first training batch, but that batch, of shape {tuple(x.shape)}, is "
                "empty or holds NaN or infinite values. Check the images before the flow."
            )
        self.log_scale.copy_(torch.where(std > self.min_std, -std.log(), 0.0))
        self.shift.copy_(-mean * self.log_scale.exp())
        self.initialized.fill_(True)


def _mean_over_ranks(x: Tensor) -> Tensor:
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(x)
        x = x / dist.get_world_size()
    return x


class AffineCoupling(Bijection):
    r"""Affine coupling of channels, RealNVP Eq. (7)-(8): one half is frozen, the other becomes :math:`x e^{s} + t`.

    s and t are a small residual CNN of the frozen half, so the frozen half alone decides them in both directions.
    Its last convolution starts at zero: a new coupling is the identity. With an odd number of channels the smaller
    part is the one in front.

    Args:
        num_channels: number of channels C, at least 2.
        hidden_channels: width of the CNN.
        residual_blocks: number of residual blocks in the CNN, each of two convolutions that are 3 wide.
        flip: freeze the rear half instead of the front half.
        max_log_scale: bound of s, which is ``max_log_scale * tanh(.)``.
        spatial_dims: 2 for images, 3 for volumes.

    Raises:
        ValueError: if there are fewer than 2 channels.
    """

    def __init__(
        self,
        num_channels: int,
        hidden_channels: int = 16,
        residual_blocks: int = 1,
        flip: bool = False,
        max_log_scale: float = 2.0,
        spatial_dims: int = 2,
    ) -> None:
        super().__init__()
        if num_channels < 2:
            raise UserError(f"AffineCoupling splits the channels and needs num_channels >= 2, got {num_channels}.")
        self.flip, self.max_log_scale = flip, max_log_scale
        self.sizes = [num_channels // 2, num_channels - num_channels // 2]
        frozen, moving = self.sizes[::-1] if flip else self.sizes
        convolution = Conv[Conv.CONV, spatial_dims]
        self.net = nn.Sequential(
            convolution(frozen, hidden_channels, 3, padding=1),
            *(_ResidualBlock(hidden_channels, spatial_dims) for _ in range(residual_blocks)),
            nn.ReLU(),
            convolution(hidden_channels, 2 * moving, 3, padding=1),
        )
        for parameter in self.net[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and shift the moving half."""
        frozen, moving = self._split(x)
        log_s, t = self._log_scale_and_shift(frozen)
        return self._merge(frozen, torch.addcmul(t, moving, log_s.exp())), log_s.flatten(1).sum(1)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Undo it: the frozen half is unchanged, so the same s and t come out."""
        frozen, moving = self._split(z)
        log_s, t = self._log_scale_and_shift(frozen)
        return self._merge(frozen, (moving - t) * (-log_s).exp()), -log_s.flatten(1).sum(1)

    def _log_scale_and_shift(self, frozen: Tensor) -> tuple[Tensor, Tensor]:
        # Under autocast the CNN returns half precision; the flow itself keeps the precision of the image.
        log_s, t = self.net(frozen).to(frozen.dtype).chunk(2, dim=1)
        return self.max_log_scale * log_s.tanh(), t

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        front, rear = x.split(self.sizes, dim=1)
        return (rear, front) if self.flip else (front, rear)

    def _merge(self, frozen: Tensor, moving: Tensor) -> Tensor:
        return torch.cat((moving, frozen) if self.flip else (frozen, moving), dim=1)


class _ResidualBlock(nn.Module):
    def __init__(self, channels: int, spatial_dims: int) -> None:
        super().__init__()
        convolution = Conv[Conv.CONV, spatial_dims]
        self.layers = nn.Sequential(
            nn.ReLU(),
            convolution(channels, channels, 3, padding=1),
            nn.ReLU(),
            convolution(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)
