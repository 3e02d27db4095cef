"""Fit a candidate to all rows, and compute its information criteria."""

from __future__ import annotations

import time

import numpy as np

from genzoo.comparison.cells import too_many_parameters
from genzoo.comparison.fits.em_figures import NO_MAXIMUM, fault_of, resolution_of, starts_of
from genzoo.comparison.fits.job import FitJob, FitResult
from genzoo.comparison.fits.learned import setup_of
from genzoo.comparison.settle import settle
from genzoo.comparison.splits import SplitPlan
from genzoo.config.run_config import RunConfig
from genzoo.data.dataset import Dataset, Rows
from genzoo.engine.em import EMEngine
from genzoo.inference.row_likelihoods import (
    degrees_of_freedom,
    dimensions_of,
    kind_of,
    log_likelihoods,
    measure_of,
)
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.information_criteria import Criteria, criteria, no_criteria
from genzoo.metrics.resting import Resting
from genzoo.metrics.rounding import unfounded
from genzoo.metrics.statistics import are_frequencies
from genzoo.models.base import Components
from genzoo.models.factory import build_objective
from genzoo.models.objective import DirectObjective, EMObjective
from genzoo.plugins.manager import get_registry
from genzoo.training.model_selection import selects
from genzoo.training.run_training import train_in_memory
from genzoo.training.setup import TrainingSetup


def fit_for_criteria(dataset: Dataset, division: SplitPlan, trial: FitJob) -> FitResult:
    """Fit all rows, if the model can have information criteria."""
    begun = time.perf_counter()
    reason = _without_criteria(trial.config, dataset)
    if reason is not None:
        return FitResult(trial, time.perf_counter() - begun, criteria=no_criteria(reason))
    setup = setup_of(trial, dataset, division.split(everything=True, watched=selects(trial.config.training)))
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
        resolution=resolution_of(setup),
        starts=starts_of(setup),
        fault=fault_of(setup, resting),
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
    fault = fault_of(setup, resting)
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
