#!/usr/bin/env bash
# Guess: ITK (SimpleITK, 3D Slicer) shows the pixels of a picture as the file stores them and heeds no orientation tag:
# it has none for JPEG and PNG, and a grey file stays an image of one component.
#
# Found with SimpleITK 2.5.7 (Pillow 13.0.0 writes): so it is for JPEG and PNG. A TIFF with tag 274 is REVERSED along
# rows and columns, but never turned by a quarter: 5 to 8 are treated as 1 to 4, so a photograph held sideways comes out
# as a third picture that is neither the stored nor the upright one. For 2, 3 and 5 to 8 a grey image also becomes one
# of FOUR components (libtiff's RGBA path). Spacing, origin and direction say nothing of it. Points that count pixels as
# stored land on the other side.
#
# Output seen:
#   orientation 1: 1 component(s), stored
#   orientation 2: 4 component(s), columns reversed
#   orientation 3: 4 component(s), both reversed
#   orientation 4: 1 component(s), rows reversed
#   orientation 5: 4 component(s), stored
#   orientation 6: 4 component(s), columns reversed
#   orientation 7: 4 component(s), both reversed
#   orientation 8: 4 component(s), rows reversed
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet SimpleITK==2.5.7 pillow==13.0.0 numpy==2.4.6
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys

import numpy as np
import SimpleITK
from PIL import Image

stored = np.random.default_rng(0).integers(0, 256, (12, 20), dtype=np.uint8)
seen = {
    "stored": stored,
    "columns reversed": stored[:, ::-1],
    "rows reversed": stored[::-1],
    "both reversed": stored[::-1, ::-1],
}
names = ["stored", "columns reversed", "both reversed", "rows reversed"] * 2


def read(name, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(stored).save(f"{sys.argv[1]}/{name}", exif=exif)
    image = SimpleITK.ReadImage(f"{sys.argv[1]}/{name}")
    assert image.GetDirection() == (1, 0, 0, 1) and image.GetOrigin() == (0, 0) and image.GetSize() == (20, 12)
    count = image.GetNumberOfComponentsPerPixel()
    return count, SimpleITK.GetArrayFromImage(image).reshape(12, 20, count)[..., 0]


for orientation, wanted in enumerate(names, start=1):
    assert np.array_equal(read("a.png", orientation)[1], stored)
    count, values = read("a.tif", orientation)
    (found,) = (name for name, other in seen.items() if np.array_equal(values, other))
    print(f"orientation {orientation}: {count} component(s), {found}")
    assert (found, count) == (wanted, 1 if orientation in (1, 4) else 4)
PY
echo "As described."
