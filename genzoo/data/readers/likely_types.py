"""What some cells of a text show of their column's type."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from genzoo.data.columns.date_recognition import format_of

_WHOLE = re.compile(r"[+-]?\d{1,18}")


def are_whole(cells: Sequence[str]) -> bool:
    """Return whether all cells are whole numbers, or codes of digits."""
    return all(map(_WHOLE.fullmatch, cells))


def are_dates(cells: Sequence[str]) -> bool:
    """Return whether most cells are dates or times."""
    return any(map(format_of, cells[:3])) and sum(format_of(text) is not None for text in cells) * 2 > len(cells)


def are_words(cells: Sequence[str]) -> bool:
    """Return whether all cells begin with a letter. None is empty."""
    return all(text[0].isalpha() for text in cells)


def number_type(cells: Sequence[str], decimal: str) -> Any:
    """Return the type in which pyarrow reads a column of such cells; `None` if that is open.

    Arguments:
        cells: texts of the column.
        decimal: the decimal mark.

    Examples:
        >>> number_type(["1", "-2"], "."), number_type(["1", "2.5e3"], "."), number_type(["1", "2 kg"], ".")
        (DataType(int64), DataType(double), None)
    """
    number = re.compile(rf"-?\d*{re.escape(decimal)}?\d+(?:[eE][+-]?\d+)?")
    if not all(map(number.fullmatch, cells)):
        return None
    if not all(cell.lstrip("-").isdecimal() for cell in cells):
        return pa.float64()
    return pa.int64() if are_whole(cells) else None  # longer ones may not be exact as either
