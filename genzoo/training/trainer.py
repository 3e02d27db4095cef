"""Train one model: run the loop, report its steps, and agree with other processes."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import shlex
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from genzoo.engine.em import EMEngine
from genzoo.engine.loop import Step, take, training_steps
from genzoo.engine.loss_buffer import LossBuffer
from genzoo.engine.signals import Abandoned, Signals
from genzoo.errors import (
    ArtifactError,
    ConfigError,
    DataError,
    DivergenceError,
    GenzooError,
    Interrupted,
    LostProcessError,
)
from genzoo.inference.trained_model import TrainedModel
from genzoo.models.state_dict import load_tensors
from genzoo.runs.checkpoint import MonitorState, checkpoints, discard_after
from genzoo.runs.run import Run
from genzoo.runtime.device import describe_device
from genzoo.runtime.launch import launch_command
from genzoo.training.callbacks import Cadence, CheckpointSaver, MetricsLogger, SampleWriter
from genzoo.training.finalize import conclude, finish
from genzoo.training.monitor import ValidationMonitor
from genzoo.training.resume import ResumePoint
from genzoo.training.setup import Callback, TrainingSetup
from genzoo.version import version

_DATA = "data"


def check_alike(prepared: TrainingSetup, data_digest: str) -> None:
    """Refuse processes that see other data, or were told or found something else.

    Raises:
        DataError: the data of two processes differ.
        ConfigError: something else does.
    """
    mine: dict[str, Any] = {
        _DATA: data_digest[:12],
        "device": prepared.runtime.device.type,
        "precision": prepared.runtime.precision,
        "version of torch": torch.__version__,
        "version of genzoo": version(),
        "settings": prepared.config.model_dump(mode="json", exclude={"data", "device"}),
    }
    told = prepared.processes.gather(mine)
    for rank, theirs in enumerate(told):
        for name, value in told[0].items():
            if theirs[name] != value:
                wrong = DataError if name == _DATA else ConfigError
                raise wrong(
                    f"The processes of a training must have the same {name}, and these differ: {value} at rank 0 and "
                    f"{theirs[name]} at rank {rank}."
                )


def check_same_weights(prepared: TrainingSetup, moment: str) -> None:
    """Refuse to go on where processes hold other numbers than the first one.

    Arguments:
        moment: when that is, such as `"at the start"`.

    Raises:
        GenzooError: they do.
    """
    if prepared.processes.count == 1:
        return
    told = prepared.processes.gather(_digest(prepared))
    apart = [rank for rank, theirs in enumerate(told) if theirs != told[0]]
    if apart:
        raise GenzooError(
            f"Rank {apart[0]} holds other weights than rank 0 {moment}, so they no longer train the same model. Are "
            f"all machines alike? The run keeps its checkpoints; begin again from one with --warm-start."
        )


def _digest(prepared: TrainingSetup) -> str:
    """SHA-256 of all tensors that an exact resume needs."""
    found = hashlib.sha256()
    for name, tensor in sorted({**prepared.engine.tensors(), **prepared.transform.state_dict()}.items()):
        found.update(name.encode())
        found.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


Watcher = Callable[[Step], None]
"""Sees every step of a training; a progress display, for instance."""


LOSS_BLOCK = 25
"""Steps whose losses leave the device together."""


class Saver(Protocol):
    """What keeps the state of a training as its loop goes on."""

    def due(self, step: Step) -> bool:
        """Whether it is time to save."""

    def save(self, step: int, seconds: float, monitor: MonitorState | None, *, pending: bool = False) -> None:
        """Save the state after `step`."""


class InMemory:
    """Keeps the best state of a training that has no run directory."""

    def __init__(self, prepared: TrainingSetup) -> None:
        self._prepared = prepared
        self._selects = prepared.watch is not None and prepared.watch.selects
        self._kept: dict[str, Tensor] = {}

    def due(self, step: Step) -> bool:
        """Never of itself: only a best step is worth a copy."""
        return False

    def save(self, step: int, seconds: float, monitor: MonitorState | None, *, pending: bool = False) -> None:
        """Copy the generator if `step` is the best so far."""
        if self._selects and monitor is not None and monitor.best_step == step:
            self._kept = {name: value.clone() for name, value in self._prepared.engine.trained.state_dict().items()}

    def restore(self) -> None:
        """Go back to the best step, where one was watched for."""
        if self._kept:
            load_tensors(self._prepared.engine.trained, self._kept)


class NoState:
    """Saves nothing, as the first process does it."""

    def due(self, step: Step) -> bool:
        """Never."""
        return False

    def save(self, step: int, seconds: float, monitor: MonitorState | None, *, pending: bool = False) -> None:
        """Leave it to the first process."""


def steps_of(prepared: TrainingSetup, start: ResumePoint, buffer: LossBuffer) -> Generator[Step, None, None]:
    """The steps of a training from where it starts."""
    return training_steps(
        prepared.engine,
        prepared.feed,
        prepared.budget,
        seed=prepared.config.seed,
        done=start.step,
        seconds=start.seconds,
        buffer=buffer,
        processes=prepared.processes,
    )


def unreported_steps(
    prepared: TrainingSetup, start: ResumePoint, steps: Iterator[Step], monitor: ValidationMonitor | None
) -> Iterator[Step]:
    """All steps that are to be told of: also the one that was taken when a signal came, where it was not seen out.

    That one brings no losses, as they were logged.
    """
    if not start.pending:
        return iter(()) if monitor is not None and monitor.exhausted else steps
    seen = take(prepared.engine, prepared.feed, prepared.budget, start.step, start.seconds)
    return itertools.chain([seen], steps)


def stoppable(prepared: TrainingSetup, steps: Iterator[Step], signals: Signals) -> Iterator[Step]:
    """Steps, which a signal lets finish; but a pass of EM, which may be long, is abandoned and undone.

    Raises:
        Abandoned: one was.
    """
    engine = prepared.engine
    if not isinstance(engine, EMEngine):
        yield from steps
        return
    if prepared.processes.count > 1:
        engine.should_stop = signals.stop_requested
    while True:
        tensors = {name: value.clone() for name, value in engine.tensors().items()}
        numbers = engine.numbers()
        try:
            with signals.abandonable:
                step = next(steps, None)
        except Abandoned:
            engine.restore(tensors, numbers)
            signals.pending()  # which tells the others of it
            raise
        if step is None:
            return
        yield step


def unlogged(_: Step) -> None:
    """The log of a training that keeps none."""


def run_callbacks(
    steps: Iterator[Step],
    log: Watcher,
    watching: Sequence[Watcher],
    saver: Saver,
    monitor: ValidationMonitor | None,
    signals: Signals,
) -> tuple[str, Step | None]:
    """Hand every step to those who watch; returns how the training ended, and its last step.

    A signal ends it after the step, which is logged in any case: its losses are brought but once. What those who watch
    had not done by then is saved as pending.
    """
    step, saved = None, True
    try:
        for step in steps:
            saved = False
            log(step)
            before = None if monitor is None else monitor.state()
            try:
                with signals.abandonable:
                    for watcher in watching:
                        watcher(step)
                    better = monitor is not None and monitor(step)
            except Abandoned:
                saver.save(step.number, step.seconds, before, pending=True)
                return "interrupted", step
            exhausted = monitor is not None and monitor.exhausted
            stopping = signals.pending()
            if saver.due(step) or better or exhausted or stopping:
                saver.save(step.number, step.seconds, None if monitor is None else monitor.state())
                saved = True
            if exhausted or stopping:
                return "finished" if exhausted else "interrupted", step
    except Abandoned:  # a pass of EM, after the step
        if step is not None and not saved:
            saver.save(step.number, step.seconds, None)
        return "interrupted", step
    return "finished", step


def run_training(
    prepared: TrainingSetup, run: Run, watchers: Sequence[Watcher] = (), start: ResumePoint | None = None
) -> None:
    """Train into a run directory until the budget is spent, patience runs out or a signal comes.

    Arguments:
        prepared: from `prepare`.
        run: the directory.
        watchers: see every step.

    Raises:
        DivergenceError: a number is not finite; the last good checkpoint stays.
        Interrupted: a signal came; everything up to the last step is saved.
        LostProcessError: another process of this training is gone; the last checkpoint stays.
        ArtifactError: another process trains into it.
        GenzooError: the disk is full or read-only.
    """
    start = start or ResumePoint()
    check_same_weights(prepared, "at the start")
    try:
        _lead(prepared, run, watchers, start) if prepared.processes.first else _follow(prepared, run, start)
    except LostProcessError as error:
        raise LostProcessError(f"{error} {_how_to_go_on(prepared, run)}") from error


def _lead(prepared: TrainingSetup, run: Run, watchers: Sequence[Watcher], start: ResumePoint) -> None:
    """Train as the process that writes into the run."""
    with run.locked():
        _refuse_moved(run, start)
        _train(prepared, run, watchers, start)


def _refuse_moved(run: Run, start: ResumePoint) -> None:
    """Refuse to go on from a state that is not the run's any more."""
    if tuple(path.name for path in checkpoints(run.checkpoints)) != start.found:
        raise ArtifactError(f"{run.path} was trained by another process meanwhile. Resume it again.")
    discard_after(run.checkpoints, start.step)


