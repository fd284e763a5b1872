"""What the seed of a run decides: each round by itself, and each epoch's augmentation."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.data import DataLoader
from monai.transforms import RandomizableTransform

from monai_degia import EpochSeedHandler, GrowingDataset
from monai_degia.data.pool.seeds import derive_seed


def drawn(run: Any, rounds: int) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """For each round: the samples that it climbs, and the seeds that the ascent of its batches starts from."""
    found = []
    seeds: list[int] = []
    run.maximizer.ascent.set_random_state = lambda seed: seeds.append(seed)
    for _ in range(rounds):
        seeds.clear()
        samples = tuple(run.maximizer.sampler.draw())
        run.maximizer.run()
        found.append((samples, tuple(seeds)))
    return found


def test_every_round_climbs_other_samples_from_other_starts(tmp_path: Path, two_phases: Any) -> None:
    """Without the round in the seed, each one would climb what the first did, to the same images."""
    options = {"num_images": 6, "batch_size": 3}
    first = drawn(two_phases(tmp_path / "a", **options), 3)
    assert len({samples for samples, _ in first}) == 3
    starts = [seed for _, seeds in first for seed in seeds]
    assert len(starts) == len(set(starts)) == 6, "two batches a round"
    assert drawn(two_phases(tmp_path / "b", **options), 3) == first, "and a function of the seed they stay"


class Jitter(RandomizableTransform):
    """Notes what it draws from a random state of its own, which no global seed reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[float] = []

    def __call__(self, data: Any) -> Any:
        self.drawn.append(float(self.R.uniform()))
        return data


def epochs(seed: int, stirred: int, start: int = 0) -> list[float]:
    """What the augmentation draws for one sample in each of three epochs."""
    jitter = Jitter()
    dataset = GrowingDataset([{"image": torch.rand(1, 4, 4), "landmarks": torch.rand(2, 2)}], augmentation=jitter)
    dataset.set_random_state(stirred)  # whatever was before must not matter
    np.random.seed(stirred)
    trainer = Engine(lambda engine, batch: dataset[0])
    EpochSeedHandler(seed, dataset).attach(trainer)
    if start:
        trainer.load_state_dict({"epoch": start, "max_epochs": 3, "epoch_length": 1})
    trainer.run([0], max_epochs=3)
    return jitter.drawn


def test_an_epoch_s_augmentation_follows_from_seed_and_epoch_alone() -> None:
    whole = epochs(seed=1, stirred=5)
    assert len(set(whole)) == 3 and epochs(seed=1, stirred=6) == whole
    assert epochs(seed=2, stirred=5) != whole
    assert epochs(seed=1, stirred=7, start=1) == whole[1:], "as a resumed run draws"


def test_processes_draw_apart_and_the_first_as_one_alone_would(monkeypatch: pytest.MonkeyPatch) -> None:
    alone, found = epochs(seed=1, stirred=5), []
    for rank in (0, 1, 2):
        monkeypatch.setattr("monai_degia.engines.handlers.idist.get_rank", lambda rank=rank: rank)
        found.append(epochs(seed=1, stirred=5))
    assert found[0] == alone and torch.initial_seed() == derive_seed(1, 3, 2)
    assert len({draw for draws in found for draw in draws}) == 9
    monkeypatch.undo()
    epochs(seed=1, stirred=5)
    assert torch.initial_seed() == derive_seed(1, 3), "runs of a seed are the same from version to version"


@pytest.mark.parametrize("lasting", [False, True])
def test_workers_that_would_miss_seeds_and_rounds_are_refused(lasting: bool) -> None:
    dataset = GrowingDataset([{"image": torch.rand(1, 4, 4), "landmarks": torch.rand(2, 2)}])
    loader = DataLoader(dataset, num_workers=1, persistent_workers=lasting)
    trainer = Engine(lambda engine, batch: None)
    EpochSeedHandler(0, dataset).attach(trainer)
    if lasting:
        with pytest.raises(ValueError, match=r"see neither an epoch's seed.*leave persistent_workers out"):
            trainer.run(loader, max_epochs=1)
    else:
        trainer.run(loader, max_epochs=1)
        assert trainer.state.iteration == 1
