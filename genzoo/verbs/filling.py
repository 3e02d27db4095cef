"""Fill in the missing values of rows, and explain why some cannot be."""

from __future__ import annotations

import numpy as np

from genzoo.data.dataset import Conditioned, Dataset, ModelEvents
from genzoo.errors import DataError
from genzoo.inference import encoding
from genzoo.inference.row_likelihoods import named_rows
from genzoo.inference.trained_model import TrainedModel
from genzoo.inference.usable import check_weights
from genzoo.typing import Array


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
