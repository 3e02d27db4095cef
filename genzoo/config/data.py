"""The settings of data: their source, how they are read, and which rows are held out."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    field_validator,
    model_validator,
)

from genzoo.config.flags import LISTED, Flag
from genzoo.config.settings import Settings
from genzoo.spec.events import MOST_RATE, MOST_SYMBOLS, Kind
from genzoo.wording import argument

KNOWN = ("kinds", "bounds", "whole", "round", "transforms")
"""Settings of columns that a trained model knows from its training."""


_METHODS = ("random", "contiguous", "time=COL", "hash=COL")


def split_names(value: Any) -> Any:
    """Return names that were given as one text, `a,b,"c, d"`; other values as they are."""
    return next(csv.reader([value], skipinitialspace=True), []) if isinstance(value, str) else value


class SplitSettings(Settings):
    """Which rows to hold out; a dataset that brings its own test rows keeps them."""

    validation: float = Field(
        0.15, ge=0, lt=1, description="fraction of rows for early stopping and the best checkpoint"
    )
    test: float = Field(0.15, ge=0, lt=1, description="fraction of rows for the final scores")
    method: Annotated[str, Flag("--split", metavar="random|contiguous|time=COL|hash=COL")] = Field(
        "random",
        description="hold out rows at random, the last rows of the file, the latest rows by a column, or rows by a "
        "hash of a column such as customer_id, so that further rows move none to another part",
    )
    by: Annotated[tuple[str, ...], Flag("--split-by", metavar=LISTED)] = Field(
        (), description="columns, such as customer_id, whose equal values stay on one side of the split and in one fold"
    )
    duplicates_together: Annotated[bool, Flag("--keep-duplicates-together")] = Field(
        False, description="keep exactly equal rows on one side of the split and in one fold"
    )

    @field_validator("by", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        return split_names(value)

    @field_validator("method")
    @classmethod
    def _check_method(cls, value: str) -> str:
        kind, _, column = value.partition("=")
        if value not in _METHODS[:2] and not (kind in ("time", "hash") and column):
            raise ValueError(f"a split is {', '.join(_METHODS[:-1])} or {_METHODS[-1]}")
        return value

    @model_validator(mode="after")
    def _check_groups(self) -> Self:
        grouped = "duplicates_together" if self.duplicates_together else "by" if self.by else None
        if self.hashed is not None and grouped is not None:
            raise ValueError(
                f"split.{grouped} and split.method={self.method} both say which rows stay together: rows with one key "
                f"do by themselves; use one of the two"
            )
        if self.method != "random" and grouped is not None:
            raise ValueError(
                f"split.{grouped} keeps groups of rows together, and split.method={self.method} cuts an order of rows, "
                f"where a group may lie on both sides; use one of the two"
            )
        return self

    @model_validator(mode="after")
    def _check_sum(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError("validation and test leave no row to train on")
        return self

    @property
    def time(self) -> str | None:
        """Name of the column that orders the rows, or None."""
        return self.method.removeprefix("time=") if self.method.startswith("time=") else None

    @property
    def hashed(self) -> str | None:
        """Name of the column whose hash divides the rows, or None."""
        return self.method.removeprefix("hash=") if self.method.startswith("hash=") else None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that divide the rows."""
        return (*self.by, *(name for name in (self.time, self.hashed) if name is not None))


