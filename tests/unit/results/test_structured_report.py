import os
import shutil
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from monai_degia.data.lists.landmark_sets import HAND21
from monai_degia.results import structured_report
from monai_degia.results.prediction import LandmarkPrediction
from monai_degia.results.structured_report import StructuredReportWriter

highdicom = pytest.importorskip("highdicom")

DATA = Path(os.environ.get("MONAI_DEGIA_DATA", Path(__file__).parents[3].parent / "shared" / "data")) / "dicom_xray"
PIXELMED = Path("/usr/share/java/pixelmed.jar")  # where Debian's libpixelmed-java puts it
Make = Callable[..., LandmarkPrediction]
WriteDicom = Callable[..., pydicom.Dataset]


def report_of(record: LandmarkPrediction, folder: Path) -> Path:
    path = StructuredReportWriter(folder).write(record)
    assert path is not None and path == folder / f"{record.output_name}.sr.dcm"
    return path


def groups(path: Path) -> dict[str, Any]:
    content = highdicom.sr.srread(path).content
    return {group.tracking_identifier: group for group in content.get_planar_roi_measurement_groups()}


def test_points_read_back_in_coordinates_of_dicom(tmp_path: Path, make_record: Make, write_dicom: WriteDicom) -> None:
    source = write_dicom(tmp_path / "a.dcm")
    record = make_record(tmp_path / "a.dcm", confidence=(0.25, 0.5, 0.987))
    found = groups(report_of(record, tmp_path))
    assert list(found) == list(record.names)
    for name, (x, y), confidence in zip(record.names, record.points_px, (25.0, 50.0, 98.7), strict=True):
        region = found[name].roi
        assert region.graphic_type == highdicom.sr.GraphicTypeValues.POINT
        assert np.allclose(region.value, [[x + 0.5, y + 0.5]], atol=1e-5)
        assert region.ContentSequence[0].referenced_sop_instance_uid == source.SOPInstanceUID
        assert found[name].finding_type.scheme_designator == "99MONAIDEGIA"
        assert found[name].finding_type.value == name
        (measurement,) = found[name].get_measurements()
        assert measurement.value == pytest.approx(confidence) and measurement.unit.value == "%"
    assert found["thumb_tip"].finding_sites[0].value.meaning == "Thumb"


def test_the_report_says_who_found_what_and_for_which_purpose(
    tmp_path: Path, make_record: Make, write_dicom: WriteDicom
) -> None:
    source = write_dicom(tmp_path / "a.dcm")
    record = make_record(tmp_path / "a.dcm", domain_shift=-1234.5678912345, mirrored=True)
    report = pydicom.dcmread(report_of(record, tmp_path))
    assert report.SOPClassUID.name == "Comprehensive SR Storage"
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert report.StudyInstanceUID == source.StudyInstanceUID and report.SeriesInstanceUID != source.SeriesInstanceUID
    assert (report.ManufacturerModelName, report.SoftwareVersions) == ("toy_model", "1.2.3")
    assert "research use only" in report.SeriesDescription and report.VerificationFlag == "UNVERIFIED"
    assert report.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == "99MONAIDEGIA"
    text = str(report)
    for said in ("121007", "toy_model 1.2.3", "Research use only, not for diagnosis", "-1234.56789123"):
        assert said in text
    two = [pydicom.dcmread(report_of(record, tmp_path / name)).SOPInstanceUID for name in ("one", "two")]
    assert two[0] != two[1]


def test_a_landmark_outside_has_a_group_without_a_point(
    tmp_path: Path, make_record: Make, write_dicom: WriteDicom
) -> None:
    write_dicom(tmp_path / "a.dcm")
    record = make_record(tmp_path / "a.dcm", points_px=((-3.0, 5.0), (4.0, 5.0), (6.0, 90.0)))
    path = report_of(record, tmp_path)
    assert list(groups(path)) == ["thumb_tip"]
    others = highdicom.sr.srread(path).content.get_image_measurement_groups()
    assert [group.tracking_identifier for group in others] == ["image", "wrist", "index_tip"]
    assert all("Landmark outside the image" in str(group[0]) for group in others)


