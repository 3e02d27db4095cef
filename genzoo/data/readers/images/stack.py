"""Bring images of a folder into one array."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from genzoo.config.data import DataSettings
from genzoo.data.readers.images.files import ImagePage
from genzoo.data.value_range import Bounds, Values, check_stated, find_range
from genzoo.errors import DataError
from genzoo.typing import Array
from genzoo.wording import Word, argument

_BYTE = 255


_BLOCK = 256
"""Images that are put together at a time."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Images that fit into one array, which is filled block by block: it may lie on disk.

    Arguments:
        pages: the images.
        empty: an array of no images, `(0, C, H, W)`, of the type that holds them.
        values: facts about the values before resizing.
        bounds: range of the values. Resizing overshoots it at edges.
        resized: whether images were resized.
    """

    pages: Sequence[ImagePage]
    empty: Array
    values: Values
    bounds: Bounds
    resized: bool

    @staticmethod
    def of(name: str, pages: Sequence[ImagePage], settings: DataSettings) -> Stack:
        """Check that images have one size and one range.

        Arguments:
            name: name of the folder, for messages.

        Raises:
            ConfigError: a value lies outside the stated range.
            DataError: sizes differ, or number types with different ranges are mixed and no range is stated.
        """
        if settings.size is None:
            _check_one_size(pages)
        if settings.range is None:
            _check_one_type(pages)
        values = Values.merged([page.values for page in pages])
        sides = pages[0].pixels.shape[1:]
        if settings.size is not None:
            values, sides = dataclasses.replace(values, step=1), (settings.size, settings.size)
        if settings.range is not None:
            check_stated(name, values, settings.range)
        channels = max(len(page.pixels) for page in pages)
        bounds = settings.range or find_range(values)[0] or (values.low, values.high)
        empty = np.empty((0, channels, *sides), _stored(pages, values))
        return Stack(pages, empty, values, bounds, settings.size is not None)

    def blocks(self) -> Iterator[Array]:
        """Yield the images in order, `(n, C, H, W)` at a time."""
        for start in range(0, len(self.pages), _BLOCK):
            pages = self.pages[start : start + _BLOCK]
            # What an image does not cover stays black.
            block = np.full((len(pages), *self.empty.shape[1:]), self.bounds[0], self.empty.dtype)
            for events, page in zip(block, pages, strict=True):
                pixels = page.pixels
                if self.resized:
                    pixels = pixels if block.dtype.kind == "f" else np.rint(pixels)
                    pixels = pixels.clip(*self.bounds)
                height, width = pixels.shape[1:]
                top, left = (events.shape[1] - height) // 2, (events.shape[2] - width) // 2
                events[:, top : top + height, left : left + width] = pixels
            yield block

    def filled(self) -> Array:
        """Return the images in memory."""
        events = np.empty((len(self.pages), *self.empty.shape[1:]), self.empty.dtype)
        start = 0
        for block in self.blocks():
            events[start : start + len(block)] = block
            start += len(block)
        return events


def _check_one_size(pages: Sequence[ImagePage]) -> None:
    first = pages[0]
    for page in pages:
        if page.pixels.shape[1:] != first.pixels.shape[1:]:
            raise DataError(
                f"{page.shown} is {_size_text(page)} pixels and {first.shown} is {_size_text(first)}. "
                f"Bring all images to one size with {argument('size', Word('N'))}."
            )


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
