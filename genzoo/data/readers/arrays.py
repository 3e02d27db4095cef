"""Make datasets of arrays: images and tables of numbers."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np

from genzoo.data.dataset import Dataset, check_values, spec_of, usable
from genzoo.data.images import channels_first
from genzoo.data.value_range import Values, found_spec
from genzoo.errors import DataError
from genzoo.spec.events import ColumnType, Feature
from genzoo.typing import Array

_OWN_NAMES: dict[str, ColumnType] = {name: name for name in get_args(ColumnType)}
_TYPES = _OWN_NAMES | {"float16": "float32"}
"""Types of columns by the names that NumPy prints; other types are stored as float64."""


def images_of_array(
    name: str, events: Array, labels: Array | None, shown: str, declared: np.dtype[np.generic]
) -> Dataset:
    """Return an array of images, whose range is found in their values.

    Arguments:
        events: `(N, H, W)`, `(N, H, W, C)` or `(N, C, H, W)`.
        labels: `(N,)`, or `None`.
        shown: name of the array, for messages.
        declared: number type of the source.

    Raises:
        DataError: there are no images, one is too large, or a value is not finite.
    """
    images = channels_first(events)
    check_values(shown, images)
    return Dataset(name, found_spec(images, Values.of(images, declared)), images, labels, range_from="data")


def table_of_array(
    name: str, events: Array, labels: Array | None, shown: str, declared: np.dtype[np.generic]
) -> Dataset:
    """Return an array of rows as a table, whose columns are numbered.

    The arguments are as for `images_of_array`, and events are `(N, C)`.

    Raises:
        DataError: there are no rows, too many columns, a value is infinite, or a column has no value.
    """
    if not events.size:
        raise DataError(f"{shown} holds no events.")
    kind = _TYPES.get(declared.name, "float64")
    features = tuple(Feature(f"x{i}", type=kind) for i in range(events.shape[1]))
    storage: Any = events.dtype.name if events.dtype.kind == "f" else "float64"
    spec = spec_of(shown, (events.shape[1],), "table", features, storage=storage)
    return usable(Dataset(name, spec, events, labels), shown)
