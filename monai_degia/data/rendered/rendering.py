"""Orthographic rendering of tapered capsules: front surface, tissue thickness and bone thickness of each pixel."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from monai_degia.data.rendered.model import FloatArray
from monai_degia.data.rendered.parts import Bone, Capsule, HandParts

_BLEND_MM = 2.5  # how far the parts of the palm melt into each other
_SKIN_MM = 2.5  # skin bridges the furrows between them: standard deviation of a Gaussian
_MARROW = 0.55  # share of a shaft's width that is marrow, which stops fewer X-rays than the bone around it


@dataclass(frozen=True)
class OrthographicCamera:
    """Orthographic camera, looking along z.

    Attributes:
        spacing_mm: width of a pixel, millimetres.
        origin: pixel (x, y) that shows the point (0, 0, z); pixel centres are at integers.

    """

    spacing_mm: float
    origin: tuple[float, float]

    def project(self, points_mm: FloatArray) -> FloatArray:
        """Return the pixels (x, y), shape (K, 2), of points (K, 3) in the camera frame."""
        return points_mm[:, :2] / self.spacing_mm + np.asarray(self.origin)


class Canvas:
    """Square grid of viewing rays, positions in millimetres.

    Args:
        projection: the camera.
        image_size: pixels on a side of the image.
        supersample: rays on a side of a pixel.

    Attributes:
        x: position of each column of rays, shape (S,) with S = image_size * supersample.
        y: position of each row of rays, shape (S,).

    """

    def __init__(self, projection: OrthographicCamera, image_size: int, supersample: int = 1) -> None:
        pixels = (np.arange(image_size * supersample) + 0.5) / supersample - 0.5
        self.x, self.y = ((pixels - origin) * projection.spacing_mm for origin in projection.origin)
        self.shape = (len(self.y), len(self.x))

    def window(self, capsule: Capsule) -> tuple[slice, slice]:
        """Return the rows and columns that can meet the capsule; both are empty if it lies outside."""
        low = np.minimum(capsule.a - capsule.radius_a, capsule.b - capsule.radius_b)
        high = np.maximum(capsule.a + capsule.radius_a, capsule.b + capsule.radius_b)
        columns = np.searchsorted(self.x, (low[0], high[0]))
        rows = np.searchsorted(self.y, (low[1], high[1]))
        return slice(int(rows[0]), int(rows[1])), slice(int(columns[0]), int(columns[1]))


def capsule_interval(x: FloatArray, y: FloatArray, capsule: Capsule) -> tuple[FloatArray, FloatArray]:
    """Return where rays along z enter and leave a capsule.

    The capsule is the union of the balls at ``a + t (b - a)`` of radius ``r_a + t (r_b - r_a)``, t in [0, 1]; the ray
    is cut with both end balls and with the cone that touches all of them.

    Args:
        x: positions of the rays, millimetres, shape (W,).
        y: positions of the rays, millimetres, shape (H,).
        capsule: what is cut.

    Returns:
        Entry and exit z in millimetres, each (H, W); rays that miss have entry +inf and exit -inf.

    """
    along, taper = capsule.b - capsule.a, capsule.radius_a - capsule.radius_b
    wx, wy = x - capsule.a[0], (y - capsule.a[1])[:, None]
    squared = wx**2 + wy**2
    front, back = _ball(squared, capsule.a[2], capsule.radius_a)
    other_front, other_back = _ball((wx - along[0]) ** 2 + (wy - along[1]) ** 2, capsule.b[2], capsule.radius_b)
    front, back = np.minimum(front, other_front), np.maximum(back, other_back)
    m = along @ along - taper**2
    if m < 1e-9:  # the smaller ball lies within the larger
        return front, back
    steep = m - along[2] ** 2
    if abs(steep) < 1e-6 * m:  # a line of the cone is parallel to the rays: keep the quadratic solvable
        steep = 1e-6 * m
    # With z measured from a, the ray meets the cone where (z^2 + squared - r^2) - (k + z dz)^2 / m = 0.
    k = wx * along[0] + wy * along[1] - capsule.radius_a * taper
    a, b = steep / m, k * (-along[2] / m)
    root = b * b - a * (squared - capsule.radius_a**2 - k * k / m)
    hit = root > 0
    root = np.sqrt(np.where(hit, root, 0.0))
    for sign in (-1.0, 1.0):
        z = (sign * root - b) / a
        t = (k + z * along[2]) / m
        on_side = hit & (t >= 0) & (t <= 1)
        z += capsule.a[2]
        np.minimum(front, z, out=front, where=on_side)
        np.maximum(back, z, out=back, where=on_side)
    return front, back


def _ball(squared: FloatArray, z: float, radius: float) -> tuple[FloatArray, FloatArray]:
    inside = radius**2 - squared
    half = np.sqrt(np.maximum(inside, 0.0))
    return np.where(inside > 0, z - half, np.inf), np.where(inside > 0, z + half, -np.inf)


def render_surface(canvas: Canvas, parts: HandParts) -> FloatArray:
    """Return z of the nearest flesh on each ray, (H, W), millimetres; +inf beside the hand."""
    front, _ = _render_trunk(canvas, parts.trunk)
    for finger in parts.fingers:
        np.minimum(front, render_capsules(canvas, finger), out=front)
    return front


def render_capsules(canvas: Canvas, capsules: Sequence[Capsule]) -> FloatArray:
    """Return z of the nearest of the capsules on each ray, (H, W), millimetres; +inf beside them."""
    front = np.full(canvas.shape, np.inf)
    for capsule in capsules:
        window = canvas.window(capsule)
        near, _ = capsule_interval(canvas.x[window[1]], canvas.y[window[0]], capsule)
        np.minimum(front[window], near, out=front[window])
    return front


def render_tissue(canvas: Canvas, parts: HandParts) -> FloatArray:
    """Return millimetres of flesh (the bones' room included) along each ray, (H, W)."""
    trunk = _render_trunk(canvas, parts.trunk)
    thickness = _length(*trunk)
    for finger in parts.fingers:
        previous = np.full(canvas.shape, np.inf), np.full(canvas.shape, -np.inf)
        for capsule in finger:
            window = canvas.window(capsule)
            near, far = capsule_interval(canvas.x[window[1]], canvas.y[window[0]], capsule)
            # What the capsule shares with the palm or with the phalanx before it must not count twice.
            added = _length(near, far)
            for other_near, other_far in (trunk, previous):
                added -= _overlap(near, far, other_near[window], other_far[window])
            thickness[window] += np.maximum(added, 0.0)
            previous[0][:], previous[1][:] = np.inf, -np.inf
            previous[0][window], previous[1][window] = near, far
    return thickness


def _length(near: FloatArray, far: FloatArray) -> FloatArray:
    return np.where(far > near, far - near, 0.0)


def _overlap(near: FloatArray, far: FloatArray, other_near: FloatArray, other_far: FloatArray) -> FloatArray:
    return _length(np.maximum(near, other_near), np.minimum(far, other_far))


def _render_trunk(canvas: Canvas, trunk: Sequence[Capsule]) -> tuple[FloatArray, FloatArray]:
    """Return front and back of parts that melt together: a soft minimum over their front surfaces, smoothed."""
    weight, back = np.zeros(canvas.shape), np.full(canvas.shape, -np.inf)
    for capsule in trunk:
        window = canvas.window(capsule)
        near, far = capsule_interval(canvas.x[window[1]], canvas.y[window[0]], capsule)
        weight[window] += np.exp(-near / _BLEND_MM)
        np.maximum(back[window], far, out=back[window])
    front = np.full(canvas.shape, np.inf)
    hit = weight > 0
    surface = np.zeros(canvas.shape)
    surface[hit] = -_BLEND_MM * np.log(weight[hit])
    sigma = _SKIN_MM / (canvas.x[1] - canvas.x[0])
    share = ndimage.gaussian_filter(hit.astype(float), sigma, truncate=3.0)
    front[hit] = ndimage.gaussian_filter(surface, sigma, truncate=3.0)[hit] / share[hit]
    return front, back


def render_bones(canvas: Canvas, bones: Sequence[Bone]) -> FloatArray:
    """Return millimetres of bone along each ray, (H, W); marrow counts as less than its thickness."""
    thickness = np.zeros(canvas.shape)
    for bone in bones:
        window = canvas.window(bone.capsule)
        thickness[window] += bone_thickness(canvas.x[window[1]], canvas.y[window[0]], bone)
    return thickness


def bone_thickness(x: FloatArray, y: FloatArray, bone: Bone) -> FloatArray:
    """Return the thickness (H, W), mm, of one bone along z; its radius varies smoothly from the ends to the shaft."""
    a, along = bone.capsule.a, bone.capsule.b - bone.capsule.a
    wx, wy = x - a[0], (y - a[1])[:, None]
    planar = along[0] ** 2 + along[1] ** 2
    t = np.clip((wx * along[0] + wy * along[1]) / max(planar, 1e-9), 0.0, 1.0)
    squared = (wx - t * along[0]) ** 2 + (wy - t * along[1]) ** 2
    end = bone.capsule.radius_a + t * (bone.capsule.radius_b - bone.capsule.radius_a)
    flare = np.abs(2 * t - 1) ** bone.flare
    radius = bone.shaft + flare * (end - bone.shaft)
    marrow = _MARROW * radius * (1 - flare)
    chord = 2 * np.sqrt(np.maximum(radius**2 - squared, 0.0)) - np.sqrt(np.maximum(marrow**2 - squared, 0.0))
    # A bone that points at the camera is longer along the ray than it is wide; the bound keeps its mass about right.
    length = float(np.linalg.norm(along))
    return chord * min(max(length / max(float(np.sqrt(planar)), bone.shaft), 1.0), 4.0)
