"""Columns of dates, times and durations as numbers, and back.

| type | number |
|---|---|
| date | days since 1970-01-01 |
| timestamp | seconds since 1970-01-01 00:00; in UTC if the column has a time zone |
| time | seconds since midnight |
| duration | seconds |

Numbers are float64, in which seconds of these centuries are exact to the microsecond.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genzoo.data.columns.date_forms import DAY, Form
from genzoo.data.columns.date_recognition import recognize
from genzoo.spec.events import ColumnType, Feature
from genzoo.storage.durations import IN_HOURS, WITH_DAYS, parse_durations, recognize_durations, write_durations
from genzoo.typing import Array
from genzoo.wording import argument

UNITS = {
    "date": "days since 1970-01-01",
    "timestamp": "seconds since 1970-01-01",
    "time": "seconds since midnight",
    "duration": "seconds",
}
"""Unit and origin of the numbers of each type."""

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # of the years 1 to 9999, which other libraries can show
_ARROW_TYPE = re.compile(r"(date32|date64|timestamp|time32|time64|duration)\[(day|s|ms|us|ns)(?:, tz=(.+))?\]")


@dataclass(frozen=True, slots=True)
class Times:
    """A column of dates or times as numbers.

    Arguments:
        type: `date`, `timestamp`, `time` or `duration`.
        form: type of the column in Arrow, or the format of its texts.
        numbers: float64 `(N,)`; NaN for a missing value, and for a text that is not of the form.
        doubtful: whether nothing in the texts shows if the day or the month comes first.
    """

    type: ColumnType
    form: str
    numbers: Array
    doubtful: bool = False


def read_times(values: Any, format_: str | None = None, *, compact: bool = False) -> Times | None:
    """Return a column as dates or times; `None` if it holds something else.

    Arguments:
        values: a `pyarrow.ChunkedArray` of any type. Texts are dates if most of them are.
        format_: how the texts are written. Defaults to `None`: recognized.
        compact: whether a dictionary holds plain texts, and is no type of its own. Defaults to false.

    Raises:
        FormError: the format holds something other than known directives and text.
    """
    if pa.types.is_dictionary(values.type) and pa.types.is_temporal(values.type.value_type):
        values = values.cast(values.type.value_type)
    if pa.types.is_temporal(values.type) and _ARROW_TYPE.fullmatch(str(values.type)):
        return Times(_type_of(values.type), str(values.type), _numbers(values))
    if format_ is not None:
        if pa.types.is_floating(values.type):  # 20240131 in a column with missing values
            values = values.cast(pa.int64(), safe=False)
        coded = _coded(values.cast(pa.string()))
        return _from_texts(coded, *_by_format(coded.dictionary, format_))
    kind = values.type.value_type if compact else values.type
    if not is_text(kind) or not len(values):
        return None
    if not pc.any(pc.match_substring_regex(values.drop_null().slice(0, 1000).cast(kind), r"\d")).as_py():
        return None
    coded = _coded(values)
    counts = np.bincount(np.asarray(coded.indices.drop_null()), minlength=len(coded.dictionary))
    lengthy = recognize_durations(coded.dictionary, counts)
    if lengthy is not None:
        return _from_texts(coded, *lengthy, False)
    found = recognize(coded.dictionary, counts)
    return None if found is None else _from_texts(coded, found[0].format, found[1], found[0].doubtful)


def _by_format(texts: Any, format_: str) -> tuple[str, Array, bool]:
    if format_ in (WITH_DAYS, IN_HOURS):
        return format_, parse_durations(texts), False
    return format_, Form(format_).parse(pc.utf8_trim_whitespace(texts)), False


def _from_texts(coded: Any, form: str, numbers: Array, doubtful: bool) -> Times:
    places = np.asarray(coded.indices.fill_null(len(numbers)), np.int64)
    return Times(type_of_form(form), form, np.append(numbers, np.nan)[places], doubtful)


def _coded(values: Any) -> Any:
    compact = pa.types.is_dictionary(values.type)
    values = values.unify_dictionaries() if compact else values.cast(pa.large_string()).dictionary_encode()
    coded = values.combine_chunks()
    return coded.unify_dictionaries().combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded


def doubt(shown: str, name: str, form: str) -> str:
    """Return the note on a column in which nothing shows if the day or the month comes first."""
    day_first = form.replace("%-", "%").index("%d") < form.replace("%-", "%").index("%m")
    first, second = ("day", "month") if day_first else ("month", "day")
    other = form.translate(str.maketrans("dm", "md"))
    option = argument("date_formats", {name: other})
    return (
        f"{shown}: nothing in column {name!r} shows if the day or the month comes first; it was read as {first} before "
        f"{second}. If the {second} comes first, use {option}."
    )


def is_text(kind: Any) -> bool:
    """Return whether an Arrow type is text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def type_of_form(form: str) -> ColumnType:
    """Return the type of a column that is written in a form.

    Raises:
        FormError: there is no such form.
    """
    if form in (WITH_DAYS, IN_HOURS):
        return "duration"
    found = _ARROW_TYPE.fullmatch(form)
    if found:
        return cast("ColumnType", re.sub(r"\d", "", found[1]))
    return cast("ColumnType", Form(form).kind)


