"""Embed, reconstruct and evaluate rows with a trained model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from genzoo.data.columns.unseen import unseen_levels
from genzoo.data.dataset import Dataset, Rows
from genzoo.errors import ConfigError
from genzoo.inference.row_likelihoods import (
    DRAWS,
    kind_of,
    measure_of,
    named_rows,
    uncovered,
)
from genzoo.inference.trained_model import TrainedModel
from genzoo.inference.usable import check_usable
from genzoo.metrics.evaluator import MOST_EVENTS, Chosen, compute_metrics, find_extractor, make_reference
from genzoo.metrics.metric import Metric, Score
from genzoo.metrics.resting import resting_on
from genzoo.plugins.manager import get_registry
from genzoo.typing import Array


def embed(fitted: TrainedModel, dataset: Dataset) -> Array:
    """Return the latent vector of every row, a posterior mean or a code, `(N, L)`.

    Raises:
        ArtifactError, DivergenceError: the weights are unusable.
        ConfigError: the model has no encoder.
        DataError: the rows do not match the model's training data.
    """
    return _usable(fitted, dataset, fitted.encode, "latent vector")


def reconstruct(fitted: TrainedModel, dataset: Dataset) -> Array:
    """Return the reconstruction of every row, `(N, *event)`.

    Raises:
        ArtifactError, DivergenceError: the weights are unusable.
        ConfigError: the model cannot reconstruct.
        DataError: the rows do not match the model's training data.
    """
    return _usable(fitted, dataset, fitted.reconstruct, "reconstruction")


def _usable(fitted: TrainedModel, dataset: Dataset, compute: Callable[[Array], Array], name: str) -> Array:
    """Compute an answer for every row, and check that it does not fail for all because of the weights."""

    def bad(answers: Array) -> Array:
        return np.asarray(~np.isfinite(answers.reshape(len(answers), -1)).all(axis=1))

    answers = np.concatenate([compute(block) for block in dataset.blocks(np.arange(len(dataset)))])
    check_usable(fitted, bad(answers), name, lambda events: bad(compute(events)))
    return answers


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of a model on rows of a dataset.

    Arguments:
        events: number of rows.
        kind, measure: kind and measure of their log-likelihoods.
        scores: scores by the name of the metric.
        reasons: why other scores are missing, by the name of the metric. The key `uncovered` lists rows outside the
            box of the model's outlier component, which has no density there.
        unobserved: rows without any value, which were left out.
        density_rests_on: why the log-likelihood says nothing about the data; `None` if it does.
        unseen: columns and levels that no training row has, by row. Defaults to none.
    """

    events: int
    kind: str
    measure: str | None
    scores: Mapping[str, Score]
    reasons: Mapping[str, str]
    unobserved: Rows
    density_rests_on: str | None = None
    unseen: Mapping[int, str] = field(default_factory=dict)


def evaluate(
    fitted: TrainedModel,
    dataset: Dataset,
    rows: Rows,
    metrics: Sequence[Metric],
    *,
    seed: int,
    features: Chosen | None = None,
    trained_on: tuple[Dataset, Rows] | None = None,
    split: str = "test",
    samples: int | None = None,
    draws: int = DRAWS,
    average: float | None = None,
) -> Evaluation:
    """Compute metrics of a model on rows of a dataset.

    Arguments:
        rows: the rows to evaluate on; rows the model was trained on give scores that are too good.
        metrics: the metrics to compute.
        seed: seed of the samples.
        features: the extractor of features. Defaults to plain pixels or columns.
        trained_on: dataset and rows that the model was trained on, or `None` if unknown.
        split: name of `rows` in protocols. Defaults to "test".
        samples: number of samples, and largest number of real rows to compare them with. Defaults to the number of
            real rows, at most `MOST_EVENTS`.
        draws: number of draws for a likelihood bound. Defaults to `DRAWS`.
        average: as for `compute_metrics`.

    Raises:
        ConfigError: there are no such rows.
        DataError: the rows do not match the model's training data.
        GenzooError: the extractor cannot be built.
    """
    chosen = features or find_extractor(get_registry(), None, dataset.spec)
    most = samples or MOST_EVENTS
    reference = make_reference(
        dataset, rows, metrics, chosen, trained_on=trained_on, split=split, most=most, device=fitted.device
    )
    observed = reference.rows
    if not len(observed):
        if len(rows):
            raise ConfigError("There are no rows to evaluate on: none has any value. Use other data with --data.")
        raise ConfigError(
            "There are no rows to evaluate on: the run's split has no test rows. Use other data with --data."
        )
    results = compute_metrics(fitted, reference, metrics, seed=seed, samples=samples, draws=draws, average=average)
    reasons = dict(results.reasons)
    if len(beyond := uncovered(fitted, dataset, observed)):
        reasons["uncovered"] = f"outside the box that holds the training rows: {named_rows(beyond)}"
    unobserved = np.setdiff1d(rows, observed)
    resting = resting_on(fitted, dataset, observed)
    return Evaluation(
        len(observed),
        kind_of(fitted, draws),
        measure_of(fitted),
        results.scores,
        reasons,
        unobserved,
        None if resting is None or not resting.material else resting.reason,
        unseen_levels(fitted.data, dataset, observed),
    )
