"""The growing training set: order, augmentation of both kinds, the cache, resuming."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import DataLoader, MetaTensor
from monai.transforms import Compose, RandAffined, RandomizableTransform, Transform
from torch import Tensor
from torch.testing import assert_close

from monai_degia.data.pool.growing import GrowingDataset
from monai_degia.reading.landmarks import LandmarksToImaged, LandmarksToWorldd

SIZE, POINTS = (48, 40), 3
CENTRE = torch.tensor([24.0, 20.0])


def painted(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Images (N, POINTS, X, Y), a blob a channel, and the landmarks (N, POINTS, 2) they are painted on."""
    points = CENTRE + 14 * torch.rand(count, POINTS, 2, generator=torch.Generator().manual_seed(seed)) - 7
    grid = torch.stack(torch.meshgrid(*[torch.arange(float(n)) for n in SIZE], indexing="ij"))
    distance = (grid - points[..., None, None]).square().sum(2)
    return torch.exp(-distance / (2 * 2.0**2)), points


def peaks(image: Tensor) -> Tensor:
    weights = (torch.as_tensor(image) - 0.3).clamp(min=0)
    grid = torch.meshgrid(*[torch.arange(float(n)) for n in SIZE], indexing="ij")
    return torch.stack([(weights * axis).sum((1, 2)) / weights.sum((1, 2)) for axis in grid], -1)


