"""Write files and folders atomically."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from genzoo.errors import GenzooError

ResultT = TypeVar("ResultT")


ThingT = TypeVar("ThingT")


_OLD, _NEW = ".old", ".tmp"


_BEGUN = re.compile(r"\..+\.\d+\.tmp(\.[^.]+)?|\.tmp[A-Za-z0-9]{6}")
"""Files that `write_with` and the tensor library fill before they are renamed."""


def atomic_write(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, make it durable, and put it in place.

    Raises:
        GenzooError: the disk is full or read-only; nothing half-written is left.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}")
    try:
        temporary.unlink(missing_ok=True)  # a link of that name would be followed
        write(temporary)
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    except OSError as error:
        raise GenzooError(f"{path} could not be written: {error.strerror or error}.") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def atomic_folder(path: Path, fill: Callable[[Path], ResultT]) -> ResultT:
    """Let `fill` fill a new folder, and put it in the place of `path` when all of it is on the disk.

    Whoever is killed in between leaves hidden folders, of which `recover` makes the best.

    Raises:
        GenzooError: the disk is full or read-only; what was at `path` is there as it was.
    """
    fresh = path.with_name(f".{path.name}{_NEW}")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        result = fill(fresh)
        sync(fresh)
        put_in_place(fresh, path)
    except OSError as error:
        raise GenzooError(f"{path} could not be written: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return result


def put_in_place(fresh: Path, path: Path) -> None:
    """Rename a folder to `path`, in place of what is there."""
    old = path.with_name(f".{path.name}{_OLD}")
    if path.exists():
        shutil.rmtree(old, ignore_errors=True)
        path.replace(old)
    try:
        fresh.replace(path)
        sync(path.parent)
    finally:
        recover_folder(old)


def recover_folders(folder: Path, *folders: str) -> None:
    """Put right what a process that was killed has left in `folder`: remove what it began, keep what it replaced.

    Whatever else is hidden there is not genzoo's to touch.

    Arguments:
        folders: what the folders are called that `write_folder` makes there, as patterns.
    """
    for left in folder.glob(".*"):
        name, _, end = left.name.removeprefix(".").rpartition(".")
        is_folder = f".{end}" in (_OLD, _NEW) and any(fnmatch.fnmatchcase(name, pattern) for pattern in folders)
        if left.is_symlink():
            if is_folder:
                left.unlink(missing_ok=True)
        elif is_folder:
            recover_folder(left) if left.name.endswith(_OLD) else remove_folder(left)
        elif _BEGUN.fullmatch(left.name) and left.is_file():
            left.unlink(missing_ok=True)


def recover_folder(old: Path) -> None:
    """Remove what was replaced, or put it back where nothing took its place."""
    path = old.with_name(old.name.removeprefix(".").removesuffix(_OLD))
    if old.exists() and not path.exists():
        old.replace(path)
    shutil.rmtree(old, ignore_errors=True)


def remove_folder(path: Path) -> None:
    """Remove a folder, which is whole or gone for whoever looks; as well as the disk allows."""
    hidden = path if path.name.startswith(".") else path.with_name(f".{path.name}{_NEW}")
    with contextlib.suppress(OSError):
        path = path.replace(hidden)
    shutil.rmtree(path, ignore_errors=True)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file's content atomically."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(content)

    atomic_write(path, write)
