"""Generated images on disk: precision, capacity, and what a resumed run finds."""

import errno
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from monai_degia.data.pool.pool import GeneratedPool
from monai_degia.errors import WriteError

IMAGE, TARGET = (3, 6, 4), (5, 2)
Batch = tuple[Tensor, Tensor, Tensor, Tensor]


def pool_in(folder: Path, capacity: int = 10, **shapes: Any) -> GeneratedPool:
    return GeneratedPool(folder, capacity, shapes.get("image", IMAGE), shapes.get("target", TARGET))


def batch(size: int) -> Batch:
    sources = torch.randint(1000, (size,))
    return torch.rand(size, *IMAGE), 100 * torch.randn(size, *TARGET), torch.randint(4, (size,)), sources


def check(pool: GeneratedPool, start: int, given: Batch, round_index: int) -> None:
    for i, (image, target, label, source) in enumerate(zip(*given, strict=True)):
        sample = pool[start + i]
        assert sample["image"].dtype == torch.float32
        assert_close(sample["image"], image, atol=1 / 510 + 1e-6, rtol=0)
        assert torch.equal(sample["target"], target)
        assert (sample["class"], sample["source"], sample["round"]) == (label, source, round_index)


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    pool, first, second = pool_in(tmp_path / "new" / "folder"), batch(3), batch(4)
    assert pool.append(*first, round_index=0) == 3
    assert pool.append(*second, round_index=7) == 4
    assert len(pool) == 7 and pool.room == 3
    check(pool, 0, first, 0)
    check(pool, 3, second, 7)


def test_error_of_eight_bits_is_half_a_level(tmp_path: Path) -> None:
    ramp = torch.linspace(0, 1, 5001)[:, None, None, None]
    pool = pool_in(tmp_path, 5001, image=(1, 1, 1), target=(1,))
    labels = torch.zeros(5001, dtype=torch.long)
    pool.append(ramp, torch.zeros(5001, 1), labels, labels, 0)
    error = torch.stack([pool[i]["image"] for i in range(5001)]) - ramp
    assert error.abs().max() <= 1 / 510 + 1e-6
    assert abs(error.mean()) < 1e-5, "values that are cut off and not rounded come out too dark"


def test_grey_levels_are_exact(tmp_path: Path) -> None:
    levels = (torch.arange(256) / 255).view(1, 1, 16, 16)
    pool, label = pool_in(tmp_path, 1, image=(1, 16, 16), target=(1,)), torch.zeros(1, dtype=torch.long)
    pool.append(levels, torch.zeros(1, 1), label, label, 0)
    assert torch.equal(pool[0]["image"], levels[0])


def test_targets_that_are_classes(tmp_path: Path) -> None:
    pool, label = pool_in(tmp_path, 4, target=()), torch.tensor([3, 1])
    pool.append(torch.rand(2, *IMAGE), label, label, label, 0)
    assert pool[0]["target"] == 3 and pool[0]["target"].shape == ()


def test_integer_targets_are_exact_and_stay_integers(tmp_path: Path) -> None:
    """Beyond 2^24 not every integer is a float32."""
    pool = GeneratedPool(tmp_path, 4, IMAGE, (), target_dtype="int64")
    target, label = torch.tensor([2**24 + 1, -3]), torch.tensor([0, 0])
    pool.append(torch.rand(2, *IMAGE), target, label, label, 0)
    assert [pool[i]["target"].item() for i in range(2)] == [2**24 + 1, -3]
    assert pool[0]["target"].dtype == torch.int64 and pool[0]["target"].shape == ()
    assert GeneratedPool.is_in(tmp_path, "int64") and not GeneratedPool.is_in(tmp_path)

    resumed = GeneratedPool(tmp_path, 4, IMAGE, (), target_dtype="int64")
    resumed.load_state_dict(pool.state_dict())
    assert resumed[1]["target"] == -3


def test_fractions_in_a_pool_of_integers(tmp_path: Path) -> None:
    pool, label = GeneratedPool(tmp_path, 4, IMAGE, (), "int64"), torch.zeros(1, dtype=torch.long)
    with pytest.raises(TypeError, match=r"holds integer targets, got torch\.float32: they would lose their fractions"):
        pool.append(torch.rand(1, *IMAGE), torch.rand(1), label, label, 0)
    assert len(pool) == 0