class DataSettings(Settings):
    """Data source, and how to read it."""

    source: Annotated[str, Flag("--data", metavar="DATA")] = Field(
        description="built-in name or path; see: genzoo data"
    )
    size: Annotated[int | None, Flag("--size", metavar="PIXELS")] = Field(
        None, ge=4, le=4096, description="side of the squares that images of a folder are resized to, such as 64"
    )
    crop: Annotated[Literal["center", "none", "pad"], Flag("--crop")] = Field(
        "center",
        description="how images become squares: center cuts out the middle, none stretches the whole image, pad adds "
        "black bars",
    )
    cache: Annotated[bool, Flag("--cache/--no-cache")] = Field(
        True, description="keep the decoded images of a large folder for the next start; yes by default"
    )
    color: Annotated[
        Literal["auto", "gray", "rgb"], Flag("--color", former=("--colour",), former_values={"grey": "gray"})
    ] = Field("auto", description="color mode that images of a folder are converted to")
    skip_bad: Annotated[bool, Flag("--skip-bad")] = Field(
        False, description="leave unreadable files out and count them, instead of stopping"
    )
    rate: Annotated[int | None, Flag("--rate", metavar="HZ")] = Field(
        None, ge=100, le=MOST_RATE, description="rate that sounds are resampled to; by default the most frequent one"
    )
    seconds: Annotated[float | None, Flag("--seconds", metavar="S")] = Field(
        None,
        gt=0,
        le=600,
        description="length of sounds, which are cut or followed by silence; by default 98 in 100 fit",
    )
    fields: Annotated[str | None, Flag("--fields", metavar="PATTERN")] = Field(
        None, description="fields in the names of sound files, such as digit_speaker_take; the first one is the label"
    )
    range: Annotated[tuple[float, float] | None, Flag("--range", metavar="LOW..HIGH")] = Field(
        None, description="smallest and largest possible value of a pixel, such as 0..255; by default found in the data"
    )
    binarize: Annotated[bool | Literal["redraw"], Flag("--binarize", former=("--binarise",))] = Field(
        False,
        description="turn images into black (0) and white (1) at the middle of their range; redraw draws each pixel "
        "with its brightness as probability, and the training images anew in each epoch",
    )
    parts: Annotated[tuple[str, ...], Flag("--parts", metavar=LISTED)] = Field(
        (), description="arrays of an .npz file that are parts of each event, such as image,label"
    )
    window: Annotated[int | None, Flag("--window", metavar="BYTES")] = Field(
        None, ge=4, le=MOST_SYMBOLS, description="cut each long text into windows of at most so many bytes, such as 256"
    )
    text: Annotated[str | None, Flag("--text", metavar="COL")] = Field(
        None, description="column of a table whose texts are the events; of the others, only conditions are read"
    )
    header: Annotated[Literal["auto"] | bool, Flag("--header/--no-header")] = Field(
        "auto", description="whether the first row of a .csv or .tsv file holds column names; by default detected"
    )
    separator: Annotated[str | None, Flag("--separator", metavar="MARK")] = Field(
        None, description="mark between the fields of a text file: , ; | tab or space; by default detected"
    )
    decimal: Annotated[Literal[".", ","] | None, Flag("--decimal", metavar="MARK")] = Field(
        None, description="decimal mark of the numbers in a text file: . or a comma; by default detected"
    )
    thousands: Annotated[str | None, Flag("--thousands", metavar="MARK")] = Field(
        None, description="mark between groups of three digits in a text file: , . ' or space; by default detected"
    )
    date_formats: Annotated[dict[str, str], Flag("--date-format", metavar="COL=FORMAT", repeat=True)] = Field(
        {}, description="format of the dates in a column, such as day=%m/%d/%Y; by default recognized"
    )
    missing: Annotated[tuple[str, ...], Flag("--missing", metavar="[COL=]MARK", repeat=True)] = Field(
        (), description="text or number that means a missing value, such as ? or -999, in all columns or in one"
    )
    columns: Annotated[tuple[str, ...] | None, Flag("--columns", metavar=LISTED)] = Field(
        None, description="columns of a table to keep, in this order"
    )
    drop: Annotated[tuple[str, ...], Flag("--drop", metavar=LISTED)] = Field(
        (), description="columns of a table to leave out"
    )
    kinds: Annotated[dict[str, Kind], Flag("--kind", metavar="COL=KIND", repeat=True)] = Field(
        {}, description="kind of a column, such as grade=categorical: continuous, binary, categorical or count"
    )
    bounds: Annotated[tuple[str, ...], Flag("--bounds", metavar="COL=LOW..HIGH", repeat=True)] = Field(
        (),
        description="smallest and largest value of a column in samples, such as age=0.. or day=2020-01-01..; none, or "
        "COL=none, for no limit; by default as in the training rows",
    )
    whole: Annotated[bool, Flag("--whole/--no-whole")] = Field(
        True,
        description="whether samples have whole numbers in a column of whole numbers, and whole days or seconds in one "
        "of times; yes by default",
    )
    round: Annotated[bool, Flag("--round/--no-round")] = Field(
        True,
        description="whether samples have the decimal places of the training rows, such as one in a column of 5.1 and "
        "4.9; yes by default",
    )
    transforms: Annotated[dict[str, str], Flag("--transform", metavar="COL=TRANSFORM", repeat=True)] = Field(
        {},
        description="transform of a column before the model's own scaling, such as price=log: log, logit, marginal, "
        "log-tails, bins, a scaling or one of a plugin",
    )
    label: Annotated[str | None, Flag("--label", metavar="COL")] = Field(
        None, description="column used only in reports, not in training"
    )
    condition: Annotated[tuple[str, ...], Flag("--condition", metavar=LISTED)] = Field(
        (), description="columns that events are conditional on, such as species; label stands for the labels of images"
    )
    joint: Annotated[bool, Flag("--joint")] = Field(
        False, description="learn the columns of condition jointly with the others, as the last columns of a table"
    )
    weight: Annotated[str | None, Flag("--weight", metavar="COL")] = Field(
        None, description="column that holds the weight of each row; the model does not see it"
    )
    drop_missing: Annotated[bool, Flag("--drop-missing")] = Field(
        False, description="leave rows with a missing value out and count them"
    )

    @field_validator("columns", "drop", "condition", "parts", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        return split_names(value)

    @field_validator("range", mode="before")
    @classmethod
    def _split_range(cls, value: Any) -> Any:
        """Accept a range as one text, `0..255`."""
        if value is None:
            return None
        ends = value.split("..") if isinstance(value, str) else value
        try:
            low, high = map(float, ends)
        except (TypeError, ValueError, OverflowError):
            low = high = math.nan
        if not low < high or math.isinf(high - low):
            raise ValueError("a range is two increasing numbers, such as 0..255")
        return low, high

    @field_validator("separator")
    @classmethod
    def _check_separator(cls, value: str | None) -> str | None:
        mark = {"tab": "\t", "\\t": "\t", "space": " ", "comma": ",", "semicolon": ";"}.get(value or "", value)
        if mark is not None and (len(mark) != 1 or mark in '"\r\n#'):
            raise ValueError(f"{value!r} is not one character, tab or space")
        return mark

    @field_validator("thousands")
    @classmethod
    def _check_thousands(cls, value: str | None) -> str | None:
        mark = " " if value == "space" else value
        if mark not in (None, ",", ".", "'", " "):
            raise ValueError(f"{value!r} is not , . ' or space")
        return mark

    @field_validator("missing", mode="before")
    @classmethod
    def _list_marks(cls, value: Any) -> Any:
        """Accept one mark alone, and numbers."""
        if isinstance(value, str | int | float):
            value = [value]
        return (
            [str(mark) if isinstance(mark, int | float) else mark for mark in value]
            if isinstance(value, list | tuple)
            else value
        )

    @field_validator("bounds", mode="before")
    @classmethod
    def _list_bounds(cls, value: Any) -> Any:
        """Accept one text alone, and a mapping: `{"age": (0, None), "day": "2020-01-01.."}`."""
        if isinstance(value, str):
            return [value]
        if not isinstance(value, Mapping):
            return value
        ends = {name: end if isinstance(end, list | tuple) else (end,) for name, end in value.items()}
        return [
            f"{name}={'none' if end == (None,) else '..'.join('' if part is None else str(part) for part in end)}"
            for name, end in ends.items()
        ]

    @field_validator("bounds")
    @classmethod
    def _check_bounds(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            name, _, ends = text.rpartition("=")
            if text != "none" and (not name or (ends != "none" and ".." not in ends)):
                raise ValueError(f"{text!r} is not COL=LOW..HIGH, COL=none or none")
        return value

    @model_validator(mode="after")
    def _check_marks(self) -> Self:
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError("decimal and thousands are the same mark")
        return self

    def given(self, *names: str) -> str | None:
        """Return the first of these settings that is not at its default, as the reader types it; or None."""
        changed = self.model_dump(include=set(names), exclude_defaults=True)
        found = next((name for name in names if name in changed), None)
        if found is None:
            return None
        return argument(found, False) if changed[found] is False else argument(found)
