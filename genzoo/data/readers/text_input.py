"""The text of a file or of standard input: its compression, its encoding and its lines."""

from __future__ import annotations

import codecs
import functools
import io
import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from genzoo.data.readers.arrow.input import for_arrow
from genzoo.data.readers.unpacked import HARMLESS_TEXT, unpacked
from genzoo.errors import DataError, pass_out_of_memory
from genzoo.runtime.threads import thread_pool

_HEAD = 1 << 20
"""Number of bytes that are examined to detect the encoding."""


_SEARCHED = 1 << 18
"""Number of bytes that are searched at a time, which fit a fast cache."""


_PASSED = 1 << 23
"""Number of bytes that are read at a time in a pass over the file."""


_PART = 1 << 26
"""Number of bytes that one thread searches at a time."""


_LARGE = 1 << 24
"""Number of bytes from which on a look at lines throughout a file saves time."""


_PLACES = 32
"""Number of places of a large file at which lines are examined."""


_ROWS = 200
"""Number of lines that are examined to detect the dialect."""


_LONGEST = 1 << 26
"""Largest number of characters in one line."""


_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


_UNPACKED = 8
"""How many times its size a compressed text usually takes."""


_PACKED = b"\x1f\x8b"
"""The first bytes of text compressed by gzip."""


