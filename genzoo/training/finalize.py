"""Save the trained model and close the record of its run."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np

from genzoo.config.training import GradientTraining
from genzoo.data.dataset import Dataset, Rows
from genzoo.data.splits.large import share_of
from genzoo.engine.direct import DirectEngine
from genzoo.engine.em import EMEngine
from genzoo.engine.gradient import GradientEngine
from genzoo.engine.loss_buffer import LossRecord
from genzoo.errors import DivergenceError, GenzooError
from genzoo.inference.row_likelihoods import kind_of, row_scores, score_of
from genzoo.inference.rows.threshold import Calibration
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.rounding import unfounded
from genzoo.metrics.weighting import fractional, repeated, spread_evenly
from genzoo.models.state_dict import load_tensors, strip_prefix
from genzoo.persistence.checkpoint import checkpoint_name, load_checkpoint
from genzoo.persistence.model_folder import CHANNELS_LAST, save_model
from genzoo.persistence.run import Run
from genzoo.persistence.safe_build import MOST_SCORES
from genzoo.plugins.manager import get_registry
from genzoo.runtime.device import describe_device
from genzoo.runtime.progress import Phase
from genzoo.training.early_stopping import EarlyStopping
from genzoo.training.setup import TrainingSetup
from genzoo.training.trainer import Callback, Outcome, Step
from genzoo.typing import Array

_MOST_BOUNDS = 2_000
"""Validation rows whose lower bounds or estimates are kept with a model; each takes many draws or steps."""


class Conclude(Callback):
    """Makes the trained generator what loading gives: in eval mode, and no parameter needs a gradient.

    Of EM it is the best restart, also if the budget ended within another.
    """

    def __init__(self, engine: GradientEngine | EMEngine | DirectEngine) -> None:
        self._engine = engine

    def on_end(self, outcome: Outcome, losses: Sequence[LossRecord]) -> None:
        """Do so."""
        if outcome != "finished":
            return
        if isinstance(self._engine, EMEngine):
            self._engine.conclude()
        self._engine.trained.eval().requires_grad_(False)


class ModelSaver(Callback):
    """Saves the portable model of a finished run: the best step if one was selected, else the last.

    Arguments:
        setup: training that ends.
        run: run whose model folder is written.
        step: step that training continues after.
        early_stopping: knows the best step. Defaults to `None`.
    """

    def __init__(self, setup: TrainingSetup, run: Run, step: int, early_stopping: EarlyStopping | None = None) -> None:
        self._setup = setup
        self._run = run
        self._step = step
        self._early_stopping = early_stopping

    def on_update(self, step: Step) -> None:
        """Count."""
        self._step = step.number

    def on_end(self, outcome: Outcome, losses: Sequence[LossRecord]) -> None:
        """Save it. With several processes, the first one does, after all have scored validation rows."""
        if outcome == "finished":
            with Phase("saving the model"):
                scores = self._shared_scores() if self._shares else None
                self._setup.processes.of_first(lambda: self._save(scores))

    @property
    def _selects(self) -> bool:
        """Whether the best step is saved, and not the last; only the first process has its weights."""
        return self._early_stopping is not None and self._early_stopping.rule.selects

    @property
    def _shares(self) -> bool:
        """Whether each process scores its share of the validation rows. Draws of a bound depend on the block."""
        setup = self._setup
        alike = setup.processes.count > 1 and setup.held_out is None and not self._selects
        return alike and kind_of(setup.trained_model) == "exact"

    def _shared_scores(self) -> Array | None:
        """Return the scores of validation rows, each from one of the processes; `None` if the model gives none."""
        setup = self._setup
        rows = _scored_rows(setup.trained_model, setup.dataset, setup.split.validation)

        def own(rank: int, count: int) -> list[float] | None:
            share = share_of(rows, rank, count)
            scores = _scores(setup.trained_model, setup.dataset, share, 1) if len(share) else share
            return None if scores is None else scores.tolist()

        parts = [part for part in setup.processes.divided(own) if part is not None]
        if len(parts) < setup.processes.count:
            return None
        return _in_order(spread_evenly(np.concatenate(parts), fractional(setup.dataset, rows)))

    def _save(self, scores: Array | None) -> None:
        setup, config = self._setup, self._setup.config
        step = self._load_best()
        training = {
            "objective": config.objective.name,
            "data": setup.dataset.name,
            "rows": len(setup.split.train),
            "steps": step,
            "batch_size": config.training.batch_size if isinstance(config.training, GradientTraining) else None,
            "flip": config.flip,
            "seed": config.seed,
            "precision": setup.runtime.precision,
            "average": config.ema,
            "keeps_rows": get_registry().models.get(config.model).spec.keeps_rows or None,
            "memory_format": CHANNELS_LAST if setup.channels_last else None,
        }
        model = setup.trained_model
        draws = config.training.bound_draws
        calibration: Calibration = "validation"
        if setup.held_out is not None:  # rows that chose the best step would look a little too usual
            calibration = "comparison"
            scores = _in_order(setup.held_out[_evenly(len(setup.held_out), MOST_SCORES)])
        elif not self._shares:
            if self._selects:
                calibration = "selection"
            scores = _validation_scores(model, setup.dataset, setup.split.validation, draws)
        if scores is not None:
            training["calibration"] = calibration
        if kind_of(model).startswith("lower bound ("):
            training["bound_draws"] = draws
        model = dataclasses.replace(model, validation_scores=scores, calibration=calibration, bound_draws=draws)
        resting = unfounded(model, setup.dataset, setup.split.train)
        note = {} if resting is None else {"density_rests_on": resting.reason}
        self._run.update(
            weights=save_model(self._run.model, model, config.options, training, config.model_source), **note
        )

    def _load_best(self) -> int:
        """Load the weights to keep. Return the step they are from."""
        stopping = self._early_stopping
        if stopping is None or not stopping.rule.selects or stopping.state.best_step is None:
            return self._step
        step = stopping.state.best_step
        state, tensors = load_checkpoint(self._run.checkpoints / checkpoint_name(step))
        load_tensors(self._setup.engine.trained, strip_prefix(state.kept(tensors), "generator."))
        epoch = step / self._setup.loader.steps_per_epoch
        self._run.update(best={"by": stopping.rule.by, "value": stopping.best, "step": step, "epoch": epoch})
        return step


class RunRecord(Callback):
    """Writes in `run.json` how a training begins and ends, also if it fails.

    Use it as a context around `Trainer.fit`, and as one of its callbacks, after those that save.

    Arguments:
        setup: training that begins.
        run: run whose record is written.
        step: step that training continues after.
        seconds: time that the steps so far have taken.
        early_stopping: its rule is part of the record. Defaults to `None`.
    """

    def __init__(
        self, setup: TrainingSetup, run: Run, step: int, seconds: float, early_stopping: EarlyStopping | None = None
    ) -> None:
        self._setup = setup
        self._run = run
        self._early_stopping = early_stopping
        self._done = {"steps": step, "seconds": round(seconds, 3)}
        self._closed = False

    def __enter__(self) -> Self:
        beginning: dict[str, Any] = {
            "device": describe_device(self._setup.runtime.device),
            "precision": self._setup.runtime.precision,
            "processes": self._setup.processes.count,
        }
        if self._early_stopping is not None:
            beginning["watch"] = self._early_stopping.record()
        data = self._setup.dataset
        self._run.update(
            status="running", data=data.spec.as_dict(), events=len(data), notes=self._setup.notes, **beginning
        )
        return self

    def on_update(self, step: Step) -> None:
        """Count."""
        self._done = {"steps": step.number, "seconds": round(step.seconds, 3)}

    def on_end(self, outcome: Outcome, losses: Sequence[LossRecord]) -> None:
        """Write the outcome, when every other callback of genzoo has ended."""
        self._close(outcome)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._closed:
            return
        # A full disk must not hide why the run ended.
        with contextlib.suppress(GenzooError) if error is not None else contextlib.nullcontext():
            self._close("interrupted" if error is None else _status(error))

    def _close(self, status: str) -> None:
        engine = self._setup.engine
        facts: dict[str, Any] = {}
        if isinstance(engine, EMEngine):
            ended = [_in_data_units(restart, self._setup.offset) for restart in engine.ended]
            kept = None if engine.kept is None else _in_data_units(engine.kept, self._setup.offset)
            facts = {"restarts": ended, "kept": kept, "starts": engine.starts}
        elif isinstance(engine, DirectEngine) and engine.finished:
            facts = {"fit": engine.facts}
        self._run.update(status=status, **self._done, **facts)
        self._closed = True


def _in_data_units(restart: Mapping[str, Any], offset: float) -> dict[str, Any]:
    """Return the facts about a restart with its log-likelihood in the units of the data."""
    return {**restart, "log_likelihood": restart["log_likelihood"] - offset}


def _status(error: BaseException) -> str:
    if isinstance(error, DivergenceError):
        return "diverged"
    return "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"


def _validation_scores(model: TrainedModel, dataset: Dataset, rows: Rows, draws: int) -> Array | None:
    """Return scores of validation rows in increasing order, of evenly spaced rows if there are many.

    Rows without any value have none. Rows of weighted data come as often as they weigh, so that quantiles count
    weights. `genzoo score` takes as many draws for a lower bound.
    """
    chosen = _scored_rows(model, dataset, rows)
    scores = _scores(model, dataset, chosen, draws) if len(chosen) else None
    return None if scores is None else _in_order(spread_evenly(scores, fractional(dataset, chosen)))


def _scored_rows(model: TrainedModel, dataset: Dataset, rows: Rows) -> Rows:
    """Return the validation rows whose scores are kept; none if the model has no scores, or no row a weight."""
    if not len(rows) or score_of(model) is None:
        return rows[:0]
    slow = kind_of(model).startswith(("lower bound (", "estimate"))
    counted = repeated(dataset, rows)
    kept: Rows = counted[_evenly(len(counted), _MOST_BOUNDS if slow else MOST_SCORES)]
    return kept


def _scores(model: TrainedModel, dataset: Dataset, rows: Rows, draws: int) -> Array | None:
    """Return scores of rows, `(n,)`; `None` if the model gives no usable number."""
    try:
        return row_scores(model, dataset, rows, seed=0, draws=draws)
    except DivergenceError:  # the model is of use without them
        return None


def _evenly(count: int, most: int) -> Rows:
    """Return evenly spaced places among `count`; all if there are at most `most`."""
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most).astype(np.int64)


def _in_order(scores: Array) -> Array | None:
    known = np.sort(scores[~np.isnan(scores)])
    ends = np.finfo(np.float64)  # the file of tensors holds finite numbers only
    return known.clip(ends.min, ends.max) if len(known) else None
