"""Count the pieces of texts, in blocks, on the host."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Whole = npt.NDArray[np.int64]
"""An array of whole numbers."""

_FEW = 2**21
"""Number of counted pieces that are gathered before they are merged, at least."""

_LARGEST = 2**63 - 1


class PieceCounts:
    """How often each piece of `order` symbols occurs in texts.

    A piece begins at each place of a text, and at its start, which has the code of the end. After the end of a text,
    pieces are filled up. A piece is packed in one or more int64, exactly: digits are 0 for a place that is filled up,
    and otherwise the code plus 1.

    Arguments:
        order: number of symbols of a piece.
        end: code of the end of a text.
    """

    def __init__(self, order: int, end: int) -> None:
        self.order = order
        self.end = end
        self._base = end + 2
        self._per_word = 1
        while self._base ** (self._per_word + 1) <= _LARGEST:
            self._per_word += 1
        self._words = np.empty((0, -(-order // self._per_word)), np.int64)
        self._counts = np.empty(0, np.int64)
        self._new: list[tuple[Whole, Whole]] = []

    def add(self, codes: Whole) -> None:
        """Count the pieces of texts `(N, L)`, up to and including the first end of each, if it has one."""
        ends = codes == self.end
        counted = np.cumsum(ends, axis=1) - ends == 0
        digits = np.zeros((len(codes), 1 + codes.shape[1] + self.order - 1), np.int64)
        digits[:, 0] = self.end + 1
        digits[:, 1 : 1 + codes.shape[1]] = np.where(counted, codes + 1, 0)
        begins = np.concatenate([np.full((len(codes), 1), True), counted], axis=1)
        if self.order == 1:  # with no context, the start is no piece
            begins[:, 0] = False
        self._new.append(_summed(np.stack(list(self._packed(digits, begins)), 1)))
        if sum(len(counts) for _, counts in self._new) > max(_FEW, len(self._counts)):
            self._merge()

    def total(self) -> Whole:
        """Return the count of each different piece, in lexicographic order, `(P,)`."""
        self._merge()
        return self._counts

    def digits(self, place: int) -> Whole:
        """Return one digit of each piece that `total` counts, `(P,)`: 0 if it is shorter."""
        word, within = divmod(place, self._per_word)
        size = min(self._per_word, self.order - word * self._per_word)
        digits: Whole = self._words[:, word] // self._base ** (size - 1 - within) % self._base
        return digits

    def _packed(self, digits: Whole, begins: npt.NDArray[np.bool_]) -> Iterator[Whole]:
        """Yield the words of the pieces that begin at some places, `(P,)` each."""
        width = begins.shape[1]
        for first in range(0, self.order, self._per_word):
            word = np.zeros(begins.shape, np.int64)
            for place in range(first, min(first + self._per_word, self.order)):
                word *= self._base
                word += digits[:, place : place + width]
            yield word[begins]

    def _merge(self) -> None:
        parts = [(self._words, self._counts), *self._new]
        self._new = []
        self._words, self._counts = _summed(
            np.concatenate([words for words, _ in parts]), np.concatenate([counts for _, counts in parts])
        )


def _summed(words: Whole, counts: Whole | None = None) -> tuple[Whole, Whole]:
    """Return the different rows of `words (P, W)` in lexicographic order, and the sums of their counts.

    Arguments:
        counts: count of each row, `(P,)`. Defaults to 1.
    """
    if counts is None and words.shape[1] == 1:
        words = np.sort(words, axis=0)  # many times as fast as finding the order
    else:
        order = np.lexsort(words.T[::-1])
        words, counts = words[order], None if counts is None else counts[order]
    new = np.ones(len(words), bool)
    new[1:] = (words[1:] != words[:-1]).any(axis=1)
    starts = np.flatnonzero(new)
    sizes = np.diff(starts, append=len(words)) if counts is None else sums(counts, starts)
    return words[starts], sizes


def sums(counts: Whole, starts: Whole) -> Whole:
    """Return the sums of counts from each start to the next, `(S,)`."""
    below = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    return np.diff(below[starts], append=below[-1])
