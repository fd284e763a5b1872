"""JPEG 2000 decoded beside Python's other threads: in processes of their own, which wait for the next stream.

Pillow keeps the interpreter's lock while it decodes this format, unlike for others, so a thread that reads ahead would
only stop the one that computes.

This file is also what such a process runs. It imports little, so that one starts in a moment.
"""

from __future__ import annotations

import atexit
import io
import struct
import subprocess
import sys
import threading
from typing import BinaryIO

import numpy as np
from PIL import Image

__all__ = ["decode_levels"]

_REQUEST = struct.Struct("<QB")  # bytes of the stream, halvings
_REPLY = struct.Struct("<QQ")  # rows, columns; none where decoding failed
_idle: list[subprocess.Popen[bytes]] = []
_lock = threading.Lock()


def decode_levels(coded: bytes, halvings: int) -> np.ndarray:
    """Decode a grey stream of 9 to 16 bits without its finest levels.

    In the main thread here; in others, which read ahead for it, by a process.

    Args:
        coded: the code stream.
        halvings: levels that are left out.

    Returns:
        Integers (rows, columns), uint16, the stream's bits at the top.

    Raises:
        Exception: if the stream cannot be decoded.

    """
    if threading.current_thread() is threading.main_thread():
        return _decode(coded, halvings)
    process = _take()
    values = _ask(process, coded, halvings)  # one that failed is not used again
    with _lock:
        _idle.append(process)
    return values


def _decode(coded: bytes, halvings: int) -> np.ndarray:
    with Image.open(io.BytesIO(coded)) as picture:
        # The plugin's own option of this name, not the method.
        picture.reduce = halvings  # type: ignore[assignment, method-assign]
        return np.asarray(picture, dtype=np.uint16)


def _take() -> subprocess.Popen[bytes]:
    with _lock:
        while _idle:
            process = _idle.pop()
            if process.poll() is None:
                return process
    return _start()


def _start() -> subprocess.Popen[bytes]:
    """A process that ends with this one, since its input does."""
    # Not as a script: its folder, and that which the process is in, are not searched for modules.
    code = f"import runpy, sys; sys.path[:] = filter(None, sys.path); runpy.run_path({__file__!r}, run_name='__main__')"
    command = [sys.executable, "-c", code]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


@atexit.register
def _stop() -> None:
    while _idle:
        process = _idle.pop()
        if process.stdin is not None:
            process.stdin.close()
        process.wait()


def _ask(process: subprocess.Popen[bytes], coded: bytes, halvings: int) -> np.ndarray:
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(_REQUEST.pack(len(coded), halvings) + coded)
        process.stdin.flush()
        rows, columns = _REPLY.unpack(process.stdout.read(_REPLY.size))
        values = np.frombuffer(process.stdout.read(2 * rows * columns), np.uint16).reshape(rows, columns)
    except (OSError, struct.error, ValueError):
        process.kill()
        raise RuntimeError("The decoder of JPEG 2000 did not survive the stream.") from None
    if not values.size:
        raise RuntimeError("JPEG 2000 cannot be decoded.")
    return values


def _serve(requests: BinaryIO, replies: BinaryIO) -> None:
    while head := requests.read(_REQUEST.size):
        size, halvings = _REQUEST.unpack(head)
        try:
            values = _decode(requests.read(size), halvings)
        except Exception:
            values = np.zeros((0, 0), np.uint16)
        replies.write(_REPLY.pack(*values.shape) + values.tobytes())
        replies.flush()


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
