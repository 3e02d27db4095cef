"""Fill in the missing values of rows, and explain why some cannot be."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

from genzoo.data.columns.unseen import unseen_levels
from genzoo.data.dataset import Conditioned, Dataset, ModelEvents
from genzoo.errors import DataError
from genzoo.inference import encoding
from genzoo.inference.row_likelihoods import named_rows
from genzoo.inference.trained_model import TrainedModel
from genzoo.inference.usable import check_weights
from genzoo.typing import Array


@dataclass(slots=True)
class Filled:
    """What was filled in.

    Arguments:
        missing: number of missing values of each column of the model, `(C,)`.
        rows: number of rows.
        unseen: columns and levels that no training row has, by row; the first ones, if there are many rows.
        count_unseen: number of rows with such levels.
    """

    missing: Array
    rows: int = 0
    unseen: dict[int, str] = field(default_factory=dict)
    count_unseen: int = 0

    @staticmethod
    def of(fitted: TrainedModel, dataset: Dataset | None = None, first: int = 0) -> Filled:
        """Return what is missing from rows that are filled in; nothing, if there are no rows.

        Arguments:
            first: number of the first row. Defaults to 0.
        """
        if dataset is None:
            return Filled(np.zeros(fitted.data.size, np.int64))
        missing = np.isnan(np.asarray(dataset.events[:])).reshape(len(dataset), -1)
        found = unseen_levels(fitted.data, dataset, np.flatnonzero(missing.any(axis=1)))
        named = {first + row: text for row, text in found.items()}
        return Filled(missing.sum(axis=0), len(dataset), named, len(named))

    def add(self, later: Filled, most: int) -> None:
        """Add later rows.

        Arguments:
            most: largest number of rows with unseen levels to name.
        """
        self.missing = self.missing + later.missing
        self.rows += later.rows
        self.count_unseen += later.count_unseen
        self.unseen = dict(itertools.islice((self.unseen | later.unseen).items(), most))


def filled_events(
    fitted: TrainedModel, dataset: Dataset, *, draw: bool = False, seed: int = 0, first: int = 0
) -> Array:
    """Return the events of a dataset with their missing values filled in, `(N, *event)`.

    Arguments:
        draw, seed: as for `impute`.
        first: number of the first row, if the rows are a part of more; a multiple of `BLOCK`. Defaults to 0.

    Raises:
        ArtifactError: the weights are unusable.
        DataError: the rest of a row is too far from the training rows.
    """
    events = np.asarray(dataset.events[:])
    filled = encoding.impute(fitted.units, dataset.given(slice(None)), draw, seed, first=first)
    bad: Array = np.asarray(~np.isfinite(filled.reshape(len(filled), -1)).all(axis=1))
    if bad.any():
        _check_imputed(fitted, events, bad, first)
    return filled


def _check_imputed(fitted: TrainedModel, events: Array, bad: Array, first: int) -> None:
    """Raise an error for rows whose filled-in values are not finite: the weights' or the rows' fault."""
    missing = np.isnan(events[bad][0])

    def fails(ordinary: ModelEvents) -> Array:
        if isinstance(ordinary, Conditioned):
            with_holes: ModelEvents = Conditioned(np.where(missing, np.nan, ordinary.events), ordinary.conditions)
        else:
            with_holes = np.where(missing, np.nan, ordinary)
        filled = fitted.impute(with_holes)
        return np.asarray(~np.isfinite(filled).all(axis=1))

    check_weights(fitted, bad, "filled-in value", fails)
    raise DataError(
        f"The values missing from {named_rows(first + np.flatnonzero(bad))} cannot be filled in: the rest is too far "
        f"from the training rows to compute with. Correct or remove these rows."
    )
