"""CVAT for images 1.1 as CVAT exports it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from monai_degia.data.formats.read import read_annotations

Save = Callable[..., Path]
SVG = (
    '<line x1="1" y1="2" stroke="black" data-type="edge" data-node-from="2" stroke-width="0.5" data-node-to="1"></line>'
    '<circle r="1.5" data-type="element node" data-element-id="1" data-node-id="1" data-label-name="wrist"></circle>'
    '<circle r="1.5" data-type="element node" data-element-id="2" data-node-id="2" data-label-name="tip"></circle>'
)
LABELS = f"""<labels>
  <label><name>tip</name><color>#1</color><type>points</type><attributes/><parent>hand</parent></label>
  <label><name>wrist</name><color>#1</color><type>points</type><attributes/><parent>hand</parent></label>
  <label><name>hand</name><type>skeleton</type><attributes/><svg>{SVG.replace("<", "&lt;").replace(">", "&gt;")}</svg>
  </label></labels>"""


def skeleton(*points: tuple[str, str, int, int], label: str = "hand") -> str:
    elements = "".join(
        f'<points label="{name}" source="manual" outside="{outside}" occluded="{occluded}" points="{place}"></points>'
        for name, place, outside, occluded in points
    )
    return f'<skeleton label="{label}" source="manual" z_order="0">{elements}</skeleton>'


HAND = skeleton(("tip", "10.50,20.00", 0, 0), ("wrist", "0.50,0.50", 0, 1))


def cvat(*images: str, labels: str = LABELS) -> str:
    parts = "".join(
        f'<image id="{number}" name="sub/{"abcdef"[number]}.png" width="64" height="48">{inside}</image>'
        for number, inside in enumerate(images)
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>'
        f"<meta><job><id>1</id>{labels}</job></meta>{parts}</annotations>"
    )


def test_skeletons(save: Save, caplog: pytest.LogCaptureFixture) -> None:
    missing = skeleton(("tip", "0.00,0.00", 1, 0), ("wrist", "3.50,4.50", 0, 0))
    box = '<box label="b" occluded="0" xtl="1" ytl="2" xbr="3" ybr="4"></box>'
    found = read_annotations(save(cvat(HAND + box, missing, "")))
    first, second = found.images
    assert found.names == ("tip", "wrist") and found.bones == (("tip", "wrist"),) and found.upright
    assert first.image == "sub/a.png" and first.size == (64, 48)
    assert first.points.tolist() == [[10, 19.5], [0, 0]], "half a pixel lies between the corner and the centre"
    assert first.occluded.tolist() == [False, True] and second.labelled.tolist() == [False, True]
    assert "box: 1" in caplog.text and "image without a labelled point: 1" in caplog.text


def test_points_by_label(save: Save) -> None:
    point = '<points label="{}" source="manual" occluded="{}" points="{}" z_order="0"{}></points>'
    inside = point.format("wrist", 1, "1.50,2.50", "") + point.format("tips", 0, "3.50,4.50;5.50,6.50", "")
    (image,) = read_annotations(save(cvat(inside))).images
    assert image.points.tolist() == [[1, 2], [3, 4], [5, 6]] and image.occluded.tolist() == [True, False, False]
    assert read_annotations(save(cvat(inside))).names == ("wrist", "tips_1", "tips_2")


def test_groups_and_repeated_labels(save: Save) -> None:
    point = '<points label="wrist" occluded="0" points="{}" {}></points>'
    grouped = point.format("1,2", 'group_id="1"') + point.format("3,4", 'group_id="2"')
    twice = point.format("1,2", "") + point.format("3,4", "")
    found = read_annotations(save(cvat(grouped, twice, point.format("1,x", ""))))
    problems = [image.problem for image in found.images]
    assert "2 objects (image id=0, group 1, image id=0, group 2)" in problems[0]
    assert problems[1] == "wrist is set twice" and "'1,x' of wrist are not numbers" in problems[2]


def test_several_skeletons_an_image_and_labels(save: Save) -> None:
    other = skeleton(("heel", "1,1", 0, 0), label="foot")
    file = save(cvat(HAND + HAND, HAND + other))
    with pytest.raises(ValueError, match=r"skeletons of several labels. The file has: hand, foot"):
        read_annotations(file)
    hands = read_annotations(file, category="hand")
    assert "2 objects" in hands.images[0].problem and hands.images[1].points.shape == (2, 2)
    assert read_annotations(file, category="foot").names == ("heel",)


def test_skeletons_beside_points_need_a_word(save: Save) -> None:
    file = save(cvat(HAND + '<points label="scar" occluded="0" points="1,2"></points>'))
    with pytest.raises(ValueError, match=r"skeletons \(hand\) and points beside them. Pass category="):
        read_annotations(file)
    assert read_annotations(file, category="hand").names == ("tip", "wrist")


def test_video_tracks_are_refused(save: Save) -> None:
    text = '<annotations><version>1.1</version><track id="0" label="hand"></track></annotations>'
    with pytest.raises(ValueError, match=r"'CVAT for video'.*Export 'CVAT for images 1.1'"):
        read_annotations(save(text))
