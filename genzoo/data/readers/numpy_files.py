"""Read `.npy` and `.npz` files."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path
from typing import Any, get_args

import numpy as np

from genzoo.data.dataset import Dataset, check_values, spec_of, usable
from genzoo.data.images import channels_first
from genzoo.data.value_range import Values, found_spec
from genzoo.errors import DataError
from genzoo.spec import ColumnType, Feature
from genzoo.typing import Array

LARGEST = 2**33
"""Largest number of bytes that a file may unpack to."""


_MOST_MEMBERS = 1_000


_HARMLESS, _STEEPEST = 2**28, 200


def check_unpacked(path: Path, packed: int, unpacked: int) -> None:
    """Check how many bytes a file unpacks to.

    Raises:
        DataError: it unpacks to more than `LARGEST` bytes, or compresses so well that it is probably a zip bomb.
    """
    if unpacked > LARGEST or (unpacked > _HARMLESS and unpacked > _STEEPEST * packed):
        raise DataError(
            f"{path} would unpack from {packed} to {unpacked} bytes, which genzoo does not do. If you trust the file, "
            f"unpack it yourself to .npy."
        )


def check_archive(path: Path) -> None:
    """Check the size and the number of members of a zip archive, such as `.npz`.

    Raises:
        DataError: as `check_unpacked`; or it has too many members.
        OSError, zipfile.BadZipFile: the file is not a zip archive.
    """
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if len(members) > _MOST_MEMBERS:
        raise DataError(f"{path} holds {len(members)} arrays, and genzoo reads at most {_MOST_MEMBERS}.")
    check_unpacked(path, path.stat().st_size, sum(member.file_size for member in members))


_EVENT_KEYS = ("x", "X", "data", "images", "events", "arr_0")


_LABEL_KEYS = ("y", "labels", "label", "target")


_OWN_NAMES: dict[str, ColumnType] = {name: name for name in get_args(ColumnType)}
_TYPES = _OWN_NAMES | {"float16": "float32"}
"""Types of columns by the names that NumPy prints; other types are stored as float64."""


_STORED = {"bool": "uint8", "int8": "int16", "uint16": "int32", "uint32": "int64", "uint64": "int64"}


def read_array(path: Path) -> Dataset:
    """Read images `(N, H, W)`, `(N, H, W, C)`, `(N, C, H, W)` or a table `(N, C)` from a NumPy file.

    NaN in a table is a missing value.

    Raises:
        DataError: the file is not a NumPy file of numbers, the array has another rank or is empty, or a value is not
            finite.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # if a size overflows, NumPy only warns
            if path.suffix == ".npz" and zipfile.is_zipfile(path):
                check_archive(path)
            loaded = np.load(path, mmap_mode="r" if path.suffix == ".npy" else None, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                arrays = {"x": loaded}
            else:
                with loaded:
                    arrays = {key: loaded[key] for key in loaded.files}
    except DataError:
        raise
    except Exception as error:  # a damaged file makes NumPy raise nearly anything
        raise DataError(
            f"{path} cannot be read as a NumPy file of numbers: {str(error) or type(error).__name__}."
        ) from error
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise DataError(f"{path} holds members that are not arrays.")
    return _choose(path, arrays)


def _choose(path: Path, arrays: dict[str, Array]) -> Dataset:
    """Pick the events and the labels from several arrays."""
    known = [key for key in _EVENT_KEYS if key in arrays]
    wide = [key for key, array in arrays.items() if array.ndim >= 2]
    if not known and len(wide) != 1:
        names = ", ".join(arrays) or "none"
        raise DataError(f"{path} holds the arrays {names}. Name the array of events 'x', and the array of labels 'y'.")
    labels = next((arrays[key] for key in _LABEL_KEYS if key in arrays), None)
    return array_dataset(path.stem, arrays[known[0] if known else wide[0]], labels, str(path))


def array_dataset(name: str, events: Array, labels: Array | None = None, shown: str = "The array") -> Dataset:
    """Return an array in memory as a dataset, with the same rules as for a file.

    Raises:
        DataError: as `read_array`.
    """
    if events.dtype.kind not in "buif":
        raise DataError(f"{shown} holds values of type {events.dtype}, not numbers.")
    if events.ndim < 2:
        raise DataError(f"{shown} has shape {events.shape}; images are (N, H, W) or (N, H, W, C), tables (N, columns).")
    if events.dtype == np.uint64 and len(events) and events.max() > np.iinfo(np.int64).max:
        raise DataError(f"{shown} holds whole numbers beyond 2^63; store them as floating point.")
    declared = events.dtype
    kind = _TYPES.get(events.dtype.name, "float64")
    stored = _STORED.get(events.dtype.name)
    if events.dtype.itemsize == 2 and events.dtype.kind == "f":
        stored = "float32"
    if events.dtype.kind == "f" and events.dtype.itemsize > 8:
        stored = "float64"
    if stored or not events.dtype.isnative:
        events = events.astype(stored or events.dtype.newbyteorder("="))
    if events.ndim > 2:
        events = channels_first(shown, events)
        check_values(shown, events)
        spec = found_spec(events, Values.of(events, declared))
        return Dataset(name, spec, events, labels, range_from="data")
    if not events.size:
        raise DataError(f"{shown} holds no events.")
    features = tuple(Feature(f"x{i}", type=kind) for i in range(events.shape[1]))
    storage: Any = events.dtype.name if events.dtype.kind == "f" else "float64"
    return usable(
        Dataset(name, spec_of(shown, (events.shape[1],), "table", features, storage=storage), events, labels), shown
    )
