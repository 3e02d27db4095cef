"""One column of a table, converted to the numbers or codes that a model takes, and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genzoo.data.columns.date_forms import FormError
from genzoo.data.columns.dates import Times, is_text, match_times, read_times, show_time, zoned
from genzoo.data.columns.pieces import Pieces, in_one_piece
from genzoo.data.marks import missing_option
from genzoo.errors import ConfigError, DataError
from genzoo.spec.events import ColumnType, Feature, Kind
from genzoo.text import guarded
from genzoo.typing import Array
from genzoo.wording import Word, argument

LARGEST_WHOLE = 2**53
"""The largest magnitude up to which float64 holds every whole number exactly."""


_OWN_NAMES: dict[str, ColumnType] = {name: name for name in get_args(ColumnType)}
_TYPES = _OWN_NAMES | {"halffloat": "float32", "float": "float32", "double": "float64"}
"""Types of columns by the names that Arrow prints."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it was read.

    Arguments:
        name: name of the column.
        stored: a `pyarrow.ChunkedArray`.
        shown: name of the table, for messages.
        where: returns the position of a row in the source, for messages.
        date_format: how its dates are written. Defaults to `None`: recognized.
        compact: whether a dictionary holds plain texts, and is no type of its own. Defaults to `False`.
    """

    name: str
    stored: Any
    shown: str
    where: Callable[[int], str]
    date_format: str | None = None
    compact: bool = False
    _times: list[Times | None] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def values(self) -> Any:
        """The values as a `pyarrow.ChunkedArray` of the column's own type."""
        return self.stored.cast(self.stored.type.value_type) if self._decoded else self.stored

    @property
    def _decoded(self) -> bool:
        """Whether the column holds plain texts, and they are stored in a dictionary."""
        return self.compact and pa.types.is_dictionary(self.stored.type)

    @property
    def _own_type(self) -> Any:
        return self.stored.type.value_type if self._decoded else self.stored.type

    def describe(self, kind: Kind | None) -> tuple[Feature, Pieces]:
        """Return the column's feature and its numbers or codes.

        Arguments:
            kind: kind of the column. Defaults to the usual kind of its type: numbers, dates and times are continuous,
                other text is categorical, booleans are binary.

        Raises:
            DataError: the values are not of that kind, or no model takes a column of that type. A single number that
                cannot be used raises when it is converted.
        """
        times = self.times() if kind in (None, "continuous") else None
        if times is not None:
            return Feature(self.name, type=times.type, form=times.form), in_one_piece(self._complete(times))
        kind = kind or self._usual()
        if kind in ("continuous", "count"):
            return Feature(self.name, kind, type=self._type()), self._numbers(counts=kind == "count")
        levels, codes = self._coded()
        if kind == "binary" and len(levels) != 2:
            some = ", ".join(levels[:4]) + (" ..." if len(levels) > 4 else "")
            raise DataError(
                f"{self.shown}: column {self.name!r} holds {len(levels)} values ({some}), and a binary column has 2. "
                f"Read it as categories with {self._option('categorical')}."
            )
        return Feature(self.name, kind, tuple(levels), self._type()), codes

    def match(self, feature: Feature, unknown: dict[int, str] | None = None) -> Pieces:
        """Return the column's numbers or codes, encoded as a feature that a model was trained on.

        Arguments:
            unknown: takes the unknown categories, as `color = red`, by row; their code is then 0. Defaults to `None`:
                they are an error.

        Raises:
            DataError: the column holds an unknown category, or text instead of a number. A single number that cannot
                be used raises when it is converted.
        """
        if feature.temporal:
            return in_one_piece(self._matching_times(feature))
        if feature.levels is None:
            return self._numbers(counts=feature.kind == "count")
        return in_one_piece(self._matching_codes(feature, feature.levels, unknown))

    def _matching_codes(self, feature: Feature, wanted: Sequence[str], unknown: dict[int, str] | None) -> Array:
        if pa.types.is_null(self.stored.type):
            return np.full(len(self.stored), np.nan)
        levels, codes = self.coded()
        codes_of = {level: float(code) for code, level in enumerate(wanted)}
        escaped = {guarded(level): code for level, code in codes_of.items()}  # as --escape-formulas writes them
        known = escaped | codes_of
        table = np.array([known.get(_spelling(level, feature), -1.0) for level in levels] or [np.nan])
        matched = np.where(np.isnan(codes), np.nan, table[np.nan_to_num(codes).astype(np.int64)])
        if unknown is not None:
            for row in map(int, np.flatnonzero(matched < 0)):
                text = f"{self.name} = {levels[int(codes[row])]}"
                unknown[row] = f"{unknown[row]}, {text}" if row in unknown else text
            return np.where(matched < 0, 0.0, matched)
        if (matched < 0).any():
            row = int((matched < 0).argmax())
            some = ", ".join(wanted[:6]) + (" ..." if len(wanted) > 6 else "")
            raise DataError(
                f"{self.shown}: column {self.name!r} holds {levels[int(codes[row])]!r} in {self.where(row)}, a "
                f"category that the model never saw. It was trained on: {some}. Leave such rows out or train with them."
            )
        return matched

    def times(self) -> Times | None:
        """Return the column as dates or times; `None` if it holds something else.

        Raises:
            ConfigError: the format is none.
        """
        if not self._times and self.date_format is None and self._decoded and not self._has_digits():
            self._times.append(None)  # no date is written without digits, and the texts need not be decoded
        if not self._times:
            try:
                self._times.append(read_times(self.stored, self.date_format, compact=self._decoded))
            except FormError as error:
                raise ConfigError(f"{argument('date_formats')} for column {self.name!r}: {error}") from error
        return self._times[0]

    def _has_digits(self) -> bool:
        return any(pc.any(pc.match_substring_regex(part.dictionary, r"\d")).as_py() for part in self.stored.chunks)

    def _complete(self, times: Times) -> Array:
        """Return the numbers of dates or times, after checking that no text is of another form."""
        bad = np.isnan(times.numbers) & np.asarray(self.values.is_valid())
        for row in map(int, np.flatnonzero(bad)):
            text = str(self.values[row].as_py())
            if text.strip():
                good = np.flatnonzero(~np.isnan(times.numbers))
                written = f", such as {self.values[int(good[0])].as_py()!r}" if len(good) else ""
                raise DataError(
                    f"{self.shown}: column {self.name!r} holds {times.type}s{written}, and {text!r} in "
                    f"{self.where(row)}. Say {missing_option(text, self.name)} if it means a missing value, "
                    f"{argument('date_formats', {self.name: Word('FORMAT')})} if it is written in another way, "
                    f"or train "
                    f"with the column as categories: {self._option('categorical')}."
                )
        return times.numbers

    def _matching_times(self, feature: Feature) -> Array:
        numbers = match_times(self.values, feature, self.date_format)
        if numbers is not None:
            return numbers
        times = self.times()
        self._complete(times) if times is not None else None
        zone = ""
        if times is not None and times.type == feature.stored == "timestamp":
            zone = f" with{'' if zoned(feature.form or '') else 'out'} a time zone"
        example = show_time(0.0, feature)
        raise DataError(
            f"{self.shown}: column {self.name!r} holds {self.values.type if times is None else f'{times.type}s'}, and "
            f"the model was trained on {feature.stored}s{zone}, written as {example!r}. Convert it first."
        )

    def numbers(self) -> Array:
        """Return the column as float64 `(N,)`, with NaN for missing values.

        Raises:
            DataError: it holds text, dates, infinite numbers, or whole numbers too large to be exact.
        """
        return self._numbers(counts=False).all

    def floats(self) -> Array:
        """Return the column as `numbers` does; float32 and float64 without missing values are not copied."""
        kind = self.stored.type
        if not (pa.types.is_float32(kind) or pa.types.is_float64(kind)) or self.stored.null_count:
            return self.numbers()
        values: Array = self.stored.to_numpy()
        return self.numbers() if np.isinf(values).any() else values  # which names the row

    def _numbers(self, *, counts: bool) -> Pieces:
        kind = self._value_type()
        values = self.values.cast(kind)
        if pa.types.is_temporal(kind) and (times := self.times()) is not None:
            return in_one_piece(times.numbers)
        if pa.types.is_null(kind):
            return Pieces(len(values), lambda start, stop: np.full(stop - start, np.nan))
        if is_text(kind):
            raise self._text()
        if not pa.types.is_boolean(kind):
            self._check_numeric(kind)
        if pa.types.is_integer(kind) and kind.bit_width == 64:
            self._check_exact(values)

        def convert(start: int, stop: int) -> Array:
            part = values.slice(start, stop - start)
            part = part.cast(pa.uint8()) if pa.types.is_boolean(kind) else part
            numbers = np.asarray(part.cast(pa.float64()), np.float64)
            self._check_none(np.isinf(numbers), start, "Values must be finite: correct or leave out such rows first.")
            if counts:
                with np.errstate(invalid="ignore"):
                    bad = (numbers < 0) | (numbers != np.floor(numbers))
                self._check_none(bad & ~np.isnan(numbers), start, "Counts are whole numbers of at least 0.")
            return numbers

        return Pieces(len(values), convert)

    def coded(self) -> tuple[list[str], Array]:
        """Return the categories in order, and each row's index as float64 `(N,)`, with NaN for missing values.

        Categories are sorted as numbers or text. A dictionary column keeps its own order.

        Raises:
            DataError: the column's type has no categories, such as dates.
        """
        levels, codes = self._coded()
        return levels, codes.all

    def _coded(self) -> tuple[list[str], Pieces]:
        encoded = self._encoded()
        values = encoded.dictionary.to_pylist()
        names = [None if value is None else _level(value) for value in values]
        levels = self._levels(names, values)
        places: dict[str | None, float] = {level: float(place) for place, level in enumerate(levels)}
        codes = np.array([places.get(name, np.nan) for name in names] + [np.nan])
        indices = encoded.indices

        def convert(start: int, stop: int) -> Array:
            return codes[np.asarray(indices.slice(start, stop - start).fill_null(len(names)), np.int64)]

        return levels, Pieces(len(indices), convert)

    def _encoded(self) -> Any:
        """Return the column in one piece as a `pyarrow.DictionaryArray`."""
        values, kind = self.stored, self._value_type()
        if pa.types.is_temporal(kind):
            values, kind = values.cast(kind).cast(pa.string()), pa.string()
        if not is_text(kind) and not pa.types.is_boolean(kind):
            self._check_numeric(kind)
        if pa.types.is_floating(kind):
            values = values.cast(kind)
            values = pc.if_else(pc.is_nan(values), None, values)
        elif kind == values.type and is_text(kind):
            values = values.cast(pa.large_string())  # more than 2 GB of text in one piece
        coded = pa.types.is_dictionary(values.type)
        if coded and any(chunk.dictionary.null_count for chunk in values.chunks):  # Arrow cannot unify them
            values, coded = values.cast(values.type.value_type), False
        codes = values.unify_dictionaries() if coded else values.dictionary_encode()
        # Older versions of pyarrow cannot combine no chunks of this type.
        return codes.combine_chunks() if codes.num_chunks else pa.nulls(0, codes.type)

    def _levels(self, names: list[str | None], values: list[Any]) -> list[str]:
        if pa.types.is_boolean(self._value_type()):
            return ["false", "true"]
        used = {name: value for name, value in zip(names, values, strict=True) if name is not None}
        own = pa.types.is_dictionary(self._own_type) and len(used) == len(names)
        return list(used) if own else sorted(used, key=used.__getitem__)

    def _value_type(self) -> Any:
        kind = self.stored.type
        return kind.value_type if pa.types.is_dictionary(kind) else kind

    def _usual(self) -> Kind:
        kind = self._own_type
        if pa.types.is_boolean(kind):
            return "binary"
        return "categorical" if is_text(kind) or pa.types.is_dictionary(kind) else "continuous"

    def _type(self) -> ColumnType:
        kind = self._value_type()
        if pa.types.is_temporal(kind):
            return "string"  # dates as categories
        if is_text(kind):
            return "string" if kind == self._own_type else "dictionary"
        return _TYPES.get(str(kind), "float64")

    def _check_none(self, bad: Array, start: int, why: str) -> None:
        if bad.any():
            row = start + int(bad.argmax())
            raise DataError(
                f"{self.shown}: column {self.name!r} holds {self.values[row].as_py()} in {self.where(row)}. {why}"
            )

    def _check_exact(self, values: Any) -> None:
        bounds = pc.min_max(values).as_py()
        if bounds["min"] is None or (bounds["min"] >= -LARGEST_WHOLE and bounds["max"] <= LARGEST_WHOLE):
            return
        outside = pc.greater(values, pa.scalar(LARGEST_WHOLE, values.type))
        if pa.types.is_signed_integer(values.type):
            outside = pc.or_(outside, pc.less(values, pa.scalar(-LARGEST_WHOLE, values.type)))
        row = pc.index(outside, True).as_py()
        raise inexact(self.shown, self.name, values[row].as_py(), self.where(row))

    def _check_numeric(self, kind: Any) -> None:
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
            raise DataError(
                f"{self.shown}: column {self.name!r} holds values of type {kind}, which no model takes. Leave it out "
                f"with {argument('drop', [self.name])}."
            )

    def _text(self) -> DataError:
        """Return the error for text in a column of numbers."""
        for row, value in enumerate(self.values.to_pylist()):
            if value is not None and not is_number(value):
                return DataError(
                    f"{self.shown}: column {self.name!r} must hold numbers, and holds {value!r} in {self.where(row)}. "
                    f"Correct it, or train with the column as categories: {self._option('categorical')}."
                )
        return DataError(f"{self.shown}: column {self.name!r} holds numbers as text. Store them as numbers.")

    def _option(self, kind: Kind) -> str:
        return argument("kinds", {self.name: kind})


def inexact(shown: str, name: str, value: object, where: str) -> DataError:
    """Return the error for a whole number that float64 cannot hold exactly."""
    return DataError(
        f"{shown}: column {name!r} holds {value} in {where}, and whole numbers beyond 2^53 are not exact in floating "
        f"point. If it is an identifier, leave it out with {argument('drop', [name])}."
    )


def is_number(text: str) -> bool:
    """Return whether a text is a number.

    Examples:
        >>> [is_number(text) for text in ("-1.5e3", " 7 ", "1_000", "seven")]
        [True, True, False, False]
    """
    try:
        return "_" not in text and not math.isnan(float(text))
    except ValueError:
        return False


def _level(value: object) -> str:
    """Return a category's name for its value; 2 and 2.0 have the same name."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _spelling(level: str, feature: Feature) -> str:
    """Return a category as the feature spells it: `TRUE`, `True` and `1` all become `true`."""
    if feature.stored != "bool":
        return level
    return {"1": "true", "0": "false"}.get(level, level.lower())
