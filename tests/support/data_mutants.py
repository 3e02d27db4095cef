"""Mutants of data files: files whose sizes and offsets are wrong, and files with changed bytes."""

from __future__ import annotations

import contextlib
import copy
import gzip
import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable

import hostile
import numpy as np
import openpyxl
import polars
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

ROWS = 40
Make = Callable[[random.Random], tuple[str, bytes]]
"""Makes one mutant: the suffix of its name, and its content."""

INTEGERS = (0, 1, -1, 2, 7, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, -(2**31), 2**32 - 1, 2**40, 2**62, -(2**63))


def scratched(content: bytes, draw: random.Random, places: tuple[int, int] | None = None) -> bytes:
    """Overwrite bytes or whole numbers, between two places if they are given."""
    found = bytearray(content)
    low, high = places or (0, len(found))
    for _ in range(draw.choice([1, 1, 1, 2, 3, 8])):
        place = draw.randrange(low, max(low + 1, high))
        way = draw.randrange(5)
        if way == 0:
            found[place : place + 1] = bytes([draw.randrange(256)])
        elif way == 1:
            found[place : place + 1] = bytes([found[place] ^ 1 << draw.randrange(8)]) if place < len(found) else b"x"
        elif way == 2:
            form = draw.choice("bhiq")
            number = draw.choice(INTEGERS) & (1 << 8 * struct.calcsize(form)) - 1
            start = place - place % struct.calcsize(form) if draw.random() < 0.8 else place
            text = number.to_bytes(struct.calcsize(form), draw.choice(["little", "little", "big"]))
            found[start : start + len(text)] = text
        elif way == 3:
            end = min(len(found), place + draw.randrange(1, 64))
            found[place:end] = found[(other := draw.randrange(len(found))) : other + end - place]
        else:
            found[place : place + draw.randrange(9)] = draw.randbytes(draw.randrange(9))
    return bytes(found)


def changed(content: bytes, draw: random.Random) -> bytes:
    """Change bytes anywhere, at one of the ends, or the length. Empty content stays empty."""
    if not content:
        return content
    way = draw.randrange(6)
    if way == 0:
        return hostile.bytes_mutant(content, draw)
    if way == 1:
        return scratched(content, draw, (0, min(len(content), 256)))
    if way == 2:
        return scratched(content, draw, (max(0, len(content) - 600), len(content)))
    return scratched(content, draw)


def _buffer(array: pa.Array, draw: random.Random) -> pa.Array:
    """Return an array with changed bytes in one buffer."""
    buffers = array.buffers()
    known = [place for place, buffer in enumerate(buffers) if buffer is not None and buffer.size]
    if not known:
        return array
    place = draw.choice(known)
    buffers[place] = pa.py_buffer(scratched(buffers[place].to_pybytes(), draw))
    return pa.Array.from_buffers(array.type, len(array), buffers, draw.choice([-1, 0, 3]))


def _column(draw: random.Random) -> pa.Array:
    """Return a column of some type, perhaps with values that cannot be."""
    texts = [draw.choice(["red", "green", "blue", "é", "", None, "7", "1.5"]) for _ in range(ROWS)]
    numbers = [draw.choice([None, 0, 1, 2, -3, 100]) for _ in range(ROWS)]
    kind = draw.randrange(12)
    if kind < 4:
        array = pa.array(texts, draw.choice([pa.string(), pa.large_string(), pa.binary(), pa.string()]))
        return _buffer(array, draw) if draw.random() < 0.7 else array
    if kind < 6:
        codes = [
            draw.choice([0, 1, 2, *draw.sample(INTEGERS, 1)] if draw.random() < 0.05 else [0, 1, 2]) for _ in texts
        ]
        codes = pa.array(np.array(codes, np.int64).astype(draw.choice([np.int8, np.int32, np.int64])))
        names = pa.array(draw.choice([["a", "b", "c"], ["a", "a", None], ["a"], []]), pa.string())
        if draw.random() < 0.3:
            names = _buffer(names, draw)
        return pa.DictionaryArray.from_arrays(codes, names, safe=False)
    if kind == 6:
        return pa.array([None] * ROWS)
    if kind == 7:
        when = pa.array([draw.choice(INTEGERS) for _ in numbers], pa.int64())
        return when.view(draw.choice([pa.timestamp("us"), pa.timestamp("ns"), pa.date64(), pa.duration("s")]))
    if kind == 8:
        return pa.array([[1, 2]] * ROWS, draw.choice([pa.list_(pa.int32()), pa.list_(pa.int32(), 2)]))
    if kind == 9:
        wide = draw.choice([pa.decimal128(30, 3), pa.float16(), pa.string_view(), pa.uint64()])
        return pa.array(texts, wide) if wide == pa.string_view() else pa.array([1] * ROWS, pa.int64()).cast(wide)
    array = pa.array(numbers, draw.choice([pa.int8(), pa.int64(), pa.float64(), pa.float32()]))
    return _buffer(array, draw)


