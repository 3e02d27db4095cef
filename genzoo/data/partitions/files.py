"""A file of data, on this machine or behind a URL."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from genzoo.data.partitions.remote import explained, fetched, name_in, version_of
from genzoo.data.readers.arrow.input import for_arrow
from genzoo.errors import DataError

Keys = tuple[tuple[str, str | None], ...]
"""The names and values of the Hive partitions that a file is in; `None` for a missing value."""


_REMEDY = "Put it back, or start again on the data as they are now"


@dataclass(frozen=True, slots=True)
class PartFile:
    """A file as it was when the data were opened.

    Arguments:
        path: its path on its file system.
        shown: its path or URL, for messages.
        size: its number of bytes.
        version: what changes with its content: times and digests that its file system gives.
        keys: the Hive partitions that it is in. Defaults to none.
        system: the fsspec file system. Defaults to `None`: the file is on this machine.
    """

    path: str
    shown: str
    size: int
    version: str
    keys: Keys = ()
    system: Any = None

    @staticmethod
    def of(path: Path, keys: Keys = ()) -> PartFile:
        """Return a file of this machine.

        Raises:
            OSError: there is none.
        """
        found = path.stat()
        return PartFile(str(path), str(path), found.st_size, f"{found.st_mtime_ns}", keys)

    @property
    def name(self) -> str:
        """Name of the file, without folders."""
        return name_in(self.path) if self.system is not None else Path(self.path).name

    def reading(self) -> AbstractContextManager[None]:
        """Return a context that turns what goes wrong with the file inside into one paragraph."""
        return explained(self.shown, f"it was there when the data were opened. {_REMEDY}")

    def check(self, found: Mapping[str, Any] | None = None) -> None:
        """Check that the file is as it was when the data were opened.

        Arguments:
            found: what its file system knows of it now. Defaults to `None`: it is asked.

        Raises:
            DataError: it has vanished or changed, or cannot be reached.
        """
        with self.reading():
            if self.system is None:
                now = PartFile.of(Path(self.path))
                size, version = now.size, now.version
            else:
                found = found or self.system.info(self.path)
                size, version = int(found.get("size") or 0), version_of(found)
        if (size, version) != (self.size, self.version):
            sizes = "" if size == self.size else f": it had {self.size} bytes and has {size}"
            raise DataError(f"{self.shown} has changed since the data were opened{sizes}. {_REMEDY}.")

    def opened(self) -> Any:
        """Return the file as pyarrow reads it, by ranges of bytes.

        Raises:
            DataError: it has vanished or changed, or cannot be reached.
        """
        if self.system is None:
            self.check()
            return for_arrow(Path(self.path))
        with self.reading():
            found = self.system.info(self.path)
            self.check(found)
            if found.get("partial") is not False:
                # pyarrow asks for whole pages in large pieces, so that a cache would only take memory.
                file = self.system.open(self.path, "rb", cache_type="none", size=found.get("size"))
                return pa.PythonFile(file, mode="r")
        return for_arrow(self.local())  # the server gives no parts of files

    def local(self) -> Path:
        """Return the file on this machine; one behind a URL is copied into the folder for caches.

        Raises:
            DataError: it cannot be reached.
        """
        if self.system is None:
            return Path(self.path)
        return fetched(self.system, self.path, self.shown, self.size, self.version)
