"""How much memory a file may take: one rule for everything that unpacks to more than it is."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from genzoo.errors import DataError

HARMLESS, LARGEST = 2**30, 2**33
"""Bytes that any file may unpack to, and that many files may unpack to together."""


HARMLESS_TEXT = 3 * 2**27
"""The same for text: a number of one digit may take a dozen times its size."""


_STEEP, _STEEPER = 20, 200
"""How many times its size a file may unpack to in any case, and as long as the result is below `LARGEST`."""


_MOST_MEMBERS = 1_000


_READ = 2**20
"""Number of bytes that are unpacked at a time."""


def check_unpacked(path: Path | str, packed: int, unpacked: int, remedy: str, *, harmless: int = HARMLESS) -> None:
    """Check how many bytes a file takes in memory.

    Arguments:
        path: the file, or what it is called.
        packed: its size.
        unpacked: what it unpacks to, or what its rows and columns take as numbers.
        remedy: what to do about a file that is no attack, as a clause.
        harmless: number of bytes that a file of any size may unpack to. Defaults to `HARMLESS`.

    Raises:
        DataError: it unpacks to more than it may.
    """
    if unpacked > max(harmless, _STEEP * packed, min(_STEEPER * packed, LARGEST)):
        raise DataError(
            f"{path} would unpack from {packed} to {unpacked} bytes, out of proportion to its size. If you trust the "
            f"file, {remedy}."
        )


def check_archive(path: Path, remedy: str, *, harmless: int = HARMLESS) -> int:
    """Check the size and the number of members of a zip archive, such as `.npz`; return the size unpacked.

    Arguments:
        remedy, harmless: as for `check_unpacked`.

    Raises:
        DataError: as `check_unpacked`; or it has too many members.
        OSError, zipfile.BadZipFile: the file is not a zip archive.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if len(members) > _MOST_MEMBERS:
        raise DataError(f"{path} holds {len(members)} members, and genzoo reads at most {_MOST_MEMBERS}.")
    size = sum(member.file_size for member in members)
    check_unpacked(path, path.stat().st_size, size, remedy, harmless=harmless)
    return size


def unpacked(content: Path | bytes, shown: str, harmless: int = HARMLESS_TEXT) -> io.BufferedReader:
    """Open content that is compressed by gzip, to be read within the limits of `check_unpacked`.

    Arguments:
        content: the file, or its bytes.
        shown: name of the file, for messages.
        harmless: as for `check_unpacked`. Defaults to `HARMLESS_TEXT`.
    """
    if isinstance(content, bytes):
        return io.BufferedReader(_GzipReader(io.BytesIO(content), shown, len(content), harmless), _READ)
    return io.BufferedReader(_GzipReader(content.open("rb"), shown, content.stat().st_size, harmless), _READ)


class _GzipReader(io.RawIOBase):
    """A file compressed by gzip, unpacked while it is read.

    Arguments:
        file: the compressed file. It is closed with this one.
        shown: name of the file, for messages.
        size: its size in bytes.
        harmless: as for `check_unpacked`.

    Raises:
        DataError: it has unpacked to more than `check_unpacked` allows.
        OSError: it is damaged.
    """

    def __init__(self, file: BinaryIO, shown: str, size: int, harmless: int) -> None:
        self._file, self._unpacked = file, gzip.GzipFile(fileobj=file)
        self._shown, self._size, self._harmless, self._done = shown, size, harmless, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            count = self._unpacked.readinto(memoryview(buffer)[:_READ])
        except (EOFError, zlib.error) as error:
            raise OSError(str(error)) from error
        self._done += count
        remedy = "unpack it with gunzip first"
        check_unpacked(self._shown, self._size, self._done, remedy, harmless=self._harmless)
        return count

    def close(self) -> None:
        if not self.closed:
            self._unpacked.close()
            self._file.close()
        super().close()
