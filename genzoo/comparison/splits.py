"""The rows that each fit of a comparison trains and is evaluated on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from genzoo.config.settings import SplitSettings
from genzoo.data.dataset import Dataset, Rows, Split
from genzoo.errors import ConfigError
from genzoo.metrics.likelihood import observed_rows
from genzoo.runtime.seeding import derive

Folds = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """Rows of one dataset.

    A test set that came with the data is used for held-out figures only; information criteria and the folds come from
    all other rows. Rows of which nothing was observed take part nowhere. A candidate that watches validation rows
    takes them from its training rows; no other candidate gives any away.

    Arguments:
        whole: all rows to train on; with and without validation rows.
        held_out: training and test rows of the held-out figures; with and without validation rows.
        fold: of each of `rows`, the number of the fold that holds it out; `None` without cross-validation.
        settings, seed: of the comparison.
    """

    whole: tuple[Split, Split]
    held_out: tuple[Split, Split]
    fold: Folds | None
    settings: SplitSettings
    seed: int

    @staticmethod
    def of(dataset: Dataset, settings: SplitSettings, seed: int, folds: int) -> SplitPlan:
        """The division that settings mean.

        Raises:
            ConfigError: more folds than rows, or a single one.
            DataError: no row is left to train on.
        """

        def split(everything: bool, watched: bool) -> Split:
            chosen = split_settings(settings, everything=everything, watched=watched)
            found = dataset.split(chosen, seed)
            return Split(*(observed_rows(dataset, rows) for rows in (found.train, found.validation, found.test)))

        whole = (split(True, False), split(True, True))
        rows = whole[0].train
        if folds == 1 or folds > len(rows):
            raise ConfigError(f"--folds {folds} does not divide {len(rows)} rows; give a number from 2 to {len(rows)}.")
        fold = None
        if folds:
            order = np.random.default_rng(derive(seed, "folds")).permutation(len(rows))
            fold = np.empty(len(rows), np.int64)
            fold[order] = np.arange(len(rows)) * folds // len(rows)
        return SplitPlan(whole, (split(False, False), split(False, True)), fold, settings, seed)

    @property
    def rows(self) -> Rows:
        """Those that information criteria and cross-validation are of."""
        return self.whole[0].train

    @property
    def test_rows(self) -> Rows:
        """Those that held-out figures are of."""
        return self.held_out[0].test

    def split(self, *, everything: bool, watched: bool) -> Split:
        """The rows of one fit.

        Arguments:
            everything: train on all rows, and not on those before the test rows only.
            watched: set validation rows apart from those to train on.
        """
        return (self.whole if everything else self.held_out)[watched]

    def without(self, number: int, *, watched: bool) -> Split:
        """All rows but those of one fold to train on, and that fold as test rows."""
        assert self.fold is not None
        train, test = self.rows[self.fold != number], self.rows[self.fold == number]
        if not watched:
            return Split(train, train[:0], test)
        count = min(round(self.settings.validation * len(train)), len(train) - 1)
        order = np.random.default_rng(derive(self.seed, "watched", number)).permutation(len(train))
        return Split(np.sort(train[order[count:]]), np.sort(train[order[:count]]), test)


def split_settings(settings: SplitSettings, *, everything: bool, watched: bool) -> SplitSettings:
    """The settings that divide rows as `Division.split` does."""
    return SplitSettings(validation=settings.validation if watched else 0.0, test=0.0 if everything else settings.test)
