"""Views of a batch: one call of the network, draws that repeat, and a resumed run that draws what was missing."""

from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.data import MetaTensor
from torch import Tensor, nn
from torch.testing import assert_close

from monai_degia.engines.checkpoints import RunCheckpoint
from monai_degia.engines.handlers import EpochSeedHandler
from monai_degia.engines.views import ViewsInferer
from monai_degia.losses.consistency import ViewsLoss, prediction_variance
from monai_degia.losses.landmark import LandmarkMSELoss


class Recorder(nn.Module):
    """Gives back its input and keeps what it was called with."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Tensor] = []

    def forward(self, x: Tensor, offset: float = 0.0) -> Tensor:
        self.calls.append(x)
        return x.flatten(1) + offset


def noise(images: Tensor, generator: torch.Generator) -> Tensor:
    return images + torch.rand(images.shape, generator=generator) + 0.1


def test_the_network_runs_once_on_all_views() -> None:
    network, images = Recorder(), torch.rand(4, 3, 8, 8)
    prediction = ViewsInferer(num_views=3)(images, network, offset=2.0)
    assert len(network.calls) == 1 and network.calls[0].shape == (12, 3, 8, 8)
    assert prediction.shape == (3, 4, 192)
    assert_close(prediction, network.calls[0].view(3, 4, -1) + 2)
    for a, b in ((0, 1), (1, 2), (0, 2)):
        assert (prediction[a] - prediction[b]).abs().amax(1).min() > 0.01, "two views of a sample are the same"


def test_one_view_has_no_axis_of_views() -> None:
    network, images = Recorder(), torch.rand(4, 1, 8, 8)
    assert ViewsInferer(num_views=1)(images, network).shape == (4, 64)
    assert (network.calls[0] - images).abs().flatten(1).amax(1).min() > 0.01


def test_the_source_may_be_the_first_view() -> None:
    images = torch.rand(4, 1, 8, 8)
    prediction = ViewsInferer(3, noise, include_source=True)(images, Recorder())
    assert torch.equal(prediction[0], images.flatten(1))
    assert (prediction[1:] > images.flatten(1)).all()


@pytest.mark.parametrize(("prob", "low", "high"), [(0.0, 0.0, 0.0), (0.3, 0.25, 0.35), (1.0, 1.0, 1.0)])
def test_prob_is_the_share_of_augmented_samples(prob: float, low: float, high: float) -> None:
    images = torch.rand(500, 1, 2, 2)
    prediction = ViewsInferer(3, noise, prob)(images, Recorder())
    changed = prediction != images.flatten(1)
    assert torch.equal(changed.any(2), changed.all(2)), "a sample is augmented as a whole"
    shares = changed.all(2).float().mean(1)
    assert shares.min() >= low and shares.max() <= high
    assert prob in (0.0, 1.0) or not torch.equal(changed[0], changed[1])


def test_the_seed_decides_and_batches_differ() -> None:
    images = torch.rand(4, 1, 8, 8)

    def draws(seed: int) -> Tensor:
        inferer = ViewsInferer(2).set_random_state(seed)
        torch.seed()  # the state of torch must decide nothing
        return torch.stack([inferer(images, Recorder()) for _ in range(3)])

    first = draws(1)
    assert torch.equal(draws(1), first) and not torch.equal(draws(2), first)
    assert not torch.equal(first[0], first[1])
    assert torch.equal(ViewsInferer(2, seed=1)(images, Recorder()), first[0])


def test_images_stay_as_they_are_and_gradient_flows() -> None:
    network, images = nn.Sequential(nn.Flatten(), nn.Linear(64, 5)), MetaTensor(torch.rand(4, 1, 8, 8))
    copy = images.clone()
    prediction = ViewsInferer(3)(images, network)
    assert torch.equal(images, copy) and not isinstance(prediction, MetaTensor)
    ViewsLoss(nn.CrossEntropyLoss())(prediction, torch.tensor([0, 1, 2, 3])).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())


def run_with_views(two_phases: Any, folder: Path, epochs: int) -> Any:
    run = two_phases(folder, epochs=epochs)
    run.trainer.inferer = ViewsInferer(3, seed=epochs)
    run.trainer.loss_function = ViewsLoss(LandmarkMSELoss(), prediction_variance)
    EpochSeedHandler(0, run.dataset, [run.trainer.inferer]).attach(run.trainer)
    return run


def test_resumed_run_draws_what_was_missing(tmp_path: Path, two_phases: Any) -> None:
    """Interrupted in the middle of an epoch; the inferers start with other seeds, which the handler overrules."""

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    whole = run_with_views(two_phases, tmp_path / "whole", epochs=3)
    whole.trainer.run()
    first = run_with_views(two_phases, tmp_path / "cut", epochs=2)
    RunCheckpoint(tmp_path / "checkpoint.pt", first.state).attach(first.trainer)
    first.trainer.add_event_handler(Events.ITERATION_COMPLETED(once=3), stop)
    with pytest.raises(KeyboardInterrupt):
        first.trainer.run()
    second = run_with_views(two_phases, tmp_path / "cut", epochs=3)
    RunCheckpoint(tmp_path / "checkpoint.pt", second.state, resume=True).attach(second.trainer)
    second.trainer.run()

    assert second.trainer.state.iteration == whole.trainer.state.iteration == 6
    for a, b in zip(second.network.parameters(), whole.network.parameters(), strict=True):
        assert torch.equal(a, b)
    assert whole.trainer.state.output["pred"].shape == (3, 4, 2, 2)


def test_each_thing_is_seeded_anew_every_epoch_by_a_seed_of_its_own(tmp_path: Path, two_phases: Any) -> None:
    def drawn(seed: int) -> list[list[int]]:
        run = two_phases(tmp_path / str(seed), epochs=3)
        others = [ViewsInferer(), ViewsInferer()]
        EpochSeedHandler(seed, run.dataset, others).attach(run.trainer)
        found: list[list[int]] = []

        def look(_: object) -> None:
            for other in others:
                other.randomize()
            found.append([other.seed for other in others])

        run.trainer.add_event_handler(Events.EPOCH_STARTED, look)
        run.trainer.run()
        return found

    first = drawn(0)
    assert len({seed for epoch in first for seed in epoch}) == 6
    (tmp_path / "0").rename(tmp_path / "old")
    assert drawn(0) == first and drawn(1) != first


def test_what_cannot_be_seeded(tmp_path: Path, two_phases: Any) -> None:
    run = two_phases(tmp_path)
    with pytest.raises(TypeError, match="cannot seed a Recorder, which has no set_random_state: leave it out"):
        EpochSeedHandler(0, run.dataset, [ViewsInferer(), Recorder()])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_views": 0}, "num_views must be at least 1 with include_source=False"),
        ({"num_views": 1, "include_source": True}, "at least 2 with include_source=True.*got 1"),
        ({"prob": -0.1}, r"prob must lie in \[0, 1\], got -0.1"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ViewsInferer(**options)


def test_what_augmentation_and_network_must_give() -> None:
    images = torch.rand(4, 1, 8, 8)
    with pytest.raises(ValueError, match=r"keep the shape of the images \(4, 1, 8, 8\), got \(4, 1, 4, 4\)"):
        ViewsInferer(augment=lambda x, _: x[..., ::2, ::2])(images, Recorder())
    with pytest.raises(ValueError, match="one tensor of 12 predictions, one for each image of 3 views, got list"):
        ViewsInferer()(images, lambda x: [x])  # type: ignore[arg-type, return-value]
    with pytest.raises(ValueError, match=r"one tensor of 12 predictions.*got \(5,\)"):
        ViewsInferer()(images, lambda x: torch.zeros(5))
