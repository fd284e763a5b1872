"""A posed hand before a camera, and its image in one of three modalities."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monai_degia.data.hands.modalities import depth_map, photograph, radiograph
from monai_degia.data.hands.model import FloatArray, HandPose, HandShape, sample_pose, sample_shape
from monai_degia.data.hands.parts import HandParts, build_hand
from monai_degia.data.hands.rendering import Canvas, OrthographicCamera, render_bones, render_surface, render_tissue

__all__ = ["MODALITIES", "HandScene", "RenderedHand", "render_hand", "render_scene", "sample_scene"]

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

    """

    parts: HandParts
    projection: OrthographicCamera
    image_size: int

    @property
    def landmarks(self) -> FloatArray:
        """Exact joints in pixels (x, y), shape (21, 2), ``HAND21`` order."""
        return self.projection.project(self.parts.joints_mm)


@dataclass(frozen=True)
class RenderedHand:
    """An image of a hand.

    Attributes:
        image: photo: uint8 (H, W, 3), RGB; depth: uint16 (H, W), millimetres, 0 is no measurement; xray: uint8 (H, W).
        landmarks: exact joints in pixels (x, y), pixel centres at integers, shape (21, 2), ``HAND21`` order.
        spacing_mm: width of a pixel, millimetres.

    """

    image: NDArray[Any]
    landmarks: FloatArray
    spacing_mm: float


def sample_scene(seed: int | Sequence[int], image_size: int = 64) -> HandScene:
    """Draw a person, a pose and a camera that sees all 21 joints.

    Args:
        seed: one integer or several; the same seed gives the same hand at every image size.
        image_size: pixels on a side.

    Raises:
        ValueError: if ``image_size`` is too small or the seed is negative.

    """
    check_image_size(image_size)
    rng = _generator(seed, 0)
    shape, pose = sample_shape(rng), sample_pose(rng)
    return _frame(shape, pose, rng, image_size)


def _frame(shape: HandShape, pose: HandPose, rng: np.random.Generator, image_size: int) -> HandScene:
    parts = build_hand(shape, pose)
    low = parts.joints_mm[:, :2].min(axis=0) - _EDGE_MM * shape.size
    high = parts.joints_mm[:, :2].max(axis=0) + _EDGE_MM * shape.size
    # A fist fills less of the picture than an open hand, as in real series: the field follows the hand, not the pose.
    field_mm = max(shape.length_mm * rng.uniform(1.1, 1.5), 1.03 * float((high - low).max()))
    spacing = field_mm / image_size
    room = field_mm - (high - low)
    corner = rng.beta(2.0, 2.0, 2) * room  # millimetres from the edge of the image to the hand
    origin = (corner - low) / spacing - 0.5
    return HandScene(parts, OrthographicCamera(float(spacing), (float(origin[0]), float(origin[1]))), image_size)


def render_hand(modality: str, seed: int | Sequence[int] = 0, image_size: int = 64) -> RenderedHand:
    """Render a random right hand, palm to camera; upright, its thumb is on the right.

    Person, pose and camera depend on the seed alone, so one seed shows the same hand in all modalities.

    Args:
        modality: ``photo``, ``depth`` or ``xray``.
        seed: one integer or several, not negative.
        image_size: pixels on a side, at least 16.

    Returns:
        Image, exact landmarks and pixel spacing.

    Raises:
        ValueError: if the modality is unknown, the image too small or the seed negative.

    Example:
        >>> hand = render_hand("xray", seed=3)
        >>> hand.image.shape, hand.landmarks.shape
        ((64, 64), (21, 2))

    """
    check_modality(modality)
    return render_scene(sample_scene(seed, image_size), modality, seed)


def render_scene(scene: HandScene, modality: str, seed: int | Sequence[int] = 0) -> RenderedHand:
    """Render a given scene.

    Args:
        scene: what the camera sees.
        modality: ``photo``, ``depth`` or ``xray``.
        seed: draws what is not geometry: skin, light, background, exposure, noise.

    Returns:
        Image, exact landmarks and pixel spacing.

    Raises:
        ValueError: if the modality is unknown or the seed negative.

    """
    check_modality(modality)
    image = _IMAGING[modality](scene, _generator(seed, 1 + MODALITIES.index(modality)))
    return RenderedHand(image, scene.landmarks, scene.projection.spacing_mm)


def _photo(scene: HandScene, rng: np.random.Generator) -> NDArray[Any]:
    front = render_surface(Canvas(scene.projection, scene.image_size, 2), scene.parts)
    return photograph(front, scene.projection.spacing_mm / 2, rng)


def _depth(scene: HandScene, rng: np.random.Generator) -> NDArray[Any]:
    front = render_surface(Canvas(scene.projection, scene.image_size), scene.parts)
    return depth_map(front, float(scene.parts.joints_mm[[0, 5, 9, 13, 17], 2].mean()), rng)


def _xray(scene: HandScene, rng: np.random.Generator) -> NDArray[Any]:
    canvas = Canvas(scene.projection, scene.image_size, 2)
    flesh = render_tissue(canvas, scene.parts)
    return radiograph(flesh, render_bones(canvas, scene.parts.bones), rng)


_IMAGING: dict[str, Callable[[HandScene, np.random.Generator], NDArray[Any]]] = {
    "photo": _photo,
    "depth": _depth,
    "xray": _xray,
}


def _generator(seed: int | Sequence[int], stream: int) -> np.random.Generator:
    seeds = [seed] if isinstance(seed, int | np.integer) else list(seed)
    if any(s < 0 for s in seeds):
        raise ValueError(f"seed must not be negative, got {seed}. Pass 0 or a larger integer.")
    return np.random.default_rng([stream, *(int(s) for s in seeds)])


def check_image_size(image_size: int) -> None:
    """Raise ``ValueError`` unless images of this many pixels on a side can be rendered."""
    if not isinstance(image_size, int | np.integer) or image_size < MIN_IMAGE_SIZE:
        raise ValueError(
            f"image_size must be an integer of at least {MIN_IMAGE_SIZE} pixels, got {image_size}: "
            "fingers would be thinner than a pixel. Render larger and resize."
        )


def check_modality(modality: str) -> None:
    """Raise ``ValueError`` unless the modality is one of ``MODALITIES``."""
    if modality not in MODALITIES:
        hint = "".join(f" Did you mean {match!r}?" for match in get_close_matches(str(modality), MODALITIES, n=1))
        raise ValueError(f"Unknown modality {modality!r}.{hint} Available: {', '.join(MODALITIES)}.")
