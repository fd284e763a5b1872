import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
import torch
from ignite.engine import Engine, Events
from monai.data import DataLoader, Dataset, MetaTensor
from monai.engines import SupervisedEvaluator
from monai.transforms import Compose, Flipd, Resized, Rotate90d
from PIL import Image
from pydicom.uid import CTImageStorage
from torch import Tensor, nn

from monai_degia.data.lists.datalist import load_datalist
from monai_degia.engines.batches import PrepareLandmarkBatch
from monai_degia.reading.file_geometry import FileGeometryd
from monai_degia.reading.guarded import GuardedCompose
from monai_degia.reading.images import LoadAnyImaged
from monai_degia.reading.landmarks import FlipMarkedd, normalize_landmarks
from monai_degia.reports.landmark_files import LandmarkFileWriter
from monai_degia.results import landmark_tables
from monai_degia.results.overlay_files import OverlayWriter
from monai_degia.results.prediction import LandmarkPrediction

NAMES = ["sella", "nasion", "menton"]


class Answer(nn.Module):
    """Predicts given normalised points, image after image."""

    def __init__(self, points: Tensor) -> None:
        super().__init__()
        self.points, self.next = points, 0

    def forward(self, image: Tensor) -> Tensor:
        self.next += len(image)
        return self.points[self.next - len(image) : self.next]


def run(samples: list[dict[str, Any]], steps: list[Any], answer: Tensor, writer: LandmarkFileWriter) -> None:
    transform = Compose([LoadAnyImaged("image"), *steps, FileGeometryd("image")])
    SupervisedEvaluator(
        device="cpu",
        val_data_loader=DataLoader(Dataset(samples, transform), batch_size=2),
        network=Answer(answer),
        prepare_batch=PrepareLandmarkBatch(),
        val_handlers=[writer],
        decollate=False,
    ).run()


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    (folder / "b").mkdir(parents=True)
    for name, (width, height) in {"a.png": (50, 30), "b/a.png": (20, 80), "c.png": (64, 64)}.items():
        Image.fromarray(np.zeros((height, width), dtype=np.uint8)).save(folder / name)
    return folder


SIZES = [(50, 30), (20, 80), (64, 64)]
FILES = ["a.png", "b/a.png", "c.png"]


def test_csv_trains_on_images_as_they_were_taken(images: Path, tmp_path: Path) -> None:
    modalities, sides, mirrors = (
        ["photo", "depth", "xray"],
        [[0.3, 0.5], [0.2, 0.2], [1e-05, 12.5]],
        [True, False, True],
    )
    samples = [
        {"image": str(images / name), "modality": modality, "spacing": spacing, "mirror": mirror}
        for name, modality, spacing, mirror in zip(FILES, modalities, sides, mirrors, strict=True)
    ]
    steps = [FlipMarkedd("image"), Resized("image", (32, 32))]
    run(samples, steps, torch.rand(3, 3, 2), LandmarkFileWriter(tmp_path, NAMES, image_dir=images))
    items = load_datalist(tmp_path / "landmarks.csv", landmarks=NAMES, image_dir=images)
    assert [item["modality"] for item in items] == modalities and [item["mirror"] for item in items] == mirrors
    assert np.allclose([item["spacing"] for item in items], sides, rtol=1e-5)


def test_points_come_back_in_pixels_of_each_file(images: Path, tmp_path: Path) -> None:
    true = torch.stack([torch.rand(3, 2) * torch.tensor(size) - 0.5 for size in SIZES])
    # Resizing keeps the place as a fraction of the side; the rest of the way is mirrored, then turned by a quarter.
    u = torch.stack([normalize_landmarks(points, size) for points, size in zip(true, SIZES, strict=True)])
    mirrored = torch.stack([1 - u[..., 0], u[..., 1]], -1)
    turned = torch.stack([1 - mirrored[..., 1], mirrored[..., 0]], -1)
    steps = [Resized("image", (32, 48)), Flipd("image", spatial_axis=0), Rotate90d("image", k=1)]
    samples = [{"image": str(images / name)} for name in FILES]
    run(samples, steps, turned, LandmarkFileWriter(tmp_path / "out", NAMES, image_dir=images, model_version="m 1.2"))
    entries = json.loads((tmp_path / "out" / "landmarks.json").read_text())
    assert [entry["image"] for entry in entries] == FILES
    for entry, points in zip(entries, true.tolist(), strict=True):
        assert list(entry["landmarks"]) == NAMES
        for name, point in zip(NAMES, points, strict=True):
            assert entry["landmarks"][name] == pytest.approx(point, abs=0.0051)
        assert entry["outside"] is False and entry["spacing_mm"] is None and entry["model_version"] == "m 1.2"


