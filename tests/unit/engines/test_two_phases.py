import copy
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.engines import IterationEvents
from PIL import Image, ImageChops
from torch.testing import assert_close

from monai_degia import (
    DeGIAKeys,
    DeGIATrainer,
    GeneratedImagesHandler,
    MaximizationEvents,
    MaximizationHandler,
    RunCheckpoint,
)


def weights(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def test_rounds_grow_the_set_between_epochs_of_constant_length(tmp_path: Path, two_phases: Any) -> None:
    run = two_phases(tmp_path, epochs=4)
    sizes, iterations = [], []
    run.trainer.add_event_handler(Events.EPOCH_STARTED, lambda _: sizes.append(len(run.dataset)))
    run.trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda e: iterations.append(e.state.iteration))

    run.trainer.run()

    assert sizes == [12, 16, 20, 24], "four images a round, none after the last epoch"
    assert iterations == [2, 4, 6, 8]
    assert run.dataset.rounds == 3


def test_both_networks_learn_and_the_flow_is_reported(tmp_path: Path, two_phases: Any) -> None:
    run = two_phases(tmp_path, epochs=1)
    before = weights(run.network).clone(), weights(run.flow).clone()
    outputs = []
    run.trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda e: outputs.append(dict(e.state.output)))

    run.trainer.run()

    assert not torch.equal(weights(run.network), before[0]) and not torch.equal(weights(run.flow), before[1])
    for output in outputs:
        expected = (output[DeGIAKeys.BITS_PER_DIM] - 8) * torch.log(torch.tensor(2.0))
        assert_close(output[DeGIAKeys.NLL], expected)


def test_flow_interval_skips_iterations(tmp_path: Path, two_phases: Any) -> None:
    run = two_phases(tmp_path, epochs=2)
    run.trainer.flow_interval = 3
    trained = []
    run.trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda e: trained.append(DeGIAKeys.NLL in e.state.output))
    run.trainer.run()
    assert trained == [True, False, False, True]


