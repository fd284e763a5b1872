"""What inference on a folder cannot do without: decoding every file, and 64 passes of the network an image.

Prints both as JSON, in seconds of one thread for the whole folder. The lower bound is the slower of the two, since they
can run at the same time.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import torch
from monai.bundle import ConfigParser
from PIL import Image

from monai_degia import SelfConsistentInferer
from monai_degia.reading.xray.files import open_xray
from monai_degia.reading.xray.stored import stored_values

ROOT = Path(__file__).resolve().parents[2]
BATCH = 8


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
    parser = ConfigParser(ConfigParser.load_config_file(ROOT / "bundle" / "configs" / "inference.json"))
    parser.update({"bundle_root": str(ROOT / "bundle")})
    network = parser.get_parsed_content("network_def").eval()
    images, inferer = torch.rand(BATCH, 3, 64, 64), SelfConsistentInferer(num_views=64)
    inferer(images, network)
    start = time.process_time()
    for _ in range(0, len(files), BATCH):
        inferer(images, network)
    looks = (time.process_time() - start) * len(files) / (-(-len(files) // BATCH) * BATCH)
    print(json.dumps({"images": len(files), "decoding": decoding, "looks": looks}))


if __name__ == "__main__":
    main()
