"""Attributes that files of several frames keep in functional groups, brought to where other files have them."""

from __future__ import annotations

from pydicom.dataset import Dataset

from monai_degia.reading.xray.shutter import SHUTTER_TAGS

__all__ = ["GROUP_TAGS", "flatten_groups"]

GROUP_TAGS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_GROUPS = {
    "PixelMeasuresSequence": ("PixelSpacing",),
    "FramePixelDataPropertiesSequence": ("ImagerPixelSpacing",),
    "XRayGeometrySequence": (
        *("EstimatedRadiographicMagnificationFactor", "DistanceSourceToDetector", "DistanceSourceToPatient"),
    ),
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept"),
    "FrameVOILUTSequence": ("WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence"),
    "FrameDisplayShutterSequence": SHUTTER_TAGS,
    "FrameAnatomySequence": ("FrameLaterality", "AnatomicRegionSequence"),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PlanePositionSequence": ("ImagePositionPatient",),
}


def flatten_groups(dataset: Dataset, frame: int) -> None:
    """Copy what is said of one frame to the data set itself (PS3.3 C.7.6.16, multi-frame functional groups).

    What is said of the frame alone takes precedence over what all frames share, and both over the data set.

    Args:
        dataset: header of the image, changed in place; without functional groups it is left as it is.
        frame: which frame, from 0.

    """
    shared, single = (dataset.get(keyword) or [] for keyword in GROUP_TAGS)
    for groups in [*shared[:1], *single[frame : frame + 1]]:
        for sequence, keywords in _GROUPS.items():
            for item in (groups.get(sequence) or [])[:1]:
                for keyword in keywords:
                    if keyword in item:
                        dataset[keyword] = item[keyword]
