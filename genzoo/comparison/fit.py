"""Run one fit of a comparison, and compute its figures."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from genzoo.comparison.cells import too_many_parameters
from genzoo.comparison.cost import train_with_cost
from genzoo.comparison.settle import settle
from genzoo.comparison.splits import SplitPlan
from genzoo.config.settings import EMTraining, RunConfig
from genzoo.data.columns.unseen import about_unseen, unseen_levels
from genzoo.data.conditions import joint_dataset
from genzoo.data.dataset import Dataset, Rows, Split
from genzoo.engine.em import EMEngine
from genzoo.errors import ConfigError, DivergenceError, GenzooError, explain_out_of_memory
from genzoo.inference.conditional_view import as_conditional
from genzoo.inference.row_likelihoods import (
    degrees_of_freedom,
    dimensions_of,
    kind_of,
    log_likelihoods,
    measure_of,
    named_rows,
    row_scores,
    score_of,
    uncovered,
)
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.evaluator import compute_metrics, find_metrics
from genzoo.metrics.information_criteria import Criteria, criteria, no_criteria
from genzoo.metrics.metric import Metric, Score
from genzoo.metrics.reference import Chosen, find_extractor, make_reference
from genzoo.metrics.resting import Resting
from genzoo.metrics.rounding import unfounded
from genzoo.metrics.statistics import are_frequencies
from genzoo.models.base import Components
from genzoo.models.factory import build_objective
from genzoo.models.objective import DirectObjective, EMObjective
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Registry, blame
from genzoo.reports.result import Cost
from genzoo.reports.sections import how_many
from genzoo.runtime.progress import Phase
from genzoo.training.model_selection import selects
from genzoo.training.run_training import train_in_memory
from genzoo.training.setup import TrainingSetup, build_setup
from genzoo.typing import Array
from genzoo.wording import argument, setting_name

Purpose = Literal["criteria", "held-out", "fold"]


NO_MAXIMUM = "no proper maximum of the likelihood"
"""Beginning of the reason why figures of a degenerate fit are missing or not ranked."""


MOST_EVENTS = 2_000
"""Largest number of real rows for sample metrics, and of samples. It is small because candidates can be many."""


@dataclass(frozen=True, slots=True)
class FitJob:
    """One fit to run.

    Arguments:
        candidate: number of the candidate.
        config: its settings.
        purpose: `criteria` (information criteria from all rows), `held-out` (test figures) or `fold` (one fold of
            cross-validation).
        fold: number of the fold.
        repeat: number of the repetition, from 0. Each uses the next seed.
        features: feature extractor of sample metrics, `NAME` or `NAME=FILE`. Defaults to rows as they are.
        name: id of the candidate, for the display of progress. Defaults to none.
        target: name of the column that metrics predict. Defaults to none.
    """

    candidate: int
    config: RunConfig
    purpose: Purpose
    fold: int = 0
    repeat: int = 0
    features: str | None = None
    name: str = ""
    target: str | None = None

    @property
    def label(self) -> str:
        """What is fitted, as text."""
        which = {"fold": f", fold {self.fold + 1}", "criteria": " on all rows"}.get(self.purpose, "")
        return f"{self.name or self.config.model}{which}{f', seed {self.repeat + 1}' if self.repeat else ''}"

    def spares(self, other: FitJob) -> bool:
        """Return whether a failure of this fit makes `other` useless.

        A candidate whose fit to all rows failed has no figure at all. Without a held-out fit it has neither test
        figures nor cross-validation, and without one fold no cross-validation.
        """
        order = ("criteria", "held-out", "fold")
        return self.candidate == other.candidate and order.index(self.purpose) <= order.index(other.purpose)


@dataclass(frozen=True, slots=True)
class FitResult:
    """The figures of one fit.

    Arguments:
        trial: the fit.
        seconds: duration of training and evaluation.
        kind: kind of its log-likelihoods: `exact`, `lower bound (N draws)` or `none`.
        measure: what they measure, such as `density`; `None` if there are none.
        dimensions: numbers per image, if the log-likelihood is a probability mass of images; otherwise `None`.
        degrees_of_freedom: free parameters of the fitted model, if they are defined.
        criteria: information criteria, from a fit for that purpose.
        resolution: smallest meaningful difference of log-likelihoods, nats per row. Smaller ones depend on when EM
            stopped. 0 for models that EM does not train.
        train: mean log-likelihood of the training rows, nats per row.
        scores: log-likelihoods of the test rows, `(N,)`.
        held_out: the same or, for a model without a likelihood, anomaly scores, `(N,)`; `None` if it has neither.
        metrics: scores of sample metrics, by name.
        samples: a few samples for the report, `(M, *event)`; `None` if any is not finite.
        means: whether these are means, without the noise that the model adds to images. Defaults to false.
        reasons: why other figures are missing, by name.
        cost: what the fit cost; only known of the first held-out fit.
        starts: how many starts of EM were `tried`, and how many `agreed` on the best maximum; `None` if there was one.
        fault: why the fit is no proper maximum of the likelihood, such as a component that collapsed; `None` if it is.
        resting: why the log-likelihood of the rows it is evaluated on says nothing about the data; `None` if it does.
        failure: error message, if the fit failed.
        exit_code: exit code for the failure on a command line.
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
    held_out: Array | None = None
    metrics: Mapping[str, Score] = field(default_factory=dict)
    samples: Array | None = None
    means: bool = False
    reasons: Mapping[str, str] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    starts: Mapping[str, int] | None = None
    fault: str | None = None
    resting: str | None = None
    failure: str | None = None
    exit_code: int = 0


