"""Lock a folder, so that one process at a time writes into it; readers need no lock."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from genzoo.errors import ArtifactError, GenzooError
from genzoo.storage.json_files import to_json
from genzoo.storage.temporary import take_lock

NAME = ".lock"
"""Name of the lock file in a folder."""


@contextlib.contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Keep other processes from writing into `folder`.

    The kernel releases the lock when the process ends, even if it is killed, so no stale lock is left behind.

    Raises:
        ArtifactError: another process holds the lock; the message names it.
        GenzooError: the folder cannot be written to.
    """
    try:
        descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
    except OSError as error:
        raise GenzooError(f"{folder} could not be written to: {error.strerror}.") from error
    try:
        _take(descriptor, folder)
        yield
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def is_locked(folder: Path) -> bool:
    """Return whether a process holds the lock of a folder."""
    try:
        descriptor = os.open(folder / NAME, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return False
    try:
        # A lock that was released has no note, so that looking does not get in the way of a process that starts.
        return os.fstat(descriptor).st_size > 0 and take_lock(descriptor) is False
    finally:
        os.close(descriptor)


def _take(descriptor: int, folder: Path) -> None:
    locked = take_lock(descriptor)
    if locked is None:
        return
    if not locked:
        raise ArtifactError(f"{folder} is in use by {_holder(descriptor)}. Wait until it has ended, or stop it.")
    since = datetime.now(UTC).isoformat(timespec="seconds")
    note = to_json({"pid": os.getpid(), "host": socket.gethostname(), "since": since}).encode()
    with contextlib.suppress(OSError):  # the lock works without the note, such as on a full disk
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, note, 0)


def _holder(descriptor: int) -> str:
    """Return a description of the process that holds a lock."""
    try:
        note = json.loads(os.pread(descriptor, 1000, 0))
        return f"process {note['pid']} on {note['host']} since {note['since']}"
    except (OSError, ValueError, TypeError, KeyError):
        return "another process"
