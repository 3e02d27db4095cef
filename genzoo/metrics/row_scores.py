"""The score that says how unusual a row is: its log-likelihood, or else the anomaly score of its model."""

from __future__ import annotations

from typing import Literal

import numpy as np

from genzoo.data.dataset import Dataset, Rows
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.row_likelihoods import DRAWS, check_finite, kind_of, log_likelihoods, observed_rows
from genzoo.models.base import AnomalyScore
from genzoo.typing import Array

ScoreName = Literal["log_likelihood", "anomaly_score"]
"""What scores are: a low log-likelihood is unusual, and so is a high anomaly score."""


def score_of(fitted: TrainedModel) -> ScoreName | None:
    """Return what a model scores rows by; `None` if it has neither."""
    if kind_of(fitted) != "none":
        return "log_likelihood"
    return "anomaly_score" if "anomaly-score" in fitted.capabilities else None


def meaning_of(fitted: TrainedModel) -> str:
    """Return what a model's scores are: the kind of its log-likelihoods, or what its anomaly score measures."""
    generator = fitted.generator
    if score_of(fitted) == "anomaly_score" and isinstance(generator, AnomalyScore):
        return generator.score_meaning
    return kind_of(fitted)


def row_scores(fitted: TrainedModel, dataset: Dataset, rows: Rows, seed: int, draws: int = DRAWS) -> Array:
    """Compute the scores of rows by which `score_of` says, `(n,)`; NaN for rows with no value.

    Arguments:
        seed, draws: seed and number of draws of a lower bound of a log-likelihood.

    Raises:
        DivergenceError: a score is not finite.
        ArtifactError: the same, for a model that was loaded from a file.
    """
    if score_of(fitted) == "log_likelihood":
        return log_likelihoods(fitted, dataset, rows, seed, draws)
    values = np.concatenate([fitted.anomaly_score(block) for block in dataset.blocks(rows)])
    check_finite(fitted, ~np.isfinite(values), "anomaly score")
    values[~np.isin(rows, observed_rows(dataset, rows))] = np.nan
    return values
