"""Dates and times as text: parse them and write them by a format."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genzoo.typing import Array

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FULL = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
ZONE = r"Z|UTC|GMT|[+-]\d{2}:?\d{2}"
_LAST_ZONE = re.compile(rf"({ZONE}|%z)$")
DIRECTIVE = re.compile(r"%-?[A-Za-z]")
_PATTERNS = {
    "Y": r"\d{4}",
    "y": r"\d{2}",
    "m": r"\d{1,2}",
    "d": r"\d{1,2}",
    "b": r"[A-Za-z]{3,9}",
    "B": r"[A-Za-z]{3,9}",
    "H": r"\d{1,2}",
    "I": r"\d{1,2}",
    "M": r"\d{2}",
    "S": r"\d{2}",
    "f": r"\d{1,9}",
    "p": r"[AaPp][Mm]",
    "z": ZONE,
}
"""Regular expressions of the directives, which mean the same as in Python's `strftime`."""

DAY = 86_400


class FormError(ValueError):
    """A format holds something other than the known directives and plain text."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a column of text writes dates or times.

    Arguments:
        format: the text with directives of `strftime`, such as `%d.%m.%Y`. `%-d` has no leading zero. An offset at the
            end, such as `+01:00` or `Z`, is the zone in which times are written.
        doubtful: whether nothing in the column shows if the day or the month comes first. Defaults to false.

    Raises:
        FormError: there is an unknown directive, one appears twice, or none is there.
    """

    format: str
    doubtful: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        names = [name[-1] for name in DIRECTIVE.findall(self.format)]
        if not names or len(set(names)) < len(names) or not set(names) <= _PATTERNS.keys():
            known = " ".join(f"%{name}" for name in _PATTERNS)
            raise FormError(f"{self.format!r} is not a date format. Known: {known}, each at most once.")

    @property
    def directives(self) -> frozenset[str]:
        """The letters of the directives; `z` also stands for an offset."""
        zone = {"z"} if self.zone else set()
        return frozenset({name[-1] for name in DIRECTIVE.findall(self.format)} | zone)

    @property
    def zone(self) -> str | None:
        """The offset at the end; None if times have no zone."""
        found = _LAST_ZONE.search(self.format) if "%M" in self.format else None
        return found[1] if found else None

    @property
    def kind(self) -> str:
        """`date`, `timestamp` or `time`."""
        dated = self.directives & set("YymdbB")
        if not self.directives & set("HI"):
            return "date"
        return "timestamp" if dated else "time"

    def step(self) -> int:
        """Return the smallest difference that the text can show, in the unit of the numbers; 0 for fractions."""
        if self.kind == "date":
            return 1
        return 0 if "f" in self.directives else 1 if "S" in self.directives else 60 if "M" in self.directives else 3600

    def parse(self, texts: Any) -> Array:
        """Return the numbers of texts, float64 `(N,)`; NaN if a text is not of the form.

        Dates become days since 1970-01-01, other texts seconds since 1970-01-01 or midnight. Times with an offset are
        in UTC. The seconds, the fraction and the time of day may be absent.
        """
        texts = texts.cast(pa.string())
        found = np.full(len(texts), np.nan)
        left = np.asarray(texts.is_valid())
        for form in self._variants():
            if not left.any():
                break
            here = np.flatnonzero(left)
            values = _parsed(texts if len(here) == len(texts) else texts.take(pa.array(here)), form)
            if self.kind == "timestamp" and form.kind == "date":
                values = values * DAY
            found[here] = values
            left = np.isnan(found) & left
        return found

    def _variants(self) -> list[Form]:
        """Return the form, and shorter and longer ones that may stand in the same column."""
        zone = self.zone or ""
        bare = self.format.removesuffix(zone)
        blank = bare[len(bare.rstrip()) :]
        bare = bare.rstrip()
        half = " %p" if bare.endswith(" %p") else ""
        time = next((time for time in _TIMES if bare.removesuffix(half).endswith(time)), None)
        if time is None:
            return [self]
        before = bare.removesuffix(half).removesuffix(time)
        hour = "%-I" if "I" in time else "%-H"  # parsing takes one digit or two
        forms = [before + hour + rest + half + blank + zone for rest in (":%M:%S", ":%M:%S.%f", ":%M:%S,%f", ":%M")]
        if self.kind == "timestamp" and not zone:
            forms.append(before.rstrip("T, "))
        return [self, *(Form(text) for text in dict.fromkeys(forms) if text != self.format)]

    def write(self, numbers: Array) -> Any:
        """Return numbers as texts; the inverse of `parse`. NaN becomes null."""
        gone = np.isnan(numbers)
        seconds = np.where(gone, 0, numbers) * (DAY if self.kind == "date" else 1)
        if self.kind == "date" and not self.directives & set("d"):
            seconds = seconds + 15 * DAY  # the nearest month
        seconds = seconds + _offset(self.zone)
        micros = np.rint(seconds * 1e6).astype(np.int64) if "f" in self.directives else None
        times = pa.array((np.rint(seconds).astype(np.int64) * 10**6 if micros is None else micros), pa.timestamp("us"))
        format_ = self.format.replace("%z", "+00:00")
        parts: list[Any] = []
        for plain, directive in zip(DIRECTIVE.split(format_), [*DIRECTIVE.findall(format_), ""], strict=True):
            parts += [plain] * bool(plain) + ([_component(times, directive)] if directive else [])
        texts = pc.binary_join_element_wise(*parts, "") if len(parts) > 1 else parts[0]
        return pc.if_else(pa.array(gone), pa.scalar(None, pa.string()), texts)


