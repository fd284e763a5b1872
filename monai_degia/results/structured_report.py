"""Landmarks as a DICOM structured report (TID 1500), which refers to its image and belongs to the same study."""

from __future__ import annotations

import logging
import uuid
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pydicom
import pydicom.charset
from pydicom.misc import is_dicom

from monai_degia.errors import MissingExtraError, UserError
from monai_degia.io.files import whole_file
from monai_degia.results.prediction import LandmarkPrediction

__all__ = ["StructuredReportWriter"]

_has_highdicom = find_spec("highdicom") is not None  # not loaded: DICOM's coded terms take a second

_REFERENCES = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
# Type 2 in every report: present even if empty. No other attribute of the patient or the hospital is copied.
_PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
_STUDY = ("StudyID", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName")

_logger = logging.getLogger(__name__)


class StructuredReportWriter:
    """Write ``<output_name>.sr.dcm``, a Comprehensive SR, for a DICOM file; other images get a line in the log.

    A landmark is a point of the image region kind in coordinates of DICOM (column and row from the corner of the first
    pixel, so pixel centre + 0.5), named by its tracking identifier and a code. One outside the image has no point,
    since DICOM allows none there; its group says so. The observer is a device, the model with its version. The report
    is unverified and preliminary, and says that it is for research only. It needs highdicom.

    The report repeats what the standard wants of the patient and the study, and nothing else of them.

    Args:
        output_dir: folder of the files.

    Raises:
        ImportError: if highdicom is not installed.

    """

    ending = ".sr.dcm"

    def __init__(self, output_dir: str | Path) -> None:
        if not _has_highdicom:
            raise MissingExtraError("Structured reports need highdicom: pip install monai_degia[sr].")
        self.output_dir = Path(output_dir)

    def write(self, record: LandmarkPrediction) -> Path | None:
        """Write the report of one image.

        Args:
            record: the image's landmarks; its file is read anew for what identifies image and study.

        Returns:
            The file written; None if the image is no DICOM file.

        Raises:
            ValueError: if it is a volume, or the DICOM file lacks the identifiers that a report must refer to, names a
                character set that DICOM does not have, or has attributes of patient or study that cannot be copied.

        """
        if not (record.sop_instance_uid or is_dicom(record.file)):
            _logger.info("%s is no DICOM file: it gets no structured report.", record.image)
            return None
        if len(record.size_px) != 2:
            raise UserError(f"{record.image} is a volume, of which there is no structured report: ask for markups.")
        path = self.output_dir / f"{record.output_name}{self.ending}"
        with _discreet():
            source = _read_header(record)
            with whole_file(path) as partial:
                try:
                    _report(record, source).save_as(partial, enforce_file_format=True)
                except OSError:
                    raise
                except Exception as error:  # its own words may repeat what it stumbled over, a patient's name
                    raise UserError(
                        f"{record.image}: patient and study of this header cannot be copied into a structured report "
                        f"({type(error).__name__}). Leave out the report, or repair the file."
                    ) from None
        return path


def _read_header(record: LandmarkPrediction) -> pydicom.Dataset:
    source = pydicom.dcmread(record.file, stop_before_pixels=True, force=True)
    missing = [name for name in _REFERENCES if not source.get(name)]
    if missing:
        raise UserError(
            f"{record.image} has no {', '.join(missing)}, which a structured report must refer to. Leave out the "
            "report, or repair the file."
        )
    if not set(_character_sets(source)) <= set(pydicom.charset.python_encoding):
        raise UserError(
            f"{record.image} has a SpecificCharacterSet that DICOM does not have, so the patient's name cannot be "
            "copied into a structured report. Leave out the report, or repair the file."
        )
    return source


def _character_sets(source: pydicom.Dataset) -> list[str]:
    """Values of SpecificCharacterSet; an empty one, as the first of several may be, stands for ASCII."""
    given = source.get("SpecificCharacterSet")
    return [given or ""] if given is None or isinstance(given, str) else list(given)


def _report(record: LandmarkPrediction, source: pydicom.Dataset) -> Any:
    import highdicom

    from monai_degia.results.report_content import DESIGNATOR, model_name, report_content

    name, version = model_name(record)
    report = highdicom.sr.ComprehensiveSR(
        evidence=[_anonymous(source)],
        content=report_content(record, source),
        series_instance_uid=_new_uid(),
        series_number=1,
        sop_instance_uid=_new_uid(),
        instance_number=1,
        manufacturer="monai_degia",
        manufacturer_model_name=name,
        software_versions=version,
        series_description="Landmarks found by a model, research use only",
        is_complete=True,
        is_final=False,
    )
    # As they stand in the source: highdicom would refuse, or log, a name or date that breaks the rules.
    # That goes for the character set too, of whose values highdicom knows some only.
    for keyword in ("SpecificCharacterSet", *_PATIENT, *_STUDY):
        if source.get(keyword) not in (None, ""):
            report[keyword] = source[keyword]
    report.CodingSchemeIdentificationSequence = [_coding_scheme(DESIGNATOR)]
    report.ReferencedPerformedProcedureStepSequence = []  # type 2: this series comes from no step of a worklist
    return report


def _anonymous(source: pydicom.Dataset) -> pydicom.Dataset:
    """What highdicom reads of the evidence, with all that describes a person left empty."""
    evidence = pydicom.Dataset()
    for keyword in _REFERENCES:
        setattr(evidence, keyword, source.get(keyword))
    for keyword in (*_PATIENT, *_STUDY):
        setattr(evidence, keyword, None)
    return evidence


def _coding_scheme(designator: str) -> pydicom.Dataset:
    scheme = pydicom.Dataset()
    scheme.CodingSchemeDesignator = designator
    scheme.CodingSchemeName = "Landmark names of monai_degia"
    scheme.CodingSchemeResponsibleOrganization = "monai_degia"
    return scheme


def _new_uid() -> str:
    return f"2.25.{uuid.uuid4().int}"


@contextmanager
def _discreet() -> Iterator[None]:
    """Keep pydicom and highdicom from warning about values of the source: a log must not name a patient."""
    loggers: Sequence[logging.Logger] = [logging.getLogger(name) for name in ("pydicom", "highdicom.base")]
    before = [logger.disabled for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for logger in loggers:
                logger.disabled = True
            yield
        finally:
            for logger, disabled in zip(loggers, before, strict=True):
                logger.disabled = disabled
