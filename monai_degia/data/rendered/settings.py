"""How a hand may stand before the camera: in a studio, or anywhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from monai_degia.data.rendered.model import FloatArray, HandPose, HandShape, bounded, sample_pose, sample_shape
from monai_degia.errors import UserError, did_you_mean

__all__ = ["SETTINGS", "check_setting", "sample_child", "sample_flat_hand", "sample_place"]

#: ``studio``: right hands, palm to the camera, the hand fills the image. ``anywhere``: either hand, palm or back, of
#: adults and children, in any pose, place and size, with sleeves, watches and all kinds of backgrounds.
SETTINGS = ("studio", "anywhere")
_CHILDREN = 0.4  # shares of the hands that are seen anywhere
_FLAT = 0.45
_POSES = (0.15, 0.35, 0.15, 0.15, 0.2)  # open, counting, relaxed, fist, each finger bent by itself
_TILTS = (0.0, 18.0, 45.0)  # mean, standard deviation and limit of the tilts of hands that are not flat, degrees
_LARGEST_FIELD = 2.6  # lengths of the hand


def check_setting(setting: str) -> None:
    """Raise ``ValueError`` unless the setting is one of ``SETTINGS``."""
    if setting not in SETTINGS:
        hint = did_you_mean(setting, SETTINGS)
        raise UserError(f"Unknown setting {setting!r}.{hint} Available: {', '.join(SETTINGS)}.")


def sample_child(rng: np.random.Generator) -> HandShape:
    """Draw a person of any age: the younger, the smaller the hand, the shorter its fingers, the rounder its flesh."""
    shape = sample_shape(rng)
    if rng.random() > _CHILDREN:
        return shape
    youth = rng.uniform(0.2, 1.0)  # 0 is adult, 1 a toddler
    size, width = 1 - 0.5 * youth, 1 + 0.08 * youth
    return replace(
        shape,
        bones_mm=shape.bones_mm * size * (1 - 0.12 * youth),
        roots_mm=shape.roots_mm * size * [width, 1.0, 1.0],
        size=shape.size * size,
        width=shape.width * width,
        girth=shape.girth * (1 + 0.2 * youth),
    )


def sample_pose_anywhere(rng: np.random.Generator) -> HandPose:
    """Draw a flat hand, or one in any pose that turns away, most with folded or bent fingers; half show the back."""
    if rng.random() < _FLAT:
        pose = sample_flat_hand(rng)
    else:
        tilts = (np.deg2rad(bounded(rng, *_TILTS)), np.deg2rad(bounded(rng, *_TILTS)))
        pose = replace(sample_pose(rng, _POSES), tilt=tilts)
    about_x, about_y = pose.tilt
    return replace(pose, tilt=(about_x, about_y + np.pi)) if rng.random() < 0.5 else pose


def sample_flat_hand(rng: np.random.Generator) -> HandPose:
    """Draw a hand that lies flat: straight fingers, closed or spread, hardly tilted."""
    flexion = np.column_stack([rng.normal(0, 4, 5), np.abs(rng.normal(2, 4, 5)), np.abs(rng.normal(1, 3, 5))])
    abduction = rng.uniform(0.0, 1.9) * np.array([0.0, 9.0, 0.0, -9.0, -20.0]) + rng.normal(0, 2.0, 5)
    flexion[0] = [rng.uniform(0, 18), rng.uniform(-5, 15), rng.uniform(-8, 15)]
    abduction[0] = rng.uniform(12, 60)
    return HandPose(
        np.deg2rad(flexion),
        np.deg2rad(abduction),
        rotation=float(np.deg2rad(bounded(rng, 0, 16, 50))),
        tilt=(np.deg2rad(bounded(rng, 0, 4, 10)), np.deg2rad(bounded(rng, 0, 4, 10))),
        wrist=np.deg2rad(bounded(rng, 0, 10, 25)),
    )


def sample_place(rng: np.random.Generator, extent_mm: FloatArray, length_mm: float) -> tuple[float, FloatArray]:
    """Draw how much of the scene the image shows, and where in it the hand is.

    Args:
        rng: source of the draws.
        extent_mm: width and height of what must be seen, millimetres, shape (2,).
        length_mm: length of the hand.

    Returns:
        Width of the square field in millimetres, and the millimetres left of and above the hand, shape (2,).

    """
    least = 1.03 * float(extent_mm.max())
    field_mm = least * (max(_LARGEST_FIELD * length_mm, least) / least) ** rng.beta(1.0, 1.6)
    return float(field_mm), rng.beta(1.2, 1.2, 2) * (field_mm - extent_mm)
