"""Damage: what a broken disk, a cut download or somebody who means harm makes of a file. Each is drawn from a seed."""

import copy
import gzip
import io
import json
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

Mutate = Callable[[bytes, random.Random], bytes]

#: Where counts and lengths go wrong: nothing, one, the ends of each width, and what is just too much.
EDGES = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 1 << 24, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
ODD: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    3.5,
    1e308,
    float("nan"),
    float("inf"),
    10**30,
    -(2**63),
    "",
    "x",
    "9",
    "\x00",
]
ODD += ["\ud800", "../../x", "/etc/hostname", [], [1], [[1, 2]], [None], {}, {"a": 1}, [{}], "1e999", "x" * 5000]
_WORDS = ["", "x", "-1", "nan", "inf", "1e999", "99999999999999999999", ",", '"', ";", "\t", "\x00", "<", "&", "{", "]"]
_DEEP = 3000


def flip(data: bytearray, rng: random.Random) -> None:
    """Some bytes become others."""
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        data[rng.randrange(len(data))] = rng.choice((rng.randrange(256), 0, 0xFF))


def flip_a_bit(data: bytearray, rng: random.Random) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def truncate(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def cut_out(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    del data[start : start + rng.choice((1, 2, 4, 17, 200))]


def repeat(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    data[start:start] = data[start : start + rng.choice((1, 2, 4, 17, 200))] * rng.choice((1, 1, 20))


def swap(data: bytearray, rng: random.Random) -> None:
    """Two ranges change places."""
    length = rng.choice((1, 2, 4, 16, 64))
    a, b = rng.randrange(len(data)), rng.randrange(len(data))
    first, second = data[a : a + length], data[b : b + length]
    data[a : a + len(second)] = second
    data[b : b + len(first)] = first


def change_a_length(data: bytearray, rng: random.Random) -> None:
    """A number of 2, 4 or 8 bytes, as lengths and offsets are, near the start where headers are or anywhere."""
    form = rng.choice("HIQ")
    near = min(len(data), 400) if rng.random() < 0.5 else len(data)
    place, value = rng.randrange(near), rng.choice(EDGES) + rng.choice((0, 0, 1, -1))
    packed = struct.pack(f"{rng.choice('<>')}{form}", value % (1 << 8 * struct.calcsize(form)))
    data[place : place + len(packed)] = packed


BYTES = (flip, flip_a_bit, truncate, cut_out, repeat, swap, change_a_length)


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if changed:
            rng.choice(BYTES)(changed, rng)
    return bytes(changed)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container and key of a parsed JSON file, without recursion."""
    left = [value]
    while left:
        container = left.pop()
        if isinstance(container, dict):
            entries = list(container.items())
        else:
            entries = list(enumerate(container)) if isinstance(container, list) else []
        yield from ((container, key) for key, _ in entries)
        left += [entry for _, entry in entries]


def mutate_json(data: bytes, rng: random.Random) -> bytes:
    """Entries that are left out, doubled, renamed, of other types, too large, or too deep."""
    if rng.random() < 0.2:
        return mutate_text(data, rng)
    value = json.loads(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        found = list(places(value))
        if not found:
            break
        container, key = rng.choice(found)
        kind = rng.random()
        if kind < 0.2:
            del container[key]
        elif kind < 0.3:
            container[key] = json.loads(json.dumps([container[key], container[key]]))
        elif kind < 0.4 and isinstance(container, dict):
            container[rng.choice(("x", "", key.upper(), "__class__", "format"))] = container.pop(key)
        elif kind < 0.5:
            other, elsewhere = rng.choice(found)
            entry = (
                other[elsewhere] if elsewhere in other or (isinstance(other, list) and elsewhere < len(other)) else None
            )
            container[key] = json.loads(json.dumps(entry))
        else:
            container[key] = copy.deepcopy(rng.choice(ODD))
    text = json.dumps(value)
    if rng.random() < 0.03:
        text = (
            text.replace("null", "[" * _DEEP + "]" * _DEEP, 1)
            if "null" in text
            else '{"a":' * _DEEP + text + "}" * _DEEP
        )
    return text.encode("utf-8", "surrogatepass")


def mutate_text(data: bytes, rng: random.Random) -> bytes:
    """Words of a text become others, lines go or are doubled; at times any byte."""
    if rng.random() < 0.2:
        return mutate_bytes(data, rng)
    text = data.decode("utf-8", "replace")
    for _ in range(rng.choice((1, 1, 2, 4))):
        words = list(re.finditer(r"[\w.]+", text))
        lines = text.split("\n")
        if words and rng.random() < 0.75:
            word = rng.choice(words)
            new = rng.choice((*_WORDS, rng.choice(words).group()))
            text = text[: word.start()] + new + text[word.end() :]
        elif rng.random() < 0.5:
            del lines[rng.randrange(len(lines))]
            text = "\n".join(lines)
        else:
            at = rng.randrange(len(lines))
            lines[at:at] = [rng.choice(lines)] * rng.choice((1, 30))
            text = "\n".join(lines)
    return text.encode("utf-8", "replace")


def inside_gzip(mutate: Mutate) -> Mutate:
    """Damage the file itself or, mostly, what it unpacks to."""

    def damaged(data: bytes, rng: random.Random) -> bytes:
        if rng.random() < 0.3:
            return mutate_bytes(data, rng)
        return gzip.compress(mutate(gzip.decompress(data), rng), 1, mtime=0)

    return damaged


def inside_zip(data: bytes, rng: random.Random) -> bytes:
    """Damage an archive itself or, mostly, a member of it, whose checksum is right again."""
    if rng.random() < 0.3:
        return mutate_bytes(data, rng)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members, comment = {name: archive.read(name) for name in archive.namelist()}, archive.comment
    # What says how the others are to be read is damaged as often as all of them.
    about = [name for name in members if name.endswith((".pkl", ".npy", "version", "byteorder"))]
    name = rng.choice(about) if about and rng.random() < 0.7 else rng.choice(list(members))
    if rng.random() < 0.1:
        del members[name]
    else:
        members[name] = mutate_bytes(members[name], rng)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.comment = comment
        for member, content in members.items():
            archive.writestr(member, content)
    return made.getvalue()


def right_png(data: bytes, rng: random.Random) -> bytes:
    """Damage a chunk of a PNG and put its checksum right, so that what lies behind the check is reached."""
    if rng.random() < 0.3:
        return mutate_bytes(data, rng)
    place, chunks = 8, []
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    at = rng.randrange(len(chunks))
    kind, content = chunks[at]
    chunks[at] = (kind, mutate_bytes(content, rng) if content else mutate_bytes(b"\0" * 8, rng))
    made = data[:8]
    for kind, content in chunks:
        made += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return made
