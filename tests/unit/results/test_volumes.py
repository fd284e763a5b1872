"""What is found in a volume: three coordinates, voxels that are no cubes, and no picture."""

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from monai_degia.results.found import read_found
from monai_degia.results.landmark_tables import landmark_entry, write_csv, write_json
from monai_degia.results.markups import MarkupsWriter, markups_text
from monai_degia.results.overlay_files import OverlayWriter
from monai_degia.results.prediction import LandmarkPrediction

Make = Callable[..., LandmarkPrediction]
POINTS = ((1.5, 2.0, 3.0), (30.0, 20.0, 11.25), (4.0, 5.0, 12.0))
SOLID = {"points_px": POINTS, "size_px": (40, 30, 12), "spacing_mm": (0.5, 0.5, 3.0)}


def test_millimetres_radius_and_edges_go_by_each_axis(make_record: Make) -> None:
    record = make_record(Path("a.nii"), **SOLID, radius_px=(1.0, 2.0, 0.0))
    assert record.points_mm == ((0.75, 1.0, 9.0), (15.0, 10.0, 33.75), (2.0, 2.5, 36.0))
    assert record.radius_mm == (3.0, 6.0, 0.0)
    assert record.landmark_outside == (False, False, True), "a voxel ends half a voxel beyond its centre"


@pytest.mark.parametrize(
    "fields", [{"size_px": (40, 30)}, {"spacing_mm": (1.0, 1.0)}, {"points_px": ((1.0, 2.0),) * 3}]
)
def test_axes_must_be_as_many_everywhere(make_record: Make, fields: dict) -> None:
    with pytest.raises(ValueError, match="must all be of two axes, or three"):
        make_record(Path("a.nii"), **{**SOLID, **fields})


@pytest.mark.parametrize("known", [True, False])
def test_tables_have_z_and_millimetres(make_record: Make, tmp_path: Path, known: bool) -> None:
    record = make_record(Path("a.nii"), **{**SOLID, "spacing_mm": SOLID["spacing_mm"] if known else None})
    entry = landmark_entry(record)
    write_csv(tmp_path / "landmarks.csv", record.names, [entry])
    write_json(tmp_path / "landmarks.json", [entry])
    (row,) = csv.DictReader((tmp_path / "landmarks.csv").open())
    name = record.names[1]
    assert [row[f"{name}_{axis}"] for axis in "xyz"] == ["30.00", "20.00", "11.25"]
    assert [row[f"{name}_{axis}_mm"] for axis in "xyz"] == (["15.0", "10.0", "33.75"] if known else [""] * 3)
    assert row["spacing_mm"] == ("0.5 0.5 3" if known else "")
    (found,) = read_found(tmp_path / "landmarks.json")
    assert found.points_px == POINTS and found.size_px == (40, 30, 12)


def test_a_table_of_pictures_has_neither(make_record: Make, tmp_path: Path) -> None:
    record = make_record(Path("a.png"), spacing_mm=(0.5, 0.5))
    write_csv(tmp_path / "landmarks.csv", record.names, [landmark_entry(record)])
    header = (tmp_path / "landmarks.csv").read_text().splitlines()[0].split(",")
    assert not [column for column in header if column.endswith(("_z", "_x_mm"))]


def test_markups_lie_in_the_volume_with_its_file_and_without(make_record: Make, tmp_path: Path) -> None:
    affine = np.eye(4)
    turn = math.radians(20)
    affine[:2, :2] = [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
    affine[:3, :3] *= (0.5, 0.5, 3.0)
    affine[:3, 3] = (10.0, -20.0, 30.0)
    nibabel.save(nibabel.Nifti1Image(np.zeros((40, 30, 12), np.float32), affine), tmp_path / "a.nii.gz")
    rows = tuple(tuple(map(float, row)) for row in affine)
    expected = (np.array(POINTS) @ affine[:3, :3].T + affine[:3, 3]) * (-1, -1, 1)
    for file in ("a.nii.gz", "gone.nii.gz"):
        path = MarkupsWriter(tmp_path / "out").write(make_record(tmp_path / file, **SOLID, affine=rows))
        (markup,) = json.loads(path.read_text())["markups"]
        assert np.allclose([point["position"] for point in markup["controlPoints"]], expected, atol=1e-3)
        assert markup["name"] == "landmarks"
    bare = json.loads(markups_text(make_record(tmp_path / "gone.nii", **SOLID)))["markups"][0]
    assert np.allclose([p["position"] for p in bare["controlPoints"]], np.array(POINTS) * SOLID["spacing_mm"])


def test_there_is_no_picture_of_a_volume(make_record: Make, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.nii is a volume, of which there is no overlay: ask for markups"):
        OverlayWriter(tmp_path).write(make_record(tmp_path / "a.nii", **SOLID))
