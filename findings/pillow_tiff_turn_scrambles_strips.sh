#!/usr/bin/env bash
# Guess: Pillow opens a TIFF with an orientation tag as it opens a JPEG: size and pixels as stored, the tag in getexif(),
# and ImageOps.exif_transpose() stands it upright. How the strips are compressed makes no difference.
#
# Found with Pillow 13.0.0: Pillow turns a TIFF BY ITSELF while it loads it. size is that of the upright picture before
# any pixel is read, and the tag is gone after load(), so exif_transpose() after it does nothing. Where the tag asks for a
# quarter turn (5 to 8) and the strips are UNCOMPRESSED, np.asarray(picture) has the stored shape and pixels that are in
# no order at all: neither the stored picture, nor turned, nor mirrored. Compressed by LZW the same file is right.
# Read the tag from the file's own bytes, and set it to 1 in a copy before Pillow opens it.
#
# Output seen:
#   a.jpg: size (20, 12), tag before load 6, after 6: array (12, 20) is the stored picture
#   lzw.tif: size (12, 20), tag before load 6, after None: array (20, 12) is the upright picture
#   raw.tif: size (12, 20), tag before load 6, after None: array (12, 20) is no turn or mirror of it
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.4.6
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys

import numpy as np
from PIL import Image

values = np.random.default_rng(0).integers(0, 256, (12, 20), dtype=np.uint8)
exif = Image.Exif()
exif[274] = 6
outcomes = {}
for name, options in [("a.jpg", {"quality": 95}), ("lzw.tif", {"compression": "tiff_lzw"}), ("raw.tif", {})]:
    Image.fromarray(values).save(f"{sys.argv[1]}/{name}", exif=exif, **options)
    with Image.open(f"{sys.argv[1]}/{name}") as picture:
        size, before = picture.size, picture.getexif().get(274)
        array = np.asarray(picture)
        after = picture.getexif().get(274)
    turns = [np.rot90(v, k) for v in (values, values[:, ::-1]) for k in range(4)]
    near = [t for t in turns if t.shape == array.shape and np.abs(t.astype(int) - array).mean() < 12]
    upright = np.rot90(values, -1)
    what = "no turn or mirror of it"
    if near:
        what = "the upright picture" if near[0].shape == upright.shape and np.array_equal(near[0], upright) else "stored"
        what = "the stored picture" if what == "stored" else what
    outcomes[name] = (size, before, after, array.shape, what)
    print(f"{name}: size {size}, tag before load {before}, after {after}: array {array.shape} is {what}")
assert outcomes == {
    "a.jpg": ((20, 12), 6, 6, (12, 20), "the stored picture"),
    "lzw.tif": ((12, 20), 6, None, (20, 12), "the upright picture"),
    "raw.tif": ((12, 20), 6, None, (12, 20), "no turn or mirror of it"),
}, outcomes
PY
echo "As described."
