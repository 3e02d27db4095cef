"""Hold out rows by the bucket that the hash of their key falls into."""

from __future__ import annotations

import numpy as np

from genzoo.data.splits.dividers import Divider, Indices, Parts
from genzoo.errors import ConfigError, DataError
from genzoo.typing import Array
from genzoo.wording import argument

BUCKETS = 2**16
"""Number of buckets, which bounds how finely rows can be divided, and the memory that a row takes: two bytes."""


class HashedRows(Divider):
    """Rows by a hash of their key: where a row goes depends on its key, the seed and the fractions alone.

    Arguments:
        buckets: bucket of each row's key, `(N,)` for all rows of the dataset.
        validation, test: fractions of the keys that are held out.
    """

    def __init__(self, buckets: Array, validation: float, test: float) -> None:
        self._buckets = buckets
        self._validation, self._test = validation, test

    def large(self, count: int, validation: int, test: int, seed: int) -> Array | None:
        return self._marks(validation, test, np.random.default_rng(seed))[self._buckets[:count]]

    def parts(self, rows: Indices, validation: int, test: int, rng: np.random.Generator) -> Parts:
        marks = self._marks(validation, test, rng)[self._buckets[rows]]
        if (marks != 0).all():
            raise DataError("No row is left to train on: the hashes of all keys are held out. Hold out fewer.")
        return rows[marks == 0], rows[marks == 1], rows[marks == 2]

    def _marks(self, validation: int, test: int, rng: np.random.Generator) -> Array:
        """Return the part of each bucket. Its place does not depend on the fractions, so that parts only grow."""
        place = (rng.permutation(BUCKETS) + 0.5) / BUCKETS
        marks = np.zeros(BUCKETS, np.uint8)
        first = self._test if test else 0.0
        marks[place < first + (self._validation if validation else 0.0)] = 1
        marks[place < first] = 2
        return marks

    def hold_out(self, rows: Indices, count: int, rng: np.random.Generator) -> tuple[Indices, Indices]:
        place = (rng.permutation(BUCKETS) + 0.5) / BUCKETS
        out = (place < count / max(1, len(rows)))[self._buckets[rows]]
        return rows[~out], rows[out]

    def folds(self, rows: Indices, count: int, rng: np.random.Generator) -> Indices:
        own = (rng.permutation(BUCKETS) * count // BUCKETS)[self._buckets[rows]]
        if len(np.unique(own)) < count:
            raise ConfigError(
                f"{argument('folds', count)} is not possible: the hashes of the keys leave a fold without rows. Use "
                "fewer folds."
            )
        return own.astype(np.int64)
