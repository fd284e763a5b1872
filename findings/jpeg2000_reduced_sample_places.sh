#!/usr/bin/env bash
# Guess: an image decoded at a quarter of its size has its pixels in the middles of 4 x 4 blocks, whichever codec made it
# small, so one affine serves JPEG (Image.draft) and JPEG 2000 (the plugin's `reduce`).
#
# Found with Pillow 12.0.0: only JPEG is so. JPEG 2000's coarse wavelet samples lie on the FIRST pixel of each block,
# 1.5 pixels of the whole image earlier in x and in y at a quarter, 3.5 at an eighth. Who takes both alike moves
# landmarks by almost half a block. The filters (5/3 and 9/7) are symmetric about the samples that they keep, and those
# are the even ones (ISO/IEC 15444-1, annex F).
#
# Output seen:
#   JPEG      1/4: blob found at (141.0, 203.0) with middles, (139.5, 201.5) with first pixels; true (141.0, 203.0)
#   JPEG 2000 1/4: blob found at (142.5, 204.5) with middles, (141.0, 203.0) with first pixels; true (141.0, 203.0)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==12.0.0 numpy==2.3.4
"$folder/venv/bin/python" - <<'PY'
import io

import numpy as np
from PIL import Image

TRUE, STEP = (141.0, 203.0), 4
y, x = np.mgrid[:512, :384]
grey = (200 * np.exp(-((x - TRUE[0]) ** 2 + (y - TRUE[1]) ** 2) / 1800)).round().astype(np.uint8)


def small(kind):
    buffer = io.BytesIO()
    if kind == "JPEG":
        Image.fromarray(grey).save(buffer, "JPEG", quality=95)
        picture = Image.open(buffer)
        picture.draft("L", (384 // STEP, 512 // STEP))
    else:
        Image.fromarray(grey).save(buffer, "JPEG2000", no_jp2=True, num_resolutions=6)
        picture = Image.open(buffer)
        picture.reduce = 2
    values = np.asarray(picture).astype(float)
    assert values.shape == (128, 96), values.shape
    return np.where(values > 4, values, 0)  # without the noise of the coder far away


def centre(values):
    rows, columns = np.mgrid[: values.shape[0], : values.shape[1]]
    return np.array([(values * columns).sum(), (values * rows).sum()]) / values.sum()


for kind, right in (("JPEG", "middles"), ("JPEG 2000", "first pixels")):
    found = centre(small(kind))
    places = {"middles": (found + 0.5) * STEP - 0.5, "first pixels": found * STEP}
    print(kind, {name: place.round(1).tolist() for name, place in places.items()}, "true", TRUE)
    for name, place in places.items():
        off = np.abs(place - TRUE).max()
        assert off < 0.15 if name == right else 1.2 < off < 1.8, (kind, name, place)
print("As described.")
PY
