"""In what data differ from those of before."""

from __future__ import annotations

from genzoo.spec import DataSpec


def difference(before: DataSpec | None, now: DataSpec | None, *, rows_before: object, rows: int | None) -> str:
    """In what data differ of which only the digest is known to be another, as a clause.

    Arguments:
        before, now: what one event was and is; `None` where that was not recorded.
        rows_before, rows: how many there were and are; `None` likewise.
    """
    if before is None or now is None:
        return "they have another digest"
    columns, own = ([feature.name for feature in spec.features] for spec in (before, now))
    if lost := sorted(set(columns) - set(own), key=columns.index):
        return f"column {lost[0]!r} is not there any more"
    if new := sorted(set(own) - set(columns), key=own.index):
        return f"column {new[0]!r} is new"
    if before != now:
        return f"one event was {before.describe()}, and is now {now.describe()}, or of other kinds of columns"
    if rows_before is not None and rows_before != rows:
        return f"there were {rows_before} rows, and there are {rows}"
    return f"the number of rows is the same, {rows}, and values in them are others"
