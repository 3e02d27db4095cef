"""Read folders of images."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from genzoo.config.data import DataSettings
from genzoo.data.dataset import Dataset, category
from genzoo.data.readers.images.cache import DecodedFolder, ImageCache
from genzoo.data.readers.images.files import NOTES, ImagePage, Room, UnreadableImageError, read_pages
from genzoo.data.readers.images.stack import Stack
from genzoo.data.readers.unpacked import LARGEST, check_unpacked
from genzoo.data.value_range import found_spec
from genzoo.errors import ConfigError, DataError, GenzooError
from genzoo.runtime.progress import Phase
from genzoo.runtime.threads import in_order
from genzoo.spec.modality import PICTURE_SUFFIXES
from genzoo.wording import Word, argument

SUFFIXES = frozenset(PICTURE_SUFFIXES)


_MOST_LISTED = 100
"""Largest number of unreadable files that a dataset lists."""


_AHEAD = 64
"""Files that are decoded ahead of the one that is collected."""


_DECODED_AT_ONCE = max(2**28, 2**25 * (os.cpu_count() or 1))
"""Bytes of pixels that are decoded at the same time, which take a few times as much memory."""


def read_folder(path: Path, settings: DataSettings) -> Dataset:
    """Read every image in a folder and its subfolders, as gray or RGB images of one size.

    Files and folders whose name begins with a dot are left out: programs keep unfinished and internal files there.
    Every page of a file is an image. Images stay gray if all of them are. One color image makes all of them RGB, unless
    `color` is set. With `size`, images become squares in the way that `crop` says. The range is found in the values of
    all images, before they are resized. The decoded images of a large folder are kept for the next start.

    Raises:
        ConfigError: a value lies outside the stated range, or `crop` is set and `size` is not.
        DataError: there is no image, one cannot be read (unless `skip_bad` is set), sizes differ and `size` is not
            set, or number types with different ranges are mixed and no range is stated.
    """
    if settings.size is None and (given := settings.given("crop")):
        size = argument("size", Word("N"))
        raise ConfigError(f"{given} says how images become squares of one size. Give the size, too: {size}.")
    files = sorted(file for file in path.rglob("*") if file.is_file() and not _is_hidden(file.relative_to(path)))
    others = Counter(file.suffix.lower() for file in files if file.suffix.lower() not in SUFFIXES)
    files = [file for file in files if file.suffix.lower() in SUFFIXES]
    if not files:
        raise DataError(
            f"Folder {path} holds no images ({others.total()} other files). Known: {' '.join(sorted(SUFFIXES))}."
        )
    found, failure = _decoded(path, files, settings)
    owners = [file.parent for file, count in zip(files, found.pages, strict=True) for _ in range(count)]
    parents = sorted(set(owners))
    places = {parent: place for place, parent in enumerate(parents)}
    labels = np.array([places[owner] for owner in owners]) if len(parents) > 1 else None
    classes = [parent.relative_to(path).as_posix() for parent in parents]
    return Dataset(
        path.resolve().name,
        found_spec(found.events, found.values),
        found.events,
        labels,
        skipped=len(found.bad),
        unreadable=_listed(path, found.bad),
        range_from="data",
        notes=(*_notes(found, others), *failure),
        label=None if labels is None else category("label", classes),
    )


def _decoded(path: Path, files: Sequence[Path], settings: DataSettings) -> tuple[DecodedFolder, tuple[str, ...]]:
    """Return the images of files, from the cache if it holds them, and a note if they cannot be kept there."""
    cache = ImageCache.of(path, files, settings) if settings.cache else None
    kept = None if cache is None else cache.read()
    if kept is not None and not any(_is_readable(error.file, settings) for error in kept.bad):
        _check_readable(path, len(kept.events), kept.bad, settings)
        return kept, ()
    pages, bad = _read(path, files, settings)
    _check_readable(path, len(pages), bad, settings)
    stack = Stack.of(path.resolve().name, pages, settings)
    counts = Counter(page.file for page in pages)
    remarks = Counter(name for page in pages for name in page.remarks)
    about = DecodedFolder(stack.empty, stack.values, tuple(counts[file] for file in files), remarks, tuple(bad))
    if cache is None:
        return dataclasses.replace(about, events=stack.filled()), ()
    try:
        return dataclasses.replace(about, events=cache.write(about, stack)), ()
    except GenzooError as error:
        note = f"the decoded images are not kept for the next start, because {str(error).rstrip('.')}"
        return dataclasses.replace(about, events=stack.filled()), (note,)


def _read(
    path: Path, files: Sequence[Path], settings: DataSettings
) -> tuple[list[ImagePage], list[UnreadableImageError]]:
    """Decode files in several threads.

    Returns:
        The images in the order of the files, and the files that cannot be read.
    """
    pages: list[ImagePage] = []
    bad: list[UnreadableImageError] = []
    packed = kept = 0
    lower = f"make its images smaller with {argument('size', Word('N'))}"
    room = Room(_DECODED_AT_ONCE)

    def read(file: Path) -> list[ImagePage] | UnreadableImageError:
        try:
            return read_pages(file, settings, room)
        except UnreadableImageError as error:
            return error

    with Phase("reading images", len(files), "files") as phase, _only_bombs():
        for file, found in zip(files, in_order(read, files, _AHEAD), strict=True):
            if isinstance(found, UnreadableImageError):
                bad.append(found)
            else:
                packed, kept = packed + file.stat().st_size, kept + sum(page.pixels.nbytes for page in found)
                check_unpacked(path, packed, kept, lower, harmless=LARGEST)
                pages += found
            phase.advance()
    return pages, bad


@contextmanager
def _only_bombs() -> Iterator[None]:
    """Silence Pillow's warnings about odd metadata, and turn the one about huge images into an error.

    Filters of warnings belong to the whole process, so this is not for the threads that decode.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _is_readable(file: Path, settings: DataSettings) -> bool:
    """Return whether a file can be read that could not before, such as for lack of a permission."""
    try:
        with _only_bombs():
            return bool(read_pages(file, settings, Room(_DECODED_AT_ONCE)))
    except UnreadableImageError:
        return False


