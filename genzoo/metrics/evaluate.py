"""Score, cluster, embed and evaluate rows with a trained model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import adjusted_rand_score

from genzoo.data.dataset import Dataset, Rows
from genzoo.errors import ConfigError
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.evaluator import MOST_EVENTS, Chosen, compute_metrics, find_extractor, make_reference
from genzoo.metrics.likelihood import DRAWS, kind_of, log_likelihoods, measure_of, named_rows, uncovered
from genzoo.metrics.metric import Metric, Score
from genzoo.models.base import Outliers
from genzoo.plugins.manager import get_registry
from genzoo.typing import Array


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """Log-likelihoods of events.

    Arguments:
        log_likelihood: nats, in data units, `(N,)`; NaN of rows without any value.
        kind: `exact` or `lower bound (N draws)`.
        threshold: the log-likelihood below which events are flagged, or `None`.
        uncovered: rows outside the box of a model that has a component of outliers.
    """

    log_likelihood: Array
    kind: str
    threshold: float | None
    uncovered: Rows

    @property
    def flagged(self) -> Array | None:
        """Which events lie below the threshold, `(N,)` bool; never those without any value."""
        return None if self.threshold is None else self.log_likelihood < self.threshold

    @property
    def unobserved(self) -> Rows:
        """Rows without any value."""
        return np.flatnonzero(np.isnan(self.log_likelihood))

    @property
    def mean(self) -> float | None:
        """Of the log-likelihoods of the other rows, where there are any."""
        known = self.log_likelihood[~np.isnan(self.log_likelihood)]
        return float(known.mean()) if len(known) else None


def score(fitted: TrainedModel, dataset: Dataset, quantile: float | None = None) -> ScoreResult:
    """The log-likelihood of every event.

    Arguments:
        quantile: flag events below this quantile of the validation scores that are kept with the model.

    Raises:
        ConfigError: the model has no likelihood, or no validation scores to take a quantile of.
        DataError: the events have another form than those it was trained on.
    """
    kind = kind_of(fitted)
    if kind == "none":
        raise ConfigError(f"Model {fitted.model!r} cannot do this: it has no 'likelihood'.")
    threshold = None if quantile is None else _threshold(fitted, quantile)
    rows = np.arange(len(dataset))
    found = log_likelihoods(fitted, dataset, rows, seed=0)
    return ScoreResult(found, kind, threshold, uncovered(fitted, dataset, rows))


def _threshold(fitted: TrainedModel, quantile: float) -> float:
    if not 0 < quantile < 1:
        raise ConfigError(f"--threshold {quantile:g} is no quantile; give one between 0 and 1, such as 0.01.")
    if fitted.validation_scores is None:
        raise ConfigError(
            f"--threshold needs the scores of validation rows, and this model of {fitted.model!r} was kept without. "
            f"Train it with validation rows (-o split.validation=0.15)."
        )
    return float(np.quantile(fitted.validation_scores, quantile))


@dataclass(frozen=True, slots=True)
class ClusterResult:
    """The component of every event.

    Arguments:
        label: the most probable component, −1 for that of outliers, `(N,)`.
        probability: of that component, `(N,)`.
        rand_index: adjusted Rand index against the labels of the data, where they have any.
    """

    label: Array
    probability: Array
    rand_index: float | None

    @property
    def sizes(self) -> dict[int, int]:
        """How many events each component has."""
        labels, counts = np.unique(self.label, return_counts=True)
        return {int(label): int(count) for label, count in zip(labels, counts, strict=True)}


def cluster(fitted: TrainedModel, dataset: Dataset) -> ClusterResult:
    """The most probable component of every event.

    Raises:
        ConfigError: the model has no components.
        DataError: the events have another form than those it was trained on.
    """
    blocks = [_assigned(fitted, block) for block in dataset.blocks(np.arange(len(dataset)))]
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
    """The posterior mean of the latent vector of every event, `(N, L)`.

    Raises:
        ConfigError: the model has no encoder.
        DataError: the events have another form than those it was trained on.
    """
    return np.concatenate([fitted.encode(block) for block in dataset.blocks(np.arange(len(dataset)))])


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How good a model is on events.

    Arguments:
        events: how many.
        kind, measure: what their log-likelihoods are.
        scores: by metric.
        reasons: why others are missing; under `uncovered`, the events where its component of outliers has no density.
        unobserved: rows without any value, which were left out.
    """

    events: int
    kind: str
    measure: str | None
    scores: Mapping[str, Score]
    reasons: Mapping[str, str]
    unobserved: Rows


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
    """Judge a model by some rows of a dataset.

    Arguments:
        rows: which; those it was trained on flatter it.
        seed: of the samples.
        features: the extractor, that of events as they are without one.
        trained_on: the events that the model was trained on, where they are known.
        split: what `rows` are called in protocols.
        samples: how many, and the most real events that they are held against; by default as many as real events,
            and at most `MOST_EVENTS`.
        draws: of a bound of the likelihood.
        average: as for `judge`.

    Raises:
        ConfigError: there are no such rows.
        DataError: the events have another form than those it was trained on.
        GenzooError: the extractor cannot be built.
    """
    chosen = features or find_extractor(get_registry(), None, dataset.spec)
    most = samples or MOST_EVENTS
    reference = make_reference(
        dataset, rows, metrics, chosen, trained_on=trained_on, split=split, most=most, device=fitted.device
    )
    found = reference.rows
    if not len(found):
        if len(rows):
            raise ConfigError("There are no rows to judge by: none has any value. Name others with --data.")
        raise ConfigError("There are no rows to judge by: the run's split has no test rows. Name others with --data.")
    judged = compute_metrics(fitted, reference, metrics, seed=seed, samples=samples, draws=draws, average=average)
    reasons = dict(judged.reasons)
    if len(beyond := uncovered(fitted, dataset, found)):
        reasons["uncovered"] = f"outside the box that holds the training rows: {named_rows(beyond)}"
    unobserved = np.setdiff1d(rows, found)
    return Evaluation(len(found), kind_of(fitted, draws), measure_of(fitted), judged.scores, reasons, unobserved)
