"""Keep the decoded images of a folder on disk, so that they are decoded once.

An entry is two files in `images` below the cache folder. `KEY.npy` holds the images, which are mapped into memory, and
`KEY.npz` all else. The key is a hash of the folder's path and of the settings. The `.npz` file names the images by a
hash of the names, sizes and times of the folder's files: if one changes, the folder is decoded again, and the new
entry takes the place of the old one. A checksum of the images shows damage.

Two processes may write an entry at the same time. Each file appears whole, and a pair that does not belong together
fails the checksum.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import PIL

from genzoo.config.data import DataSettings
from genzoo.data.dataset import BLOCK
from genzoo.data.readers.images.files import UnreadableImageError
from genzoo.data.readers.images.stack import Stack
from genzoo.data.value_range import Values
from genzoo.errors import GenzooError
from genzoo.plugins.cache import cache_home
from genzoo.runtime.progress import Phase
from genzoo.storage.atomic import atomic_write
from genzoo.typing import Array

_FORMAT = 1
"""Version of the files and of the decoding. Raise it when either changes."""


_LEAST_FILES = 256
"""A smaller folder is decoded in a moment, and leaves nothing on the disk."""


_UNUSED = 30 * 24 * 3600.0
"""Seconds after which an entry that nobody used makes room for a new one."""


@dataclass(frozen=True, slots=True)
class DecodedFolder:
    """The images of a folder.

    Arguments:
        events: `(N, C, H, W)`.
        values: facts about the values before resizing.
        pages: number of images in each file; 0 if it cannot be read.
        remarks: number of images by key of `NOTES`.
        bad: files that cannot be read.
    """

    events: Array
    values: Values
    pages: tuple[int, ...]
    remarks: Mapping[str, int]
    bad: tuple[UnreadableImageError, ...]


@dataclass(frozen=True, slots=True)
class ImageCache:
    """The place of a folder's decoded images.

    Arguments:
        root: the folder of images.
        images: the file of decoded images.
        listing: hash of the names, sizes and times of its files.
    """

    root: Path
    images: Path
    listing: str

    @staticmethod
    def of(root: Path, files: Sequence[Path], settings: DataSettings) -> ImageCache | None:
        """Return the place; `None` for a small folder, or if there is no folder for caches."""
        if len(files) < _LEAST_FILES:
            return None
        own = settings.model_dump(mode="json", include={"size", "crop", "color", "range"})
        key = _hashed(_FORMAT, PIL.__version__, str(root.resolve()), own)
        try:
            stats = [(file.relative_to(root).as_posix(), file.stat()) for file in files]
            folder = cache_home() / "images"
        except (OSError, RuntimeError):  # a file has just been removed, or there is no home
            return None
        listing = _hashed(*((name, stat.st_size, stat.st_mtime_ns) for name, stat in stats))
        return ImageCache(root, folder / f"{key}.npy", listing)

    @property
    def _about(self) -> Path:
        return self.images.with_suffix(".npz")

    def read(self) -> DecodedFolder | None:
        """Return the images that are kept; `None` if there are none, or not of these files, or if they are damaged."""
        try:
            with self._about.open("rb") as file, np.load(file) as found:
                about = json.loads(bytes(found["about"]))
                pages, peaks = found["pages"], found["peaks"]
            if about["listing"] != self.listing:
                return None
            events = self._mapped()
            if _checksum(events) != about["checksum"] or events.shape != (int(pages.sum()), *about["event_shape"]):
                return None
            low, high, whole, step, declared = about["values"]
            values = Values(low, high, whole, step, np.dtype(declared), peaks)
            bad = tuple(UnreadableImageError(self.root / name, reason) for name, reason in about["bad"])
            with contextlib.suppress(OSError):  # a cache that others share may be read-only
                self._about.touch()  # it is in use
            return DecodedFolder(events, values, tuple(map(int, pages)), about["remarks"], bad)
        except Exception:  # a damaged archive makes numpy raise nearly anything, and decoding again mends it
            return None

    def write(self, about: DecodedFolder, stack: Stack) -> Array:
        """Keep images, and return them mapped into memory.

        Raises:
            GenzooError: the disk is full or read-only. No partial file is left.
        """
        shape, dtype = (len(stack.pages), *stack.empty.shape[1:]), stack.empty.dtype
        checksum = 0

        def write_images(path: Path) -> None:
            nonlocal checksum
            with path.open("wb") as file, Phase("keeping images", shape[0], "images") as phase:
                header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                for block in stack.blocks():
                    checksum = zlib.crc32(block.data, checksum)
                    file.write(block.data)
                    phase.advance(len(block))

        def write_about(path: Path) -> None:
            values = about.values
            content = {
                "listing": self.listing,
                "checksum": checksum,
                "event_shape": shape[1:],
                "values": (values.low, values.high, values.whole, values.step, values.type.str),
                "remarks": about.remarks,
                "bad": [(error.file.relative_to(self.root).as_posix(), error.reason) for error in about.bad],
            }
            text = np.frombuffer(json.dumps(content).encode(), np.uint8)
            with path.open("wb") as file:
                np.savez(file, about=text, pages=np.array(about.pages), peaks=values.peaks)

        try:
            self.images.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._remove_unused()
            atomic_write(self.images, write_images)
            atomic_write(self._about, write_about)
            return self._mapped()
        except (OSError, ValueError) as error:
            raise GenzooError(f"{self.images.parent} cannot be used: {error}.") from error

    def _mapped(self) -> Array:
        """Return the images, read from disk when they are needed.

        They count as in memory: the order of training rows must not depend on whether the images were kept. A change
        in memory does not reach the file.
        """
        return np.asarray(np.load(self.images, mmap_mode="c"))

    def _remove_unused(self) -> None:
        """Remove what was kept for folders and settings that nobody has used for a while."""
        for about in self.images.parent.glob("*.npz"):
            with contextlib.suppress(OSError):
                if about.stat().st_mtime < time.time() - _UNUSED:
                    about.unlink()
                    about.with_suffix(".npy").unlink()


def _hashed(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _checksum(events: Array) -> int:
    checksum = 0
    with Phase("checking the images that are kept", len(events), "images") as phase:
        for start in range(0, len(events), BLOCK):
            block = events[start : start + BLOCK]
            checksum = zlib.crc32(block.data, checksum)
            phase.advance(len(block))
    return checksum