def test_volumes_with_masks(tmp_path: Path) -> None:
    shape = (1, 4, 6, 5)
    pool = GeneratedPool(tmp_path, 4, shape, shape, "uint8")
    images, masks, label = torch.rand(2, *shape), torch.rand(2, *shape) > 0.5, torch.zeros(2, dtype=torch.long)
    pool.append(images, masks, label, label, 0)
    assert pool[1]["target"].dtype == torch.uint8 and torch.equal(pool[1]["target"].bool(), masks[1])
    assert_close(pool[1]["image"], images[1], atol=0.5 / 255 + 1e-6, rtol=0)
    with pytest.raises(TypeError, match=r"targets of 8 bits, got torch\.int64"):
        pool.append(images, masks.long(), label, label, 0)


def test_unknown_type_of_targets(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="target_dtype must be one of float32, int64, uint8, got 'int8'"):
        GeneratedPool(tmp_path, 4, IMAGE, (), "int8")


def test_checkpoint_of_another_type_of_targets(tmp_path: Path) -> None:
    state = GeneratedPool(tmp_path, 4, IMAGE, (), "int64").state_dict()
    with pytest.raises(ValueError, match="pool holds targets of int64, this run's of float32"):
        pool_in(tmp_path, 4, target=()).load_state_dict(state)


def test_a_checkpoint_that_names_no_type_holds_landmarks(tmp_path: Path) -> None:
    first, given = pool_in(tmp_path), batch(2)
    first.append(*given, round_index=0)
    state = first.state_dict()
    assert state.pop("target_dtype") == "float32"
    resumed = pool_in(tmp_path)
    resumed.load_state_dict(state)
    check(resumed, 0, given, 0)
    with pytest.raises(ValueError, match="pool holds targets of float32, this run's of int64"):
        GeneratedPool(tmp_path, 10, IMAGE, TARGET, "int64").load_state_dict(state)


def test_a_batch_beyond_the_room_is_stored_in_part(tmp_path: Path) -> None:
    pool, given = pool_in(tmp_path, 5), batch(4)
    assert pool.append(*given, round_index=0) == 4
    assert pool.append(*given, round_index=1) == 1
    assert pool.append(*given, round_index=2) == 0
    assert len(pool) == 5 and pool.room == 0
    check(pool, 0, given, 0)
    check(pool, 4, tuple(part[:1] for part in given), 1)  # type: ignore[arg-type]


def test_what_comes_out_is_a_copy(tmp_path: Path) -> None:
    pool, given = pool_in(tmp_path), batch(1)
    pool.append(*given, round_index=0)
    sample = pool[0]
    sample["image"].zero_(), sample["target"].zero_()
    check(pool, 0, given, 0)


def test_a_resumed_run_finds_its_images(tmp_path: Path) -> None:
    first = pool_in(tmp_path)
    given = batch(4)
    first.append(*given, round_index=2)
    state = first.state_dict()
    del first

    resumed = pool_in(tmp_path)
    assert len(resumed) == 0, "the checkpoint says what counts, not the files"
    resumed.load_state_dict(state)
    assert len(resumed) == 4
    check(resumed, 0, given, 2)


def test_images_after_the_checkpoint_are_forgotten_and_overwritten(tmp_path: Path) -> None:
    first, kept, lost, new = pool_in(tmp_path), batch(3), batch(4), batch(2)
    first.append(*kept, round_index=0)
    state = first.state_dict()
    first.append(*lost, round_index=1)

    resumed = pool_in(tmp_path)
    resumed.load_state_dict(state)
    assert len(resumed) == 3
    with pytest.raises(IndexError):
        resumed[3]
    resumed.append(*new, round_index=1)
    assert len(resumed) == 5
    check(resumed, 0, kept, 0)
    check(resumed, 3, new, 1)


def test_a_state_is_plain_enough_for_safe_loading(tmp_path: Path) -> None:
    pool = pool_in(tmp_path / "pool")
    pool.append(*batch(2), round_index=0)
    torch.save(pool.state_dict(), tmp_path / "state.pt")
    assert torch.load(tmp_path / "state.pt", weights_only=True) == pool.state_dict()


