"""Read `.npy` and `.npz` files, and arrays in memory."""

from __future__ import annotations

import math
import warnings
import zipfile
from pathlib import Path

import numpy as np

from genzoo.data.dataset import Dataset
from genzoo.data.readers.unpacked import check_archive
from genzoo.errors import DataError, pass_out_of_memory
from genzoo.plugins.registry import resolve
from genzoo.spec.modality import MODALITIES, layouts
from genzoo.typing import Array
from genzoo.wording import argument

_EVENT_KEYS = ("x", "X", "data", "images", "events", "arr_0")


_LABEL_KEYS = ("y", "labels", "label", "target")


_STORED = {"bool": "uint8", "int8": "int16", "uint16": "int32", "uint32": "int64", "uint64": "int64"}


def read_arrays(path: Path) -> dict[str, Array]:
    """Read the arrays of a NumPy file by their names; a `.npy` holds one, named `x`, which may be mapped.

    Raises:
        DataError: the file is not a NumPy file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # if a size overflows, NumPy only warns
            if path.suffix == ".npz" and zipfile.is_zipfile(path):
                check_archive(path, "save its array as .npy")
                _check_members(path)
            loaded = np.load(path, mmap_mode="r" if path.suffix == ".npy" else None, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                arrays = {"x": loaded}
            else:
                with loaded:
                    arrays = {key: loaded[key] for key in loaded.files}
    except DataError:
        raise
    except Exception as error:  # a damaged file makes NumPy raise nearly anything
        pass_out_of_memory(error)
        raise DataError(
            f"{path} cannot be read as a NumPy file of numbers: {str(error) or type(error).__name__}."
        ) from error
    if not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise DataError(f"{path} holds members that are not arrays.")
    return arrays


def read_array(path: Path) -> Dataset:
    """Read the events in a NumPy file. Their modality is the one with a layout of as many sides.

    If there are several arrays, one of the names of events, such as `x`, or the only one with two sides or more holds
    them. NaN in a table is a missing value.

    Raises:
        DataError: the file is not a NumPy file of numbers, the array has another rank or is empty, or a value is not
            finite.
    """
    return _choose(path, read_arrays(path))


def _check_members(path: Path) -> None:
    """Check that no array of an archive declares more bytes than its member holds; NumPy would allocate them first.

    Raises:
        DataError: one does.
        ValueError: a member is no array of this format.
    """
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                if file.read(len(np.lib.format.MAGIC_PREFIX)) != np.lib.format.MAGIC_PREFIX:
                    continue
                file.seek(0)
                first = np.lib.format.read_magic(file) == (1, 0)
                read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
                shape, _, kind = read(file)
            size = math.prod(shape) * kind.itemsize
            if size > member.file_size:
                raise DataError(
                    f"{path}: array {member.filename.removesuffix('.npy')!r} declares {size} bytes, and its member "
                    f"holds {member.file_size}. The file is damaged."
                )


def _choose(path: Path, arrays: dict[str, Array]) -> Dataset:
    """Pick the events and the labels from several arrays."""
    known = [key for key in _EVENT_KEYS if key in arrays]
    wide = [key for key, array in arrays.items() if array.ndim >= 2]
    if not known and len(wide) != 1:
        names = ", ".join(arrays) or "none"
        raise DataError(
            f"{path} holds the arrays {names}. Name the array of events 'x', and the array of labels 'y'. If each "
            f"event has several parts, name these with {argument('parts', list(arrays))}."
        )
    labels = next((arrays[key] for key in _LABEL_KEYS if key in arrays), None)
    if labels is not None and labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    return array_dataset(path.stem, arrays[known[0] if known else wide[0]], labels, str(path))


def array_dataset(name: str, events: Array, labels: Array | None = None, shown: str = "The array") -> Dataset:
    """Return an array in memory as a dataset, with the same rules as for a file.

    Raises:
        DataError: as `read_array`.
    """
    if events.dtype.kind not in "buif":
        raise DataError(f"{shown} holds values of type {events.dtype}, not numbers.")
    form = next((form for form in MODALITIES.values() if events.ndim in form.array_ranks), None)
    if form is None:
        raise DataError(f"{shown} has shape {events.shape}; {layouts()}.")
    if events.dtype == np.uint64 and len(events) and events.max() > np.iinfo(np.int64).max:
        raise DataError(f"{shown} holds whole numbers beyond 2^63; store them as floating point.")
    dataset: Dataset = resolve(form.array, form)(name, _storable(events), labels, shown, events.dtype)
    return dataset


def _storable(events: Array) -> Array:
    """Return an array in a number type that events are stored in, in the byte order of the machine."""
    stored = _STORED.get(events.dtype.name)
    if events.dtype.itemsize == 2 and events.dtype.kind == "f":
        stored = "float32"
    if events.dtype.kind == "f" and events.dtype.itemsize > 8:
        stored = "float64"
    if stored or not events.dtype.isnative:
        return events.astype(stored or events.dtype.newbyteorder("="))
    return events
