"""Seconds of one thread that the bundle's preprocessing takes for one image file, as JSON.

python docs/benchmarks/read_photograph.py CHECKOUT FILE
"""

import json
import sys
import time
import warnings
from pathlib import Path

import torch
from monai.bundle import ConfigParser


def main() -> None:
    """Read the file once to load what is needed, then measure."""
    checkout, file = Path(sys.argv[1]), sys.argv[2]
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    parser = ConfigParser(ConfigParser.load_config_file(checkout / "bundle" / "configs" / "inference.json"))
    parser.update({"dataset_dir": str(Path(file).parent)})
    preprocessing = parser.get_parsed_content("preprocessing")
    sample = preprocessing({"image": file})
    start = time.process_time()
    sample = preprocessing({"image": file})
    seconds = time.process_time() - start
    if sample["error"]:
        raise SystemExit(f"{file} was not read: {sample['error']}")
    print(json.dumps({"seconds": seconds}))


if __name__ == "__main__":
    main()
