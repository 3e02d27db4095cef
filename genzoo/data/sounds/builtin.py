"""Built-in sounds: spoken digits."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from genzoo.config.data import DataSettings
from genzoo.data.dataset import Dataset
from genzoo.data.download import fetch_file
from genzoo.data.sounds.folder import read_folder
from genzoo.errors import DataError
from genzoo.storage.atomic import new_folder
from genzoo.storage.cache import find_cache

_NAME = "spoken-digits"


_BASE = "https://codeload.github.com/Jakobovski/free-spoken-digit-dataset/tar.gz/refs/tags/"


_VERSION = "v1.0.10"


_RECORDING = re.compile(r"(?:.*/)?recordings/(\d_[a-z]+_\d+\.wav)")


_DIGEST = "dbd573d7cafe79c4b49f65718115e1304e24e067fa39eff18a660dc6cb9c360f"
"""SHA-256 of the names and contents of all recordings. Archives of GitHub have no lasting digest."""


_TEST_TAKES = 5


def spoken_digits() -> Dataset:
    """3,000 recordings of the digits by six speakers, 1 s at 8 kHz (Free Spoken Digit Dataset, Jackson et al., 2018).

    The takes 0 to 4 of each digit and speaker are its test set.
    """
    own = os.environ.get("GENZOO_DATA")
    folder = Path(own) / _NAME if own else None
    if folder is None or not folder.is_dir() or _digest(folder) != _DIGEST:
        folder = _cached()
    read = read_folder(folder, DataSettings(source=_NAME, rate=8000, seconds=1.0, fields="digit_speaker_take"))
    takes = np.array([int(file.stem.rpartition("_")[2]) for file in sorted(folder.glob("*.wav"))])
    order = np.argsort(takes < _TEST_TAKES, kind="stable")
    assert read.labels is not None
    return dataclasses.replace(
        read,
        name=_NAME,
        events=read.events[order],
        labels=read.labels[order],
        test_rows=int((takes < _TEST_TAKES).sum()),
        notes=(),
    )


def _digest(folder: Path) -> str:
    """Return the digest of the recordings in a folder."""
    return _digest_of({file.name: file.read_bytes() for file in folder.glob("*.wav")})


def _digest_of(files: Mapping[str, bytes]) -> str:
    lines = (f"{name} {hashlib.sha256(files[name]).hexdigest()}\n" for name in sorted(files))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _cached() -> Path:
    """Return the folder of recordings in the cache, which is filled from their publisher the first time.

    Raises:
        DataError: they cannot be fetched, or are others than they were.
    """
    folder = find_cache(_NAME) / "recordings"  # beside the archive, whose name is the version
    if folder.is_dir() and _digest(folder) == _DIGEST:
        return folder
    archive = fetch_file(_NAME, _VERSION, _BASE)
    files = {}
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                if (name := _RECORDING.fullmatch(member.name)) and (content := tar.extractfile(member)):
                    files[name[1]] = content.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{archive} cannot be read as an archive: {error}. Remove it, and try again.") from error
    if _digest_of(files) != _DIGEST:
        raise DataError(f"{archive} holds other recordings than expected. Remove it, and try again.")

    def fill(fresh: Path) -> None:
        for name, content in files.items():
            (fresh / name).write_bytes(content)

    new_folder(folder, fill)
    return folder