def _table(draw: random.Random) -> pa.Table:
    columns = [pa.array(np.random.default_rng(0).normal(size=ROWS)), *(_column(draw) for _ in range(draw.randrange(4)))]
    odd = ["", "é", "a\x00b", "__index_level_0__", "c0", "x" * 300]
    names = [draw.choice(odd) if draw.random() < 0.05 else f"c{place}" for place in range(len(columns))]
    return pa.table(columns, names=names)


def _whole(draw: random.Random) -> pa.Table:
    """Return a table that pyarrow can write, if with texts that are none."""
    while True:
        with contextlib.suppress(pa.ArrowException, ValueError):
            table = _table(draw)
            for column in table.columns:
                kind = pa.large_binary() if column.type == pa.large_string() else pa.binary()
                bare = column.chunk(0).view(kind) if column.type in (pa.string(), pa.large_string()) else column
                bare.validate(full=True)
            return table


def _of_polars(draw: random.Random) -> bytes:
    """Return an Arrow file of polars, whose schema stands in the footer only."""
    codes = [draw.choice("uvw") for _ in range(ROWS)]
    columns = {"a": [draw.gauss(0, 1) for _ in codes], "b": codes, "c": polars.Series(codes, dtype=polars.Categorical)}
    names = draw.sample(sorted(columns), draw.randrange(1, 4))
    sink = io.BytesIO()
    polars.DataFrame({name: columns[name] for name in names}).write_ipc(
        sink,
        compression=draw.choice(["uncompressed", "lz4", "zstd"]),
        compat_level=draw.choice([None, polars.CompatLevel.oldest()]),
    )
    return sink.getvalue()


def arrow(draw: random.Random) -> tuple[str, bytes]:
    table, sink = _whole(draw), io.BytesIO()
    if draw.random() < 0.3:
        content = _of_polars(draw)
        return ".arrow", content if draw.random() < 0.1 else changed(content, draw)
    opened = draw.choice([pa.ipc.new_file, pa.ipc.new_stream])
    options = pa.ipc.IpcWriteOptions(compression=draw.choice([None, "lz4", "zstd"]))
    with opened(sink, table.schema, options=options) as writer:
        writer.write_table(table, draw.choice([None, 7]))
    content = sink.getvalue()
    for column in table.columns if draw.random() < 0.7 else ():  # pyarrow does not write every lie itself
        for buffer in column.chunk(0).buffers():
            if buffer is not None and buffer.size > 16 and draw.random() < 0.5:
                whole = buffer.to_pybytes()
                content = content.replace(whole, scratched(whole, draw), 1)
    return draw.choice([".arrow", ".feather", ".ipc"]), content if draw.random() < 0.4 else changed(content, draw)


def parquet_file(draw: random.Random) -> tuple[str, bytes]:
    sink = io.BytesIO()
    for _ in range(20):  # not every lie can be written
        try:
            table = _whole(draw)
            parquet.write_table(
                table,
                sink,
                compression=draw.choice(["none", "snappy", "zstd", "gzip"]),
                use_dictionary=draw.random() < 0.6,
                row_group_size=draw.choice([ROWS, 9]),
                data_page_version=draw.choice(["1.0", "2.0"]),
                store_schema=draw.random() < 0.5,
            )
            break
        except (pa.ArrowException, OSError, ValueError):
            sink = io.BytesIO()
    content = sink.getvalue()
    return ".parquet", content if draw.random() < 0.15 else changed(content, draw)


_CELLS = (
    *("1", "-2.5", "1e400", "9" * 5000, "00012", "", "NA", "nan", "red", "2024-01-31", "31.01.2024 10:00", '"', "'"),
    *(
        "#",
        "\x00",
        "\x1a",
        "é",
        "\ud800",
        "1,5",
        "1.234,5",
        "$5",
        "5 %",
        "-inf",
        "=1+1",
        "a\tb",
        "\ufeff",
        "x" * 70_000,
    ),
    *(
        '"a\nb"',
        "true",
        "5 kg",
        "()",
        "1_000",
        "0x10",
        "\u202e",
        "10000-01-01",
        "1970-13-45",
        "1e5",
        "9007199254740993",
    ),
)


