"""The side of the thumb against how radiographs of hands are taken."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from monai_degia.reading.images import LoadAnyImaged
from monai_degia.reading.landmarks import FlipMarkedd
from monai_degia.reading.xray.side import thumb_side
from monai_degia.reading.xray.side_words import described


def header(**tags: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    return dataset


def coded(value: str, scheme: str = "SCT") -> list[Dataset]:
    return [header(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning="x")]


def region(value: str) -> list[Dataset]:
    return [header(CodeValue="85562004", AnatomicRegionModifierSequence=coded(value))]


RIGHT_PA = {"ImageLaterality": "R", "ViewPosition": "PA"}
DECIDED: list[tuple[dict[str, Any], str, str]] = [
    (RIGHT_PA, "left", "ImageLaterality R; ViewPosition PA"),
    ({"Laterality": "L", "ViewPosition": "PA"}, "right", "Laterality L; ViewPosition PA"),
    ({"ImageLaterality": "R", "ViewPosition": "AP"}, "right", "ImageLaterality R; ViewPosition AP"),
    ({"ImageLaterality": "L", "ViewPosition": "AP"}, "left", "ImageLaterality L; ViewPosition AP"),
    ({"FrameLaterality": "R", "ViewPosition": "PA"}, "left", "FrameLaterality R"),
    ({"AnatomicRegionSequence": region("24028007"), "ViewPosition": "PA"}, "left", "AnatomicRegionModifierSequence R"),
    ({"AnatomicRegionSequence": region("G-A101"), "ViewPosition": "PA"}, "right", "AnatomicRegionModifierSequence L"),
    ({"Laterality": "R", "ViewPosition": "", "ViewCodeSequence": coded("399348003")}, "right", "ViewCodeSequence AP"),
    ({"Laterality": "R", "ViewCodeSequence": coded("R-10214", "SRT")}, "left", "ViewCodeSequence PA"),
    ({"ImageLaterality": "U", "StudyDescription": "XRAY RIGHT HAND", **{"ViewPosition": "PA"}}, "left", "(RIGHT)"),
    ({"SeriesDescription": "Hand, left, d.p."}, "right", "SeriesDescription (LEFT); SeriesDescription (D.P.)"),
    ({"StudyDescription": "both hands", "SeriesDescription": "RT PA"}, "left", "SeriesDescription (RT)"),
    ({"Laterality": "L", "ViewPosition": "PA", "StudyDescription": "R/O fracture"}, "right", "Laterality L"),
]
UNDECIDED: list[tuple[dict[str, Any], str]] = [
    ({"ImageLaterality": "R", "ViewPosition": ""}, "no view is stated"),
    ({"Laterality": "R"}, "no view is stated"),
    ({"Laterality": "R", "ViewPosition": "LL"}, "neither PA nor AP"),
    ({"Laterality": "R", "ViewCodeSequence": coded("399067008")}, "neither PA nor AP"),
    ({**RIGHT_PA, "ViewCodeSequence": coded("399348003")}, "contradict each other about the view"),
    ({**RIGHT_PA, "Laterality": "L"}, "contradict each other about the body side"),
    ({"ImageLaterality": "B", "ViewPosition": "PA"}, "both sides"),
    ({"SeriesDescription": "left hand pa", "StudyDescription": "hand rechts"}, "contradict each other"),
]
SILENT: list[dict[str, Any]] = [
    {"ViewPosition": "PA"},
    {"StudyDescription": "left and right hand", "ViewPosition": "PA"},
    {"StudyDescription": "bright leftover", "ViewPosition": "PA"},
    {"StudyDescription": "R/O FRACTURE", "ViewPosition": "PA"},
]


@pytest.mark.parametrize(("tags", "side", "source"), DECIDED)
def test_what_the_header_says_for_certain(tags: dict[str, Any], side: str, source: str) -> None:
    found = thumb_side(header(**tags))
    assert found.side == side and source in found.source and not found.doubt


@pytest.mark.parametrize(("tags", "doubt"), UNDECIDED)
def test_doubt_decides_nothing_and_is_told(tags: dict[str, Any], doubt: str) -> None:
    found = thumb_side(header(**tags))
    assert not found.side and found.source and doubt in found.doubt


@pytest.mark.parametrize("tags", SILENT)
def test_where_nothing_is_said_there_is_nothing_to_doubt(tags: dict[str, Any]) -> None:
    assert thumb_side(header(**tags)) == ("", "", "")


def test_attributes_go_before_words_that_contradict_them() -> None:
    found = thumb_side(header(**RIGHT_PA, StudyDescription="LEFT HAND"))
    assert found.side == "left" and "StudyDescription (LEFT) contradicts" in found.doubt


def test_the_reader_tells_doubt_and_source(write_xray: Callable[..., Path], caplog: pytest.LogCaptureFixture) -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    tags = {"StudyDescription": "right hand of Jane Doe"}
    meta = LoadAnyImaged("image")({"image": write_xray(pixels, ViewPosition="PA", **tags)})["image"].meta
    assert (meta["thumb_side"], meta["thumb_side_source"]) == ("left", "StudyDescription (RIGHT); ViewPosition PA")
    assert "a.dcm" not in caplog.text
    meta = LoadAnyImaged("image")({"image": write_xray(pixels, **tags)})["image"].meta
    assert meta["thumb_side"] == "" and "no view is stated" in meta["thumb_side_source"]
    (message,) = (text for text in caplog.messages if "a.dcm" in text)
    assert "in doubt" in message and "Doe" not in message + meta["thumb_side_source"]


WORDS = {
    "R": ["XR HAND R", "Hand re dp", "re. Hand d.p.", "MAIN DROITE FACE", "Mano dcha PA", "HAND-RT", "rechter Daumen"],
    "L": ["Main G", "MANO IZQUIERDA", "hand_links", "poignet gauche", "MANO IZQ.", "L HAND AP", "Handgelenk li. a.p."],
    "both": ["Hände beidseits", "beide Hände", "BILATERAL HANDS", "mains bilatérales", "ambas manos", "Right/left"],
    "": ["R/O FX", "RE: hand pain", "main d.p.", "RT(R)", "L/R compare", "RIGHT-HANDED patient", "right hand dominant"],
}
WORDS[""] += ["Dr. R Smith", "Main d'enfant", "HAND R/L", "bright leftover", "Wright", "Rechtshänder", "DER HAND"]


@pytest.mark.parametrize(("side", "text"), [(side, text) for side, texts in WORDS.items() for text in texts])
def test_whole_words_of_four_languages(side: str, text: str) -> None:
    assert set(described(text).sides) == ({"R", "L"} if side == "both" else {side} - {""})


@pytest.mark.parametrize(
    ("view", "text"),
    [
        ("PA", "hand d.p."),
        ("PA", "Hand dorsopalmar"),
        ("PA", "incidence dorso-palmaire"),
        ("AP", "Hand a.p."),
        ("AP", "hand antero-posterior"),
        ("other", "Hand seitlich"),
        ("", "Happy snap"),
    ],
)
def test_views_in_words(view: str, text: str) -> None:
    assert set(described(text).views) == {view} - {""}


@pytest.mark.parametrize(
    ("mirror", "laterality", "mirrored"),
    [("auto", "R", True), ("auto", "L", False), (True, "L", True), (False, "R", False)],
)
def test_hands_with_the_thumb_on_the_left_are_mirrored(
    write_xray: Callable[..., Path], mirror: object, laterality: str, mirrored: bool
) -> None:
    tags = {"ImageLaterality": laterality, "ViewPosition": "PA", "StudyDescription": "Doe"}
    path = write_xray(np.arange(12, dtype=np.uint8).reshape(3, 4), **tags)
    loaded = LoadAnyImaged("image")({"image": path, "mirror": mirror})
    assert "Doe" not in str(loaded["image"].meta)
    first, second = loaded["image"].as_tensor(), FlipMarkedd("image")(loaded)["image"].as_tensor()
    assert (second == first.flip(1)).all() if mirrored else (second == first).all()
