"""The order in which a growing set is drawn."""

from collections import Counter
from typing import Any, cast

import pytest
import torch
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.distributed import DistributedSampler

from monai_degia.data.lists.splits import mix_datalists
from monai_degia.data.pool.growing import GrowingDataset
from monai_degia.data.pool.sampler import GrowingSampler


class Growing:
    """What the sampler asks of a growing set: how many samples there are, and how many of them are source samples."""

    def __init__(self, num_source: int, num_generated: int = 0) -> None:
        self.num_source, self.num_generated = num_source, num_generated

    def __len__(self) -> int:
        return self.num_source + self.num_generated


def sampler_of(num_source: int, num_draws: int, num_generated: int = 0, **kwargs: Any) -> GrowingSampler:
    return GrowingSampler(cast(GrowingDataset, Growing(num_source, num_generated)), num_draws, **kwargs)


def draw(sampler: GrowingSampler, epoch: int | None = None) -> list[int]:
    if epoch is not None:
        sampler.set_epoch(epoch)
    return list(sampler)


@pytest.mark.parametrize("size", [1, 5, 9, 10, 11, 100])
def test_length_is_the_number_of_draws_whatever_the_size(size: int) -> None:
    sampler = sampler_of(size, 10)
    drawn = draw(sampler)
    assert len(sampler) == len(drawn) == 10
    assert all(0 <= i < size for i in drawn)


def test_length_stays_while_the_set_grows() -> None:
    data = Growing(4)
    sampler = GrowingSampler(cast(GrowingDataset, data), 40)
    for epoch in range(5):
        drawn = draw(sampler, epoch)
        assert len(drawn) == len(sampler) == 40
        assert set(drawn) == set(range(len(data))), "samples that were added are drawn in the next epoch"
        data.num_generated += 5


@pytest.mark.parametrize("seed", range(3))
def test_a_sample_comes_again_only_after_all_others(seed: int) -> None:
    drawn = draw(sampler_of(3, 24, num_generated=4, seed=seed))
    passes = [drawn[i : i + 7] for i in range(0, 24, 7)]
    for one in passes[:3]:
        assert sorted(one) == list(range(7))
    assert len(passes[3]) == len(set(passes[3])) == 3
    assert passes[0] != passes[1], "each pass has an order of its own"


def test_draws_are_uniform_over_epochs() -> None:
    """Three of ten, 2000 times: each sample 600 times on average, with a standard deviation of 20."""
    sampler = sampler_of(2, 3, num_generated=8)
    counts = Counter(i for epoch in range(2000) for i in draw(sampler, epoch))
    assert len(counts) == 10 and all(abs(count - 600) < 100 for count in counts.values())


def test_seed_and_epoch_decide() -> None:
    def order(seed: int, epoch: int) -> tuple[int, ...]:
        return tuple(draw(sampler_of(50, 50, seed=seed), epoch))

    pairs = [(seed, epoch) for seed in range(4) for epoch in range(4)]
    orders = [order(*pair) for pair in pairs]
    assert orders == [order(*pair) for pair in pairs]
    # A seed that was added to the epoch would make (0, 1) equal (1, 0).
    assert len(set(orders)) == len(pairs)


def test_epoch_can_be_set_on_the_way() -> None:
    sampler = sampler_of(50, 50)
    first = draw(sampler)
    assert draw(sampler) == first, "the same epoch drawn again"
    assert draw(sampler, 1) != first
    assert draw(sampler, 0) == first


def test_monai_finds_a_sampler_whose_epoch_it_sets() -> None:
    sampler = sampler_of(6, 8)
    loader: DataLoader[int] = DataLoader(cast(Dataset, list(range(6))), sampler=sampler, batch_size=4)
    assert isinstance(loader.sampler, DistributedSampler)
    assert len(loader) == 2 and sum(len(batch) for batch in loader) == 8


@pytest.mark.parametrize(("share", "expected"), [(0.0, 2), (0.1, 4), (0.5, 20), (1.0, 40)])
def test_source_samples_have_a_smallest_share(share: float, expected: int) -> None:
    """Five source samples among 100: alike, 2 of 40 draws are theirs on average."""
    sampler = sampler_of(5, 40, num_generated=95, source_share=share)
    counts = [sum(i < 5 for i in draw(sampler, epoch)) for epoch in range(200)]
    if share == 0:
        assert abs(sum(counts) / 200 - expected) < 0.4 and len(set(counts)) > 1
    else:
        assert set(counts) == {expected}


def test_a_share_that_is_there_already_changes_nothing() -> None:
    assert draw(sampler_of(60, 40, num_generated=40, source_share=0.5)) == draw(sampler_of(60, 40, num_generated=40))
    assert draw(sampler_of(9, 40, source_share=1.0)) == draw(sampler_of(9, 40))


def test_with_a_share_samples_repeat_after_all_of_their_kind() -> None:
    sampler = sampler_of(5, 40, num_generated=95, source_share=0.5)
    drawn = draw(sampler)
    assert Counter(i for i in drawn if i < 5) == dict.fromkeys(range(5), 4)
    generated = [i for i in drawn if i >= 5]
    assert len(generated) == len(set(generated)) == 20 and max(generated) < 100
    # Mixed, not one kind after the other: a batch that held one kind would sway batch statistics.
    halves = [sum(i < 5 for i in half) for half in (drawn[:20], drawn[20:])]
    assert min(halves) > 4
    assert draw(sampler) == drawn and draw(sampler, 1) != drawn


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_share_out_of_range(share: float) -> None:
    with pytest.raises(ValueError, match=rf"source_share is a share of the draws in \[0, 1\], got {share}"):
        sampler_of(5, 3, source_share=share)


