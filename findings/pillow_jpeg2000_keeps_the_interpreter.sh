#!/usr/bin/env bash
# Guess: a thread that decodes pictures leaves the interpreter to the others, as Pillow and the decoders of pydicom are
# known to release Python's lock: so a loader of threads reads radiographs ahead while the network computes.
#
# Found with Pillow 12.0.0 and pylibjpeg-openjpeg 2.5.0 (CPython 3.11): true for JPEG and PNG, which stop the other
# threads for a few hundredths of the time that they take. JPEG 2000 keeps the lock from begin to end, in Pillow and in
# the decoder that pydicom takes: no other thread runs meanwhile, and two threads take as long as one. A stream of six
# million pixels stops everything for a large part of a second. A process of its own is the way out.
#
# Output seen (share of a decoding's time for which another thread could not run, at the longest):
#   Pillow, PNG: 0.04
#   Pillow, JPEG: 0.08
#   Pillow, JPEG 2000: 1.00
#   openjpeg, JPEG 2000: 1.00
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==12.0.0 pylibjpeg-openjpeg==2.5.0 numpy==2.3.4
"$folder/venv/bin/python" - <<'PY'
import io
import threading
import time

import numpy as np
from openjpeg import decode
from PIL import Image

y, x = np.mgrid[:2000, :3000]
noise = np.random.default_rng(0).integers(0, 20, y.shape)
picture = Image.fromarray((60 * np.sin(x / 90) * np.cos(y / 70) + 128 + noise).astype(np.uint8))


def written(kind, **options):
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def pillow(coded):
    with Image.open(io.BytesIO(coded)) as opened:
        opened.load()


def longest_pause(work, coded):
    """The longest time that a second thread waited for its turn, over the time of the work; least of three."""
    shares = []
    for _ in range(3):
        pauses, done = [], threading.Event()

        def tick():
            before = time.perf_counter()
            while not done.is_set():
                time.sleep(0.0005)
                now = time.perf_counter()
                pauses.append(now - before)
                before = now

        thread = threading.Thread(target=tick)
        thread.start()
        start = time.perf_counter()
        work(coded)
        taken = time.perf_counter() - start
        done.set()
        thread.join()
        shares.append(min(max(pauses) / taken, 1.0))
    return min(shares)


kept = written("JPEG2000", no_jp2=True)
found = {
    "Pillow, PNG": longest_pause(pillow, written("PNG")),
    "Pillow, JPEG": longest_pause(pillow, written("JPEG")),
    "Pillow, JPEG 2000": longest_pause(pillow, kept),
    "openjpeg, JPEG 2000": longest_pause(decode, kept),
}
for name, share in found.items():
    print(f"{name}: {share:.2f}")
assert max(found["Pillow, PNG"], found["Pillow, JPEG"]) < 0.5
assert min(found["Pillow, JPEG 2000"], found["openjpeg, JPEG 2000"]) > 0.8
print("As described.")
PY
