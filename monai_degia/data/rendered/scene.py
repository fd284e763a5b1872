"""A posed hand before a camera, and its image in one of three modalities."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_degia.data.rendered.backgrounds import any_background, studio_background
from monai_degia.data.rendered.clothing import Garment, sample_clothing
from monai_degia.data.rendered.modalities import depth_map, faded, photograph, radiograph
from monai_degia.data.rendered.model import FloatArray, HandShape, sample_pose, sample_shape
from monai_degia.data.rendered.parts import HandParts, build_hand
from monai_degia.data.rendered.rendering import (
    Canvas,
    OrthographicCamera,
    render_bones,
    render_capsules,
    render_surface,
    render_tissue,
)
from monai_degia.data.rendered.settings import check_setting, sample_child, sample_place, sample_pose_anywhere
from monai_degia.errors import UserError, did_you_mean

__all__ = [
    "MODALITIES",
    "HandScene",
    "RenderedHand",
    "render_faded_hand",
    "render_hand",
    "render_scene",
    "sample_scene",
]

MODALITIES = ("photo", "depth", "xray")
MIN_IMAGE_SIZE = 16
_EDGE_MM = 9.0  # flesh around the outermost joint


@dataclass(frozen=True)
class HandScene:
    """A posed hand before a camera: all that the three modalities share.

    Attributes:
        parts: joints, flesh and bones in millimetres.
        projection: the camera.
        image_size: pixels on a side of the image the camera takes.
        clothes: what the forearm wears, in photographs.
        mirrored: whether the image is mirrored, which makes the right hand a left one.
        thumb_on_right: whether the thumb is on the right once the hand is turned upright.
        setting: one of ``SETTINGS``; it decides what may be behind the hand.

    """

    parts: HandParts
    projection: OrthographicCamera
    image_size: int
    clothes: Sequence[Garment] = ()
    mirrored: bool = False
    thumb_on_right: bool = True
    setting: str = "studio"

    @property
    def landmarks(self) -> FloatArray:
        """Exact joints in pixels (x, y), shape (21, 2), ``HAND21`` order."""
        points = self.projection.project(self.parts.joints_mm)
        if self.mirrored:
            points[:, 0] = self.image_size - 1 - points[:, 0]
        return points


@dataclass(frozen=True)
class RenderedHand:
    """An image of a hand.

    Attributes:
        image: photo: uint8 (H, W, 3), RGB; depth: uint16 (H, W), millimetres, 0 is no measurement; xray: uint8 (H, W).
        landmarks: exact joints in pixels (x, y), pixel centres at integers, shape (21, 2), ``HAND21`` order.
        spacing_mm: width of a pixel, millimetres.
        thumb_on_right: whether the thumb is on the right once the hand is turned upright.

    """

    image: NDArray[Any]
    landmarks: FloatArray
    spacing_mm: float
    thumb_on_right: bool = True


def sample_scene(seed: int | Sequence[int], image_size: int = 64, setting: str = "studio") -> HandScene:
    """Draw a person, a pose and a camera that sees all 21 joints.

    Args:
        seed: one integer or several; the same seed gives the same hand at every image size.
        image_size: pixels on a side.
        setting: one of ``SETTINGS``.

    Raises:
        ValueError: if ``image_size`` is too small, the seed is negative or the setting unknown.

    """
    check_image_size(image_size)
    check_setting(setting)
    rng = _generator(seed, 0)
    return _studio(rng, image_size) if setting == "studio" else _anywhere(rng, image_size)


def _studio(rng: np.random.Generator, image_size: int) -> HandScene:
    shape, pose = sample_shape(rng), sample_pose(rng)
    parts = build_hand(shape, pose)
    low, extent = _extent(shape, parts)
    # A fist fills less of the picture than an open hand, as in real series: the field follows the hand, not the pose.
    field_mm = max(shape.length_mm * rng.uniform(1.1, 1.5), 1.03 * float(extent.max()))
    corner = rng.beta(2.0, 2.0, 2) * (field_mm - extent)  # millimetres from the edge of the image to the hand
    return HandScene(parts, _camera(field_mm, corner - low, image_size), image_size)


def _anywhere(rng: np.random.Generator, image_size: int) -> HandScene:
    shape, pose = sample_child(rng), sample_pose_anywhere(rng)
    parts = build_hand(shape, pose)
    low, extent = _extent(shape, parts)
    field_mm, corner = sample_place(rng, extent, shape.length_mm)
    mirrored = bool(rng.random() < 0.5)
    from_palm = bool(np.cos(pose.tilt[1]) > 0)
    return HandScene(
        parts,
        _camera(field_mm, corner - low, image_size),
        image_size,
        sample_clothing(rng, shape, pose),
        mirrored,
        thumb_on_right=from_palm != mirrored,
        setting="anywhere",
    )


def _extent(shape: HandShape, parts: HandParts) -> tuple[FloatArray, FloatArray]:
    """Return the left upper corner of the box around the hand, and the box's sides, millimetres."""
    low = parts.joints_mm[:, :2].min(axis=0) - _EDGE_MM * shape.size
    return low, parts.joints_mm[:, :2].max(axis=0) + _EDGE_MM * shape.size - low


def _camera(field_mm: float, offset_mm: FloatArray, image_size: int) -> OrthographicCamera:
    spacing = field_mm / image_size
    origin = offset_mm / spacing - 0.5
    return OrthographicCamera(float(spacing), (float(origin[0]), float(origin[1])))


