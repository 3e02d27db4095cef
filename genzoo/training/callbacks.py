"""What watches training steps: metrics log, sample grids, checkpoints."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from genzoo.data.transforms import AffineTransform
from genzoo.engine.loop import Engine, Step
from genzoo.engine.loss_buffer import LossRecord
from genzoo.errors import GenzooError
from genzoo.inference.export import save_events
from genzoo.inference.trained_model import TrainedModel
from genzoo.runs.checkpoint import MonitorState, prune, save_checkpoint
from genzoo.runs.run import Run
from genzoo.storage.metrics_log import append_lines, keep_lines_until

_GRID_EVENTS = 64


_PARTS = 10


_LONGEST_WAIT = 600.0


class Cadence:
    """When something that is done now and then is due: every so many steps, or ten times in a budget.

    Arguments:
        every: steps between two times; `None` for tenths of the budget, and at least every ten minutes.
        spent: share of the budget that was spent before.
    """

    def __init__(self, every: int | None, spent: float = 0.0) -> None:
        self._every = every
        self._tenth = int(spent * _PARTS)
        self._moment = time.monotonic()

    def due(self, step: Step) -> bool:
        """Whether it is due after `step`; always after the last."""
        if step.last:
            return True
        if self._every is not None:
            return step.number % self._every == 0
        tenth = int(step.fraction * _PARTS)
        if tenth == self._tenth and time.monotonic() - self._moment < _LONGEST_WAIT:
            return False
        self._tenth, self._moment = tenth, time.monotonic()
        return True


class MetricsLogger:
    """Appends to `metrics.jsonl`: the losses of every `every`-th step, and whatever else is written.

    Arguments:
        run: whose log.
        every: steps between lines.
        steps_per_epoch: by which a step's epoch is told.
        done: the step that training continues after; lines beyond it, and those cut short, are dropped first.
        evaluated: whether the evaluation after that step is done with; else its line is dropped, too.
    """

    def __init__(self, run: Run, every: int, steps_per_epoch: int, done: int = 0, *, evaluated: bool = True) -> None:
        self._path = run.log
        self._every = every
        self._steps_per_epoch = steps_per_epoch
        if os.path.lexists(run.log):
            keep_lines_until(run.log, done, evaluated=evaluated)
        try:
            self._descriptor = os.open(
                self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0), 0o644
            )
        except OSError as error:
            raise GenzooError(f"{self._path} could not be written: {error.strerror}.") from error

    def __call__(self, step: Step) -> None:
        self.losses(step.losses, step.seconds)

    def losses(self, records: Iterable[LossRecord], seconds: float) -> None:
        """Log the losses that arrived by `seconds` after the beginning."""
        self.write(
            {
                "step": record.step,
                "epoch": math.ceil(record.step / self._steps_per_epoch),
                "seconds": round(seconds, 3),
                "loss": record.values,
            }
            for record in records
            if record.step % self._every == 0 or record.step == 1
        )

    def write(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Append lines."""
        if found := list(lines):
            self._refuse_removed()
            append_lines(self._descriptor, self._path, found)

    def sync(self) -> None:
        """Wait until every line is on the disk, where it can be found."""
        self._refuse_removed()
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise GenzooError(f"{self._path} could not be written: {error.strerror}.") from error

    def _refuse_removed(self) -> None:
        if not os.fstat(self._descriptor).st_nlink:
            raise _removed(self._path)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def _removed(path: Path) -> GenzooError:
    return GenzooError(
        f"{path} was removed while it was written. What is left of the run, if anything is, goes on with --resume."
    )


class SampleWriter:
    """Saves the same latent draws again and again, so that one sees them change: a PNG grid, or a CSV for a table."""

    def __init__(self, run: Run, fitted: TrainedModel, cadence: Cadence, seed: int) -> None:
        self._run = run
        self._fitted = fitted
        self._cadence = cadence
        self._seed = seed

    def __call__(self, step: Step) -> None:
        if self._cadence.due(step):
            suffix = "png" if self._fitted.data.modality == "image" else "csv"
            events = self._fitted.sample(_GRID_EVENTS, seed=self._seed)
            if not self._run.samples.is_dir():
                raise _removed(self._run.samples)
            save_events(self._run.samples / f"step-{step.number:06d}.{suffix}", events, self._fitted.data)


class CheckpointSaver:
    """Saves checkpoints, and keeps the last few and the best.

    A checkpoint with a number that is not finite is refused, so the last good one stays.

    Arguments:
        settle: has everything on the disk that was logged until then, which a checkpoint must not be ahead of.
    """

    def __init__(
        self,
        run: Run,
        engine: Engine[Any],
        transform: AffineTransform,
        cadence: Cadence,
        keep: int,
        settle: Callable[[float], None],
    ) -> None:
        self._run = run
        self._engine = engine
        self._transform = transform
        self._cadence = cadence
        self._keep = keep
        self._settle = settle

    def due(self, step: Step) -> bool:
        """Whether it is time for one."""
        return self._cadence.due(step)

    def save(self, step: int, seconds: float, monitor: MonitorState | None, *, pending: bool = False) -> None:
        """Save the state after `step`.

        Arguments:
            pending: whether what follows the step, such as an evaluation, is still to come.
        """
        self._settle(seconds)
        tensors = self._engine.tensors()
        tensors |= {f"transform.{name}": value for name, value in self._transform.state_dict().items()}
        state = monitor or MonitorState()
        folder = self._run.checkpoints
        save_checkpoint(folder, step, seconds, tensors, self._engine.numbers(), state, pending=pending)
        self.prune(state)

    def prune(self, monitor: MonitorState) -> None:
        """Remove the checkpoints that are not to be kept."""
        former = None if monitor.former is None else monitor.former.best_step
        prune(self._run.checkpoints, self._keep, {monitor.best_step, former})