@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 192", None])
def test_patient_and_study_are_repeated_and_no_more(
    tmp_path: Path, make_record: Make, write_dicom: WriteDicom, charset: str | None
) -> None:
    identity = {"PatientName": "Doe^J\u00f6rg" if charset else "Doe^Joerg", "PatientID": "4711", "StudyID": "S9"}
    identity |= {"PatientBirthDate": "19700102", "PatientSex": "M", "AccessionNumber": "A1"}
    hidden = {"InstitutionName": "SENTINEL", "OperatorsName": "SENTINEL", "PatientAddress": "SENTINEL"}
    charsets = {"SpecificCharacterSet": charset} if charset else {}
    write_dicom(tmp_path / "a.dcm", **charsets, **identity, **hidden)
    path = report_of(make_record(tmp_path / "a.dcm"), tmp_path)
    report = pydicom.dcmread(path)
    assert {keyword: str(report[keyword].value) for keyword in identity} == identity
    assert b"SENTINEL" not in path.read_bytes()


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=\u5c71\u7530^\u592a\u90ce"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=\u6d2a^\u5409\u6d1e"),
        (["ISO 2022 IR 13", "ISO 2022 IR 87"], "\uff94\uff8f\uff80\uff9e^\uff80\uff9b\uff73=\u5c71\u7530^\u592a\u90ce"),
        ("GB18030", "Wang^XiaoDong=\u738b^\u5c0f\u4e1c"),
        ("ISO_IR 6", "Doe^Joerg"),
    ],
)
def test_names_of_every_character_set(
    tmp_path: Path, make_record: Make, write_dicom: WriteDicom, charset: Any, name: str
) -> None:
    write_dicom(tmp_path / "a.dcm", SpecificCharacterSet=charset, PatientName=name)
    report = pydicom.dcmread(report_of(make_record(tmp_path / "a.dcm"), tmp_path))
    assert str(report.PatientName) == name and list(report.SpecificCharacterSet) == list(charset)


@pytest.mark.parametrize("fault", ["charset", "representation"])
def test_a_header_that_cannot_be_copied_is_refused_without_its_words(
    tmp_path: Path, make_record: Make, write_dicom: WriteDicom, fault: str
) -> None:
    path = tmp_path / "a.dcm"
    write_dicom(path, SpecificCharacterSet="ISO_IR 100", PatientName="Doe^John")
    content = path.read_bytes()
    if fault == "charset":
        path.write_bytes(content.replace(b"ISO_IR 100", b"SENTINEL  "))
        words = r"a\.dcm has a SpecificCharacterSet that DICOM does not have"
    else:
        path.write_bytes(content.replace(b"\x10\x00\x10\x00PN", b"\x10\x00\x10\x00PL"))
        words = r"a\.dcm: patient and study of this header cannot be copied .*\(NotImplementedError\)\. Leave out"
    with pytest.raises(ValueError, match=words) as error:
        StructuredReportWriter(tmp_path / "out").write(make_record(path))
    assert "SENTINEL" not in str(error.value) and "Doe" not in str(error.value)
    assert not list((tmp_path / "out").glob("*"))


