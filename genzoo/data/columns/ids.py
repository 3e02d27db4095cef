"""Columns that identify rows or things: codes such as 05412, and values that are all different."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow.compute as pc

from genzoo.data.columns.pieces import Extent
from genzoo.spec.events import Feature
from genzoo.typing import Array
from genzoo.wording import argument

_CODE = re.compile(r"[\d./-]*\d|[0-9a-fA-F-]{32,36}")
_NUMBER = re.compile(r"[+-]?\d*[.,]\d+")
_DATED = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}\b.*|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}\b.*|\d{1,2}:\d{2}(:\d{2})?\b.*"
    r"|.*\b\d{1,2}:\d{2}:\d{2}\b.*|(?:\w+ )?\d{1,2}\.? ?[^\W\d_]{3,9}\.?,? \d{4}|[^\W\d_]{3,9}[-' ]\d{2}"
    r"|\d{4}-?W\d{2}(-?\d)?|\d{4}[- ]?Q[1-4]|Q[1-4][- ]\d{4}|P(?=[\dT])(\d+[YMWD])*(T(\d+([.,]\d+)?[HMS])+)?"
)
"""Texts that write a date, a time, a week, a quarter or a duration."""


_LEAST_ROWS = 20
"""Number of rows from which on different values mean something."""


def has_codes(texts: Any) -> bool:
    """Return whether a text is a code of digits whose first zero or plus sign counts: 05412, +4917112345.

    Arguments:
        texts: a `pyarrow` array of strings.
    """
    # Most texts begin with another digit, which is found much faster than the expression runs.
    begins = functools.reduce(pc.or_, [pc.starts_with(texts, mark) for mark in ("0", "+", " ")])
    candidates = texts.filter(begins)
    return bool(pc.any(pc.match_substring_regex(candidates, r"^\s*(?:0\d+|\+\d{8,})\s*$")).as_py())


def identifies_rows(feature: Feature, values: Array, found: Extent) -> str | None:
    """Return what makes a column look like an identifier of the rows, as a clause; `None` if nothing does.

    Text is one if all values differ, and whole numbers if they also follow each other. Measurements may all differ.

    Arguments:
        values: numbers or codes of the column, `(N,)`.
        found: their range.
    """
    if len(values) < _LEAST_ROWS or feature.temporal or feature.kind == "count":
        return None
    if feature.levels is not None:
        different = len(feature.levels) == len(values) and not (measured(feature.levels) or dated(feature.levels))
        return "every text is different" if different else None
    if found.missing or found.high - found.low != len(values) - 1 or (values != np.floor(values)).any():
        return None
    places = (values - found.low).astype(np.int64)
    return "its whole numbers count the rows" if (np.bincount(places, minlength=len(values)) == 1).all() else None


def measured(levels: Sequence[str]) -> bool:
    """Return whether most texts are measurements that were read as text, such as 5 kg, and neither codes nor dates."""
    plain = (level.lstrip("+-<>≤≥~±($€£ ") for level in levels)
    digits = [level for level, bare in zip(levels, plain, strict=True) if bare[:1].isdigit()]
    found = [level for level in digits if _NUMBER.fullmatch(level) or not _CODE.fullmatch(level)]
    return sum(not _DATED.fullmatch(level) for level in found) * 2 > len(levels)


def dated(levels: Sequence[str]) -> bool:
    """Return whether most texts are dates or times."""
    return sum(_DATED.fullmatch(level) is not None for level in levels) * 2 > len(levels)


def id_advice(name: str) -> str:
    """Return the options for a column of identifiers."""
    return f"{argument('drop', [name])} or {argument('label', name)}"


def id_note(shown: str, feature: Feature, values: Array, found: Extent) -> str | None:
    """Return the remark on a column of identifiers, as a sentence; `None` for other columns."""
    reason = identifies_rows(feature, values, found)
    if reason is None:
        return None
    return f"{shown}: column {feature.name!r} looks like an id: {reason}. Leave it out with {id_advice(feature.name)}."
