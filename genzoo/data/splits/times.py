"""Times that order the rows of a table."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from genzoo.data.column import Column
from genzoo.data.columns.dates import doubt, is_text
from genzoo.errors import DataError
from genzoo.typing import Array
from genzoo.wording import argument

_NO_WHOLE = np.iinfo(np.int64).min


def times_of(column: Column) -> tuple[Array, list[str]]:
    """Return dates, times or numbers that can be compared, `(N,)`, and a sentence if texts were read with a doubt.

    Returns:
        datetime64 for dates and times, float64 or int64 for others; and the sentences.

    Raises:
        DataError: the column holds something else.
    """
    times = column.times()
    if times is not None:
        doubts = [doubt(column.shown, column.name, times.form)] if times.doubtful else []
        if pa.types.is_timestamp(column.values.type):
            exact: Array = column.values.cast(pa.timestamp(column.values.type.unit)).to_numpy()
            return exact, doubts
        feature, pieces = column.describe(None)
        return _as_dates(pieces.all, feature.stored), doubts
    values = column.values
    if is_text(values.type):
        raise _not_times(column, int(np.asarray(values.is_valid()).argmax()))
    if pa.types.is_integer(values.type) and values.type != pa.uint64():
        return np.asarray(values.cast(pa.int64()).fill_null(_NO_WHOLE), np.int64), []
    return column.numbers(), []


def _as_dates(numbers: Array, stored: str) -> Array:
    """Return days or seconds since 1970 as datetime64; other numbers stay."""
    if stored not in ("date", "timestamp"):
        return numbers
    unit, scale = ("D", 1.0) if stored == "date" else ("us", 1e6)
    gone = np.isnan(numbers)
    dates: Array = np.rint(np.where(gone, 0.0, numbers) * scale).astype(np.int64).astype(f"datetime64[{unit}]")
    dates[gone] = np.datetime64("NaT")
    return dates


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
            f"{column.shown}: column {column.name!r} holds no time in {column.where(row)}, and "
            f"{argument('split', f'time={column.name}')} orders the rows by it. Leave such rows out with "
            f"{argument('drop_missing', True)}, or correct "
            f"them."
        )


def _not_times(column: Column, row: int) -> DataError:
    return DataError(
        f"{column.shown}: column {column.name!r} holds {str(column.values[row].as_py())!r} in {column.where(row)}, "
        f"which is not a date or time that orders the rows. Write dates like 2021-03-04 or 2021-03-04 10:30, say how "
        f"they are written with {argument('date_formats')}, or use numbers."
    )
