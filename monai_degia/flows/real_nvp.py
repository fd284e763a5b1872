"""The multi-scale image flow, assembled from bijections."""

from collections.abc import Sequence

from monai_degia.errors import UserError
from monai_degia.flows.bijections import ActNorm, AffineCoupling, Bijection, Chain, ChannelPermutation, Squeeze
from monai_degia.flows.image_flow import ImageFlow, check_scales

MAX_DEFAULT_SCALES = 3


class RealNVP(ImageFlow):
    """Multi-scale RealNVP between images and flat latents (arXiv 1605.08803, section 3.6 and 3.7).

    The image is mapped from [0, 1] to [-1, 1]; then every scale squeezes *before* its first convolution, runs its
    couplings, and (but for the last) hands half of its channels to the latent and the other half to the next scale.
    Two successive couplings share one channel order and freeze opposite halves, so that any two of them change
    every channel.

    Args:
        spatial_shape: image sides (X, Y) or (X, Y, Z) in pixels.
        in_channels: image channels C, at least 1.
        num_scales: number of scales; each side must be divisible by ``2 ** num_scales``. Default: as many as divide
            all sides, at most 3.
        couplings_per_scale: affine couplings in each scale, each after an ActNorm.
        hidden_channels: width of the CNN in each coupling.
        residual_blocks: residual blocks in that CNN.
        seed: decides the channel orders. Weights come from torch's global generator, as in any module.
        use_checkpoint: less memory for more time, see :class:`~monai_degia.flows.bijections.Chain`.

    Raises:
        ValueError: if an argument is not positive, or a side is not divisible by ``2 ** num_scales``.
    """

    def __init__(
        self,
        spatial_shape: Sequence[int],
        in_channels: int,
        num_scales: int | None = None,
        couplings_per_scale: int = 3,
        hidden_channels: int = 16,
        residual_blocks: int = 1,
        seed: int = 0,
        use_checkpoint: bool = False,
    ) -> None:
        positive = {"in_channels": in_channels, "couplings_per_scale": couplings_per_scale}
        for name, value in {**positive, "hidden_channels": hidden_channels}.items():
            if value < 1:
                raise UserError(f"{name} must be at least 1, got {value}.")
        if residual_blocks < 0:
            raise UserError(f"residual_blocks must not be negative, got {residual_blocks}.")
        num_scales = check_scales(spatial_shape, num_scales, lambda possible: MAX_DEFAULT_SCALES)
        dims = len(spatial_shape)
        # A squeeze multiplies the channels by 2 ** dims, and half of them go on.
        widths = [in_channels * 2 ** (dims + scale * (dims - 1)) for scale in range(num_scales)]
        options = (couplings_per_scale, hidden_channels, residual_blocks, seed, dims)
        scales = [Chain([Squeeze(), *_couplings(width, *options)], use_checkpoint) for width in widths]
        super().__init__((in_channels, *spatial_shape), scales, [width // 2 for width in widths[:-1]])


def _couplings(
    width: int, count: int, hidden_channels: int, residual_blocks: int, seed: int, dims: int
) -> list[Bijection]:
    layers: list[Bijection] = []
    for i in range(count):
        if i % 2 == 0:
            layers.append(ChannelPermutation(width, seed + i))
        coupling = AffineCoupling(width, hidden_channels, residual_blocks, flip=i % 2 == 1, spatial_dims=dims)
        layers += [ActNorm(width, spatial_dims=dims), coupling]
    return layers
