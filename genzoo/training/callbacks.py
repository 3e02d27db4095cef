"""What a training does besides updating its model: log, samples, checkpoints."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from torch import Tensor, nn

from genzoo.data.condition_transform import ConditionTransform, condition_tensors
from genzoo.data.transforms import Transform
from genzoo.engine.direct import DirectEngine
from genzoo.engine.em import EMEngine
from genzoo.engine.gradient import GradientEngine
from genzoo.engine.loss_buffer import LossBuffer, LossRecord
from genzoo.engine.schedule import Budget
from genzoo.errors import GenzooError
from genzoo.inference.export import save_events
from genzoo.inference.trained_model import TrainedModel
from genzoo.models.state_dict import load_tensors
from genzoo.persistence.checkpoint import MonitorState, prune, save_checkpoint
from genzoo.persistence.run import Run
from genzoo.runtime.progress import Phase
from genzoo.storage.metrics_log import append_lines, keep_lines_until
from genzoo.training.early_stopping import EarlyStopping
from genzoo.training.trainer import Callback, Engine, Outcome, Step, Trainer
from genzoo.wording import argument

_GRID_SAMPLES = 64
_PARTS = 10
_LONGEST_WAIT = 600.0


class TrainingPhase(Callback):
    """Counts a training as a phase until its last step. A context around `Trainer.fit`, and its first callback.

    Arguments:
        trainer: takes the steps.
        engine: updates the model.
        budget: when training ends.
        early: whether it may end before its budget is used up.
    """

    def __init__(
        self, trainer: Trainer[Any], engine: GradientEngine | EMEngine | DirectEngine, budget: Budget, *, early: bool
    ) -> None:
        self._engine = engine
        self._budget = budget
        self._step: Step | None = None
        self._losses = ""
        em = isinstance(engine, EMEngine)
        self._phase = Phase("training", 1.0, start=trainer.fraction, at_most=early or em)
        self._phase.done = trainer.fraction
        if isinstance(engine, DirectEngine):  # the phase of its fit is the whole of this one
            self._phase.part = 1.0 - trainer.fraction
        self._phase.describe(self._text)

    def __enter__(self) -> Self:
        self._phase.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._phase.__exit__(kind, error, trace)

    def on_update(self, step: Step) -> None:
        """Count."""
        self._step = step
        self._phase.done, self._phase.part = step.fraction, 0.0
        if isinstance(self._engine, EMEngine):  # most starts converge long before their last pass
            self._phase.done = max(step.fraction, len(self._engine.ended) / self._engine.n_init)
        if step.losses:
            values = step.losses[-1].values
            self._losses = "  ".join(f"{name} {value:.3f}" for name, value in values.items())

    def on_end(self, outcome: Outcome, losses: Sequence[LossRecord]) -> None:
        """End the phase: what follows is no training."""
        self._phase.__exit__(None)

    def _text(self) -> str:
        """Return steps and losses; the limit of the steps only if the percentage counts it.

        A budget may limit both steps and time. If time is the tighter limit, "step 50/1000" beside "90%" would look
        wrong.
        """
        step, engine = self._step, self._engine
        if step is None or isinstance(engine, DirectEngine):
            return self._losses
        if isinstance(engine, EMEngine):
            start = f"start {min(len(engine.ended) + 1, engine.n_init)}/{engine.n_init}  " if engine.n_init > 1 else ""
            return f"{start}pass {step.number}  {self._losses}".rstrip()
        steps = self._budget.steps
        limit = "" if steps is None or step.number / steps < step.fraction else f"/{steps}"
        return f"step {step.number}{limit}  epoch {step.epoch}  {self._losses}".rstrip()


class Cadence:
    """Decides when to save: every so many steps, or ten times in a budget.

    Arguments:
        every: steps between two times. `None` stands for tenths of the budget, and at least every ten minutes.
        spent: share of the budget that was spent before, 0 to 1. Defaults to 0.
    """

    def __init__(self, every: int | None, spent: float = 0.0) -> None:
        self._every = every
        self._tenth = int(spent * _PARTS)
        self._moment = time.monotonic()

    def due(self, step: Step) -> bool:
        """Return whether to save after `step`. Always true for the last step."""
        if step.last:
            return True
        if self._every is not None:
            return step.number % self._every == 0
        tenth = int(step.fraction * _PARTS)
        if tenth == self._tenth and time.monotonic() - self._moment < _LONGEST_WAIT:
            return False
        self._tenth, self._moment = tenth, time.monotonic()
        return True


class MetricsLogger(Callback):
    """Appends to `metrics.jsonl`: the losses of every `every`-th step, and evaluations.

    Arguments:
        run: run whose log is written.
        losses: losses that are still on the device.
        every: steps between lines.
        steps_per_epoch: converts a step's number into its epoch.
        done: step that training continues after. Later lines and incomplete ones are removed first. Defaults to 0.
        evaluated: whether to keep the evaluation after that step. Defaults to true.
    """

    def __init__(
        self,
        run: Run,
        losses: LossBuffer,
        every: int,
        steps_per_epoch: int,
        done: int = 0,
        *,
        evaluated: bool = True,
    ) -> None:
        self._path = run.log
        self._losses = losses
        self._every = every
        self._steps_per_epoch = steps_per_epoch
        self._seconds = 0.0
        if os.path.lexists(run.log):
            keep_lines_until(run.log, done, evaluated=evaluated)
        try:
            self._descriptor = os.open(
                self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0), 0o644
            )
        except OSError as error:
            raise GenzooError(f"{self._path} could not be written: {error.strerror}.") from error

    def on_update(self, step: Step) -> None:
        """Log the losses that have arrived."""
        self._seconds = step.seconds
        self.losses(step.losses)

    def on_end(self, outcome: Outcome, losses: Sequence[LossRecord]) -> None:
        """Log the last losses."""
        self.losses(losses)
        self._sync()

    def flush(self) -> None:
        """Write every loss so far to the disk. A checkpoint must never be ahead of the log."""
        self.losses(self._losses.flush())
        self._sync()

    def losses(self, records: Iterable[LossRecord]) -> None:
        """Append a line for every record to log."""
        self.write(
            {
                "step": record.step,
                "epoch": math.ceil(record.step / self._steps_per_epoch),
                "seconds": round(self._seconds, 3),
                "loss": record.values,
            }
            for record in records
            if record.step % self._every == 0 or record.step == 1
        )

    def write(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Append lines."""
        if rows := list(lines):
            self._check_present()
            append_lines(self._descriptor, self._path, rows)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _sync(self) -> None:
        self._check_present()
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise GenzooError(f"{self._path} could not be written: {error.strerror}.") from error

    def _check_present(self) -> None:
        """Raise if the file was deleted: the system would go on writing where nobody can read."""
        if not os.fstat(self._descriptor).st_nlink:
            raise _removed(self._path)


