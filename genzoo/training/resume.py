"""Find the checkpoint that a training resumes from."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from genzoo.config.layers import merge_training
from genzoo.config.run_config import RunConfig
from genzoo.config.settings import validate
from genzoo.config.training import BUDGETS, DirectTraining, GradientTraining, steps_of
from genzoo.data.dataset import Dataset
from genzoo.data.download import without_fetching
from genzoo.engine.distributed import SINGLE_PROCESS, Processes
from genzoo.engine.em import EMEngine
from genzoo.errors import ArtifactError, ConfigError
from genzoo.models.local import find_local
from genzoo.models.state_dict import load_tensors, strip_prefix
from genzoo.persistence.checkpoint import CheckpointState, MonitorState, checkpoints, load_checkpoint
from genzoo.persistence.open_run import open_run
from genzoo.persistence.run import Run
from genzoo.plugins.local import is_local
from genzoo.runtime.launch import launch_command
from genzoo.storage.paths import check_inside
from genzoo.training.setup import TrainingSetup, build_setup
from genzoo.wording import Word, argument, resuming, setting_name


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where a training begins: at the start, or after a checkpoint.

    Arguments:
        step, seconds: steps and time taken so far.
        state: state of the checkpoint. `None` at the start.
        found: names of all checkpoints in the run.
        monitor: state of early stopping.
        pending: whether callbacks of the step, such as an evaluation, are still to run.
        evaluated: whether to keep the log's evaluation after the step.
        notes: warnings for the user, in sentences.
    """

    step: int = 0
    seconds: float = 0.0
    state: CheckpointState | None = None
    found: tuple[str, ...] = ()
    monitor: MonitorState = field(default_factory=MonitorState)
    pending: bool = False
    evaluated: bool = True
    notes: tuple[str, ...] = ()


def prepare_resume(
    path: str,
    budget: Mapping[str, float | int | None],
    dataset: Dataset | None = None,
    processes: Processes = SINGLE_PROCESS,
) -> tuple[Run, TrainingSetup, ResumePoint]:
    """Open a run and load its last checkpoint.

    Arguments:
        path: the run directory.
        budget: `epochs`, `steps` or `minutes`. Those that are not `None` replace the run's own.
        dataset: data in memory. Defaults to the run's source.
        processes: as many as the run had.

    Raises:
        ArtifactError: no such run, no checkpoint, another process trains it, or the data have changed.
        ConfigError: nothing is left to train, or the run had another number of processes.
    """
    run = open_run(path)
    if dataset is None:
        run.check_data_on_disk()
    # So that this does not read what another process is replacing. Training takes the lock again.
    with run.locked() if processes.first else contextlib.nullcontext():
        names = tuple(path.name for path in checkpoints(run.checkpoints))
        found = _last_checkpoint(run)
    config, record = run.config, run.record
    if is_local(config.model):
        find_local(config.model, config.model_source, str(run.path))
    given = {key: value for key, value in budget.items() if key in BUDGETS and value is not None}
    if found is not None:
        _check_processes(run, record, processes)
    if given and isinstance(config.training, DirectTraining):
        raise ConfigError(
            f"{run.path} is a direct fit, which has no budget. Leave {argument(next(iter(given)))} out; a fit that "
            f"was interrupted starts again."
        )
    content = config.model_dump()
    content["training"] = merge_training(content["training"], given)
    content["precision"] = record.get("precision", config.precision)
    asked = validate(RunConfig, content, str(run.path))
    with without_fetching():  # the run may come from anywhere
        setup = build_setup(asked, dataset, resumed=None if found is None else run, processes=processes)
    if found is None:
        return run, setup, ResumePoint()
    checkpoint, state, tensors, notes = found
    try:
        load_tensors(setup.transform, strip_prefix(tensors, "transform."))
        setup.engine.restore(tensors, state.numbers)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"{checkpoint} does not fit its run: {type(error).__name__}: {error}.") from error
    changed = _has_other_budget(config, setup, state)
    start = _start(setup, state, (*notes, *(_notes_on_budget(setup) if changed else ())))
    _check_budget(run, setup, start, given, changed=changed)
    return run, setup, dataclasses.replace(start, found=names)


def _last_checkpoint(run: Run) -> tuple[Path, CheckpointState, dict[str, Tensor], tuple[str, ...]] | None:
    """Return the last checkpoint that can be read, with a note about each later one that cannot.

    Return `None` if training stopped before the first checkpoint.

    Raises:
        ArtifactError: the run has begun but has no checkpoint, none can be read, or a link leads out of the run.
    """
    damage: list[ArtifactError] = []
    for path in reversed(checkpoints(run.checkpoints)):
        check_inside(path, run.path)
        try:
            state, tensors = load_checkpoint(path)
        except ArtifactError as error:
            damage.append(error)
            continue
        notes = tuple(f"{error} Continuing from {path.name} instead." for error in damage)
        return path, state, tensors, notes
    if damage:
        raise damage[0]
    begun = run.log.exists() and run.log.stat().st_size > 0
    if begun or run.model.exists():
        raise ArtifactError(f"{run.path} has no checkpoint to continue from.")
    return None


