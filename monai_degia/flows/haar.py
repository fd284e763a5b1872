"""Space to depth by the Haar wavelet: what neighbouring pixels share is taken out before anything is learned."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from monai_degia.flows.bijections import Bijection

# Rows over the 2 x 2 block (0, 0), (0, 1), (1, 0), (1, 1): mean, then the differences along x, along y, and of both.
HAAR = ((1, 1, 1, 1), (1, 1, -1, -1), (1, -1, 1, -1), (1, -1, -1, 1))


class HaarSqueeze(Bijection):
    r"""Orthonormal Haar transform of each 2 x 2 block: (B, C, X, Y) becomes (B, 4 C, X / 2, Y / 2).

    The first C channels are the low-pass image, twice the mean of each block; the other 3 C are its details, the three
    differences of channel 0, then those of channel 1, and so on. The matrix is orthonormal, so the log-determinant is
    0. Wavelet Flow, section 3 (arXiv 2010.13821).

    With ``mix_channels`` the channels are first turned by the orthonormal cosine transform (DCT-II): of red, green and
    blue it makes grey and two differences of colour. The output is in the memory format ``channels_last``, in which
    the convolutions after it are faster.

    Args:
        num_channels: number of channels C.
        mix_channels: turn the channels first.
    """

    matrix: Tensor

    def __init__(self, num_channels: int, mix_channels: bool = False) -> None:
        super().__init__()
        colour = cosine_matrix(num_channels) if mix_channels else torch.eye(num_channels)
        rows = torch.kron(colour, torch.tensor(HAAR).to(colour) / 2)
        low_pass = range(0, 4 * num_channels, 4)
        details = [row for row in range(4 * num_channels) if row % 4]
        # A constant of the class, not a weight: it stays out of the state dict.
        self.register_buffer("matrix", rows[[*low_pass, *details], :, None, None], persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Move 2 x 2 blocks into low-pass and detail channels."""
        # Autocast would round the image itself to half precision, which no inverse can undo.
        with torch.autocast(x.device.type, enabled=False):
            z = F.conv2d(F.pixel_unshuffle(x, 2), self.matrix)
        return z.contiguous(memory_format=torch.channels_last), x.new_zeros(len(x))

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Put the blocks together again."""
        with torch.autocast(z.device.type, enabled=False):
            x = F.pixel_shuffle(F.conv2d(z, self.matrix.transpose(0, 1)), 2)
        return x, z.new_zeros(len(z))


def cosine_matrix(size: int) -> Tensor:
    """Orthonormal DCT-II matrix, shape (size, size); row 0 is the scaled mean."""
    place = torch.arange(size, dtype=torch.float64)
    rows = torch.cos(math.pi / size * (place + 0.5) * place[:, None]) * math.sqrt(2 / size)
    rows[0] /= math.sqrt(2)
    return rows.to(torch.get_default_dtype())
