"""The rows that each fit of a comparison trains and is evaluated on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from genzoo.config.data import SplitSettings
from genzoo.data.dataset import Dataset, Rows, Split
from genzoo.data.splits.dividers import Divider
from genzoo.errors import ConfigError
from genzoo.inference.row_likelihoods import observed_rows
from genzoo.runtime.seeding import derive
from genzoo.wording import argument

Folds = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """Which rows of a dataset each fit trains on and is evaluated on.

    A test set that came with the data is used for test figures only. Information criteria and folds use all other rows.
    Rows without any observed value are left out everywhere. A candidate that monitors validation rows takes them from
    its training rows. Other candidates train on all of them. Groups stay together in all of this.

    Each row is held out by one fold, so that candidates can be compared row by row. Folds of ordered data are therefore
    blocks of neighbors, and all but the last are predicted from later rows, too.

    Arguments:
        whole: splits for fits to all rows: without validation rows, and with them.
        held_out: splits for fits that keep the test rows aside: without validation rows, and with them.
        fold: for each of `rows`, the number of the fold that holds it out, `(N,)`; `None` without cross-validation.
        settings, seed: split settings and seed of the comparison.
        divider: the rule by which rows are held out.
    """

    whole: tuple[Split, Split]
    held_out: tuple[Split, Split]
    fold: Folds | None
    settings: SplitSettings
    seed: int
    divider: Divider

    @staticmethod
    def of(dataset: Dataset, settings: SplitSettings, seed: int, folds: int) -> SplitPlan:
        """Divide the rows of a dataset.

        Raises:
            ConfigError: there is one fold only, or more folds than rows or groups.
            DataError: no row is left to train on, or there are fewer groups than parts.
        """

        def split(everything: bool, watched: bool) -> Split:
            chosen = split_settings(settings, everything=everything, watched=watched)
            found = dataset.split(chosen, seed)
            return Split(*(observed_rows(dataset, rows) for rows in (found.train, found.validation, found.test)))

        whole = (split(True, False), split(True, True))
        rows = whole[0].train
        if folds == 1 or folds > len(rows):
            raise ConfigError(
                f"{argument('folds', folds)} is not possible with {len(rows)} rows. Give a number from 2 to "
                f"{len(rows)}."
            )
        divider = dataset.divider(settings)
        fold = divider.folds(rows, folds, np.random.default_rng(derive(seed, "folds"))) if folds else None
        return SplitPlan(whole, (split(False, False), split(False, True)), fold, settings, seed, divider)

    @property
    def rows(self) -> Rows:
        """Row numbers that information criteria and cross-validation use."""
        return self.whole[0].train

    @property
    def test_rows(self) -> Rows:
        """Row numbers of the test set."""
        return self.held_out[0].test

    def split(self, *, everything: bool, watched: bool) -> Split:
        """Return the rows of one fit.

        Arguments:
            everything: train on all rows, not only on the rows before the test set.
            watched: set validation rows aside from the training rows.
        """
        return (self.whole if everything else self.held_out)[watched]

    def without(self, number: int, *, watched: bool) -> Split:
        """Return a split that trains on all rows except one fold, with that fold as test rows.

        Arguments:
            number: number of the fold.
            watched: set validation rows aside from the training rows.
        """
        assert self.fold is not None
        train, test = self.rows[self.fold != number], self.rows[self.fold == number]
        if not watched:
            return Split(train, train[:0], test)
        count = min(round(self.settings.validation * len(train)), len(train) - 1)
        rng = np.random.default_rng(derive(self.seed, "watched", number))
        return Split(*self.divider.hold_out(train, count, rng), test)


def split_settings(settings: SplitSettings, *, everything: bool, watched: bool) -> SplitSettings:
    """Return the settings with which a run divides its rows as `SplitPlan.split` does."""
    fractions = {} if watched else {"validation": 0.0}
    return settings.model_copy(update={**fractions, **({"test": 0.0} if everything else {})})
