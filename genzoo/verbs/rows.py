"""Answer row by row: latent vectors, reconstructions, and rows without missing values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from genzoo.data.align import filled_table
from genzoo.data.frames.results import events_frame, frame_from_arrow, usual_library
from genzoo.data.frames.source import fill_frame
from genzoo.data.loading import open_source
from genzoo.data.opening.given import AnyData
from genzoo.data.parts import arrays_of
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics import evaluate as by_row
from genzoo.plugins.manager import get_registry
from genzoo.runtime.cluster import AnyCluster
from genzoo.typing import Array
from genzoo.verbs.filling import filled_events
from genzoo.verbs.given import (
    Asked,
    GivenRows,
    check_capable,
    file_settings,
    is_array_or_frame,
    open_asked,
    open_rows,
    path_of,
    shared_reading,
    written,
)
from genzoo.verbs.streaming import check_partitioned, cluster_of, stream_filled, stream_latent


def embed(
    asked: Asked,
    data: AnyData | None = None,
    *,
    out: str | Path | None = None,
    on: AnyCluster | None = None,
    device: str | None = None,
) -> Any:
    """Return the latent vector of every row: a posterior mean, or the code of an autoencoder.

    Arguments:
        asked: a run, a trained model, or the path of a run or model folder.
        data: as for `train`. Defaults to all rows of the run's own data.
        out: file to write the latent vectors to, `.parquet`, `.csv` or `.tsv`, for data with a name or path.
            Blocks of Parquet files are read and written in turn, so they may be larger than memory. Defaults to `None`:
            they are returned.
        on: Dask cluster that computes parts of the table for `out`: `"dask"` for one of this machine, an address, or a
            `distributed.Client`. Its workers read the same files. Defaults to `None`: this process computes.
        device: where the model computes. Defaults to the host.

    Returns:
        A table with columns z0, z1 ... for a table in memory or in a file, and an array `(N, L)` otherwise. With `out`,
        the path of the file.

    Raises:
        ConfigError: the model has no encoder, or latent vectors cannot be written to `out`.
        DataError: the rows do not fit the model.
    """
    run, fitted = open_asked(asked, device)
    check_capable(fitted, "embed", "encoder")
    if out is not None:
        path = Path(out)
        settings, cluster = file_settings(run, fitted, data, path), cluster_of(path_of(asked), on)
        written(stream_latent(fitted, settings, path, small=True, cluster=cluster), fitted, path)
        return path
    check_partitioned(on)
    data = shared_reading(run, fitted, data)
    if is_array_or_frame(data):
        return fitted.encode(data)
    rows = open_rows(run, fitted, data)
    z = by_row.embed(fitted, rows.dataset)
    return rows.answer([f"z{dimension}" for dimension in range(z.shape[1])], z)


def impute(
    asked: Asked,
    data: AnyData | None = None,
    *,
    draw: bool = False,
    seed: int = 0,
    out: str | Path | None = None,
    on: AnyCluster | None = None,
    device: str | None = None,
) -> Any:
    """Fill in missing values with the model.

    A missing value becomes its mean given the observed values of the row, or its most probable category.

    Arguments:
        asked: a run, a trained model, or the path of a run or model folder.
        data: as for `train`. Defaults to all rows of the run's own data.
        draw: draw values instead. Defaults to false.
        seed: seed of the draws.
        out: file to write the table to, `.parquet`, `.csv` or `.tsv`, for data with a name or path. Blocks of
            Parquet files are read and written in turn, so they may be larger than memory. Defaults to `None`: it is
            returned.
        on: Dask cluster that computes parts of the table for `out`: `"dask"` for one of this machine, an address, or a
            `distributed.Client`. Its workers read the same files. Defaults to `None`: this process computes.
        device: where the model computes. Defaults to the host.

    Returns:
        For a table in memory or in a file, a table with all its columns in their order, with their types. For the run's
        own table in memory, only the columns of the model. For events of several parts, a dict of arrays. Otherwise an
        array `(N, *event)`. With `out`, the path of the file.

    Raises:
        ConfigError: the model cannot impute, or the table cannot be written to `out`.
        DataError: the rows do not fit the model, or are too far from the training rows.
    """
    run, fitted = open_asked(asked, device)
    check_capable(fitted, "impute", "imputation")
    if out is not None:
        path = Path(out)
        settings = file_settings(run, fitted, data, path)
        where: dict[str, Any] = {"small": True, "cluster": cluster_of(path_of(asked), on)}
        written(stream_filled(fitted, settings, path, draw=draw, seed=seed, **where), fitted, path)
        return path
    check_partitioned(on)
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
