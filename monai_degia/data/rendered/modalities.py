"""From the geometry of a hand to an image of it: photograph, depth map, radiograph."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from monai_degia.data.rendered.backgrounds import smooth_noise
from monai_degia.data.rendered.model import FloatArray

# sRGB of palms from very light to very dark skin; a person lies between two neighbours.
_SKIN = (
    np.array(
        [
            [248, 216, 196],
            [240, 196, 168],
            [226, 174, 140],
            [202, 148, 112],
            [170, 116, 84],
            [134, 90, 66],
            [92, 62, 48],
        ]
    )
    / 255.0
)
_TISSUE_PER_MM = 0.026  # attenuation of an X-ray beam
_BONE_PER_MM = 0.08
_NO_DEPTH = 0

Background = Callable[[tuple[int, int], np.random.Generator], FloatArray]


def photograph(
    front: FloatArray,
    spacing_mm: float,
    rng: np.random.Generator,
    background: Background,
    clothes: Sequence[tuple[FloatArray, FloatArray]] = (),
) -> NDArray[np.uint8]:
    """Photograph a surface: Lambert shading, a person's skin, a lamp, a background, a camera's noise and blur.

    Args:
        front: z of the surface, millimetres, +inf beside the hand, (2H, 2W): two rays on a side of a pixel.
        spacing_mm: distance between rays, millimetres.
        rng: draws skin, light, background and noise.
        background: draws what is behind the hand, of a size (H, W).
        clothes: z of the surface, as ``front``, and the colour of what covers the skin.

    Returns:
        RGB image, (H, W, 3).

    """
    surface, materials = _outermost(front, clothes)
    hand = np.isfinite(surface)
    shade = _halve(np.where(hand, _lambert(surface, hand, spacing_mm, rng), 0.0))[..., None]
    cover = _halve(hand.astype(float))[..., None]
    position = rng.uniform(0, len(_SKIN) - 1)
    low = min(int(position), len(_SKIN) - 2)
    skin = _SKIN[low] + (position - low) * (_SKIN[low + 1] - _SKIN[low]) + rng.normal(0, 0.015, 3)
    skin = skin + smooth_noise(cover.shape[:2], 0.08, rng)[..., None] * np.array([0.01, 0.018, 0.018])
    for worn, colour in materials:
        share = _halve(worn.astype(float))[..., None] / np.maximum(cover, 1e-6)
        skin = skin + share * (colour - skin)
    shade = shade + (cover - shade) * np.array([0.10, 0.0, -0.02])  # light that scatters under the skin comes out red
    behind = background(cover.shape[:2], rng) * (1 - _cast_shadow(cover[..., 0], rng))[..., None]
    lamp = rng.normal(1.0, 0.035, 3) * rng.uniform(0.85, 1.1)
    image = (skin * shade + behind * (1 - cover)) * lamp
    if rng.random() < 0.6:
        image = ndimage.gaussian_filter(image, (*[rng.uniform(0.2, 0.8)] * 2, 0))
    image += rng.normal(0, rng.uniform(0.004, 0.025), image.shape)
    return (255 * image.clip(0, 1)).round().astype(np.uint8)


def _outermost(
    skin: FloatArray, clothes: Sequence[tuple[FloatArray, FloatArray]]
) -> tuple[FloatArray, list[tuple[NDArray[np.bool_], FloatArray]]]:
    """Return the surface that is seen, and where it is each garment's, with its colour."""
    surface = skin
    for front, _ in clothes:
        surface = np.minimum(surface, front)
    return surface, [(np.isfinite(front) & (front <= surface), colour) for front, colour in clothes]


