"""What a structured report of landmarks says: the content tree of TID 1500."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
import pydicom
from monai.utils import optional_import
from pydicom.sr.codedict import codes

from monai_degia.data.lists.landmark_sets import HAND21
from monai_degia.results.prediction import LandmarkPrediction

__all__ = ["DESIGNATOR", "model_name", "report_content"]

sr, _ = optional_import("highdicom", name="sr")

#: Private coding scheme (DICOM PS3.16, 8.2: designators that begin with 99 are free to use).
DESIGNATOR = "99MONAIDEGIA"
RESEARCH_ONLY = "Research use only, not for diagnosis"


def report_content(record: LandmarkPrediction, source: pydicom.Dataset) -> Any:
    """Build the measurement report of one image.

    Args:
        record: the image's landmarks.
        source: header of the image, with its UIDs.

    Returns:
        A highdicom ``MeasurementReport``: one group for the image as a whole, then one for each landmark.

    """
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=_fixed_uid("device", record.model_version),
        name=model_name(record)[0],
        manufacturer_name="monai_degia",
        model_name=" ".join(model_name(record)),
    )
    observer = sr.ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    return sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.SCT.ImagingProcedure,
        imaging_measurements=[
            _image_group(record, source),
            *(_landmark_group(record, source, index) for index in range(len(record.names))),
        ],
    )


def model_name(record: LandmarkPrediction) -> tuple[str, str]:
    """Name and version of the model, from ``"<name> <version>"``."""
    name, _, version = record.model_version.rpartition(" ")
    return (name or version or "landmark model")[:48], (version if name else "unknown")[:15]


def _image_group(record: LandmarkPrediction, source: pydicom.Dataset) -> Any:
    measurements = []
    if record.image_confidence is not None:
        measurements.append(_percent(codes.DCM.CertaintyOfFinding, record.image_confidence))
    if record.domain_shift is not None:
        name = _code("domain_shift", "Distance from the training domain")
        measurements.append(sr.Measurement(name=name, value=record.domain_shift, unit=codes.UCUM.NoUnits))
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(record, source, "image"),
        finding_type=_code("landmarks", "Anatomical landmarks"),
        algorithm_id=_algorithm(record),
        measurements=measurements or None,
        qualitative_evaluations=[
            sr.QualitativeEvaluation(_code("intended_use", "Intended use"), _code("research_only", RESEARCH_ONLY)),
            sr.QualitativeEvaluation(_code("mirrored", "Image mirrored for the model"), _yes_no(record.mirrored)),
            sr.QualitativeEvaluation(_code("any_outside", "Landmark outside the image"), _yes_no(record.outside)),
            *([_withheld()] if record.withheld else []),
        ],
        source_images=[sr.SourceImageForMeasurementGroup(*_reference(source))],
    )


def _withheld() -> Any:
    name = _code("withheld", "Confidence withheld, image unlike those fitted on")
    return sr.QualitativeEvaluation(name, _yes_no(True))


def _landmark_group(record: LandmarkPrediction, source: pydicom.Dataset, index: int) -> Any:
    name = record.names[index]
    common = {
        "tracking_identifier": _tracking(record, source, name),
        "finding_type": _code(name, name.replace("_", " ")),
        "finding_sites": _sites(name),
        "algorithm_id": _algorithm(record),
    }
    measurements = []
    if record.confidence is not None:
        measurements.append(_percent(codes.DCM.CertaintyOfFeature, record.confidence[index]))
    if record.radius_px is not None:
        measurements.append(_radius(record, index))
    if measurements:
        common["measurements"] = measurements
    if record.landmark_outside[index]:
        outside = sr.QualitativeEvaluation(_code("any_outside", "Landmark outside the image"), _yes_no(True))
        images = [sr.SourceImageForMeasurementGroup(*_reference(source))]
        return sr.MeasurementsAndQualitativeEvaluations(
            **common, qualitative_evaluations=[outside], source_images=images
        )
    # Centre of the first pixel: (0, 0) in the record, (0.5, 0.5) in DICOM.
    corner = np.array([record.points_px[index]]) + 0.5
    region = sr.ImageRegion(sr.GraphicTypeValues.POINT, corner, sr.SourceImageForRegion(*_reference(source)))
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(**common, referenced_region=region)


def _reference(source: pydicom.Dataset) -> tuple[str, str, list[int] | None]:
    several = int(source.get("NumberOfFrames") or 1) > 1
    return source.SOPClassUID, source.SOPInstanceUID, [1] if several else None


def _algorithm(record: LandmarkPrediction) -> Any:
    name, version = model_name(record)
    return sr.AlgorithmIdentification(name=name, version=version, parameters=[RESEARCH_ONLY])


def _tracking(record: LandmarkPrediction, source: pydicom.Dataset, name: str) -> Any:
    return sr.TrackingIdentifier(uid=_fixed_uid(str(source.SOPInstanceUID), name), identifier=name)


def _sites(name: str) -> Any:
    if name not in HAND21:
        return None
    # DICOM's own lists code these three, and no joint of one finger.
    parts = {"wrist": codes.SCT.WristJoint, "thumb": codes.SCT.Thumb}
    return [sr.FindingSite(parts.get(name.partition("_")[0], codes.SCT.Finger))]


def _percent(name: Any, fraction: float) -> Any:
    return sr.Measurement(name=name, value=round(100 * fraction, 2), unit=codes.UCUM.Percent)


def _radius(record: LandmarkPrediction, index: int) -> Any:
    name = _code("radius_90", "Radius that should hold 9 of 10 true places")
    if record.radius_mm is not None:
        return sr.Measurement(name=name, value=round(record.radius_mm[index], 3), unit=codes.UCUM.Millimeter)
    radii = record.radius_px or ()
    pixels = sr.CodedConcept(value="{pixels}", scheme_designator="UCUM", meaning="pixels")
    return sr.Measurement(name=name, value=round(radii[index], 2), unit=pixels)


def _yes_no(value: bool) -> Any:
    return codes.SCT.Yes if value else codes.SCT.No


def _code(value: str, meaning: str) -> Any:
    return sr.CodedConcept(value=value, scheme_designator=DESIGNATOR, meaning=meaning[:64])


def _fixed_uid(*parts: str) -> str:
    """A UID that is the same for the same parts (DICOM PS3.5, B.2: derived from a UUID)."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, '/'.join(['monai_degia', *parts])).int}"
