"""Recognize in which form a column of text writes dates or times."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genzoo.data.columns.date_forms import DAY, DIRECTIVE, ZONE, Form, month_of
from genzoo.typing import Array

_SHAPES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"([12]\d{3})([-/.])(\d{1,2})\2(\d{1,2})"), lambda m: f"%Y{m[2]}{_m(m[3])}{m[2]}{_d(m[4])}"),
    (re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2([12]\d{3})"), lambda m: f"{_d(m[1])}{m[2]}{_m(m[3])}{m[2]}%Y"),
    (re.compile(r"(\d{1,2})([/.])(\d{1,2})\2(\d{2})"), lambda m: f"{_d(m[1])}{m[2]}{_m(m[3])}{m[2]}%y"),
    (
        re.compile(r"(\d{1,2})([-/ ]|\. ?)([A-Za-z]{3,9})([-/ ])(\d{4}|\d{2})"),
        lambda m: f"{_d(m[1])}{m[2]}{_b(m[3])}{m[4]}{'%Y' if len(m[5]) == 4 else '%y'}",
    ),
    (re.compile(r"([A-Za-z]{3,9}) (\d{1,2})(,?) (\d{4})"), lambda m: f"{_b(m[1])} {_d(m[2])}{m[3]} %Y"),
    (re.compile(r"([12]\d{3})([-/])(\d{2})"), lambda m: f"%Y{m[2]}%m"),
    (re.compile(r"(\d{1,2})/([12]\d{3})"), lambda m: f"{_m(m[1])}/%Y"),
    (re.compile(r"([A-Za-z]{3,9})([ -])(\d{4})"), lambda m: f"{_b(m[1])}{m[2]}%Y"),
)
"""Dates by shape, with their format; the day is taken to come before the month."""

_CLOCK = re.compile(
    r"(.*?)(T| |, ?)?(\d{1,2}):(\d{2})(?::(\d{2})(?:([.,])(\d{1,9}))?)?( ?[AaPp][Mm])?" + rf"( ?(?:{ZONE}))?"
)


def _d(text: str) -> str:
    return "%-d" if len(text) == 1 else "%d"


def _m(text: str) -> str:
    return "%-m" if len(text) == 1 else "%m"


def _b(text: str) -> str:
    return "%b" if len(text) == 3 else "%B"


def format_of(text: str) -> str | None:
    """Return the format of a text that looks like a date or a time; `None` for others.

    Examples:
        >>> format_of("31.12.2024"), format_of("2024-01-31T14:05Z"), format_of("seven")
        ('%d.%m.%Y', '%Y-%m-%dT%H:%MZ', None)
    """
    clock = _CLOCK.fullmatch(text) if ":" in text else None
    if clock is None:
        return _date_format(text)
    date, mark, hour, _, second, point, _, half, zone = clock.groups()
    if bool(date) != bool(mark) or (zone and not date):
        return None
    before = _date_format(date) if date else ""
    if before is None or (date and "d" not in before):
        return None
    letter = "I" if half else "H"
    found = f"{before}{mark or ''}{f'%-{letter}' if len(hour) == 1 else f'%{letter}'}:%M"
    found += "" if second is None else ":%S" + ("" if point is None else f"{point}%f")
    found += "" if half is None else " %p" if half[0] == " " else "%p"
    return found + (zone or "")


def _date_format(text: str) -> str | None:
    for shape, format_ in _SHAPES:
        if found := shape.fullmatch(text):
            form = format_(found)
            named = next((part for part in found.groups() if part.isalpha() and len(part) > 2), None)
            return form if named is None or month_of(named) else None
    return None


_SAMPLE = 1000
"""Number of different texts that are examined to recognize the form of a column."""


def recognize(texts: Any, counts: Array | None = None) -> tuple[Form, Array] | None:
    """Return the form in which most texts of a column write dates or times, and their numbers; `None` if there is none.

    Whether the day or the month comes first is decided over all texts: by a number above 12, or else by a place that
    always holds 1. Otherwise the day is taken to come first, and the form is doubtful.

    Arguments:
        texts: the different texts of the column, a `pyarrow.Array` of strings.
        counts: number of rows of each text. Defaults to one.

    Returns:
        The form and what its `parse` returns.
    """
    sample = [text.strip() for text in texts.drop_null().slice(0, _SAMPLE).to_pylist()]
    if not sample or not any(map(format_of, sample[:20])):
        return None
    found = Counter(form for form in map(format_of, sample) if form is not None)
    if sum(found.values()) * 2 <= len(sample):
        return None
    bases: Counter[str] = Counter()
    for form, count in found.items():
        bases[_base(form)] += count
    base = bases.most_common(1)[0][0]
    texts = pc.utf8_trim_whitespace(texts).cast(pa.string())
    settled = _settled([form for form in found if _base(form) == base])
    settled, numbers = _ordered(settled, settled.parse(texts), texts)
    weight = np.ones(len(texts)) if counts is None else counts
    good = weight[~np.isnan(numbers)].sum()
    return (settled, numbers) if good * 2 > weight[np.asarray(texts.is_valid())].sum() else None


def _base(form: str) -> str:
    """Return the part of a format before the time of day, without marks for single digits."""
    hour = re.search(r"[T, ]*%-?[HI]", form)
    return (form[: hour.start()] if hour else form).replace("%-", "%") or "time"


def _settled(forms: Sequence[str]) -> Form:
    """Return a form that holds all others: the longest, in UTC if they have different zones."""
    longest = max(forms, key=lambda form: (form.count("%"), len(form)))
    zones = {zone for form in forms if (zone := Form(form).zone)}
    if len(zones) > 1:
        longest = longest.removesuffix(Form(longest).zone or "") + "+00:00"
    for letter in "mdHI":
        if any(f"%-{letter}" in form for form in forms) and f"%-{letter}" not in longest:
            longest = longest.replace(f"%{letter}", f"%-{letter}")
    return Form(longest)


def _swapped(form: Form) -> Form | None:
    """Return the form with day and month in the other order; None if it has none, as 2024-01-31 and 1 Jan 2024."""
    if not {"d", "m"} <= form.directives or form.format.startswith("%Y"):
        return None
    other = {"%d": "%m", "%m": "%d", "%-d": "%-m", "%-m": "%-d"}
    return Form(DIRECTIVE.sub(lambda found: other.get(found[0], found[0]), form.format))


def _ordered(form: Form, numbers: Array, texts: Any) -> tuple[Form, Array]:
    """Return the form with the day or the month first, as more texts have it, and the numbers of the texts.

    Arguments:
        numbers: the numbers of the texts if the day comes first.
    """
    swapped = _swapped(form)
    if swapped is None:
        return form, numbers
    failed = np.flatnonzero(np.isnan(numbers) & np.asarray(texts.is_valid()))
    good = ~np.isnan(numbers)
    days = np.floor(numbers[good] / (1 if form.kind == "date" else DAY)).astype(np.int64).astype("datetime64[D]")
    day = (days - days.astype("datetime64[M]")).astype(np.int64) + 1
    month = days.astype("datetime64[M]").astype(np.int64) % 12 + 1
    either = int((day <= 12).sum())
    others = either + int((~np.isnan(swapped.parse(texts.take(pa.array(failed))))).sum())
    if others > len(days):
        return swapped, swapped.parse(texts)
    if others < len(days) or "." in _base(form.format):
        return form, numbers
    if (month == 1).all() and not (day == 1).all():  # as in 1/1/2024, 2/1/2024, 3/1/2024
        return Form(swapped.format, doubtful=True), swapped.parse(texts)
    return Form(form.format, doubtful=True), numbers