def test_a_maximum_can_be_raised_between_runs(tmp_path: Path) -> None:
    first, given = pool_in(tmp_path, 4), batch(4)
    first.append(*given, round_index=0)
    larger = pool_in(tmp_path, 9)
    larger.load_state_dict(first.state_dict())
    assert larger.append(*given, round_index=1) == 4
    check(larger, 0, given, 0)
    check(larger, 4, given, 1)


def test_unused_room_costs_no_disk(tmp_path: Path) -> None:
    pool_in(tmp_path, 1_000_000)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) > 72_000_000
    assert sum(path.stat().st_blocks * 512 for path in tmp_path.iterdir()) < 1_000_000


@pytest.mark.parametrize("index", [2, 5, -1])
def test_index_outside(tmp_path: Path, index: int) -> None:
    pool = pool_in(tmp_path)
    pool.append(*batch(2), round_index=0)
    with pytest.raises(IndexError, match=f"holds 2 images, asked for number {index}"):
        pool[index]


@pytest.mark.parametrize("capacity", [0, -1])
def test_no_capacity(tmp_path: Path, capacity: int) -> None:
    with pytest.raises(ValueError, match=f"capacity must be positive, got {capacity}"):
        pool_in(tmp_path, capacity)


OTHER = {
    "image": ((2, 3, 6, 5), (2, 5, 2), r"holds images \(3, 6, 4\) .* got \(3, 6, 5\) with \(5, 2\)"),
    "target": ((2, 3, 6, 4), (2, 4, 2), r"with targets \(5, 2\), got \(3, 6, 4\) with \(4, 2\)"),
    "one target for all": ((2, 3, 6, 4), (1, 5, 2), "2 images with 1 targets, 2 classes and 2 sources"),
}


@pytest.mark.parametrize(("image", "target", "message"), OTHER.values(), ids=OTHER.keys())
def test_batch_of_other_shapes(tmp_path: Path, image: Any, target: Any, message: str) -> None:
    pool, labels = pool_in(tmp_path), torch.zeros(2, dtype=torch.long)
    with pytest.raises(ValueError, match=message):
        pool.append(torch.rand(image), torch.rand(target), labels, labels, 0)
    assert len(pool) == 0


def test_checkpoint_of_other_shapes(tmp_path: Path) -> None:
    state = pool_in(tmp_path / "a", image=(1, 8, 8)).state_dict()
    with pytest.raises(ValueError, match=r"checkpoint's pool holds images \(1, 8, 8\) .* this run's \(3, 6, 4\)"):
        pool_in(tmp_path / "b").load_state_dict(state)


def test_checkpoint_that_does_not_fit(tmp_path: Path) -> None:
    large = pool_in(tmp_path, 8)
    large.append(*batch(8), round_index=0)
    with pytest.raises(ValueError, match="knows 8 generated images, the pool takes 3: raise max_generated"):
        pool_in(tmp_path, 3).load_state_dict(large.state_dict())


def test_processes_write_side_by_side_and_count_together(tmp_path: Path) -> None:
    """Two pools over one folder, as two processes have them: nothing counts before both know all of it."""
    pools, first, second = [pool_in(tmp_path) for _ in range(2)], batch(3), batch(2)
    pools[0].append(*batch(1), round_index=0)
    pools[1].size = 1
    pools[1].write(4, *second, round_index=1)
    pools[0].write(1, *first, round_index=1)
    assert [len(pool) for pool in pools] == [1, 1]
    for pool in pools:
        pool.extend([*first[3].tolist(), *second[3].tolist()])
        assert len(pool) == 6
        check(pool, 1, first, 1)
        check(pool, 4, second, 1)
    with pytest.raises(ValueError, match="takes 10 images, asked to write 3 from number 8 on"):
        pools[0].write(8, *first, round_index=2)


def test_a_folder_that_is_not_shared_is_noticed(tmp_path: Path) -> None:
    here, there, given = pool_in(tmp_path / "here"), pool_in(tmp_path / "there"), batch(3)
    there.write(0, *given, round_index=0)
    there.extend(given[3].tolist())
    with pytest.raises(ValueError, match=r"not all in .*here(.|\n)*a file system that they share"):
        here.extend([7, 8, 9])
    assert len(here) == 0