def test_csv_is_a_data_list_with_the_same_figures(images: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    samples = [
        {"image": str(images / name), "spacing": [spacing, spacing]}
        for name, spacing in zip(FILES, (0.25, 0.143, float("nan")), strict=True)
    ]
    writer = LandmarkFileWriter(tmp_path / "out", NAMES, image_dir=images)
    run(samples, [Resized("image", (32, 32))], torch.rand(3, 3, 2), writer)
    entries = json.loads((tmp_path / "out" / "landmarks.json").read_text())
    items = load_datalist(tmp_path / "out" / "landmarks.csv", landmarks=NAMES, image_dir=images)
    for item, entry, name in zip(items, entries, FILES, strict=True):
        assert Path(item["image"]) == images / name
        assert np.allclose(item["landmarks"], list(entry["landmarks"].values()), atol=1e-4)
        if entry["spacing_mm"] is None:
            assert "spacing" not in item
        else:
            assert np.allclose(item["spacing"], entry["spacing_mm"])
    assert [entry["spacing_mm"] for entry in entries] == [pytest.approx([0.25] * 2), pytest.approx([0.143] * 2), None]
    cells = list(csv.reader((tmp_path / "out" / "landmarks.csv").open()))
    further = ["outside", "spacing_mm", "spacing_source", "confidence", "radius_px", "radius_mm", "domain_shift"]
    further += ["withheld", "modality", "mirrored", "thumb_side", "thumb_side_source", "sop_instance_uid"]
    further += ["model_version"]
    radii = [f"{name}_radius" for name in NAMES]
    assert cells[0] == ["image", *(f"{n}_{a}" for n in NAMES for a in "xy"), *further, *radii]
    assert all(row[-len(NAMES) :] == [""] * len(NAMES) for row in cells[1:]), "no radius is known here"
    assert all(len(cell.partition(".")[2]) == 2 for row in cells[1:] for cell in row[1:7])
    assert [row[8] for row in cells[1:]] == ["0.25", "0.143", ""]


@pytest.mark.parametrize(
    ("point", "outside"),
    [((0.0, 0.5), False), ((1.0, 1.0), False), ((-0.02, 0.5), True), ((0.5, -0.02), True), ((1.02, 0.5), True)],
)
def test_a_landmark_beyond_the_edge_of_the_file_is_flagged(
    images: Path, tmp_path: Path, point: tuple[float, float], outside: bool
) -> None:
    answer = torch.full((1, 3, 2), 0.5)
    answer[0, 2] = torch.tensor(point)
    writer = LandmarkFileWriter(tmp_path, NAMES)
    run([{"image": str(images / "b" / "a.png")}], [Resized("image", (32, 32))], answer, writer)
    assert json.loads((tmp_path / "landmarks.json").read_text())[0]["outside"] is outside
    row = next(csv.DictReader((tmp_path / "landmarks.csv").open()))
    assert row["outside"] == str(int(outside)) and row["image"] == "a.png"


def test_sides_that_differ_in_spacing_are_both_written(images: Path, tmp_path: Path) -> None:
    sample = {"image": str(images / "c.png"), "spacing": np.array([0.2, 0.3], dtype=np.float32)}
    run([sample], [], torch.rand(1, 3, 2), LandmarkFileWriter(tmp_path, NAMES))
    assert next(csv.DictReader((tmp_path / "landmarks.csv").open()))["spacing_mm"] == "0.2 0.3"


def test_a_second_run_starts_anew(images: Path, tmp_path: Path) -> None:
    writer = LandmarkFileWriter(tmp_path, NAMES)
    for name in ("a.png", "c.png"):
        run([{"image": str(images / name)}], [], torch.rand(1, 3, 2), writer)
    assert [entry["image"] for entry in json.loads((tmp_path / "landmarks.json").read_text())] == ["c.png"]


def test_a_write_that_fails_leaves_the_old_files(images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, writer = tmp_path / "out", LandmarkFileWriter(tmp_path / "out", NAMES)
    run([{"image": str(images / "a.png")}], [], torch.rand(1, 3, 2), writer)
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def full(entry: dict[str, Any]) -> list[str]:
        raise OSError("disk full")

    monkeypatch.setattr(landmark_tables, "_csv_row", full)
    with pytest.raises(OSError, match="disk full"):
        run([{"image": str(images / "a.png")}], [], torch.rand(1, 3, 2), writer)
    assert {path.name for path in out.iterdir()} == set(before)
    assert (out / "landmarks.csv").read_bytes() == before["landmarks.csv"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (torch.rand(1, 4, 2), r"predictions of shape \(4, 2\), 3 landmarks are named"),
        (torch.full((1, 3, 2), torch.nan), "prediction for a.png is not finite"),
    ],
)
def test_predictions_that_are_none_are_refused(images: Path, tmp_path: Path, answer: Tensor, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        run([{"image": str(images / "a.png")}], [], answer, LandmarkFileWriter(tmp_path / "out", NAMES))
    assert not (tmp_path / "out").exists()


def meta_image(affine: Tensor, **meta: Any) -> MetaTensor:
    known = {"filename_or_obj": "x.dcm", "spatial_shape": (8, 6, 1), "original_affine": affine}
    return MetaTensor(torch.rand(1, 8, 6), affine=affine, meta={**known, "0010|0010": "Doe^Jane", **meta})


def test_geometry_keeps_what_is_needed_and_no_more() -> None:
    image = meta_image(torch.diag(torch.tensor([-0.2, -0.4, 1.0, 1.0])))
    sample = FileGeometryd("image")({"image": image})
    assert torch.equal(sample["image"].as_tensor(), image.as_tensor())
    assert torch.equal(sample["image"].affine, image.affine)
    assert "Doe" not in repr(sample["image"].meta) and sample["image"].meta["spatial_shape"].tolist() == [8, 6]
    assert torch.allclose(sample["spacing"], torch.tensor([0.2, 0.4]))


def test_spacing_of_one_millimetre_means_unknown_and_a_given_one_goes_first() -> None:
    turned = torch.eye(4)[[1, 0, 2, 3]]
    assert FileGeometryd("image")({"image": meta_image(turned)})["spacing"].isnan().all()
    given = {"image": meta_image(0.3 * torch.eye(4)), "spacing": [0.15, 0.16]}
    assert FileGeometryd("image")(given)["spacing"].tolist() == pytest.approx([0.15, 0.16])


def test_geometry_refuses_an_image_without_it() -> None:
    with pytest.raises(ValueError, match="filename_or_obj, spatial_shape, original_affine in the meta data of 'image'"):
        FileGeometryd("image")({"image": torch.rand(1, 8, 8)})


def test_names_are_relative_to_the_folder_whatever_the_working_directory(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    samples = [{"image": os.path.join("images", "b", "a.png")}]
    run(samples, [], torch.rand(1, 3, 2), LandmarkFileWriter(tmp_path, NAMES, image_dir=str(images)))
    assert json.loads((tmp_path / "landmarks.json").read_text())[0]["image"] == "b/a.png"


class Extended(Answer):
    """Gives more than points, as an inferer of its own may."""

    def __init__(self, points: Tensor, **more: Tensor) -> None:
        super().__init__(points)
        self.more = more


def run_extended(samples: list[dict[str, Any]], steps: list[Any], network: Extended, writer: Any) -> None:
    evaluator = SupervisedEvaluator(
        device="cpu",
        val_data_loader=DataLoader(
            Dataset(samples, Compose([LoadAnyImaged("image"), *steps, FileGeometryd("image")])), batch_size=2
        ),
        network=network,
        prepare_batch=PrepareLandmarkBatch(),
        decollate=False,
    )

    @evaluator.on(Events.ITERATION_COMPLETED)
    def extend(engine: Engine) -> None:
        stop = network.next
        start = stop - len(engine.state.output["pred"])
        engine.state.output.update({key: value[start:stop] for key, value in network.more.items()})

    writer.attach(evaluator)
    evaluator.run()


def test_confidence_shift_and_mirroring_reach_both_files(images: Path, tmp_path: Path) -> None:
    confidence, shift = torch.rand(3, 3), torch.tensor([0.5, -2.25, 1e-5])
    mirrored = torch.tensor([True, False, False])
    network = Extended(torch.rand(3, 3, 2), confidence=confidence, domain_shift=shift, mirrored=mirrored)
    samples = [
        {"image": str(images / name), "spacing": [0.2, 0.4], "mirror": name == "c.png", "modality": "xray"}
        for name in FILES
    ]
    steps = [FlipMarkedd("image"), Resized("image", (32, 32))]
    run_extended(samples, steps, network, LandmarkFileWriter(tmp_path, NAMES, image_dir=images))
    entries = json.loads((tmp_path / "landmarks.json").read_text())
    rows = list(csv.DictReader((tmp_path / "landmarks.csv").open()))
    assert [entry["mirrored"] for entry in entries] == [True, False, True]
    assert [row["mirrored"] for row in rows] == ["1", "0", "1"]
    for index, (entry, row) in enumerate(zip(entries, rows, strict=True)):
        assert list(entry["landmark_confidence"].values()) == pytest.approx(confidence[index].tolist(), abs=1e-4)
        assert entry["confidence"] == pytest.approx(float(confidence[index].mean()), abs=1e-4)
        assert entry["domain_shift"] == pytest.approx(float(shift[index]), rel=1e-5) == float(row["domain_shift"])
        assert float(row["confidence"]) == entry["confidence"]
        assert row["spacing_mm"] == "0.2 0.4" and row["spacing_source"] == entry["spacing_source"] != ""
        for name in NAMES:
            scaled = [value * side for value, side in zip(entry["landmarks"][name], (0.2, 0.4), strict=True)]
            assert entry["landmarks_mm"][name] == pytest.approx(scaled, abs=0.003)


def test_a_radius_in_hand_sizes_becomes_pixels_and_millimetres_of_the_file(images: Path, tmp_path: Path) -> None:
    """The hand is measured where it was found, in the file, however the network saw it."""
    nothing = torch.full((3,), torch.nan)
    radius = torch.stack([torch.tensor([0.1, 0.2, 0.05]), torch.tensor([0.3, 0.1, 0.2]), nothing])
    confidence = torch.stack([torch.rand(3), torch.rand(3), nothing])
    network = Extended(torch.rand(3, 3, 2), confidence=confidence, radius=radius, domain_shift=torch.ones(3))
    samples = [{"image": str(images / name), "spacing": [0.2, 0.4]} for name in FILES]
    run_extended(samples, [Resized("image", (32, 32))], network, LandmarkFileWriter(tmp_path, NAMES, image_dir=images))
    entries = json.loads((tmp_path / "landmarks.json").read_text())
    rows = list(csv.DictReader((tmp_path / "landmarks.csv").open()))
    for own, entry, row in zip(radius[:2].tolist(), entries, rows, strict=False):
        size = np.ptp(np.array(list(entry["landmarks"].values())), axis=0).max()
        expected = [size * value for value in own]
        assert list(entry["landmark_radius_px"].values()) == pytest.approx(expected, abs=0.02)
        assert list(entry["landmark_radius_mm"].values()) == pytest.approx(
            [0.4 * value for value in expected], abs=0.01
        )
        assert entry["radius_px"] == pytest.approx(sum(expected) / 3, abs=0.02) == float(row["radius_px"])
        assert entry["radius_mm"] == pytest.approx(0.4 * sum(expected) / 3, abs=0.01) == float(row["radius_mm"])
        assert [float(row[f"{name}_radius"]) for name in NAMES] == list(entry["landmark_radius_px"].values())
        assert entry["withheld"] is False and row["withheld"] == "0"
    assert entries[2]["withheld"] is True and rows[2]["withheld"] == "1"
    assert all(entries[2][key] is None for key in ("confidence", "radius_px", "radius_mm", "landmark_radius_px"))
    assert all(rows[2][key] == "" for key in ("confidence", "radius_px", "radius_mm", *(f"{n}_radius" for n in NAMES)))
    assert entries[2]["domain_shift"] == 1.0, "how far off it lies is told all the same"


def test_what_is_collected_before_an_error_is_written(images: Path, tmp_path: Path) -> None:
    answer = torch.rand(3, 3, 2)
    answer[2] = torch.nan
    samples = [{"image": str(images / name)} for name in FILES]
    writer = LandmarkFileWriter(tmp_path / "out", NAMES, image_dir=images, formats="markups")
    with pytest.raises(ValueError, match=r"prediction for c\.png is not finite"):
        run(samples, [Resized("image", (32, 32))], answer, writer)
    assert len(load_datalist(tmp_path / "out" / "landmarks.csv", landmarks=NAMES, image_dir=images)) == 2
    assert [entry["image"] for entry in json.loads((tmp_path / "out" / "landmarks.json").read_text())] == FILES[:2]
    assert (tmp_path / "out" / "b" / "a.mrk.json").is_file()


@pytest.mark.parametrize(("save_interval", "saved"), [(0.0, [2, 3]), (3600.0, [0, 0])])
def test_a_run_that_is_killed_leaves_what_it_found(
    images: Path, tmp_path: Path, save_interval: float, saved: list[int]
) -> None:
    """Nothing can be done about a signal that kills, so the tables are on disk before."""
    out, rows = tmp_path / "out", []

    class Look(LandmarkFileWriter):
        def _collect(self, engine: Engine) -> None:
            super()._collect(engine)
            table = out / "landmarks.csv"
            rows.append(len(load_datalist(table, landmarks=NAMES, image_dir=images)) if table.is_file() else 0)

    writer = Look(out, NAMES, image_dir=images, save_interval=save_interval)
    run([{"image": str(images / name)} for name in FILES], [Resized("image", (32, 32))], torch.rand(3, 3, 2), writer)
    assert rows == saved
    assert len(json.loads((out / "landmarks.json").read_text())) == 3


def test_files_about_an_image_share_no_name(images: Path, tmp_path: Path) -> None:
    for name in ("a.jpg", "A.bmp"):
        Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(images / name)
    outside = tmp_path / "a.png"
    Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(outside)
    files = [images / name for name in ("a.png", "a.jpg", "A.bmp", "b/a.png")] + [outside]
    writer = LandmarkFileWriter(tmp_path / "out", NAMES, image_dir=images, formats=["markups", "overlay"])
    for _ in range(2):  # a second run takes the same names again
        run([{"image": str(file)} for file in files], [Resized("image", (16, 16))], torch.rand(5, 3, 2), writer)
        written = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.mrk.json")}
        stems = {"a", "a.jpg", "A.bmp", "b/a", "a.png"}
        assert written == {f"{stem}.mrk.json" for stem in stems}
        assert len(list((tmp_path / "out").rglob("*.overlay.png"))) == 5


def test_one_image_whose_file_fails_does_not_stop_the_run(images: Path, tmp_path: Path) -> None:
    class Picky:
        ending = ".picky"

        def write(self, record: LandmarkPrediction) -> None:
            if record.image == "b/a.png":
                raise ValueError("b/a.png is too narrow.")

    writer = LandmarkFileWriter(tmp_path, NAMES, image_dir=images)
    writer.writers["picky"] = Picky()
    run([{"image": str(images / name)} for name in FILES], [Resized("image", (32, 32))], torch.rand(3, 3, 2), writer)
    assert writer.failures == [("b/a.png", "b/a.png is too narrow.")]
    assert len(json.loads((tmp_path / "landmarks.json").read_text())) == 3


def test_whatever_goes_wrong_with_one_file_is_listed(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "a.mrk.json").mkdir(parents=True)  # a folder where the file should go
    long = images / ("n" * 243 + ".png")
    long.write_bytes((images / "c.png").read_bytes())
    unreadable = images / os.fsdecode(b"m\xfcller.png")
    unreadable.write_bytes((images / "c.png").read_bytes())
    samples = [{"image": str(images / name)} for name in ("a.png", "c.png", long, unreadable)]
    writer = LandmarkFileWriter(out, NAMES, image_dir=images, formats="markups")
    run(samples, [Resized("image", (32, 32))], torch.rand(4, 3, 2), writer)
    escaped = "m\\udcfcller"
    names = ["a.png", "c.png", long.name, f"{escaped}.png"]
    assert [entry["image"] for entry in json.loads((out / "landmarks.json").read_text())] == names
    with (out / "landmarks.csv").open(newline="", encoding="utf-8") as file:
        assert [row["image"] for row in csv.DictReader(file)] == names
    assert [image for image, _ in writer.failures] == ["a.png"]
    assert "a.mrk.json: there is a folder of that name" in (out / "failures.csv").read_text()
    assert {path.name for path in out.glob("*.mrk.json") if path.is_file()} == {
        f"{stem}.mrk.json" for stem in ("c", long.stem, escaped)
    }


def test_results_of_an_earlier_run_do_not_stay_beside_a_failure(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def infer() -> dict[str, str]:
        writer = LandmarkFileWriter(out, NAMES, image_dir=images, formats=["markups", "overlay"])
        loader = GuardedCompose(
            [LoadAnyImaged("image"), Resized("image", (32, 32)), FileGeometryd("image")], (32, 32), 1
        )
        samples = [{"image": str(images / name), "modality": "photo"} for name in FILES]
        SupervisedEvaluator(
            device="cpu",
            val_data_loader=DataLoader(Dataset(samples, loader), batch_size=2),
            network=Answer(torch.rand(3, 3, 2)),
            prepare_batch=PrepareLandmarkBatch(),
            val_handlers=[writer],
            decollate=False,
        ).run()
        return dict(writer.failures)

    assert infer() == {}
    (images / "a.png").write_bytes(b"damaged")
    write = OverlayWriter.write

    def fail_for_c(self: OverlayWriter, record: LandmarkPrediction) -> Path:
        if record.image == "c.png":
            raise RuntimeError("no picture of this")
        return write(self, record)

    monkeypatch.setattr(OverlayWriter, "write", fail_for_c)
    failures = infer()
    assert list(failures) == ["a.png", "c.png"] and failures["c.png"] == "RuntimeError: no picture of this"
    files = {path.relative_to(out).as_posix() for path in out.rglob("*.*")}
    assert files == {
        *("landmarks.csv", "landmarks.json", "failures.csv"),
        *("b/a.mrk.json", "b/a.overlay.png", "c.mrk.json"),
    }


PLANES = {
    "axial": ((1, 0, 0), (0, 1, 0)),
    "turned": ((0.6, 0.8, 0), (-0.8, 0.6, 0)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
    "sagittal": ((0, -1, 0), (0, 0, -1)),
    "oblique": ((0.8, 0, 0.6), (0, 1, 0)),
}


@pytest.mark.parametrize("suffix", [".dcm", ".nii.gz", ".mha"])
@pytest.mark.parametrize("plane", PLANES)
def test_markups_lie_where_itk_shows_an_image_of_any_plane(
    tmp_path: Path, write_dicom: Callable[..., Any], plane: str, suffix: str
) -> None:
    x, y = (np.array(axis, dtype=float) for axis in PLANES[plane])
    file = tmp_path / f"a{suffix}"
    if suffix == ".dcm":
        # Of this kind of image ITK reads spacing and orientation.
        place = {"ImageOrientationPatient": [*x, *y], "ImagePositionPatient": [10, -20, 30]}
        write_dicom(file, SOPClassUID=CTImageStorage, PixelSpacing=[0.3, 0.2], **place)
    else:
        volume = SimpleITK.GetImageFromArray(np.zeros((1, 80, 60), dtype=np.float32))
        volume.SetSpacing([0.2, 0.3, 1.0])
        volume.SetOrigin([10, -20, 30])
        volume.SetDirection(np.stack([x, y, np.cross(x, y)], axis=1).ravel().tolist())
        SimpleITK.WriteImage(volume, str(file))
    writer = LandmarkFileWriter(tmp_path / "out", NAMES, image_dir=tmp_path, formats="markups")
    run([{"image": str(file)}], [Resized("image", (32, 32)), Flipd("image", 0)], torch.rand(1, 3, 2), writer)
    (entry,) = json.loads((tmp_path / "out" / "landmarks.json").read_text())
    shown = SimpleITK.ReadImage(str(file))
    points = json.loads((tmp_path / "out" / "a.mrk.json").read_text())["markups"][0]["controlPoints"]
    for point in points:
        place = shown.TransformContinuousIndexToPhysicalPoint((*entry["landmarks"][point["label"]], 0.0))
        assert np.allclose(point["position"], place, atol=0.005)
    assert entry["spacing_mm"] == pytest.approx([0.2, 0.3])


def test_an_unknown_format_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match=r"Unknown format 'overlays'. Did you mean 'overlay'\? Available: markups, sr"):
        LandmarkFileWriter("nowhere", NAMES, formats=["overlays"])


def test_an_unknown_set_of_landmarks_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="hand12"):
        LandmarkFileWriter("nowhere", "hand12")
