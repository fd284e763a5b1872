"""The density of images: the flow and the class-conditional prior together."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from monai.networks.layers.factories import Pool
from monai.utils import ensure_tuple_rep
from torch import Tensor, nn
from torch.nn import functional as F

from monai_degia.errors import UserError
from monai_degia.flows.image_flow import ImageFlow, check_batch
from monai_degia.flows.prior import ClassConditionalPrior
from monai_degia.flows.real_nvp import RealNVP
from monai_degia.flows.state_shape import check_state_fits, shape_of_state
from monai_degia.flows.wavelet_flow import WaveletFlow

GREY_LEVELS = 256
# Interpolating between white pixels gives weights that add up to 1 but for rounding.
_ROUNDING = 1e-5
KINDS: dict[str, Callable[..., ImageFlow]] = {"wavelet": WaveletFlow, "real_nvp": RealNVP}


class FlowPrior(nn.Module):
    r"""Likelihood of an image given its class: a flow F and the prior of Eq. (8) over its latents.

    .. math:: \log p(x \mid c, n) = \log p(F(x) \mid c, n) + \log |\det \partial F / \partial x|

    Classes are integers in [0, num_classes), shape (B,); None means class 0 for every image. Noise n, shape
    (B, noise_features), is drawn in training mode and zero in eval mode when it is not given; see
    :class:`~monai_degia.flows.prior.ClassConditionalPrior`. Images are (C, X, Y), or volumes (C, X, Y, Z); their shape
    is fixed at construction.

    Where images are large, the flow may see a coarser copy of them (``flow_spacing``): it runs on the means of blocks,
    and the likelihood is that of the coarse image. What blocks average out is neither likely nor unlikely then.

    Args:
        spatial_shape: image sides (X, Y) or (X, Y, Z) in pixels.
        in_channels: image channels C.
        num_classes: number of classes.
        gamma: weight of the class mean in Eq. (8).
        shift_scale: the paper's lambda, the RMS of the random shift in latent units; 0 switches it off.
        noise_features: length of n.
        kind: "wavelet" (:class:`~monai_degia.flows.wavelet_flow.WaveletFlow`) or "real_nvp"
            (:class:`~monai_degia.flows.real_nvp.RealNVP`).
        flow_spacing: sides of the blocks in pixels, one number for all axes or one each; they divide the image's sides.
        shape: further arguments of the class of that kind: ``num_scales``, ``hidden_channels`` and so on.

    Raises:
        ValueError: if an argument is out of range, the kind is unknown or the sides do not divide; the message says
            which.
        TypeError: if the flow of that kind has no argument of a name in ``shape``.

    Example:
        >>> flow = FlowPrior((8, 8), in_channels=1).eval()
        >>> flow.bits_per_dim(flow.dequantize(torch.rand(3, 1, 8, 8)), c=None).shape
        torch.Size([3])

    """

    def __init__(
        self,
        spatial_shape: Sequence[int],
        in_channels: int,
        num_classes: int = 1,
        gamma: float = 1.0,
        shift_scale: float = 0.1,
        noise_features: int = 32,
        kind: str = "wavelet",
        flow_spacing: Sequence[int] | int = 1,
        **shape: Any,
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise UserError(f"Unknown kind of flow {kind!r}. Available: {', '.join(KINDS)}.")
        self.spatial_shape = tuple(int(side) for side in spatial_shape)
        self.flow_spacing = _checked_spacing(flow_spacing, self.spatial_shape)
        coarse = [side // block for side, block in zip(self.spatial_shape, self.flow_spacing, strict=True)]
        self.flow = KINDS[kind](coarse, in_channels, **shape)
        self.image_shape = (in_channels, *self.spatial_shape)
        self.shrink = nn.Identity()
        if max(self.flow_spacing) > 1:
            self.shrink = Pool[Pool.AVG, len(coarse)](self.flow_spacing)
        self.prior = ClassConditionalPrior(self.num_dims, num_classes, gamma, shift_scale, noise_features)

    @classmethod
    def from_state_dict(
        cls,
        state: Mapping[str, Tensor],
        spatial_shape: Sequence[int],
        in_channels: int,
        gamma: float = 1.0,
        shift_scale: float = 0.1,
        flow_spacing: Sequence[int] | int = 1,
    ) -> "FlowPrior":
        """Build the flow that a state dict belongs to, whatever its kind, width or number of classes, and load it.

        Args:
            state: the ``state_dict`` of a ``FlowPrior``.
            spatial_shape: image sides (X, Y) or (X, Y, Z) in pixels.
            in_channels: image channels C.
            gamma: weight of the class mean in Eq. (8), which no weight tells.
            shift_scale: lambda of Eq. (8), which no weight tells; a state without a shift stays without.
            flow_spacing: sides of the blocks that it was trained with.

        Returns:
            The flow with these weights, in training mode.

        Raises:
            ValueError: if the state is none of ``FlowPrior``, or the sides do not divide or are not those it was
                trained with.
        """
        told = {"gamma": gamma, "shift_scale": shift_scale, "flow_spacing": flow_spacing}
        flow = cls(spatial_shape, in_channels, **{**told, **shape_of_state(state)})
        check_state_fits(state, flow.state_dict(), (in_channels, *spatial_shape))
        flow.load_state_dict(state)
        return flow

    @property
    def num_dims(self) -> int:
        """Number of values D in an image as the flow sees it, and in a latent."""
        return self.flow.num_dims

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map images to latents.

        Args:
            x: images in [0, 1], shape ``(B, C, *spatial_shape)``.

        Returns:
            z of shape (B, D) and ``log |det dz/dx|`` in nats, shape (B,).

        Raises:
            ValueError: if x is not of that shape.
            TypeError: if x does not hold floating point numbers.
        """
        check_batch(x, self.image_shape, self.image_shape, "images")
        return self.flow(self.shrink(x))

    def inverse(self, z: Tensor) -> Tensor:
        """Map latents (B, D) to images as the flow sees them, not clamped to [0, 1]; errors as in ``forward``."""
        return self.flow.inverse(z)[0]

    def grow(self, coarse: Tensor) -> Tensor:
        """Repeat the pixels of images as the flow sees them over their blocks: ``shrink(grow(x))`` is x."""
        return F.interpolate(coarse, self.spatial_shape, mode="nearest") if max(self.flow_spacing) > 1 else coarse

    def log_prob(self, x: Tensor, c: Tensor | None = None, noise: Tensor | None = None) -> Tensor:
        """Log-density of images in nats, shape (B,).

        Args:
            x: images in [0, 1], shape ``(B, C, *spatial_shape)``.
            c: classes, shape (B,), or None.
            noise: n, shape (B, noise_features), or None.

        Returns:
            Log-density with respect to x in [0, 1], or to its coarse copy, shape (B,), not reduced.

        Raises:
            ValueError: if a shape, or a class, is wrong.
            TypeError: if x does not hold floating point numbers.
        """
        z, log_det = self(x)
        return self.log_prob_from_latent(z, log_det, c, noise)

    def log_prob_from_latent(
        self, z: Tensor, log_det: Tensor, c: Tensor | None = None, noise: Tensor | None = None
    ) -> Tensor:
        """``log_prob`` for callers that already have ``z, log_det = flow_prior(x)``: the flow does not run again."""
        return self.prior.log_prob(z, self._classes(c, z), noise) + log_det

    def bits_per_dim(self, x: Tensor, c: Tensor | None = None, noise: Tensor | None = None) -> Tensor:
        """Negative log-likelihood in bits per dimension, -log_prob / (D ln 2) + 8, shape (B,).

        The 8 is log2 of 256: it turns a density over [0, 1] into the probability of a grey level, for images that
        stand for 256 levels. Apply ``dequantize`` to such images first: only then does the mean over the data bound
        their code length; without it the density can pile up on the levels and the number falls without limit. Means
        of blocks have more than 256 levels: with ``flow_spacing`` it is a density on the same scale and no code length.
        Arguments and errors as in ``log_prob``.
        """
        return self.to_bits_per_dim(self.log_prob(x, c, noise))

    def to_bits_per_dim(self, log_prob: Tensor) -> Tensor:
        """Log-densities in nats, any shape, as bits per dimension; see :meth:`bits_per_dim`."""
        return -log_prob / (self.num_dims * math.log(2)) + math.log2(GREY_LEVELS)

    @torch.no_grad()
    def sample(self, c: Tensor, noise: Tensor | None = None) -> Tensor:
        """Draw an image as the flow sees it for each class in c (B,); not clamped, without gradient."""
        return self.inverse(self.prior.sample(c, noise))

    def dequantize(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Spread each of 256 grey levels over its interval: (255 x + u) / 256 with u uniform in [0, 1).

        Args:
            x: images in [0, 1], level k at k / 255, any shape; what rounding puts beyond by less than 1e-5 is clamped.
            generator: source of u, on the device of x; default: torch's global one.

        Returns:
            Images in [0, 1], shape and type of x.

        Raises:
            ValueError: if a value lies outside [0, 1] or is NaN.
            TypeError: if x does not hold floating point numbers.
        """
        if not x.is_floating_point():
            raise UserError(f"dequantize expects floating point images in [0, 1], got {x.dtype}. Divide levels by 255.")
        if not ((x >= -_ROUNDING) & (x <= 1 + _ROUNDING)).all():
            low, high = x.min().item(), x.max().item()
            raise UserError(
                f"dequantize expects image values in [0, 1], got [{low:.6g}, {high:.6g}]. Scale them first, "
                "for example with ScaleIntensityd, or clamp."
            )
        u = torch.rand(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        return (x.clamp(0, 1) * (GREY_LEVELS - 1) + u) / GREY_LEVELS

    def _classes(self, c: Tensor | None, z: Tensor) -> Tensor:
        return z.new_zeros(len(z), dtype=torch.long) if c is None else c


def _checked_spacing(flow_spacing: Sequence[int] | int, spatial_shape: tuple[int, ...]) -> tuple[int, ...]:
    if not isinstance(flow_spacing, int) and len(flow_spacing) != len(spatial_shape):
        raise UserError(f"flow_spacing needs one number, or one for each side of {spatial_shape}, got {flow_spacing}.")
    spacing = ensure_tuple_rep(flow_spacing, len(spatial_shape))
    if min(spacing, default=1) < 1 or any(side % block for side, block in zip(spatial_shape, spacing, strict=True)):
        raise UserError(f"flow_spacing must divide the sides {spatial_shape} of the images, got {flow_spacing}.")
    return tuple(int(block) for block in spacing)
