"""From counted pieces to the tables of a model: all shorter pieces, their counts, and discounts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genzoo_text.ngram.counting import PieceCounts, Whole, sums

USUAL = (0.5, 1.0, 1.5)
"""Discounts of counts of 1, 2 and more, if there are too few pieces to estimate them."""


@dataclass(frozen=True, slots=True)
class Tables:
    """Pieces as nodes of a trie: first the single symbols, then the pieces of two symbols that occur, and so on.

    Arguments:
        keys: of each node below the single symbols, the number of the node it is a child of, times the number of
            symbols with the end, plus its own symbol, `(G,)`. They increase.
        counts: count of each node, `(symbols with the end + G,)`.
        discounts: of counts of 1, 2 and more, by length of the piece, `(order, 3)`.
    """

    keys: Whole
    counts: Whole
    discounts: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Level:
    """The nodes of pieces of one length.

    Arguments:
        first: number of the first node.
        keys: as in `Tables`; the symbols themselves at the first level.
        occurring: how often each piece occurs, `(g,)`.
        started: whether it begins at the start of a text, `(g,)`.
        suffix: number of the node of the piece without its first symbol, `(g,)`.
        row_nodes: the node of each row of the longest pieces, `(P,)`; -1 if it is shorter.
    """

    first: int
    keys: Whole
    occurring: Whole
    started: npt.NDArray[np.bool_]
    suffix: Whole
    row_nodes: Whole


def fit(pieces: PieceCounts) -> Tables:
    """Return the tables of modified Kneser-Ney smoothing.

    The longest pieces, and those that begin at the start of a text, count as often as they occur. Each other piece
    counts as many times as there are different symbols before it.
    """
    repeated, digits, symbols = pieces.total(), pieces.digits(0), pieces.end + 1
    level = _single(digits, repeated, symbols)
    keys, counts = [], []
    new = _differs(digits)
    for place in range(1, pieces.order):
        digits = pieces.digits(place)
        new |= _differs(digits)
        longer = _longer(level, new & (digits > 0), digits, repeated, symbols)
        before = np.bincount(longer.suffix - level.first, minlength=len(level.occurring))
        counts.append(np.where(level.started, level.occurring, before))
        keys.append(longer.keys)
        level = longer
    counts.append(level.occurring)
    discounts = np.array([discounts_of(each) for each in counts])
    return Tables(np.concatenate([np.empty(0, np.int64), *keys]), np.concatenate(counts), discounts)


def discounts_of(counts: Whole) -> tuple[float, float, float]:
    """Return the discounts of counts of 1, 2 and more, as Chen and Goodman estimate them from counts of counts.

    A discount that they do not give, or not between 0 and the count itself, is the usual one.
    """
    n1, n2, n3, n4 = np.bincount(counts[counts < 5], minlength=5)[1:5].tolist()
    found = []
    for count, (own, more) in enumerate([(n1, n2), (n2, n3), (n3, n4)], start=1):
        discount = count - (count + 1) * n1 / (n1 + 2 * n2) * more / own if n1 and own and more else 0.0
        found.append(discount if 0 < discount < count else USUAL[count - 1])
    return found[0], found[1], found[2]


def _single(digits: Whole, repeated: Whole, symbols: int) -> _Level:
    """Return the level of single symbols, with a node for each, whether it occurs or not."""
    starts = np.flatnonzero(_differs(digits))
    occurring = np.zeros(symbols, np.int64)
    occurring[digits[starts] - 1] = sums(repeated, starts)
    return _Level(0, np.arange(symbols), occurring, np.zeros(symbols, bool), np.empty(0, np.int64), digits - 1)


def _longer(level: _Level, begins: npt.NDArray[np.bool_], digits: Whole, repeated: Whole, symbols: int) -> _Level:
    """Return the level of pieces that are one symbol longer.

    Arguments:
        begins: rows of the longest pieces that begin with such a piece and are the first to do so, `(P,)`.
        digits: the last symbol of these pieces plus 1, or 0 if the row is too short, `(P,)`.
    """
    starts = np.flatnonzero(begins)
    parent, symbol = level.row_nodes[starts], digits[starts] - 1
    if level.first:
        started = level.started[parent - level.first]
        suffix = level.first + np.searchsorted(level.keys, level.suffix[parent - level.first] * symbols + symbol)
    else:
        started, suffix = parent == symbols - 1, symbol  # a single end has only texts after it
    first = level.first + len(level.occurring)
    nodes = np.where(digits > 0, first - 1 + np.cumsum(begins), -1)
    occurring = sums(np.where(digits > 0, repeated, 0), starts)
    return _Level(first, parent * symbols + symbol, occurring, started, suffix, nodes)


def _differs(digits: Whole) -> npt.NDArray[np.bool_]:
    """Return which rows have another digit than the row before, `(P,)`."""
    differs = np.ones(len(digits), bool)
    differs[1:] = digits[1:] != digits[:-1]
    return differs
