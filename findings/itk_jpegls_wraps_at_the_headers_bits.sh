#!/usr/bin/env bash
# Guess: where a compressed stream holds more bits than the DICOM header says (12 under BitsStored 10, a mistake that
# archives are full of), decoders go by the stream, which is complete in itself; SimpleITK does so for JPEG 2000, so it
# does for JPEG-LS.
#
# Found with SimpleITK 2.5.7 and pydicom 3.0.2 (pyjpegls 1.5.1): pydicom goes by the stream for both. SimpleITK does for
# JPEG 2000, and CUTS JPEG-LS off at the header's bits: values wrap, a smooth picture becomes stripes that look like
# anatomy gone wrong, and nothing is said. Parse the stream's precision and correct BitsStored before ITK sees the file.
#
# Output seen (largest value, of 3899):
#   JPEG 2000: pydicom 3899, SimpleITK 3899
#   JPEG-LS: pydicom 3899, SimpleITK 1023
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet SimpleITK==2.5.7 pydicom==3.0.2 pyjpegls==1.5.1 pillow==13.0.0 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - "$folder/a.dcm" <<'PY'
import io
import sys

import jpeg_ls
import numpy as np
import pydicom
import SimpleITK
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, SecondaryCaptureImageStorage, generate_uid

y, x = np.mgrid[:96, :64]
values = (2000 + 1900 * np.sin(x / 9) * np.cos(y / 7)).astype(np.uint16)
buffer = io.BytesIO()
Image.fromarray(values).save(buffer, "JPEG2000", no_jp2=True, irreversible=False)
form = {"rows": 96, "columns": 64, "samples_per_pixel": 1, "bits_stored": 12}
streams = {
    "JPEG 2000": (JPEG2000Lossless, buffer.getvalue()),
    "JPEG-LS": (JPEGLSLossless, bytes(jpeg_ls.encode_pixel_data(values.tobytes(), **form))),
}
found = {}
for name, (syntax, coded) in streams.items():
    dataset = pydicom.Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, dataset.PixelRepresentation = 96, 64, 1, 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 10, 9
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = encapsulate([coded])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(sys.argv[1], enforce_file_format=True)
    by_pydicom = pydicom.dcmread(sys.argv[1]).pixel_array
    by_itk = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(sys.argv[1]))[0]
    print(f"{name}: pydicom {by_pydicom.max()}, SimpleITK {by_itk.max()}")
    found[name] = np.array_equal(by_pydicom, values), np.array_equal(by_itk, values)
    if name == "JPEG-LS":
        assert np.array_equal(by_itk, values & 1023), "wraps at ten bits"
assert found == {"JPEG 2000": (True, True), "JPEG-LS": (True, False)}, found
PY
echo "As described."
