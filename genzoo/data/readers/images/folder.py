"""Read folders of images."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from genzoo.config.data import DataSettings
from genzoo.data.dataset import Dataset, category
from genzoo.data.readers.images.cache import DecodedFolder, ImageCache
from genzoo.data.readers.images.decoding import (
    DECODED_AT_ONCE,
    check_crop,
    check_readable,
    decode,
    listed,
    only_bombs,
    remarks_of,
)
from genzoo.data.readers.images.files import ImageFile, Room, UnreadableImageError, read_pages
from genzoo.data.readers.images.stack import Stack
from genzoo.data.value_range import found_spec
from genzoo.errors import DataError, GenzooError
from genzoo.spec.modality import METADATA, PICTURE_SUFFIXES
from genzoo.wording import argument

SUFFIXES = frozenset(PICTURE_SUFFIXES)


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
    check_crop(settings)
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
        unreadable=listed(path, found.bad),
        range_from="data",
        notes=(*_notes(found, others), *failure, *_described(path)),
        label=None if labels is None else category("label", classes),
    )


def _decoded(path: Path, files: Sequence[Path], settings: DataSettings) -> tuple[DecodedFolder, tuple[str, ...]]:
    """Return the images of files, from the cache if it holds them, and a note if they cannot be kept there."""
    cache = ImageCache.of(path, files, settings) if settings.cache else None
    kept = None if cache is None else cache.read()
    if kept is not None and not any(_is_readable(error.file, settings) for error in kept.bad):
        check_readable(path, len(kept.events), kept.bad, settings)
        return kept, ()
    pages, bad = decode(path, map(ImageFile, files), len(files), settings)
    check_readable(path, len(pages), bad, settings)
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


def _described(path: Path) -> Iterator[str]:
    """Yield a note if a table describes the images, because it is not read."""
    for name in METADATA:
        if (path / name).is_file():
            parts = argument("parts", ["image", "COL"])
            yield f"{name} describes the images, and is not read; {parts} reads its columns as parts of each event"


def _is_readable(file: Path, settings: DataSettings) -> bool:
    """Return whether a file can be read that could not before, such as for lack of a permission."""
    try:
        with only_bombs():
            return bool(read_pages(ImageFile(file), settings, Room(DECODED_AT_ONCE)))
    except UnreadableImageError:
        return False


def _is_hidden(file: Path) -> bool:
    return any(part.startswith(".") for part in file.parts)


def _notes(found: DecodedFolder, others: Counter[str]) -> list[str]:
    notes = []
    several = [count for count in found.pages if count > 1]
    if several:
        plural = "1 file" if len(several) == 1 else f"{len(several)} files"
        notes.append(f"{sum(several)} of the images are pages or frames of {plural}")
    notes += remarks_of(found.remarks)
    if others:
        suffixes = " ".join(suffix or "no suffix" for suffix, _ in others.most_common(5))
        notes.append(f"files of other types left out: {others.total()} ({suffixes})")
    return notes