def _train(prepared: TrainingSetup, run: Run, watchers: Sequence[Watcher], start: ResumePoint) -> None:
    """Train and keep the records."""
    training = prepared.config.training
    _make_folders(run)
    spent = prepared.budget.spent(max(0, start.step - start.pending), start.seconds)
    log = MetricsLogger(run, training.log_every, prepared.feed.steps_per_epoch, start.step, evaluated=start.evaluated)
    buffer = LossBuffer(prepared.runtime.device, LOSS_BLOCK)

    def settle(seconds: float) -> None:
        log.losses(buffer.flush(), seconds)
        log.sync()

    saving = Cadence(training.checkpoint_every, spent)
    saver = CheckpointSaver(run, prepared.engine, prepared.transform, saving, training.keep_checkpoints, settle)
    monitor = _monitor(prepared, log, start)
    grids = SampleWriter(run, prepared.fitted, Cadence(training.sample_every, spent), prepared.config.seed)
    callbacks = [functools.partial(_call, callback, run) for callback in prepared.callbacks]
    watching: list[Watcher] = [grids, *callbacks, *watchers]
    _record_beginning(prepared, run, start, monitor)
    outcome, step = "failed", None
    try:
        with Signals(prepared.processes) as signals, prepared.runtime.matmul():
            if start.state is None:
                saver.save(0, 0.0, None if monitor is None else monitor.state())
            else:
                saver.prune(start.state.monitor)
            with contextlib.closing(steps_of(prepared, start, buffer)) as steps:
                seen = stoppable(prepared, unreported_steps(prepared, start, steps, monitor), signals)
                how, step = run_callbacks(seen, log, watching, saver, monitor, signals)
            if step is not None:
                settle(step.seconds)
            check_same_weights(prepared, "at the end")
            reached = start.step if step is None else step.number
            with signals.abandonable:
                prepared.processes.of_first(lambda: finish(prepared, run, how, reached, monitor))
            outcome = how
    except Abandoned:
        outcome = "interrupted"
    except DivergenceError as error:
        outcome = "diverged"
        raise DivergenceError(f"{error} The last good state is kept in {run.path}.") from error
    except KeyboardInterrupt:
        outcome = "interrupted"
        raise Interrupted(f"Interrupted. {_how_to_go_on(prepared, run)}", 130) from None
    finally:
        log.close()
        # A full disk must not hide why the run ended.
        with contextlib.suppress(GenzooError) if sys.exception() else contextlib.nullcontext():
            run.update(status=outcome, **_account(prepared, start, step))
    if outcome == "interrupted":
        raise Interrupted(f"Interrupted. {_how_to_go_on(prepared, run)}", signals.exit_code)


