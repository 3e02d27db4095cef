"""Write files and folders atomically."""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from genzoo.errors import GenzooError
from genzoo.storage.temporary import remove_abandoned, temporary_folder

ResultT = TypeVar("ResultT")


ThingT = TypeVar("ThingT")


_OLD = ".old"


_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)


def atomic_write(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file, flush it to disk, and rename it to `path`.

    Raises:
        GenzooError: the disk is full or read-only; no partial file is left.
    """
    try:
        with temporary_folder(path.parent) as folder:
            temporary = folder / path.name
            write(temporary)
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
    except OSError as error:
        raise GenzooError(f"{path} could not be written: {error.strerror or error}.") from error


def atomic_text(path: Path, text: str) -> None:
    """Write a text file, as `atomic_write` does.

    Raises:
        GenzooError: the disk is full or read-only; no partial file is left.
    """

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8", newline="")

    atomic_write(path, write)


def atomic_folder(path: Path, fill: Callable[[Path], ResultT]) -> ResultT:
    """Let `fill` fill a new folder, and rename it to `path` once it is on disk. It replaces an earlier one.

    Only one process at a time may write to `path`. If it is killed, `recover_folders` cleans up.

    Raises:
        GenzooError: the disk is full or read-only; `path` is unchanged.
    """
    try:
        with temporary_folder(path.parent) as folder:
            fresh = folder / path.name
            fresh.mkdir()
            result = fill(fresh)
            sync(fresh)
            put_in_place(fresh, path)
    except OSError as error:
        raise GenzooError(f"{path} could not be written: {error.strerror or error}.") from error
    return result


def new_folder(path: Path, fill: Callable[[Path], object]) -> bool:
    """Let `fill` fill a new folder, and rename it to `path` once it is on disk, unless that name is taken.

    `path` is whole or absent, also if the process is killed. Of several processes that want the name, one gets it.

    Returns:
        Whether the folder was made; false if the name is taken.

    Raises:
        GenzooError: the disk is full or read-only; nothing is left.
    """
    if os.path.lexists(path):
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(path.parent) as folder:
            fresh = folder / path.name
            fresh.mkdir()
            fill(fresh)
            sync(fresh)
            fresh.rename(path)
            sync(path.parent)
    except OSError as error:
        if error.errno in _TAKEN and os.path.lexists(path):
            return False
        raise GenzooError(f"{path} could not be written: {error.strerror or error}.") from error
    return True


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
    remove_abandoned(folder)
    for left in folder.glob(f".*{_OLD}"):
        name = left.name.removeprefix(".").removesuffix(_OLD)
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in folders):
            continue
        if left.is_symlink():
            left.unlink(missing_ok=True)
        else:
            recover_folder(left)


def recover_folder(old: Path) -> None:
    """Remove a replaced folder, or restore it if no other folder has taken its name."""
    path = old.with_name(old.name.removeprefix(".").removesuffix(_OLD))
    if old.exists() and not path.exists():
        old.replace(path)
    shutil.rmtree(old, ignore_errors=True)


def remove_folder(path: Path) -> None:
    """Remove a folder; it is moved away first, so that readers see all of it or nothing. Errors are ignored."""
    with contextlib.suppress(OSError), temporary_folder(path.parent) as folder:
        path.replace(folder / path.name)
        return
    shutil.rmtree(path, ignore_errors=True)  # a full disk has no room for the temporary folder


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
