"""Events of different lengths in memory, no larger than their symbols."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from genzoo.errors import DataError
from genzoo.spec.events import StorageType
from genzoo.typing import Array

_STORAGES: tuple[tuple[int, StorageType], ...] = ((2**8, "uint8"), (2**15, "int16"), (2**31, "int32"))


def storage_of(symbols: int) -> StorageType:
    """Return the smallest type of blocks that holds the codes of so many symbols, and of the end."""
    return next((name for size, name in _STORAGES if symbols < size), "int64")


class Texts:
    """Texts `(N, T)`, kept one after the other; indexing gives ordinary arrays, with `end` after the end of each.

    Arguments:
        codes: symbols of all texts, `(S,)`.
        offsets: where each text begins in `codes`, and their number, `(N + 1,)` int64.
        longest: number of symbols of the longest event, T.
        end: code of the end: the number of symbols.
    """

    ndim = 2

    def __init__(self, codes: Array, offsets: Array, longest: int, end: int) -> None:
        self.codes = codes
        self.offsets = offsets
        self.end = end
        self.dtype = np.dtype(storage_of(end))
        self.shape = (len(offsets) - 1, longest)

    @classmethod
    def joined(cls, texts: Sequence[Array], longest: int, end: int) -> Texts:
        """Return texts given one by one, as their codes `(n,)`."""
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        codes = np.concatenate([np.empty(0, np.uint8), *texts])
        return cls(codes, offsets_of(lengths), longest, end)

    @classmethod
    def of(cls, events: Array, end: int, shown: str) -> Texts:
        """Return the texts of a block `(N, T)`; everything after the first `end` of a text counts as `end`.

        Arguments:
            shown: name of the block, for messages.

        Raises:
            DataError: it is no block, or holds other numbers than codes.
        """
        block = np.asarray(events)
        if block.ndim != 2 or block.dtype.kind not in "buif":
            raise DataError(f"{shown} must hold codes of symbols, (N, T), not {block.dtype} of shape {block.shape}.")
        lengths = lengths_of(block, end)
        inside = np.arange(block.shape[1]) < lengths[:, None]
        codes = block[inside]
        bad = ~((codes >= 0) & (codes < end) & (codes == np.floor(codes)))
        if bad.any():
            row = int(np.repeat(np.arange(len(block)), lengths)[bad.argmax()])
            raise DataError(
                f"{shown} holds {codes[bad.argmax()]:g} in event {row}, and texts hold codes of {end} symbols, from 0, "
                f"and {end} after the end."
            )
        smallest = np.uint8 if end <= 2**8 else storage_of(end)
        return cls(codes.astype(smallest), offsets_of(lengths), block.shape[1], end)

    @property
    def nbytes(self) -> int:
        """Number of bytes in memory."""
        return int(self.codes.nbytes + self.offsets.nbytes)

    @property
    def lengths(self) -> Array:
        """Number of symbols of each text, `(N,)` int64."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Array:
        if isinstance(rows, tuple):
            return np.asarray(self[rows[0]][(..., *rows[1:])])
        if isinstance(rows, int | np.integer):
            return np.asarray(self.block(self._numbers(np.array([rows])))[0])
        return self.block(self._numbers(rows))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self[:].astype(dtype or self.dtype)

    def block(self, rows: Array, width: int | None = None) -> Array:
        """Return some of the texts as a block `(n, width)`. By default, it is as wide as the longest event."""
        starts = self.offsets[rows]
        return self.spans(starts, self.offsets[rows + 1] - starts, self.shape[1] if width is None else width)

    def spans(self, starts: Array, lengths: Array, width: int) -> Array:
        """Return stretches of the codes as a block `(n, width)`, with `end` after each.

        Arguments:
            starts: place in `codes` where each begins, `(n,)`.
            lengths: number of symbols of each, at most `width`, `(n,)`.
        """
        block = np.full((len(starts), width), self.end, self.dtype)
        block[np.arange(width) < lengths[:, None]] = self._codes(starts, lengths)
        return block

    def take(self, rows: Any) -> Texts:
        """Return some of the texts, as texts."""
        numbers = self._numbers(rows)
        lengths = self.offsets[numbers + 1] - self.offsets[numbers]
        return Texts(self._codes(self.offsets[numbers], lengths), offsets_of(lengths), self.shape[1], self.end)

    def as_long_as(self, longest: int, shown: str) -> Texts:
        """Return the same texts as events of at most `longest` symbols.

        Arguments:
            shown: name of the texts, for messages.

        Raises:
            DataError: a text is longer.
        """
        lengths = self.lengths
        if len(lengths) and lengths.max() > longest:
            row = int((lengths > longest).argmax())
            raise DataError(
                f"{shown} holds a text of {lengths[row]} symbols, event {row}, and the model was trained on texts of "
                f"at most {longest}: longer ones have no probability. Shorten it, or leave it out."
            )
        return Texts(self.codes, self.offsets, longest, self.end)

    def beginnings(self, longest: int) -> tuple[Texts, Array]:
        """Return the first `longest` symbols of each text, and the numbers of the texts that had more."""
        lengths = self.lengths
        places = np.arange(len(self.codes)) - np.repeat(self.offsets[:-1], lengths)
        kept = offsets_of(np.minimum(lengths, longest))
        return Texts(self.codes[places < longest], kept, longest, self.end), np.flatnonzero(lengths > longest)

    def as_array(self) -> Array:
        """Return the texts themselves, typed as the array that they can be used as."""
        return cast("Array", self)

    def one_by_one(self) -> list[bytes]:
        """Return each text as the bytes of its codes."""
        whole, itemsize = self.codes.tobytes(), self.codes.itemsize
        ends = (self.offsets * itemsize).tolist()
        return [whole[start:end] for start, end in itertools.pairwise(ends)]

    def _codes(self, starts: Array, lengths: Array) -> Array:
        """Return the codes of some stretches, one after the other, `(S,)`."""
        before = np.cumsum(lengths) - lengths
        places = np.arange(int(lengths.sum())) + np.repeat(starts - before, lengths)
        return np.asarray(self.codes[places])

    def _numbers(self, rows: Any) -> Array:
        """Return row numbers, of a slice, a mask or numbers that may count from the end."""
        if isinstance(rows, slice) or rows is ...:
            return np.arange(*(slice(None) if rows is ... else rows).indices(len(self)))
        chosen = np.asarray(rows)
        if chosen.dtype == bool:
            return np.flatnonzero(chosen)
        if not chosen.size:
            return np.empty(0, np.int64)
        if chosen.min() < -len(self) or chosen.max() >= len(self):
            raise IndexError(f"There are {len(self)} texts.")
        return np.asarray(np.where(chosen < 0, chosen + len(self), chosen))


def lengths_of(block: Array, end: int) -> Array:
    """Return the number of symbols before the first `end` of each text of a block `(N, T)`, `(N,)` int64."""
    found: Array = np.logical_and.accumulate(block != end, axis=1).sum(axis=1, dtype=np.int64)
    return found


def offsets_of(lengths: Array) -> Array:
    """Return where each text begins, and the number of symbols of all, `(N + 1,)` int64."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