def _removed(path: Path) -> GenzooError:
    return GenzooError(
        f"{path} was removed while it was written. If anything is left of the run, you can continue it with "
        f"{argument('resume')}."
    )


class SampleWriter(Callback):
    """Saves samples from the same latent draws each time, so that you see them change.

    Images go into a PNG grid, rows of a table into a CSV file. Images are means if the model adds noise to them.
    """

    def __init__(self, run: Run, model: TrainedModel, cadence: Cadence, seed: int) -> None:
        self._run = run
        self._model = model
        self._cadence = cadence
        self._seed = seed

    def on_step(self, step: Step) -> None:
        """Save samples if it is time."""
        if self._cadence.due(step):
            with Phase("saving samples"):
                samples, _ = self._model.sample_shown(_GRID_SAMPLES, seed=self._seed)
            if not self._run.samples.is_dir():
                raise _removed(self._run.samples)
            conditions = self._model.units.usual_conditions(_GRID_SAMPLES)
            path = self._run.samples / f"step-{step.number:06d}{self._model.data.form.suffix}"
            save_events(path, samples, self._model.data, conditions=conditions)


class CheckpointSaver(Callback):
    """Saves checkpoints, and keeps the last few and the best.

    A checkpoint with a number that is not finite is never written, so the last good one stays.

    Arguments:
        run: run whose checkpoints are saved.
        engine: holds the model and the state of its optimizers.
        transform: part of each checkpoint.
        cadence: decides when to save. The last step, the best one, and one that ends training are always saved.
        keep: how many of the last checkpoints to keep.
        flush_log: writes the log to the disk; a checkpoint must not be ahead of it.
        early_stopping: knows the best step. Defaults to `None`.
        resumed: what the early stopping remembered in the checkpoint that training resumes from. Defaults to `None`,
            a new training.
        condition: part of each checkpoint. Defaults to `None`: the model is not conditional.
    """

    def __init__(
        self,
        run: Run,
        engine: Engine[Any],
        transform: Transform,
        cadence: Cadence,
        keep: int,
        flush_log: Callable[[], None],
        early_stopping: EarlyStopping | None = None,
        resumed: MonitorState | None = None,
        condition: ConditionTransform | None = None,
    ) -> None:
        self._run = run
        self._engine = engine
        self._transform = transform
        self._condition = condition
        self._cadence = cadence
        self._keep = keep
        self._flush_log = flush_log
        self._early_stopping = early_stopping
        self._resumed = resumed
        self.saved = 0
        """Step of the last checkpoint that was saved."""

    def on_start(self) -> None:
        """Save the initial state, or remove what an earlier attempt should not have kept."""
        if self._resumed is None:
            self._save(0, 0.0)
        else:
            self._prune(self._resumed)

    def on_step_end(self, step: Step, *, stopping: bool) -> None:
        """Save if it is time."""
        best = self._early_stopping is not None and self._early_stopping.improved
        if self._cadence.due(step) or best or stopping:
            self._save(step.number, step.seconds)

    def on_interrupt(self, step: Step, *, complete: bool) -> None:
        """Save the last step. If its callbacks were cut short, they run again when the run is resumed."""
        if not complete or self.saved != step.number:
            self._save(step.number, step.seconds, pending=not complete)

    def _save(self, step: int, seconds: float, *, pending: bool = False) -> None:
        self._flush_log()
        tensors = self._engine.tensors()
        tensors |= {f"transform.{name}": value for name, value in self._transform.state_dict().items()}
        tensors |= condition_tensors(self._condition)
        state = MonitorState() if self._early_stopping is None else self._early_stopping.state
        folder = self._run.checkpoints
        with Phase("saving a checkpoint"):
            save_checkpoint(
                folder,
                step,
                seconds,
                tensors,
                self._engine.numbers(),
                state,
                transforms=self._transform.stages,
                pending=pending,
                advice=self._advice,
            )
        self.saved = step
        self._prune(state)

    def _advice(self, name: str) -> str:
        """Say what to do about a tensor that is not finite."""
        if not isinstance(self._engine, GradientEngine):
            return ""
        advice = (
            f" Try a smaller learning rate ({argument('lr')}) or clip gradients ({argument('training.grad_clip', 1)})."
        )
        if name.removeprefix("model.") not in dict(self._engine.model.named_buffers()):
            return advice
        return f" It is a buffer. If it is constant, such as a mask, register it with persistent=False. If not:{advice}"

    def _prune(self, state: MonitorState) -> None:
        former = None if state.former is None else state.former.best_step
        prune(self._run.checkpoints, self._keep, {state.best_step, former})


class BestWeights(Callback):
    """Keeps the weights of the best step in memory, for a training without a run directory.

    Arguments:
        module: generator to keep.
        early_stopping: knows the best step.
    """

    def __init__(self, module: nn.Module, early_stopping: EarlyStopping) -> None:
        self._module = module
        self._early_stopping = early_stopping
        self._weights: dict[str, Tensor] = {}

    def on_step_end(self, step: Step, *, stopping: bool) -> None:
        """Copy the weights if this step is the best so far."""
        if self._early_stopping.improved:
            self._weights = {name: value.clone() for name, value in self._module.state_dict().items()}

    def on_end(self, outcome: Outcome, losses: Sequence[LossRecord]) -> None:
        """Restore the weights of the best step."""
        if self._weights:
            load_tensors(self._module, self._weights)