def run_fit_job(dataset: Dataset, division: SplitPlan, trial: FitJob) -> FitResult:
    """Run one fit. An error becomes a result with a `failure`."""
    begun = time.perf_counter()
    try:
        with (
            Phase(trial.label, 1, part=1),
            explain_out_of_memory(
                f"model {trial.config.model!r} was fitted",
                f"lower its size or {setting_name('training.batch_size')}, run fewer {argument('jobs')}, or use "
                f"fewer rows",
            ),
            blame(f"Model {trial.config.model!r}"),
        ):
            return _PURPOSES[trial.purpose](dataset, division, trial)
    except GenzooError as error:
        return FitResult(trial, time.perf_counter() - begun, failure=str(error), exit_code=error.exit_code)


def _criteria(dataset: Dataset, division: SplitPlan, trial: FitJob) -> FitResult:
    """Fit all rows, if the model can have information criteria."""
    begun = time.perf_counter()
    reason = _without_criteria(trial.config, dataset)
    if reason is not None:
        return FitResult(trial, time.perf_counter() - begun, criteria=no_criteria(reason))
    setup = _setup_of(trial, dataset, division.split(everything=True, watched=selects(trial.config.training)))
    reason = _without_criteria_once_built(setup, dataset, division.rows)
    if reason is not None:
        return FitResult(trial, time.perf_counter() - begun, criteria=no_criteria(reason))
    fitted = train_in_memory(setup)
    settle(setup, len(division.rows) if dataset.weights is None else float(dataset.weights[division.rows].sum()))
    resting = unfounded(fitted, dataset, division.rows)
    found = _judge_fit(setup, fitted, dataset, division.rows, resting)
    return FitResult(
        trial,
        time.perf_counter() - begun,
        kind_of(fitted),
        measure_of(fitted),
        dimensions_of(fitted),
        degrees_of_freedom(fitted),
        criteria=found,
        resolution=_resolution(setup),
        starts=_starts(setup),
        fault=_fault(setup, resting),
        resting=None if resting is None else resting.reason,
    )


def _without_criteria(config: RunConfig, dataset: Dataset) -> str | None:
    """Return why a model has no information criteria, as far as its spec and the data show; otherwise `None`."""
    zoo = get_registry()
    model = zoo.models.get(config.model)
    if dataset.conditions is not None and config.data.joint:
        return "fitted to all columns jointly, not to the maximum of the likelihood given the conditions"
    if "likelihood" not in model.spec.capabilities:
        return "no exact likelihood"
    objective = build_objective(zoo.objective_of(model, config.objective.name), config.objective.options)
    if isinstance(objective, DirectObjective):
        if not objective.exact_maximum:
            return "a direct fit that does not end at the maximum of the likelihood"
    elif not isinstance(objective, EMObjective):
        return "trained by gradients, not to the maximum of the likelihood"
    if dataset.weights is not None and not are_frequencies(dataset.weights):
        return "the weights are not whole numbers"
    return None


def _without_criteria_once_built(setup: TrainingSetup, dataset: Dataset, rows: Rows) -> str | None:
    """Return why a model, once built, has no information criteria for these data; otherwise `None`."""
    if setup.transform.degrees_of_freedom is None:
        return "its transform follows the training rows without a number of parameters"
    if setup.dequantizer is not None:
        return "the data lie on a grid, where the model's density only bounds the likelihood"
    degrees = degrees_of_freedom(setup.trained_model)
    if degrees is None:
        return "its degrees of freedom are not defined"
    return too_many_parameters(setup.engine.trained, degrees, dataset, rows)