def _type_of(kind: Any) -> ColumnType:
    return type_of_form(str(kind))


def _numbers(values: Any) -> Array:
    """Return the numbers of a column of one of Arrow's types of dates and times."""
    kind = values.type
    narrow = pa.types.is_date32(kind) or pa.types.is_time32(kind)
    numbers = np.array(values.cast(pa.int32() if narrow else pa.int64()).cast(pa.float64(), safe=False), np.float64)
    if pa.types.is_date32(kind):
        return numbers
    return numbers / (DAY * 1000 if pa.types.is_date64(kind) else _PER_SECOND[kind.unit])


def match_times(values: Any, feature: Feature, format_: str | None = None) -> Array | None:
    """Return a column as numbers of a feature; `None` if it holds no dates or times of that sort.

    A column of dates also serves as one of timestamps, at midnight, and the other way round. Texts are read in the
    form of the feature if they are of it.

    Arguments:
        values: a `pyarrow.ChunkedArray`; null becomes NaN.
        feature: describes the column that a model was trained on.
        format_: how the texts are written. Defaults to `None`: as in training, or recognized.
    """
    if pa.types.is_null(values.type):
        return np.full(len(values), np.nan)
    found = None
    form = feature.form or ""
    if format_ is not None or (is_text(values.type) and "%" in form):
        found = _times_of(values, format_ or form)
    found = read_times(values) if found is None else found
    if found is None or (np.isnan(found.numbers) & ~_missing(values)).any():
        return None
    if found.type == feature.stored:
        same_zone = found.type != "timestamp" or zoned(found.form) == zoned(form)
        return found.numbers if same_zone else None
    return None if zoned(found.form) or zoned(form) else converted(found.numbers, found.type, feature.stored)


def _times_of(values: Any, form: str) -> Times | None:
    """Return a column of texts as dates or times of a form; `None` if one is not of it."""
    found = read_times(values, form)
    return None if found is None or (np.isnan(found.numbers) & ~_missing(values)).any() else found


def are_times(values: Any, feature: Feature, format_: str | None = None) -> bool:
    """Return whether all texts of a column are dates or times in the form in which `match_times` tries them first."""
    form = format_ or feature.form or ""
    return pa.types.is_null(values.type) or ("%" in form and _times_of(values, form) is not None)


def converted(numbers: Array, given: ColumnType, wanted: ColumnType) -> Array | None:
    """Return numbers of one type as numbers of another: a date is the timestamp of midnight; `None` if there is no way.

    Arguments:
        given, wanted: the types.
    """
    factors = {("date", "timestamp"): DAY, ("timestamp", "date"): 1 / DAY, ("time", "duration"): 1}
    factor = 1 if given == wanted else factors.get((given, wanted))
    return None if factor is None else numbers * factor