def test_values_that_break_the_rules_are_repeated_without_a_word(
    tmp_path: Path, make_record: Make, write_dicom: WriteDicom, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = write_dicom(tmp_path / "a.dcm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for keyword, value in {"PatientBirthDate": "SENTINEL-DATE", "PatientSex": "SENTINEL-SEX"}.items():
            vr = pydicom.datadict.dictionary_VR(keyword)
            tag = pydicom.datadict.tag_for_keyword(keyword)
            dataset[keyword] = pydicom.DataElement(tag, vr, value, validation_mode=pydicom.config.IGNORE)
        dataset.PatientName, dataset.StudyInstanceUID = "SENTINEL", "1.2.SENTINEL"
        dataset.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    caplog.clear()  # of what writing such a file has said
    with warnings.catch_warnings(record=True) as seen, caplog.at_level("DEBUG"):
        warnings.simplefilter("always")
        path = report_of(make_record(tmp_path / "a.dcm"), tmp_path)
    assert path.read_bytes().count(b"SENTINEL") == 5  # the UID stands in the reference, too
    assert "SENTINEL" not in caplog.text and not any("SENTINEL" in str(warning.message) for warning in seen)


def test_other_files_get_a_line_in_the_log(tmp_path: Path, make_record: Make, caplog: pytest.LogCaptureFixture) -> None:
    Image.fromarray(np.zeros((8, 6), dtype=np.uint8)).save(tmp_path / "a.png")
    with caplog.at_level("INFO"):
        assert StructuredReportWriter(tmp_path / "out").write(make_record(tmp_path / "a.png")) is None
    assert "a.png is no DICOM file" in caplog.text and not (tmp_path / "out").exists()


def test_a_file_that_cannot_be_referred_to_is_refused(
    tmp_path: Path, make_record: Make, write_dicom: WriteDicom
) -> None:
    write_dicom(tmp_path / "a.dcm", StudyInstanceUID=None)
    with pytest.raises(ValueError, match=r"a\.dcm has no StudyInstanceUID, which a structured report must refer to"):
        StructuredReportWriter(tmp_path / "out").write(make_record(tmp_path / "a.dcm"))
    assert not (tmp_path / "out").exists()


def test_missing_highdicom_is_named_with_the_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structured_report, "_has_highdicom", False)
    with pytest.raises(ImportError, match=r"pip install monai_degia\[sr\]"):
        StructuredReportWriter(tmp_path)


def real_report(make_record: Make, file: Path, folder: Path) -> Path:
    """A report of 21 landmarks, one of them outside, with all that a report can say."""
    header = pydicom.dcmread(file, stop_before_pixels=True)
    inside = np.random.default_rng(0).uniform((0, 0), (header.Columns - 1, header.Rows - 1), (21, 2)).tolist()
    points = [(-5.0, 3.0), *((x, y) for x, y in inside[1:])]
    fields = {"names": HAND21, "points_px": tuple(points), "size_px": (header.Columns, header.Rows)}
    more = {"confidence": (0.5,) * 21, "domain_shift": 1 / 3, "sop_instance_uid": str(header.SOPInstanceUID)}
    return report_of(make_record(file, **fields, **more), folder)


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian: dicom3tools) is not installed")
@pytest.mark.parametrize("name", [path.name for path in sorted(DATA.glob("*.dcm"))] or ["made"])
def test_an_independent_validator_of_objects_finds_no_error(
    tmp_path: Path, make_record: Make, write_dicom: WriteDicom, name: str
) -> None:
    file = DATA / name
    if name == "made":
        file = tmp_path / "made.dcm"
        write_dicom(file)
    path = real_report(make_record, file, tmp_path)
    done = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    assert "ComprehensiveSR" in lines, "the validator must know what it looks at"
    assert not [line for line in lines if line.startswith("Error")]


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("java") is None or not PIXELMED.is_file(),
    reason="java or PixelMed (Debian: libpixelmed-java) is not installed",
)
def test_an_independent_validator_of_templates_finds_no_error(
    tmp_path: Path, make_record: Make, write_dicom: WriteDicom
) -> None:
    write_dicom(tmp_path / "a.dcm")
    path = real_report(make_record, tmp_path / "a.dcm", tmp_path)
    limits = [f"-Djdk.xml.xpath{name}Limit=0" for name in ("TotalOp", "ExprOp", "ExprGrp")]
    command = ["java", *limits, "-cp", str(PIXELMED), "com.pixelmed.validate.DicomSRValidator", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    assert any("Found Root Template TID_1500" in line for line in lines), lines
    assert any("Root Template Validation Complete" in line for line in lines)
    assert not [line for line in lines if line.startswith("Error")]


@pytest.mark.parametrize("spacing", [(0.2, 0.2), None])
def test_a_radius_is_a_measurement_in_millimetres_or_pixels(
    tmp_path: Path, make_record: Make, write_dicom: WriteDicom, spacing: tuple[float, float] | None
) -> None:
    write_dicom(tmp_path / "a.dcm")
    record = make_record(
        tmp_path / "a.dcm", confidence=(0.5, 0.5, 0.5), radius_px=(10.0, 20.0, 30.0), spacing_mm=spacing
    )
    found = groups(report_of(record, tmp_path))
    for name, radius in zip(record.names, (10.0, 20.0, 30.0), strict=True):
        _, measurement = found[name].get_measurements()
        assert measurement.name.value == "radius_90"
        unit, factor = ("mm", 0.2) if spacing else ("{pixels}", 1.0)
        assert measurement.unit.value == unit and measurement.value == pytest.approx(factor * radius)


def test_a_report_says_that_confidence_is_withheld(tmp_path: Path, make_record: Make, write_dicom: WriteDicom) -> None:
    write_dicom(tmp_path / "a.dcm")
    for withheld in (True, False):
        text = str(pydicom.dcmread(report_of(make_record(tmp_path / "a.dcm", withheld=withheld), tmp_path)))
        assert ("Confidence withheld" in text) is withheld
