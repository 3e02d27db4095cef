"""What arrays of images have in common, wherever they were read from."""

from __future__ import annotations

from typing import Any

import numpy as np

from genzoo.data.dataset import spec_of
from genzoo.errors import DataError
from genzoo.spec import DataSpec, Feature, StorageType

Array = np.ndarray[Any, np.dtype[Any]]

_PIXEL = (Feature("pixel"),)
_TWO_LEVELS = (Feature("pixel", "binary", ("0", "1"), "uint8"),)


def image_spec(events: Array, bounds: tuple[float, float] | None, quantum: float | None) -> DataSpec:
    """The DataSpec of images `(N, C, H, W)`."""
    storage: StorageType = events.dtype.name  # type: ignore[assignment]
    shape = tuple(map(int, events.shape[1:]))
    return spec_of("The images", shape, "image", _PIXEL, bounds=bounds, quantum=quantum, storage=storage)


def bytes_spec(events: Array) -> DataSpec:
    """The DataSpec of 8-bit images `(N, C, H, W)`."""
    return image_spec(events, (0.0, 255.0), 1.0)


def binary_spec(events: Array) -> DataSpec:
    """The DataSpec of images `(N, C, H, W)` that hold 0 and 1."""
    storage: StorageType = events.dtype.name  # type: ignore[assignment]
    return DataSpec(tuple(map(int, events.shape[1:])), "image", _TWO_LEVELS, (0.0, 1.0), 1.0, storage)


def channels_first(name: str, images: Array) -> Array:
    """`(N, H, W)`, `(N, H, W, C)` or `(N, C, H, W)` as `(N, C, H, W)`; the shorter outer axis is the channels.

    Raises:
        DataError: the array has another rank.
    """
    if images.ndim == 3:
        return images[:, None]
    if images.ndim != 4:
        raise DataError(
            f"{name} has shape {images.shape}; images are (N, H, W), (N, H, W, C) or (N, C, H, W), "
            f"and tables (N, columns)."
        )
    return images.transpose(0, 3, 1, 2) if images.shape[3] < images.shape[1] else images
