"""Read texts from the lines of a file, or from a list."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genzoo.config.data import DataSettings
from genzoo.data.dataset import Dataset
from genzoo.data.readers.unpacked import HARMLESS_TEXT, unpacked
from genzoo.data.texts.flat import Texts
from genzoo.data.texts.symbols import BYTES, byte_spec, encoded, too_long
from genzoo.errors import DataError, pass_out_of_memory
from genzoo.spec.events import MOST_SYMBOLS
from genzoo.text import counted

_PART = 1 << 24
"""Number of bytes that are decoded at a time."""


_NEWLINE, _RETURN = 10, 13


def listed(texts: Sequence[str]) -> Dataset:
    """Return a list of `str` as a dataset; empty texts are events, too."""
    events = encoded(texts, "The list")
    return Dataset("texts", byte_spec(events.shape[1]), events.as_array())


def read_texts(path: Path, _: DataSettings) -> Dataset:
    """Read a file of UTF-8 lines, which may be compressed by gzip: each line is one text.

    A line ends with a line feed, and perhaps a carriage return before it. Empty lines are counted and left out.

    Raises:
        DataError: it cannot be read, holds no text, is not UTF-8, or has a line that is too long.
    """
    name = Path(path.stem).stem if path.suffix.lower() == ".gz" else path.stem
    raw = np.frombuffer(_content(path), np.uint8)
    feeds = np.flatnonzero(raw == _NEWLINE)
    starts, stops = np.concatenate([[0], feeds + 1]), np.concatenate([feeds, [len(raw)]])
    if starts[-1] == len(raw):  # the last line has an end
        starts, stops = starts[:-1], stops[:-1]
    returned = (stops > starts) & (raw[stops - 1] == _RETURN) if len(raw) else np.zeros(0, bool)
    lengths = stops - starts - returned
    if len(lengths) and lengths.max() > MOST_SYMBOLS:
        raise too_long(str(path), f"line {int(lengths.argmax()) + 1}", int(lengths.max()))
    empty = int((lengths == 0).sum())
    if empty == len(lengths):
        raise DataError(f"{path} holds no texts: {counted(empty, 'line')}, and none with a character.")
    kept = np.ones(len(raw), bool)
    kept[feeds], kept[stops[returned] - 1] = False, False
    lengths = lengths[lengths > 0]
    texts = Texts(raw[kept], np.concatenate([[0], np.cumsum(lengths)]), int(lengths.max()), len(BYTES))
    notes: tuple[str, ...] = (f"{counted(empty, 'empty line')} of {path.name} left out",) if empty else ()
    if (texts.codes == _RETURN).any():
        notes += (f"carriage returns of {path.name} that no line feed follows are symbols, and end no text",)
    return Dataset(name, byte_spec(texts.shape[1]), texts.as_array(), notes=notes)


def _content(path: Path) -> bytes:
    """Return the bytes of a file of UTF-8 text, without its mark."""
    try:
        with path.open("rb") if path.suffix.lower() != ".gz" else unpacked(path, str(path), HARMLESS_TEXT) as file:
            content: bytes = file.read()
    except OSError as error:
        pass_out_of_memory(error)
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    content = content.removeprefix(codecs.BOM_UTF8)
    decoder, done = codecs.getincrementaldecoder("utf-8")(), 0
    bad = content.find(b"\0")
    try:
        for start in range(0, len(content), _PART):
            done = start
            decoder.decode(content[start : start + _PART], final=start + _PART >= len(content))
    except UnicodeDecodeError as error:
        bad = max(0, done + error.start)
    if bad >= 0:
        line = content.count(b"\n", 0, bad) + 1
        raise DataError(
            f"{path} is no UTF-8 text: line {line} holds the byte {content[bad] if bad < len(content) else 0}. Store "
            f"it as UTF-8, or give a file of another format its own suffix."
        )
    return content