def csv(draw: random.Random) -> tuple[str, bytes]:
    mark, end = draw.choice(",,;\t| "), draw.choice(["\n", "\n", "\r\n", "\r"])
    width, cells = draw.randrange(1, 6), draw.sample(_CELLS, 4)
    usual = draw.random()
    rows = [
        [draw.choice(cells) if draw.random() > usual else f"{draw.gauss(0, 1):.3f}" for _ in range(width)]
        for _ in range(draw.choice([0, 1, 2, 30, 300]))
    ]
    if draw.random() < 0.7:
        rows.insert(0, [draw.choice([f"c{place}", f"c{place}", draw.choice(_CELLS)]) for place in range(width)])
    for row in rows:
        if draw.random() < 0.01:
            row += ["extra"] * draw.choice([1, 3, 2000])
    text = end.join(mark.join(row) for row in rows) + draw.choice(["", end])
    coding = draw.choice(["utf-8", "utf-8", "utf-8", "utf-16", "utf-8-sig", "latin-1", "utf-16-be"])
    content = text.encode(coding, "surrogatepass" if coding.startswith("utf") else "replace")
    if draw.random() < 0.5:
        content = changed(content or b"a", draw)
    suffix = draw.choice([".csv", ".tsv", ".txt"])
    if draw.random() < 0.15:
        content, suffix = gzip.compress(content), f"{suffix}.gz"
        content = changed(content, draw) if draw.random() < 0.5 else content
    return suffix, content


def _rechecked(content: bytes) -> bytes:
    """Return a PNG file with the right checksums, so that its parts are read."""
    found, place = bytearray(content[:8]), 8
    while place + 12 <= len(content):
        size = int.from_bytes(content[place : place + 4], "big")
        part = content[place + 4 : place + 8 + size]
        found += content[place : place + 4] + part + struct.pack(">I", zlib.crc32(part))
        place += 12 + size
    return bytes(found) + content[place:]


def image(draw: random.Random) -> tuple[str, bytes]:
    suffix, mode = draw.choice(
        [
            *((".png", mode) for mode in ("L", "RGB", "RGBA", "P", "I;16", "1", "LA")),
            *((".gif", "P"), (".gif", "L"), (".jpg", "RGB"), (".jpg", "L"), (".bmp", "RGB"), (".webp", "RGB")),
            *((".tif", mode) for mode in ("L", "RGB", "F", "I;16", "1", "CMYK")),
            *((".ppm", "RGB"), (".pgm", "L")),
        ]
    )
    size = draw.choice([(8, 8), (1, 1), (16, 8)])
    pixels = np.random.default_rng(draw.randrange(9)).integers(0, 255, (size[1], size[0], 3), np.uint8)
    first = Image.fromarray(pixels).convert("L" if mode in ("F", "I;16", "LA") else mode).convert(mode)
    sink = io.BytesIO()
    several = suffix in (".gif", ".tif") and draw.random() < 0.4
    options = {"save_all": True, "append_images": [first] * 3} if several else {}
    if suffix == ".tif" and mode != "1":
        options["compression"] = draw.choice(["raw", "tiff_lzw", "tiff_adobe_deflate"])
    first.save(sink, {".jpg": "JPEG", ".tif": "TIFF", ".pgm": "PPM"}.get(suffix, suffix[1:].upper()), **options)
    content = sink.getvalue()
    if suffix == ".png" and draw.random() < 0.3:
        lie = b"".join(struct.pack(">I", draw.choice([0, 1, 8, 9, 8190, 2**31 - 1, 2**32 - 1])) for _ in range(2))
        return suffix, _rechecked(content[:16] + lie + content[24:])
    content = changed(content, draw)
    return suffix, _rechecked(content) if suffix == ".png" and draw.random() < 0.7 else content


def idx(draw: random.Random) -> tuple[str, bytes]:
    shape = draw.choice([(5, 4, 4), (5, 4, 4), (20,), (3, 2, 2, 2), (0, 4, 4), (5, 0, 4)])
    values = draw.randbytes(int(np.prod(shape)))
    content = bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + values
    content = content if draw.random() < 0.1 else changed(content, draw)
    if draw.random() < 0.4:
        content = gzip.compress(content)
        return "-ubyte.gz", changed(content, draw) if draw.random() < 0.3 else content
    return "-ubyte", content


