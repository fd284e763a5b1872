"""Space to depth by the Haar wavelet: what neighbouring pixels share is taken out before anything is learned."""

import math
from functools import reduce

import torch
from monai.networks.utils import pixelshuffle, pixelunshuffle
from torch import Tensor
from torch.nn import functional as F

from monai_degia.flows.bijections import Bijection

#: What depends on the number of spatial axes: the memory format in which convolutions are fast, and one 1 wide.
_CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}
_POINTWISE = {2: F.conv2d, 3: F.conv3d}


class HaarSqueeze(Bijection):
    r"""Orthonormal Haar transform of each 2 x 2 block: (B, C, X, Y) becomes (B, 4 C, X / 2, Y / 2).

    The first C channels are the low-pass image, twice the mean of each block; the other 3 C are its details, the three
    differences of channel 0, then those of channel 1, and so on. The matrix is orthonormal, so the log-determinant is
    0. Wavelet Flow, section 3 (arXiv 2010.13821). Volumes have blocks of 2 x 2 x 2 with seven differences.

    With ``mix_channels`` the channels are first turned by the orthonormal cosine transform (DCT-II): of red, green and
    blue it makes grey and two differences of colour. The output is in the memory format ``channels_last``, in which
    the convolutions after it are faster.

    Args:
        num_channels: number of channels C.
        mix_channels: turn the channels first.
        spatial_dims: 2 for images, 3 for volumes.
    """

    matrix: Tensor

    def __init__(self, num_channels: int, mix_channels: bool = False, spatial_dims: int = 2) -> None:
        super().__init__()
        colour = cosine_matrix(num_channels) if mix_channels else torch.eye(num_channels)
        block = haar_matrix(spatial_dims)
        rows = torch.kron(colour, block.to(colour))
        low_pass = range(0, len(rows), len(block))
        details = [row for row in range(len(rows)) if row % len(block)]
        # A constant of the class, not a weight: it stays out of the state dict.
        matrix = rows[[*low_pass, *details]].view(*rows.shape, *[1] * spatial_dims)
        self.register_buffer("matrix", matrix, persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Move blocks into low-pass and detail channels."""
        dims = x.ndim - 2
        # Autocast would round the image itself to half precision, which no inverse can undo.
        with torch.autocast(x.device.type, enabled=False):
            z = _POINTWISE[dims](pixelunshuffle(x, dims, 2), self.matrix)
        return z.contiguous(memory_format=_CHANNELS_LAST[dims]), x.new_zeros(len(x))

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Put the blocks together again."""
        dims = z.ndim - 2
        with torch.autocast(z.device.type, enabled=False):
            x = pixelshuffle(_POINTWISE[dims](z, self.matrix.transpose(0, 1)), dims, 2)
        return x, z.new_zeros(len(z))


def haar_matrix(spatial_dims: int) -> Tensor:
    """Orthonormal Haar matrix of one block, shape (2 ** spatial_dims, 2 ** spatial_dims).

    Columns are the places of the block, the last axis changing fastest. Rows are the mean, then the differences: along
    one axis (x, y, z), then of two axes at once, and so on.
    """
    signs = reduce(torch.kron, [torch.tensor([[1.0, 1.0], [1.0, -1.0]])] * spatial_dims)
    rows = (signs / math.sqrt(len(signs))).to(torch.get_default_dtype())
    # A row's number in binary says along which axes it takes differences, x being the highest digit.
    return rows[sorted(range(len(rows)), key=lambda row: (row.bit_count(), -row))]


def cosine_matrix(size: int) -> Tensor:
    """Orthonormal DCT-II matrix, shape (size, size); row 0 is the scaled mean."""
    place = torch.arange(size, dtype=torch.float64)
    rows = torch.cos(math.pi / size * (place + 0.5) * place[:, None]) * math.sqrt(2 / size)
    rows[0] /= math.sqrt(2)
    return rows.to(torch.get_default_dtype())
