"""Training a model of the zoo into a run: everything checked first, then one directory filled step by step."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import shlex
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from genzoo.agreement import check_alike, check_same_weights
from genzoo.checkpoint import MonitorState, checkpoint_name, checkpoints, discard_after, load_checkpoint
from genzoo.config import DataSettings, RunConfig, launcher, runs_folder
from genzoo.consumers import Cadence, Checkpoints, MetricsLog, SampleGrids
from genzoo.data.array import array_dataset
from genzoo.data.dataset import Array, Dataset
from genzoo.device import describe
from genzoo.engine.distributed import joined
from genzoo.engine.em import EMEngine
from genzoo.engine.fit import Step, fit, taken
from genzoo.engine.losses import LossBuffer
from genzoo.errors import ArtifactError, ConfigError, DivergenceError, GenzooError, Interrupted, LostProcessError
from genzoo.fitted import Fitted
from genzoo.metrics.likelihood import kind_of, log_likelihoods
from genzoo.monitor import Monitor
from genzoo.plugins import registry
from genzoo.portable import save_model
from genzoo.preparation import Callback, Prepared, Start, prepare, prepare_resume
from genzoo.recipe import layer, resolve_config
from genzoo.run import Run, run_name
from genzoo.signals import Abandoned, Signals
from genzoo.weights import below, load_tensors

Watcher = Callable[[Step], None]
"""Sees every step of a training; a progress display, for instance."""

_LOSS_BLOCK = 25
"""Steps whose losses leave the device together."""

_MOST_SCORES = 10_000
"""Validation rows whose log-likelihoods are kept with a model."""

_MOST_BOUNDS = 2_000
"""The same where they are lower bounds, each of many draws."""


class _Saver(Protocol):
    """What keeps the state of a training as its loop goes on."""

    def due(self, step: Step) -> bool:
        """Whether it is time to save."""

    def save(self, step: int, seconds: float, monitor: MonitorState | None, *, pending: bool = False) -> None:
        """Save the state after `step`."""


def run_training(prepared: Prepared, run: Run, watchers: Sequence[Watcher] = (), start: Start | None = None) -> None:
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
    start = start or Start()
    check_same_weights(prepared, "at the start")
    try:
        _lead(prepared, run, watchers, start) if prepared.processes.first else _follow(prepared, run, start)
    except LostProcessError as error:
        raise LostProcessError(f"{error} {_how_to_go_on(prepared, run)}") from error


def _lead(prepared: Prepared, run: Run, watchers: Sequence[Watcher], start: Start) -> None:
    """Train as the process that writes into the run."""
    with run.locked():
        _refuse_moved(run, start)
        _train(prepared, run, watchers, start)


def _refuse_moved(run: Run, start: Start) -> None:
    """Refuse to go on from a state that is not the run's any more."""
    if tuple(path.name for path in checkpoints(run.checkpoints)) != start.found:
        raise ArtifactError(f"{run.path} was trained by another process meanwhile. Resume it again.")
    discard_after(run.checkpoints, start.step)


def _train(prepared: Prepared, run: Run, watchers: Sequence[Watcher], start: Start) -> None:
    """Train and keep the records."""
    training = prepared.config.training
    _make_folders(run)
    spent = prepared.budget.spent(max(0, start.step - start.pending), start.seconds)
    log = MetricsLog(run, training.log_every, prepared.feed.steps_per_epoch, start.step, evaluated=start.evaluated)
    buffer = LossBuffer(prepared.runtime.device, _LOSS_BLOCK)

    def settle(seconds: float) -> None:
        log.losses(buffer.flush(), seconds)
        log.sync()

    saving = Cadence(training.checkpoint_every, spent)
    saver = Checkpoints(run, prepared.engine, prepared.transform, saving, training.keep, settle)
    monitor = _monitor(prepared, log, start)
    grids = SampleGrids(run, prepared.fitted, Cadence(training.sample_every, spent), prepared.config.seed)
    callbacks = [functools.partial(_call, callback, run) for callback in prepared.callbacks]
    watching: list[Watcher] = [log, grids, *callbacks, *watchers]
    begun: dict[str, Any] = {"device": describe(prepared.runtime.device), "precision": prepared.runtime.precision}
    begun["processes"] = prepared.processes.count
    if start.state is not None:
        run.configure(run.config.model_copy(update={"training": training}))
    if monitor is not None:
        begun["watch"] = monitor.rule()
    run.update(status="running", data=prepared.dataset.spec.as_dict(), events=len(prepared.dataset), **begun)
    outcome, step = "failed", None
    try:
        with Signals(prepared.processes) as signals, prepared.runtime.matmul():
            if start.state is None:
                saver.save(0, 0.0, None if monitor is None else monitor.state())
            else:
                saver.prune(start.state.monitor)
            with contextlib.closing(_steps(prepared, start, buffer)) as steps:
                told = _told(prepared, start, steps, monitor)
                how, step = _consume(_stoppable(prepared, told, signals), watching, saver, monitor, signals)
            if step is not None:
                settle(step.seconds)
            check_same_weights(prepared, "at the end")
            reached = start.step if step is None else step.number
            with signals.abandonable:
                prepared.processes.of_first(lambda: _finish(prepared, run, how, reached, monitor))
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