def render_hand(
    modality: str,
    seed: int | Sequence[int] = 0,
    image_size: int = 64,
    setting: str = "studio",
    photographs: Sequence[Path] = (),
) -> RenderedHand:
    """Render a random hand.

    ``studio`` shows right hands, palm to the camera, that fill the image; upright, the thumb is on the right.
    ``anywhere`` shows hands of either side, palm or back, of adults and children, flat or not, with forearms, sleeves
    and watches, in any place and size, before all kinds of backgrounds.

    Person, pose and camera depend on the seed alone, so one seed shows the same hand in all modalities.

    Args:
        modality: ``photo``, ``depth`` or ``xray``.
        seed: one integer or several, not negative.
        image_size: pixels on a side, at least 16.
        setting: ``studio`` or ``anywhere``.
        photographs: files to cut half of the backgrounds from, for photographs in the setting ``anywhere``.

    Returns:
        Image, exact landmarks, pixel spacing and the side of the thumb.

    Raises:
        ValueError: if the modality or the setting is unknown, the image too small or the seed negative.

    Example:
        >>> hand = render_hand("xray", seed=3)
        >>> hand.image.shape, hand.landmarks.shape
        ((64, 64), (21, 2))

    """
    check_modality(modality)
    return render_scene(sample_scene(seed, image_size, setting), modality, seed, photographs)


def render_scene(
    scene: HandScene, modality: str, seed: int | Sequence[int] = 0, photographs: Sequence[Path] = ()
) -> RenderedHand:
    """Render a given scene.

    Args:
        scene: what the camera sees.
        modality: ``photo``, ``depth`` or ``xray``.
        seed: draws what is not geometry: skin, light, background, exposure, noise.
        photographs: see :func:`render_hand`.

    Returns:
        Image, exact landmarks, pixel spacing and the side of the thumb.

    Raises:
        ValueError: if the modality is unknown or the seed negative.

    """
    check_modality(modality)
    image = _IMAGING[modality](scene, _generator(seed, 1 + MODALITIES.index(modality)), photographs)
    if scene.mirrored:
        image = np.ascontiguousarray(image[:, ::-1])
    return RenderedHand(image, scene.landmarks, scene.projection.spacing_mm, scene.thumb_on_right)


def _photo(scene: HandScene, rng: np.random.Generator, photographs: Sequence[Path]) -> NDArray[Any]:
    canvas = Canvas(scene.projection, scene.image_size, 2)
    front = render_surface(canvas, scene.parts)
    clothes = [(render_capsules(canvas, garment.capsules), garment.colour) for garment in scene.clothes]
    anywhere = partial(any_background, photographs=photographs)
    background = studio_background if scene.setting == "studio" else anywhere
    return photograph(front, scene.projection.spacing_mm / 2, rng, background, clothes)


def _depth(scene: HandScene, rng: np.random.Generator, _photographs: Sequence[Path]) -> NDArray[Any]:
    front = render_surface(Canvas(scene.projection, scene.image_size), scene.parts)
    return depth_map(front, float(scene.parts.joints_mm[[0, 5, 9, 13, 17], 2].mean()), rng)


def _xray(scene: HandScene, rng: np.random.Generator, _photographs: Sequence[Path]) -> NDArray[Any]:
    canvas = Canvas(scene.projection, scene.image_size, 2)
    flesh = render_tissue(canvas, scene.parts)
    return radiograph(flesh, render_bones(canvas, scene.parts.bones), rng)


def render_faded_hand(seed: int | Sequence[int] = 0, image_size: int = 64, setting: str = "anywhere") -> RenderedHand:
    """Photograph the hand of :func:`render_hand` as if thin flesh were see-through: a shift for source validation.

    Fingers fade towards their tips into a background that is darker than the palm, or lighter. There are no bones: it
    is not a radiograph, and no network may be trained on it.

    Args:
        seed: one integer or several, not negative.
        image_size: pixels on a side, at least 16.
        setting: ``studio`` or ``anywhere``.

    Returns:
        RGB image of grey values, exact landmarks, pixel spacing and the side of the thumb.

    """
    scene = sample_scene(seed, image_size, setting)
    flesh = render_tissue(Canvas(scene.projection, scene.image_size, 2), scene.parts)
    image = faded(flesh, _generator(seed, 1 + len(MODALITIES)))
    if scene.mirrored:
        image = np.ascontiguousarray(image[:, ::-1])
    return RenderedHand(image, scene.landmarks, scene.projection.spacing_mm, scene.thumb_on_right)


_IMAGING: dict[str, Callable[[HandScene, np.random.Generator, Sequence[Path]], NDArray[Any]]] = {
    "photo": _photo,
    "depth": _depth,
    "xray": _xray,
}


def _generator(seed: int | Sequence[int], stream: int) -> np.random.Generator:
    seeds = [seed] if isinstance(seed, int | np.integer) else list(seed)
    if any(s < 0 for s in seeds):
        raise UserError(f"seed must not be negative, got {seed}. Pass 0 or a larger integer.")
    return np.random.default_rng([stream, *(int(s) for s in seeds)])


def check_image_size(image_size: int) -> None:
    """Raise ``ValueError`` unless images of this many pixels on a side can be rendered."""
    if not isinstance(image_size, int | np.integer) or image_size < MIN_IMAGE_SIZE:
        raise UserError(
            f"image_size must be an integer of at least {MIN_IMAGE_SIZE} pixels, got {image_size}: "
            "fingers would be thinner than a pixel. Render larger and resize."
        )


def check_modality(modality: str) -> None:
    """Raise ``ValueError`` unless the modality is one of ``MODALITIES``."""
    if modality not in MODALITIES:
        hint = did_you_mean(modality, MODALITIES)
        raise UserError(f"Unknown modality {modality!r}.{hint} Available: {', '.join(MODALITIES)}.")