@pytest.mark.parametrize("draws", [0, -3])
def test_no_draws(draws: int) -> None:
    with pytest.raises(ValueError, match=f"num_draws must be positive, got {draws}: iterations an epoch times batch"):
        sampler_of(5, draws)


class Grown:
    num_source = 5

    def __len__(self) -> int:
        return 50


@pytest.mark.parametrize(("share", "expected"), [(0.05, None), (0.5, 50), (0.8, 80), (1.0, 100)])
def test_source_keeps_its_share_of_the_draws(share: float, expected: int | None) -> None:
    drawn = draw(GrowingSampler(Grown(), num_draws=100, source_share=share))
    counts = Counter(drawn)
    from_source = sum(counts[index] for index in range(5))
    assert len(drawn) == 100
    # A share that the source has anyway changes nothing: two passes over 50 samples.
    assert from_source == (10 if expected is None else expected)
    assert max(counts[i] for i in range(5)) - min(counts[i] for i in range(5)) <= 1
    if share == 0.5:
        assert not all(index < 5 for index in drawn[:50]), "kinds are mixed within the epoch"


def test_source_share_message() -> None:
    with pytest.raises(ValueError, match=r"share of the draws in \[0, 1\], got 2"):
        GrowingSampler(range(3), num_draws=1, source_share=2)


@pytest.mark.parametrize("source_share", [0.0, 0.75])
def test_processes_share_out_the_batches_that_one_would_draw(source_share: float) -> None:
    ranks, batch, draws = 3, 4, 4 * 5 + 2  # the last batch is smaller
    options: dict[str, Any] = {"num_generated": 60, "seed": 3, "source_share": source_share}
    alone = draw(sampler_of(20, draws * ranks, **options), epoch=2)
    shares = []
    for rank in range(ranks):
        sampler = sampler_of(20, draws, batch_size=batch, **options)
        sampler.num_replicas, sampler.rank = ranks, rank
        shares.append(draw(sampler, epoch=2))
        assert len(shares[-1]) == len(sampler) == draws
    for start in range(0, draws, batch):
        together = [index for share in shares for index in share[start : start + batch]]
        assert together == alone[start * ranks : start * ranks + len(together)]
    with pytest.raises(ValueError, match="batch_size must be positive, got 0"):
        sampler_of(4, 4, batch_size=0)


class Weighted(Growing):
    """Ten source samples, of which the first two are to be half of the draws."""

    source_weights = (2.5, 2.5, *[5 / 8] * 8)


@pytest.mark.parametrize("num_generated", [0, 5, 100])
def test_source_samples_are_drawn_by_their_weights(num_generated: int) -> None:
    data = cast(GrowingDataset, Weighted(10, num_generated))
    sampler = GrowingSampler(data, 64, source_share=0.5)
    source = round(64 * max(0.5, 10 / (10 + num_generated)))
    for epoch in range(5):
        counts = Counter(draw(sampler, epoch))
        assert sum(counts.values()) == 64
        assert sum(counts[i] for i in range(10)) == source
        for index, weight in enumerate(Weighted.source_weights):
            assert abs(counts[index] - source * weight / 10) < 1, "rounded up or down, no more"


def test_a_large_weight_does_not_bring_a_sample_twice_in_a_row_of_epochs_at_the_same_place() -> None:
    sampler = GrowingSampler(cast(GrowingDataset, Weighted(10)), 40)
    assert draw(sampler, 0) != draw(sampler, 1)
    assert draw(sampler, 1) == draw(GrowingSampler(cast(GrowingDataset, Weighted(10)), 40), 1)


def test_a_data_list_brings_its_weights() -> None:
    lists = [[{"image": "a", "landmarks": [[0, 0]]}] * 2, [{"image": "b", "landmarks": [[0, 0]]}] * 6]
    items = mix_datalists(lists, [3, 1])
    assert [item["weight"] for item in items] == pytest.approx([3] * 2 + [1 / 3] * 6)
    assert GrowingDataset(items).source_weights == pytest.approx([3] * 2 + [1 / 3] * 6)
    assert GrowingDataset(lists[0]).source_weights is None
    with pytest.raises(ValueError, match="one positive share for each of 2 lists"):
        mix_datalists(lists, [1])
    with pytest.raises(ValueError, match=r"nothing to draw from lists \[1\]"):
        mix_datalists([lists[0], []], [1, 1])


def test_one_draw_an_epoch_goes_by_the_weights_too() -> None:
    sampler = GrowingSampler(cast(GrowingDataset, Weighted(10)), 1)
    counts = Counter(index for epoch in range(2000) for index in draw(sampler, epoch))
    # 500 of 2000 each for the first two, with a standard deviation of 19, and 125 with one of 11 for the others.
    assert all(abs(counts[i] - 500) < 95 for i in range(2)) and all(abs(counts[i] - 125) < 55 for i in range(2, 10))


def test_a_batch_is_one_sample_and_the_seed_0_by_default() -> None:
    sampler = sampler_of(50, 50)
    assert (sampler.share, sampler.source_share) == (1, 0.0)
    assert draw(sampler) == draw(sampler_of(50, 50, seed=0))


def test_draws_by_weights_follow_from_seed_and_epoch_alone() -> None:
    """Whatever else has drawn random numbers before, as another process has."""
    orders = []
    for state in (1, 2):
        torch.manual_seed(state)
        sampler = GrowingSampler(cast(GrowingDataset, Weighted(10, 5)), 7)
        orders.append([draw(sampler, epoch) for epoch in range(20)])
    assert orders[0] == orders[1]
