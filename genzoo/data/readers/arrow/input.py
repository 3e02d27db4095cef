"""Files as pyarrow takes them."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

import pyarrow as pa


def for_arrow(path: Path) -> Any:
    """Return a file as pyarrow reads it: by its path, which is faster, or mapped if its name is not UTF-8."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return pa.BufferReader(mapped(path))
    return path


def mapped(path: Path) -> Any:
    """Return the content of a file as a `pyarrow.Buffer` that is read from disk when it is used.

    Raises:
        OSError, ValueError: the file cannot be read, or is empty.
    """
    with path.open("rb") as file:
        return pa.py_buffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
