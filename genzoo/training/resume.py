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
from genzoo.config.settings import BUDGETS, GradientTraining, RunConfig, validate
from genzoo.data.dataset import Dataset
from genzoo.data.download import without_fetching
from genzoo.engine.distributed import SINGLE_PROCESS, Processes
from genzoo.errors import ArtifactError, ConfigError
from genzoo.models.state_dict import load_tensors, strip_prefix
from genzoo.runs.checkpoint import CheckpointState, MonitorState, checkpoints, load_checkpoint
from genzoo.runs.run import Run, open_run
from genzoo.runtime.launch import launch_command
from genzoo.storage.paths import check_inside
from genzoo.training.setup import TrainingSetup, build_setup


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where a training begins: at nothing, or after a checkpoint.

    Arguments:
        step, seconds: taken so far.
        state: of the checkpoint.
        found: the names of all checkpoints that there were.
        monitor: what its monitor remembers.
        pending: whether what follows the step, such as an evaluation, is still to come.
        evaluated: whether the log's evaluation after the step is to stand.
        notes: what is worth saying, in sentences.
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
    """Open a run and take up its last checkpoint.

    Arguments:
        path: the run directory.
        budget: `epochs`, `steps` or `minutes` in place of the run's own, those that are not `None`.
        processes: as many as the run had.

    Raises:
        ArtifactError: no such run, no checkpoint, another process at work on it, or the data are not those it was
            trained on.
        ConfigError: there is nothing to go on with, or the run had another number of processes.
    """
    run = open_run(path)
    # So that nobody reads what is being replaced; training holds it again.
    with run.locked() if processes.first else contextlib.nullcontext():
        names = tuple(path.name for path in checkpoints(run.checkpoints))
        found = _last_checkpoint(run)
    config, record = run.config, run.record
    given = {key: value for key, value in budget.items() if key in BUDGETS and value is not None}
    if found is not None:
        _refuse_other_processes(run, record, processes)
    content = config.model_dump()
    content["training"] = merge_training(content["training"], given)
    content["precision"] = record.get("precision", config.precision)
    asked = validate(RunConfig, content, str(run.path))
    with without_fetching():  # the run may be anybody's
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
    start = _start(setup, state, (*notes, *(_about_more(setup) if changed else ())))
    _refuse_spent(run, setup, start, changed=changed)
    return run, setup, dataclasses.replace(start, found=names)


def _last_checkpoint(run: Run) -> tuple[Path, CheckpointState, dict[str, Tensor], tuple[str, ...]] | None:
    """The last checkpoint that can be read, and what is to be said of those that cannot.

    `None` where training was stopped before there was one.

    Raises:
        ArtifactError: there is none of a run that has begun, none that can be read, or one that leads out of the run.
    """
    damage: list[ArtifactError] = []
    for path in reversed(checkpoints(run.checkpoints)):
        check_inside(path, run.path)
        try:
            state, tensors = load_checkpoint(path)
        except ArtifactError as error:
            damage.append(error)
            continue
        notes = tuple(f"{error} Going on from {path.name} instead." for error in damage)
        return path, state, tensors, notes
    if damage:
        raise damage[0]
    begun = run.log.exists() and run.log.stat().st_size > 0
    if begun or run.model.exists():
        raise ArtifactError(f"{run.path} has no checkpoint to go on from.")
    return None


def _has_other_budget(config: RunConfig, setup: TrainingSetup, state: CheckpointState) -> bool:
    """Whether a run is given another budget than it had, and has taken steps under what it had."""
    budgets = [
        {name: getattr(training, name) for name in BUDGETS} for training in (config.training, setup.config.training)
    ]
    return state.step > 0 and budgets[0] != budgets[1]


def _about_more(setup: TrainingSetup) -> tuple[str, ...]:
    """Why a run that is given more will not equal one that had as much from the start; nothing where it will."""
    training = setup.config.training
    if not isinstance(training, GradientTraining):
        return ()
    schedule = training.schedule.name
    notes = []
    if schedule != "constant":
        notes.append(f"The {schedule} schedule of the learning rate spans the budget")
    if setup.engine.objective.settled > 0:
        notes.append("The objective changes with the share of the budget that is spent")
    if setup.config.training.minutes is not None:
        notes.append("A budget in minutes takes as many steps as the machine is quick")
    return tuple(
        f"{note}: the steps so far were taken under the former one, so this will not equal a run that was "
        f"given as much from the start."
        for note in notes
    )


def _start(setup: TrainingSetup, state: CheckpointState, notes: tuple[str, ...]) -> ResumePoint:
    """Where to go on; an evaluation that took place only because the budget was spent is undone under a larger one."""
    former = state.monitor.former
    undone = former is not None and setup.budget.spent(state.step, state.seconds) < 1.0
    monitor = former if former is not None and undone else state.monitor
    evaluated = not undone and not state.pending
    return ResumePoint(state.step, state.seconds, state, (), monitor, state.pending, evaluated, notes)


def _refuse_other_processes(run: Run, record: Mapping[str, Any], processes: Processes) -> None:
    """Refuse to go on in more or fewer processes: sums in another order would not end with the same bits."""
    had = record.get("processes", 1)
    if had != processes.count:
        raise ConfigError(
            f"{run.path} was trained by {had} {'process' if had == 1 else 'processes'}, and this is one of "
            f"{processes.count}; only as many go on to the same bits. Use {launch_command(had)} train --resume "
            f"{run.path}, or begin a new run from its weights with --warm-start."
        )


def _refuse_spent(run: Run, setup: TrainingSetup, start: ResumePoint, *, changed: bool) -> None:
    """Refuse to go on with a run that has nothing left to do, or has spent a budget that was `changed`."""
    if run.record.get("status") == "finished":
        _refuse_settled(run, setup, start)
    elif not changed:  # what follows the last step may be still to come
        return
    if setup.budget.spent(start.step, start.seconds) >= 1.0:
        raise ConfigError(
            f"{run.path} has spent its budget: {start.step} steps in {start.seconds:.0f} s. "
            f"Give more than that with --epochs, --steps or --minutes."
        )


def _refuse_settled(run: Run, setup: TrainingSetup, start: ResumePoint) -> None:
    """Refuse to go on where no budget would change anything."""
    if setup.engine.finished:
        raise ConfigError(f"{run.path} has converged after {start.step} passes; there is nothing to go on with.")
    training = setup.config.training
    patience = training.patience if isinstance(training, GradientTraining) else None
    if patience is not None and start.monitor.waited >= patience:
        raise ConfigError(f"{run.path} ran out of patience at step {start.step}; a larger budget would not change it.")