def _account(prepared: Prepared, start: Start, step: Step | None) -> dict[str, Any]:
    """What was done by the end, for the run's record."""
    steps, seconds = (start.step, start.seconds) if step is None else (step.number, step.seconds)
    done: dict[str, Any] = {"steps": steps, "seconds": round(seconds, 3)}
    if isinstance(prepared.engine, EMEngine):
        done |= {"restarts": prepared.engine.ended, "kept": prepared.engine.kept}
    return done


def _how_to_go_on(prepared: Prepared, run: Run) -> str:
    return f"Go on with: {launcher(prepared.processes.count)} train --resume {shlex.quote(str(run.path))}"


def _follow(prepared: Prepared, run: Run, start: Start) -> None:
    """Take the steps that `_train` takes in the first of several processes, and end with it; keep no records."""
    monitor = _monitor(prepared, None, start)
    buffer = LossBuffer(prepared.runtime.device, _LOSS_BLOCK)
    try:
        with Signals(prepared.processes) as signals, prepared.runtime.matmul():
            with contextlib.closing(_steps(prepared, start, buffer)) as steps:
                status, _ = _consume(_told(prepared, start, steps, monitor), (), _Nothing(), monitor, signals)
            buffer.flush()
        check_same_weights(prepared, "at the end")
        prepared.processes.of_first(lambda: None)
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted. {_how_to_go_on(prepared, run)}", 130) from None
    if status == "interrupted":
        raise Interrupted("Interrupted.", signals.exit_code)


class _Nothing:
    """Saves nothing, as the first process does it."""

    def due(self, step: Step) -> bool:
        """Never."""
        return False

    def save(self, step: int, seconds: float, monitor: MonitorState | None, *, pending: bool = False) -> None:
        """Leave it to the first process."""


def _steps(prepared: Prepared, start: Start, buffer: LossBuffer) -> Generator[Step, None, None]:
    return fit(
        prepared.engine,
        prepared.feed,
        prepared.budget,
        seed=prepared.config.seed,
        done=start.step,
        seconds=start.seconds,
        buffer=buffer,
        processes=prepared.processes,
    )


def _told(prepared: Prepared, start: Start, steps: Iterator[Step], monitor: Monitor | None) -> Iterator[Step]:
    """All steps that are to be told of: also the one that was taken when a signal came, where it was not seen out."""
    if not start.pending:
        return iter(()) if monitor is not None and monitor.exhausted else steps
    seen = taken(prepared.engine, prepared.feed, prepared.budget, start.step, start.seconds)
    return itertools.chain([seen], steps)


def _stoppable(prepared: Prepared, steps: Iterator[Step], signals: Signals) -> Iterator[Step]:
    """Steps, which a signal lets finish; but a pass of EM, which may be long, is abandoned and undone.

    Raises:
        Abandoned: one was.
    """
    engine = prepared.engine
    if not isinstance(engine, EMEngine):
        yield from steps
        return
    while True:
        tensors = {name: value.clone() for name, value in engine.tensors().items()}
        numbers = engine.numbers()
        try:
            with signals.abandonable:
                step = next(steps, None)
        except Abandoned:
            engine.restore(tensors, numbers)
            raise
        if step is None:
            return
        yield step


class _InMemory:
    """Keeps the best state of a training that has no run directory."""

    def __init__(self, prepared: Prepared) -> None:
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


def train_in_memory(prepared: Prepared, watchers: Sequence[Watcher] = ()) -> Fitted:
    """Train without a run directory: the weights that `run_training` would keep, and no files.

    Arguments:
        prepared: from `prepare`.
        watchers: see every step; registered callbacks do not, as there is no run to hand them.

    Raises:
        DivergenceError: a number is not finite.
    """
    monitor = _monitor(prepared, None, Start())
    keeper = _InMemory(prepared)
    buffer = LossBuffer(prepared.runtime.device, _LOSS_BLOCK)
    with prepared.runtime.matmul():
        with contextlib.closing(_steps(prepared, Start(), buffer)) as steps:
            _consume(steps, watchers, keeper, monitor, Signals())
        buffer.flush()
    _conclude(prepared)
    keeper.restore()
    return prepared.fitted


