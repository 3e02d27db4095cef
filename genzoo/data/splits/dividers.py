"""Ways to hold rows out: at random, whole groups at random, or the last rows of an order."""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from genzoo.data.splits.large import drawn_at_random, last_ones
from genzoo.errors import ConfigError, DataError
from genzoo.text import counted
from genzoo.typing import Array
from genzoo.wording import argument

Indices = np.ndarray[Any, np.dtype[np.int64]]


Parts = tuple[Indices, Indices, Indices]
"""Row numbers for training, validation and test; disjoint, each in increasing order."""


class Divider(ABC):
    """A rule for holding rows out."""

    groups: Indices | None = None
    """Number of each row's group, `(N,)` for all rows of the dataset; `None` if each row is on its own."""

    @abstractmethod
    def parts(self, rows: Indices, validation: int, test: int, rng: np.random.Generator) -> Parts:
        """Divide rows into training, validation and test rows.

        The test rows do not depend on the number of validation rows, so that fits with and without validation rows are
        tested on the same rows.

        Arguments:
            rows: row numbers in increasing order, `(N,)`.
            validation, test: numbers of rows wanted, together less than `N`.

        Raises:
            DataError: there are fewer groups than parts.
        """

    def large(self, count: int, validation: int, test: int, seed: int) -> Array | None:
        """Divide the first `count` rows of large data; other arguments are as for `parts`.

        Returns:
            What `large_parts` takes; `None` if the rule needs row numbers.
        """
        return None

    @abstractmethod
    def hold_out(self, rows: Indices, count: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
        """Divide rows into rows to keep and `count` rows to hold out, each in increasing order.

        Raises:
            DataError: there are fewer groups than parts.
        """

    @abstractmethod
    def folds(self, rows: Indices, count: int, rng: np.random.Generator) -> Indices:
        """Return the fold that holds each row out, 0 to `count - 1`, `(N,)`.

        Raises:
            ConfigError: there are fewer groups than folds.
        """


class RandomRows(Divider):
    """Rows at random, each on its own."""

    def large(self, count: int, validation: int, test: int, seed: int) -> Array | None:
        return drawn_at_random(count, validation, test, np.random.default_rng(seed))

    def parts(self, rows: Indices, validation: int, test: int, rng: np.random.Generator) -> Parts:
        order = rng.permutation(len(rows)).astype(np.int64, copy=False)
        train = len(rows) - test - validation
        found = np.split(order, [train, train + validation])
        for part in found:
            part.sort()  # in place: row numbers of a large dataset take much memory themselves
        return rows[found[0]], rows[found[1]], rows[found[2]]

    def hold_out(self, rows: Indices, count: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
        order = rng.permutation(len(rows))
        return np.sort(rows[order[count:]]), np.sort(rows[order[:count]])

    def folds(self, rows: Indices, count: int, rng: np.random.Generator) -> Indices:
        fold = np.empty(len(rows), np.int64)
        fold[rng.permutation(len(rows))] = np.arange(len(rows)) * count // len(rows)
        return fold


class WholeGroups(Divider):
    """Groups of rows at random; the rows of a group stay together.

    Arguments:
        groups: number of each row's group, `(N,)`, for all rows of the dataset.
    """

    def __init__(self, groups: Indices) -> None:
        self.groups: Indices = groups

    def parts(self, rows: Indices, validation: int, test: int, rng: np.random.Generator) -> Parts:
        return _one_after_another(self, rows, validation, test, rng, len(np.unique(self.groups[rows])), "group")

    def hold_out(self, rows: Indices, count: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
        return self._hold_out(rows, count, rng, 1)

    def _hold_out(self, rows: Indices, count: int, rng: np.random.Generator, keep: int) -> tuple[Indices, Indices]:
        """Hold out groups with `count` rows together, as nearly as groups allow; at least `keep` groups are kept."""
        if not count:
            return rows, rows[:0]
        _, group, sizes = np.unique(self.groups[rows], return_inverse=True, return_counts=True)
        _check_enough(len(sizes), keep + 1, "group", "the rows to keep and the rows to hold out")
        largest = int(sizes.max())
        if largest > max(len(rows) / 2, count):
            # One group dominates and is kept. Half of the others is held out at most, or one part would take them all.
            count = min(count, max(1, (len(rows) - largest) // 2))
        order = rng.permutation(len(sizes))
        held = np.zeros(len(sizes), bool)
        held[order[_filled(sizes[order].tolist(), count, len(sizes) - keep)]] = True
        out = held[group]
        return rows[~out], rows[out]

    def folds(self, rows: Indices, count: int, rng: np.random.Generator) -> Indices:
        """Give the groups, the largest first, to the fold with the fewest rows so far."""
        _, group, sizes = np.unique(self.groups[rows], return_inverse=True, return_counts=True)
        _check_folds(count, len(sizes), "group")
        order = rng.permutation(len(sizes))
        order = order[np.argsort(-sizes[order], kind="stable")]
        fold = np.empty(len(sizes), np.int64)
        lightest = [(0, number) for number in range(count)]
        for place, size in zip(order.tolist(), sizes[order].tolist(), strict=True):
            rows_so_far, number = lightest[0]
            fold[place] = number
            heapq.heapreplace(lightest, (rows_so_far + size, number))
        return fold[group]


def _filled(sizes: Sequence[int], wanted: int, most: int) -> list[int]:
    """Choose groups, in their order, whose sizes add up to nearly `wanted`; at least one group and at most `most`."""
    chosen: list[int] = []
    left = wanted
    skipped: int | None = None
    for place, size in enumerate(sizes):
        if not left or len(chosen) == most:
            break
        if size <= left:
            chosen.append(place)
            left -= size
        elif skipped is None or size < sizes[skipped]:
            skipped = place
    # A group that is too large may still come nearer to the wanted number than none, and something must be held out.
    if skipped is not None and len(chosen) < most and (not chosen or sizes[skipped] - left < left):
        chosen.append(skipped)
    return chosen


class InOrder(Divider):
    """The last rows of an order. Rows at the same place of the order stay together.

    Folds are blocks of neighbors in the order.

    Arguments:
        keys: what orders the rows, such as times, `(N,)` for all rows of the dataset; `None` for the order of the rows.
    """

    def __init__(self, keys: Array | None = None) -> None:
        self._keys = keys

    def large(self, count: int, validation: int, test: int, seed: int) -> Array | None:
        return last_ones(count, validation, test) if self._keys is None else None

    def parts(self, rows: Indices, validation: int, test: int, rng: np.random.Generator) -> Parts:
        return _one_after_another(self, rows, validation, test, rng, len(self._starts(rows)[1]), "time")

    def hold_out(self, rows: Indices, count: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
        return self._hold_out(rows, count, rng, 1)

    def _hold_out(self, rows: Indices, count: int, rng: np.random.Generator, keep: int) -> tuple[Indices, Indices]:
        """Hold out the last `count` rows, as nearly as ties allow; at least `keep` different times are kept."""
        if not count:
            return rows, rows[:0]
        order, starts = self._starts(rows)
        _check_enough(len(starts), keep + 1, "time", "the rows to keep and the rows to hold out")
        first = starts[max(keep, _nearest(starts, len(rows) - count))]
        return np.sort(rows[order[:first]]), np.sort(rows[order[first:]])

    def folds(self, rows: Indices, count: int, rng: np.random.Generator) -> Indices:
        order, starts = self._starts(rows)
        _check_folds(count, len(starts), "time")
        first, cuts = 0, []
        for number in range(1, count):
            wanted = _nearest(starts, len(rows) * number // count)
            first = min(max(wanted, first + 1), len(starts) - (count - number))  # every fold gets a time
            cuts.append(starts[first])
        fold = np.empty(len(rows), np.int64)
        fold[order] = np.searchsorted(cuts, np.arange(len(rows)), side="right")
        return fold

    def _starts(self, rows: Indices) -> tuple[Indices, Indices]:
        """Return the rows' places in order, and where in the order each different key begins."""
        if self._keys is None:
            return np.arange(len(rows)), np.arange(len(rows))
        keys = self._keys[rows]
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        return order, np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))


def _nearest(starts: Indices, place: int) -> int:
    """Return the index of the start nearest to a place."""
    after = int(np.searchsorted(starts, place))
    if after == len(starts) or (after and place - starts[after - 1] <= starts[after] - place):
        return after - 1
    return after


def _one_after_another(
    divider: WholeGroups | InOrder,
    rows: Indices,
    validation: int,
    test: int,
    rng: np.random.Generator,
    units: int,
    unit: str,
) -> Parts:
    """Hold out the test rows first, then the validation rows.

    Arguments:
        units: number of groups or of different times.
        unit: what one of them is called.
    """
    names = ["training", *["validation"] * (validation > 0), *["test"] * (test > 0)]
    _check_enough(units, len(names), unit, f"{', '.join(names[:-1])} and {names[-1]} rows")
    # Room is left for validation rows even if there are none: the test rows do not depend on them.
    others, held_out = divider._hold_out(rows, test, rng, min(2, units - 1))
    train, watched = divider._hold_out(others, validation, rng, 1)
    return train, watched, held_out


def _check_enough(units: int, least: int, unit: str, parts: str) -> None:
    if units < least:
        raise DataError(
            f"Rows of one {unit} stay together, and there {_there_are(units, unit)}: {parts} need at least {least}. "
            f"Hold out fewer parts with -o split.validation=0 or -o split.test=0, or divide the rows in another way."
        )


def _check_folds(count: int, units: int, unit: str) -> None:
    if count > units:
        raise ConfigError(
            f"{argument('folds', count)} is not possible: rows of one {unit} stay together, and there "
            f"{_there_are(units, unit)}."
        )


def _there_are(units: int, unit: str) -> str:
    return f"{'is' if units == 1 else 'are'} only {counted(units, unit)}"
