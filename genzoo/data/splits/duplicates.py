"""Find rows that are exactly equal."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from genzoo.data.texts.flat import Texts
from genzoo.typing import Array

_BLOCK_BYTES = 2**23
"""Bytes of rows to read at a time."""


_WIDE = 2**10
"""Words of a row beyond which it is hashed by itself: mixing all rows word by word is faster for narrow rows only."""


_ODD = np.uint64(0x9E3779B97F4A7C15)
_OTHER = np.uint64(0xBF58476D1CE4E5B9)
_HALF = np.uint64(32)


def same_rows(events: Array) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Number the rows so that exactly equal rows, and no others, have the same number.

    Missing values are equal to each other, and 0 equals -0. Rows are read in blocks and compared by 64-bit hashes:
    among a million different rows, two get the same hash with a probability of 3e-8.

    Arguments:
        events: `(N, *event)`; may be mapped from a file, or read from it when indexed.

    Returns:
        Numbers from 0, `(N,)`.
    """
    numbers: np.ndarray[Any, np.dtype[np.int64]] = np.unique(row_keys(events), return_inverse=True)[1]
    return numbers.astype(np.int64, copy=False)


def row_keys(events: Array) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Return a key of each row, `(N,)`: equal for exactly equal rows, and for no others.

    Arguments:
        events: as for `same_rows`.
    """
    if isinstance(events, Texts):
        known: dict[bytes, int] = {}
        return np.array([known.setdefault(text, len(known)) for text in events.one_by_one()], np.uint64)
    hashes = np.empty(len(events), np.uint64)
    size = max(1, int(np.prod(events.shape[1:])) * events.dtype.itemsize)
    step = max(1, _BLOCK_BYTES // size)
    for start in range(0, len(events), step):
        hashes[start : start + step] = _hashed(np.asarray(events[start : start + step]))
    return hashes


def _hashed(block: Array) -> Array:
    """Return a hash of each row, `(n,)` uint64."""
    rows = block.reshape(len(block), -1)
    if rows.dtype.kind == "f":
        with np.errstate(invalid="ignore"):  # of signaling NaN
            rows = np.where(np.isnan(rows), rows.dtype.type(np.nan), rows + rows.dtype.type(0))
    words = _words(np.ascontiguousarray(rows))
    if words.shape[1] > _WIDE:
        digests = (hashlib.blake2b(row, digest_size=8).digest() for row in words)
        return np.frombuffer(b"".join(digests), np.uint64)
    found = np.zeros(len(rows), np.uint64)
    for place in range(words.shape[1]):
        # Each word is mixed into all bits, as SplitMix64 does, so that neither order nor sums of words matter.
        found ^= words[:, place]
        found *= _ODD
        found ^= found >> _HALF
        found *= _OTHER
        found ^= found >> _HALF
        found += np.uint64(place)
    return found


def _words(rows: Array) -> Array:
    """Return the bytes of each row as 64-bit words, filled up with zeros, `(n, W)`."""
    data = rows.view(np.uint8).reshape(len(rows), -1)
    if rest := -data.shape[1] % 8:
        data = np.pad(data, ((0, 0), (0, rest)))
    return data.view(np.uint64)


def repeated(keys: np.ndarray[Any, np.dtype[np.uint64]]) -> int:
    """Return how many rows repeat an earlier row.

    Arguments:
        keys: what `row_keys` gives. They are sorted in place, because a copy of many takes much memory.
    """
    keys.sort()
    return int((keys[1:] == keys[:-1]).sum())


def stand_in(keys: Array, others: Array) -> int:
    """Return how many keys are among others, which are in order."""
    if not len(others):
        return 0
    places = np.minimum(np.searchsorted(others, keys), len(others) - 1)
    return int((others[places] == keys).sum())