_TIMES = tuple(f"{hour}:%M{rest}" for hour in ("%-H", "%H", "%-I", "%I") for rest in (":%S.%f", ":%S,%f", ":%S", ""))


def _pattern(form: Form) -> str:
    """Return the regular expression of a form, with a group for each directive."""
    zone = form.zone
    format_ = form.format if zone is None or zone == "%z" else form.format.removesuffix(zone) + "%z"
    parts = []
    for plain, directive in zip(DIRECTIVE.split(format_), [*DIRECTIVE.findall(format_), ""], strict=True):
        parts.append(re.escape(plain).replace(r"\ ", " "))
        if directive:
            parts.append(f"(?P<{directive[-1]}>{_PATTERNS[directive[-1]]})")
    return f"^{''.join(parts)}$"


def _parsed(texts: Any, form: Form) -> Array:
    """Return the numbers of texts that are exactly of a form; NaN for others."""
    found = pc.extract_regex(texts, _pattern(form))
    matched = np.asarray(found.is_valid())

    def number(name: str, absent: int) -> Array:
        if name not in form.directives:
            return np.full(len(texts), absent)
        return np.asarray(pc.struct_field(found, name).fill_null(str(absent)).cast(pa.int64()))

    day, valid = _days(number, found, form)
    hour, minute, second = number("H", 0), number("M", 0), number("S", 0)
    if "I" in form.directives:
        hour = number("I", 12)
        valid &= (hour >= 1) & (hour <= 12)
        late = _mapped(found, "p", lambda text: text.lower() == "pm") if "p" in form.directives else 0
        hour = hour % 12 + 12 * late
    valid &= (hour < 24) & (minute < 60) & (second < 60)
    if form.kind == "date":
        values = day.astype(np.float64)
    else:
        whole = day * DAY + hour * 3600 + minute * 60 + second
        values = whole.astype(np.float64)
        if "f" in form.directives:
            digits = pc.struct_field(found, "f").fill_null("0")
            values = values + np.asarray(pc.binary_join_element_wise("0", digits, ".").cast(pa.float64()))
        if "z" in form.directives:
            values = values - _mapped(found, "z", _offset)
    return np.where(matched & valid, values, np.nan)


def _days(number: Callable[[str, int], Array], found: Any, form: Form) -> tuple[Array, Array]:
    """Return days since 1970-01-01, and whether there are such days."""
    named = next((name for name in "bB" if name in form.directives), None)
    month = number("m", 1) if named is None else _mapped(found, named, month_of)
    year, day = number("Y", 1970), number("d", 1)
    if "y" in form.directives:
        short = number("y", 70)
        year = short + np.where(short < 69, 2000, 1900)
    known = (month >= 1) & (month <= 12)
    months = ((year - 1970) * 12 + np.where(known, month, 1) - 1).astype("datetime64[M]")
    first, following = (part.astype("datetime64[D]").astype(np.int64) for part in (months, months + 1))
    return first + day - 1, known & (day >= 1) & (first + day <= following)


def _mapped(found: Any, name: str, meaning: Callable[[str], int]) -> Array:
    """Return the number that each text of a group means; there are few different texts."""
    coded = pc.struct_field(found, name).fill_null("").dictionary_encode()
    numbers = np.array([meaning(text) for text in coded.dictionary.to_pylist()] or [0], np.int64)
    return np.asarray(numbers[np.asarray(coded.indices)])


def month_of(name: str) -> int:
    known = name[:3].lower() in _MONTHS and (len(name) == 3 or name.lower() in map(str.lower, (*_FULL, "Sept")))
    return _MONTHS.index(name[:3].lower()) + 1 if known else 0


def _offset(zone: str | None) -> int:
    """Return the seconds of an offset such as +01:00."""
    if not zone or zone[0] not in "+-":
        return 0
    digits = zone[1:].replace(":", "")
    return (int(digits[:2]) * 3600 + int(digits[2:]) * 60) * (-1 if zone[0] == "-" else 1)


def _component(times: Any, directive: str) -> Any:
    """Return the text of one directive for each time."""
    name = directive[-1]
    if name in "bB":
        names = pa.array(_FULL if name == "B" else [full[:3] for full in _FULL])
        return names.take(pc.subtract(pc.month(times), 1))
    if name == "p":
        return pc.if_else(pc.greater_equal(pc.hour(times), 12), "PM", "AM")
    if name == "f":
        return _padded(pc.add(pc.multiply(pc.millisecond(times), 1000), pc.microsecond(times)), 6)
    if name == "I":
        return _padded(pc.add(pa.array((np.asarray(pc.hour(times)) + 11) % 12), 1), 1 if "-" in directive else 2)
    if name == "y":
        return _padded(pa.array(np.asarray(pc.year(times)) % 100), 2)
    part = {"Y": pc.year, "m": pc.month, "d": pc.day, "H": pc.hour, "M": pc.minute, "S": pc.second}[name](times)
    return _padded(part, 4 if name == "Y" else 1 if "-" in directive else 2)


def _padded(numbers: Any, width: int) -> Any:
    return pc.utf8_lpad(numbers.cast(pa.string()), width, "0")
