"""Answer row by row: latent vectors, reconstructions, and rows without missing values."""

from __future__ import annotations

from typing import Any

import numpy as np

from genzoo.data.align import filled_table
from genzoo.data.dataset import Conditioned, Dataset, ModelEvents
from genzoo.data.frames.results import events_frame, frame_from_arrow, usual_library
from genzoo.data.frames.source import fill_frame
from genzoo.data.loading import open_source
from genzoo.data.opening.given import AnyData
from genzoo.data.parts import arrays_of
from genzoo.errors import DataError
from genzoo.inference import encoding
from genzoo.inference.row_likelihoods import named_rows
from genzoo.inference.trained_model import TrainedModel
from genzoo.inference.usable import check_weights
from genzoo.metrics import evaluate as by_row
from genzoo.plugins.manager import get_registry
from genzoo.typing import Array
from genzoo.verbs.given import Asked, GivenRows, check_capable, is_array_or_frame, open_asked, open_rows, shared_reading


def embed(asked: Asked, data: AnyData | None = None, *, device: str | None = None) -> Any:
    """Return the latent vector of every row: a posterior mean, or the code of an autoencoder.

    Arguments:
        asked: a run, a trained model, or the path of a run or model folder.
        data: as for `train`. Defaults to all rows of the run's own data.
        device: where the model computes. Defaults to the host.

    Returns:
        A table with columns z0, z1 ... for a table in memory or in a file, and an array `(N, L)` otherwise.

    Raises:
        ConfigError: the model has no encoder.
        DataError: the rows do not fit the model.
    """
    run, fitted = open_asked(asked, device)
    check_capable(fitted, "embed", "encoder")
    data = shared_reading(run, fitted, data)
    if is_array_or_frame(data):
        return fitted.encode(data)
    rows = open_rows(run, fitted, data)
    z = by_row.embed(fitted, rows.dataset)
    return rows.answer([f"z{dimension}" for dimension in range(z.shape[1])], z)


def impute(
    asked: Asked, data: AnyData | None = None, *, draw: bool = False, seed: int = 0, device: str | None = None
) -> Any:
    """Fill in missing values with the model.

    A missing value becomes its mean given the observed values of the row, or its most probable category.

    Arguments:
        asked: a run, a trained model, or the path of a run or model folder.
        data: as for `train`. Defaults to all rows of the run's own data.
        draw: draw values instead. Defaults to false.
        seed: seed of the draws.
        device: where the model computes. Defaults to the host.

    Returns:
        For a table in memory or in a file, a table with all its columns in their order, with their types. For the run's
        own table in memory, only the columns of the model. For events of several parts, a dict of arrays. Otherwise an
        array `(N, *event)`.

    Raises:
        ConfigError: the model cannot impute.
        DataError: the rows do not fit the model, or are too far from the training rows.
    """
    run, fitted = open_asked(asked, device)
    check_capable(fitted, "impute", "imputation")
    data = shared_reading(run, fitted, data)
    if is_array_or_frame(data):
        return fitted.impute(data, draw=draw, seed=seed)
    rows = open_rows(run, fitted, data)
    return _table_like(rows, fitted, filled_events(fitted, rows.dataset, draw=draw, seed=seed))


def _table_like(rows: GivenRows, fitted: TrainedModel, events: Array) -> Any:
    """Return the rows of a table in memory or in a file without holes, and other events as samples come."""
    if rows.frame is not None:
        return fill_frame(rows.frame, fitted.data, events)
    if not rows.tabular:
        return arrays_of(events, fitted.data) if fitted.data.has_parts else events
    source = None if rows.settings is None else open_source(rows.settings, get_registry(), fitted.data)
    if source is None or rows.settings is None:  # of the run's own table, only the columns of the model are at hand
        return events_frame(events, fitted.data, usual_library(fitted.data))
    table = filled_table(source, rows.settings, fitted.data, events, as_written=False)
    return frame_from_arrow(table, usual_library(fitted.data))


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
