"""Lists that cannot be meant."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from monai_degia.data.formats.annotations import AnnotatedImage, AnnotationSet
from monai_degia.data.formats.checks import FAULT_KINDS, find_faults, never_labelled, refuse_faults

SIZE = (320, 240)


def rows(count: int = 4, size: tuple[int, int] | None = SIZE, landmarks: int = 5, seed: int = 0) -> AnnotationSet:
    """Images with points all over them."""
    rng = np.random.default_rng(seed)
    images = [
        AnnotatedImage(f"{i}.png", rng.uniform(0, 1, (landmarks, 2)) * (size or SIZE), where=f"line {i + 2}", size=size)
        for i in range(count)
    ]
    return AnnotationSet(tuple(f"p{k}" for k in range(landmarks)), tuple(images))


def with_points(annotations: AnnotationSet, points: Sequence[np.ndarray]) -> AnnotationSet:
    images = [replace(image, points=p) for image, p in zip(annotations.images, points, strict=True)]
    return replace(annotations, images=tuple(images))


def kinds(annotations: AnnotationSet, **options: object) -> dict[int, str]:
    return {fault.index: fault.kind for fault in find_faults(annotations, **options)}  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [SIZE, (64, 64), (90, 500), None])
def test_lists_that_can_be_meant_pass(size: tuple[int, int] | None, seed: int) -> None:
    assert not kinds(rows(size=size, seed=seed))
    assert not kinds(rows(size=size, seed=seed, landmarks=1, count=6))
    beyond = [image.points * 1.05 for image in rows(size=size, seed=seed).images]
    assert not kinds(with_points(rows(size=size, seed=seed), beyond)), "labels of what is cut off lie outside"


@pytest.mark.parametrize("origin", [0.0, -0.5])
@pytest.mark.parametrize("size", [SIZE, None])
def test_fractions(size: tuple[int, int] | None, origin: float) -> None:
    annotations = rows(size=size)
    fractions = [image.points / SIZE + origin for image in annotations.images]
    assert set(kinds(with_points(annotations, fractions)).values()) == {"fractions"}
    one_row = [fractions[0], *(image.points for image in annotations.images[1:])]
    assert kinds(with_points(annotations, one_row)) == {0: "fractions"}
    single = rows(size=size, landmarks=1)
    assert len(kinds(with_points(single, [image.points / SIZE for image in single.images]))) == 4


@pytest.mark.parametrize("origin", [0.0, -0.5])
def test_per_cent(origin: float) -> None:
    annotations = rows(count=8)
    percent = with_points(annotations, [image.points / SIZE * 100 + origin for image in annotations.images])
    assert set(kinds(percent).values()) == {"percent"} and len(kinds(percent)) == 8
    assert not kinds(percent, accept=["percent"])
    small = [(90, 90)] * 8  # may as well be pixels
    assert not kinds(with_points(rows(8, (90, 90)), [image.points for image in percent.images]), sizes=small)
    unknown = with_points(rows(8, None), [image.points for image in percent.images])
    assert not kinds(unknown)
    one_beyond = [*(image.points for image in percent.images[1:]), np.full((5, 2), 150.0) + np.arange(5)[:, None]]
    assert not kinds(with_points(annotations, one_beyond))


def test_exchanged_axes() -> None:
    annotations = with_points(rows(), [np.array([[10.0, 300.0], [200.0, 20.0], [5, 5.5], [7, 9], [8, 2]])] * 4)
    assert set(kinds(annotations).values()) == {"swapped"}
    far = with_points(rows(), [np.array([[10.0, 900.0], [200.0, 20.0], [5, 5.5], [7, 9], [8, 2]])] * 4)
    assert not kinds(far), "that does not fit either way: a matter of outside_margin"


def test_equal_points() -> None:
    annotations = rows()
    points = [np.full((5, 2), 33.0), *(image.points for image in annotations.images[1:])]
    assert kinds(with_points(annotations, points)) == {0: "equal"}
    points[0][1:] = np.nan
    assert not kinds(with_points(annotations, points)), "one labelled point equals nothing"


@pytest.mark.parametrize("value", [0.0, -1.0, -999.0, -0.5, -1.5])
def test_placeholders_for_missing_points(value: float) -> None:
    annotations = rows()
    points = [image.points.copy() for image in annotations.images]
    points[2][3] = value
    (fault,) = find_faults(with_points(annotations, points))
    assert (fault.index, fault.kind) == (2, "placeholder")
    shown = {-0.5: "0/0", -1.5: "-1/-1"}.get(value, f"{value:g}/{value:g}")
    assert fault.reason == f"p3 at {shown}; leave the cells of a missing landmark empty"
    points[2][3] = (0.0, 7.0)
    assert not kinds(with_points(annotations, points)), "a point may lie on the edge"


def test_images_listed_twice() -> None:
    annotations = rows()
    names = ["a/b.png", "c.png", "./a//b.png", "d.png"]
    images = [replace(image, image=name) for image, name in zip(annotations.images, names, strict=True)]
    faults = find_faults(replace(annotations, images=tuple(images)))
    assert {fault.index: fault.kind for fault in faults} == {0: "twice", 2: "twice"}
    assert faults[0].reason == "listed 2 times, in line 2, line 4; keep one"


def test_labels_of_another_size_and_of_the_upright_view() -> None:
    annotations = rows(size=(160, 120))
    assert set(kinds(annotations, sizes=[SIZE] * 4).values()) == {"other_size"}
    turned = rows(size=SIZE[::-1])
    upright = [6] * 4
    assert set(kinds(turned, sizes=[SIZE] * 4, orientations=upright).values()) == {"upright"}
    unstated = replace(turned, images=tuple(replace(image, size=None) for image in turned.images))
    outside = with_points(unstated, [np.array([[10.0, 300.0], [200.0, 20.0], [5, 5.5], [7, 9], [8, 2]])] * 4)
    assert set(kinds(outside, sizes=[SIZE] * 4, orientations=upright).values()) == {"upright"}
    assert not kinds(replace(turned, upright=True), sizes=[SIZE] * 4, orientations=upright)
    not_turned = replace(rows(size=SIZE), upright=True)
    assert not kinds(not_turned, sizes=[SIZE] * 4, orientations=upright), "an old version that turns nothing"


def test_the_first_reason_is_told_with_its_rows() -> None:
    annotations = rows(count=9)
    images = [replace(image, points=np.zeros((5, 2))) for image in annotations.images[:8]]
    bad = replace(annotations, images=(*images, replace(annotations.images[8], problem="5 cells where 4 belong")))
    faults = find_faults(bad)
    assert [fault.kind for fault in faults] == ["placeholder"] * 8 + ["problem"]
    with pytest.raises(ValueError, match=r"list.csv: 9 of 9 images cannot be used:") as caught:
        refuse_faults("list.csv", bad, faults)
    lines = str(caught.value).splitlines()
    assert lines[1:3] == ["  the row cannot be read (1 image):", "    line 10 (8.png): 5 cells where 4 belong"]
    assert lines[3].endswith("(8 images):") and lines[-1] == "    ... and 3 more" and len(lines) == 10
    refuse_faults("list.csv", annotations, ())


def test_kinds_are_checked() -> None:
    with pytest.raises(ValueError, match=r"no kind of fault fraction. Kinds: problem"):
        find_faults(rows(), accept=["fraction"])
    with pytest.raises(ValueError, match=r"Sizes \(1\) and orientations \(4\) must be those of 4 images"):
        find_faults(rows(), sizes=[SIZE])
    assert next(iter(FAULT_KINDS)) == "problem"


def test_landmarks_that_no_image_has() -> None:
    annotations = rows()
    points = [image.points.copy() for image in annotations.images]
    for p in points:
        p[1] = np.nan
    points[0][2] = np.nan
    assert never_labelled(with_points(annotations, points)) == ("p1",)
