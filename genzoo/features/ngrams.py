"""Features of texts without a network: counts of n-grams of characters, hashed to a fixed number of columns.

The columns are the same for all data, so nothing in them depends on which texts are real, but for their scale. Each
n-gram adds 1 or −1 to one of the columns of its length; both follow from its hash. Two different n-grams of the same
column then add nothing to each other on average.

References:
    "Feature Hashing for Large Scale Multitask Learning" (Weinberger et al., 2009);
    "Fast Splittable Pseudorandom Number Generators" (Steele et al., 2014), for the function that mixes bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from genzoo.data.texts.flat import Texts
from genzoo.data.texts.symbols import as_texts, of_bytes
from genzoo.features.extractor import Extractor, Features, Material, Standardizer
from genzoo.spec.events import DataSpec
from genzoo.typing import Array

_COLUMNS = {1: 64, 2: 64, 3: 64, 4: 32}
"""Number of columns for each length of n-grams."""


_MARK = 0
"""What stands before and after the characters of a text, which count from 1."""


class NgramExtractor(Extractor):
    """Length and hashed counts of n-grams of up to four characters, standardized by the real texts.

    The beginning and the end of a text count as characters in n-grams. There are 225 features. Texts of other symbols
    than bytes have n-grams of these symbols.

    Arguments:
        data: spec of the texts.
        real: the real texts, `(N, T)`.
    """

    protocol: Mapping[str, Any] = {"n-grams": ", ".join(f"{n}: {count}" for n, count in _COLUMNS.items())}

    def __init__(self, data: DataSpec, real: Array) -> None:
        self._data = data
        self._standardized = Standardizer(self._counts(real))

    def __call__(self, events: Array) -> Features:
        return self._standardized(self._counts(events))

    def _counts(self, events: Array) -> Features:
        """Return the length of each text and the sums of its n-grams in each column, `(N, F)`."""
        texts = _of_characters(as_texts(events, self._data, "The array"), self._data)
        blocks = [texts.lengths[:, None].astype(np.float64)]
        for n, rows, hashes in _hashed(texts, max(_COLUMNS)):
            width = _COLUMNS[n]
            columns = (hashes >> np.uint64(1)) % np.uint64(width)
            signs = np.where(hashes & np.uint64(1), 1.0, -1.0)
            places = rows * width + columns.astype(np.int64)
            cells = np.bincount(places, signs, len(texts) * width).astype(np.float64)
            blocks.append(cells.reshape(len(texts), width))
        return np.concatenate(blocks, axis=1)


def _of_characters(texts: Texts, data: DataSpec) -> Texts:
    """Return texts of bytes as texts of their characters; bytes that are no UTF-8 become one character."""
    if not of_bytes(data):
        return texts
    plain = [text.decode("utf-8", "replace").encode("utf-32-le") for text in texts.one_by_one()]
    codes = np.frombuffer(b"".join(plain), "<u4")
    offsets = np.cumsum([0, *(len(text) // 4 for text in plain)], dtype=np.int64)
    return Texts(codes, offsets, texts.shape[1], 0x110000)


def _hashed(texts: Texts, most: int) -> Iterator[tuple[int, Array, Array]]:
    """Yield, for each length n from 1 to `most`, n, and the text and the hash of every n-gram, `(P,)` each."""
    count, lengths = len(texts), texts.lengths
    stream = np.full(len(texts.codes) + 2 * count, _MARK, np.uint64)
    rows = np.repeat(np.arange(count), lengths)
    stream[np.arange(len(texts.codes)) + 2 * rows + 1] = texts.codes.astype(np.uint64) + np.uint64(1)
    rows = np.repeat(np.arange(count), lengths + 2)
    left = np.repeat(np.cumsum(lengths + 2), lengths + 2) - np.arange(len(rows))
    hashes = np.zeros(len(stream), np.uint64)
    for n in range(1, most + 1):
        hashes = _mixed(hashes[: len(stream) - n + 1] + stream[n - 1 :])
        inside = left[: len(hashes)] >= n
        if n == 1:  # every text has its two marks
            inside &= stream != _MARK
        yield n, rows[: len(hashes)][inside], hashes[inside]


def _mixed(numbers: Array) -> Array:
    """Mix the bits of integers, `(P,)` uint64, as SplitMix64 does; the same on every machine."""
    mixed = numbers + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


def build_ngrams(material: Material) -> Extractor:
    """Build the extractor of texts."""
    return NgramExtractor(material.data, material.real)
