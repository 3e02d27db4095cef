"""Cut a large text file into pieces of whole rows, by its lines and quotes alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from genzoo.data.partitions.files import PartFile
from genzoo.typing import Array

_PIECE = 2**22
"""Bytes that are read at a time."""


@dataclass(frozen=True, slots=True)
class PlainText:
    """A text file with a row on each line, except line breaks inside quotes, and no comments between rows.

    Arguments:
        file: the file.
        size: about how many bytes it unpacks to.
        opened: opens its bytes, unpacked.
        quote: the character around fields that may hold a line break; `None` if the text has none.
        above: number of lines above the first row.
        part: returns a table of some of its rows from their bytes.
    """

    file: PartFile
    size: int
    opened: Callable[[], BinaryIO]
    quote: str | None
    above: int
    part: Callable[[bytes], Any]

    def pieces(self, size: int, begin: int = 0) -> Iterator[tuple[bytes, int]]:
        """Yield the bytes of consecutive rows, and their number: `size`, or fewer at both ends.

        Arguments:
            begin: number of rows of the first piece. Defaults to 0: as many as in the others.

        Raises:
            OSError: the file cannot be read.
        """
        wanted, waiting, held = begin or size, list[bytes](), 0
        with self.opened() as file:
            for _ in range(self.above):
                file.readline()
            for lines, ends in _whole_rows(file, self.quote):
                start = used = 0
                while len(ends) - used >= wanted - held:
                    used += wanted - held
                    stop = int(ends[used - 1])
                    yield b"".join([*waiting, lines[start:stop]]), wanted
                    waiting, held, wanted, start = [], 0, size, stop
                waiting.append(lines[start:])
                held += len(ends) - used
        if held:
            yield b"".join(waiting), held


def _whole_rows(file: BinaryIO, quote: str | None) -> Iterator[tuple[bytes, Array]]:
    """Yield bytes that begin and end with whole rows, and where those rows end that are no blank lines."""
    rest = b""
    while data := file.read(_PIECE):
        lines = rest + data
        ends = _row_ends(lines, quote)
        stop = int(ends[-1]) if len(ends) else 0
        rest = lines[stop:]
        if stop:
            yield lines[:stop], ends[_are_filled(lines, ends)]
    if rest.strip(b"\r\n"):
        yield rest, np.array([len(rest)])


def _row_ends(lines: bytes, quote: str | None) -> Array:
    """Return the places behind line breaks that are not inside quotes."""
    text = np.frombuffer(lines, np.uint8)
    ends = np.flatnonzero(text == ord("\n")) + 1
    if quote is None or quote.encode() not in lines:
        return ends
    before = np.searchsorted(np.flatnonzero(text == ord(quote)), ends)
    return np.asarray(ends[before % 2 == 0])


def _are_filled(lines: bytes, ends: Array) -> Array:
    """Return which lines are not blank."""
    sizes = np.diff(ends, prepend=0)
    text = np.frombuffer(lines, np.uint8)
    return np.asarray((sizes > 2) | ((sizes == 2) & (text[ends - 2] != ord("\r"))))
