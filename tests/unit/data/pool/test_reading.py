"""Reading in parallel, once a file, and the cache on disk: what serves a later run, and what does not."""

import logging
import os
import pickle
import subprocess
import sys
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.transforms import Compose, MapTransform, RandFlipd
from PIL import Image
from torch.testing import assert_close

from monai_degia import (
    AppearanceShiftd,
    FileGeometryd,
    LandmarksToImaged,
    LandmarksToWorldd,
    LoadAnyImaged,
    ReadOnceDataset,
    Reframed,
    shifted_copies,
)
from monai_degia.io.fingerprint import describe
from monai_degia.io.messages import short_message


class Counted(MapTransform):
    """Notes which images it has seen; not by an option, so that its fingerprint stays."""

    seen: list[str] = []

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        Counted.seen.append(Path(data["image"]).name)
        return dict(data)


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    Counted.seen.clear()


@pytest.fixture
def items(tmp_path: Path) -> list[dict[str, Any]]:
    noise = np.random.default_rng(0)
    found = []
    for number in range(6):
        path = tmp_path / f"{number}.png"
        Image.fromarray(noise.integers(0, 255, (20, 24, 3), dtype=np.uint8)).save(path)
        found.append({"image": str(path), "landmarks": noise.random((3, 2)).astype(np.float32) * 15, "class": number})
    return found


def pipeline() -> Compose:
    return Compose(
        [
            Counted("image"),
            LoadAnyImaged("image"),
            LandmarksToWorldd("landmarks"),
            Reframed("image"),
            LandmarksToImaged("landmarks"),
            AppearanceShiftd("image"),
            FileGeometryd("image"),
        ]
    )


def assert_same(one: Any, other: Any) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert a.keys() == b.keys()
        for key in a:
            assert type(a[key]) is type(b[key])
            assert_close(a[key], b[key], equal_nan=True) if torch.is_tensor(a[key]) else np.testing.assert_equal(
                a[key], b[key]
            )
        assert_close(a["image"].affine, b["image"].affine)
        assert {str(key) for key in a["image"].meta} == {str(key) for key in b["image"].meta}


def read(items: list[dict[str, Any]], **options: Any) -> ReadOnceDataset:
    return ReadOnceDataset(items, pipeline(), progress=False, **options)


@pytest.mark.parametrize("num_workers", [1, 3])
def test_copies_share_the_reading_and_equal_those_read_one_by_one(items: list, num_workers: int) -> None:
    copies = shifted_copies(items, ["negative", "dark"])
    dataset = read(copies, num_workers=num_workers)
    assert sorted(Counted.seen) == [f"{number}.png" for number in range(6)], "each picture once"
    assert_same(dataset, [pipeline()(item) for item in copies])
    assert not torch.equal(dataset[0]["image"], dataset[6]["image"]), "vacuous: the copies are not shifted"


def test_a_transform_that_names_no_options_shares_nothing_behind_it(items: list) -> None:
    copies = shifted_copies(items, ["negative"])
    chain = Compose([lambda item: dict(item), *pipeline().transforms])
    ReadOnceDataset(copies, chain, progress=False)
    assert not Counted.seen, "a function may be random: nothing behind it is kept"
    fields = [{**items[0], "landmarks": items[0]["landmarks"] + number} for number in range(2)]
    points = read(fields)
    assert len(Counted.seen) == 1 and not torch.equal(points[0]["landmarks"], points[1]["landmarks"])


def test_random_transforms_stay_random(items: list) -> None:
    chain = Compose([*pipeline().transforms, RandFlipd("image", prob=0.5)]).set_random_state(0)
    dataset = ReadOnceDataset(items[:1], chain, progress=False)
    assert len({float(dataset[0]["image"][0, 0, 0]) for _ in range(12)}) == 2


