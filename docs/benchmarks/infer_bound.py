"""What inference on a folder cannot do without: decoding every file, and the forward passes of the network an image.

Prints both as JSON, in seconds of one thread for the whole folder. The lower bound is the slower of the two, since they
can run at the same time. The passes are those of the default, confidence included, in the precision that it takes.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import torch
from PIL import Image

from monai_degia import TrainedModel, inference_copy, native_bfloat16
from monai_degia.reading.xray.files import open_xray
from monai_degia.reading.xray.stored import stored_values

ROOT = Path(__file__).resolve().parents[2]
BATCH = 32  # about as many copies of an image as go through the network at once


def main() -> None:
    """Measure on the folder named."""
    files = sorted(Path(sys.argv[1]).iterdir())
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    start = time.process_time()
    for file in files:
        if file.suffix == ".dcm":
            stored_values(open_xray(file), file.name, min_side=256)
        else:
            with Image.open(file) as picture:
                picture.load()
    decoding = time.process_time() - start
    model = TrainedModel.load(ROOT / "bundle" / "models")
    passes = model.refining.num_passes + (model.refining.side_passes if model.one_sided else 0)
    network = inference_copy(model.network, native_bfloat16(model.device))
    images = torch.rand(BATCH, model.in_channels, *model.image_size)
    with torch.no_grad():
        network(images)
        start = time.process_time()
        for _ in range(0, len(files) * passes, BATCH):
            network(images)
    seconds = time.process_time() - start
    print(json.dumps({"images": len(files), "decoding": decoding, "passes": seconds}))


if __name__ == "__main__":
    main()
