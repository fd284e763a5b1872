"""What reads files that come from elsewhere, and what it may answer: a value, or the error that it documents."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import seeds
import torch
from mutations import Mutate, inside_gzip, inside_zip, mutate_bytes, mutate_json, mutate_text, right_png

from monai_degia.data.digits.files import read_digits
from monai_degia.data.formats.checks import find_faults
from monai_degia.data.formats.image_files import size_of_picture
from monai_degia.data.formats.orientation import exif_orientation
from monai_degia.data.formats.read import read_annotations
from monai_degia.data.lists.datalist import load_datalist
from monai_degia.data.lists.landmark_sets import flip_permutation, landmark_set
from monai_degia.data.pool.pool import IMAGE_FILE as POOL_IMAGES
from monai_degia.data.pool.pool import LABEL_FILE, TARGET_FILES, GeneratedPool
from monai_degia.data.pool.pool_owner import OWNER_FILE
from monai_degia.data.published.dha import load_dha
from monai_degia.data.published.freihand import load_freihand, load_onehand10k
from monai_degia.data.published.nyu import load_nyu
from monai_degia.data.published.rhpe import load_rhpe
from monai_degia.data.published.rsna import load_rsna
from monai_degia.engines.checkpoints import RunCheckpoint
from monai_degia.engines.run_folder import RUN_FILE, run_of
from monai_degia.engines.run_folder import _record as read_record
from monai_degia.errors import UserError
from monai_degia.io.kinds import what_lies_beside
from monai_degia.io.mat_files import read_mat
from monai_degia.io.viewer_frame import viewer_frame
from monai_degia.label_app.server.request_rules import json_object
from monai_degia.label_app.store.image_files import check_image_file
from monai_degia.label_app.store.markup_labels import markup_pixels
from monai_degia.label_app.store.model_folder import ModelFolder
from monai_degia.metrics.calibration import ScoreCalibration
from monai_degia.model.description import ModelDescription
from monai_degia.networks.weights import load_weights
from monai_degia.reading.preprocessing import LandmarkPreprocessing
from monai_degia.results.found import read_found

warnings.simplefilter("ignore")

#: What an image of a few thousand pixels may make of itself here: far below the default, so that a reader which does
#: not ask before it decodes is noticed.
MOST_PIXELS, MOST_BYTES = 2_000_000, 64 << 20


@dataclass(frozen=True)
class Target:
    """A reader.

    Args:
        name: of the file that is read.
        seeds: valid files.
        read: is given the path; it returns, or raises a ``UserError``, which all documented errors are.
        mutate: damage of a file.
        share: how many inputs it gets for each one of a target with share 1: less for slow readers.
        beside: puts what the file needs into its folder, once.

    """

    name: str
    seeds: Callable[[], list[bytes]]
    read: Callable[[Path], Any]
    mutate: Mutate = mutate_bytes
    share: float = 1.0
    beside: Callable[[Path], None] = field(default=lambda folder: None)


@cache
def _preprocessing(min_side: int) -> LandmarkPreprocessing:
    return LandmarkPreprocessing((min_side, min_side), 1, max_pixels=MOST_PIXELS, max_inflated_bytes=MOST_BYTES)


def image(path: Path) -> None:
    """All that looks at an image file, in the order in which a folder meets it."""
    assert isinstance(what_lies_beside(path), str)
    size = size_of_picture(path)
    assert size is None or len(size) == 2
    assert 1 <= exif_orientation(path) <= 8
    try:
        check_image_file(path, MOST_PIXELS)
    except UserError as error:
        assert str(error)
    sample = _preprocessing(16)({"image": str(path)})
    assert torch.isfinite(sample["image"]).all(), "not finite"
    # Resizing rounds.
    assert sample["image"].min() >= -1e-5 and sample["image"].max() <= 1 + 1e-5, "not within [0, 1]"


def frame(path: Path) -> None:
    assert viewer_frame(path).size


def annotation(path: Path, form: str | None = None) -> None:
    for wanted in (None, form) if form else (None,):
        try:
            found = read_annotations(path, format=wanted, image_dir=path.parent)
            find_faults(found)
            for picture in found.images:
                assert not (picture.labelled.any() and abs(picture.points[picture.labelled]).max() == float("inf"))
        except UserError as error:
            assert str(error)
    for item in load_datalist(path, landmarks=seeds.NAMES[:2], image_dir=path.parent, on_error="skip"):
        assert item["landmarks"].shape == (2, 2)


def calibration(path: Path) -> None:
    found = ScoreCalibration.load(path)
    disagreement, bits = torch.full((2, 3), 0.02), torch.full((2,), 2.0)
    found.confidence(disagreement, torch.zeros(2))
    found.radius(disagreement, torch.zeros(2))
    found.beyond(disagreement, bits)
    found.fits("ab"), found.fits_flow("cd"), found.other_copies({"views": 4})
    if found.bits_mean is not None:
        found.domain_shift(bits)


def description(path: Path) -> None:
    found = ModelDescription.load(path)
    landmark_set(found.landmarks)
    assert len(found.image_size) == 2 and all(type(side) is int and side > 0 for side in found.image_size)
    found.build()


def landmark_file(path: Path) -> None:
    found = landmark_set(path)
    assert found.skeleton is not None and found.chains is not None and found.size_name is not None
    found.to_config()
    flip_permutation(found)


def weights(path: Path) -> None:
    load_weights(_network(), path)


@cache
def _network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))


def weight_files() -> list[bytes]:
    return [seeds.tensors(_network().state_dict())]


class _State:
    """Stands for whatever a run keeps in its checkpoint."""

    def __init__(self) -> None:
        self.network = _network()
        self.optimizer = torch.optim.Adam(self.network.parameters())
        from ignite.engine import Engine

        self.engine = Engine(lambda engine, batch: None)
        self.engine.state.max_epochs = 3

    def checkpoint(self, path: Path) -> RunCheckpoint:
        made = RunCheckpoint(path, {"network": self.network, "optimizer": self.optimizer}, resume=True)
        made.attach(self.engine)
        return made


def checkpoint_files() -> list[bytes]:
    def write(path: Path) -> None:
        state = _State()
        made = state.checkpoint(path)
        state.engine.state.epoch, state.engine.state.iteration, state.engine.state.epoch_length = 1, 4, 4
        made.save(state.engine)

    return [seeds.saved(write, "checkpoint.pt")]


def checkpoint(path: Path) -> None:
    run_of(path)
    state = _State()
    state.checkpoint(path).load(state.engine)


def pool(path: Path, name: str) -> None:
    """A pool whose file of that name is damaged: what is there is read, or refused."""
    path.replace(path.parent / name)
    made = GeneratedPool(path.parent, 4, (1, 4, 4), (2,), run_id="abc")
    made.load_state_dict({"size": 2, "image_shape": [1, 4, 4], "target_shape": [2], "target_dtype": "float32"})
    assert made[1]["image"].shape == (1, 4, 4)


def pool_files(name: str) -> list[bytes]:
    def write(path: Path) -> None:
        made = GeneratedPool(path.parent, 4, (1, 4, 4), (2,), run_id="abc")
        made.append(torch.rand(2, 1, 4, 4), torch.rand(2, 2), torch.zeros(2), torch.arange(2), 0)

    return [seeds.saved(write, name)]


def markup(path: Path) -> None:
    markup_pixels(path.read_bytes(), path.parent / "a.png", seeds.NAMES)
    markup_pixels(path.read_bytes(), path.parent / "a.png", seeds.NAMES[:1])


def request(path: Path) -> None:
    json_object("params", path.read_text(encoding="utf-8", errors="replace"))


def record(path: Path) -> None:
    path.replace(path.parent / RUN_FILE)
    read_record(path.parent)


def trainings(path: Path) -> None:
    (path.parent / "model.pt").touch()
    ModelFolder(path.parent, path.parent).history()


def published(path: Path) -> None:
    """A file in the place of each set's own."""
    folder = path.parent
    for load, place in (
        (partial(load_freihand, folder), "training_xyz.json"),
        (partial(load_onehand10k, folder, annotations=path), None),
        (partial(load_rhpe, folder, annotations=path, image_dir=folder, landmarks=None), None),
        (partial(load_dha, folder, annotations=path, image_dir=folder), None),
        (partial(load_rsna, folder, annotations=path, image_dir=folder), None),
    ):
        try:
            if place is not None:
                (folder / place).write_bytes(path.read_bytes())
            load()
        except UserError as error:
            assert str(error)


