"""Durations as text, as pandas writes them (`1 days 02:03:04`) or in hours of any number (`36:15:00`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genzoo.typing import Array

WITH_DAYS, IN_HOURS = "%D days %H:%M:%S", "%H...:%M:%S"
"""Forms of durations, in the place of a format."""

_PATTERN = r"^(?:(?P<d>-?\d+) days?,?)?(?: ?(?P<sign>[+-])?(?P<H>\d+):(?P<M>[0-5]\d)(?::(?P<S>[0-5]\d(?:\.\d+)?))?)?$"


def parse_durations(texts: Any) -> Array:
    """Return the seconds of texts, float64 `(N,)`; NaN if a text is no duration."""
    found = pc.extract_regex(pc.utf8_trim_whitespace(texts).cast(pa.string()), _PATTERN)

    def part(name: str) -> Array:
        text = pc.struct_field(found, name)
        return np.asarray(pc.if_else(pc.equal(text, ""), "0", text).fill_null("0").cast(pa.float64()))

    sign = np.where(np.asarray(pc.equal(pc.struct_field(found, "sign"), "-").fill_null(False)), -1, 1)
    seconds = part("d") * 86_400 + sign * (part("H") * 3600 + part("M") * 60 + part("S"))
    return np.where(np.asarray(found.is_valid()), seconds, np.nan)


def recognize_durations(texts: Any, counts: Array | None = None) -> tuple[str, Array] | None:
    """Return the form in which most texts of a column write durations, and their seconds; `None` if there is none.

    Times of day, such as 23:15:00, are durations only beside one of at least 24 hours.

    Arguments:
        texts: the different texts of the column, a `pyarrow.Array` of strings.
        counts: number of rows of each text. Defaults to one.
    """
    days = np.asarray(pc.match_substring_regex(texts, r"^\s*-?\d+ days?\b").fill_null(False))
    hours = np.asarray(pc.match_substring_regex(texts, r"^\s*-?\d+:\d{2}:\d{2}(\.\d+)?\s*$").fill_null(False))
    like = days | hours
    weight = np.ones(len(texts)) if counts is None else counts
    if weight[like].sum() * 2 <= weight[np.asarray(texts.is_valid())].sum():
        return None
    numbers = parse_durations(texts)
    if not days.any() and not (numbers[hours] >= 86_400).any() and not (numbers[hours] < 0).any():
        return None
    return (WITH_DAYS if days.any() else IN_HOURS), np.where(like, numbers, np.nan)


_MOST = 9.2e18
"""Largest number of microseconds that is written; about the largest of 64 bits."""


def write_durations(numbers: Array, form: str) -> Any:
    """Return seconds as texts of a form; NaN becomes null."""
    gone = np.isnan(numbers)
    micros = np.rint(np.where(gone, 0, numbers) * 1e6).clip(-_MOST, _MOST).astype(np.int64)
    fraction = bool((micros % 10**6).any())
    if form == WITH_DAYS:
        days, rest = np.divmod(micros, 86_400 * 10**6)
        before = [_text(days, 1), " days "]
    else:
        rest, before = np.abs(micros), [pa.array(np.where(micros < 0, "-", "").tolist(), pa.string())]
    hours, rest = np.divmod(rest, 3600 * 10**6)
    minutes, rest = np.divmod(rest, 60 * 10**6)
    seconds, rest = np.divmod(rest, 10**6)
    after = [".", _text(rest, 6)] if fraction else []
    parts = [*before, _text(hours, 2), ":", _text(minutes, 2), ":", _text(seconds, 2), *after]
    texts = pc.binary_join_element_wise(*parts, "")
    return pc.if_else(pa.array(gone), pa.scalar(None, pa.string()), texts)


def duration_texts(column: Any) -> Any:
    """Return a column of Arrow's durations as texts, as pandas writes them."""
    scale = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[column.type.unit]
    counts = column.cast(pa.int64())
    seconds = np.array(counts.cast(pa.float64(), safe=False)) / scale
    return write_durations(seconds, WITH_DAYS)


def _text(numbers: Array, width: int) -> Any:
    return pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0")
