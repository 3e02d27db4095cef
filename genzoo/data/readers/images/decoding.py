"""Decode many images in several threads, and say which cannot be read."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from genzoo.config.data import DataSettings
from genzoo.data.readers.images.files import NOTES, ImageFile, ImagePage, Room, UnreadableImageError, read_pages
from genzoo.data.readers.unpacked import LARGEST, check_unpacked
from genzoo.errors import ConfigError, DataError
from genzoo.runtime.progress import Phase
from genzoo.runtime.threads import in_order
from genzoo.wording import Word, argument

_MOST_LISTED = 100
"""Largest number of unreadable files that a dataset lists."""


_AHEAD = 64
"""Files that are decoded ahead of the one that is collected."""


_HELD = 2**22
"""Bytes of a file in memory that count as one more file ahead."""


DECODED_AT_ONCE = max(2**28, 2**25 * (os.cpu_count() or 1))
"""Bytes of pixels that are decoded at the same time, which take a few times as much memory."""


def check_crop(settings: DataSettings) -> None:
    """Check that images that are cropped have a size.

    Raises:
        ConfigError: they have none.
    """
    if settings.size is None and (given := settings.given("crop")):
        size = argument("size", Word("N"))
        raise ConfigError(f"{given} says how images become squares of one size. Give the size, too: {size}.")


def decode(
    path: Path, files: Iterable[ImageFile], count: int | None, settings: DataSettings
) -> tuple[list[ImagePage], list[UnreadableImageError]]:
    """Decode files in several threads.

    Arguments:
        path: what holds the files, for messages.
        files: the files, which are asked for as they are decoded.
        count: number of files. `None` if it is not known before the end.

    Returns:
        The images in the order of the files, and the files that cannot be read.
    """
    pages: list[ImagePage] = []
    bad: list[UnreadableImageError] = []
    packed = kept = 0
    lower = f"make its images smaller with {argument('size', Word('N'))}"
    room = Room(DECODED_AT_ONCE)

    def read(file: ImageFile) -> tuple[int, list[ImagePage] | UnreadableImageError]:
        try:
            found = read_pages(file, settings, room)
            return file.path.stat().st_size if file.content is None else len(file.content), found
        except UnreadableImageError as error:
            return 0, error

    with Phase("reading images", count, "files") as phase, only_bombs():
        for size, found in in_order(read, files, _AHEAD, _weight):
            if isinstance(found, UnreadableImageError):
                bad.append(found)
            else:
                packed, kept = packed + size, kept + sum(page.pixels.nbytes for page in found)
                check_unpacked(path, packed, kept, lower, harmless=LARGEST)
                pages += found
            phase.advance()
    return pages, bad


def _weight(file: ImageFile) -> int:
    return 1 + len(file.content or b"") // _HELD


@contextmanager
def only_bombs() -> Iterator[None]:
    """Silence Pillow's warnings about odd metadata, and turn the one about huge images into an error.

    Filters of warnings belong to the whole process, so this is not for the threads that decode.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def check_readable(path: Path, count: int, bad: Sequence[UnreadableImageError], settings: DataSettings) -> None:
    """Check that images could be read.

    Raises:
        DataError: none could, or one could not and `skip_bad` is not set.
    """
    if not count:
        raise DataError(f"None of the {len(bad)} images in {path} can be read: {'; '.join(listed(path, bad, 20))}.")
    if bad and not settings.skip_bad:
        others = f" So {'are' if len(bad) > 2 else 'is'} {len(bad) - 1} more; genzoo data {path} lists them."
        raise DataError(
            f"{bad[0].file} cannot be read as an image: {bad[0].reason}. Remove it, or leave such files out with "
            f"{argument('skip_bad', True)}.{others if len(bad) > 1 else ''}"
        )


def listed(path: Path, bad: Sequence[UnreadableImageError], most: int = _MOST_LISTED) -> tuple[str, ...]:
    """Return the unreadable files with the reasons, and the number of those beyond `most`."""
    listed = [f"{_below(path, error.file)}: {error.reason}" for error in bad[:most]]
    return (*listed, *[f"and {len(bad) - most} more"] * (len(bad) > most))


def _below(path: Path, file: Path) -> Path:
    return file.relative_to(path) if file.is_relative_to(path) else file


def remarks_of(counts: Mapping[str, int]) -> list[str]:
    """Return what the user should know about images, by the number of images for each key of `NOTES`."""
    return [text.format(counts[name]) for name, text in NOTES.items() if counts.get(name)]
