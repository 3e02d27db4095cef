"""Score, cluster, embed, reconstruct and evaluate rows with a trained model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from sklearn.metrics import adjusted_rand_score

from genzoo.config.settings import BOUND_DRAWS
from genzoo.data.columns.unseen import unseen_levels
from genzoo.data.dataset import Dataset, Rows
from genzoo.errors import ConfigError
from genzoo.inference.trained_model import TrainedModel
from genzoo.inference.usable import check_usable, impossible
from genzoo.metrics.evaluator import MOST_EVENTS, Chosen, compute_metrics, find_extractor, make_reference
from genzoo.metrics.metric import Metric, Score
from genzoo.metrics.resting import resting_on
from genzoo.metrics.row_likelihoods import (
    ScoreName,
    kind_of,
    meaning_of,
    measure_of,
    named_rows,
    row_scores,
    score_of,
    uncovered,
)
from genzoo.metrics.threshold import Threshold, conformal_threshold
from genzoo.models.base import Outliers
from genzoo.plugins.manager import get_registry
from genzoo.runtime.progress import Phase
from genzoo.typing import Array


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """Scores of rows: log-likelihoods, or anomaly scores.

    Arguments:
        name: which of them.
        values: log-likelihoods in nats, in data units, or anomaly scores, `(N,)`. NaN for rows without any value. Rows
            that are impossible under the model or too far away to compute with, and rows with a category that the
            model does not know, have a log-likelihood of minus infinity, or an infinite anomaly score.
        kind: `exact` or `lower bound (N draws)`; or what the anomaly score is, with its unit.
        threshold: what rows are flagged by, or `None`.
        uncovered: rows outside the box of the model's outlier component.
        weights: weights of the rows, `(N,)`. Defaults to `None`: equal weights.
        unseen: columns and levels that no training row has, by row. Defaults to none.
    """

    name: ScoreName
    values: Array
    kind: str
    threshold: Threshold | None
    uncovered: Rows
    weights: Array | None = None
    unseen: Mapping[int, str] = field(default_factory=dict)

    @property
    def flagged(self) -> Array | None:
        """True for rows beyond the threshold, `(N,)` bool; rows without any value are not flagged."""
        return None if self.threshold is None else self.threshold.flags(self.values)

    @property
    def unobserved(self) -> Rows:
        """Rows without any value."""
        return np.flatnonzero(np.isnan(self.values))

    @property
    def impossible(self) -> Rows:
        """Rows with an infinite score."""
        return np.flatnonzero(np.isinf(self.values))

    @property
    def mean(self) -> float | None:
        """Mean score of the rows that have a value, by weight; `None` if there are none."""
        known = ~np.isnan(self.values)
        if self.weights is None:
            return float(self.values[known].mean()) if known.any() else None
        known &= self.weights > 0
        return float(np.average(self.values[known], weights=self.weights[known])) if known.any() else None


def score(fitted: TrainedModel, dataset: Dataset, quantile: float | None = None) -> ScoreResult:
    """Compute the log-likelihood of every row; for a model without a likelihood, its anomaly score.

    Arguments:
        quantile: flag at most this share of new rows, by the scores of held-out rows that are stored with the model.
            Defaults to `None`: no row is flagged.

    Raises:
        ConfigError: the model has neither, or no stored validation scores.
        DataError: the rows do not match the model's training data.
    """
    name = score_of(fitted)
    if name is None:
        raise ConfigError(
            f"Model {fitted.model!r} cannot do this: it has neither a 'likelihood' nor an 'anomaly-score'."
        )
    above = name == "anomaly_score"
    threshold = None if quantile is None else _threshold(fitted, quantile, above)
    rows = np.arange(len(dataset))
    values = row_scores(fitted, dataset, rows, seed=0, draws=fitted.bound_draws)
    worst = np.inf if above else -np.inf
    values[impossible(-values if above else values) & ~np.isnan(values)] = worst
    values[list(dataset.unknown)] = worst
    unseen = unseen_levels(fitted.data, dataset, rows)
    meaning, outside = meaning_of(fitted, fitted.bound_draws), uncovered(fitted, dataset, rows)
    return ScoreResult(name, values, meaning, threshold, outside, dataset.weights, unseen)


def _threshold(fitted: TrainedModel, quantile: float, above: bool) -> Threshold:
    if not 0 < quantile < 1:
        raise ConfigError(f"--threshold {quantile:g} is not a quantile. Use a number between 0 and 1, such as 0.01.")
    if fitted.validation_scores is None:
        raise ConfigError(
            f"--threshold needs scores of validation rows, and this {fitted.model!r} model has none stored. "
            f"Train it with validation rows (-o split.validation=0.15)."
        )
    return conformal_threshold(fitted.validation_scores, quantile, fitted.calibration, above=above)


@dataclass(frozen=True, slots=True)
class ClusterResult:
    """The component of every row.

    Arguments:
        label: the most probable component, `(N,)`; −1 for the outlier component.
        probability: posterior probability of that component, `(N,)`.
        rand_index: adjusted Rand index against the labels of the data; `None` if the data have no labels.
    """

    label: Array
    probability: Array
    rand_index: float | None

    @property
    def sizes(self) -> dict[int, int]:
        """Number of rows of each component."""
        labels, counts = np.unique(self.label, return_counts=True)
        return {int(label): int(count) for label, count in zip(labels, counts, strict=True)}


def cluster(fitted: TrainedModel, dataset: Dataset) -> ClusterResult:
    """Assign every row to its most probable component.

    Raises:
        ArtifactError, DivergenceError: the weights are unusable.
        ConfigError: the model has no components.
        DataError: the rows do not match the model's training data.
    """
    rows = np.arange(len(dataset))
    with Phase("finding clusters", len(rows), "rows") as phase:
        blocks = [_assigned(fitted, block) for block in phase.over(dataset.blocks(rows), len)]
    if all((part[1] == part[1][0]).all() or np.isnan(part[1]).any() for part in blocks) and kind_of(fitted) != "none":
        row_scores(fitted, dataset, rows, seed=0)  # raises if no row is possible, which gives all the same posterior
    label = np.concatenate([part[0] for part in blocks])
    if isinstance(fitted.generator, Outliers):
        label = np.where(label == fitted.generator.outlier, -1, label)
    agreement = None
    if dataset.labels is not None:
        agreement = float(adjusted_rand_score(dataset.labels.astype(str), label))
    return ClusterResult(label, np.concatenate([part[1] for part in blocks]), agreement)


def _assigned(fitted: TrainedModel, events: Array) -> tuple[Array, Array]:
    posterior = fitted.log_posterior(events)
    return posterior.argmax(axis=1), np.exp(posterior.max(axis=1).astype(np.float64))


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

    with Phase(f"computing each {name}", len(dataset), "rows") as phase:
        blocks = phase.over(dataset.blocks(np.arange(len(dataset))), len)
        answers = np.concatenate([compute(block) for block in blocks])
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
    draws: int = BOUND_DRAWS,
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
        draws: number of draws for a likelihood bound. Defaults to `BOUND_DRAWS`.
        average: as for `compute_metrics`.

    Raises:
        ConfigError: there are no such rows.
        DataError: the rows do not match the model's training data.
        GenzooError: the extractor cannot be built.
    """
    chosen = features or find_extractor(get_registry(), None, dataset.spec)
    with Phase("evaluating"):
        return _evaluated(fitted, dataset, rows, metrics, seed, chosen, trained_on, split, samples, draws, average)


def _evaluated(
    fitted: TrainedModel,
    dataset: Dataset,
    rows: Rows,
    metrics: Sequence[Metric],
    seed: int,
    chosen: Chosen,
    trained_on: tuple[Dataset, Rows] | None,
    split: str,
    samples: int | None,
    draws: int,
    average: float | None,
) -> Evaluation:
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
