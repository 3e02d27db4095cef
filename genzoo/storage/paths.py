"""Safe opening of files: no links out of a folder, no pipes, no devices."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

from genzoo.errors import ArtifactError, ConfigError
from genzoo.wording import argument

_WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def user_path(path: str | Path) -> Path:
    """Return a path with `~` expanded, or unchanged if that home does not exist."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises if there is no such home


def contains(folder: Path, *names: str) -> bool:
    """Return whether a folder has entries of all these names, of any kind; false if it is not a folder."""
    return all(os.path.lexists(folder / name) for name in names)


def check_not_source(out: Path | None, source: object) -> None:
    """Check that a file of results does not take the place of the file that the data are read from.

    Arguments:
        out: the file of results; `None` for none.
        source: what the data are read from; anything but the path of a file passes.

    Raises:
        ConfigError: they are the same file.
    """
    if out is None or not isinstance(source, str | Path):
        return
    try:
        same = out.samefile(user_path(source))
    except (OSError, ValueError):  # one of them is no file yet, or none at all
        return
    if same:
        raise ConfigError(f"{argument('out')} {out} is the file that the data are read from. Choose another file.")


def check_inside(path: Path, folder: Path) -> None:
    """Check that a path, with links followed, lies inside a folder.

    Raises:
        ArtifactError: a link leads out of the folder.
    """
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(os.path.realpath(folder)):
        raise ArtifactError(f"{path} is a link that leads out of {folder}. Put the file itself there.")


def open_regular(path: Path, folder: Path | None = None) -> io.BufferedReader:
    """Open a regular file for reading; never block on a pipe or device.

    Arguments:
        folder: folder that must contain the file, with links followed. Defaults to its parent.

    Raises:
        ArtifactError: the file is missing, lies outside the folder, or is not a regular file.
    """
    check_inside(path, path.parent if folder is None else folder)
    try:
        descriptor = os.open(os.path.realpath(path), os.O_RDONLY | _WITHOUT_WAITING)
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ArtifactError(f"{path} cannot be read: it is not a regular file.")
    return open(descriptor, "rb")  # noqa: PTH123 - a descriptor, not a path


def read_regular(path: Path, most: int) -> bytes:
    """Read a regular file of at most `most` bytes.

    Raises:
        ArtifactError: as `open_regular`; or the file is larger.
    """
    with open_regular(path) as file:
        try:
            content = file.read(most + 1)
        except OSError as error:
            raise ArtifactError(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > most:
        raise ArtifactError(f"{path} is larger than any such file that genzoo writes.")
    return content
