#!/usr/bin/env bash
# Guess: monai.transforms.Resized(anti_aliasing=True) of an evenly white image is white, as with scikit-image, whose
# formula for the blur it takes over by its own comment.
#
# Found with MONAI 1.6.1 (torch 2.13.0, scikit-image 0.25.2): scikit-image mirrors the image beyond its edge before it
# blurs; MONAI blurs into ZEROS. What is shrunk gets a dark frame, the darker the more it is shrunk: 0.87 along the edge
# and 0.76 in the corners for 500 -> 64 pixels. A network trained on images of one size sees another frame on images of
# another, though both end at 64 pixels; intensity statistics of the shrunk image are off as well. Pad by replication
# before, or resample otherwise.
#
# Output seen:
#   MONAI         64 x 64 from 500 x 500: middle 1.000, edge 0.872, corner 0.760
#   scikit-image  64 x 64 from 500 x 500: middle 1.000, edge 1.000, corner 1.000
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 monai==1.6.1 numpy==2.3.4 scikit-image==0.25.2
"$folder/venv/bin/python" -W ignore - <<'PY'
import numpy as np
import torch
from monai.transforms import Resize
from skimage.transform import resize

white = np.ones((500, 500), dtype=np.float32)
small = {
    "MONAI": Resize((64, 64), mode="bilinear", anti_aliasing=True)(torch.from_numpy(white)[None])[0].numpy(),
    "scikit-image": resize(white, (64, 64), order=1, anti_aliasing=True),
}
for name, image in small.items():
    middle, edge, corner = image[32, 32], image[32, 0], image[0, 0]
    print(f"{name:13s} 64 x 64 from 500 x 500: middle {middle:.3f}, edge {edge:.3f}, corner {corner:.3f}")
assert abs(small["scikit-image"] - 1).max() < 1e-4
assert abs(small["MONAI"][32, 32] - 1) < 1e-3
assert 0.85 < small["MONAI"][32, 0] < 0.9 and 0.73 < small["MONAI"][0, 0] < 0.79
print("As described.")
PY
