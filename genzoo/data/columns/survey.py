"""What one pass over rows on disk finds, for checks that would each take a pass of their own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from genzoo.data.splits.large import LargeRows
from genzoo.typing import Array

_VALUES = 2**21
"""Values of the sample."""

_FEWEST, _MOST = 2048, 2**16
"""Smallest and largest number of rows of the sample."""

_PART = 8
"""Smallest number of rows for each row of the sample."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of all rows.

    Arguments:
        digest: SHA-256 digest of all values.
        missing, observed: whether a column lacks a value, and whether it has one, `(C,)`.
        rows: numbers of evenly spaced rows, `(S,)`, increasing.
        sample: these rows, `(S, C)`.
    """

    digest: str
    missing: Array
    observed: Array
    rows: Array
    sample: Array

    def sampled(self, index: Array) -> Array | None:
        """Return rows that are all in the sample; `None` if one is not."""
        if not len(index) or self.rows[min(int(np.searchsorted(self.rows, index[0])), len(self.rows) - 1)] != index[0]:
            return None  # the usual case, found without looking at all of them
        places = np.searchsorted(self.rows, index).clip(0, len(self.rows) - 1)
        return self.sample[places] if (self.rows[places] == index).all() else None


class Surveyed(ABC):
    """Rows on disk that are looked over once."""

    @property
    @abstractmethod
    def survey(self) -> Survey:
        """What is known of all rows; they are read when this is first asked for."""


def sample_rows(count: int, columns: int) -> Array:
    """Return the numbers of the rows of a sample, evenly spaced."""
    return _evenly(count, min(max(_VALUES // max(1, columns), _FEWEST), _MOST, max(1, count // _PART)))


def spaced_rows(events: Any, most: int, among: Any = None) -> Array:
    """Return the numbers of at most `most` rows, evenly spaced; of rows on disk, those that are in memory.

    Arguments:
        events: `(N, *event)`.
        among: increasing numbers of the rows to choose from. Defaults to all rows.
    """
    if len(events if among is None else among) > most:
        among = rows_at_hand(events, among)
    if among is None:
        return _evenly(len(events), most)
    return np.asarray(among[_evenly(len(among), most)])


def rows_at_hand(events: Any, rows: Any) -> Any:
    """Leave out rows that are not in memory; return all of them if none is, or if all events are.

    Arguments:
        events: `(N, *event)`.
        rows: increasing numbers; `None` for all rows.
    """
    if not isinstance(events, Surveyed):
        return rows
    kept = events.survey.rows
    own = kept if rows is None else kept[_are_among(kept, rows)]
    return own if len(own) else rows


def _evenly(count: int, most: int) -> Array:
    return np.unique(np.linspace(0, count - 1, min(most, count)).astype(np.int64))


def _are_among(rows: Array, among: Any) -> Array:
    """Return which of some rows are among increasing others."""
    if isinstance(among, LargeRows):
        return among.holds(rows)
    places = np.searchsorted(among, rows).clip(0, len(among) - 1)
    return np.asarray(among[places] == rows)