def test_a_copy_in_another_process_opens_the_files_and_sees_what_comes_later(tmp_path: Path) -> None:
    pool = GeneratedPool(tmp_path, 2000, (3, 64, 64), TARGET)  # 25 MB
    packed = pickle.dumps(pool)
    assert len(packed) < 10_000
    copy = pickle.loads(packed)
    given = (torch.rand(3, 3, 64, 64), *batch(3)[1:])
    pool.append(*given, round_index=4)
    assert len(copy) == 3
    check(copy, 0, given, 4)
    pool.load_state_dict({**pool.state_dict(), "size": 1})
    with pytest.raises(IndexError, match="holds 1 images, asked for number 1"):
        copy[1]


def test_no_room_on_the_disk_is_told_before_a_round_is_climbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pool_in(tmp_path)
    asked: list[tuple[int, int]] = []

    def full(descriptor: int, start: int, length: int) -> None:
        asked.append((start, length))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(WriteError, match=r"Cannot write .*images\.u8: the disk is full\. Free some space"):
        pool.reserve(4)
    assert asked == [(0, 4 * 3 * 6 * 4)]
    with pytest.raises(WriteError, match="the disk is full"):
        pool.append(*batch(2), round_index=0)
    assert len(pool) == 0
    monkeypatch.setattr(os, "posix_fallocate", lambda *_: (_ for _ in ()).throw(OSError(errno.EOPNOTSUPP, "no")))
    given = batch(2)
    assert pool.append(*given, round_index=0) == 2, "a disk that cannot be asked"
    check(pool, 0, given, 0)


def test_a_lower_maximum_cuts_nothing_off(tmp_path: Path) -> None:
    """What a longer run made stays in the files, whatever maximum the next one names."""
    first, given = pool_in(tmp_path, 9), batch(9)
    first.append(*given, round_index=0)
    state = {**first.state_dict(), "size": 4}
    smaller = pool_in(tmp_path, 4)
    smaller.load_state_dict(state)
    assert smaller.room == 0
    again = pool_in(tmp_path, 9)
    again.load_state_dict(first.state_dict())
    check(again, 0, given, 0)


def test_the_disk_is_asked_for_what_a_round_can_take_behind_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pool_in(tmp_path)
    pool.append(*batch(2), round_index=0)
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "posix_fallocate", lambda _, start, length: asked.append((start, length)), raising=False)
    pool.reserve(3)
    rows = [3 * 6 * 4, 5 * 2 * 4, 3 * 8]  # bytes of an image, of its target, and of its three numbers
    assert asked == [(2 * row, 3 * row) for row in rows]
    asked.clear()
    pool.reserve(30)
    assert asked == [(2 * row, 8 * row) for row in rows], "no more than there is room for"
    asked.clear()
    pool.reserve(0)
    assert asked == []


def test_no_folder_holds_a_pool_of_an_unknown_type(tmp_path: Path) -> None:
    pool_in(tmp_path)
    assert GeneratedPool.is_in(tmp_path) and not GeneratedPool.is_in(tmp_path, "int8")


def test_values_beyond_the_range_are_stored_as_its_ends(tmp_path: Path) -> None:
    pool, label = pool_in(tmp_path), torch.zeros(2, dtype=torch.long)
    images = torch.stack([torch.full(IMAGE, -0.2), torch.full(IMAGE, 1.3)])
    pool.append(images, torch.zeros(2, *TARGET), label, label, 0)
    assert [pool[i]["image"].unique().tolist() for i in range(2)] == [[0.0], [1.0]]


@pytest.mark.parametrize("target_dtype", ["float32", "int64", "uint8"])
def test_images_of_an_unknown_run_are_not_taken_over(tmp_path: Path, target_dtype: str) -> None:
    """Whatever their labels are: a pool that was made without a run's name is nobody's."""
    GeneratedPool(tmp_path / "old", 4, IMAGE, (), target_dtype)
    with pytest.raises(ValueError, match="are those of an unknown run"):
        GeneratedPool(tmp_path / "old", 4, IMAGE, (), target_dtype, run_id="mine")
    for _ in range(2):
        GeneratedPool(tmp_path / "new", 4, IMAGE, (), target_dtype, run_id="mine")
    with pytest.raises(ValueError, match=r"those of run mine, not of this one \(other\)"):
        GeneratedPool(tmp_path / "new", 4, IMAGE, (), target_dtype, run_id="other")
