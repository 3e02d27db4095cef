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
"""Temporary files that `atomic_write` and the tensor library fill before renaming them."""


def atomic_write(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file in the same folder, flush it to disk, and rename it to `path`.

    Raises:
        GenzooError: the disk is full or read-only; no partial file is left.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}")
    try:
        temporary.unlink(missing_ok=True)  # if it were a link, writing would follow it
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
    """Let `fill` fill a new folder, and rename it to `path` once it is on disk.

    If the process is killed in between, hidden folders are left; `recover_folders` cleans them up.

    Raises:
        GenzooError: the disk is full or read-only; `path` is unchanged.
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
    """Rename a folder to `path`, and replace any folder there."""
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
    """Clean up after a killed process: remove what it began to write, and restore what it was about to replace.

    Other hidden files and folders are left alone.

    Arguments:
        folder: the folder to clean up.
        folders: patterns for the names of the folders that `atomic_folder` writes there.
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
    """Remove a replaced folder, or restore it if no other folder has taken its name."""
    path = old.with_name(old.name.removeprefix(".").removesuffix(_OLD))
    if old.exists() and not path.exists():
        old.replace(path)
    shutil.rmtree(old, ignore_errors=True)


def remove_folder(path: Path) -> None:
    """Remove a folder; it is renamed first, so that readers see all of it or nothing. Errors are ignored."""
    hidden = path if path.name.startswith(".") else path.with_name(f".{path.name}{_NEW}")
    with contextlib.suppress(OSError):
        path = path.replace(hidden)
    shutil.rmtree(path, ignore_errors=True)


def sync(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on disk."""
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
