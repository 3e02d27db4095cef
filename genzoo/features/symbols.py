"""Features of texts without a network: lengths, and how often symbols and pairs of symbols occur."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from genzoo.data.texts.flat import lengths_of
from genzoo.features.extractor import Extractor, Features, Material, Standardizer
from genzoo.typing import Array

_MOST = 256
"""Largest number of different symbols and pairs that are counted."""


class SymbolExtractor(Extractor):
    """Length and counts of the most frequent symbols and pairs of the real texts, standardized by these.

    The beginning and the end of a text count as symbols in pairs.

    Arguments:
        end: code of the end of a text.
        real: the real texts, `(N, T)`.
    """

    def __init__(self, end: int, real: Array) -> None:
        self._end = end
        found, counts = np.unique(np.concatenate([ids for _, ids in self._grams(real)]), return_counts=True)
        self._known = np.sort(found[np.argsort(-counts, kind="stable")[:_MOST]])
        self._standardized = Standardizer(self._counts(real))

    def __call__(self, events: Array) -> Features:
        return self._standardized(self._counts(events))

    def _counts(self, events: Array) -> Features:
        found = np.zeros((len(events), len(self._known) + 1))
        found[:, 0] = lengths_of(np.asarray(events), self._end)
        for rows, ids in self._grams(events):
            place = np.searchsorted(self._known, ids).clip(max=len(self._known) - 1)
            known = self._known[place] == ids
            np.add.at(found, (rows[known], place[known] + 1), 1.0)
        return found

    def _grams(self, events: Array) -> Iterator[tuple[Array, Array]]:
        """Yield the row and the number of every symbol, and of every pair, of texts `(N, T)`."""
        codes = np.asarray(events, np.int64)
        whole = np.pad(codes, ((0, 0), (1, 1)), constant_values=self._end)
        rows, places = np.nonzero(np.arange(codes.shape[1] + 1) <= lengths_of(codes, self._end)[:, None])
        yield rows, (whole[rows, places] + 1) * (self._end + 1) + whole[rows, places + 1]
        single = whole[rows, places + 1]
        yield rows[single != self._end], single[single != self._end]


def build_symbols(material: Material) -> Extractor:
    """Build the extractor of texts."""
    assert material.data.end is not None
    return SymbolExtractor(material.data.end, material.real)