def _record_beginning(prepared: TrainingSetup, run: Run, start: ResumePoint, monitor: ValidationMonitor | None) -> None:
    begun: dict[str, Any] = {
        "device": describe_device(prepared.runtime.device),
        "precision": prepared.runtime.precision,
    }
    begun["processes"] = prepared.processes.count
    if start.state is not None:
        run.configure(run.config.model_copy(update={"training": prepared.config.training}))
    if monitor is not None:
        begun["watch"] = monitor.rule()
    run.update(status="running", data=prepared.dataset.spec.as_dict(), events=len(prepared.dataset), **begun)


def _account(prepared: TrainingSetup, start: ResumePoint, step: Step | None) -> dict[str, Any]:
    """What was done by the end, for the run's record."""
    steps, seconds = (start.step, start.seconds) if step is None else (step.number, step.seconds)
    done: dict[str, Any] = {"steps": steps, "seconds": round(seconds, 3)}
    if isinstance(prepared.engine, EMEngine):
        done |= {"restarts": prepared.engine.ended, "kept": prepared.engine.kept}
    return done


def _how_to_go_on(prepared: TrainingSetup, run: Run) -> str:
    return f"Go on with: {launch_command(prepared.processes.count)} train --resume {shlex.quote(str(run.path))}"


def _follow(prepared: TrainingSetup, run: Run, start: ResumePoint) -> None:
    """Take the steps that `_train` takes in the first of several processes, and end with it; keep no records."""
    monitor = _monitor(prepared, None, start)
    buffer = LossBuffer(prepared.runtime.device, LOSS_BLOCK)
    try:
        with Signals(prepared.processes) as signals, prepared.runtime.matmul():
            with contextlib.closing(steps_of(prepared, start, buffer)) as steps:
                status, _ = run_callbacks(
                    stoppable(prepared, unreported_steps(prepared, start, steps, monitor), signals),
                    unlogged,
                    (),
                    NoState(),
                    monitor,
                    signals,
                )
            buffer.flush()
        check_same_weights(prepared, "at the end")
        prepared.processes.of_first(lambda: None)
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted. {_how_to_go_on(prepared, run)}", 130) from None
    if status == "interrupted":
        raise Interrupted("Interrupted.", signals.exit_code)