def published_beside(folder: Path) -> None:
    seeds.beside(folder)
    (folder / "training" / "rgb").mkdir(parents=True)
    (folder / "training_K.json").write_text("[" + ", ".join(["[[9, 0, 5], [0, 9, 5], [0, 0, 1]]"] * 2) + "]")
    for name in ("1.png", "2.png"):
        (folder / name).write_bytes((folder / "a.png").read_bytes())


def joints(path: Path) -> None:
    (path.parent / "train").mkdir(exist_ok=True)
    path.replace(path.parent / "train" / "joint_data.mat")
    load_nyu(path.parent, split="train")


def digits_beside(folder: Path) -> None:
    (folder / "file-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 1, 2, 3]))
    seeds.beside(folder)


def digit_labels() -> list[bytes]:
    return [b"a.png 3\nb.png 4\n"]


def _forms() -> list[Target]:
    made = {"coco": mutate_json, "cvat": mutate_text, "labelme": mutate_json, "label_studio": mutate_json}
    plain = [Target(f"{form}.txt", partial(seeds.annotation_file, form), partial(annotation, form=form), mutate,
                    beside=seeds.beside) for form, mutate in made.items()]  # fmt: skip
    return [
        *plain,
        Target("slicer.mrk.json", seeds.markups, partial(annotation, form="slicer"), mutate_json, beside=seeds.beside),
        Target("via.json", lambda: seeds.via()[:1], partial(annotation, form="via"), mutate_json, beside=seeds.beside),
        Target("via.csv", lambda: seeds.via()[1:], partial(annotation, form="via"), mutate_text, beside=seeds.beside),
        Target("dlc.csv", seeds.deeplabcut, partial(annotation, form="deeplabcut"), mutate_text, beside=seeds.beside),
        Target("dlc.h5", seeds.deeplabcut_hdf5, annotation, beside=seeds.beside, share=0.02),
        Target("labels.slp", seeds.sleap, annotation, beside=seeds.beside, share=0.3),
        Target("list.csv", seeds.own_csv, partial(annotation, form="csv"), mutate_text, beside=seeds.beside),
        Target("list.json", seeds.own_json, partial(annotation, form="json"), mutate_json, beside=seeds.beside),
    ]


#: Groups are what one process does.
GROUPS: dict[str, list[Target]] = {
    "pictures": [
        Target("a.png", seeds.png, image, right_png),
        Target("a.jpg", seeds.jpeg, image),
        Target("a.tif", seeds.tiff, image),
        Target("a.bmp", seeds.bmp, image),
        Target("frame.tif", lambda: [*seeds.tiff()[:2], *seeds.png()[:1], *seeds.jpeg()[:1]], frame, share=0.5),
    ],
    "volumes": [
        Target("a.dcm", seeds.radiographs, image, share=2),
        Target("a.nii", seeds.nifti, image),
        Target("a.nii.gz", seeds.packed_nifti, image, inside_gzip(mutate_bytes)),
        Target("a.mha", seeds.metaimage, image, share=0.5),
        Target("frame.dcm", seeds.radiographs, frame, share=0.5),
        Target("frame.nii", seeds.nifti, frame, share=0.5),
    ],
    "lists": _forms(),
    "models": [
        Target("calibration.json", seeds.calibration, calibration, mutate_json),
        Target("model.json", seeds.descriptions, description, mutate_json),
        Target("set.json", seeds.landmark_files, landmark_file, mutate_json),
        Target("set.yaml", lambda: [seeds.LANDMARKS_YAML], landmark_file, mutate_text),
        Target("model.pt", weight_files, weights, inside_zip),
        Target("checkpoint.pt", checkpoint_files, checkpoint, inside_zip),
        Target("landmarks.json", seeds.results, lambda path: read_found(path), mutate_json),
        Target("a.mrk.json", seeds.markups, markup, mutate_json, beside=seeds.beside),
        Target("training.json", seeds.trainings, trainings, mutate_json),
        Target("params.json", seeds.trainings, request, mutate_json),
        Target("run.json", seeds.run_record, record, mutate_json),
        *(
            Target(f"pool_{name}", partial(pool_files, name), partial(pool, name=name), share=0.3)
            for name in (POOL_IMAGES, TARGET_FILES["float32"], LABEL_FILE, OWNER_FILE)
        ),
    ],
    "sets": [
        Target("hands.json", lambda: seeds.coco_hands(21) + seeds.coco_hands(17), published, mutate_json,
               beside=published_beside),
        Target("xyz.json", seeds.hands_of_cameras, published, mutate_json, beside=published_beside),
        Target("table.csv", lambda: seeds.atlas() + seeds.bone_ages(), published, mutate_text, beside=published_beside),
        Target("digits.npz", seeds.arrays, lambda path: read_digits(path), inside_zip),
        Target("digits.h5", seeds.hdf5_digits, lambda path: read_digits(path)),
        Target("file-images-idx3-ubyte", seeds.idx_images, lambda path: read_digits(path), beside=digits_beside),
        Target("labels.txt", digit_labels, lambda path: read_digits(path), mutate_text, beside=digits_beside),
        Target("digits.mat", seeds.matlab, lambda path: read_digits(path), share=0.02),
        Target("joints.mat", seeds.matlab, joints, share=0.02),
        Target("any.mat", seeds.matlab, lambda path: read_mat(path), share=0.02),
    ],
}  # fmt: skip
