"""Row numbers of data with so many rows that their numbers themselves would fill the memory."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from genzoo.typing import Array

LARGE_ROWS = 2**23
"""Rows above which a split keeps one bit a row for each part, and draws rows at random block by block."""


_BLOCK = 2**16
"""Rows whose bits are looked at together."""

_KEPT = 256
"""Blocks whose rows are kept, at most 128 KB each."""

_DRAWN = 2**20
"""Rows among which rows are drawn at random together."""


class LargeRows:
    """Increasing row numbers `(n,)` that take one bit for each row of the data, and read as an array of numbers.

    Arguments:
        bits: which rows they are, packed as `numpy.packbits` does.
        rows: number of rows of the data.
    """

    ndim = 1
    dtype = np.dtype(np.int64)

    def __init__(self, bits: Array, rows: int) -> None:
        self._bits = bits
        self._rows = rows
        counts = [int(self._flags(start).sum()) for start in range(0, rows, _BLOCK)]
        self._counts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        self.shape = (int(self._counts[-1]),)
        self._kept: dict[int, Array] = {}

    @property
    def size(self) -> int:
        """How many there are."""
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        """Number of bytes that they take."""
        return int(self._bits.nbytes)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, places: Any) -> Any:
        if isinstance(places, slice):
            start, stop, step = places.indices(len(self))
            if step == 1:
                return self._stretch(start, stop)
            places = np.arange(start, stop, step)
        if isinstance(places, int | np.integer):
            place = int(places) + (len(self) if places < 0 else 0)
            if not 0 <= place < len(self):
                raise IndexError(places)
            return self._stretch(place, place + 1)[0]
        index = np.asarray(places)
        index = np.flatnonzero(index) if index.dtype == bool else np.where(index < 0, index + len(self), index)
        found = np.empty(index.shape, np.int64)
        blocks = np.searchsorted(self._counts, index, side="right") - 1
        for block in np.unique(blocks):
            here = blocks == block
            found[here] = self._offsets(int(block))[index[here] - self._counts[block]] + int(block) * _BLOCK
        return found

    def _offsets(self, block: int) -> Array:
        """Return the rows of a block, counted from its first, and keep them: batches of a shuffle share blocks."""
        found = self._kept.get(block)
        if found is None:
            found = np.flatnonzero(self._flags(block * _BLOCK)).astype(np.uint16)
            if len(self._kept) >= _KEPT:
                self._kept = {}
            self._kept = {**self._kept, block: found}  # other threads may read it
        return found.astype(np.int64)

    def below(self, rows: Array) -> Array:
        """Return how many of these rows are below each of some rows, `(m,)`."""
        found = [int(self._counts[row // _BLOCK]) + int(self._flags_below(int(row))) for row in rows]
        return np.array(found, np.int64)

    def holds(self, rows: Array) -> Array:
        """Return which of some rows are among these, `(m,)` bool."""
        found: Array = (self._bits[rows // 8] >> (7 - rows % 8)) & 1 == 1
        return found

    def _flags_below(self, row: int) -> int:
        start = row // _BLOCK * _BLOCK
        return int(self._flags(start)[: row - start].sum()) if row > start else 0

    def share(self, rank: int, count: int) -> LargeRows:
        """Return one of `count` nearly equal stretches of these rows."""
        first, stop = stretch_of(len(self), rank, count)
        flags = np.zeros(self._rows, bool)
        for start in range(first, stop, _BLOCK):
            flags[self._stretch(start, min(stop, start + _BLOCK))] = True
        return LargeRows(np.packbits(flags), self._rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self._stretch(0, len(self)).astype(dtype or self.dtype, copy=False)

    def _stretch(self, start: int, stop: int) -> Array:
        if start >= stop:
            return np.empty(0, np.int64)
        first, last = (int(np.searchsorted(self._counts, place, side="right")) - 1 for place in (start, stop - 1))
        found = np.empty(int(self._counts[last + 1] - self._counts[first]), np.int64)
        for block in range(first, last + 1):
            begin, end = (int(self._counts[number] - self._counts[first]) for number in (block, block + 1))
            found[begin:end] = self._numbers(block)
        begin = start - int(self._counts[first])
        return found[begin : begin + stop - start]

    def _numbers(self, block: int) -> Array:
        return np.flatnonzero(self._flags(block * _BLOCK)) + block * _BLOCK

    def _flags(self, start: int) -> Array:
        stop = min(self._rows, start + _BLOCK)
        return np.unpackbits(self._bits[start // 8 : -(-stop // 8)], count=stop - start)


def stretch_of(length: int, rank: int, count: int) -> tuple[int, int]:
    """Return the first place of one of `count` nearly equal stretches, and the place after its last.

    Examples:
        >>> stretch_of(7, 1, 2)
        (3, 7)
    """
    return length * rank // count, length * (rank + 1) // count


def share_of(rows: Any, rank: int, count: int) -> Array:
    """Return one of `count` nearly equal stretches of rows, so that a process reads a file in one place."""
    if not isinstance(rows, LargeRows):
        share: Array = rows[slice(*stretch_of(len(rows), rank, count))]
        return share
    return as_rows(rows if count == 1 else rows.share(rank, count))


def as_rows(rows: LargeRows) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return rows as the array that they read as."""
    return cast("np.ndarray[Any, np.dtype[np.int64]]", rows)


def large_parts(marks: Array) -> tuple[Any, Any, Any]:
    """Return the training, validation and test rows of large data.

    Arguments:
        marks: 0 for a training row, 1 for a validation row, 2 for a test row, `(N,)` uint8.
    """
    found = [LargeRows(_packed(marks, mark), len(marks)) for mark in range(3)]
    return as_rows(found[0]), as_rows(found[1]), as_rows(found[2])


def _packed(marks: Array, mark: int) -> Array:
    """Return the bits of the rows of one part, made block by block: one byte a row would fill more memory."""
    blocks = range(0, len(marks), _DRAWN)
    return np.concatenate([np.packbits(marks[start : start + _DRAWN] == mark) for start in blocks])


def drawn_at_random(rows: int, validation: int, test: int, rng: np.random.Generator) -> Array:
    """Draw validation and test rows at random: from each stretch of about a million rows, its share.

    The test rows do not depend on the number of validation rows.

    Arguments:
        rows: number of rows.
        validation, test: numbers of rows wanted.

    Returns:
        What `large_parts` takes.
    """
    marks = np.zeros(rows, np.uint8)
    ordered, others = rng.spawn(2)
    for start in range(0, rows, _DRAWN):
        stop = min(rows, start + _DRAWN)
        tested, watched = (count * stop // rows - count * start // rows for count in (test, validation))
        order = ordered.permutation(stop - start)
        rest = others.permutation(order[tested:])
        marks[start + order[:tested]] = 2
        marks[start + rest[: min(watched, len(rest))]] = 1
    return marks


def last_ones(rows: int, validation: int, test: int) -> Array:
    """Hold out the last rows: first training, then validation, then test rows. Returns what `large_parts` takes."""
    marks = np.zeros(rows, np.uint8)
    marks[rows - test - validation : rows - test] = 1
    marks[rows - test :] = 2
    return marks
