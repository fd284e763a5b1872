"""Every bijection is judged by autograd and by its own inverse, in double precision, with all parameters randomised."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from monai_degia.flows.bijections import ActNorm, AffineCoupling, Bijection, Chain, ChannelPermutation, Squeeze
from monai_degia.flows.haar import HaarSqueeze
from monai_degia.flows.real_nvp import RealNVP
from monai_degia.flows.slice_coupling import SliceCoupling
from monai_degia.flows.wavelet_flow import WaveletFlow

Make = Callable[[], tuple[Bijection, tuple[int, ...]]]

SCALING: dict[str, Make] = {
    "act norm": lambda: (ActNorm(3), (3, 2, 4)),
    "coupling": lambda: (AffineCoupling(4, 5), (4, 2, 3)),
    "coupling, flipped": lambda: (AffineCoupling(4, 5, flip=True), (4, 2, 3)),
    "coupling, odd": lambda: (AffineCoupling(3, 5, residual_blocks=2), (3, 2, 2)),
    "coupling, odd and flipped": lambda: (AffineCoupling(3, 5, residual_blocks=0, flip=True), (3, 2, 2)),
    "coupling, one pixel": lambda: (AffineCoupling(4, 5), (4, 1, 1)),
    "chain": lambda: (
        Chain([Squeeze(), ActNorm(4), ChannelPermutation(4, 1), AffineCoupling(4, 5), AffineCoupling(4, 5, flip=True)]),
        (1, 2, 4),
    ),
    "flow, 1 x 2 x 2": lambda: (RealNVP((2, 2), 1, hidden_channels=5), (1, 2, 2)),
    "flow, 1 x 4 x 4, two scales": lambda: (RealNVP((4, 4), 1, hidden_channels=5), (1, 4, 4)),
    "flow, 3 x 4 x 4, one scale": lambda: (RealNVP((4, 4), 3, num_scales=1, hidden_channels=5), (3, 4, 4)),
    "flow, 3 x 4 x 4, two scales": lambda: (RealNVP((4, 4), 3, hidden_channels=5), (3, 4, 4)),
    "flow, 1 x 8 x 4": lambda: (RealNVP((8, 4), 1, hidden_channels=5, couplings_per_scale=3), (1, 8, 4)),
    "flow, 2 x 2 x 6": lambda: (RealNVP((2, 6), 2, hidden_channels=5, couplings_per_scale=1), (2, 2, 6)),
    "flow, 1 x 8 x 8, three scales": lambda: (RealNVP((8, 8), 1, hidden_channels=4, couplings_per_scale=2), (1, 8, 8)),
    "slice, first channels": lambda: (SliceCoupling(4, 0, 1, 5), (4, 2, 3)),
    "slice, middle": lambda: (SliceCoupling(5, 1, 3, 5), (5, 3, 2)),
    "slice, last channels": lambda: (SliceCoupling(4, 2, 4, 5), (4, 1, 1)),
    "wavelets, 1 x 2 x 2": lambda: (WaveletFlow((2, 2), 1, hidden_channels=5), (1, 2, 2)),
    "wavelets, 1 x 4 x 4, two scales": lambda: (WaveletFlow((4, 4), 1, 2, hidden_channels=5), (1, 4, 4)),
    "wavelets, 3 x 4 x 4": lambda: (WaveletFlow((4, 4), 3, hidden_channels=5), (3, 4, 4)),
    "wavelets, 2 x 2 x 6": lambda: (WaveletFlow((2, 6), 2, couplings=3, hidden_channels=5), (2, 2, 6)),
    "wavelets, 1 x 8 x 4, two scales": lambda: (WaveletFlow((8, 4), 1, couplings=1, hidden_channels=5), (1, 8, 4)),
    "volumes, act norm": lambda: (ActNorm(2, spatial_dims=3), (2, 2, 1, 3)),
    "volumes, coupling": lambda: (AffineCoupling(3, 5, spatial_dims=3), (3, 2, 1, 2)),
    "volumes, slice": lambda: (SliceCoupling(3, 1, 2, 5, spatial_dims=3), (3, 2, 2, 1)),
    "volumes, flow, 1 x 2 x 2 x 4": lambda: (RealNVP((2, 2, 4), 1, hidden_channels=5), (1, 2, 2, 4)),
    "volumes, flow, two scales": lambda: (RealNVP((4, 4, 4), 1, hidden_channels=3), (1, 4, 4, 4)),
    "volumes, wavelets, 2 x 2 x 4 x 2": lambda: (WaveletFlow((2, 4, 2), 2, hidden_channels=5), (2, 2, 4, 2)),
    "volumes, wavelets, two scales": lambda: (WaveletFlow((4, 4, 4), 1, 2, hidden_channels=4), (1, 4, 4, 4)),
    "wavelets, recomputed": lambda: (WaveletFlow((4, 4), 1, hidden_channels=5, use_checkpoint=True), (1, 4, 4)),
}
REORDERING: dict[str, Make] = {
    "squeeze": lambda: (Squeeze(), (2, 4, 6)),
    "permutation": lambda: (ChannelPermutation(5, seed=3), (5, 2, 2)),
    "haar": lambda: (HaarSqueeze(2), (2, 4, 6)),
    "haar, channels mixed": lambda: (HaarSqueeze(3, mix_channels=True), (3, 4, 2)),
    "volumes, squeeze": lambda: (Squeeze(), (2, 4, 2, 2)),
    "volumes, haar": lambda: (HaarSqueeze(2, mix_channels=True, spatial_dims=3), (2, 2, 4, 2)),
}
TABLE = {**SCALING, **REORDERING}


class ScaledLogDet(Bijection):
    """A wrong copy: log-determinants of the chosen directions are 5 % too large."""

    def __init__(self, bijection: Bijection, forward: float = 1.05, inverse: float = 1.05) -> None:
        super().__init__()
        self.bijection, self.factors = bijection, (forward, inverse)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z, log_det = self.bijection(x)
        return z, self.factors[0] * log_det

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        x, log_det = self.bijection.inverse(z)
        return x, self.factors[1] * log_det


class ShiftedInverse(ScaledLogDet):
    """A wrong copy: the inverse misses x by a constant that leaves its log-determinant right."""

    def __init__(self, bijection: Bijection) -> None:
        super().__init__(bijection, 1.0, 1.0)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        x, log_det = super().inverse(z)
        return x + 1e-3, log_det


@pytest.fixture(autouse=True)
def _double_precision() -> Iterator[None]:
    previous = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(previous)


def build(make: Make, batch_size: int = 3) -> tuple[Bijection, Tensor]:
    bijection, shape = make()
    for parameter in bijection.parameters():
        nn.init.normal_(parameter, std=0.25)
    return bijection.eval(), torch.rand(batch_size, *shape)


def autograd_log_det(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Log |det| of the Jacobian of each sample's map, from autograd alone."""

    def one(v: Tensor) -> Tensor:
        return function(v[None])[0].flatten()

    rows = [torch.autograd.functional.jacobian(one, v).flatten(1) for v in x]
    return torch.linalg.slogdet(torch.stack(rows)).logabsdet


