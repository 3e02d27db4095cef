"""Run one fit of a comparison, and evaluate it on held-out rows."""

from __future__ import annotations

import time
from collections.abc import Mapping

import numpy as np

from genzoo.comparison.cost import train_with_cost
from genzoo.comparison.fits.criteria import fit_for_criteria
from genzoo.comparison.fits.em_figures import fault_of, resolution_of, starts_of
from genzoo.comparison.fits.job import FitJob, FitResult
from genzoo.comparison.fits.learned import check_scored, columns_of, given_conditions, setup_of
from genzoo.comparison.fits.sample_metrics import compare_samples
from genzoo.comparison.fits.validated import fit_for_search, material
from genzoo.comparison.splits import SplitPlan
from genzoo.data.columns.unseen import about_unseen, unseen_levels
from genzoo.data.dataset import Dataset, Rows
from genzoo.errors import DivergenceError, GenzooError, explain_out_of_memory
from genzoo.inference.row_likelihoods import (
    about_uncovered,
    degrees_of_freedom,
    dimensions_of,
    kind_of,
    log_likelihoods,
    measure_of,
    row_scores,
    score_of,
    solver_error,
    uncovered,
)
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.metric import Score
from genzoo.metrics.rounding import unfounded
from genzoo.plugins.registry import blame
from genzoo.reports.result import Cost
from genzoo.reports.sections import how_many
from genzoo.runtime.progress import Phase
from genzoo.training.model_selection import selects
from genzoo.training.run_training import train_in_memory
from genzoo.typing import Array
from genzoo.wording import argument, setting_name


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


def _held_out(dataset: Dataset, division: SplitPlan, trial: FitJob) -> FitResult:
    """Fit the training rows, and evaluate the model on the test rows."""
    begun = time.perf_counter()
    split = division.split(everything=False, watched=selects(trial.config.training))
    own = columns_of(trial, dataset)
    setup = setup_of(trial, own, split)
    check_scored(setup, dataset)
    # Repetitions have other seeds, and cost the same.
    joint, cost = (train_in_memory(setup), Cost()) if trial.repeat else train_with_cost(setup)
    fitted = given_conditions(joint, dataset)
    seed, draws = trial.config.seed, trial.config.training.bound_draws
    kind = kind_of(fitted, draws)
    train = None
    reasons = about_uncovered(uncovered(fitted, dataset, split.test))
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
        metrics, missing = compare_samples(fitted, dataset, division, trial)
        reasons |= missing
    return FitResult(
        trial,
        time.perf_counter() - begun,
        kind,
        measure_of(fitted),
        dimensions_of(fitted),
        degrees_of_freedom(fitted),
        resolution=max(resolution_of(setup), solver_error(fitted, dataset, split.test, seed)),
        starts=starts_of(setup),
        train=train,
        scores=None if kind == "none" else held_out,
        held_out=held_out,
        metrics=metrics,
        samples=samples,
        means=means,
        reasons=reasons,
        cost=cost,
        fault=fault_of(setup, resting),
        resting=material(resting),
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


def _finite(samples: Array) -> Array | None:
    return samples if np.isfinite(samples).all() else None


def _fold(dataset: Dataset, division: SplitPlan, trial: FitJob) -> FitResult:
    """Fit all rows except one fold, and compute the log-likelihoods of that fold."""
    begun = time.perf_counter()
    split = division.without(trial.fold, watched=selects(trial.config.training))
    own = columns_of(trial, dataset)
    setup = setup_of(trial, own, split)
    check_scored(setup, dataset)
    joint = train_in_memory(setup)
    fitted = given_conditions(joint, dataset)
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
        fault=fault_of(setup, resting),
        resting=material(resting),
    )


_PURPOSES = {"criteria": fit_for_criteria, "held-out": _held_out, "fold": _fold, "validation": fit_for_search}
