"""Times that order the rows of a table."""

from __future__ import annotations

import shlex
from typing import Any

import numpy as np
import pyarrow as pa

from genzoo.data.column import Column
from genzoo.errors import DataError
from genzoo.typing import Array

_NO_WHOLE = np.iinfo(np.int64).min


def times_of(column: Column) -> Array:
    """Return numbers, dates or times that can be compared: float64, int64 or datetime64, `(N,)`.

    Texts are read as ISO dates and times, such as 2021-03-04 or 2021-03-04T10:30.

    Raises:
        DataError: the column holds something else.
    """
    values = column.values
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        values = _parsed(column, values)
    if pa.types.is_date(values.type) or pa.types.is_timestamp(values.type):
        return np.asarray(values.to_numpy())
    if pa.types.is_time(values.type) or pa.types.is_duration(values.type):
        values = values.cast(pa.int32() if values.type.bit_width == 32 else pa.int64())
    if pa.types.is_integer(values.type) and values.type != pa.uint64():
        return np.asarray(values.cast(pa.int64()).fill_null(_NO_WHOLE), np.int64)
    return Column(column.name, values, column.shown, column.where).numbers()


def without_time(times: Array) -> Array:
    """Return which rows have no time, `(N,)`.

    Arguments:
        times: times as `times_of` returns them.
    """
    if times.dtype.kind == "i":
        missing: Array = times == _NO_WHOLE
        return missing
    return np.isnat(times) if times.dtype.kind == "M" else np.isnan(times)


def check_times(column: Column, times: Array) -> None:
    """Check that every row has a time.

    Raises:
        DataError: a row has none.
    """
    missing = without_time(times)
    if missing.any():
        row = int(missing.argmax())
        raise DataError(
            f"{column.shown}: column {column.name!r} holds no time in {column.where(row)}, and --split time="
            f"{shlex.quote(column.name)} orders the rows by it. Leave such rows out with --drop-missing, or correct "
            f"them."
        )


def _parsed(column: Column, values: Any) -> Any:
    """Return texts as timestamps in UTC."""
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            return values.cast(kind)
        except pa.ArrowInvalid:
            continue
    row = next(row for row, text in enumerate(values) if not _is_time(text))
    raise DataError(
        f"{column.shown}: column {column.name!r} holds {values[row].as_py()!r} in {column.where(row)}, which is not a "
        f"date or time that orders the rows. Write dates like 2021-03-04 or 2021-03-04 10:30, or use numbers."
    )


def _is_time(text: Any) -> bool:
    try:
        text.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        return False
    return True