def _missing(values: Any) -> Array:
    gone = np.asarray(values.is_null())
    if not is_text(values.type):
        return gone
    return np.asarray(gone | np.asarray(pc.equal(pc.utf8_trim_whitespace(values), "").fill_null(True)))


def zoned(form: str) -> bool:
    """Return whether a form has a time zone."""
    return ", tz=" in form or ("%" in form and form not in (WITH_DAYS, IN_HOURS) and Form(form).zone is not None)


def times_column(numbers: Array, feature: Feature) -> Any:
    """Return numbers of a feature as a column in its form, a `pyarrow.Array`. NaN becomes null.

    Numbers are rounded to what the form can show, and clipped to what its type can hold.
    """
    form = feature.form or _USUAL[feature.stored]
    if feature.stored != "duration":
        low, high = {"date": (_FIRST_DAY, _LAST_DAY), "time": (0, DAY - 1e-6)}.get(
            feature.stored, (_FIRST_DAY * DAY, (_LAST_DAY + 1) * DAY - 1)
        )
        numbers = numbers.clip(low, high)
    if form in (WITH_DAYS, IN_HOURS):
        return write_durations(numbers, form)
    if "%" in form:
        return Form(form).write(numbers)
    return _arrow_column(numbers, form)


_USUAL = {"date": "date32[day]", "timestamp": "timestamp[us]", "time": "time64[us]", "duration": "duration[us]"}


def _arrow_column(numbers: Array, form: str) -> Any:
    name, unit, zone = _ARROW_TYPE.fullmatch(form).groups()  # type: ignore[union-attr]
    gone = np.isnan(numbers)
    numbers = np.where(gone, 0, numbers)
    if name in ("date32", "date64"):
        return pa.array(np.rint(numbers).astype(np.int32), mask=gone).cast(pa.date32()).cast(_kind(name, unit, zone))
    whole = np.floor(numbers)
    scale = _PER_SECOND[unit]
    fine = min(scale, 10**6) if name == "timestamp" else scale  # float64 has no nanoseconds of a date
    limit = (2**63 - 1) // scale - 1
    parts = np.rint((numbers - whole) * fine).astype(np.int64) * (scale // fine)
    counts = whole.clip(-limit, limit).astype(np.int64) * scale + parts
    if name == "time32":
        return pa.array(counts.astype(np.int32), mask=gone).cast(_kind(name, unit, zone))
    if name == "time64":
        counts = counts.clip(0, DAY * scale - 1)
    return pa.array(counts, mask=gone).cast(_kind(name, unit, zone))


def _kind(name: str, unit: str, zone: str | None) -> Any:
    if name in ("date32", "date64"):
        return getattr(pa, name)()
    return pa.timestamp(unit, zone) if name == "timestamp" else getattr(pa, name)(unit)


def show_time(number: float, feature: Feature) -> str:
    """Return a number of a feature as people write it."""
    if not math.isfinite(number):
        return str(number)
    number = float(round(number)) if feature.stored == "date" else number
    column = times_column(np.array([number]), feature)
    if not is_text(column.type):
        text = _USUAL_TEXT[feature.stored]
        if feature.stored == "duration":
            return str(write_durations(np.array([round(number)]), text)[0])
        text = text + ("Z" if zoned(feature.form or "") else "")
        return str(Form(text).write(np.array([number]))[0])
    return str(column[0])


_USUAL_TEXT = {"date": "%Y-%m-%d", "timestamp": "%Y-%m-%d %H:%M:%S", "time": "%H:%M:%S", "duration": WITH_DAYS}


def parse_time(text: str, feature: Feature) -> float:
    """Return the number of a date or time that a user typed, in the feature's form or in ISO 8601; NaN for others."""
    values = pa.chunked_array([pa.array([text])])
    form = feature.form or ""
    if "%" in form:
        own = read_times(values, form)
        if own is not None and not np.isnan(own.numbers[0]):
            return float(own.numbers[0])
    found = read_times(values)
    if found is None:
        return math.nan
    numbers = converted(found.numbers, found.type, feature.stored)
    return math.nan if numbers is None else float(numbers[0])