class TextInput:
    """A text, in a file or in memory.

    Arguments:
        content: the file, which may be compressed by gzip under any name; or the bytes.
        shown: name of the text, for messages.
        harmless: number of bytes that a compressed file of any size may unpack to. Defaults to 400 MB.

    Raises:
        DataError: the file cannot be read, or is no text.
    """

    def __init__(self, content: Path | bytes, shown: str, *, harmless: int = HARMLESS_TEXT) -> None:
        self._content = content
        self._harmless = harmless
        self._shown = shown
        self.complete = True
        """Whether the line that was yielded last has an end."""
        try:
            self._packed = isinstance(content, Path) and _is_packed(content)
            with self.opened() as file:
                self._head = file.read(_HEAD)
        except OSError as error:
            raise self._unreadable(error) from error
        if self._head[:4] == b"PK\x03\x04":
            raise DataError(f"{shown} is a zip archive or a spreadsheet, and not text. Unpack it, or name it .xlsx.")
        self.encoding = self._encoding()

    @property
    def length(self) -> int:
        """Number of bytes, unpacked; about as many, if the text is a compressed file."""
        if isinstance(self._content, bytes):
            return len(self._content)
        return self._content.stat().st_size * (_UNPACKED if self._packed else 1)

    @property
    def is_wide(self) -> bool:
        """Whether characters take two bytes."""
        return self.encoding.startswith("utf-16")

    @property
    def size(self) -> int:
        """Size of one block to read at a time, in bytes: several of the longest lines examined."""
        longest = max((len(line) for line in self.first_lines()), default=0)
        return max(_HEAD, 8 * longest)

    def first_lines(self) -> list[str]:
        """Return the lines to examine; at least three, if there are so many."""
        found: list[str] = []
        size = 0
        for line in itertools.islice(self.lines(), _ROWS):
            found.append(line)
            size += len(line)
            if size > _HEAD and len(found) > 2:
                break
        return found

    def lines(self) -> Iterator[str]:
        """Yield the lines, each with its end. An encoding that turns out to be wrong is replaced by the next.

        Raises:
            DataError: the file cannot be read.
        """
        done = 0
        while True:
            try:
                with self.opened() as binary, io.TextIOWrapper(binary, self.encoding, newline="") as file:
                    some = iter(functools.partial(file.readline, _LONGEST + 1), "")
                    for line in itertools.islice(some, done, None):
                        if len(line) > _LONGEST:
                            raise DataError(
                                f"{self._shown}: line {done + 1} has more than {_LONGEST} characters, which is no row "
                                f"of a table. Put each row on a line of its own."
                            )
                        self.complete = line.endswith(("\n", "\r"))
                        yield line
                        done += 1
                return
            except UnicodeDecodeError as error:
                self.fall_back(error)
            except OSError as error:
                raise self._unreadable(error) from error

    def whole(self) -> str:
        """Return the text as one string.

        Raises:
            DataError: the file cannot be read.
        """
        while True:
            try:
                with self.opened() as binary, io.TextIOWrapper(binary, self.encoding, newline="") as file:
                    return file.read()
            except UnicodeDecodeError as error:
                self.fall_back(error)
            except OSError as error:
                raise self._unreadable(error) from error

    def lines_throughout(self) -> list[str]:
        """Return whole lines from all parts of a large plain file; none of other texts."""
        if not isinstance(self._content, Path) or self._packed or self.is_wide:
            return []
        size, found = self._content.stat().st_size, list[str]()
        if size < _LARGE:
            return []
        with self._content.open("rb") as file:
            for place in range(0, size, size // _PLACES):
                file.seek(place)
                lines = file.read(_SEARCHED // _PLACES).splitlines()[1:-1]  # the outer two may be cut
                found += [line.decode(self.encoding, "replace") for line in lines]
        return found

    def may_hold(self, mark: str) -> bool:
        """Return whether an ASCII character may be in the text; only plain files are searched."""
        if not isinstance(self._content, Path) or self._packed or self.is_wide:
            return True
        with self._content.open("rb") as file:  # a map of a large file would count as memory of this process
            return any(mark.encode() in block for block in iter(functools.partial(file.read, _PASSED), b""))

    def may_hold_codes(self, separator: str) -> bool:
        """Return whether a field may begin with a zero or plus sign before a digit; only plain files are searched.

        Arguments:
            separator: the character between fields.
        """
        if not isinstance(self._content, Path) or self._packed or self.is_wide:
            return True
        content = self._content
        with thread_pool() as pool:  # each part begins with the last characters of the one before
            parts = range(0, content.stat().st_size, _PART)
            begin = len(codecs.BOM_UTF8) if self.encoding == "utf-8-sig" else 0
            starts = [begin, *(start - 2 for start in parts[1:])]
            return any(pool.map(lambda start: _may_hold_codes(content, start, separator, begin), starts))

    def has_comments(self) -> bool:
        """Return whether a line other than the first begins with #."""
        width = 2 if self.is_wide else 1
        mark = "#".encode("utf-16-le" if width == 2 else "ascii")
        try:
            with self.opened() as file:
                last = b""
                while block := file.read(_PASSED):
                    block = last + block
                    if mark in block and re.search(rb"[\r\n]\0?#" if width == 2 else rb"[\r\n]#", block):
                        return True
                    last = block[-4:]
        except OSError as error:
            raise self._unreadable(error) from error
        return False

    def arrow(self) -> Any:
        """Return the text for readers of pyarrow."""
        if isinstance(self._content, bytes):
            return pa.BufferReader(self._content)
        return pa.PythonFile(self.opened(), mode="r") if self._packed else for_arrow(self._content)

    def fall_back(self, error: object) -> None:
        """Replace the encoding by Windows-1252, or that by Latin-1, in which every byte is a character.

        Raises:
            DataError: the text is UTF-8 but for some bytes, or UTF-16.
        """
        damaged = self.encoding.startswith("utf-8") and not self._head.isascii() and self._decodes("utf-8")
        if damaged or self.encoding.startswith(("utf-8-", "utf-16")):
            name = self.encoding.removesuffix("-sig").upper()
            reason = error.reason if isinstance(error, UnicodeDecodeError) else error
            raise DataError(f"{self._shown} is not {name} text throughout: {reason}. Store it as UTF-8.")
        self.encoding = "cp1252" if self.encoding == "utf-8" else "latin-1"

    def opened(self) -> Any:
        """Open the bytes, unpacked."""
        if isinstance(self._content, bytes):
            return io.BytesIO(self._content)
        return unpacked(self._content, self._shown, self._harmless) if self._packed else self._content.open("rb")

    def _encoding(self) -> str:
        for mark, name in _MARKS:
            if self._head.startswith(mark):
                return name
        for name, zeros in (("utf-16-le", self._head[1:2000:2]), ("utf-16-be", self._head[:2000:2])):
            if len(zeros) > 1 and zeros.count(0) * 2 > len(zeros):
                return name
        return next((name for name in ("utf-8", "cp1252") if self._decodes(name)), "latin-1")

    def _decodes(self, encoding: str) -> bool:
        try:
            codecs.getincrementaldecoder(encoding)().decode(self._head)
        except UnicodeDecodeError:
            return False
        return True

    def _unreadable(self, error: OSError) -> DataError:
        pass_out_of_memory(error)
        reason = error.strerror or error
        return DataError(f"{self._shown} cannot be read: {reason}.")


def _may_hold_codes(path: Path, start: int, separator: str, begin: int) -> bool:
    """Return whether a zero or plus sign stands before a digit and behind what can stand before a field.

    Arguments:
        path: the file.
        start: the first byte of the part to search.
        separator: the character between fields.
        begin: the first byte of the text.
    """
    # Most characters up to the comma can stand before a field, and no digit, point or minus sign is among them.
    last = ord(",") if separator == "," else ord("+")
    block = np.full(_SEARCHED + 2, ord("1" if start > begin else "\n"), np.uint8)
    with path.open("rb") as file:
        file.seek(start)
        for _ in range(0, _PART + 2, _SEARCHED):
            size = file.readinto(block[2:].data)
            before, first, second = block[:size], block[1 : 1 + size], block[2 : 2 + size]
            found = (before <= last) | (before == ord(separator))
            found &= (first == ord("0")) | (first == ord("+"))
            found &= second - np.uint8(ord("0")) < 10  # what is below 0 wraps round
            if found.any():
                return True
            block[:2] = block[size : 2 + size]
    return False


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return path.suffix.lower() == ".gz" or file.read(2) == _PACKED


@functools.cache
def standard_input() -> bytes:
    """Return everything on standard input; it is read only once.

    Raises:
        DataError: standard input is a terminal, or empty.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise DataError("Data '-' is standard input, and nothing is piped into it.")
    content = sys.stdin.buffer.read()
    if not content:
        raise DataError("Data '-' is standard input, and it is empty. It can be read only once.")
    if content[:2] != _PACKED:
        return content
    try:
        return unpacked(content, "Standard input").read()
    except OSError as error:
        raise DataError(f"Standard input cannot be unpacked: {error}.") from error
