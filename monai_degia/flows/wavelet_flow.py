"""The flow that goes from coarse to fine: each scale models the details of an image given its coarser copy."""

from collections.abc import Sequence

from monai_degia.errors import UserError
from monai_degia.flows.bijections import ActNorm, Bijection, Chain
from monai_degia.flows.haar import HaarSqueeze
from monai_degia.flows.image_flow import ImageFlow, check_scales
from monai_degia.flows.slice_coupling import SliceCoupling


class WaveletFlow(ImageFlow):
    r"""Multi-scale flow over Haar wavelets, after Wavelet Flow (arXiv 2010.13821).

    Each scale splits its image into a low-pass image of half the sides and the details. The details go to the latent
    through couplings that see the low-pass image; the low-pass image itself goes on to the next scale untouched. So
    the density is that of a small image times that of each finer one given the coarser, which is what neighbouring
    pixels have in common already at the start of training. The couplings of a scale move two groups of details in
    turn, grey first, and each sees the low-pass image and the other group. In the last scale one more coupling moves
    the low-pass image given the details.

    Volumes go the same way, with seven details where images have three. The finest scale holds three quarters of all
    values of an image (seven eighths of a volume), so it has ``couplings`` of them; each coarser scale has half
    as many as the one before, but at least 2 (or ``couplings``, if that is less).

    Args:
        spatial_shape: image sides (X, Y) or (X, Y, Z) in pixels.
        in_channels: image channels C, at least 1.
        num_scales: number of scales; each side must be divisible by ``2 ** num_scales``. Default: as many as divide
            all sides and leave at least 2 pixels a side.
        couplings: couplings of the finest scale.
        hidden_channels: width of the CNN in each coupling.
        use_checkpoint: less memory for more time, see :class:`~monai_degia.flows.bijections.Chain`.

    Raises:
        ValueError: if an argument is not positive, or a side is not divisible by ``2 ** num_scales``.
    """

    def __init__(
        self,
        spatial_shape: Sequence[int],
        in_channels: int,
        num_scales: int | None = None,
        couplings: int = 4,
        hidden_channels: int = 32,
        use_checkpoint: bool = False,
    ) -> None:
        positive = {"in_channels": in_channels, "couplings": couplings, "hidden_channels": hidden_channels}
        for name, value in positive.items():
            if value < 1:
                raise UserError(f"{name} must be at least 1, got {value}.")
        # A side of 2 ** possible would end as one pixel, which has no neighbour to learn from.
        shortest = min(spatial_shape, default=0)
        num_scales = check_scales(spatial_shape, num_scales, lambda possible: possible - (shortest == 2**possible))
        dims = len(spatial_shape)
        scales = []
        for i in range(num_scales):
            layers = _scale(in_channels, couplings_at(i, couplings), hidden_channels, dims, finest=i == 0)
            if i == num_scales - 1:
                layers.append(SliceCoupling(2**dims * in_channels, 0, in_channels, hidden_channels, spatial_dims=dims))
            scales.append(Chain(layers, use_checkpoint))
        super().__init__((in_channels, *spatial_shape), scales, [in_channels] * (num_scales - 1))


def couplings_at(scale: int, couplings: int) -> int:
    """Number of couplings that move details in a scale, 0 being the finest."""
    return max(couplings >> scale, min(couplings, 2))


def _scale(channels: int, couplings: int, hidden_channels: int, dims: int, finest: bool) -> list[Bijection]:
    # With several channels the first group is all differences of grey; with one it is those along a single axis.
    width = 2**dims * channels
    border = channels + (2**dims - 1 if channels > 1 else dims)
    groups = ((channels, border), (border, width))
    layers: list[Bijection] = [HaarSqueeze(channels, finest, dims), ActNorm(width, spatial_dims=dims)]
    for i in range(couplings):
        start, stop = groups[i % 2]
        layers.append(SliceCoupling(width, start, stop, hidden_channels, spatial_dims=dims))
    return layers
