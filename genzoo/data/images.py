"""Array layouts, specs and binarization of images."""

from __future__ import annotations

import dataclasses

import numpy as np

from genzoo.data.dataset import BLOCK, Dataset, spec_of
from genzoo.spec.events import DataSpec, Feature, StorageType
from genzoo.typing import Array


def binarize(dataset: Dataset) -> Dataset:
    """Return images as bytes: 1 above the middle of their range, and 0 elsewhere.

    The range is the spec's bounds, or the smallest and largest value if it has none. Binary images are
    returned unchanged.
    """
    spec = dataset.spec
    if spec.features[0].kind == "binary":
        return dataset
    low, high = spec.bounds or range_of(dataset)
    events = np.empty(dataset.events.shape, np.uint8)
    for start in range(0, len(dataset), BLOCK):
        np.greater(dataset.events[start : start + BLOCK], (low + high) / 2, out=events[start : start + BLOCK])
    return dataclasses.replace(dataset, spec=binary_spec(events), events=events, range_from="declared")


def range_of(dataset: Dataset) -> tuple[float, float]:
    """Return the smallest and the largest value."""
    blocks = [dataset.events[start : start + BLOCK] for start in range(0, len(dataset), BLOCK)]
    return min(float(block.min()) for block in blocks), max(float(block.max()) for block in blocks)


_PIXEL = (Feature("pixel"),)


_TWO_LEVELS = (Feature("pixel", "binary", ("0", "1"), "uint8"),)


def image_spec(events: Array, bounds: tuple[float, float] | None, quantum: float | None) -> DataSpec:
    """Return the `DataSpec` of images `(N, C, H, W)`."""
    storage: StorageType = events.dtype.name  # type: ignore[assignment]
    shape = tuple(map(int, events.shape[1:]))
    return spec_of("The images", shape, "image", _PIXEL, bounds=bounds, quantum=quantum, storage=storage)


def bytes_spec(events: Array) -> DataSpec:
    """Return the `DataSpec` of 8-bit images `(N, C, H, W)`."""
    return image_spec(events, (0.0, 255.0), 1.0)


def binary_spec(events: Array) -> DataSpec:
    """Return the `DataSpec` of images `(N, C, H, W)` of 0 and 1."""
    storage: StorageType = events.dtype.name  # type: ignore[assignment]
    shape = tuple(map(int, events.shape[1:]))
    return spec_of("The images", shape, "image", _TWO_LEVELS, (0.0, 1.0), 1.0, storage)


def channels_first(images: Array) -> Array:
    """Return images as `(N, C, H, W)`.

    Arguments:
        images: `(N, H, W)`, `(N, H, W, C)` or `(N, C, H, W)`; the shorter of the second and the last axis is `C`.
    """
    if images.ndim == 3:
        return images[:, None]
    return images.transpose(0, 3, 1, 2) if images.shape[3] < images.shape[1] else images
