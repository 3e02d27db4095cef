"""Training a model of the zoo into a run: everything checked first, then one directory filled step by step."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, Self

import numpy as np
from torch import Tensor

from genzoo.agreement import check_alike, check_same_weights
from genzoo.checkpoint import MonitorState, checkpoint_name, load_checkpoint
from genzoo.config import DataSettings, RunConfig, launcher, runs_folder
from genzoo.consumers import Cadence, Checkpoints, MetricsLog, SampleGrids
from genzoo.data.array import array_dataset
from genzoo.data.dataset import Array, Dataset
from genzoo.device import describe
from genzoo.engine.distributed import ALONE, Processes, joined
from genzoo.engine.em import EMEngine
from genzoo.engine.fit import Step, fit
from genzoo.engine.losses import LossBuffer
from genzoo.errors import ConfigError, DivergenceError, GenzooError, Interrupted, LostProcessError
from genzoo.fitted import Fitted
from genzoo.metrics.likelihood import kind_of, log_likelihoods
from genzoo.monitor import Monitor
from genzoo.plugins import registry
from genzoo.portable import save_model
from genzoo.preparation import Callback, Prepared, Start, prepare, prepare_resume
from genzoo.recipe import layer, resolve_config
from genzoo.run import Run, run_name
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

    def save(self, step: int, seconds: float, monitor: Monitor | None) -> None:
        """Save the state after `step`."""


class _Signals:
    """Turns the first SIGINT or SIGTERM into a flag; a second SIGINT interrupts at once.

    Arguments:
        processes: of which all stop after the same step, whichever was told to.
    """

    def __init__(self, processes: Processes = ALONE) -> None:
        self._processes = processes
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def pending(self) -> bool:
        """Whether any process was told to stop by now; all of them ask after every step."""
        told = self._processes.largest(self.received or 0)
        self.received = told or self.received
        return told != 0

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number


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
        GenzooError: the disk is full or read-only.
    """
    start = start or Start()
    check_same_weights(prepared, "at the start")
    try:
        _train(prepared, run, watchers, start) if prepared.processes.first else _follow(prepared, run, start)
    except LostProcessError as error:
        again = f"{launcher(prepared.processes.count)} train --resume {run.path}"
        raise LostProcessError(f"{error} Go on with: {again}") from error


def _train(prepared: Prepared, run: Run, watchers: Sequence[Watcher], start: Start) -> None:
    """Train and keep the records."""
    training = prepared.config.training
    _make_folders(run)
    spent = prepared.budget.spent(start.step, start.seconds)
    log = MetricsLog(run, training.log_every, prepared.feed.steps_per_epoch, start.step)
    saving = Cadence(training.checkpoint_every, spent)
    saver = Checkpoints(run, prepared.engine, prepared.transform, saving, training.keep)
    monitor = _monitor(prepared, log, start)
    grids = SampleGrids(run, prepared.fitted, Cadence(training.sample_every, spent), prepared.config.seed)
    callbacks = [functools.partial(_call, callback, run) for callback in prepared.callbacks]
    watching: list[Watcher] = [log, grids, *callbacks, *watchers]
    begun: dict[str, Any] = {"device": describe(prepared.runtime.device), "precision": prepared.runtime.precision}
    begun["processes"] = prepared.processes.count
    if start.step:
        run.configure(prepared.config)
    if monitor is not None:
        begun["watch"] = monitor.rule()
    run.update(status="running", data=prepared.dataset.spec.as_dict(), **begun)
    status, step = "failed", None
    try:
        with _Signals(prepared.processes) as signals, prepared.runtime.matmul():
            if not start.step:
                saver.save(0, 0.0, monitor)
            buffer = LossBuffer(prepared.runtime.device, _LOSS_BLOCK)
            with contextlib.closing(_steps(prepared, buffer, start)) as steps:
                status, step = _consume(steps, watching, saver, monitor, signals)
            if step is not None:
                log.losses(buffer.flush(), step.seconds)
        check_same_weights(prepared, "at the end")
        reached = start.step if step is None else step.number
        prepared.processes.of_first(lambda: _finish(prepared, run, status, reached, monitor))
    except DivergenceError as error:
        status = "diverged"
        raise DivergenceError(f"{error} The last good state is kept in {run.path}.") from error
    except KeyboardInterrupt:
        status = "interrupted"
        raise Interrupted(f"Interrupted; {run.path} keeps its last checkpoint.", 130) from None
    finally:
        log.close()
        with contextlib.suppress(GenzooError):  # a full disk must not hide why the run ended
            ended: dict[str, Any] = {} if step is None else {"steps": step.number, "seconds": round(step.seconds, 3)}
            if isinstance(prepared.engine, EMEngine):
                ended |= {"restarts": prepared.engine.ended, "kept": prepared.engine.kept}
            run.update(status=status, **ended)
    if status == "interrupted":
        code = 128 + (signals.received or signal.SIGINT)
        again = f"{launcher(prepared.processes.count)} train --resume {run.path}"
        raise Interrupted(f"Interrupted. Go on with: {again}", code)


