"""Training a model of the zoo into a run: everything checked first, then one directory filled step by step."""

from __future__ import annotations

import contextlib
import functools
import itertools
import shlex
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from genzoo.agreement import check_alike, check_same_weights
from genzoo.checkpoint import checkpoints, discard_after
from genzoo.conclusion import conclude, finish
from genzoo.config import RunConfig, launcher, runs_folder
from genzoo.consumers import Cadence, Checkpoints, MetricsLog, SampleGrids
from genzoo.data.dataset import Array, Dataset
from genzoo.data.given import given_data
from genzoo.device import describe
from genzoo.engine.abandon import Abandoned
from genzoo.engine.distributed import joined
from genzoo.engine.em import EMEngine
from genzoo.engine.fit import Step
from genzoo.engine.losses import LossBuffer
from genzoo.errors import ArtifactError, DivergenceError, GenzooError, Interrupted, LostProcessError
from genzoo.fitted import Fitted
from genzoo.loop import LOSS_BLOCK, InMemory, Nothing, Watcher, consume, steps_of, stoppable, told, unlogged
from genzoo.monitor import Monitor
from genzoo.plugins import registry
from genzoo.preparation import Callback, Prepared, prepare
from genzoo.recipe import layer, resolve_config
from genzoo.resumption import Start, prepare_resume
from genzoo.run import Run, run_name
from genzoo.signals import Signals


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
    buffer = LossBuffer(prepared.runtime.device, LOSS_BLOCK)

    def settle(seconds: float) -> None:
        log.losses(buffer.flush(), seconds)
        log.sync()

    saving = Cadence(training.checkpoint_every, spent)
    saver = Checkpoints(run, prepared.engine, prepared.transform, saving, training.keep, settle)
    monitor = _monitor(prepared, log, start)
    grids = SampleGrids(run, prepared.fitted, Cadence(training.sample_every, spent), prepared.config.seed)
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
                seen = stoppable(prepared, told(prepared, start, steps, monitor), signals)
                how, step = consume(seen, log, watching, saver, monitor, signals)
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


def _record_beginning(prepared: Prepared, run: Run, start: Start, monitor: Monitor | None) -> None:
    begun: dict[str, Any] = {"device": describe(prepared.runtime.device), "precision": prepared.runtime.precision}
    begun["processes"] = prepared.processes.count
    if start.state is not None:
        run.configure(run.config.model_copy(update={"training": prepared.config.training}))
    if monitor is not None:
        begun["watch"] = monitor.rule()
    run.update(status="running", data=prepared.dataset.spec.as_dict(), events=len(prepared.dataset), **begun)


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
    buffer = LossBuffer(prepared.runtime.device, LOSS_BLOCK)
    try:
        with Signals(prepared.processes) as signals, prepared.runtime.matmul():
            with contextlib.closing(steps_of(prepared, start, buffer)) as steps:
                status, _ = consume(
                    stoppable(prepared, told(prepared, start, steps, monitor), signals),
                    unlogged,
                    (),
                    Nothing(),
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


def train_in_memory(prepared: Prepared, watchers: Sequence[Watcher] = ()) -> Fitted:
    """Train without a run directory: the weights that `run_training` would keep, and no files.

    Arguments:
        prepared: from `prepare`.
        watchers: see every step; registered callbacks do not, as there is no run to hand them.

    Raises:
        DivergenceError: a number is not finite.
    """
    monitor = _monitor(prepared, None, Start())
    keeper = InMemory(prepared)
    buffer = LossBuffer(prepared.runtime.device, LOSS_BLOCK)
    with prepared.runtime.matmul():
        with contextlib.closing(steps_of(prepared, Start(), buffer)) as steps:
            consume(steps, unlogged, watchers, keeper, monitor, Signals())
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


def _monitor(prepared: Prepared, log: MetricsLog | None, start: Start) -> Monitor | None:
    if prepared.watch is None:
        return None
    return Monitor(prepared, start.monitor, None if log is None else lambda line: log.write([line]))


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

    Warns:
        UserWarning: it will not end as a run that was asked for as much at the start, or began from an earlier
            checkpoint, as the last one is damaged.
    """
    dataset = None if data is None else given_data(data)[0]
    budget = {"epochs": epochs, "steps": steps, "minutes": minutes}
    with joined() as processes:
        run, prepared, start = processes.agreed(lambda: prepare_resume(str(path), budget, dataset, processes))
        for note in start.notes if processes.first else ():
            warnings.warn(note, stacklevel=2)
        run_training(prepared, run, watchers, start)
    return run