def _is_hidden(file: Path) -> bool:
    return any(part.startswith(".") for part in file.parts)


def _check_readable(path: Path, count: int, bad: Sequence[UnreadableImageError], settings: DataSettings) -> None:
    if not count:
        raise DataError(f"None of the {len(bad)} images in {path} can be read: {'; '.join(_listed(path, bad, 20))}.")
    if bad and not settings.skip_bad:
        others = f" So {'are' if len(bad) > 2 else 'is'} {len(bad) - 1} more; genzoo data {path} lists them."
        raise DataError(
            f"{bad[0].file} cannot be read as an image: {bad[0].reason}. Remove it, or leave such files out with "
            f"{argument('skip_bad', True)}.{others if len(bad) > 1 else ''}"
        )


def _listed(path: Path, bad: Sequence[UnreadableImageError], most: int = _MOST_LISTED) -> tuple[str, ...]:
    """Return the unreadable files with the reasons, and the number of those beyond `most`."""
    listed = [f"{error.file.relative_to(path)}: {error.reason}" for error in bad[:most]]
    return (*listed, *[f"and {len(bad) - most} more"] * (len(bad) > most))


def _notes(found: DecodedFolder, others: Counter[str]) -> list[str]:
    notes = []
    several = [count for count in found.pages if count > 1]
    if several:
        plural = "1 file" if len(several) == 1 else f"{len(several)} files"
        notes.append(f"{sum(several)} of the images are pages or frames of {plural}")
    notes += [text.format(found.remarks[name]) for name, text in NOTES.items() if found.remarks.get(name)]
    if others:
        suffixes = " ".join(suffix or "no suffix" for suffix, _ in others.most_common(5))
        notes.append(f"files of other types left out: {others.total()} ({suffixes})")
    return notes