class Load(Transform):
    """Stands for a pipeline from files: an image with the affine of a file in LPS, and points in its pixels."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, item: Mapping[str, Any]) -> dict[str, Any]:
        self.runs += 1
        affine = torch.diag(torch.tensor([-0.5, -0.5, 1.0, 1.0], dtype=torch.float64))
        return {**item, "image": MetaTensor(item["image"].clone(), affine=affine, meta={"filename_or_obj": "a.png"})}


def dataset(folder: Path | None = None, count: int = 4, **kwargs: Any) -> GrowingDataset:
    images, points = painted(count, seed=0)
    items = [
        {"image": image, "landmarks": point, "class": i % 2, "domain": "photo"}
        for i, (image, point) in enumerate(zip(images, points, strict=True))
    ]
    return GrowingDataset(items, **{"transform": Load(), "pool_dir": folder, "max_generated": 10, **kwargs})


def grow(data: GrowingDataset, count: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    images, points = painted(count, seed)
    data.append(images, points, torch.full((count,), 3), torch.arange(count))
    return images, points


def augmentation() -> Compose:
    affine = RandAffined(
        "image", prob=1, rotate_range=0.5, scale_range=(0.2, 0.2), translate_range=4, padding_mode="border"
    )
    return Compose([LandmarksToWorldd("landmarks"), affine, LandmarksToImaged("landmarks")])


class Brighten(RandomizableTransform):
    """A random transform that writes into what it is given, as third-party ones may."""

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        shift = self.R.uniform(0.5, 1.0)
        data["image"] += shift
        data["landmarks"] += shift
        return data


def test_length_and_order(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    assert (len(data), data.num_source, data.num_generated, data.room) == (4, 4, 0, 10)
    images, points = grow(data, 3)
    data.rounds = 1
    more, more_points = grow(data, 2, seed=2)
    assert (len(data), data.num_source, data.num_generated, data.room) == (9, 4, 5, 5)

    source_images, source_points = painted(4, seed=0)
    expected = torch.cat([source_images, images, more])
    targets = torch.cat([source_points, points, more_points])
    for i in range(9):
        assert_close(torch.as_tensor(data[i]["image"]), expected[i], atol=1 / 510 + 1e-6, rtol=0, check_dtype=True)
        assert_close(data[i]["landmarks"], targets[i])
    assert [data[i]["class"] for i in range(9)] == [0, 1, 0, 1] + 5 * [3]
    assert data.pool is not None
    assert [data.pool[i]["round"] for i in range(5)] == [0, 0, 0, 1, 1]


def test_room_is_kept_when_more_comes(tmp_path: Path) -> None:
    data = dataset(tmp_path, max_generated=4)
    images, points = painted(6, seed=1)
    assert data.append(images, points, torch.zeros(6), torch.arange(6)) == 4
    assert len(data) == 8 and data.room == 0


@pytest.mark.parametrize("index", [9, 100])
def test_index_outside(tmp_path: Path, index: int) -> None:
    data = dataset(tmp_path)
    with pytest.raises(IndexError, match=f"no generated samples, asked for sample {index} of 4"):
        data[index]
    grow(data, 2)
    with pytest.raises(IndexError, match=f"holds 2 images, asked for number {index - 4}"):
        data[index]


def test_landmarks_stay_where_the_image_shows_them(tmp_path: Path) -> None:
    data = dataset(tmp_path, augmentation=augmentation()).set_random_state(0)
    _, points = grow(data, 4)
    plain = torch.cat([painted(4, seed=0)[1], points])
    moved = []
    for i in [*range(8), *range(8)]:
        sample = data[i]
        assert_close(peaks(sample["image"]), sample["landmarks"], atol=0.25, rtol=0)
        moved.append((sample["landmarks"] - plain[i]).norm(dim=1).mean())
    assert min(moved[:4]) > 0.5 and min(moved[4:8]) > 0.5, "both kinds are augmented"
    assert all(abs(a - b) > 1e-3 for a, b in zip(moved[:8], moved[8:], strict=True)), "anew at each draw"


def test_augmentation_follows_its_random_state(tmp_path: Path) -> None:
    data = dataset(tmp_path, augmentation=augmentation())
    grow(data, 2)
    draws = []
    for seed in (1, 1, 2):
        data.set_random_state(seed)
        draws.append(torch.stack([torch.as_tensor(data[i]["image"]) for i in (0, 5)]))
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize("cache_rate", [1.0, 0.5, 0.0])
def test_augmentation_does_not_write_into_what_is_kept(tmp_path: Path, cache_rate: float) -> None:
    data = dataset(tmp_path, augmentation=Brighten(), cache_rate=cache_rate)
    grow(data, 2)
    # Copies: what is compared must not be what is written into.
    before = deepcopy([data.plain_sample(i) for i in range(6)])
    for i in range(6):
        assert data[i]["image"].min() >= 0.5
    for i, sample in enumerate(before):
        assert torch.equal(data.plain_sample(i)["image"], sample["image"])
        assert torch.equal(data.plain_sample(i)["landmarks"], sample["landmarks"])


def test_deterministic_part_runs_once_a_sample() -> None:
    load = Load()
    data = dataset(transform=load)
    for i in [*range(4), *range(4)]:
        data[i]
    assert load.runs == 4


def test_source_view_is_plain_and_numbered(tmp_path: Path) -> None:
    data = dataset(tmp_path, augmentation=Brighten())
    images, points = grow(data, 2)
    view = data.source_view()
    assert len(view) == 6
    assert [view[i]["source"] for i in range(6)] == list(range(6))
    assert_close(torch.as_tensor(view[5]["image"]), images[1], atol=1 / 510 + 1e-6, rtol=0)
    assert torch.equal(view[5]["landmarks"], points[1])
    grow(data, 1)
    assert len(view) == 7


SOURCES: dict[str, dict[str, Any]] = {
    "as loaded": {"image": MetaTensor(torch.rand(POINTS, *SIZE)), "landmarks": torch.rand(POINTS, 2), "class": 1},
    "no class": {"image": MetaTensor(torch.rand(POINTS, *SIZE)), "landmarks": torch.rand(POINTS, 2)},
    "arrays": {"image": torch.rand(POINTS, *SIZE).numpy(), "landmarks": np.random.rand(POINTS, 2)},
    "plain tensors": {"image": torch.rand(POINTS, *SIZE), "landmarks": torch.rand(POINTS, 2), "domain": "photo"},
    "lists": {"image": torch.rand(POINTS, *SIZE), "landmarks": torch.rand(POINTS, 2).tolist()},
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES.keys())
@pytest.mark.parametrize("generated_first", [True, False])
def test_a_batch_mixes_both_kinds(tmp_path: Path, source: dict[str, Any], generated_first: bool) -> None:
    data = GrowingDataset([source, source], pool_dir=tmp_path)
    images, points = grow(data, 2)
    order = [2, 0, 1, 3] if generated_first else [0, 2, 3, 1]
    batch = next(iter(DataLoader(data, sampler=order, batch_size=4)))
    assert set(batch) == {"image", "landmarks", "class", "generated"}
    assert batch["generated"].tolist() == [index > 1 for index in order]
    assert batch["image"].shape == (4, POINTS, *SIZE) and batch["image"].dtype == torch.float32
    where = order.index(2)
    assert_close(torch.as_tensor(batch["image"][where]), images[0], atol=1 / 510 + 1e-6, rtol=0)
    assert_close(batch["landmarks"][where].float(), points[0])
    assert batch["class"][where] == 3 and batch["class"][order.index(0)] == source.get("class", 0)


@pytest.mark.parametrize("label", [7, np.int64(7), np.uint8(7), torch.tensor(7, dtype=torch.uint8), np.array(7)])
@pytest.mark.parametrize("augmented", [True, False])
def test_classes_of_both_kinds_in_one_batch(tmp_path: Path, label: Any, augmented: bool) -> None:
    source = {"image": torch.rand(1, 6, 5), "target": label}
    keep = Compose([RandAffined("image", prob=0.0)] if augmented else [])
    data = GrowingDataset([source, source], augmentation=keep, pool_dir=tmp_path, target_key="target")
    data.append(torch.rand(2, 1, 6, 5), torch.tensor([4, 5]), torch.tensor([4, 5]), torch.arange(2))
    for i, expected in enumerate([7, 7, 4, 5]):
        for sample in (data[i], data.plain_sample(i), data.bare_sample(i)):
            target = sample["target"]
            assert type(target) is Tensor and target.dtype == torch.int64 and target.shape == () and target == expected
    for order in ([0, 2, 1, 3], [3, 1, 2, 0]):
        (batch,) = DataLoader(data, batch_size=4, sampler=order)
        assert batch["target"].dtype == torch.int64
        assert batch["target"].tolist() == [[7, 7, 4, 5][i] for i in order]


def test_a_resumed_set_of_classes(tmp_path: Path) -> None:
    items = [{"image": torch.rand(1, 6, 5), "target": 1}]
    first = GrowingDataset(items, pool_dir=tmp_path, target_key="target")
    first.append(torch.rand(1, 1, 6, 5), torch.tensor([8]), torch.tensor([0]), torch.tensor([0]))
    resumed = GrowingDataset(items, pool_dir=tmp_path, target_key="target")
    resumed.load_state_dict(first.state_dict())
    assert resumed[1]["target"] == 8 and resumed[1]["target"].dtype == torch.int64
    (tmp_path / "targets.i64").unlink()
    with pytest.raises(ValueError, match="which are not there: point pool_dir at the folder of the run"):
        GrowingDataset(items, pool_dir=tmp_path, target_key="target").load_state_dict(first.state_dict())


@pytest.mark.parametrize("tracked", [True, False])
def test_batches_without_augmentation_are_plain_copies(tmp_path: Path, tracked: bool) -> None:
    """The short way round: the same samples, no metadata, and nothing shared with what is kept."""
    data = dataset(tmp_path) if tracked else dataset(tmp_path, transform=())
    grow(data, 3)
    samples = deepcopy([data[i] for i in range(7)])
    assert all(isinstance(sample["image"], MetaTensor) for sample in samples)
    for loader in (DataLoader, torch.utils.data.DataLoader):
        (batch,) = loader(data, batch_size=7)
        assert type(batch["image"]) is Tensor
        for key in ("image", "landmarks", "class"):
            expected = torch.stack([torch.as_tensor(sample[key]) for sample in samples])
            assert torch.equal(batch[key], expected), key
        batch["image"].zero_(), batch["landmarks"].zero_()
    (view,) = DataLoader(data.source_view(), batch_size=7)
    assert type(view["image"]) is Tensor and view["source"].tolist() == list(range(7))
    assert torch.equal(view["image"], torch.stack([sample["image"].as_tensor() for sample in samples]))


def test_batches_with_augmentation_take_the_long_way(tmp_path: Path) -> None:
    data = dataset(tmp_path, augmentation=Compose([Compose([augmentation()])])).set_random_state(0)
    grow(data, 2)
    one_by_one = [data[i] for i in range(6)]
    data.set_random_state(0)
    together = data.__getitems__(range(6))
    for a, b in zip(one_by_one, together, strict=True):
        assert isinstance(b["image"], MetaTensor)
        assert torch.equal(a["image"], b["image"]) and torch.equal(a["landmarks"], b["landmarks"])
    (batch,) = DataLoader(data, batch_size=6)
    assert (batch["landmarks"] - torch.stack([data.plain_sample(i)["landmarks"] for i in range(6)])).abs().min() > 1e-4


def test_samples_are_cut_from_what_they_are_views_of(tmp_path: Path) -> None:
    """Of images that are kept in one array, a draw must not copy the whole."""
    images = torch.rand(50, 1, 6, 5)
    data = GrowingDataset([{"image": image, "target": 0} for image in images], target_key="target")
    assert data.bare_sample(3)["image"].untyped_storage().nbytes() == images.nbytes
    assert data.plain_sample(3)["image"].untyped_storage().nbytes() == images.nbytes // 50


def test_a_resumed_set_is_the_one_of_the_checkpoint(tmp_path: Path) -> None:
    first = dataset(tmp_path)
    images, points = grow(first, 3)
    first.rounds = 2
    state = first.state_dict()
    grow(first, 4, seed=5)

    resumed = dataset(tmp_path)
    resumed.load_state_dict(state)
    assert resumed.rounds == 2 and len(resumed) == 7 and resumed.room == 7
    assert_close(torch.as_tensor(resumed[6]["image"]), images[2], atol=1 / 510 + 1e-6, rtol=0)
    assert torch.equal(resumed[6]["landmarks"], points[2])
    assert resumed.state_dict() == state


def test_a_checkpoint_from_before_the_first_round(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    state = data.state_dict()
    grow(data, 3)
    data.load_state_dict(state)
    assert len(data) == 4 and data.rounds == 0
    grow(data, 1)
    assert len(data) == 5


@pytest.mark.parametrize("lost", ["*", "images.u8", "targets.f32", "labels.i64"])
def test_files_of_the_pool_that_are_missing(tmp_path: Path, lost: str) -> None:
    first = dataset(tmp_path)
    grow(first, 3)
    state = first.state_dict()
    for path in tmp_path.glob(lost):
        path.unlink()
    with pytest.raises(ValueError, match="which are not there: point pool_dir at the folder of the run"):
        dataset(tmp_path).load_state_dict(state)


def test_resuming_without_a_folder(tmp_path: Path) -> None:
    first = dataset(tmp_path)
    grow(first, 1)
    with pytest.raises(ValueError, match="has no pool_dir"):
        dataset().load_state_dict(first.state_dict())


def test_growing_without_a_folder() -> None:
    with pytest.raises(ValueError, match="no pool_dir, so it cannot keep generated images: name a folder"):
        grow(dataset(), 1)


def test_no_data() -> None:
    with pytest.raises(ValueError, match="The training set is empty"):
        GrowingDataset([])


def test_a_source_sample_without_a_weight_counts_once() -> None:
    items: list[dict[str, Any]] = [{"image": torch.rand(1, 6, 5), "target": 0} for _ in range(3)]
    assert GrowingDataset(items, target_key="target").source_weights is None
    items[1]["weight"] = 3
    assert GrowingDataset(items, target_key="target").source_weights == [1.0, 3.0, 1.0]


def test_room_for_20000_images_of_landmarks_by_default(tmp_path: Path) -> None:
    images, points = painted(2, seed=0)
    data = GrowingDataset([{"image": image, "landmarks": point} for image, point in zip(images, points, strict=True)])
    assert data.room == 20000 and torch.equal(data[1]["landmarks"], points[1])


class Corner(RandomizableTransform):
    """A patch of 4 x 4 from a place of its own."""

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        x, y = self.R.randint(0, SIZE[0] - 4), self.R.randint(0, SIZE[1] - 4)
        return {**data, "image": data["image"][:, x : x + 4, y : y + 4]}


def test_a_patch_is_a_function_of_round_and_place(tmp_path: Path) -> None:
    data = dataset(tmp_path, patches=Corner(), max_generated=6)
    view = data.source_view()
    first = [torch.as_tensor(view[i]["image"]) for i in range(4)]
    assert all(patch.shape == (POINTS, 4, 4) for patch in first)
    data.set_random_state(9)
    assert all(torch.equal(torch.as_tensor(view[i]["image"]), first[i]) for i in range(4))
    assert torch.equal(torch.as_tensor(view.__getitems__([2])[0]["image"]), first[2])
    data.rounds = 1
    assert not any(torch.equal(torch.as_tensor(view[i]["image"]), first[i]) for i in range(4)), "anew each round"
    draws = []
    for seed in (1, 1, 2):
        data.set_random_state(seed)
        draws.append(torch.as_tensor(data[0]["image"]))
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


def test_a_round_of_patches_finds_its_room_before_it_is_climbed(tmp_path: Path) -> None:
    data = dataset(tmp_path, patches=Corner())
    data.reserve(2)
    assert data.pool is not None and data.pool.image_shape == (POINTS, 4, 4) and data.room == 10