def test_a_later_run_reads_nothing(items: list, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "cache"
    with caplog.at_level(logging.INFO):
        first = read(items, cache_dir=folder)
        assert f"0 of 6 samples came from the cache in {folder}" in caplog.text and len(Counted.seen) == 6
        second = read(items, cache_dir=folder)
    assert f"6 of 6 samples came from the cache in {folder}" in caplog.text and len(Counted.seen) == 6
    assert_same(first, second)
    assert_same(pickle.loads(pickle.dumps(second)), second)
    assert not list(folder.rglob("*.partial*"))


def test_what_has_changed_is_read_anew(items: list, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    read(items, cache_dir=folder)
    Counted.seen.clear()
    status = os.stat(items[0]["image"])
    os.utime(items[0]["image"], ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    Image.new("RGB", (24, 20)).save(items[1]["image"])
    items[2]["landmarks"] = items[2]["landmarks"] + 1
    items[3]["class"] = 77
    changed = read(items, cache_dir=folder)
    assert sorted(Counted.seen) == ["0.png", "1.png", "2.png", "3.png"]
    assert changed[1]["image"].max() == 0 and changed[3]["class"] == 77
    Counted.seen.clear()
    other = Compose([*pipeline().transforms[:-1], FileGeometryd("image", spacing_key="mm")])
    ReadOnceDataset(items, other, cache_dir=folder, progress=False)
    assert len(Counted.seen) == 6, "another option"


def test_another_version_of_the_programs_reads_anew(
    items: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(items, cache_dir=tmp_path / "cache")
    monkeypatch.setattr("monai_degia.io.disk_cache.program_versions", lambda: "another")
    read(items, cache_dir=tmp_path / "cache")
    assert len(Counted.seen) == 12


@pytest.mark.parametrize("damage", [b"", b"no pickle at all", None])
def test_a_damaged_file_is_made_anew(
    items: list, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: bytes | None
) -> None:
    folder = tmp_path / "cache"
    whole = read(items, cache_dir=folder)
    for path in sorted(folder.rglob("*.pt"))[:2]:
        path.write_bytes(path.read_bytes()[:-200] if damage is None else damage)
    with caplog.at_level(logging.INFO):
        assert_same(read(items, cache_dir=folder), whole)
    assert "4 of 6 samples" in caplog.text and "; 2 damaged files there were made anew" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO):
        read(items, cache_dir=folder)
    assert "6 of 6 samples" in caplog.text


def test_what_is_no_single_file_is_not_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    array = {"image": np.zeros((1, 4, 4), dtype=np.float32), "landmarks": np.zeros((2, 2))}
    with caplog.at_level(logging.INFO):
        ReadOnceDataset([array], Compose([]), cache_dir=tmp_path / "cache", progress=False)
    assert "; 1 cannot be kept there" in caplog.text and not list((tmp_path / "cache").rglob("*.pt"))
    (tmp_path / "a.mhd").write_text("ElementDataFile = a.raw\n")
    header = {"image": str(tmp_path / "a.mhd")}
    ReadOnceDataset([header], Compose([]), cache_dir=tmp_path / "cache", progress=False)
    assert not list((tmp_path / "cache").rglob("*.pt")), "its pixels lie in another file, whose date is not known"


def test_a_transform_without_options_is_refused(items: list, tmp_path: Path) -> None:
    class Hidden(MapTransform):
        def __call__(self, data: Any) -> Any:
            return dict(data)

    chain = Compose([Hidden("image")])
    chain.transforms[0].secret = object()
    with pytest.raises(TypeError, match=r"cache_dir=.* object does not tell its options. Set cache_dir to null"):
        ReadOnceDataset(items, chain, cache_dir=tmp_path / "cache", progress=False)


FINGERPRINT = """
from monai.transforms import Compose, Lambdad, Resized
from monai_degia import LoadAnyImaged
from monai_degia.io.fingerprint import describe
from monai_degia.io.messages import short_message
scale = {number}
chain = [LoadAnyImaged("image"), Resized("image", (4, 4)), Lambdad("image", lambda image: image / scale)]
print(hash("a"), describe([Compose(chain), {{"b", "a", "c"}}, {{"x": 1, "a": (None, 2.0)}}]))
"""


@pytest.mark.slow
def test_a_fingerprint_is_that_of_every_process() -> None:
    def printed(seed: str, number: int = 255) -> list[str]:
        command = [sys.executable, "-W", "ignore", "-c", FINGERPRINT.format(number=number)]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        return done.stdout.splitlines()[-1].split(" ", 1)

    (one, first), (other, second) = printed("1"), printed("2")
    assert one != other and first == second


def test_fingerprints_tell_apart() -> None:
    def times(factor: float) -> Any:
        return lambda image: image * factor

    values = [1, 1.0, True, "1", None, [1], {1: 1}, np.ones(1), torch.ones(1), times(1), times(2), lambda x: x + 1, int]
    assert len({describe(value) for value in values}) == len(values)
    loop: list[Any] = []
    loop.append(loop)
    assert describe(loop)


@pytest.mark.parametrize("cache_rate", [1.0, 0.5])
def test_an_item_that_cannot_be_read_fails_or_is_left_out(
    items: list, caplog: pytest.LogCaptureFixture, cache_rate: float
) -> None:
    """With several copies a file: the copies that can be made stay."""
    good = [pipeline()(item) for item in items]
    Path(items[1]["image"]).write_bytes(b"damaged")
    copies = [*items, *({**item, "shift": "negative"} for item in items)]
    copies[8] = {**copies[8], "shift": "unheard of"}
    with pytest.raises(RuntimeError) as error:
        read(copies)
    assert "1.png" in str(short_message(error.value)) or "unheard of" in str(short_message(error.value))
    caplog.clear()
    dataset = read(copies, on_error="skip", cache_rate=cache_rate)
    assert len(dataset) == len(dataset.data) == 9 and [Path(n).name for n, _ in dataset.skipped] == [
        "1.png",
        "1.png",
        "2.png",
    ]
    assert_same([dataset[index] for index in range(5)], [good[0], *good[2:]])
    (told,) = [record.getMessage() for record in caplog.records if record.name.startswith("monai_degia.data")]
    assert told.startswith("3 of 12 samples cannot be read and are left out:")
    assert told.count("1.png: Cannot read image") == 1 and "unheard of" in told


def test_nothing_but_damage(items: list) -> None:
    for item in items:
        Path(item["image"]).write_bytes(b"damaged")
    with pytest.raises(ValueError, match=r"None of the 6 samples can be read\. The first is .*0\.png: Cannot read"):
        read(items, on_error="skip")


def test_a_misspelt_way_to_go_on(items: list) -> None:
    with pytest.raises(ValueError, match=r"on_error must be one of fail, skip, got 'skipp'\. Did you mean 'skip'"):
        read(items, on_error="skipp")