def _judge_fit(
    setup: TrainingSetup, fitted: TrainedModel, dataset: Dataset, rows: Rows, resting: Resting | None
) -> Criteria:
    """Compute the information criteria of a fit to `rows`.

    Arguments:
        resting: what its density rests on, other than the data.
    """
    engine = setup.engine
    if isinstance(engine, EMEngine) and engine.kept is not None and not engine.converged:
        return no_criteria(f"not converged after {engine.kept['passes']} passes (training.max_iter allows more)")
    fault = _fault(setup, resting)
    if fault is not None:
        return no_criteria(f"{NO_MAXIMUM}: {fault}")
    degrees = degrees_of_freedom(fitted)
    assert degrees is not None
    weights = np.ones(len(rows)) if dataset.weights is None else dataset.weights[rows]
    total = float(log_likelihoods(fitted, dataset, rows, setup.config.seed) @ weights)
    assigned = None  # of ICL (Biernacki, Celeux and Govaert, 2000): log-posterior of each row's likeliest component
    if isinstance(fitted.generator, Components):
        surest = [fitted.log_posterior(block).max(axis=1) for block in dataset.given_blocks(rows)]
        assigned = float(np.concatenate(surest).astype(np.float64) @ weights)
    return criteria(total, degrees, float(weights.sum()), assigned)


def _fault(setup: TrainingSetup, resting: Resting | None) -> str | None:
    """Return why a fit by EM is no proper maximum of the likelihood, as a clause; `None` if it is, and for other fits.

    Arguments:
        resting: what its density rests on, other than the data.
    """
    engine = setup.engine
    if not isinstance(engine, EMEngine) or engine.kept is None or engine.kept["fault"] is None:
        return None
    return str(engine.kept["fault"]) + ("" if resting is None else f"; {resting.reason}")


def _resolution(setup: TrainingSetup) -> float:
    """Return the smallest meaningful difference of log-likelihoods, nats per row.

    EM stops when one pass changes the mean by less than `tol`. If it converges slowly, the distance to the maximum is a
    multiple of that last change. Ten times `tol` is a cautious value.
    """
    training = setup.config.training
    return 10 * training.tol if isinstance(training, EMTraining) else 0.0


def _starts(setup: TrainingSetup) -> Mapping[str, int] | None:
    return setup.engine.starts if isinstance(setup.engine, EMEngine) else None


def _held_out(dataset: Dataset, division: SplitPlan, trial: FitJob) -> FitResult:
    """Fit the training rows, and evaluate the model on the test rows."""
    begun = time.perf_counter()
    split = division.split(everything=False, watched=selects(trial.config.training))
    own = _columns_of(trial, dataset)
    setup = _setup_of(trial, own, split)
    # Repetitions have other seeds, and cost the same.
    joint, cost = (train_in_memory(setup), Cost()) if trial.repeat else train_with_cost(setup)
    fitted = _given_conditions(joint, dataset)
    seed, draws = trial.config.seed, trial.config.training.bound_draws
    kind = kind_of(fitted, draws)
    train = None
    reasons: dict[str, str] = {}
    if len(beyond := uncovered(fitted, dataset, split.test)):
        reasons["uncovered"] = f"outside the box that holds the training rows: {named_rows(beyond)}"
    if unseen := unseen_levels(joint.data, own, split.test):
        reasons["unseen"] = about_unseen(unseen)
    if kind != "none":
        known = log_likelihoods(fitted, dataset, split.train, seed, draws)
        train = float(np.average(known, weights=None if dataset.weights is None else dataset.weights[split.train]))
    held_out = _scores_of(fitted, dataset, split.test, seed, draws)
    metrics: Mapping[str, Score] = {}
    samples, means = None, False
    resting = unfounded(fitted, dataset, split.test, trained=(joint, own))
    if trial.repeat == 0:
        drawn, means = fitted.sample_shown(how_many(fitted.data), seed=seed)
        samples = _finite(drawn)
        metrics, missing = _sample_metrics(fitted, dataset, division, trial)
        reasons |= missing
    return FitResult(
        trial,
        time.perf_counter() - begun,
        kind,
        measure_of(fitted),
        dimensions_of(fitted),
        degrees_of_freedom(fitted),
        resolution=_resolution(setup),
        starts=_starts(setup),
        train=train,
        scores=None if kind == "none" else held_out,
        held_out=held_out,
        metrics=metrics,
        samples=samples,
        means=means,
        reasons=reasons,
        cost=cost,
        fault=_fault(setup, resting),
        resting=_material(resting),
    )