def numpy(draw: random.Random) -> tuple[str, bytes]:
    kind = draw.choice(["f8", "f4", ">f8", "u1", "i8", "?", "c16", "U4", "M8[s]", "f2", "u8", "V8"])
    array = np.zeros(draw.choice([(20, 3), (4, 8, 8), (20,), (0, 3), (2, 1, 4, 4), ()]), np.uint8).astype("u1")
    array = array.astype(kind) if kind != "V8" else np.zeros(array.shape, "V8")
    sink = io.BytesIO()
    np.save(sink, array)
    content = sink.getvalue()
    if draw.random() < 0.5:
        old = str(array.shape).encode()
        lie = draw.choice(
            [
                b"(10**12,)",
                b"(-1, 3)",
                b"(99999999999, 3)",
                b"(20, 3, )",
                b"[20, 3]",
                b"(2**70,)",
                b"(4611686018427387904, 4)",
            ]
        )
        content = content.replace(
            old + b", }", (lie + b", }").ljust(len(old) + 3)[: len(old) + 3] if draw.random() < 0.3 else lie + b", }"
        )
    content = changed(content, draw) if draw.random() < 0.6 else content
    if draw.random() < 0.5:
        return ".npy", content
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        archive.writestr(draw.choice(["x.npy", "arr_0.npy", "y.txt", "../x.npy"]), content)
    content = packed.getvalue()
    return ".npz", changed(content, draw) if draw.random() < 0.5 else content


def jsonl(draw: random.Random) -> tuple[str, bytes]:
    rows = [{"a": draw.gauss(0, 1), "b": draw.choice("xyz"), "c": place} for place in range(20)]
    if draw.random() < 0.5:
        hostile.mutated_tree(rows, draw)
    if rows and draw.random() < 0.3:
        rows[draw.randrange(len(rows))] = {draw.choice(["a", "é", ""]): copy.deepcopy(draw.choice(hostile.VALUES))}
    lines = draw.random() < 0.5
    text = "\n".join(map(json.dumps, rows)) if lines else json.dumps(rows)
    if draw.random() < 0.2:
        text = text.replace("2", draw.choice(["9" * 5000, "1e999", "-", "NaN", "1e-999", "9" * 400]), 1)
    content = text.encode()
    content = hostile.text_mutant(content, draw) if len(content) > 100 and draw.random() < 0.4 else content
    content = changed(content, draw) if draw.random() < 0.3 else content
    suffix = ".jsonl" if lines else ".json"
    return (f"{suffix}.gz", gzip.compress(content)) if draw.random() < 0.1 else (suffix, content)


def _workbook() -> bytes:
    book, sink = openpyxl.Workbook(), io.BytesIO()
    book.active.append(["a", "b", "c"])
    for place in range(20):
        book.active.append([place / 3, "xyz"[place % 3], place])
    book.save(sink)
    return sink.getvalue()


_WORKBOOK = _workbook()


def xlsx(draw: random.Random) -> tuple[str, bytes]:
    if draw.random() < 0.3:
        return ".xlsx", changed(_WORKBOOK, draw)
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_WORKBOOK)) as whole, zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        victim = draw.choice(
            [name for name in whole.namelist() if "sheet1" in name or "shared" in name or draw.random() < 0.2]
        )
        for name in whole.namelist():
            content = whole.read(name)
            if name == victim:
                lies = ((b'r="A9"', b'r="XFD1048576"'), (b'r="9"', b'r="1048576"'), (b"<v>1</v>", b"<v>99999999</v>"))
                old, new = draw.choice([*lies, (b't="s"', b't="d"'), (b"<v>2</v>", b"<v>" + b"9" * 5000 + b"</v>")])
                content = content.replace(old, new) if draw.random() < 0.5 else changed(content, draw)
            if name != victim or draw.random() < 0.95:
                archive.writestr(name, content)
    return ".xlsx", sink.getvalue()


FORMATS: dict[str, Make] = {
    "arrow": arrow,
    "parquet": parquet_file,
    "csv": csv,
    "images": image,
    "idx": idx,
    "numpy": numpy,
    "json": jsonl,
    "xlsx": xlsx,
}
