"""Open regular files inside a folder: no links out of it, no pipes, no devices."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

from genzoo.errors import ArtifactError

TEXT_SUFFIXES = (".csv", ".tsv")

ARROW_SUFFIXES = (".arrow", ".feather")

TABLE_SUFFIXES = (*TEXT_SUFFIXES, ".parquet", *ARROW_SUFFIXES)
"""The suffixes of the tables that are written; known here, so that nobody imports pyarrow to look at a name."""

_WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def user_path(path: str | Path) -> Path:
    """Where a user points; `~` is left as it is where there is no such home."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - that of a path fails


def contains(folder: Path, *names: str) -> bool:
    """Whether all those names are in a folder, whatever they stand for; not in what is no folder, or cannot be one."""
    return all(os.path.lexists(folder / name) for name in names)


def check_inside(path: Path, folder: Path) -> None:
    """Refuse a name in a folder that stands for something outside it.

    Raises:
        ArtifactError: links lead out of the folder.
    """
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(os.path.realpath(folder)):
        raise ArtifactError(f"{path} leads out of {folder}, which nothing in it may. Put the file itself there.")


def open_regular(path: Path, folder: Path | None = None) -> io.BufferedReader:
    """Open a file to read, without ever waiting for what is none.

    Arguments:
        folder: which the file may not lie outside of, links followed; that of its own name without.

    Raises:
        ArtifactError: it is missing, lies outside the folder, or is no regular file.
    """
    check_inside(path, path.parent if folder is None else folder)
    try:
        descriptor = os.open(os.path.realpath(path), os.O_RDONLY | _WITHOUT_WAITING)
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ArtifactError(f"{path} cannot be read: it is no regular file.")
    return open(descriptor, "rb")  # noqa: PTH123 - a descriptor, and no path


def read_regular(path: Path, most: int) -> bytes:
    """The content of a regular file of at most so many bytes.

    Raises:
        ArtifactError: as `open_regular`; or it is larger.
    """
    with open_regular(path) as file:
        try:
            content = file.read(most + 1)
        except OSError as error:
            raise ArtifactError(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > most:
        raise ArtifactError(f"{path} is larger than any file that genzoo writes there.")
    return content
