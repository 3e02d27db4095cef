"""One process at a time writes into a folder; readers need no leave."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from genzoo.errors import ArtifactError, GenzooError
from genzoo.storage.json_files import to_json

if sys.platform != "win32":
    import fcntl


NAME = ".lock"
"""The file in a folder that is locked."""


@contextlib.contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Keep other processes from writing into `folder`.

    The kernel lets go when this process ends, however it ends, so that no lock is ever left behind.

    Raises:
        ArtifactError: another process holds it; the message says which.
        GenzooError: the folder cannot be written into.
    """
    try:
        descriptor = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
    except OSError as error:
        raise GenzooError(f"{folder} could not be written into: {error.strerror}.") from error
    try:
        _take(descriptor, folder)
        yield
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _take(descriptor: int, folder: Path) -> None:
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ArtifactError(
            f"{folder} is in use by {_holder(descriptor)}. Wait until it has ended, or end it."
        ) from None
    except OSError:  # a file system without locks
        return
    since = datetime.now(UTC).isoformat(timespec="seconds")
    note = to_json({"pid": os.getpid(), "host": socket.gethostname(), "since": since}).encode()
    with contextlib.suppress(OSError):  # on a full disk the lock is held all the same
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, note, 0)


def _holder(descriptor: int) -> str:
    """Who holds a lock, as far as it says."""
    try:
        note = json.loads(os.pread(descriptor, 1000, 0))
        return f"process {note['pid']} on {note['host']} since {note['since']}"
    except (OSError, ValueError, TypeError, KeyError):
        return "another process"
