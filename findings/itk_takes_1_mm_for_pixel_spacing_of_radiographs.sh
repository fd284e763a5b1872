#!/usr/bin/env bash
# Guess: SimpleITK.ReadImage(file).GetSpacing() of a DICOM file with PixelSpacing is PixelSpacing, whatever kind of image
# it is; for a radiograph without it, ImagerPixelSpacing.
#
# Found with SimpleITK 2.5.7 (GDCM): so it is for CT, MR and secondary capture. For CR, DX, MG, XA and RF it is
# ImagerPixelSpacing ALONE: a calibrated PixelSpacing beside it is not used, and with PixelSpacing alone the answer is
# 1 mm, without a word. EstimatedRadiographicMagnificationFactor plays no part. Millimetres measured, or markups placed,
# by PixelSpacing do not lie on the picture as 3D Slicer shows it: a pixel of 0.15 mm is drawn 1 mm wide.
#
# Output seen (spacing of x: PixelSpacing 0.15 alone; calibrated beside ImagerPixelSpacing 0.2; that alone, magnified):
#   CR (1.0, 0.2, 0.2), and the same for DX, MG, XA, RF
#   CT (0.15, 0.15, 1.0), and the same for SC
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet SimpleITK==2.5.7 pydicom==3.0.2 numpy==2.4.6
"$folder/venv/bin/python" - "$folder/a.dcm" <<'PY'
import sys

import pydicom
import SimpleITK
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

KINDS = {"CR": "1", "DX": "1.1", "MG": "1.2", "XA": "12.1", "RF": "12.2", "CT": "2", "SC": "7"}


def spacing(kind, **tags):
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = f"1.2.840.10008.5.1.4.1.1.{KINDS[kind]}", generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.Modality = generate_uid(), generate_uid(), kind
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, dataset.PixelRepresentation = 4, 6, 1, 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.add_new("PixelData", "OB", bytes(24))
    for keyword, value in tags.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(sys.argv[1], enforce_file_format=True)
    return round(SimpleITK.ReadImage(sys.argv[1]).GetSpacing()[0], 6)


body, detector = {"PixelSpacing": [0.15, 0.15]}, {"ImagerPixelSpacing": [0.2, 0.2]}
calibrated = {**body, **detector, "PixelSpacingCalibrationType": "FIDUCIAL"}
factor = {"EstimatedRadiographicMagnificationFactor": 1.25}
for kind in KINDS:
    found = spacing(kind, **body), spacing(kind, **calibrated), spacing(kind, **detector, **factor)
    print(kind, found)
    if kind in ("CT", "SC"):
        assert found[:2] == (0.15, 0.15), found
    else:
        assert found == (1.0, 0.2, 0.2), found
PY
echo "As described."
