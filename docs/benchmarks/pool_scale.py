"""What a growing pool of generated images costs: disk, memory, time to append and to draw, up to 100,000 images."""

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path

import torch

import monai_degia
from monai_degia.data.pool.pool import GeneratedPool

SHAPE, LANDMARKS, BATCH, DRAWS = (3, 64, 64), 21, 64, 2000


def disk_bytes(folder: Path) -> int:
    """Blocks that the files take; sparse parts take none."""
    return sum(512 * os.stat(path).st_blocks for path in folder.rglob("*") if path.is_file())


def anonymous_bytes() -> int:
    """Memory of this process that is not a page of a file, which the system may drop at any time."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return 1024 * int(fields["RssAnon"].split()[0])


def main() -> None:
    """Fill, and tell at each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    options = parser.parse_args()
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pool = GeneratedPool(folder, max(options.sizes), SHAPE, (LANDMARKS, 2))
        source = [{"image": torch.rand(SHAPE), "landmarks": torch.rand(LANDMARKS, 2), "class": 0} for _ in range(100)]
        dataset = monai_degia.GrowingDataset(source, pool_dir=folder, max_generated=max(options.sizes))
        dataset.pool = pool
        sampler = monai_degia.GrowingSampler(dataset, num_draws=DRAWS, source_share=0.0)
        print("images | disk MB | MB per 1000 | process MB | us per append | us per draw | checkpoint bytes")
        appended = 0.0
        for size in options.sizes:
            added = size - len(pool)
            start = time.perf_counter()
            while len(pool) < size:
                count = min(BATCH, size - len(pool))
                zeros = torch.zeros(count, dtype=torch.long)
                dataset.append(torch.rand(count, *SHAPE), torch.rand(count, LANDMARKS, 2), zeros, zeros)
            appended = (time.perf_counter() - start) / added
            start = time.perf_counter()
            for index in sampler:
                dataset.bare_sample(index)
            drawn = (time.perf_counter() - start) / DRAWS
            disk, state = disk_bytes(folder), len(json.dumps(dataset.state_dict()))
            print(
                f"{size:7d} | {disk / 1e6:7.0f} | {disk / size / 1e3:5.1f} | {anonymous_bytes() / 1e6:6.0f} | "
                f"{appended * 1e6:6.0f} | {drawn * 1e6:6.0f} | {state}"
            )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"largest resident set, with pages of the files: {peak / 1e3:.0f} MB")


if __name__ == "__main__":
    main()
