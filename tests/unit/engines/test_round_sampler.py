"""Which samples a round climbs: how many, in what batches, from where, and how they come to the networks."""

from pathlib import Path
from typing import Any

import pytest
import torch

from monai_degia import GrowingDataset, MaximizationEvents, PrepareLandmarkBatch
from monai_degia.engines.maximizer import RoundSampler


def grown(folder: Path, count: int = 12, generated: int = 0, max_generated: int = 100) -> GrowingDataset:
    items = [{"image": torch.rand(1, 4, 4), "landmarks": torch.rand(2, 2)} for _ in range(count)]
    data = GrowingDataset(items, pool_dir=folder, max_generated=max_generated)
    if generated:
        images, points = torch.rand(generated, 1, 4, 4), torch.rand(generated, 2, 2)
        data.append(images, points, torch.zeros(generated), torch.arange(generated))
    return data


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"num_images": 1}, 1),
        ({"num_images": 7}, 7),
        ({"num_images": 50}, 12),
        ({"fraction": 1.0}, 12),
        ({"fraction": 1}, 12),
        ({"fraction": 0.25}, 3),
        ({"fraction": 0.3}, 4),
        ({"fraction": 0.01}, 1),
    ],
)
def test_how_many_samples_a_round_takes(tmp_path: Path, options: dict[str, Any], count: int) -> None:
    """Without replacement; a share is rounded, and one image is the least."""
    drawn = RoundSampler(grown(tmp_path), **options).draw()
    assert len(drawn) == len(set(drawn)) == count and set(drawn) <= set(range(12))


def test_a_round_takes_no_more_than_there_is_room_for(tmp_path: Path) -> None:
    data = grown(tmp_path, generated=7, max_generated=10)
    assert len(RoundSampler(data, num_images=8).draw()) == 3


def test_generated_samples_are_climbed_again_only_where_that_is_asked_for(tmp_path: Path) -> None:
    data = grown(tmp_path, generated=30)
    source, expanded = RoundSampler(data, fraction=1.0), RoundSampler(data, num_images=42, expanded=True)
    assert (source.population, expanded.population) == (12, 42)
    assert sorted(source) == sorted(source) and sorted(i for batch in source for i in batch) == list(range(12))
    assert sorted(i for batch in expanded for i in batch) == list(range(42))


def test_batches_are_the_draw_in_order(tmp_path: Path) -> None:
    sampler = RoundSampler(grown(tmp_path), num_images=8, batch_size=3)
    order = sampler.draw()
    assert sampler.batches == [(0, order[:3]), (3, order[3:6]), (6, order[6:])]
    assert list(sampler) == [order[:3], order[3:6], order[6:]] and len(sampler) == 3
    assert len(RoundSampler(grown(tmp_path), num_images=3, batch_size=1)) == 3


def test_a_round_by_default(tmp_path: Path) -> None:
    data = grown(tmp_path, count=200, max_generated=1000)
    sampler = RoundSampler(data, num_images=150)
    assert [len(batch) for batch in sampler] == [64, 64, 22]
    assert sampler.draw() == RoundSampler(data, num_images=150, seed=0).draw()
    assert sampler.draw() != RoundSampler(data, num_images=150, seed=1).draw()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Give one of num_images and fraction, got num_images=None, fraction=None"),
        ({"num_images": 3, "fraction": 0.5}, "Give one of num_images and fraction, got num_images=3, fraction=0.5"),
        ({"num_images": 0}, "num_images must be positive, got 0"),
        ({"fraction": 0.0}, r"share of the source images in \(0, 1\], got 0.0"),
        ({"fraction": 1.01}, r"share of the source images in \(0, 1\], got 1.01"),
        ({"num_images": 3, "batch_size": 0}, "batch_size must be positive, got 0"),
    ],
)
def test_what_is_no_round(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RoundSampler(grown(tmp_path), **options)


def test_a_maximiser_by_default(tmp_path: Path, two_phases: Any) -> None:
    """As its sampler: batches of 64, the seed 0, and from source images alone."""
    run = two_phases(tmp_path)
    maximizer = type(run.maximizer)(run.dataset, run.ascent, "cpu", num_images=4)
    sampler = maximizer.sampler
    assert (sampler.batch_size, sampler.seed, maximizer.seed, sampler.expanded) == (64, 0, 0, False)


def test_the_output_of_a_batch_is_what_was_climbed_and_reached(tmp_path: Path, two_phases: Any) -> None:
    run = two_phases(tmp_path, num_images=5, batch_size=3)
    seen: list[dict[str, Any]] = []
    run.maximizer.add_event_handler("MODEL_COMPLETED", lambda e: seen.append(dict(e.state.output)))
    run.maximizer.run()
    order = run.maximizer.sampler.dataset
    assert [set(output) for output in seen] == [{"image", "label", "generated"}] * 2
    assert [len(output["image"]) for output in seen] == [3, 2]
    for output, start in zip(seen, (0, 3), strict=True):
        for place in range(len(output["image"])):
            kept = order.pool[start + place]
            source = order.bare_sample(kept["source"])
            assert torch.equal(output["image"][place].as_subclass(torch.Tensor), source["image"])
            assert (output["generated"][place] - kept["image"]).abs().max() <= 0.5 / 255 + 1e-6


def test_rounds_can_be_run_again_and_again(tmp_path: Path, two_phases: Any) -> None:
    """The place of a batch follows from the round, and not from how many batches were before it."""
    run = two_phases(tmp_path, num_images=5, batch_size=2)
    for number in range(1, 4):
        run.maximizer.run()
        assert run.dataset.rounds == number and run.dataset.num_generated == 5 * number
        assert (run.maximizer.state.iteration, run.maximizer.state.epoch_length) == (3, 3)
    sources = [run.dataset.pool[i]["source"] for i in range(15)]
    assert [run.dataset.pool[i]["round"] for i in range(15)] == [0] * 5 + [1] * 5 + [2] * 5
    assert all(len(set(sources[i : i + 5])) == 5 for i in (0, 5, 10))


def test_batches_are_moved_as_the_workflow_was_told(tmp_path: Path, two_phases: Any) -> None:
    seen: list[tuple[str, bool, dict[str, Any]]] = []

    def prepare(batch: Any, device: Any = None, non_blocking: bool = False, **kwargs: Any) -> Any:
        seen.append((str(device), non_blocking, kwargs))
        return PrepareLandmarkBatch()(batch, device, non_blocking, **kwargs)

    moved = {"memory_format": torch.channels_last}
    two_phases(tmp_path, num_images=3, prepare_batch=prepare, non_blocking=True, to_kwargs=moved).maximizer.run()
    assert seen == [("cpu", True, moved)]


def test_events_of_ones_own_stand_beside_those_of_a_round(tmp_path: Path, two_phases: Any) -> None:
    maximizer = two_phases(tmp_path, event_names=["measured"]).maximizer
    seen: list[str] = []
    for name in ("measured", MaximizationEvents.ROUND_STARTED):
        maximizer.add_event_handler(name, lambda _, name=name: seen.append(str(name)))
    maximizer.fire_event("measured")
    assert seen == ["measured"]
