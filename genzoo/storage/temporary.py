"""Temporary folders that no other process or thread shares, and the removal of those that a killed process left."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":
    import fcntl


_AS_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)


@contextlib.contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Make a folder in `parent` under a name of its own, and remove it with its content at the end.

    The folder is locked while it is in use. The kernel releases the lock when the process ends, even if it is killed,
    so the next call for the same parent can remove what was left, and never removes what is in use.

    Raises:
        OSError: the folder cannot be made.
    """
    remove_abandoned(parent)
    path, descriptor = _claim(parent)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def remove_abandoned(parent: Path) -> None:
    """Remove the temporary folders in `parent` that processes left when they were killed. Errors are ignored.

    Folders of other machines are left alone: a file system may not share its locks.
    """
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        found = [Path(entry.path) for entry in entries if _NAME.fullmatch(entry.name)]
        for path in found:
            with contextlib.suppress(OSError):
                _remove_unlocked(path)


def take_lock(descriptor: int) -> bool | None:
    """Lock an open file or folder, without waiting.

    Returns:
        Whether it is locked now; `None` if the file system has no locks.
    """
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


_PREFIX = f".genzoo-{zlib.crc32(platform.node().encode(errors='replace')):08x}-"


_NAME = re.compile(rf"{re.escape(_PREFIX)}[0-9a-f]{{16}}\.tmp")


def _claim(parent: Path) -> tuple[Path, int]:
    """Return a new folder, and a descriptor that keeps it locked."""
    while True:
        path = parent / f"{_PREFIX}{os.urandom(8).hex()}.tmp"
        path.mkdir(mode=0o700)
        # Before it is locked, another process may take it for abandoned and remove it.
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(path, _AS_FOLDER)
            if take_lock(descriptor) is not False and _is_at(descriptor, path):
                return path, descriptor
            os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _remove_unlocked(path: Path) -> None:
    descriptor = os.open(path, _AS_FOLDER)
    try:
        if take_lock(descriptor):
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(descriptor)
