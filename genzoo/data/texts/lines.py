"""Read texts from the lines of a file, or from a list."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genzoo.config.data import DataSettings
from genzoo.data.dataset import Dataset
from genzoo.data.texts.content import about_returns, read_content, read_whole, windows_of
from genzoo.data.texts.facts import about_empty_lines
from genzoo.data.texts.flat import Texts
from genzoo.data.texts.symbols import BYTES, as_codes, byte_spec, encoded, too_long
from genzoo.errors import DataError
from genzoo.spec.events import MOST_SYMBOLS
from genzoo.text import counted

_NEWLINE, _RETURN = 10, 13


def listed(texts: Sequence[str]) -> Dataset:
    """Return a list of `str` as a dataset; empty texts are events, too."""
    events = encoded(texts, "The list")
    return Dataset("texts", byte_spec(events.shape[1]), events.as_array())


def listed_windows(texts: Sequence[str], size: int) -> Dataset:
    """Return a list of long `str` as a dataset of windows of at most `size` bytes."""
    return windows_of("texts", "the list", [as_codes(text, row, "The list") for row, text in enumerate(texts)], size)


def read_texts(path: Path, settings: DataSettings) -> Dataset:
    """Read a file of UTF-8, which may be compressed by gzip: each line is one text, or all of it is cut into windows.

    A line ends with a line feed, and perhaps a carriage return before it. Empty lines are counted and left out. In
    windows, ends of lines are symbols, line feeds without a carriage return.

    Raises:
        DataError: it cannot be read, holds no text, is not UTF-8, has a line that is too long, or is shorter than a
            window.
    """
    name = Path(path.stem).stem if path.suffix.lower() == ".gz" else path.stem
    if settings.window is not None:
        text, removed = read_whole(path)
        found = windows_of(name, path.name, [text], settings.window)
        return dataclasses.replace(found, notes=(*about_returns(removed, path.name), *found.notes))
    raw = np.frombuffer(read_content(path), np.uint8)
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
    notes += about_empty_lines(empty, empty + len(lengths))
    if (texts.codes == _RETURN).any():
        notes += (f"carriage returns of {path.name} that no line feed follows are symbols, and end no text",)
    return Dataset(name, byte_spec(texts.shape[1]), texts.as_array(), notes=notes)
