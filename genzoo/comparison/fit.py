"""One fit of a comparison and the figures taken from it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from genzoo.comparison.splits import SplitPlan
from genzoo.config.settings import EMTraining, RunConfig
from genzoo.data.dataset import Dataset, Rows, Split
from genzoo.engine.em import EMEngine
from genzoo.errors import GenzooError
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.evaluator import Chosen, compute_metrics, find_extractor, find_metrics, make_reference
from genzoo.metrics.information_criteria import Criteria, criteria, no_criteria
from genzoo.metrics.likelihood import (
    degrees_of_freedom,
    dimensions_of,
    kind_of,
    log_likelihoods,
    measure_of,
    named_rows,
    uncovered,
)
from genzoo.metrics.metric import Metric, Score
from genzoo.metrics.statistics import are_frequencies
from genzoo.models.base import Components
from genzoo.models.factory import build_objective
from genzoo.models.objective import EMObjective
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Registry, blame
from genzoo.reports.sections import how_many
from genzoo.training.model_selection import selects
from genzoo.training.run_training import train_in_memory
from genzoo.training.setup import TrainingSetup, build_setup
from genzoo.typing import Array

Purpose = Literal["criteria", "held-out", "fold"]


MOST_EVENTS = 2_000
"""Real events that metrics of samples are computed from, and as many samples: candidates may be many."""


@dataclass(frozen=True, slots=True)
class FitJob:
    """One fit to be made.

    Arguments:
        candidate: number of the candidate.
        config: of the candidate.
        purpose: information criteria of all rows, held-out figures, or one fold of cross-validation.
        fold: number of the fold.
        repeat: number of the seed, from 0, of fits that are repeated.
        features: name of the extractor that metrics of samples use; that of events as they are without one.
    """

    candidate: int
    config: RunConfig
    purpose: Purpose
    fold: int = 0
    repeat: int = 0
    features: str | None = None

    def spares(self, other: FitJob) -> bool:
        """Whether, once this fit has failed, nothing is left that `other` could tell of their candidate.

        Without a fit to all rows nothing is told; without every held-out fit neither their figures nor those of
        cross-validation; without every fold no cross-validation.
        """
        order = ("criteria", "held-out", "fold")
        return self.candidate == other.candidate and order.index(self.purpose) <= order.index(other.purpose)


@dataclass(frozen=True, slots=True)
class FitResult:
    """What one fit gave.

    Arguments:
        trial: the fit.
        seconds: of training and judging.
        kind: of its log-likelihoods: `exact`, `lower bound (N draws)` or `none`.
        measure: what they measure; `None` where there are none.
        dimensions: numbers in an event of images whose probability mass they are; `None` of all others.
        degrees_of_freedom: of the fitted model.
        criteria: of a fit for that purpose.
        resolution: nats per event below which the log-likelihood is a matter of when EM stopped; 0 of other fits.
        train: mean log-likelihood of the training rows, nats per event.
        scores: log-likelihoods of the test rows.
        metrics: by name, of samples beside the test rows.
        samples: a few, to be shown; `None` where they are not finite.
        reasons: why other figures are missing.
        failure: why there is nothing at all.
        exit_code: what the failure means for a command line.
    """

    trial: FitJob
    seconds: float = 0.0
    kind: str = "none"
    measure: str | None = None
    dimensions: int | None = None
    degrees_of_freedom: int | None = None
    criteria: Criteria | None = None
    resolution: float = 0.0
    train: float | None = None
    scores: Array | None = None
    metrics: Mapping[str, Score] = field(default_factory=dict)
    samples: Array | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    failure: str | None = None
    exit_code: int = 0


def run_fit_job(dataset: Dataset, division: SplitPlan, trial: FitJob) -> FitResult:
    """Make one fit; whatever goes wrong in it is its outcome."""
    begun = time.perf_counter()
    try:
        with blame(f"Model {trial.config.model!r}"):
            return _PURPOSES[trial.purpose](dataset, division, trial)
    except (GenzooError, MemoryError) as error:
        text = str(error) or type(error).__name__
        code = error.exit_code if isinstance(error, GenzooError) else 1
        return FitResult(trial, time.perf_counter() - begun, failure=text, exit_code=code)


def _criteria(dataset: Dataset, division: SplitPlan, trial: FitJob) -> FitResult:
    """Fit all rows, if the model is one that has information criteria."""
    begun = time.perf_counter()
    reason = _without_criteria(trial.config, dataset)
    if reason is not None:
        return FitResult(trial, time.perf_counter() - begun, criteria=no_criteria(reason))
    prepared = _prepare(trial, dataset, division.split(everything=True, watched=selects(trial.config.training)))
    reason = _without_criteria_once_built(prepared)
    if reason is not None:
        return FitResult(trial, time.perf_counter() - begun, criteria=no_criteria(reason))
    fitted = train_in_memory(prepared)
    found = _judge_fit(prepared, fitted, dataset, division.rows)
    return FitResult(
        trial,
        time.perf_counter() - begun,
        kind_of(fitted),
        measure_of(fitted),
        dimensions_of(fitted),
        degrees_of_freedom(fitted.generator),
        criteria=found,
        resolution=_resolution(prepared),
    )


def _without_criteria(config: RunConfig, dataset: Dataset) -> str | None:
    """Why a model has no information criteria, as far as that is known before it is built."""
    zoo = get_registry()
    model = zoo.models.get(config.model)
    if "likelihood" not in model.spec.capabilities:
        return "no exact likelihood"
    objective = zoo.objective_of(model, config.objective.name)
    if not isinstance(build_objective(objective, config.objective.options), EMObjective):
        return "trained by gradients, not to the maximum of the likelihood"
    if dataset.weights is not None and not are_frequencies(dataset.weights):
        return "the weights are not whole numbers"
    return None


def _without_criteria_once_built(prepared: TrainingSetup) -> str | None:
    """Why a model that is built has no information criteria on these data."""
    if prepared.dequantizer is not None:
        return "the data lie on a grid, where a density only bounds the likelihood"
    if degrees_of_freedom(prepared.engine.trained) is None:
        return "degrees of freedom are not defined for it"
    return None


def _judge_fit(prepared: TrainingSetup, fitted: TrainedModel, dataset: Dataset, rows: Rows) -> Criteria:
    """The criteria of a fit to `rows`."""
    engine = prepared.engine
    assert isinstance(engine, EMEngine)
    assert engine.kept is not None
    if not engine.converged:
        return no_criteria(f"not converged after {engine.kept['passes']} passes (training.max_iter allows more)")
    if engine.kept["fault"] is not None:
        return no_criteria(f"no proper maximum of the likelihood: {engine.kept['fault']}")
    degrees = degrees_of_freedom(fitted.generator)
    assert degrees is not None
    weights = np.ones(len(rows)) if dataset.weights is None else dataset.weights[rows]
    total = float(log_likelihoods(fitted, dataset, rows, prepared.config.seed) @ weights)
    assigned = None
    if isinstance(fitted.generator, Components):
        surest = [fitted.log_posterior(block).max(axis=1) for block in dataset.blocks(rows)]
        assigned = float(np.concatenate(surest).astype(np.float64) @ weights)
    return criteria(total, degrees, float(weights.sum()), assigned)


def _resolution(prepared: TrainingSetup) -> float:
    """EM's last change is a small part of what is left where it converges slowly."""
    training = prepared.config.training
    return 10 * training.tol if isinstance(training, EMTraining) else 0.0


