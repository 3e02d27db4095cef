"""Fit a candidate of a search, and judge it on validation rows; the test rows stay unseen."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from genzoo.comparison.fits.em_figures import NO_MAXIMUM, fault_of
from genzoo.comparison.fits.job import FitJob, FitResult, Judgment
from genzoo.comparison.fits.learned import check_scored, columns_of, given_conditions, setup_of
from genzoo.comparison.fits.sample_metrics import compare_with_validation
from genzoo.comparison.splits import SplitPlan
from genzoo.data.dataset import Dataset, Rows
from genzoo.inference.row_likelihoods import kind_of, log_likelihoods, measure_of
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.resting import Resting
from genzoo.metrics.rounding import unfounded
from genzoo.metrics.statistics import estimate
from genzoo.models.objective import GradientObjective
from genzoo.training.model_selection import OBJECTIVE, SelectionRule
from genzoo.training.run_training import train_in_memory
from genzoo.training.setup import TrainingSetup
from genzoo.training.trainer import Callback, Step


def fit_for_search(dataset: Dataset, division: SplitPlan, trial: FitJob) -> FitResult:
    """Fit the training rows, and judge the model on the validation rows."""
    begun = time.perf_counter()
    split = division.split(everything=False, watched=True)
    own = columns_of(trial, dataset)
    setup = setup_of(trial, own, split)
    check_scored(setup, dataset)
    watch = Pruning(setup, trial.judge.bars)
    joint = train_in_memory(setup, [watch], watch.note)
    losses = tuple(watch.losses)
    if watch.pruned:
        return FitResult(trial, time.perf_counter() - begun, judgment=Judgment(losses=losses, pruned=True))
    fitted = given_conditions(joint, dataset)
    if trial.judge.metric is not None:
        score, reason = compare_with_validation(fitted, dataset, split, trial)
        judgment = Judgment(losses=losses, reason=reason)
        if score is not None:
            judgment = Judgment(score.value, score.error, losses)
    else:
        resting = unfounded(fitted, dataset, split.validation, trained=(joint, own))
        judgment = _by_likelihood(fitted, dataset, split.validation, trial, losses, _not_ranked(setup, resting))
    measure = measure_of(fitted) if trial.judge.metric is None else None
    kind = kind_of(fitted, trial.config.training.bound_draws)
    return FitResult(trial, time.perf_counter() - begun, kind, measure, judgment=judgment)


def _by_likelihood(
    fitted: TrainedModel,
    dataset: Dataset,
    rows: Rows,
    trial: FitJob,
    losses: tuple[float, ...],
    doubt: str | None,
) -> Judgment:
    """Judge a model by the mean log-likelihood of validation rows.

    Arguments:
        doubt: why its likelihood cannot be ranked; `None` if it can.
    """
    draws = trial.config.training.bound_draws
    if doubt is not None or kind_of(fitted, draws) == "none":
        return Judgment(losses=losses, reason=doubt or "the model has no likelihood with these settings")
    scores = log_likelihoods(fitted, dataset, rows, trial.config.seed, draws)
    if impossible := int(np.isneginf(scores).sum()):
        return Judgment(losses=losses, reason=f"{impossible} of {len(rows)} validation rows have density 0")
    weights = None if dataset.weights is None else dataset.weights[rows]
    if weights is not None and not weights.any():
        return Judgment(losses=losses, reason="all validation rows have weight 0")
    found = estimate(scores[None], weights)
    return Judgment(float(found.mean), None if math.isnan(found.se) else float(found.se), losses)


def _not_ranked(setup: TrainingSetup, resting: Resting | None) -> str | None:
    """Return why a likelihood is not ranked: the fit degenerated, or rests on a setting; `None` if it is."""
    fault = fault_of(setup, resting)
    return material(resting) if fault is None else f"{NO_MAXIMUM}: {fault}"


def material(resting: Resting | None) -> str | None:
    """Return what a mean log-likelihood rests on, if that matters."""
    return resting.reason if resting is not None and resting.material else None


class Pruning(Callback):
    """Ends a training whose evaluations on validation rows are worse than in earlier fits.

    The best loss so far is compared with a bar for the same evaluation, as Optuna's `MedianPruner` does. See "Google
    Vizier: A Service for Black-Box Optimization" (Golovin et al., 2017), section 3.2.2.

    Arguments:
        setup: the training.
        bars: as for `TrialJudge`.
    """

    def __init__(self, setup: TrainingSetup, bars: Sequence[float]) -> None:
        objective = setup.engine.objective
        self.losses: list[float] = []
        self.pruned = False
        self._rule = setup.rule
        self._bars = bars
        self._settled = objective.settled if isinstance(objective, GradientObjective) else 0.0
        self._early = 0

    def note(self, line: Mapping[str, Any]) -> None:
        """Take an evaluation, as a line of the log."""
        assert self._rule is not None
        value = _value_of(line, self._rule)
        self.losses.append(math.inf if value is None or not math.isfinite(value) else value)

    def on_step(self, step: Step) -> None:
        """End the training if its best loss is worse than the bar. In a warm-up, losses say nothing yet."""
        if step.fraction < self._settled:
            self._early = len(self.losses)
            return
        place = len(self.losses) - 1
        if step.last or not self._early <= place < len(self._bars):
            return
        if min(self.losses[self._early :]) > self._bars[place]:
            self.pruned = self.stop = True


def _value_of(line: Mapping[str, Any], rule: SelectionRule) -> float | None:
    """Return the loss of an evaluation, which is lower for a better model; `None` if it has none."""
    value = line.get("validation") if rule.by == OBJECTIVE else line.get("metrics", {}).get(rule.by)
    return None if value is None else float(value) if rule.direction == "lower" else -float(value)