def test_plain_training_is_gradient_descent_on_the_task_loss_alone(tmp_path: Path, two_phases: Any) -> None:
    """Against a loop by hand over the same batches."""
    plain = two_phases(tmp_path, epochs=1, use_flow=False)
    by_hand = copy.deepcopy(plain.network)
    optimizer = torch.optim.Adam(by_hand.parameters(), 1e-3)
    batches: list[Any] = []
    plain.trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda e: batches.append(copy.deepcopy(e.state.batch)))
    plain.trainer.run()
    for batch in batches:
        wanted = torch.stack([(point + 0.5) / 16 for point in batch["landmarks"]])
        loss = (by_hand(torch.as_tensor(batch["image"])) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert len(batches) == 2
    assert_close(weights(plain.network), weights(by_hand), rtol=0, atol=1e-7)


def test_a_round_leaves_the_networks_as_they_are(tmp_path: Path, two_phases: Any) -> None:
    run = two_phases(tmp_path)
    run.network.train()
    before = weights(run.network).clone(), weights(run.flow).clone()

    run.maximizer.run()

    assert torch.equal(weights(run.network), before[0]) and torch.equal(weights(run.flow), before[1])
    assert all(p.grad is None for p in [*run.network.parameters(), *run.flow.parameters()])
    assert run.network.training and len(run.dataset) == 16


def test_generated_images_keep_their_source_labels_and_stay_near(tmp_path: Path, two_phases: Any) -> None:
    run = two_phases(tmp_path, num_images=12)
    run.maximizer.run()
    sources = []
    for index in range(12, 24):
        generated = run.dataset.pool[index - 12]
        source = run.dataset.plain_sample(generated["source"])
        sources.append(generated["source"])
        assert_close(generated["target"], torch.as_tensor(source["landmarks"]))
        moved = (generated["image"] - source["image"].as_tensor()).abs()
        # Three sign steps of 0.02, and half a grey level of rounding.
        assert 0 < moved.max() <= 3 * 0.02 + 0.5 / 255 + 1e-6
    assert sorted(sources) == list(range(12)), "fraction 1 climbs each source image once"


def test_events_of_a_round(tmp_path: Path, two_phases: Any) -> None:
    run = two_phases(tmp_path)
    seen: list[str] = []
    watched = [*MaximizationEvents, IterationEvents.INNER_ITERATION_STARTED, IterationEvents.INNER_ITERATION_COMPLETED]
    for event in [*watched, IterationEvents.MODEL_COMPLETED]:
        run.maximizer.add_event_handler(event, lambda _, name=event.name: seen.append(name))
    run.maximizer.run()
    inner = ["INNER_ITERATION_STARTED", "INNER_ITERATION_COMPLETED"] * 3 + ["MODEL_COMPLETED"]
    assert seen == ["ROUND_STARTED", *inner * 2, "ROUND_COMPLETED"]


def test_expanded_rounds_start_from_generated_images_too(tmp_path: Path, two_phases: Any) -> None:
    run = two_phases(tmp_path, num_images=12, expanded=True)
    run.maximizer.run()
    run.maximizer.run()
    assert max(run.dataset.pool[i]["source"] for i in range(12, 24)) >= 12


def test_full_pool_ends_growth_but_not_training(
    tmp_path: Path, two_phases: Any, caplog: pytest.LogCaptureFixture
) -> None:
    run = two_phases(tmp_path, epochs=4, num_images=5)
    run.dataset.max_generated = 7
    with caplog.at_level("WARNING"):
        run.trainer.run()
    assert run.dataset.num_generated == 7 and run.trainer.state.epoch == 4
    assert "full" in caplog.text


def test_max_rounds_and_interval(tmp_path: Path, two_phases: Any) -> None:
    run = two_phases(tmp_path, epochs=6)
    run.trainer._event_handlers[Events.EPOCH_COMPLETED] = []
    MaximizationHandler(run.maximizer, interval=2, max_rounds=1).attach(run.trainer)
    run.trainer.run()
    assert run.dataset.rounds == 1 and run.dataset.num_generated == 4


def test_resumed_run_equals_one_that_never_stopped(tmp_path: Path, two_phases: Any) -> None:
    whole = two_phases(tmp_path / "whole", epochs=4)
    whole.trainer.run()

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    first = two_phases(tmp_path / "cut", epochs=4)
    RunCheckpoint(tmp_path / "cut" / "checkpoint.pt", first.state).attach(first.trainer)
    # Killed in the middle of an epoch, after a round that the checkpoint knows and images that it does not.
    first.trainer.add_event_handler(Events.ITERATION_COMPLETED(once=5), stop)
    with pytest.raises(KeyboardInterrupt):
        first.trainer.run()

    second = two_phases(tmp_path / "cut", epochs=4)
    RunCheckpoint(tmp_path / "cut" / "checkpoint.pt", second.state, resume=True).attach(second.trainer)
    second.trainer.run()

    assert second.trainer.state.iteration == whole.trainer.state.iteration == 8
    assert second.dataset.rounds == whole.dataset.rounds and len(second.dataset) == len(whole.dataset)
    assert torch.equal(weights(second.network), weights(whole.network))
    assert torch.equal(weights(second.flow), weights(whole.flow))
    for index in range(whole.dataset.num_generated):
        assert torch.equal(second.dataset.pool[index]["image"], whole.dataset.pool[index]["image"])


def test_resume_messages(tmp_path: Path, two_phases: Any) -> None:
    run = two_phases(tmp_path, epochs=1)
    RunCheckpoint(tmp_path / "none.pt", run.state, resume=True).attach(run.trainer)
    with pytest.raises(ValueError, match=re.escape(str(tmp_path / "none.pt"))):
        run.trainer.run()

    plain = two_phases(tmp_path / "plain", epochs=1, use_flow=False)
    RunCheckpoint(tmp_path / "plain.pt", plain.state).attach(plain.trainer)
    plain.trainer.run()
    run = two_phases(tmp_path / "flow", epochs=2)
    RunCheckpoint(tmp_path / "plain.pt", run.state, resume=True).attach(run.trainer)
    with pytest.raises(ValueError, match="no flow, flow_optimizer"):
        run.trainer.run()

    again = two_phases(tmp_path / "plain", epochs=1, use_flow=False)
    RunCheckpoint(tmp_path / "plain.pt", again.state, resume=True).attach(again.trainer)
    with pytest.raises(ValueError, match="raise max_epochs"):
        again.trainer.run()


def test_training_stops_at_once_when_the_loss_is_not_a_number(tmp_path: Path, two_phases: Any) -> None:
    run = two_phases(tmp_path)
    with torch.no_grad():
        run.network[1].weight.fill_(float("nan"))
    with pytest.raises(ValueError, match="task loss is nan at iteration 1"):
        run.trainer.run()


def test_trainer_wants_flow_and_optimizer_together(tmp_path: Path, two_phases: Any) -> None:
    run = two_phases(tmp_path)
    with pytest.raises(ValueError, match="belong together"):
        DeGIATrainer(
            device="cpu",
            max_epochs=1,
            train_data_loader=run.trainer.data_loader,
            network=run.network,
            optimizer=run.optimizer,
            loss_function=torch.nn.MSELoss(),
            flow=run.flow,
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_images": None}, "one of num_images and fraction"),
        ({"num_images": 0}, "num_images must be positive"),
        ({"num_images": None, "fraction": 1.5}, r"\(0, 1\], got 1.5"),
    ],
)
def test_round_size_messages(tmp_path: Path, two_phases: Any, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        two_phases(tmp_path, **options)


def test_fraction_is_a_share_of_the_source(tmp_path: Path, two_phases: Any) -> None:
    run = two_phases(tmp_path, num_images=None, fraction=0.25)
    run.maximizer.run()
    assert run.dataset.num_generated == 3


def test_grid_of_generated_images_is_written_each_round(tmp_path: Path, two_phases: Any) -> None:
    run = two_phases(tmp_path, epochs=3)
    GeneratedImagesHandler(tmp_path / "pictures", columns=3, rows=1).attach(run.maximizer)
    run.trainer.run()
    files = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert files == ["generated_round=00.png", "generated_round=01.png"]
    # Two rows (source, generated) of three 16-pixel images with margins of 2 pixels, each pixel as a block of 11.
    picture = Image.open(tmp_path / "pictures" / files[0])
    assert picture.size == (11 * (3 * 18 + 2), 11 * (2 * 18 + 2)) and picture.width <= 640
    small = picture.resize((3 * 18 + 2, 2 * 18 + 2), Image.Resampling.NEAREST)
    assert ImageChops.difference(small.resize(picture.size, Image.Resampling.NEAREST), picture).getbbox() is None


@pytest.mark.parametrize("world", [2, 3, 5])
def test_a_round_is_the_same_however_many_processes_share_it(
    tmp_path: Path, two_phases: Any, monkeypatch: pytest.MonkeyPatch, world: int
) -> None:
    """Each process in turn, over one pool folder; with five of them and four batches, one has nothing to climb."""
    options = {"num_images": 10, "batch_size": 3}
    alone = two_phases(tmp_path / "alone", **options)
    alone.ascent.parametrization = "appearance"  # its start is random
    alone.maximizer.run()
    runs = []
    for rank in range(world):
        monkeypatch.setattr("monai_degia.engines.maximizer.idist.get_rank", lambda rank=rank: rank)
        monkeypatch.setattr("monai_degia.engines.maximizer.idist.get_world_size", lambda: world)
        run = two_phases(tmp_path / "shared", **options)
        run.ascent.parametrization = "appearance"
        runs.append(run)
        monkeypatch.setattr(run.dataset, "end_round", lambda order: None)  # they would wait for each other here
        run.maximizer.run()
        monkeypatch.undo()
    for run in runs:
        order = run.maximizer.sampler.draw()
        run.dataset.end_round(order)
        assert len(run.dataset) == len(alone.dataset) == 22 and run.dataset.rounds == 1
        for index in range(12, 22):
            assert torch.equal(run.dataset[index]["image"], alone.dataset[index]["image"])
            assert torch.equal(run.dataset[index]["landmarks"], alone.dataset[index]["landmarks"])