def _scores_of(fitted: TrainedModel, dataset: Dataset, rows: Rows, seed: int, draws: int) -> Array | None:
    """Return log-likelihoods of rows, or else anomaly scores; `None` if the model has neither or there are no rows."""
    if not len(rows) or score_of(fitted) is None:
        return None
    try:
        return row_scores(fitted, dataset, rows, seed, draws)
    except DivergenceError:
        if kind_of(fitted) != "none":
            raise
        return None  # the comparison does not rank by anomaly scores


def _material(resting: Resting | None) -> str | None:
    """Return what a mean log-likelihood rests on, if that matters."""
    return resting.reason if resting is not None and resting.material else None


def _sample_metrics(
    fitted: TrainedModel, dataset: Dataset, division: SplitPlan, trial: FitJob
) -> tuple[Mapping[str, Score], Mapping[str, str]]:
    """Compare samples with the test rows; return the scores, and why others are missing.

    Memorization is measured on the rows that every candidate trains on. Candidates with and without validation rows are
    then comparable.
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
        target=trial.target,
    )
    found = compute_metrics(fitted, reference, metrics, seed=config.seed, average=config.ema)
    return found.scores, found.reasons


def prepare_features(chosen: Chosen, dataset: Dataset, device: str) -> dict[str, Any]:
    """Build the feature extractor of sample metrics once, and return its protocol.

    This happens before any fit. Weights that cannot be loaded are an error of the call, and not of one candidate.

    Raises:
        GenzooError: the extractor cannot be built.
    """
    return {
        "features": chosen.entry.spec.name,
        **chosen.build(dataset, np.asarray(dataset.events[:1]), device).protocol,
    }


def sample_metrics(zoo: Registry) -> tuple[Metric, ...]:
    """Return the metrics that a comparison computes from samples. Likelihoods have their own columns."""
    return tuple(metric for metric in find_metrics(zoo) if "likelihood" not in metric.needs)


def _finite(samples: Array) -> Array | None:
    return samples if np.isfinite(samples).all() else None


def _fold(dataset: Dataset, division: SplitPlan, trial: FitJob) -> FitResult:
    """Fit all rows except one fold, and compute the log-likelihoods of that fold."""
    begun = time.perf_counter()
    split = division.without(trial.fold, watched=selects(trial.config.training))
    own = _columns_of(trial, dataset)
    setup = _setup_of(trial, own, split)
    joint = train_in_memory(setup)
    fitted = _given_conditions(joint, dataset)
    config = trial.config
    held_out = _scores_of(fitted, dataset, split.test, config.seed, config.training.bound_draws)
    resting = unfounded(fitted, dataset, split.test, trained=(joint, own))
    unseen = unseen_levels(joint.data, own, split.test)
    return FitResult(
        trial,
        time.perf_counter() - begun,
        scores=None if kind_of(fitted) == "none" else held_out,
        held_out=held_out,
        reasons={"unseen": f"in fold {trial.fold}, {about_unseen(unseen)}"} if unseen else {},
        fault=_fault(setup, resting),
        resting=_material(resting),
    )


_PURPOSES = {"criteria": _criteria, "held-out": _held_out, "fold": _fold}


def _columns_of(trial: FitJob, dataset: Dataset) -> Dataset:
    """Return the columns that a candidate learns: a model that is not conditional learns conditions jointly.

    Raises:
        ConfigError: it cannot be scored given conditions.
    """
    if dataset.conditions is None or not trial.config.data.joint:
        return dataset
    spec = get_registry().models.get(trial.config.model).spec
    if not (spec.missing and "likelihood" in spec.capabilities):
        names = ", ".join(feature.name for feature in dataset.spec.condition)
        raise ConfigError(
            f"Model {spec.name!r} cannot be scored given {names}: it is not conditional, and has no exact likelihood "
            f"of some columns alone."
        )
    return joint_dataset(dataset)


def _given_conditions(fitted: TrainedModel, dataset: Dataset) -> TrainedModel:
    """Return a model as one of events given the conditions of a dataset, if it has any."""
    if dataset.conditions is None or fitted.data.condition:
        return fitted
    return as_conditional(fitted, dataset.spec)


def _setup_of(trial: FitJob, dataset: Dataset, split: Split) -> TrainingSetup:
    config = trial.config
    if trial.repeat:
        config = config.model_copy(update={"seed": config.seed + trial.repeat})
    return build_setup(config, dataset, split)
