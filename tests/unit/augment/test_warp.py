from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from torch.testing import assert_close

from monai_degia.augment.resampling import follow_fields, warp_images
from monai_degia.augment.warp import RandPoseWarpd, RandSmoothWarpd
from monai_degia.data.lists.landmark_sets import HAND17, HAND21

SIZE = (80, 64)


def hand(names: tuple[str, ...] = HAND21, size: tuple[int, int] = SIZE) -> np.ndarray:
    """An open hand, fingers up, in pixels (K, 2)."""
    points = {"wrist": (0.5, 0.9)}
    for finger, angle in zip(("thumb", "index", "middle", "ring", "little"), (55, 18, 2, -14, -32), strict=True):
        joints = [n for n in HAND21 if n.startswith(f"{finger}_")]
        a = np.deg2rad(angle)
        for joint, radius in zip(joints, (0.25, 0.4, 0.5, 0.58), strict=True):
            points[joint] = (0.5 + radius * np.sin(a), 0.85 - radius * np.cos(a))
    return np.array([np.array(points[name]) * size - 0.5 for name in names], dtype=np.float32)


def sample(names: tuple[str, ...] = HAND21) -> dict[str, Any]:
    points = hand(names)
    x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]), indexing="ij")
    blobs = [np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 1.5**2)) for px, py in points]
    image = MetaTensor(torch.as_tensor(np.stack(blobs), dtype=torch.float32), meta={"filename_or_obj": "a.png"})
    return {"image": image, "landmarks": points}


def peaks(image: torch.Tensor) -> torch.Tensor:
    """Centroid of what is brighter than half the peak, so that stretched tails do not count."""
    image = torch.as_tensor(image)
    weights = (image - 0.5 * image.amax((1, 2), keepdim=True)).clamp(min=0)
    axes = torch.meshgrid(*[torch.arange(s, dtype=torch.float32) for s in image.shape[1:]], indexing="ij")
    return torch.stack([(weights * axis).sum((1, 2)) / weights.sum((1, 2)) for axis in axes], -1)


WARPS = {
    "smooth": (lambda: RandSmoothWarpd("image", prob=1), HAND21),
    "smooth, strong": (lambda: RandSmoothWarpd("image", prob=1, magnitude=0.2, grid=6), HAND21),
    "pose": (lambda: RandPoseWarpd("image", prob=1), HAND21),
    "pose, 17": (lambda: RandPoseWarpd("image", landmarks="hand17", prob=1), HAND17),
    "pose, strong": (lambda: RandPoseWarpd("image", prob=1, max_spread_degrees=40, max_stretch=0.6), HAND21),
}


@pytest.mark.parametrize(("make", "names"), WARPS.values(), ids=WARPS.keys())
def test_landmarks_follow_what_is_painted_on_them(make: Any, names: tuple[str, ...]) -> None:
    warp, given, farthest = make().set_random_state(0), sample(names), 0.0
    for _ in range(8):
        moved = warp(given)
        ends = torch.cat([moved["landmarks"], torch.as_tensor(given["landmarks"])], 1)
        inside = ((ends > 4) & (ends < torch.tensor(SIZE * 2) - 5)).all(1)  # the edge cuts the other blobs
        assert inside.sum() > len(names) // 2
        assert (peaks(moved["image"]) - moved["landmarks"])[inside].norm(dim=1).max() < 0.7
        farthest = max(farthest, float((moved["landmarks"] - torch.as_tensor(given["landmarks"])).norm(dim=1).max()))
    assert farthest > 2, "vacuous: nothing moved"


@pytest.mark.parametrize(("make", "names"), WARPS.values(), ids=WARPS.keys())
def test_warps_are_seeded_one_to_one_and_leave_the_input_alone(make: Any, names: tuple[str, ...]) -> None:
    given, warp = sample(names), make()
    before = (given["image"].clone(), given["landmarks"].copy())
    first = warp.set_random_state(5)(given)
    again = warp.set_random_state(5)(given)
    other = warp(given)
    assert torch.equal(first["landmarks"], again["landmarks"]) and torch.equal(first["image"], again["image"])
    assert not torch.allclose(first["landmarks"], other["landmarks"], atol=0.05)
    assert torch.equal(given["image"], before[0]) and np.array_equal(given["landmarks"], before[1])
    assert first["image"].meta["filename_or_obj"] == "a.png" and first["landmarks"].dtype == torch.float32
    field = warp.fields(torch.as_tensor(warp.draws)[None], SIZE, torch.as_tensor(given["landmarks"])[None])[0]
    dx, dy = torch.gradient(field, dim=(1, 2))
    assert ((1 + dx[0]) * (1 + dy[1]) - dx[1] * dy[0]).min() > 0, "folded"


