"""Limits of what compressed files may hold: a small one can unpack to more than any machine has."""

from __future__ import annotations

import zipfile
from pathlib import Path

from genzoo.errors import DataError

LARGEST = 2**33
"""Bytes that a file may unpack to."""

_MOST_MEMBERS = 1_000
_HARMLESS, _STEEPEST = 2**28, 200


def check_unpacked(path: Path, packed: int, unpacked: int) -> None:
    """Refuse what would unpack to too much, or to far more than data do.

    Raises:
        DataError: it is too large, or a bomb.
    """
    if unpacked > LARGEST or (unpacked > _HARMLESS and unpacked > _STEEPEST * packed):
        raise DataError(
            f"{path} would unpack from {packed} to {unpacked} bytes, which genzoo does not do. Unpack it yourself, if "
            f"you trust it, and give .npy."
        )


def check_archive(path: Path) -> None:
    """Refuse a zip archive, such as `.npz`, of too many members or too much in them.

    Raises:
        DataError: as `check_unpacked`; or it has too many members.
        OSError, zipfile.BadZipFile: it is none.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if len(members) > _MOST_MEMBERS:
        raise DataError(f"{path} holds {len(members)} arrays, more than genzoo looks at.")
    check_unpacked(path, path.stat().st_size, sum(member.file_size for member in members))
