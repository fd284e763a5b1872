import numpy as np
import pytest

from monai_degia.data.rendered.backgrounds import studio_background
from monai_degia.data.rendered.modalities import absorbed, depth_map, photograph, radiograph
from monai_degia.data.rendered.model import HandPose, HandShape
from monai_degia.data.rendered.parts import Bone, Capsule, HandParts, build_hand
from monai_degia.data.rendered.rendering import (
    Canvas,
    OrthographicCamera,
    bone_thickness,
    render_surface,
    render_tissue,
)

CAMERA = OrthographicCamera(0.5, (31.5, 31.5))


def ball(x: float, z: float, radius: float) -> Capsule:
    centre = np.array([x, 0.0, z])
    return Capsule(centre, centre + np.array([0.0, 0.0, 1e-6]), radius, radius)


def parts(*fingers: Capsule, trunk: tuple[Capsule, ...] = ()) -> HandParts:
    return HandParts(np.zeros((21, 3)), trunk, [[finger] for finger in fingers], [])


def test_projection_scale_is_exact() -> None:
    shape = HandShape.average()
    joints = build_hand(shape, HandPose()).joints_mm
    pixels = OrthographicCamera(2.5, (20.0, 50.0)).project(joints)
    np.testing.assert_allclose(pixels[0], [20.0, 50.0])
    for finger in range(1, 5):
        chain = pixels[1 + 4 * finger : 5 + 4 * finger]
        np.testing.assert_allclose(np.linalg.norm(np.diff(chain, axis=0), axis=1), shape.bones_mm[finger] / 2.5)


@pytest.mark.parametrize("supersample", [1, 2, 3])
def test_rays_sit_where_pixels_are(supersample: int) -> None:
    canvas = Canvas(OrthographicCamera(2.0, (3.0, 5.0)), 8, supersample)
    pixels = canvas.x.reshape(8, supersample).mean(axis=1), canvas.y.reshape(8, supersample).mean(axis=1)
    np.testing.assert_allclose(pixels[0], 2.0 * (np.arange(8) - 3.0))
    np.testing.assert_allclose(pixels[1], 2.0 * (np.arange(8) - 5.0))


@pytest.mark.parametrize("order", [1, -1])
def test_nearer_surface_wins_in_any_order(order: int) -> None:
    near, far = ball(0.0, -20.0, 3.0), ball(0.0, 10.0, 6.0)
    canvas = Canvas(CAMERA, 64)
    z = render_surface(canvas, parts(*[near, far][::order]))
    row, column = np.argmin(np.abs(canvas.y)), np.argmin(np.abs(canvas.x))
    assert z[row, column] == pytest.approx(-23.0, abs=0.1)
    aside = np.argmin(np.abs(canvas.x - 4.5))
    assert z[row, aside] == pytest.approx(10.0 - np.sqrt(36 - canvas.x[aside] ** 2 - canvas.y[row] ** 2))
    assert np.isinf(z[0, 0])


def test_tissue_adds_disjoint_parts_and_counts_shared_room_once() -> None:
    canvas = Canvas(OrthographicCamera(0.5, (32.0, 32.0)), 65)
    middle = (32, 32)
    apart = render_tissue(canvas, parts(ball(0, -20, 3), ball(0, 10, 6)))
    assert apart[middle] == pytest.approx(18.0, abs=1e-3)
    inside = parts(ball(0, 0, 3), trunk=(ball(0, 0, 8),))
    alone = parts(trunk=(ball(0, 0, 8),))
    np.testing.assert_allclose(render_tissue(canvas, inside), render_tissue(canvas, alone), atol=1e-9)


def test_bone_is_thick_at_its_ends_and_absent_beside_them() -> None:
    bone = Bone(Capsule(np.array([-20.0, 0, 0]), np.array([20.0, 0, 0]), 6.0, 5.0), 3.0)
    thickness = bone_thickness(np.array([-30.0, -20.0, 0.0, 20.0, 30.0]), np.array([0.0, 7.0]), bone)
    assert thickness[0, 1] == pytest.approx(12.0)
    assert thickness[0, 3] == pytest.approx(10.0)
    assert 0 < thickness[0, 2] <= 6.0
    np.testing.assert_array_equal(thickness[1], 0)
    np.testing.assert_array_equal(thickness[0, [0, 4]], 0)


def test_absorption_grows_with_flesh_and_faster_with_bone() -> None:
    mm = np.linspace(0, 80, 50)
    zero = np.zeros_like(mm)
    assert absorbed(zero, zero)[0] == 0
    assert (np.diff(absorbed(mm, zero)) > 0).all() and (np.diff(absorbed(zero, mm)) > 0).all()
    assert (absorbed(zero, mm)[1:] > absorbed(mm, zero)[1:]).all()
    # Beer-Lambert: what passes two layers is the product of what passes each.
    flesh, bone = np.array([30.0]), np.array([8.0])
    passes = [1 - absorbed(*layers) for layers in ((flesh, bone), (flesh, zero[:1]), (zero[:1], bone))]
    np.testing.assert_allclose(passes[0], passes[1] * passes[2])


@pytest.mark.parametrize("seed", range(5))
def test_radiograph_is_brighter_where_there_is_more(seed: int) -> None:
    tissue = np.zeros((64, 64))
    tissue[16:48, 16:48] = 25.0
    bone = np.zeros((64, 64))
    bone[24:40, 24:40] = 10.0
    image = radiograph(tissue, bone, np.random.default_rng(seed)).astype(float)
    assert image.shape == (32, 32)
    assert image[14:18, 14:18].mean() > image[9:11, 13:19].mean() + 20 > image[5:7, 13:19].mean() + 40


def test_depth_keeps_relief_and_leaves_background_at_zero() -> None:
    front = np.full((64, 64), np.inf)
    front[8:56, 8:32], front[8:56, 32:56] = 0.0, -40.0
    for seed in range(5):
        image = depth_map(front, 0.0, np.random.default_rng(seed)).astype(float)
        assert image[:6].max() == 0
        left, right = image[16:48, 12:28], image[16:48, 36:52]
        assert left.mean() - right.mean() == pytest.approx(40, abs=2)
        assert 590 < left.mean() < 1010 and left.std() > 0.3


def test_photograph_is_shaded_by_the_slope() -> None:
    x = np.arange(-64, 64) * 0.5
    sphere = 24.0**2 - x**2 - x[:, None] ** 2
    front = np.where(sphere > 0, -np.sqrt(sphere.clip(0)), np.inf)
    flat = np.where(sphere > 0, 0.0, np.inf)
    for seed in range(5):
        round_image, flat_image = (
            photograph(z, 0.5, np.random.default_rng(seed), studio_background) for z in (front, flat)
        )
        assert round_image.shape == (64, 64, 3)
        patch = np.s_[20:44, 20:44]
        assert round_image[patch].mean(-1).std() > 1.3 * flat_image[patch].mean(-1).std()