def train_in_memory(prepared: TrainingSetup, watchers: Sequence[Watcher] = ()) -> TrainedModel:
    """Train without a run directory: the weights that `run_training` would keep, and no files.

    Arguments:
        prepared: from `prepare`.
        watchers: see every step; registered callbacks do not, as there is no run to hand them.

    Raises:
        DivergenceError: a number is not finite.
    """
    monitor = _monitor(prepared, None, ResumePoint())
    keeper = InMemory(prepared)
    buffer = LossBuffer(prepared.runtime.device, LOSS_BLOCK)
    with prepared.runtime.matmul():
        with contextlib.closing(steps_of(prepared, ResumePoint(), buffer)) as steps:
            run_callbacks(steps, unlogged, watchers, keeper, monitor, Signals())
        buffer.flush()
    conclude(prepared)
    keeper.restore()
    return prepared.fitted


def _make_folders(run: Run) -> None:
    try:
        run.samples.mkdir(exist_ok=True)
        run.checkpoints.mkdir(exist_ok=True)
    except OSError as error:
        raise GenzooError(f"{run.path} could not be filled: {error.strerror}.") from error


def _call(callback: Callback, run: Run, step: Step) -> None:
    callback(step, run)


def _monitor(prepared: TrainingSetup, log: MetricsLogger | None, start: ResumePoint) -> ValidationMonitor | None:
    if prepared.watch is None:
        return None
    return ValidationMonitor(prepared, start.monitor, None if log is None else lambda line: log.write([line]))