def _conclude(prepared: Prepared) -> None:
    """Have EM keep its best restart, also where the budget ended within one."""
    if isinstance(prepared.engine, EMEngine):
        prepared.engine.conclude()


def _make_folders(run: Run) -> None:
    try:
        run.samples.mkdir(exist_ok=True)
        run.checkpoints.mkdir(exist_ok=True)
    except OSError as error:
        raise GenzooError(f"{run.path} could not be filled: {error.strerror}.") from error


def _consume(
    steps: Iterator[Step],
    watching: Sequence[Watcher],
    saver: _Saver,
    monitor: Monitor | None,
    signals: Signals,
) -> tuple[str, Step | None]:
    """Hand every step to those who watch; returns how the training ended, and its last step.

    A signal ends it after the step. What those who watch had not done by then is saved as pending.
    """
    step, saved = None, True
    try:
        for step in steps:
            saved = False
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


def _call(callback: Callback, run: Run, step: Step) -> None:
    callback(step, run)


def _monitor(prepared: Prepared, log: MetricsLog | None, start: Start) -> Monitor | None:
    if prepared.watch is None:
        return None
    return Monitor(prepared, start.monitor, None if log is None else lambda line: log.write([line]))


def _finish(prepared: Prepared, run: Run, status: str, step: int, monitor: Monitor | None) -> None:
    """Save the portable model: that of the best step where one was watched for, else the last."""
    if status != "finished":
        return
    _conclude(prepared)
    if monitor is not None and monitor.watch.selects and monitor.best_step is not None:
        state, tensors = load_checkpoint(run.checkpoints / checkpoint_name(monitor.best_step))
        load_tensors(prepared.engine.trained, below(state.kept(tensors), "generator."))
        step = monitor.best_step
        run.update(best={"by": monitor.watch.by, "value": monitor.best, "step": step})
    config = prepared.config
    training = {
        "objective": config.objective.name,
        "data": prepared.dataset.name,
        "rows": len(prepared.split.train),
        "steps": step,
        "batch_size": config.training.batch_size,
        "seed": config.seed,
        "precision": prepared.runtime.precision,
        "average": config.training.ema or None,
    }
    fitted = prepared.fitted
    fitted = dataclasses.replace(fitted, validation_scores=_validation_scores(fitted, prepared))
    digest = save_model(run.model, fitted, config.options, training)
    run.update(weights=digest)


def _validation_scores(fitted: Fitted, prepared: Prepared) -> Array | None:
    """Log-likelihoods of validation rows in increasing order; of many rows those of evenly spaced ones.

    Rows without any value have none. Lower bounds are of as many draws as those of any events that are scored.
    """
    rows, kind = prepared.split.validation, kind_of(fitted)
    if not len(rows) or kind == "none":
        return None
    most = _MOST_SCORES if kind == "exact" else _MOST_BOUNDS
    if len(rows) > most:
        rows = rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
    try:
        scores = log_likelihoods(fitted, prepared.dataset, rows, seed=0)
    except DivergenceError:  # a model may be of use without them
        return None
    known = np.sort(scores[~np.isnan(scores)])
    # A file of tensors holds finite numbers only.
    return np.maximum(known, np.finfo(np.float64).min) if len(known) and np.isfinite(known[-1]) else None


def start_run(prepared: Prepared, out: Path | None) -> Run:
    """Make the run directory of a training that is ready.

    Raises:
        ConfigError: it exists already, or several processes were told different things.
        DataError: several processes see different data.
    """
    config = prepared.config.model_copy(update={"data_digest": prepared.dataset.digest()})
    check_alike(prepared, str(config.data_digest))
    return Run(Path(prepared.processes.of_first(lambda: str(_create(config, out).path))))


def _create(config: RunConfig, out: Path | None) -> Run:
    if out is not None:
        return Run.create(out, config)
    base = runs_folder() / run_name(config)
    names = itertools.chain([base], (base.with_name(f"{base.name}-{n}") for n in itertools.count(2)))
    return Run.create(next(path for path in names if not path.exists()), config)


