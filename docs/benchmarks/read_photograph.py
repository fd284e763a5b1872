"""Seconds of one thread that the bundle's preprocessing takes for one image file, as JSON.

python docs/benchmarks/read_photograph.py CHECKOUT FILE REPEATS

A first reading, which loads what is needed, is not counted; the figure is the median of the others.
"""

import json
import statistics
import sys
import time
import warnings
from pathlib import Path

import torch
from monai.bundle import ConfigParser


def main() -> None:
    """Read the file once more often than is measured."""
    checkout, file, repeats = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    parser = ConfigParser(ConfigParser.load_config_file(checkout / "bundle" / "configs" / "inference.json"))
    parser.update({"dataset_dir": str(Path(file).parent), "bundle_root": str(checkout / "bundle")})
    preprocessing = parser.get_parsed_content("preprocessing")
    times = []
    for _ in range(repeats + 1):
        start = time.process_time()
        sample = preprocessing({"image": file})
        times.append(time.process_time() - start)
        if sample["error"]:
            raise SystemExit(f"{file} was not read: {sample['error']}")
    print(json.dumps({"seconds": statistics.median(times[1:])}))


if __name__ == "__main__":
    main()
