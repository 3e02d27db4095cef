"""Decide whether the first record of a text file names its columns."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Collection, Sequence

from genzoo.data.readers.number_formats import FORMS, Numbers, kind_of
from genzoo.wording import argument


def is_header(
    names: Sequence[str], below: Sequence[Sequence[str]], known: Sequence[Numbers], marks: Collection[str]
) -> tuple[bool, str | None]:
    """Return whether a record names the columns below it, and a sentence if there is little evidence.

    Arguments:
        names: the fields of the record.
        below: the records below it.
        known: the ways to write numbers.
        marks: texts that mean a missing value.
    """
    columns = columns_of(below, len(names), marks)
    kinds = ["gap" if name in marks else kind_of(name, known) for name in names]
    types = [type_of(column, known) for column in columns]
    pairs = zip(kinds, types, strict=True)
    if any(kind not in ("gap", "number") and type_ not in ("word", "gap", kind) for kind, type_ in pairs):
        return True, None
    texts = [place for place, kind in enumerate(kinds) if kind == "word"]
    rare = all(names[place] not in columns[place] for place in texts)
    if "number" not in kinds:
        inner = names[1:] if not names[0] else names  # R and pandas leave the first empty
        plain = "date" not in kinds and not any(name in marks for name in inner)
        return bool(texts) and plain and rare and len(set(names)) == len(names), None
    unnamed = kinds[0] == "gap" and len(names) > 1 and len(columns[0]) == len(below)
    if kinds.count("number") == len(names):
        names_them = _counts(names, columns)
    elif not texts:
        names_them = unnamed and (_counts(names[1:], columns[1:]) or _name_like(names, columns, kinds, [0]))
    else:
        names_them = rare and _name_like(names, columns, kinds, texts)
    if not below or not names_them:
        return False, None
    shown = ", ".join(names[:6]) + (" ..." if len(names) > 6 else "")
    return True, f"{shown!r} was read as column names. If it is a row of data, use {argument('header', False)}."


def columns_of(rows: Sequence[Sequence[str]], width: int, marks: Collection[str]) -> list[list[str]]:
    """Return the fields of each column that are not missing."""
    columns: list[list[str]] = [[] for _ in range(width)]
    for row in rows:
        for column, text in zip(columns, row, strict=False):
            if text not in marks:
                column.append(text)
    return columns


def type_of(column: Sequence[str], known: Sequence[Numbers]) -> str:
    """Return the kind of most values of a column, or `gap` if it has none."""
    if not column:
        return "gap"
    kind, count = Counter(kind_of(text, known) for text in column).most_common(1)[0]
    return kind if count * 2 > len(column) else "word"


def _counts(names: Sequence[str], columns: Sequence[Sequence[str]]) -> bool:
    """Return whether names count from 0 or 1, and the rows below do not go on counting."""
    size = len(names)
    if list(names) not in ([str(i) for i in range(size)], [str(i + 1) for i in range(size)]):
        return False
    if size == 1:  # a column of 0, 1, 2 ... has no name
        return names[0] == "0" and all("." in text or "," in text for text in columns[0])
    following = [str(int(name) + size) for name in names]
    if [column[0] if column else "" for column in columns] == following:
        return False
    return size > 2 or not all(name in column for name, column in zip(names, columns, strict=True))


def _name_like(
    names: Sequence[str], columns: Sequence[Sequence[str]], kinds: Sequence[str], texts: Sequence[int]
) -> bool:
    """Return whether numbers beside a text may be names: years, equal steps, or whole numbers unlike those below."""
    numbers = [place for place, kind in enumerate(kinds) if kind == "number"]
    try:
        values = [float(names[place]) for place in numbers]
        below = [[_value(text) for text in columns[place] if kind_of(text, FORMS) == "number"] for place in numbers]
    except ValueError:
        return False
    if len(set(values)) < len(values):
        return False
    if len(values) > 2 and len({round(b - a, 9) for a, b in itertools.pairwise(values)}) == 1:
        return True
    if not all(re.fullmatch(r"\d+", names[place]) for place in numbers):
        return False
    if all(map(_is_year, values)):
        return not all(_is_year(value) for column in below for value in column)
    recurring = any(len(set(columns[place])) < len(columns[place]) for place in texts)
    margin = 0.0 if recurring and len(values) > 1 else 1.0
    return all(_outside(value, column, margin) for value, column in zip(values, below, strict=True))


def _value(text: str) -> float:
    """Return a number, read as roughly as a comparison of ranges needs."""
    return float(re.sub(r"[^\d.eE+-]", "", text.replace(",", ".")))


def _is_year(value: float) -> bool:
    return 1500 <= value <= 2200


def _outside(value: float, column: Sequence[float], margin: float) -> bool:
    """Return whether a number is farther from the others than `margin` times their range."""
    if len(column) < 2:
        return False
    low, high = min(column), max(column)
    far = margin * (high - low)
    return value < low - far or value > high + far
