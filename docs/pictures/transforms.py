"""Before and after of every transform that changes an image, for the gallery and the API pages.

Usage: python docs/pictures/transforms.py FOLDER writes all of them; the build of the documentation does so by itself.
The lines of a function below, but its last, are the code that is shown beside its picture.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Compose
from PIL import Image, ImageDraw, ImageFont
from strips import Tile, save_strip
from torch import Tensor

import monai_degia as md

Sample = dict[str, Any]
Results = Sequence[Sample] | Mapping[str, Sample]
SIDE = 96


def hand(modality: str = "photo", seed: int = 1, side: int = SIDE) -> Sample:
    """A rendered hand as transforms get it after reading: image (C, X, Y), landmarks (K, 2) in pixels."""
    made = md.render_hand(modality, seed, side)
    levels = torch.as_tensor(np.atleast_3d(made.image.astype(np.float32))).permute(2, 1, 0)
    image = MetaTensor(levels if modality == "depth" else levels / 255)
    return {"image": image, "landmarks": torch.as_tensor(made.landmarks, dtype=torch.float32), "modality": modality}


def bright(sample: Sample) -> Sample:
    """Depth in mm as it is shown: near is bright."""
    depth = sample["modality"] == "depth"
    return {**sample, "image": md.depth_to_image(sample["image"])} if depth else sample


def of_maximum(sample: Sample) -> Sample:
    """Depth over its greatest value, as it would be shown without a transform."""
    return {"image": sample["image"] / sample["image"].max()}


def digit() -> Sample:
    """A digit: bright strokes on black."""
    canvas = Image.new("L", (32, 32))
    ImageDraw.Draw(canvas).text((16, 16), "5", fill=255, anchor="mm", font=ImageFont.load_default(26))
    return {"image": torch.from_numpy(np.array(canvas, dtype=np.float32) / 255).T[None]}


@dataclass(frozen=True)
class Example:
    """What makes a picture: a function of a sample, what it starts from, and whether that is shown as well."""

    function: Callable[[Sample], Results]
    start: Callable[[], Sample]
    source: bool


#: Public name to what shows it; several names may share one.
EXAMPLES: dict[str, Example] = {}


def shows(*names: str, start: Callable[[], Sample] = hand, source: bool = True) -> Callable[..., None]:
    """Make a function the example of these names."""

    def register(function: Callable[[Sample], Results]) -> None:
        EXAMPLES.update(dict.fromkeys(names, Example(function, start, source)))

    return register


@shows("RandGeometryd")
def _rand_geometry(sample: Sample) -> Results:
    warps = [md.RandPoseWarpd("image"), md.RandSmoothWarpd("image")]
    geometry = md.RandGeometryd(
        "image", rotate_range=0.6, shear_range=[0.15, 0.15], scale_range=[0.25, 0.25], warps=warps
    )
    geometry.set_random_state(3)
    views = [geometry(sample) for _ in range(5)]
    return views


@shows("RandProlongation")
def _rand_prolongation(sample: Sample) -> Results:
    beyond = md.RandProlongation(prob=1.0, taper_range=(0.0, 0.0), turn_back_range=(0.3, 0.6))
    farther = md.RandGeometryd("image", prob=1.0, zoom_range=(1.6, 1.6), prolongation=beyond).set_random_state(1)
    repeated = md.RandGeometryd("image", prob=1.0, zoom_range=(1.6, 1.6)).set_random_state(1)
    views = {"border repeated": repeated(sample), "prolonged": farther(sample)}
    return views


@shows("RandPoseWarpd")
def _rand_pose_warp(sample: Sample) -> Results:
    pose = md.RandPoseWarpd("image", prob=1.0, max_spread_degrees=25.0).set_random_state(0)
    views = [pose(sample) for _ in range(5)]
    return views


@shows("RandSmoothWarpd")
def _rand_smooth_warp(sample: Sample) -> Results:
    warp = md.RandSmoothWarpd("image", prob=1.0, magnitude=0.1).set_random_state(0)
    views = [warp(sample) for _ in range(5)]
    return views


@shows("RandBackgroundd", start=partial(hand, seed=2))
def _rand_background(sample: Sample) -> Results:
    replace = md.RandBackgroundd("image", prob=1.0).set_random_state(0)
    views = [replace(sample) for _ in range(5)]
    return views


@shows("RandConv", "RandConvd", "random_convolution")
def _rand_conv(sample: Sample) -> Results:
    convolve = md.RandConvd("image").set_random_state(1)
    views = [convolve(sample) for _ in range(5)]
    return views


@shows("random_appearance")
def _random_appearance(sample: Sample) -> Results:
    generator = torch.Generator().manual_seed(0)
    images = sample["image"].as_tensor().expand(2, -1, -1, -1)
    strengths = {"plain": {}, "texture=0.2": {"texture": 0.2}, "fading=1": {"fading": 1.0}}
    drawn = {name: md.random_appearance(images, generator, **options) for name, options in strengths.items()}
    return {f"{name}{' ' * n}": {"image": images[n]} for name, images in drawn.items() for n in range(2)}


@shows("RandStrokesd", start=digit)
def _rand_strokes(sample: Sample) -> Results:
    strokes = md.RandStrokesd("image", prob=1.0, soft_prob=0.3).set_random_state(2)
    views = [strokes(sample) for _ in range(5)]
    return views


@shows("RandFlipLandmarksd", "FlipMarkedd")
def _rand_flip(sample: Sample) -> Results:
    flip = md.RandFlipLandmarksd("image", "landmarks", names="hand21", prob=1.0)
    mirrored = Compose([md.LandmarksToWorldd("landmarks"), flip, md.LandmarksToImaged("landmarks")])(sample)
    return [mirrored]


@shows("CropBoxd")
def _crop_box(sample: Sample) -> Results:
    crop = Compose([md.LandmarksToWorldd("landmarks"), md.CropBoxd("image"), md.LandmarksToImaged("landmarks")])
    cut = crop({**sample, "crop_box": [24, 10, 84, 70]})
    return [cut]


@shows("FitToSized", source=False)
def _fit_to_size(sample: Sample) -> Results:
    wide = {**sample, "image": sample["image"][:, :, 20:76]}
    fitted = md.FitToSized("image", (64, 64), channels=1)(wide)
    return {"wide": {"image": wide["image"]}, "64 x 64, one channel": {"image": fitted["image"]}}


@shows("TurnUprightd", source=False)
def _turn_upright(sample: Sample) -> Results:
    stored = MetaTensor(torch.rot90(sample["image"].as_tensor(), -1, (1, 2)), meta={"exif_orientation": 6})
    upright = md.TurnUprightd("image")({"image": stored})
    return {"as stored": {"image": stored}, "upright": upright}


@shows("MatchChannelsd")
def _match_channels(sample: Sample) -> Results:
    grey = md.MatchChannelsd("image", channels=1)(sample)
    return {"one channel": grey}


@shows("ScaleModalityd", "depth_to_image", start=partial(hand, "depth"), source=False)
def _scale_modality(sample: Sample) -> Results:
    scaled = md.ScaleModalityd("image")(sample)
    return {"depth in mm / max": of_maximum(sample), "near is bright": {"image": scaled["image"]}}


@shows("DecodeDepthd", start=partial(hand, "depth"), source=False)
def _decode_depth(sample: Sample) -> Results:
    depth = sample["image"].as_tensor()
    packed = torch.cat([torch.zeros_like(depth), depth // 256, depth % 256])
    decoded = md.DecodeDepthd("image")({"image": packed, "depth_encoding": "nyu"})
    return {"packed": {"image": packed / 255}, "mm / max": of_maximum(decoded)}


@shows("AppearanceShiftd", "shifted_copies")
def _appearance_shift(sample: Sample) -> Results:
    shift = md.AppearanceShiftd("image")
    names = ("negative", "dark", "solarize", "equalize", "edges", "clutter")
    shifted = {name: shift({**sample, "shift": name}) for name in names}
    return shifted


@shows("Reframed")
def _reframed(sample: Sample) -> Results:
    frame = Compose([md.LandmarksToWorldd("landmarks"), md.Reframed("image"), md.LandmarksToImaged("landmarks")])
    names = ("far", "near", "high", "aside", "turned")
    framed = {name: frame({**sample, "framing": name}) for name in names}
    return framed


@shows("PoseShiftd")
def _pose_shift(sample: Sample) -> Results:
    pose = md.PoseShiftd("image")
    posed = {name: pose({**sample, "pose": name}) for name in ("spread", "closed")}
    return posed


@shows("DigitShiftd", "shifted_digits", start=digit)
def _digit_shift(sample: Sample) -> Results:
    shift = md.DigitShiftd("image")
    copies = [item["shifts"] for item in md.shifted_digits([{}] * 5)[5:]]
    shifted = {" ".join(names): shift({**sample, "shifts": names}) for names in copies}
    return shifted


@shows("TONE_CURVES", start=partial(hand, "xray"), source=False)
def _tone_curves(sample: Sample) -> Results:
    radiographs = sample["image"].as_tensor()[None]
    names = ("as it is", "x1.5", "x3", "x6", "5% x3", "15% x3")
    curved = {name: md.TONE_CURVES[name](radiographs) for name in names}
    return {name: {"image": images[0]} for name, images in curved.items()}


@shows("render_hand", "write_synthetic_dataset", source=False)
def _rendered(sample: Sample) -> Results:
    made = {name: md.render_hand(name, seed=5, image_size=96) for name in ("photo", "depth", "xray")}
    return {name: bright(hand(name, seed=5)) for name in made}


@shows("render_faded_hand", source=False)
def _faded(sample: Sample) -> Results:
    made = [md.render_faded_hand(seed=seed, image_size=SIDE) for seed in range(4)]
    return [{"image": torch.as_tensor(one.image / 255).permute(2, 1, 0), "landmarks": one.landmarks} for one in made]


#: Transforms that leave the image as it is: they change points, meta data, or hold other transforms.
WITHOUT = {
    "DenormalizeLandmarksd",
    "FileGeometryd",
    "KeepPictured",
    "LandmarksToImaged",
    "LandmarksToWorldd",
    "LoadAnyImaged",  # reads
    "NormalizeLandmarksd",
    "PixelSpacingd",
    "ScaleBytesd",  # the same picture in other units
}
#: Shown with what an ascent reaches, see parametrizations.py.
ASCENTS = {"AdversarialAscentd"}


def code(name: str) -> str:
    """The lines that made a picture."""
    body = inspect.getsource(EXAMPLES[name].function).split("-> Results:\n", 1)[1]
    return textwrap.dedent(body[: body.rindex("    return ")]).strip().replace("md.", "monai_degia.")


def strip(name: str) -> list[Tile]:
    """Tiles of a picture: what went in, and what came out."""
    example = EXAMPLES[name]
    sample = example.start()
    results = example.function(sample)
    named = list(results.items()) if isinstance(results, Mapping) else [("", result) for result in results]
    return [_tile(title.strip(), result) for title, result in [("source", sample)] * example.source + named]


def _tile(title: str, sample: Sample) -> Tile:
    return title, _plain(sample["image"]), sample.get("landmarks")


def _plain(image: Tensor) -> Tensor:
    return image.as_tensor() if isinstance(image, MetaTensor) else image


def write_all(folder: Path) -> None:
    """Write ``<name>.png`` for each name."""
    for name in EXAMPLES:
        save_strip(folder / f"{name}.png", [strip(name)])


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