def _has_other_budget(config: RunConfig, setup: TrainingSetup, state: CheckpointState) -> bool:
    """Return whether a run that has taken steps is given another budget."""
    before, after = (steps_of(one.training) for one in (config, setup.config))
    return state.step > 0 and any(getattr(before, name) != getattr(after, name) for name in BUDGETS)


def _notes_on_budget(setup: TrainingSetup) -> tuple[str, ...]:
    """Return the reasons why a run with a larger budget differs from a run that had it from the start."""
    training = setup.config.training
    if not isinstance(training, GradientTraining):
        return ()
    schedule = training.schedule.name
    notes = []
    if schedule != "constant":
        notes.append(f"The {schedule} schedule of the learning rate spans the budget")
    if setup.engine.objective.settled > 0:
        notes.append("The objective changes with the share of the budget that is spent")
    if training.minutes is not None:
        notes.append("The number of steps in a budget of minutes depends on the machine")
    return tuple(
        f"{note}: the steps so far were taken under the former one, so the result will differ from a run that had "
        f"the larger budget from the start."
        for note in notes
    )


def _start(setup: TrainingSetup, state: CheckpointState, notes: tuple[str, ...]) -> ResumePoint:
    """Return where to continue. Undo an evaluation that took place only because the former budget was spent."""
    former = state.monitor.former
    undone = former is not None and setup.budget.spent(state.step, state.seconds) < 1.0
    monitor = former if former is not None and undone else state.monitor
    evaluated = not undone and not state.pending
    return ResumePoint(state.step, state.seconds, state, (), monitor, state.pending, evaluated, notes)


def _check_processes(run: Run, record: Mapping[str, Any], processes: Processes) -> None:
    """Check the number of processes: sums in another order would not give the same bits."""
    had = record.get("processes", 1)
    if had != processes.count:
        again = resuming(launch_command(had), run.path, run.config.model_file)
        raise ConfigError(
            f"{run.path} was trained by {had} {'process' if had == 1 else 'processes'}, and this is one of "
            f"{processes.count}. Only the same number gives the same result. Use {again}, or start a new run "
            f"from its weights with {argument('warm_start')}."
        )


def _check_budget(
    run: Run, setup: TrainingSetup, start: ResumePoint, given: Mapping[str, float | int], *, changed: bool
) -> None:
    """Check that a run has something left to train, also under a `given` budget that has `changed` it."""
    if run.record.get("status") == "finished":
        _check_unfinished(run, setup, start)
    elif not changed:  # callbacks of the last step may still have to run
        return
    if setup.budget.spent(start.step, start.seconds) < 1.0:
        return
    if len(given) == 1:
        (name, value), *_ = given.items()
        epochs = value * start.step / (setup.budget.steps or 1)
        taken = {"steps": start.step, "minutes": start.seconds / 60, "epochs": epochs}[name]
        before = f"{_number(taken)} {name if taken != 1 else name.removesuffix('s')}"
        raise ConfigError(f"{argument(name, Word(_number(value)))} is not more than the {before} already taken.")
    raise ConfigError(
        f"{run.path} has spent its budget: {start.step} steps in {start.seconds:.0f} s. "
        f"Give a larger budget with {argument('epochs')}, {argument('steps')} or {argument('minutes')}."
    )


def _number(value: float) -> str:
    return f"{round(value, 2):.15g}"


def _check_unfinished(run: Run, setup: TrainingSetup, start: ResumePoint) -> None:
    """Check that a larger budget would change anything."""
    if isinstance(setup.engine, EMEngine) and setup.engine.finished and not setup.engine.converged:
        limit = setting_name("training.max_iter")
        raise ConfigError(
            f"{run.path} ended after {start.step} passes, as many as {limit} allows, before EM converged. "
            f"Train again with a larger {limit}."
        )
    if isinstance(setup.config.training, DirectTraining):
        raise ConfigError(f"{run.path} is a direct fit, which has ended; nothing is left to train.")
    if setup.engine.finished:
        raise ConfigError(f"{run.path} has already converged after {start.step} passes; nothing is left to train.")
    training = setup.config.training
    patience = training.patience if isinstance(training, GradientTraining) else None
    if patience is not None and start.monitor.waited >= patience:
        raise ConfigError(f"{run.path} ran out of patience at step {start.step}; a larger budget would not change it.")