def _follow(prepared: Prepared, run: Run, start: Start) -> None:
    """Take the steps that `_train` takes in the first of several processes, and end with it; keep no records."""
    monitor = _monitor(prepared, None, start)
    buffer = LossBuffer(prepared.runtime.device, _LOSS_BLOCK)
    try:
        with _Signals(prepared.processes) as signals, prepared.runtime.matmul():
            with contextlib.closing(_steps(prepared, buffer, start)) as steps:
                status, _ = _consume(steps, (), _Nothing(), monitor, signals)
            buffer.flush()
        check_same_weights(prepared, "at the end")
        prepared.processes.of_first(lambda: None)
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted; {run.path} keeps its last checkpoint.", 130) from None
    if status == "interrupted":
        raise Interrupted("Interrupted.", 128 + (signals.received or signal.SIGINT))


class _Nothing:
    """Saves nothing, as the first process does it."""

    def due(self, step: Step) -> bool:
        """Never."""
        return False

    def save(self, step: int, seconds: float, monitor: Monitor | None) -> None:
        """Leave it to the first process."""


def _steps(prepared: Prepared, buffer: LossBuffer, start: Start) -> Generator[Step, None, None]:
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


class _InMemory:
    """Keeps the best state of a training that has no run directory."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._selects = prepared.watch is not None and prepared.watch.selects
        self._kept: dict[str, Tensor] = {}

    def due(self, step: Step) -> bool:
        """Never of itself: only a best step is worth a copy."""
        return False

    def save(self, step: int, seconds: float, monitor: Monitor | None) -> None:
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
        with contextlib.closing(_steps(prepared, buffer, Start())) as steps:
            _consume(steps, watchers, keeper, monitor)
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
    signals: _Signals | None = None,
) -> tuple[str, Step | None]:
    """Hand every step to those who watch; returns how the training ended, and its last step.

    Arguments:
        signals: interrupt the training between steps; nothing does without.
    """
    step = None
    for step in steps:
        for watcher in watching:
            watcher(step)
        better = monitor is not None and monitor(step)
        exhausted = monitor is not None and monitor.exhausted
        stopping = signals is not None and signals.pending() and not step.last
        if saver.due(step) or better or exhausted or stopping:
            saver.save(step.number, step.seconds, monitor)
        if exhausted:
            return "finished", step
        if stopping:
            return "interrupted", step
    return "finished", step


def _call(callback: Callback, run: Run, step: Step) -> None:
    callback(step, run)


def _monitor(prepared: Prepared, log: MetricsLog | None, start: Start) -> Monitor | None:
    if prepared.watch is None:
        return None
    state = MonitorState() if start.state is None else start.state.monitor
    return Monitor(prepared, state, None if log is None else lambda line: log.write([line]))


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
