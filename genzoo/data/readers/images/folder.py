"""Read folders of images."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genzoo.config.data import DataSettings
from genzoo.data.dataset import Dataset, category
from genzoo.data.readers.images.files import ImagePage, UnreadableImageError, read_pages
from genzoo.data.readers.unpacked import LARGEST, check_unpacked
from genzoo.data.value_range import Values, check_stated, find_range, found_spec
from genzoo.errors import DataError
from genzoo.runtime.progress import Phase
from genzoo.spec.modality import PICTURE_SUFFIXES
from genzoo.typing import Array
from genzoo.wording import Word, argument

SUFFIXES = frozenset(PICTURE_SUFFIXES)


_MOST_LISTED = 100
"""Largest number of unreadable files that a dataset lists."""


_BYTE = 255


def read_folder(path: Path, settings: DataSettings) -> Dataset:
    """Read every image in a folder and its subfolders, as gray or RGB images of one size.

    Files and folders whose name begins with a dot are left out: programs keep unfinished and internal files there.
    Every page of a file is an image. Images stay gray if all of them are. One color image makes all of them RGB, unless
    `color` is set. With `size`, the shorter side of each image is resized to `size`, and the center square is cut out.
    The range is found in the values of all images, before they are resized.

    Raises:
        ConfigError: a value lies outside the stated range.
        DataError: there is no image, one cannot be read (unless `skip_bad` is set), sizes differ and `size` is not
            set, or number types with different ranges are mixed and no range is stated.
    """
    files = sorted(file for file in path.rglob("*") if file.is_file() and not _is_hidden(file.relative_to(path)))
    others = Counter(file.suffix.lower() for file in files if file.suffix.lower() not in SUFFIXES)
    files = [file for file in files if file.suffix.lower() in SUFFIXES]
    if not files:
        raise DataError(
            f"Folder {path} holds no images ({others.total()} other files). Known: {' '.join(sorted(SUFFIXES))}."
        )
    pages: list[ImagePage] = []
    bad: list[UnreadableImageError] = []
    packed = kept = 0
    lower = f"make its images smaller with {argument('size', Word('N'))}"
    with Phase("reading images", len(files), "files") as phase:
        for file in phase.over(files, lambda _: 1):
            try:
                found = read_pages(file, settings)
                packed, kept = packed + file.stat().st_size, kept + sum(page.pixels.nbytes for page in found)
                check_unpacked(path, packed, kept, lower, harmless=LARGEST)
                pages += found
            except UnreadableImageError as error:
                bad.append(error)
    _check_readable(path, pages, bad, settings)
    events, values = _stack(path.resolve().name, pages, settings)
    parents = sorted({page.file.parent for page in pages})
    labels = np.array([parents.index(page.file.parent) for page in pages]) if len(parents) > 1 else None
    classes = [parent.relative_to(path).as_posix() for parent in parents]
    return Dataset(
        path.resolve().name,
        found_spec(events, values),
        events,
        labels,
        skipped=len(bad),
        unreadable=_listed(path, bad),
        range_from="data",
        notes=tuple(_notes(pages, others)),
        label=None if labels is None else category("label", classes),
    )


def _is_hidden(file: Path) -> bool:
    return any(part.startswith(".") for part in file.parts)


def _check_readable(
    path: Path, pages: Sequence[ImagePage], bad: Sequence[UnreadableImageError], settings: DataSettings
) -> None:
    if not pages:
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


def _notes(pages: Sequence[ImagePage], others: Counter[str]) -> list[str]:
    notes = []
    several = Counter(page.file for page in pages if page.of_several)
    if several:
        plural = "1 file" if len(several) == 1 else f"{len(several)} files"
        notes.append(f"{several.total()} of the images are pages or frames of {plural}")
    if shortened := sum(page.shortened for page in pages):
        notes.append(f"images with 16-bit colors that are read with 8 bits: {shortened}; 16-bit RGB .png keeps all")
    if others:
        suffixes = " ".join(suffix or "no suffix" for suffix, _ in others.most_common(5))
        notes.append(f"files of other types left out: {others.total()} ({suffixes})")
    return notes


def _stack(name: str, pages: Sequence[ImagePage], settings: DataSettings) -> tuple[Array, Values]:
    """Return the images as one array, and the facts about their values before they were resized."""
    first = pages[0]
    for page in pages:
        if page.pixels.shape[1:] != first.pixels.shape[1:]:
            raise DataError(
                f"{page.shown} is {_size_text(page)} pixels and {first.shown} is {_size_text(first)}. "
                f"Bring all images to one size with {argument('size', Word('N'))}."
            )
    if settings.range is None:
        _check_one_type(pages)
    values = Values.merged([page.values for page in pages])
    if settings.size is not None:
        values = dataclasses.replace(values, step=1)
    if settings.range is not None:
        check_stated(name, values, settings.range)
    channels = max(len(page.pixels) for page in pages)
    dtype = _stored(pages, values)
    events = np.empty((len(pages), channels, *first.pixels.shape[1:]), dtype)
    low, high = settings.range or find_range(values)[0] or (values.low, values.high)
    for row, page in enumerate(pages):
        pixels = page.pixels
        if settings.size is not None:  # resizing overshoots at edges
            pixels = pixels if dtype.kind == "f" else np.rint(pixels)
            pixels = pixels.clip(low, high)
        events[row] = pixels
    return events, values


def _size_text(page: ImagePage) -> str:
    return f"{page.pixels.shape[2]}×{page.pixels.shape[1]}"


def _stored(pages: Sequence[ImagePage], values: Values) -> np.dtype[np.generic]:
    if values.type.kind == "f":
        return values.type
    if all(page.values.type == np.uint8 for page in pages):
        return np.dtype(np.uint8)
    return np.dtype(np.int32 if max(-values.low, values.high) < 2**31 else np.int64)


def _check_one_type(pages: Sequence[ImagePage]) -> None:
    """Check that all images may have one range: 8-bit levels do not compare with 12 bits or with fractions.

    Raises:
        DataError: they do not.
    """
    kinds: dict[str, list[ImagePage]] = {}
    for page in pages:
        kinds.setdefault(_kind(page.values), []).append(page)
    if len(kinds) < 2:
        return
    (one, first), (two, second) = list(kinds.items())[:2]
    if all(page.values.type.kind != "f" and 0.0 <= page.values.low <= page.values.high <= _BYTE for page in pages):
        return
    raise DataError(
        f"{first[0].shown} holds {one} and {second[0].shown} holds {two}, which have different ranges. Convert the "
        f"images to one number type, or state the range that they share with {argument('range', Word('LOW..HIGH'))}."
    )


def _kind(values: Values) -> str:
    if values.type.kind == "f":
        return "floating-point numbers"
    return "8-bit values" if values.type == np.uint8 else "whole numbers of more than 8 bits"
