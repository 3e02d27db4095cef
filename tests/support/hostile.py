"""Mutants of model folders, run directories and comparisons, as an attacker might make them, each from a seed."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

Files = dict[str, bytes]
"""The contents of a folder, by relative path."""

HUGE = "1" + "0" * 400
NUMBERS = [
    0,
    -1,
    1,
    2,
    3,
    7,
    64,
    255,
    10_000,
    10**6,
    10**9,
    2**31,
    2**32,
    2**53,
    2**63,
    2**64,
    10**18,
    10**100,
    10**400,
]
NUMBERS += [-(2**63), 0.5, -0.0, 1e-320, 1e-12, 1e12, 1e300, 1.7e308, -1.7e308, 0.1]
TEXTS = [
    "",
    "x",
    "../../etc/passwd",
    "/etc/passwd",
    "<script>alert(1)</script>",
    "\x1b[31m",
    "a\0b",
    "é" * 300,
    "\ud800",
]
TEXTS += [
    "1e999",
    "nan",
    "none",
    "true",
    "🜁",
    "=cmd|' /C calc'!A0",
    "genzoo-gan/dcgan",
    "genzoo-vae/vae",
    "x" * 100_000,
]
TEXTS += [
    "genzoo-mixture/gmm",
    "genzoo-mixture/naive-bayes",
    "float64",
    "uint8",
    "int16",
    "image",
    "table",
    "categorical",
]
VALUES: list[Any] = [*NUMBERS, *TEXTS, None, True, False, [], {}, [[]], [0], [-1, 1], {"a": 1}, [None] * 50, [1] * 3]
LITERALS = [b"NaN", b"Infinity", b"-Infinity", b"1e999", HUGE.encode(), b"-", b"01", b"[" * 500 + b"]" * 500]
LITERALS += [
    b"[" * 100_000,
    b'{"a":' * 2000,
    b"'x'",
    b'"\\ud800"',
    b'"\xff"',
    b"undefined",
    b"[" + b"0," * 50_000 + b"0]",
]
DTYPES = ["F64", "F32", "F16", "BF16", "I64", "I32", "U8", "I8", "BOOL", "F8_E4M3", "C64", "X", 7, None]


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Yield the path of every value in a JSON tree, except the root."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found = []
    for key, value in items:
        found += [(*path, key), *places(value, (*path, key))]
    return found


def at(tree: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree


def near(value: Any, draw: random.Random) -> Any:
    """Return another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return draw.choice([value + 1, value - 1, value * 2, -value, value // 2, value * 10**6])
    if isinstance(value, float):
        return draw.choice([value * 2, -value, value * 1e30, value * 1e-30, 0.0])
    if isinstance(value, str):
        return draw.choice([value[:-1], value + "x", value.upper(), value[::-1]])
    if isinstance(value, list):
        return draw.choice([value[:-1], value * 2, value[::-1], value * 1000])
    return copy.deepcopy(draw.choice(VALUES))  # a later change must not reach the list itself


def mutated_tree(tree: Any, draw: random.Random) -> None:
    """Change one value of a JSON tree."""
    paths = places(tree)
    if not paths:
        return
    path = draw.choice(paths)
    owner, key = at(tree, path[:-1]), path[-1]
    way = draw.randrange(6)
    if way == 0:
        del owner[key]
    elif way == 1 and isinstance(owner, dict):
        owner[draw.choice(["extra", "../x", "__class__", "tensors", "format", ""])] = copy.deepcopy(draw.choice(VALUES))
    elif way == 2:
        owner[key] = copy.deepcopy(at(tree, draw.choice(paths)))
    elif way <= 4:
        owner[key] = near(owner[key], draw)
    else:
        owner[key] = copy.deepcopy(draw.choice(VALUES))


def tree_mutant(content: bytes, draw: random.Random) -> bytes:
    tree = json.loads(content)
    for _ in range(draw.choice([1, 1, 1, 2, 4])):
        mutated_tree(tree, draw)
    return json.dumps(tree).encode()


def text_mutant(content: bytes, draw: random.Random) -> bytes:
    """Change the text of a JSON file, perhaps to invalid JSON."""
    text = bytearray(content)
    way = draw.randrange(8)
    if way == 0:
        return b"\xef\xbb\xbf" + content
    if way == 1:
        return bytes(text[: draw.randrange(len(text))])
    if way == 2:
        return content + draw.choice([b"x", b"{}", b"\0", b" " * 1000])
    if way == 3:  # a literal instead of a value
        colons = [i for i, letter in enumerate(text) if letter == ord(":")]
        place = draw.choice(colons) + 1
        end = min((i for i in range(place, len(text)) if text[i] in b",\n}]"), default=len(text))
        return bytes(text[:place]) + draw.choice(LITERALS) + bytes(text[end:])
    if way == 4:  # the first key a second time
        start, end = content.index(b'"'), content.index(b",")
        return content[:start] + content[start : end + 1] + content[start:]
    if way == 5:
        return draw.choice([b"", b"[]", b"null", b"7", b'"x"', b"{}", b"[" * 100_000, b'{"a":' * 100_000])
    if way == 6:
        return content.decode().encode(draw.choice(["utf-16", "utf-32", "utf-16-le"]))
    for _ in range(draw.choice([1, 2, 8])):
        text[draw.randrange(len(text))] = draw.randrange(256)
    return bytes(text)


def divided(content: bytes) -> tuple[Any, bytes]:
    """Split a safetensors file into its header and its data."""
    length = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header: Any, numbers: bytes, *, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text) if length is None else length % 2**64) + text + numbers


