"""Find the longest run of symbols of each text that stands within one of other texts.

All texts are sorted together by the symbols from each place on. The place of a known text that shares the longest run
with a place of a text is then one of its two nearest neighbors. Places are sorted by as many symbols as fit an integer,
and then by twice as many, until they all differ ("prefix doubling"). The ranks of every round are kept: equal ranks
mean equal symbols, which gives the length of a shared run in as many steps as there were rounds.

References:
    "Suffix Arrays: A New Method for On-Line String Searches" (Manber and Myers, 1993).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genzoo.data.texts.flat import Texts
from genzoo.typing import Array

_BITS = 63

_PART = 1 << 22
"""Number of symbols of known texts that are sorted at a time, to save memory."""


def longest_spans(texts: Texts, known: Texts, part: int = _PART) -> Array:
    """Return the length of the longest run of each text that stands within one of the known texts, `(N,)` int64.

    Arguments:
        texts, known: texts of the same symbols.
        part: number of symbols of known texts that are searched at a time.
    """
    found = np.zeros(len(texts), np.int64)
    parts = known.offsets[:-1] // part
    for number in np.unique(parts):
        found = np.maximum(found, _spans(texts, known.take(parts == number)))
    return found


def _spans(texts: Texts, known: Texts) -> Array:
    stream = np.concatenate([_ended(known), _ended(texts)])
    first = int(known.offsets[-1]) + len(known)
    order = _Order.of(stream, texts.end, int(texts.lengths.max(initial=0)))
    own = np.flatnonzero(stream[first:] != texts.end) + first
    places, inverse = np.arange(len(stream)), np.empty(len(stream), np.int64)
    inverse[order.sorted] = places
    of_known = order.sorted < first
    before = np.maximum.accumulate(np.where(of_known, places, -1))[inverse[own]]
    after = np.minimum.accumulate(np.where(of_known, places, len(places))[::-1])[::-1][inverse[own]]
    longest = np.zeros(len(own), np.int64)
    for near in (before, after):
        there = (near >= 0) & (near < len(places))
        longest[there] = np.maximum(longest[there], order.shared(own[there], order.sorted[near[there]]))
    rows = np.repeat(np.arange(len(texts)), texts.lengths)
    left = np.repeat(texts.offsets[1:], texts.lengths) - np.arange(len(rows))
    found = np.zeros(len(texts), np.int64)
    np.maximum.at(found, rows, np.minimum(longest, left))  # the ends of texts are no symbols
    return found


def _ended(texts: Texts) -> Array:
    """Return the symbols of all texts, with the end after each, `(S + N,)`."""
    stream = np.full(int(texts.offsets[-1]) + len(texts), texts.end, np.int64)
    stream[np.arange(len(texts.codes)) + np.repeat(np.arange(len(texts)), texts.lengths)] = texts.codes
    return stream


@dataclass(frozen=True, slots=True)
class _Order:
    """Places of a stream, sorted by the symbols from there on.

    Arguments:
        packed: the first symbols from each place on, as one number, `(S,)`.
        bits, count: bits of a symbol, and how many symbols are packed.
        ranks: for each round the number of symbols sorted by, and the rank of every place, `(S,)`.
        sorted: the places in their order, `(S,)`.
    """

    packed: Array
    bits: int
    count: int
    ranks: tuple[tuple[int, Array], ...]
    sorted: Array

    @staticmethod
    def of(stream: Array, end: int, longest: int) -> _Order:
        """Sort the places of a stream.

        Arguments:
            end: the largest symbol.
            longest: number of symbols after which the order does not matter.
        """
        bits = end.bit_length()
        count = max(1, _BITS // bits)
        padded = np.pad(stream, (0, count), constant_values=end)
        packed = np.zeros(len(stream), np.int64)
        for place in range(count):
            packed = packed << bits | padded[place : place + len(stream)]
        order, ranks = _ranked(packed)
        found, size = [(count, ranks)], count
        while size < longest and ranks[order[-1]] + 1 < len(stream):
            most = int(ranks[order[-1]]) + 1
            later = np.full(len(stream), most)
            later[: max(len(stream) - size, 0)] = ranks[size:]
            order, ranks = _ranked(ranks * (most + 1) + later)
            size *= 2
            found.append((size, ranks))
        return _Order(packed, bits, count, tuple(found), order)

    def shared(self, places: Array, others: Array) -> Array:
        """Return how many symbols are equal from `places` and `others` on, `(P,)`; at least up to the longest."""
        last = len(self.packed) - 1
        length = np.zeros(len(places), np.int64)
        for size, ranks in reversed(self.ranks):
            same = ranks[np.minimum(places + length, last)] == ranks[np.minimum(others + length, last)]
            length += size * same
        one, other = (self.packed[np.minimum(start + length, last)] for start in (places, others))
        differing = one ^ other
        for place in range(1, self.count + 1):
            length += differing >> self.bits * (self.count - place) == 0
        return length


def _ranked(keys: Array) -> tuple[Array, Array]:
    """Return the order of keys, and the rank of each among the different ones, `(S,)`."""
    order = np.argsort(keys)
    ranks = np.empty(len(keys), np.int64)
    ranks[order] = np.cumsum(np.diff(keys[order], prepend=keys[order[:1]]) != 0)
    return order, ranks