def train(
    model: str,
    data: str | Path | Array | Dataset | Mapping[str, Any] | None = None,
    *,
    objective: str | Mapping[str, Any] | None = None,
    preset: str | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    out: str | Path | None = None,
    training: Mapping[str, Any] | None = None,
    split: Mapping[str, float] | None = None,
    warm_start: str | Path | None = None,
    weights: Array | None = None,
    watchers: Sequence[Watcher] = (),
    **options: Any,
) -> Run:
    """Train a model of the zoo.

    Arguments:
        model: its name, `"dcgan"`, or id, `"genzoo-gan/dcgan"`.
        data: a built-in name, a path, an array `(N, *event)`, a table of pyarrow, pandas or polars, a `Dataset`, or
            settings such as `{"source": "photos", "size": 32}`; the model's own default without.
        objective: one of those the model lists, or its settings, `{"name": "hinge", "margin": 2.0}`; the model's
            first without.
        preset: a named alternative recipe of the model.
        seed: the same seed gives the same weights on the same machine.
        device: `auto | cpu | cuda | cuda:N | mps`.
        precision: `auto | fp64 | fp32 | tf32 | bf16 | fp16`.
        out: the run directory; one below `runs` without.
        training: settings such as `{"epochs": 50, "batch_size": 64}`.
        split: shares of the rows held out, such as `{"validation": 0.2, "test": 0.0}`.
        warm_start: a run or model folder of the same model, whose weights and transform training goes on from.
        weights: how much each event of data in memory counts, `(N,)`, for models that learn by
            expectation-maximisation.
        watchers: see every step.
        options: the model's own options.

    Returns:
        The finished run.

    Raises:
        GenzooError: see `genzoo.errors`.
    """
    asked: dict[str, Any] = {"seed": seed, "device": device, "precision": precision, "training": training or {}}
    dataset, asked["data"] = given_data(data, weights)
    if split is not None:
        asked["split"] = dict(split)
    if objective is not None:
        asked["objective"] = objective
    if warm_start is not None:
        asked["warm_start"] = str(Path(warm_start).resolve())
    if preset is not None:
        asked["preset"] = preset
    config = resolve_config(registry(), model, layer({"options": options, **asked}))
    with joined() as processes:
        prepared = processes.agreed(lambda: prepare(config, dataset, processes=processes))
        run = start_run(prepared, None if out is None else Path(out))
        run_training(prepared, run, watchers)
    return run


def given_data(
    data: str | Path | Array | Dataset | Mapping[str, Any] | None, weights: Array | None = None
) -> tuple[Dataset | None, dict[str, Any]]:
    """Data in memory, if that is what was given, and the settings that name them.

    Raises:
        ConfigError: weights in memory of data that are not.
    """
    dataset, settings = _named(data)
    if weights is None:
        return dataset, settings
    if dataset is None:
        raise ConfigError(
            "Weights in memory belong to data in memory; for data in a file, name the column that holds them, "
            "such as data={'source': 'a.csv', 'weight': 'w'}."
        )
    return dataclasses.replace(dataset, weights=np.asarray(weights)), settings


def _named(data: str | Path | Array | Dataset | Mapping[str, Any] | None) -> tuple[Dataset | None, dict[str, Any]]:
    if data is None:
        return None, {}
    if isinstance(data, str | Path):
        return None, {"source": str(data)}
    if isinstance(data, Mapping):
        return None, dict(data)
    if hasattr(data, "__arrow_c_stream__"):  # a table of pyarrow, pandas or polars
        # Arrays need no pyarrow.
        from genzoo.data.table import table_dataset
        from genzoo.data.tabular import ArrowTable

        data = table_dataset("table", ArrowTable.of(data), DataSettings(source="table"))
    if not isinstance(data, Dataset):
        array = data.detach().cpu().numpy() if isinstance(data, Tensor) else np.asarray(data)
        data = array_dataset("array", array)
    return data, {"source": data.name}


def resume(
    path: str | Path,
    data: Array | Dataset | None = None,
    *,
    epochs: float | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    watchers: Sequence[Watcher] = (),
) -> Run:
    """Go on with a run from its last checkpoint, as if it had never stopped.

    Arguments:
        path: the run directory.
        data: what it was trained on, where that was in memory.
        epochs, steps, minutes: a larger budget in place of the run's own.
        watchers: see every step.

    Raises:
        GenzooError: see `genzoo.errors`.
    """
    dataset = None if data is None else given_data(data)[0]
    budget = {"epochs": epochs, "steps": steps, "minutes": minutes}
    with joined() as processes:
        run, prepared, start = processes.agreed(lambda: prepare_resume(str(path), budget, dataset, processes))
        run_training(prepared, run, watchers, start)
    return run
