"""Augmentation of whole batches in the trainer: its draws depend on seed, epoch and place alone."""

from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.data import DataLoader, MetaTensor
from monai.transforms import RandFlipd
from torch.testing import assert_close

from monai_degia import GrowingSampler, PrepareAugmentedBatch, PrepareLandmarkBatch, RandGeometryd, RunCheckpoint

GEOMETRY: dict[str, Any] = {"prob": 0.9, "rotate_range": 0.5, "translate_range": [2.0, 2.0], "scale_range": [0.2, 0.2]}


def prepared(augmentations: Any = None) -> PrepareAugmentedBatch:
    chosen = [RandGeometryd("image", **GEOMETRY)] if augmentations is None else augmentations
    return PrepareAugmentedBatch(PrepareLandmarkBatch(), chosen, seed=1)


def batches(sizes: list[int], count: int = 12) -> list[dict[str, Any]]:
    noise = torch.Generator().manual_seed(0)
    whole = {"image": torch.rand(count, 1, 16, 16, generator=noise), "landmarks": torch.full((count, 2, 2), 7.0)}
    parts = {key: value.split(sizes) for key, value in whole.items()}
    return [dict(zip(parts, own, strict=True)) for own in zip(*parts.values(), strict=True)]


def test_draws_do_not_depend_on_the_batch_size() -> None:
    results = []
    for sizes in ([12], [4, 4, 4], [5, 7]):
        prepare = prepared()
        pairs = [prepare(batch) for batch in batches(sizes)]
        results.append([torch.cat(parts) for parts in zip(*pairs, strict=True)])
    for images, labels in results[1:]:
        assert_close(images, results[0][0])
        assert_close(labels, results[0][1])
    assert results[0][1].flatten(1).unique(dim=0).shape[0] > 8, "each sample is moved by itself"


def test_processes_share_out_what_one_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = prepared()
    alone = [prepare(batch)[1] for batch in batches([4, 4, 4])]
    monkeypatch.setattr("monai_degia.engines.augmented_batch.idist.get_world_size", lambda: 2)
    for rank in (0, 1):
        monkeypatch.setattr("monai_degia.engines.augmented_batch.idist.get_rank", lambda rank=rank: rank)
        prepare = prepared()
        for whole, own in zip(alone, batches([2] * 6)[rank::2], strict=True):
            assert_close(prepare(own)[1], whole[2 * rank : 2 * rank + 2])


def test_an_epoch_starts_anew_and_none_is_like_another() -> None:
    prepare, (batch,) = prepared(), batches([12])
    first = prepare(batch)[1]
    then = prepare(batch)[1]
    prepare.start_epoch(1)
    assert torch.equal(prepare(batch)[1], first) and not torch.equal(first, then)
    prepare.start_epoch(2)
    assert not torch.equal(prepare(batch)[1], first)


def test_without_augmentation_it_is_what_it_wraps() -> None:
    (batch,) = batches([12])
    image, label = prepared([])(batch)
    assert torch.equal(image, batch["image"]) and torch.equal(label, PrepareLandmarkBatch()(batch)[1])


def test_images_with_meta_data_come_out_plain() -> None:
    (batch,) = batches([12])
    image, _ = prepared()({**batch, "image": MetaTensor(batch["image"]), "class": [0] * 12})
    assert type(image) is torch.Tensor


def test_a_transform_of_samples_is_refused() -> None:
    with pytest.raises(TypeError, match=r"RandFlipd cannot: it has no apply_batch .* train::augmentation"):
        prepared([RandFlipd("image", prob=0.5)])


def moving(run: Any, num_workers: int = 0) -> Any:
    """The run with geometry in its trainer, and the labels of all its batches."""
    run.trainer.prepare_batch = prepared()
    loader = run.trainer.data_loader
    sampler = GrowingSampler(run.dataset, num_draws=8)
    run.trainer.data_loader = DataLoader(
        loader.dataset, batch_size=4, sampler=sampler, num_workers=num_workers, multiprocessing_context=None
    )
    run.trainer.add_event_handler(Events.EPOCH_STARTED, lambda e: sampler.set_epoch(e.state.epoch))
    run.labels = []
    run.trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda e: run.labels.append(e.state.output["label"]))
    return run


@pytest.mark.slow
def test_workers_of_the_loader_change_nothing(tmp_path: Path, two_phases: Any) -> None:
    seen = []
    for workers in (0, 2):
        run = moving(two_phases(tmp_path / str(workers), epochs=2), workers)
        run.trainer.run()
        seen.append(torch.cat(run.labels))
    assert torch.equal(*seen)


def test_a_resumed_run_equals_one_that_never_stopped(tmp_path: Path, two_phases: Any) -> None:
    whole = moving(two_phases(tmp_path / "whole", epochs=3))
    whole.trainer.run()
    first = moving(two_phases(tmp_path / "cut", epochs=3))
    RunCheckpoint(tmp_path / "cut" / "checkpoint.pt", first.state).attach(first.trainer)

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    first.trainer.add_event_handler(Events.ITERATION_COMPLETED(once=5), stop)
    with pytest.raises(KeyboardInterrupt):
        first.trainer.run()
    second = moving(two_phases(tmp_path / "cut", epochs=3))
    RunCheckpoint(tmp_path / "cut" / "checkpoint.pt", second.state, resume=True).attach(second.trainer)
    second.trainer.run()
    assert torch.equal(torch.cat(second.labels), torch.cat(whole.labels)[-len(second.labels) * 4 :])
    for name, value in whole.network.state_dict().items():
        assert torch.equal(second.network.state_dict()[name], value)
