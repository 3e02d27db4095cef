"""Texts and numbers that the user declares to mean a missing value."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genzoo.config.data import DataSettings
from genzoo.data.dataset import Dataset
from genzoo.errors import ConfigError, did_you_mean
from genzoo.typing import Array
from genzoo.wording import argument

MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "null", "NULL", "None", "<NA>", "#N/A")
"""Texts that mean a missing value."""


MARKS = frozenset(
    {"?", "-", "--", "---", ".", "..", "*", "x", "X", "na", "n.a.", "N.A.", "nil", "none", "missing", "unknown", "NR"}
)
"""Texts that often mean a missing value, and that are proposed for `--missing`."""


_LOOKED_AT = 20_000
"""Number of first rows that are searched for marks."""


def missing_option(text: str, column: str | None = None) -> str:
    """Return the argument that declares a text to be a missing value, as typed.

    Examples:
        >>> missing_option("?"), missing_option("-999"), missing_option("-1", "age")
        ("missing=['?']", "missing=['-999']", "missing=['age=-1']")
    """
    return argument("missing", [text if column is None else f"{column}={text}"])


def marks_of(settings: DataSettings, names: Collection[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the marks for all columns, and the marks for single columns by name.

    Arguments:
        names: the columns of the table.

    Raises:
        ConfigError: a mark is for a column that the table does not have.
    """
    common: list[str] = []
    own: dict[str, list[str]] = {}
    for text in settings.missing:
        column, equals, mark = text.rpartition("=")
        if not equals or not column:
            common.append(text)
        elif column in names:
            own.setdefault(column, []).append(mark)
        else:
            raise ConfigError(f"{argument('missing', [text])} is for column {column!r}. {did_you_mean(column, names)}")
    return common, own


def without_marks(table: pa.Table, settings: DataSettings, names: Collection[str]) -> pa.Table:
    """Return a table with null for every declared mark, as a text or as a number.

    Arguments:
        names: the columns of the source, which may have more than the table.

    Raises:
        ConfigError: as `marks_of`.
    """
    if not settings.missing:
        return table
    common, own = marks_of(settings, names)
    columns = [
        _marked(column, [*common, *own.get(name, ())])
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    return pa.table(columns, names=table.column_names)


def _marked(column: Any, marks: list[str]) -> Any:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _marked(column.cast(kind.value_type), marks).dictionary_encode() if marks else column
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        numbers = [number for number in map(_number, marks) if number is not None]
        if pa.types.is_integer(kind):
            numbers = [int(number) for number in numbers if number.is_integer() and abs(number) < 2**53]
        for number in numbers:
            column = pc.if_else(pc.equal(column.cast(pa.float64()), float(number)), None, column)
        return column
    if pa.types.is_boolean(kind):
        marked = pc.is_in(column.cast(pa.string()), pa.array([mark.lower() for mark in marks], pa.string()))
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        marked = pc.is_in(column, pa.array(marks, kind))
    else:
        return column
    return pc.if_else(marked, None, column)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def marked_levels(levels: Sequence[str], codes: Array) -> list[tuple[str, int]]:
    """Return the levels that may mean a missing value, with their counts."""
    letters = sum(len(level) == 1 and level.isalpha() for level in levels) > 1  # x is one of them
    found = [(level, int((codes == code).sum())) for code, level in enumerate(levels) if level in MARKS]
    usual = [(level, count) for level, count in found if not (letters and level.isalpha())]
    return [(level, count) for level, count in usual if count] if len(levels) > 2 else []


def mark_remarks(dataset: Dataset) -> list[str]:
    """Return a sentence for each text that may mean a missing value, and that a model would learn as a category."""
    columns: dict[str, list[str]] = {}
    if dataset.spec.form.columns:
        sample = np.asarray(dataset.events[:_LOOKED_AT], np.float64)
        for place, feature in enumerate(dataset.spec.features):
            for level, _ in marked_levels(feature.levels or (), sample[:, place]):
                columns.setdefault(level, []).append(feature.name)
    return [
        f"{'column' if len(names) == 1 else 'columns'} {', '.join(map(repr, names))} "
        f"{'has' if len(names) == 1 else 'have'} {level!r} as a category; if it means a missing value, "
        f"{missing_option(level)}"
        for level, names in columns.items()
    ]