def header_mutant(content: bytes, draw: random.Random) -> bytes:
    """Change the header of a safetensors file."""
    header, numbers = divided(content)
    name = draw.choice(list(header))
    entry, way = header[name], draw.randrange(10)
    if way == 0:
        entry["dtype"] = draw.choice(DTYPES)
    elif way == 1:
        entry["shape"] = draw.choice(
            [[], [0], [2**62, 2**62], [-1], [10**9], entry["shape"][::-1], [*entry["shape"], 1], [0, 2**62]]
        )
    elif way == 2:
        entry["data_offsets"] = [
            max(0, offset + draw.choice([-8, -4, 0, 4, 8, 2**63])) for offset in entry["data_offsets"]
        ]
    elif way == 3:
        entry["data_offsets"] = header[draw.choice(list(header))]["data_offsets"]
    elif way == 4:
        header[draw.choice([*TEXTS[:8], "generator.x", name + "x"])] = header.pop(name)
    elif way == 5:
        text = json.dumps(header)[:-1] + f', "{name}": {json.dumps(entry)}}}'
        return joined(text.encode(), numbers)
    elif way == 6:
        return joined(
            header, numbers, length=draw.choice([0, 1, 7, len(content), 2**32, 2**63, 2**64 - 1, draw.randrange(2000)])
        )
    elif way == 7:
        return joined(draw.choice([*LITERALS, b"{}", b"[]", b"\xff" * 16]), numbers)
    elif way == 8:
        return joined(tree_mutant(json.dumps(header).encode(), draw), numbers)
    else:
        header["generator.extra"] = {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}
    return joined(header, numbers)


def numbers_mutant(content: bytes, draw: random.Random) -> bytes:
    """Change numbers in a safetensors file."""
    header, numbers = divided(content)
    found, sort = bytearray(numbers), {"F32": "<f", "F64": "<d", "I64": "<q"}
    specials = [
        float("nan"),
        float("inf"),
        -float("inf"),
        1e38,
        -1e38,
        3e38,
        1e-45,
        0.0,
        -0.0,
        -1.0,
        1e30,
        1e300,
        -1e300,
        1e-310,
    ]
    for _ in range(draw.choice([1, 1, 2, 20])):
        entry = header[draw.choice(list(header))]
        kind = sort.get(entry["dtype"])
        start, end = entry["data_offsets"]
        if kind is None or start == end:
            continue
        size = struct.calcsize(kind)
        spots = range(start, end, size) if draw.random() < 0.3 else [draw.randrange(start, end, size)]
        number = draw.choice(specials)
        for spot in spots:
            value: Any = draw.choice([-1, 2**62, 0, -(2**63)]) if kind == "<q" else number
            value = (
                struct.unpack("<f", struct.pack("<I", 0x7F7FFFFF))[0]
                if kind == "<f" and 3e38 < abs(value) < 1e301
                else value
            )
            struct.pack_into(kind, found, spot, value)
    return joined(header, bytes(found))


def bytes_mutant(content: bytes, draw: random.Random) -> bytes:
    """Truncate, lengthen or garble a file."""
    way, found = draw.randrange(4), bytearray(content)
    if way == 0:
        return bytes(found[: draw.randrange(len(found))])
    if way == 1:
        return content + bytes(draw.choice([1, 8, 4096]))
    for _ in range(draw.choice([1, 4, 64])):
        found[draw.randrange(len(found))] = draw.randrange(256)
    return bytes(found)


JSON: dict[str, Callable[[bytes, random.Random], bytes]] = {"tree": tree_mutant, "text": text_mutant}
TENSORS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "header": header_mutant,
    "numbers": numbers_mutant,
    "bytes": bytes_mutant,
}


def redigested(files: Files) -> Files:
    """Recompute the digest in every JSON file that still has one."""
    found = dict(files)
    for name in files:
        if not name.endswith(".safetensors"):
            continue
        for owner in (name.replace("model.safetensors", "config.json"), name.replace(".safetensors", ".json")):
            try:
                tree = json.loads(found[owner])
                if isinstance(tree["tensors"], str):
                    tree["tensors"] = hashlib.sha256(files[name]).hexdigest()
                    found[owner] = json.dumps(tree).encode()
            except (KeyError, ValueError, TypeError, RecursionError):
                continue
    return found


def read_files(folder: Path) -> Files:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def write_files(folder: Path, files: Files) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def odd_file(path: Path, draw: random.Random, outside: Path) -> str:
    """Replace a file with something else; return what."""
    path.unlink()
    way = draw.choice(["missing", "empty", "folder", "link out", "link to itself", "pipe", "device", "dangling"])
    if way == "empty":
        path.write_bytes(b"")
    elif way == "folder":
        path.mkdir()
    elif way == "link out":
        path.symlink_to(outside)
    elif way == "link to itself":
        path.symlink_to(path.name)
    elif way == "pipe":
        os.mkfifo(path)
    elif way == "device":
        path.symlink_to("/dev/zero")
    elif way == "dangling":
        path.symlink_to("nowhere")
    return way
