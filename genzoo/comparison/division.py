"""Which rows each fit of a comparison is trained on and judged by; the same for every candidate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from genzoo.config import SplitSettings
from genzoo.data.dataset import Dataset, Rows, Split
from genzoo.errors import ConfigError
from genzoo.seeding import derive

Folds = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class Division:
    """Rows of one dataset.

    A test set that came with the data is used for held-out figures only; `rows` and the folds are all other rows.

    Arguments:
        rows: those that information criteria come from.
        held_out: training and test rows of the held-out figures; a candidate that watches validation rows takes
            them from its training rows, and no other candidate gives any away.
        fold: of each of `rows`, the number of the fold that holds it out; `None` without cross-validation.
        validation: share of all rows that such a candidate watches.
        seed: of the comparison.
    """

    rows: Rows
    held_out: Split
    fold: Folds | None
    validation: float
    seed: int

    @staticmethod
    def of(dataset: Dataset, settings: SplitSettings, seed: int, folds: int) -> Division:
        """The division that settings mean.

        Raises:
            ConfigError: more folds than rows, or a single one.
            DataError: no row is left to train on.
        """
        nothing = SplitSettings(validation=0.0, test=0.0)
        rows = dataset.split(nothing, seed).train
        if folds == 1 or folds > len(rows):
            raise ConfigError(f"--folds {folds} does not divide {len(rows)} rows; give a number from 2 to {len(rows)}.")
        fold = None
        if folds:
            order = np.random.default_rng(derive(seed, "folds")).permutation(len(rows))
            fold = np.empty(len(rows), np.int64)
            fold[order] = np.arange(len(rows)) * folds // len(rows)
        held_out = dataset.split(settings.model_copy(update={"validation": 0.0}), seed)
        return Division(rows, held_out, fold, settings.validation, seed)

    def everything(self, *, watched: bool) -> Split:
        """All rows to train on."""
        return self._carve(self.rows, self.rows[:0], watched)

    def test(self, *, watched: bool) -> Split:
        """The training and test rows of the held-out figures."""
        return self._carve(self.held_out.train, self.held_out.test, watched)

    def without(self, number: int, *, watched: bool) -> Split:
        """All rows but those of one fold to train on, and that fold as test rows."""
        assert self.fold is not None
        return self._carve(self.rows[self.fold != number], self.rows[self.fold == number], watched)

    def _carve(self, train: Rows, test: Rows, watched: bool) -> Split:
        if not watched:
            return Split(train, train[:0], test)
        count = min(round(self.validation * len(self.rows)), len(train) - 1)
        order = np.random.default_rng(derive(self.seed, "watched", len(train))).permutation(len(train))
        return Split(np.sort(train[order[count:]]), np.sort(train[order[:count]]), test)
