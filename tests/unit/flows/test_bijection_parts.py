"""Behaviour of the single bijections that no property covers: initialisation, buffers, messages."""

import socket
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.multiprocessing as mp
from torch import nn
from torch.testing import assert_close

from monai_degia.flows.bijections import ActNorm, AffineCoupling, Chain, ChannelPermutation, Squeeze


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def test_squeeze_puts_each_block_into_channels() -> None:
    z, _ = Squeeze()(torch.arange(16.0).view(1, 1, 4, 4))
    assert z.shape == (1, 4, 2, 2)
    assert z[0, :, 0, 1].tolist() == [2, 3, 6, 7]


def test_permutation_is_fixed_by_its_seed_and_travels_in_the_state_dict() -> None:
    x = torch.randn(2, 12, 3, 3)
    one, same, other = ChannelPermutation(12, 1), ChannelPermutation(12, 1), ChannelPermutation(12, 2)
    assert torch.equal(one(x)[0], same(x)[0])
    assert not torch.equal(one(x)[0], other(x)[0])

    other.load_state_dict(one.state_dict())
    assert torch.equal(one(x)[0], other(x)[0])
    assert torch.equal(other.inverse(other(x)[0])[0], x)


def test_act_norm_standardises_its_first_training_batch_and_then_stays() -> None:
    norm, x = ActNorm(3), torch.randn(16, 3, 4, 4) * torch.tensor([0.1, 2, 5]).view(3, 1, 1) + 7
    z, _ = norm.train()(x)
    assert_close(z.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    assert_close(z.std((0, 2, 3), correction=0), torch.ones(3))

    before = norm.log_scale.clone()
    norm(10 * x)
    assert torch.equal(norm.log_scale, before)


def test_act_norm_is_the_identity_before_its_first_training_batch() -> None:
    norm, x = ActNorm(2).eval(), 3 * torch.randn(8, 2, 2, 2) + 1
    assert torch.equal(norm(x)[0], x) and not norm.initialized
    assert not torch.equal(norm.train()(x)[0], x) and norm.initialized


def test_act_norm_survives_the_state_dict() -> None:
    trained, loaded, x = ActNorm(2), ActNorm(2), 3 * torch.randn(8, 2, 2, 2) + 1
    trained.train()(x)
    loaded.load_state_dict(trained.state_dict())
    assert torch.equal(loaded.train()(5 * x)[0], trained(5 * x)[0])


def test_act_norm_only_shifts_a_constant_channel() -> None:
    norm, x = ActNorm(2), torch.randn(4, 2, 3, 3)
    x[:, 1] = 0.5
    z, log_det = norm.train()(x)
    assert torch.equal(z[:, 1], torch.zeros(4, 3, 3)) and torch.isfinite(log_det).all()
    assert norm.log_scale[0, 1].item() == 0


@pytest.mark.parametrize("x", [torch.zeros(0, 2, 3, 3), torch.full((2, 2, 3, 3), torch.nan)], ids=["empty", "nan"])
def test_act_norm_refuses_a_first_batch_it_cannot_use(x: torch.Tensor) -> None:
    norm = ActNorm(2).train()
    with pytest.raises(ValueError, match=r"first training batch.*empty or holds NaN"):
        norm(x)
    assert not norm.initialized


def test_act_norm_starts_with_the_moments_of_all_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two halves of a batch: what the other rank would add to the sum of means, then to that of squares."""
    x = torch.randn(8, 2, 3, 3) * torch.arange(1, 9).view(8, 1, 1, 1)
    whole, half = ActNorm(2).train(), ActNorm(2).train()
    whole(x)
    mean, axes = x.mean((0, 2, 3), keepdim=True), (0, 2, 3)
    others = iter([x[4:].mean(axes, keepdim=True), (x[4:] - mean).square().mean(axes, keepdim=True)])
    group = {"is_available": lambda: True, "is_initialized": lambda: True, "get_world_size": lambda: 2}
    ranks = SimpleNamespace(**group, all_reduce=lambda moments: moments.add_(next(others)))
    monkeypatch.setattr("monai_degia.flows.bijections.dist", ranks)
    half(x[:4])
    assert_close(half.state_dict(), whole.state_dict())


@pytest.mark.slow
def test_act_norm_starts_alike_on_all_ranks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)  # the started processes import the function by its name
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.save(torch.randn(8, 2, 3, 3) * torch.arange(1, 9).view(8, 1, 1, 1), tmp_path / "x.pt")
    from act_norm_ranks import act_norm_on_rank

    mp.spawn(act_norm_on_rank, (port, str(tmp_path / "x.pt")), nprocs=2)


def test_new_coupling_is_the_identity() -> None:
    x = torch.randn(2, 6, 3, 3)
    z, log_det = AffineCoupling(6)(x)
    assert torch.equal(z, x) and torch.equal(log_det, torch.zeros(2))


def test_coupling_keeps_one_half_and_bounds_the_scale_of_the_other() -> None:
    for flip in (False, True):
        coupling = AffineCoupling(4, 8, flip=flip, max_log_scale=0.5)
        for parameter in coupling.parameters():
            torch.nn.init.normal_(parameter, std=20.0)
        x = torch.randn(5, 4, 3, 3)
        z, log_det = coupling(x)
        frozen, moving = (slice(2, 4), slice(0, 2)) if flip else (slice(0, 2), slice(2, 4))
        assert torch.equal(z[:, frozen], x[:, frozen]) and not torch.isclose(z[:, moving], x[:, moving]).all()
        assert log_det.abs().max() <= 0.5 * 2 * 9 + 1e-4


def test_coupling_keeps_the_precision_of_the_image_under_autocast() -> None:
    coupling, x = AffineCoupling(4, 8), torch.randn(2, 4, 4, 4)
    for parameter in coupling.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        z, log_det = coupling(x)
        assert z.dtype == log_det.dtype == torch.float32
        assert_close(coupling.inverse(z)[0], x, atol=1e-4, rtol=1e-4)


def test_coupling_needs_two_channels() -> None:
    with pytest.raises(ValueError, match=r"num_channels >= 2, got 1"):
        AffineCoupling(1)


def test_a_coupling_of_two_channels_by_default() -> None:
    coupling = AffineCoupling(2)
    assert [layer.out_channels for layer in coupling.modules() if isinstance(layer, nn.Conv2d)] == [16, 16, 16, 2]
    for parameter in coupling.parameters():
        nn.init.normal_(parameter, std=20.0)
    x = torch.randn(5, 2, 3, 3)
    z, log_det = coupling(x)
    assert torch.equal(z[:, 0], x[:, 0]), "the front half is frozen"
    assert 1.0 * 9 < log_det.abs().max() <= 2.0 * 9 + 1e-4


def test_a_permutation_has_the_seed_0_by_default() -> None:
    x = torch.randn(1, 12, 2, 2)
    assert torch.equal(ChannelPermutation(12)(x)[0], ChannelPermutation(12, 0)(x)[0])


@pytest.mark.parametrize(("options", "calls"), [((), 1), ((False,), 1), ((True,), 2)])
def test_a_chain_computes_its_members_again_only_where_it_is_told_to(options: tuple[bool, ...], calls: int) -> None:
    member, seen = ActNorm(2).eval(), []  # type: ignore[var-annotated]
    member.register_forward_pre_hook(lambda *_: seen.append(1))
    chain, x = Chain([member], *options), torch.randn(2, 2, 3, 3)
    with torch.no_grad():
        chain(x)
    assert len(seen) == 1, "without a backward pass once"
    z, log_det = chain(x)
    (z.square().sum() + log_det.sum()).backward()
    assert len(seen) == 1 + calls
