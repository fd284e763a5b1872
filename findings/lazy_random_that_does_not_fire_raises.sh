#!/usr/bin/env bash
# Guess: in a lazy chain of MONAI transforms, a random one that does not fire leaves nothing behind: the image is the same
# as without it, whichever transforms stand beside it, and as the same chain gives without lazy.
#
# Found with MONAI 1.6.1 (torch 2.13.0): on 2-D images it leaves a pending identity of 4 x 4, where Flip, Rotate and
# Zoom leave matrices of 3 x 3, and the two cannot be multiplied: the chain RAISES, in either order, for each sample in
# which the random transform happens not to fire. With prob=0.1 that is nine in ten; with prob=1 a test passes. Volumes
# have 4 x 4 throughout and are not concerned. The affine differs, too: 3 x 3 after a lazy flip, 4 x 4 after an eager one.
#
# Output seen:
#   lazy, prob 1: an image
#   lazy, prob 0: RuntimeError mat1 and mat2 shapes cannot be multiplied (3x3 and 4x4)
#   eager, prob 0: an image
#   volume, lazy, prob 0: an image
#   affine after a flip: lazy (3, 3), eager (4, 4)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 monai==1.6.1 numpy==2.3.4
"$folder/venv/bin/python" -W ignore - <<'PY'
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Flip, RandRotate


def outcome(shape, prob, lazy):
    image = MetaTensor(torch.rand(1, *shape), affine=torch.eye(4).double())
    try:
        Compose([Flip(0), RandRotate(range_x=0.5, prob=prob)], lazy=lazy)(image)
    except RuntimeError as error:
        return f"RuntimeError {str(error).splitlines()[0]}"
    return "an image"


seen = {
    "lazy, prob 1": outcome((8, 6), 1.0, True),
    "lazy, prob 0": outcome((8, 6), 0.0, True),
    "eager, prob 0": outcome((8, 6), 0.0, False),
    "volume, lazy, prob 0": outcome((8, 6, 4), 0.0, True),
}
for name, result in seen.items():
    print(f"{name}: {result}")
image = MetaTensor(torch.rand(1, 8, 6), affine=torch.eye(4).double())
shapes = [tuple(Compose([Flip(0)], lazy=lazy)(image).affine.shape) for lazy in (True, False)]
print(f"affine after a flip: lazy {shapes[0]}, eager {shapes[1]}")
assert seen["lazy, prob 1"] == seen["eager, prob 0"] == seen["volume, lazy, prob 0"] == "an image"
assert "3x3 and 4x4" in seen["lazy, prob 0"]
assert shapes == [(3, 3), (4, 4)]
print("As described.")
PY
