#!/usr/bin/env bash
# Guess: whether Pillow turns WhiteIsZero TIFF files over or leaves them as they are, it does the same at every depth, so
# one radiograph saved in 8 and in 16 bits has bones of one polarity.
#
# Found with Pillow 13.0.0 (tifffile 2026.3.3 writes): 8 bits are turned over, 16 bits are NOT, and nothing that the
# picture says (mode, info) tells which. A folder that mixes both depths mixes negatives and positives.
#
# Output seen:
#   8 bits: stored 10, read 245
#   16 bits: stored 10, read 10
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys

import numpy as np
import tifffile
from PIL import Image

found = {}
for kind in (np.uint8, np.uint16):
    values = np.full((6, 8), 10, dtype=kind)
    bits = 8 * values.itemsize
    tifffile.imwrite(f"{sys.argv[1]}/{bits}.tif", values, photometric="miniswhite")
    with tifffile.TiffFile(f"{sys.argv[1]}/{bits}.tif") as file:
        assert file.pages[0].photometric == 0
    found[bits] = int(np.asarray(Image.open(f"{sys.argv[1]}/{bits}.tif"))[0, 0])
    print(f"{bits} bits: stored 10, read {found[bits]}")
assert found == {8: 245, 16: 10}, found
PY
echo "As described."
