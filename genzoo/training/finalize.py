"""Save the trained model at the end of a training."""

from __future__ import annotations

import dataclasses

import numpy as np

from genzoo.config.settings import GradientTraining
from genzoo.engine.em import EMEngine
from genzoo.errors import DivergenceError
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.likelihood import kind_of, log_likelihoods
from genzoo.models.state_dict import load_tensors, strip_prefix
from genzoo.runs.checkpoint import checkpoint_name, load_checkpoint
from genzoo.runs.model_folder import MOST_SCORES, save_model
from genzoo.runs.run import Run
from genzoo.training.monitor import ValidationMonitor
from genzoo.training.setup import TrainingSetup
from genzoo.typing import Array

_MOST_BOUNDS = 2_000
"""Validation rows of which lower bounds, each of many draws, are kept with a model."""


def conclude(prepared: TrainingSetup) -> None:
    """Have EM keep its best restart, also where the budget ended within one."""
    if isinstance(prepared.engine, EMEngine):
        prepared.engine.conclude()


def finish(prepared: TrainingSetup, run: Run, status: str, step: int, monitor: ValidationMonitor | None) -> None:
    """Save the portable model: that of the best step where one was watched for, else the last."""
    if status != "finished":
        return
    conclude(prepared)
    if monitor is not None and monitor.watch.selects and monitor.best_step is not None:
        state, tensors = load_checkpoint(run.checkpoints / checkpoint_name(monitor.best_step))
        load_tensors(prepared.engine.trained, strip_prefix(state.kept(tensors), "generator."))
        step = monitor.best_step
        run.update(best={"by": monitor.watch.by, "value": monitor.best, "step": step})
    config = prepared.config
    training = {
        "objective": config.objective.name,
        "data": prepared.dataset.name,
        "rows": len(prepared.split.train),
        "steps": step,
        "batch_size": config.training.batch_size if isinstance(config.training, GradientTraining) else None,
        "seed": config.seed,
        "precision": prepared.runtime.precision,
        "average": config.ema,
    }
    fitted = prepared.fitted
    fitted = dataclasses.replace(fitted, validation_scores=_validation_scores(fitted, prepared))
    digest = save_model(run.model, fitted, config.options, training)
    run.update(weights=digest)


def _validation_scores(fitted: TrainedModel, prepared: TrainingSetup) -> Array | None:
    """Log-likelihoods of validation rows in increasing order; of many rows those of evenly spaced ones.

    Rows without any value have none. Lower bounds are of as many draws as those of any events that are scored.
    """
    rows, kind = prepared.split.validation, kind_of(fitted)
    if not len(rows) or kind == "none":
        return None
    most = MOST_SCORES if kind == "exact" else _MOST_BOUNDS
    if len(rows) > most:
        rows = rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
    try:
        scores = log_likelihoods(fitted, prepared.dataset, rows, seed=0)
    except DivergenceError:  # a model may be of use without them
        return None
    known = np.sort(scores[~np.isnan(scores)])
    # A file of tensors holds finite numbers only.
    return np.maximum(known, np.finfo(np.float64).min) if len(known) and np.isfinite(known[-1]) else None
