"""Codes of counts: each stands for some neighboring counts, which are equally probable.

Before training, all counts below 32 have codes of their own, and then there are four codes for each power of 2. Rows
with larger counts place the codes anew, so that each holds about equally many of them, however large the counts are.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from genzoo_autoregressive.bins import grouped

Array = np.ndarray[Any, np.dtype[Any]]

_SINGLE, _FIRST_END, _PER_OCTAVE = 32, 2**40, 4
"""Counts with a code of their own, the end of all counts, and codes for each power of 2 between."""

_END, _GROWTH = 2**53, 4
"""End of all counts for codes that are placed by rows, and how much wider each code beyond these rows is."""

_GROUPS = (128, 96, 64, 48)
"""Numbers of groups of rows to try. There are at most as many gaps, and 27 codes on each side, 172 in all."""


def first_ends() -> list[int]:
    """Return the smallest count of each code, and the end of the last."""
    ends, start = list(range(_SINGLE)), _SINGLE
    while start < _FIRST_END:
        ends += [start + start * part // _PER_OCTAVE for part in range(_PER_OCTAVE)]
        start *= 2
    return [*ends, start]


def ends_by_rows(values: Array) -> list[int]:
    """Return the smallest count of each code, and the ends of the last ones, as many as `first_ends`.

    A count that as many rows share as there are in a usual code has a code of its own, and so does a gap as wide as
    the code below it. Codes that are not needed are empty, at the end.

    Arguments:
        values: counts of training rows, `(n,)`.
    """
    first = first_ends()
    if not len(values) or values.max() < _SINGLE:
        return first
    cells, counts = np.unique(values.astype(np.int64), return_counts=True)
    found: list[int] = []
    for most in _GROUPS:
        found = _ends(cells, counts, most)
        if len(found) <= len(first):
            break
    return found + [found[-1]] * (len(first) - len(found))


def _ends(cells: Array, counts: Array, most: int) -> list[int]:
    starts = grouped(counts, most)
    lows, ends = cells[starts], cells[np.append(starts[1:], len(cells)) - 1] + 1
    held = np.add.reduceat(counts, starts)
    inner: list[int] = []
    for low, end, following in zip(lows, ends, [*lows[1:], ends[-1]], strict=True):
        inner += [int(low), int(end)] if following - end >= end - low else [int(low)]
    low_step, high_step = (max(1, round((ends[at] - lows[at]) / max(1.0, math.log(held[at])))) for at in (0, -1))
    below, above = _beyond(inner[0], -low_step, 0), _beyond(int(ends[-1]), high_step, _END)
    return [*reversed(below[1:]), *inner, *above]


def _beyond(start: int, step: int, end: int) -> list[int]:
    """Return the ends of ever wider codes from `start` to `end`, with both; a negative step goes down."""
    places = [start]
    while places[-1] != end:
        place = places[-1] + step
        places.append(min(place, end) if step > 0 else max(place, end))
        step *= _GROWTH
    return places