def depth_map(front: FloatArray, palm_z: float, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Measure a surface as a structured-light camera does: steps, noise, ragged edges.

    Args:
        front: z of the surface, millimetres, +inf beside the hand, (H, W).
        palm_z: z of the palm; it will stand 600 to 1000 mm from the camera.
        rng: draws distance and noise.

    Returns:
        Distance in millimetres, (H, W), 0 where nothing was measured.

    """
    distance = rng.uniform(600.0, 1000.0)
    rows, columns = np.indices(front.shape)
    # At an edge the sensor may report its neighbour's distance, or none.
    jitter = np.rint(rng.normal(0, 0.27, (2, *front.shape))).astype(int)
    rows = (rows + jitter[0]).clip(0, front.shape[0] - 1)
    columns = (columns + jitter[1]).clip(0, front.shape[1] - 1)
    z = front[rows, columns]
    hand = np.isfinite(z)
    depth = np.where(hand, z - palm_z, 0.0) + distance
    depth += ndimage.gaussian_filter(rng.normal(0, 1, z.shape), 0.7) * 3.0 * (distance / 800.0) ** 2
    step = 2.9e-6 * distance**2  # quadratic in distance (Khoshelham and Elberink, Sensors 2012); factor ours
    depth = np.rint(np.rint(depth / step) * step)
    return np.where(hand, depth, _NO_DEPTH).astype(np.uint16)


def absorbed(tissue_mm: FloatArray, bone_mm: FloatArray) -> FloatArray:
    """Return the share of an X-ray beam, in [0, 1), that stays in the hand: 1 - exp(-attenuation).

    Args:
        tissue_mm: flesh along the ray, bone included, millimetres.
        bone_mm: bone along the ray, millimetres.

    """
    return 1.0 - np.exp(-(_TISSUE_PER_MM * tissue_mm + _BONE_PER_MM * bone_mm))


def radiograph(tissue_mm: FloatArray, bone_mm: FloatArray, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Take an X-ray: attenuation, contrast, noise, and at times a collimator's border or a side marker.

    Args:
        tissue_mm: flesh along the ray, millimetres, (2H, 2W): two rays on a side of a pixel.
        bone_mm: bone along the ray, millimetres, (2H, 2W).
        rng: draws exposure, contrast, noise and extras.

    Returns:
        Grey image, (H, W), bright bone on black.

    """
    dose = rng.uniform(0.75, 1.3)
    image = _halve(ndimage.gaussian_filter(absorbed(dose * tissue_mm, dose * bone_mm), rng.uniform(0.3, 0.9)))
    top = np.quantile(image, 0.995)
    image = (image / max(float(top), 0.3)).clip(0, 1.1) ** rng.uniform(0.8, 1.4)
    haze = rng.uniform(0.0, 0.08) + rng.uniform(0.0, 0.05) * smooth_noise(image.shape, 0.3, rng).clip(0, None)
    image = haze + (1 - haze) * rng.uniform(0.85, 1.0) * image
    image += rng.normal(0, rng.uniform(0.004, 0.02), image.shape)
    if rng.random() < 0.5:
        _add_marker(image, rng)
    if rng.random() < 0.4:
        _add_border(image, rng)
    return (255 * image.clip(0, 1)).round().astype(np.uint8)


def faded(tissue_mm: FloatArray, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Show a hand whose brightness follows its thickness, on a plain ground that is darker or, at times, lighter.

    Args:
        tissue_mm: flesh along the ray, millimetres, (2H, 2W): two rays on a side of a pixel.
        rng: draws backgrounds, curves and noise.

    Returns:
        Grey as RGB, (H, W, 3).

    """
    flesh = ndimage.gaussian_filter(tissue_mm, rng.uniform(0.5, 1.5))
    thickness = _halve(flesh) / max(float(np.quantile(flesh, 0.995)), 1.0)
    contrast = thickness.clip(0, 1) ** rng.uniform(0.7, 2.0)
    ground, hand = rng.uniform(0.0, 0.3), rng.uniform(0.5, 1.0)
    image = ground + (hand - ground) * contrast + 0.02 * smooth_noise(contrast.shape, 0.15, rng)
    image += rng.normal(0, rng.uniform(0.004, 0.03), image.shape)
    if rng.random() < 0.25:
        image = 1 - image
    return np.repeat((255 * image.clip(0, 1)).round().astype(np.uint8)[..., None], 3, axis=2)


def _lambert(front: FloatArray, hand: NDArray[np.bool_], spacing_mm: float, rng: np.random.Generator) -> FloatArray:
    """Return ambient plus diffuse light on each ray, darker in hollows; 1 is a surface lit straight on."""
    z = np.where(hand, front, front[hand].max() if hand.any() else 0.0)
    slope_y, slope_x = np.gradient(z, spacing_mm)
    slope_y, slope_x = slope_y.clip(-2.5, 2.5), slope_x.clip(-2.5, 2.5)
    light = np.array([rng.normal(0, 0.5), rng.normal(-0.4, 0.4), -1.0])
    light /= np.linalg.norm(light)
    # The normal of z(x, y) that faces the camera is (dz/dx, dz/dy, -1) up to length.
    cosine = (slope_x * light[0] + slope_y * light[1] - light[2]) / np.sqrt(1 + slope_x**2 + slope_y**2)
    hollow = (z - ndimage.gaussian_filter(z, 5.0 / spacing_mm)).clip(0, 8) / 8
    ambient = rng.uniform(0.35, 0.6)
    return (ambient + (1 - ambient) * cosine.clip(0, 1)) * (1 - 0.35 * hollow)


def _cast_shadow(cover: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return how much light the hand takes from the wall behind it, (H, W), in [0, 1)."""
    side = len(cover)
    blurred = ndimage.gaussian_filter(cover, rng.uniform(0.02, 0.06) * side, mode="nearest", truncate=3.0)
    reach = max(1, side // 16)
    down, right = rng.integers(0, 2 * reach + 1, 2)
    padded = np.pad(blurred, reach, mode="edge")
    return rng.uniform(0.0, 0.45) * padded[down : down + side, right : right + side]


def _halve(image: FloatArray) -> FloatArray:
    height, width = image.shape[0] // 2, image.shape[1] // 2
    return image.reshape(height, 2, width, 2, *image.shape[2:]).mean(axis=(1, 3))


def _add_marker(image: FloatArray, rng: np.random.Generator) -> None:
    """Print the radiographer's lead letter into a corner of the image, in place."""
    side = len(image)
    plate = Image.new("L", (12, 12), int(rng.choice([0, 60, 110])))
    ImageDraw.Draw(plate).text((3, 0), str(rng.choice(["L", "R"])), fill=255)
    size = max(4, round(side * rng.uniform(0.09, 0.15)))
    letter = plate.rotate(rng.normal(0, 12), Image.Resampling.BILINEAR).resize((size, size), Image.Resampling.BILINEAR)
    x = int(rng.choice([rng.uniform(0.02, 0.1), rng.uniform(0.75, 0.83)]) * side)
    y = int(rng.choice([rng.uniform(0.02, 0.25), rng.uniform(0.55, 0.83)]) * side)
    patch = image[y : y + size, x : x + size]
    np.maximum(patch, np.asarray(letter, float)[: patch.shape[0], : patch.shape[1]] / 255, out=patch)


def _add_border(image: FloatArray, rng: np.random.Generator) -> None:
    """Cover a narrow frame with one grey, in place: what lies behind the collimator."""
    width = (rng.uniform(0.0, 0.05, 4) * len(image)).astype(int)
    grey = float(rng.choice([0.0, 0.12, 0.85]))
    for frame, count in zip((image, image[::-1], image.T, image.T[::-1]), width, strict=True):
        frame[:count] = grey
