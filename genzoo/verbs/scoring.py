"""Score and cluster rows with a run or a trained model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from genzoo.data.opening.given import AnyData
from genzoo.inference.rows import clustering, scoring
from genzoo.inference.rows.clustering import CLUSTER_COLUMNS
from genzoo.inference.rows.scores import SCORE_COLUMNS
from genzoo.inference.rows.scoring import EXPLAINED
from genzoo.runtime.cluster import AnyCluster
from genzoo.verbs.given import (
    Asked,
    answer_columns,
    check_capable,
    file_settings,
    is_array_or_frame,
    open_asked,
    open_rows,
    path_of,
    shared_reading,
    written,
)
from genzoo.verbs.streaming import check_partitioned, cluster_of, stream_scores


def score(
    asked: Asked,
    data: AnyData | None = None,
    *,
    threshold: float | None = None,
    keep: Sequence[str] = (),
    explained: int = EXPLAINED,
    estimate: bool = False,
    out: str | Path | None = None,
    on: AnyCluster | None = None,
    device: str | None = None,
) -> Any:
    """Score rows by their log-likelihood, or by their anomaly score if the model has no likelihood.

    Arguments:
        asked: a run, a trained model, or the path of a run or model folder.
        data: as for `train`. Defaults to all rows of the run's own data. A table may hold categories that the model
            does not know.
        threshold: flag at most this share of new rows, by scores of held-out rows that are stored with the model.
            Defaults to `None`: no row is flagged.
        keep: columns of the table to copy to the result. Defaults to none.
        explained: number of least likely rows to explain. Defaults to 10. Up to 1,000 flagged rows are explained, too,
            if the likelihood is exact and the model accepts missing values.
        estimate: whether to estimate log-likelihoods, even if the model has a bound. A table then has the column
            `standard_error`, over the probes of the estimate. Defaults to false.
        out: file to write the scores to, `.parquet`, `.csv` or `.tsv`, for data with a name or path. Blocks of
            Parquet files are read and written in turn, so they may be larger than memory. Defaults to `None`: they are
            returned.
        on: Dask cluster that computes parts of the table for `out`: `"dask"` for one of this machine, an address, or a
            `distributed.Client`. Its workers read the same files. Defaults to `None`: this process computes.
        device: where the model computes. Defaults to the host.

    Returns:
        For a table in memory or in a file, a table: the kept columns, `log_likelihood` or `anomaly_score`, `flagged`,
        `because` with the columns that make explained rows unlikely, and levels `unseen` in training. Otherwise a
        `ScoreResult`. With `out`, a `ScoreSummary`.

    Raises:
        ConfigError: the model cannot score, or has no scores of held-out rows; or a column to keep is unknown; or the
            scores cannot be written to `out`.
        DataError: the rows do not fit the model.

    Warns:
        UserWarning: too few rows were held out for the threshold.
    """
    run, fitted = open_asked(asked, device)
    check_capable(fitted, "score", "likelihood", "likelihood-bound", "likelihood-estimate", "anomaly-score")
    if threshold is not None and (warning := scoring.threshold_of(fitted, threshold).warning) is not None:
        warnings.warn(warning, stacklevel=2)
    if out is not None:
        path = Path(out)
        settings = file_settings(run, fitted, data, path)
        how: dict[str, Any] = {"threshold": threshold, "explained": explained, "keep": keep, "small": True}
        how["cluster"] = cluster_of(path_of(asked), on)
        streamed = None if estimate else stream_scores(fitted, settings, path, **how)
        return written(streamed, fitted, path).summary
    check_partitioned(on)
    data = shared_reading(run, fitted, data)
    if is_array_or_frame(data):
        return fitted.score(data, threshold=threshold, keep=keep, explained=explained, estimate=estimate)
    rows = open_rows(run, fitted, data, keep_unknown=True)
    result = scoring.score(fitted, rows.dataset, threshold, explained, estimate=estimate)
    return answer_columns(rows, fitted, keep, SCORE_COLUMNS, result)


def cluster(asked: Asked, data: AnyData | None = None, *, keep: Sequence[str] = (), device: str | None = None) -> Any:
    """Assign rows to their most probable component; outliers get −1.

    Arguments:
        asked: a run, a trained model, or the path of a run or model folder.
        data: as for `train`. Defaults to all rows of the run's own data.
        keep: columns of the table to copy to the result. Defaults to none.
        device: where the model computes. Defaults to the host.

    Returns:
        For a table in memory or in a file, a table: the kept columns, `cluster` and the `probability` of it. Otherwise
        a `ClusterResult`.

    Raises:
        ConfigError: the model has no components; or a column to keep is unknown.
        DataError: the rows do not fit the model.
    """
    run, fitted = open_asked(asked, device)
    check_capable(fitted, "cluster", "components")
    data = shared_reading(run, fitted, data)
    if is_array_or_frame(data):
        return fitted.cluster(data, keep=keep)
    rows = open_rows(run, fitted, data)
    return answer_columns(rows, fitted, keep, CLUSTER_COLUMNS, clustering.cluster(fitted, rows.dataset))