def _held_out(dataset: Dataset, division: SplitPlan, trial: FitJob) -> FitResult:
    """Fit the training rows, and judge the model by the test rows."""
    begun = time.perf_counter()
    split = division.split(everything=False, watched=selects(trial.config.training))
    prepared = _prepare(trial, dataset, split)
    fitted = train_in_memory(prepared)
    seed = trial.config.seed
    kind = kind_of(fitted)
    train = scores = None
    reasons: dict[str, str] = {}
    if len(beyond := uncovered(fitted, dataset, split.test)):
        reasons["uncovered"] = f"outside the box that holds the training rows: {named_rows(beyond)}"
    if kind != "none":
        known = log_likelihoods(fitted, dataset, split.train, seed)
        train = float(np.average(known, weights=None if dataset.weights is None else dataset.weights[split.train]))
        scores = log_likelihoods(fitted, dataset, split.test, seed) if len(split.test) else None
    metrics: Mapping[str, Score] = {}
    samples = None
    if trial.repeat == 0:
        samples = _finite(fitted.sample(how_many(fitted.data), seed=seed))
        metrics, missing = _sample_metrics(fitted, dataset, division, trial)
        reasons |= missing
    return FitResult(
        trial,
        time.perf_counter() - begun,
        kind,
        measure_of(fitted),
        dimensions_of(fitted),
        degrees_of_freedom(fitted.generator),
        resolution=_resolution(prepared),
        train=train,
        scores=scores,
        metrics=metrics,
        samples=samples,
        reasons=reasons,
    )


def _sample_metrics(
    fitted: TrainedModel, dataset: Dataset, division: SplitPlan, trial: FitJob
) -> tuple[Mapping[str, Score], Mapping[str, str]]:
    """Metrics of samples beside the test rows, and why others are missing.

    Copies are looked for among the rows that every candidate is trained on, with validation rows or without.
    """
    common = division.split(everything=False, watched=True)
    zoo, config = get_registry(), trial.config
    metrics = sample_metrics(zoo)
    extractor = find_extractor(zoo, trial.features, dataset.spec)
    reference = make_reference(
        dataset,
        common.test,
        metrics,
        extractor,
        trained_on=(dataset, common.train),
        most=MOST_EVENTS,
        device=fitted.device,
    )
    found = compute_metrics(fitted, reference, metrics, seed=config.seed, average=config.ema)
    return found.scores, found.reasons


def prepare_features(chosen: Chosen, dataset: Dataset, device: str) -> dict[str, Any]:
    """What metrics of samples look at, for a protocol; weights that they need are made now, or refused.

    Raises:
        GenzooError: the extractor cannot be built.
    """
    return {
        "features": chosen.entry.spec.name,
        **chosen.build(dataset, np.asarray(dataset.events[:1]), device).protocol,
    }


def sample_metrics(zoo: Registry) -> tuple[Metric, ...]:
    """Those that a comparison computes; likelihoods have columns of their own."""
    return tuple(metric for metric in find_metrics(zoo) if "likelihood" not in metric.needs)


def _finite(samples: Array) -> Array | None:
    return samples if np.isfinite(samples).all() else None


def _fold(dataset: Dataset, division: SplitPlan, trial: FitJob) -> FitResult:
    """Fit all rows but one fold, and score that fold."""
    begun = time.perf_counter()
    split = division.without(trial.fold, watched=selects(trial.config.training))
    fitted = train_in_memory(_prepare(trial, dataset, split))
    scores = None
    if kind_of(fitted) != "none":
        scores = log_likelihoods(fitted, dataset, split.test, trial.config.seed)
    return FitResult(trial, time.perf_counter() - begun, scores=scores)


_PURPOSES = {"criteria": _criteria, "held-out": _held_out, "fold": _fold}


def _prepare(trial: FitJob, dataset: Dataset, split: Split) -> TrainingSetup:
    config = trial.config
    if trial.repeat:
        config = config.model_copy(update={"seed": config.seed + trial.repeat})
    return build_setup(config, dataset, split)
