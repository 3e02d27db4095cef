"""Run a training into a directory, or in memory: a `Trainer` and the callbacks that belong to it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from genzoo.config.training import MOST_STEPS, DirectTraining, GradientTraining, steps_of
from genzoo.engine.direct import DirectEngine
from genzoo.engine.loss_buffer import LossBuffer
from genzoo.errors import (
    ArtifactError,
    DivergenceError,
    GenzooError,
    Interrupted,
    LostProcessError,
    explain_out_of_memory,
)
from genzoo.inference.trained_model import TrainedModel
from genzoo.persistence.checkpoint import checkpoints, discard_after
from genzoo.persistence.run import Run
from genzoo.runtime.launch import launch_command
from genzoo.training.callbacks import (
    BestWeights,
    Cadence,
    CheckpointSaver,
    MetricsLogger,
    SampleWriter,
    TrainingPhase,
)
from genzoo.training.early_stopping import make_early_stopping
from genzoo.training.finalize import Conclude, ModelSaver, RunRecord
from genzoo.training.loggers.forwarding import LogForwarder
from genzoo.training.processes import SameWeights
from genzoo.training.resume import ResumePoint
from genzoo.training.setup import RunCallback, TrainingSetup
from genzoo.training.trainer import AnyCallback, Callback, FunctionCallback, Trainer
from genzoo.wording import resuming, setting_name

LOSS_BLOCK = 25
"""Steps whose losses leave the device together."""


def run_training(
    setup: TrainingSetup, run: Run, callbacks: Sequence[AnyCallback] = (), start: ResumePoint | None = None
) -> None:
    """Train into a run directory until the budget is spent, patience runs out or a signal comes.

    With several processes, the first one writes into the directory and the others only take the same steps.

    Arguments:
        setup: from `build_setup`.
        run: the directory.
        callbacks: watch every step of the first process.
        start: where to continue. Defaults to the beginning.

    Raises:
        DivergenceError: a number is not finite; the last good checkpoint stays.
        Interrupted: a signal came; everything up to the last step is saved. A second Ctrl-C ends at once, and the
            steps since the last checkpoint are lost.
        LostProcessError: another process of this training is gone; the last checkpoint stays.
        ArtifactError: another process trains into the directory.
        GenzooError: the disk is full or read-only.
    """
    start = start or ResumePoint()
    losses = LossBuffer(setup.runtime.device, LOSS_BLOCK, setup.loss_offsets)
    # Only the first process runs the callbacks of users. A function cannot stop a training, but a `Callback` can.
    stops_alone = setup.processes.largest(
        any(isinstance(callback, Callback) and type(callback) is not FunctionCallback for callback in callbacks)
    )
    trainer = _make_trainer(setup, start, losses, stop_together=not stops_alone)
    with _explained(run, _hint(setup, run)), contextlib.ExitStack() as stack:
        same_weights = SameWeights(setup.engine, setup.transform, setup.processes)
        same_weights.check("at the start")
        if setup.processes.first:
            watching = _writing_callbacks(stack, setup, run, callbacks, start, losses, same_weights)
        else:
            watching = _following_callbacks(setup, run, start, same_weights)
        phase = stack.enter_context(_phase(setup, trainer))
        with setup.signals:
            outcome = trainer.fit([phase, *watching])
    if outcome == "interrupted":
        raise Interrupted(f"{setup.signals.word}. {_hint(setup, run)}", setup.signals.exit_code)


def train_in_memory(
    setup: TrainingSetup,
    callbacks: Sequence[AnyCallback] = (),
    evaluated: Callable[[Mapping[str, Any]], None] | None = None,
) -> TrainedModel:
    """Train without a run directory. Return the model that `run_training` would save.

    Arguments:
        setup: from `build_setup`.
        callbacks: watch every step. Registered callbacks of plugins do not, because they need a run.
        evaluated: takes each evaluation of validation rows, as a line of `metrics.jsonl`. Defaults to none.

    Raises:
        DivergenceError: a number is not finite.
    """
    start = ResumePoint()
    watching: list[AnyCallback] = []
    if early_stopping := make_early_stopping(setup, start.monitor, evaluated):
        watching.append(early_stopping)
        if early_stopping.rule.selects:
            watching.append(BestWeights(setup.engine.trained, early_stopping))
    watching += [Conclude(setup.engine), *callbacks]
    trainer = _make_trainer(setup, start, LossBuffer(setup.runtime.device, LOSS_BLOCK, setup.loss_offsets))
    with _phase(setup, trainer) as phase:
        trainer.fit([phase, *watching])
    return setup.trained_model


def _sample_every(setup: TrainingSetup, asked: int | None) -> int | None:
    """Return the number of steps between saved samples; `None` for ten times in a budget.

    By default, sounds as sequences are drawn only after the last step: thousands of symbols take a minute.
    """
    as_sequences = setup.source.dataset is not setup.dataset
    return MOST_STEPS if as_sequences and asked is None else asked


def _writing_callbacks(
    stack: contextlib.ExitStack,
    setup: TrainingSetup,
    run: Run,
    callbacks: Sequence[AnyCallback],
    start: ResumePoint,
    losses: LossBuffer,
    same_weights: SameWeights,
) -> list[AnyCallback]:
    """Open a run for training. Return the callbacks that write into it, in the order in which they act.

    Arguments:
        stack: locks the run, and closes its log and its record when training ends.
    """
    training = setup.config.training
    stack.enter_context(run.locked())
    _check_not_trained_meanwhile(run, start)
    _make_folders(run)
    if start.state is not None:  # which may have a larger budget
        run.configure(run.config.model_copy(update={"training": training}))
    rhythm = steps_of(training)
    log = MetricsLogger(
        run, losses, rhythm.log_every, setup.loader.steps_per_epoch, start.step, evaluated=start.evaluated
    )
    stack.enter_context(contextlib.closing(log))
    early_stopping = make_early_stopping(setup, start.monitor, lambda line: log.write([line]))
    record = stack.enter_context(RunRecord(setup, run, start.step, start.seconds, early_stopping))
    # A step whose callbacks are still to run counts as not taken.
    spent = setup.budget.spent(max(0, start.step - start.pending), start.seconds)
    saver = CheckpointSaver(
        run,
        setup.engine,
        setup.transform,
        Cadence(rhythm.checkpoint_every, spent),
        rhythm.keep_checkpoints,
        log.flush,
        early_stopping,
        None if start.state is None else start.state.monitor,
        setup.condition,
    )
    loggers = [LogForwarder(name, make, run, lambda: saver.saved) for name, make in setup.loggers.items()]
    for logger in loggers:
        stack.enter_context(logger)
    return [
        log,
        SampleWriter(
            run, setup.trained_model, Cadence(_sample_every(setup, rhythm.sample_every), spent), setup.config.seed
        ),
        *([] if early_stopping is None else [early_stopping]),
        saver,
        same_weights,
        Conclude(setup.engine),
        ModelSaver(setup, run, start.step, early_stopping),
        record,
        *loggers,
        # Last, so that an error in one of them loses nothing.
        *(_of_plugin(callback, run) for callback in setup.callbacks),
        *callbacks,
    ]


def _following_callbacks(
    setup: TrainingSetup, run: Run, start: ResumePoint, same_weights: SameWeights
) -> list[AnyCallback]:
    """Return the callbacks of the processes that write nothing.

    Each collective operation of the first process's callbacks has its counterpart here.
    """
    early_stopping = make_early_stopping(setup, start.monitor)
    return [
        *([] if early_stopping is None else [early_stopping]),
        same_weights,
        Conclude(setup.engine),
        ModelSaver(setup, run, start.step, early_stopping),
    ]


def _make_trainer(
    setup: TrainingSetup, start: ResumePoint, losses: LossBuffer, *, stop_together: bool = False
) -> Trainer[Any]:
    return Trainer(
        setup.engine,
        setup.loader,
        setup.budget,
        seed=setup.config.seed,
        steps_before=start.step,
        seconds=start.seconds,
        incomplete=start.pending,
        losses=losses,
        processes=setup.processes,
        runtime=setup.runtime,
        signals=setup.signals,
        stop_together=stop_together,
    )


def _phase(setup: TrainingSetup, trainer: Trainer[Any]) -> TrainingPhase:
    training = setup.config.training
    early = isinstance(training, GradientTraining) and training.patience is not None
    return TrainingPhase(trainer, setup.engine, setup.budget, early=early)


def _hint(setup: TrainingSetup, run: Run) -> str:
    """Say how to continue, as a sentence."""
    again = isinstance(setup.engine, DirectEngine) and not setup.engine.finished
    command = resuming(launch_command(setup.processes.count), run.path, setup.config.model_file)
    return f"{'The fit starts again' if again else 'Go on'} with: {command}"


@contextlib.contextmanager
def _explained(run: Run, hint: str) -> Iterator[None]:
    """Add to an error what became of the run.

    Arguments:
        hint: how to continue, as a sentence.
    """
    size = "batch_size" if isinstance(run.config.training, GradientTraining) else "block_size"
    lower = f"lower {setting_name(f'training.{size}')}, the size of the model, or the number of rows"
    try:
        with explain_out_of_memory(f"model {run.config.model!r} was trained", f"{lower}. {hint}"):
            yield
    except LostProcessError as error:
        raise LostProcessError(f"{error} {hint}") from error
    except DivergenceError as error:
        kept = "" if isinstance(run.config.training, DirectTraining) else f" The last good state is kept in {run.path}."
        raise DivergenceError(f"{error}{kept}") from error
    except KeyboardInterrupt:
        saved = checkpoints(run.checkpoints)
        kept = f"Only {saved[-1].name} is saved" if saved else "Nothing is saved"
        raise Interrupted(f"Interrupted at once. {kept}. {hint}", 130) from None


def _of_plugin(callback: RunCallback, run: Run) -> Callback:
    return FunctionCallback(lambda step: callback(step, run))


def _check_not_trained_meanwhile(run: Run, start: ResumePoint) -> None:
    """Check that a run still has the checkpoints it had when it was opened, and remove those it cannot use."""
    if tuple(path.name for path in checkpoints(run.checkpoints)) != start.found:
        raise ArtifactError(f"{run.path} was trained by another process meanwhile. Resume it again.")
    discard_after(run.checkpoints, start.step)


def _make_folders(run: Run) -> None:
    try:
        run.samples.mkdir(exist_ok=True)
        run.checkpoints.mkdir(exist_ok=True)
    except OSError as error:
        raise GenzooError(f"{run.path} could not be filled: {error.strerror}.") from error