def test_probability_zero_and_no_magnitude_change_nothing() -> None:
    given = sample()
    for warp in (RandSmoothWarpd("image", prob=0), RandPoseWarpd("image", prob=0)):
        assert warp(given)["image"] is given["image"]
    for warp in (
        RandSmoothWarpd("image", prob=1, magnitude=0),
        RandPoseWarpd("image", prob=1, max_spread_degrees=0, max_stretch=0),
    ):
        moved = warp(given)
        assert_close(moved["landmarks"], torch.as_tensor(given["landmarks"]), atol=1e-4, rtol=0)
        assert_close(torch.as_tensor(moved["image"]), torch.as_tensor(given["image"]), atol=1e-4, rtol=0)


def test_constant_field_is_a_shift() -> None:
    fields = torch.tensor([[3.0, -2.0], [-1.0, 4.0]])[:, :, None, None].expand(2, 2, *SIZE)
    images = torch.rand(2, 1, *SIZE)
    warped = warp_images(images, fields)[:, 0, 10, 20]
    assert_close(warped, torch.stack([images[0, 0, 13, 18], images[1, 0, 9, 24]]))
    points = torch.tensor([[[13.0, 18.0]], [[9.0, 24.0]]])
    assert_close(follow_fields(points, fields), torch.tensor([10.0, 20.0]).expand(2, 1, 2))


def test_pose_stays_in_the_image_and_reaches_its_targets() -> None:
    warp = RandPoseWarpd("image", prob=1, max_stretch=0.6).set_random_state(1)
    given = sample()
    for _ in range(10):
        moved = warp(given)["landmarks"]
        assert (moved > -0.6).all() and (moved < torch.tensor(SIZE) - 0.4).all()
    points = torch.as_tensor(given["landmarks"])[None]
    angles, scales = torch.zeros(1, 5), torch.full((1, 5), 0.9)
    reached = follow_fields(points, warp.pose.fields(points, angles, scales, SIZE))
    assert_close(reached, warp.pose.targets(points, angles, scales, SIZE), atol=0.7, rtol=0)
    tip, base = HAND21.index("index_tip"), HAND21.index("index_mcp")
    lengths = [np.linalg.norm(p[tip] - p[base]) for p in (points[0], reached[0])]
    assert lengths[1] / lengths[0] == pytest.approx(0.9, abs=0.03)


def test_coinciding_landmarks_are_survived() -> None:
    given = sample()
    given["landmarks"][HAND21.index("index_tip")] = given["landmarks"][HAND21.index("thumb_tip")]
    moved = RandPoseWarpd("image", prob=1).set_random_state(0)(given)
    assert torch.isfinite(moved["landmarks"]).all() and torch.isfinite(torch.as_tensor(moved["image"])).all()


def test_what_has_no_bones_keeps_its_pose() -> None:
    given = {**sample(), "landmarks": sample()["landmarks"][:3]}
    moved = RandPoseWarpd("image", landmarks=["apex", "costal_angle", "hilum"], prob=1).set_random_state(0)(given)
    assert moved["image"] is given["image"] and moved["landmarks"] is given["landmarks"]


@pytest.mark.parametrize("lost", ["index_mcp", "index_tip", "wrist"])
def test_a_missing_landmark_stays_missing_and_the_others_bend_as_before(lost: str) -> None:
    given, place = sample(), HAND21.index(lost)
    whole = RandPoseWarpd("image", prob=1).set_random_state(3)(given)["landmarks"]
    given["landmarks"][place] = float("nan")
    moved = RandPoseWarpd("image", prob=1).set_random_state(3)(given)
    points = moved["landmarks"]
    assert torch.isfinite(torch.as_tensor(moved["image"])).all()
    assert points.isnan().any(1).nonzero().flatten().tolist() == [place]
    others = [i for i, name in enumerate(HAND21) if not name.startswith("index") and name != lost]
    assert_close(points[others], whole[others], atol=2.0, rtol=0)
    assert (points[others] - torch.as_tensor(given["landmarks"])[others]).norm(dim=1).max() > 1, "nothing bent"


def test_errors_say_what_was_given() -> None:
    with pytest.raises(ValueError, match="Unknown landmark set 'hand7'"):
        RandPoseWarpd("image", landmarks="hand7")
    with pytest.raises(ValueError, match=r"max_stretch < 1, got 15.0, 1.5"):
        RandPoseWarpd("image", max_stretch=1.5)
    with pytest.raises(ValueError, match=r"grid >= 2, got 0.06 and 1"):
        RandSmoothWarpd("image", grid=1)
    with pytest.raises(ValueError, match=r"padding_mode must be .* got 'wrap'"):
        RandSmoothWarpd("image", padding_mode="wrap")
    with pytest.raises(ValueError, match=r"shape \(17, 2\), got \(21, 2\)"):
        RandPoseWarpd("image", landmarks="hand17", prob=1)(sample())
    with pytest.raises(ValueError, match="images of one size"):
        RandSmoothWarpd(["image", "mask"], prob=1)({**sample(), "mask": torch.zeros(1, 5, 5)})