def check_log_det(bijection: Bijection, x: Tensor) -> None:
    z, log_det = bijection(x)
    assert log_det.shape == (len(x),)
    assert_close(log_det, autograd_log_det(lambda v: bijection(v)[0], x))
    assert_close(bijection.inverse(z)[1], autograd_log_det(lambda v: bijection.inverse(v)[0], z))


def check_inverse(bijection: Bijection, x: Tensor) -> None:
    z, log_det = bijection(x)
    x_back, log_det_back = bijection.inverse(z)
    assert_close(x_back, x)
    assert_close(log_det_back, -log_det)


@pytest.mark.parametrize("make", TABLE.values(), ids=TABLE.keys())
def test_inverse_and_log_det(make: Make) -> None:
    bijection, x = build(make)
    z = bijection(x)[0]

    assert z.numel() == x.numel() and not torch.equal(z.flatten(), x.flatten()), "vacuous: the map is the identity"
    check_inverse(bijection, x)
    check_log_det(bijection, x)


@pytest.mark.parametrize("make", SCALING.values(), ids=SCALING.keys())
def test_checks_reject_wrong_copies(make: Make) -> None:
    bijection, x = build(make)

    assert bijection(x)[1].abs().min() > 1e-2, "vacuous: log-det is zero"
    with pytest.raises(AssertionError):
        check_log_det(ScaledLogDet(bijection), x)
    with pytest.raises(AssertionError):
        check_inverse(ScaledLogDet(bijection, inverse=1.0), x)
    with pytest.raises(AssertionError):
        check_inverse(ShiftedInverse(bijection), x)


@pytest.mark.parametrize("make", TABLE.values(), ids=TABLE.keys())
def test_samples_of_a_batch_do_not_mix(make: Make) -> None:
    bijection, x = build(make)
    z, log_det = bijection(x)
    for i in range(len(x)):
        z_one, log_det_one = bijection(x[i : i + 1])
        assert_close(z_one[0], z[i])
        assert_close(log_det_one[0], log_det[i])


@pytest.mark.parametrize("make", SCALING.values(), ids=SCALING.keys())
def test_every_parameter_gets_a_finite_gradient(make: Make) -> None:
    bijection, x = build(make)
    z, log_det = bijection(x)
    (z.square().sum() + log_det.sum()).backward()
    for name, parameter in bijection.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name
