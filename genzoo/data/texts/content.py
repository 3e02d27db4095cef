"""Read files of UTF-8 text, and cut long texts into windows."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genzoo.data.dataset import Dataset
from genzoo.data.readers.unpacked import HARMLESS_TEXT, unpacked
from genzoo.data.texts.symbols import BYTES, byte_spec
from genzoo.data.texts.windows import Windows
from genzoo.errors import DataError, pass_out_of_memory
from genzoo.text import counted
from genzoo.typing import Array
from genzoo.wording import argument

_PART = 1 << 24
"""Number of bytes that are decoded at a time."""


_SPARE = 3
"""Largest number of bytes that a full window lacks, because the next character needs more."""


def read_content(path: Path) -> bytes:
    """Return the bytes of a file of UTF-8 text, which may be compressed by gzip, without its mark.

    Raises:
        DataError: it cannot be read, or is not UTF-8.
    """
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


def read_whole(path: Path) -> tuple[Array, int]:
    """Return a file as one text, its bytes `(n,)`, and how many ends of lines lost a carriage return.

    Raises:
        DataError: as `read_content`.
    """
    content = read_content(path)
    returned = content.count(b"\r\n")
    return np.frombuffer(content.replace(b"\r\n", b"\n") if returned else content, np.uint8), returned


def about_returns(returned: int, name: str) -> tuple[str, ...]:
    """Return a note on the carriage returns that were removed from a file or folder; none if there are none."""
    many = f"{counted(returned, 'end')} of lines in {name}, a carriage return and a line feed, "
    return (f"{many}{'is a line feed' if returned == 1 else 'are line feeds'} alone",) if returned else ()


def windows_of(name: str, shown: str, texts: Sequence[Array], size: int) -> Dataset:
    """Return long texts, given as their bytes `(n,)`, as a dataset of windows of at most `size` bytes.

    Arguments:
        name: name of the dataset.
        shown: name of the file or folder, for messages.

    Raises:
        DataError: there is no text.
    """
    if not any(map(len, texts)):
        raise DataError(f"{shown} holds no text.")
    windows = Windows.cut(texts, size, len(BYTES))
    return Dataset(name, byte_spec(size, windows=True), windows.as_array())


def check_filled(dataset: Dataset) -> Dataset:
    """Return a dataset to train on, after checking that a text fills a window, if it is cut into windows.

    Raises:
        DataError: all texts are shorter.
    """
    if isinstance(dataset.events, Windows):
        size, windows = dataset.events.shape[1], dataset.events
        if windows.lengths.max() < size - _SPARE and not windows.left_out:
            raise DataError(
                f"{dataset.name} cannot be cut into windows of {size} bytes: its longest text has "
                f"{windows.lengths.max()}. Choose a smaller {argument('window')}."
            )
    return dataset


def cut_again(dataset: Dataset, size: int) -> Dataset:
    """Return a dataset of windows with windows of another size; its own test texts stay such."""
    windows = dataset.events
    assert isinstance(windows, Windows)
    own = int((windows.pieces[1:] > len(dataset) - dataset.test_rows).sum()) if dataset.test_rows else 0
    found = windows_of(dataset.name, dataset.name, windows.whole, size)
    assert isinstance(found.events, Windows)
    first = found.events.pieces[len(found.events.pieces) - 1 - own]
    return Dataset(
        dataset.name,
        found.spec,
        found.events,
        test_rows=len(found) - int(first),
        facts=dataset.facts,
        notes=dataset.notes,
    )
