"""Training a model of the zoo into a run: everything checked first, then one directory filled step by step."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Self

import torch

from genzoo.build import build_objective, build_parts, check_data
from genzoo.checkpoint import CheckpointState, checkpoint_name, checkpoints, load_checkpoint
from genzoo.config import BUDGETS, RunConfig, merge_training, runs_folder
from genzoo.consumers import Cadence, Checkpoints, MetricsLog, Monitor, SampleGrids
from genzoo.data.array import array_dataset
from genzoo.data.dataset import Array, Dataset, Rows, Split
from genzoo.data.source import open_dataset
from genzoo.device import Runtime, describe, resolve_runtime
from genzoo.engine.em import EMEngine
from genzoo.engine.feed import Blocks, Feed, PassFeed, make_feed
from genzoo.engine.fit import Step, fit
from genzoo.engine.gradient import GradientEngine
from genzoo.engine.schedule import Budget
from genzoo.errors import ArtifactError, ConfigError, DivergenceError, GenzooError, Interrupted, PluginError
from genzoo.fitted import Fitted
from genzoo.model import Model
from genzoo.objective import Batch, EMObjective, GradientObjective, Objective
from genzoo.plugins import registry
from genzoo.portable import save_model
from genzoo.recipe import layer, resolve_config
from genzoo.registry import resolve
from genzoo.run import Run, open_run, run_name
from genzoo.seeding import scope
from genzoo.transform import Affine, fit_transform
from genzoo.weights import below, load_tensors

Watcher = Callable[[Step], None]
"""Sees every step of a training; a progress display, for instance."""

_LOSS_BLOCK = 25
"""Steps whose losses leave the device together."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A training that is ready to begin: everything is built and checked, nothing is written."""

    config: RunConfig
    dataset: Dataset
    split: Split
    transform: Affine
    runtime: Runtime
    engine: GradientEngine | EMEngine
    feed: Feed[Any]
    budget: Budget

    @property
    def fitted(self) -> Fitted:
        """The model as it stands, in the form users hold."""
        return Fitted(self.config.model, self.engine.trained, self.transform, self.dataset.spec)

    def summary(self) -> dict[str, Any]:
        """What will be trained, for people and for `--dry-run --json`."""
        groups = self.engine.model.groups.items()
        return {
            "model": self.config.model,
            "parameters": {name: sum(p.numel() for p in part.parameters() if p.requires_grad) for name, part in groups},
            "data": self.dataset.spec.describe(),
            "rows": {
                "train": len(self.split.train),
                "validation": len(self.split.validation),
                "test": len(self.split.test),
                "skipped": self.dataset.skipped,
            },
            "steps": self.budget.steps,
            "steps_per_epoch": self.feed.steps_per_epoch,
            "device": describe(self.runtime.device),
            "precision": self.runtime.precision,
        }


def prepare(config: RunConfig, dataset: Dataset | None = None) -> Prepared:
    """Build everything that a configuration asks for.

    Arguments:
        dataset: data already in memory, in place of the configured source.

    Raises:
        ConfigError, DataError, PluginError: something does not fit; nothing was written.
    """
    zoo = registry()
    entry = zoo.models.get(config.model)
    objective = build_objective(zoo.objective_of(entry, config.objective.name), config.objective.options)
    runtime = resolve_runtime(config.device, config.precision, mixed=isinstance(objective, GradientObjective))
    dataset = dataset or open_dataset(config.data, zoo)
    check_data(entry, dataset.spec)
    split = dataset.split(config.split, config.seed)
    transform = fit_transform(entry.spec.input, dataset.spec, dataset.blocks(split.train))
    transform = transform.to(runtime.device, runtime.wide)
    with scope(config.seed, "build"):
        model = Model(build_parts(entry, config.options, dataset.spec))
    model = model.to(runtime.device, runtime.dtype)
    _check_patience(config, objective, split)
    source = (dataset, split.train, transform, runtime)
    if isinstance(objective, GradientObjective):
        engine, feed = _gradient(config, model, objective, *source)
        budget = Budget.of(config.training, feed.steps_per_epoch)
        if budget.steps is None and budget.seconds is None:
            raise ConfigError(f"Model {config.model!r} brings no budget. Give --epochs, --steps or --minutes.")
        return Prepared(config, dataset, split, transform, runtime, engine, feed, budget)
    if isinstance(objective, EMObjective):
        passes = EMEngine(model, objective, config.training, config.seed)
        blocks = PassFeed(Blocks(dataset, split.train, config.training.block, transform, runtime), runtime)
        longest = Budget.of(config.training, 1, steps=config.training.passes * config.training.restarts)
        return Prepared(config, dataset, split, transform, runtime, passes, blocks, longest)
    raise PluginError(f"Objective {config.objective.name!r} is of no kind that this engine trains.")


def _gradient(
    config: RunConfig,
    model: Model,
    objective: GradientObjective,
    dataset: Dataset,
    rows: Rows,
    transform: Affine,
    runtime: Runtime,
) -> tuple[GradientEngine, Feed[Batch]]:
    images = dataset.spec.modality == "image"
    if images:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    engine = GradientEngine(model, objective, config.training, runtime)
    size = engine.events_per_step
    return engine, make_feed(dataset, rows, size, config.seed, transform, runtime, channels_last=images)


def _has_monitor(objective: Objective) -> bool:
    return type(objective).monitor is not Objective.monitor


def _check_patience(config: RunConfig, objective: Objective, split: Split) -> None:
    if config.training.patience is None:
        return
    if not _has_monitor(objective):
        raise ConfigError(
            f"Objective {config.objective.name!r} says nothing about quality on validation rows, so --patience has "
            f"nothing to watch. Leave --patience out and choose a budget."
        )
    if not len(split.validation):
        raise ConfigError("--patience watches the validation rows, and the split has none (split.validation is 0).")


class _Signals:
    """Turns the first SIGINT or SIGTERM into a flag; a second SIGINT interrupts at once."""

    def __init__(self) -> None:
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

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a training begins: at nothing, or after a checkpoint."""

    step: int = 0
    seconds: float = 0.0
    state: CheckpointState | None = None


def run_training(prepared: Prepared, run: Run, watchers: Sequence[Watcher] = (), start: _Start | None = None) -> None:
    """Train into a run directory until the budget is spent, patience runs out or a signal comes.

    Arguments:
        prepared: from `prepare`.
        run: the directory.
        watchers: see every step.

    Raises:
        DivergenceError: a number is not finite; the last good checkpoint stays.
        Interrupted: a signal came; everything up to the last step is saved.
        GenzooError: the disk is full or read-only.
    """
    start = start or _Start()
    training = prepared.config.training
    try:
        run.samples.mkdir(exist_ok=True)
        run.checkpoints.mkdir(exist_ok=True)
    except OSError as error:
        raise GenzooError(f"{run.path} could not be filled: {error.strerror}.") from error
    spent = prepared.budget.spent(start.step, start.seconds)
    log = MetricsLog(run, training.log_every, prepared.feed.steps_per_epoch, start.step)
    saving = Cadence(training.checkpoint_every, spent)
    saver = Checkpoints(run, prepared.engine, prepared.transform, saving, training.keep)
    monitor = _monitor(prepared, log, start)
    grids = SampleGrids(run, prepared.fitted, Cadence(training.sample_every, spent), prepared.config.seed)
    watching: list[Watcher] = [log, grids, *_callbacks(prepared, run), *watchers]
    begun = {"device": describe(prepared.runtime.device), "precision": prepared.runtime.precision}
    run.update(status="running", data=prepared.dataset.spec.as_dict(), **begun)
    status, step = "failed", None
    try:
        with _Signals() as signals, prepared.runtime.matmul():
            if not start.step:
                saver.save(0, 0.0, monitor)
            steps = fit(
                prepared.engine,
                prepared.feed,
                prepared.budget,
                seed=prepared.config.seed,
                done=start.step,
                seconds=start.seconds,
                block=_LOSS_BLOCK,
            )
            with contextlib.closing(steps):
                status, step = _consume(steps, watching, saver, monitor, signals)
        _finish(prepared, run, status, step, monitor)
    except DivergenceError as error:
        status = "diverged"
        raise DivergenceError(f"{error} The last good state is kept in {run.path}.") from error
    except KeyboardInterrupt:
        status = "interrupted"
        raise Interrupted(f"Interrupted; {run.path} keeps its last checkpoint.", 130) from None
    finally:
        log.close()
        with contextlib.suppress(GenzooError):  # a full disk must not hide why the run ended
            ended = {} if step is None else {"steps": step.number, "seconds": round(step.seconds, 3)}
            run.update(status=status, **ended)
    if status == "interrupted":
        code = 128 + (signals.received or signal.SIGINT)
        raise Interrupted(f"Interrupted. Go on with: genzoo train --resume {run.path}", code)


def _consume(
    steps: Iterator[Step], watching: Sequence[Watcher], saver: Checkpoints, monitor: Monitor | None, signals: _Signals
) -> tuple[str, Step | None]:
    """Hand every step to those who watch; returns how the training ended, and its last step."""
    step = None
    for step in steps:
        for watcher in watching:
            watcher(step)
        better = monitor is not None and monitor(step)
        exhausted = monitor is not None and monitor.exhausted
        stopping = signals.received is not None and not step.last
        if saver.due(step) or better or exhausted or stopping:
            saver.save(step.number, step.seconds, monitor)
        if exhausted:
            return "finished", step
        if stopping:
            return "interrupted", step
    return "finished", step


def _monitor(prepared: Prepared, log: MetricsLog, start: _Start) -> Monitor | None:
    config, rows = prepared.config, prepared.split.validation
    engine = prepared.engine
    if not isinstance(engine, GradientEngine) or not _has_monitor(engine.objective) or not len(rows):
        return None
    return Monitor(
        engine,
        prepared.dataset,
        rows,
        prepared.transform,
        prepared.runtime,
        log,
        batch_size=config.training.batch_size,
        every_steps=max(1, round(config.training.eval_every * prepared.feed.steps_per_epoch)),
        patience=config.training.patience,
        seed=config.seed,
        state={} if start.state is None else start.state.monitor,
    )


def _callbacks(prepared: Prepared, run: Run) -> list[Watcher]:
    found: list[Watcher] = []
    for name in prepared.config.training.callbacks:
        entry = registry().callbacks.get(name)
        callback = resolve(entry.spec.builder, entry.spec)()

        def watch(step: Step, callback: Callable[[Step, Run], None] = callback) -> None:
            callback(step, run)

        found.append(watch)
    return found


def _finish(prepared: Prepared, run: Run, status: str, step: Step | None, monitor: Monitor | None) -> None:
    """Save the portable model: the best one where patience watched, else the last."""
    if status != "finished":
        return
    kept = None if step is None else step.number
    if monitor is not None and prepared.config.training.patience is not None and monitor.best_step is not None:
        state, tensors = load_checkpoint(run.checkpoints / checkpoint_name(monitor.best_step))
        load_tensors(prepared.engine.trained, below(state.kept(tensors), "generator."))
        kept = monitor.best_step
    config = prepared.config
    training = {
        "objective": config.objective.name,
        "data": config.data.source,
        "rows": len(prepared.split.train),
        "steps": kept,
        "batch_size": config.training.batch_size,
        "seed": config.seed,
        "precision": prepared.runtime.precision,
        "average": config.training.ema or None,
    }
    digest = save_model(run.model, prepared.fitted, config.options, training)
    run.update(weights=digest)


def start_run(prepared: Prepared, out: Path | None) -> Run:
    """Make the run directory of a training that is ready.

    Raises:
        ConfigError: it exists already.
    """
    config = prepared.config.model_copy(update={"data_digest": prepared.dataset.digest()})
    return Run.create(out or runs_folder() / run_name(config), config)


def prepare_resume(
    path: str, budget: Mapping[str, float | int | None], dataset: Dataset | None = None
) -> tuple[Run, Prepared, _Start]:
    """Open a run and take up its last checkpoint.

    Arguments:
        path: the run directory.
        budget: `epochs`, `steps` or `minutes` in place of the run's own, those that are not `None`.

    Raises:
        ArtifactError: no such run, no checkpoint, or the data are not those it was trained on.
    """
    run = open_run(path)
    config = run.config
    found = checkpoints(run.checkpoints)
    if not found:
        raise ArtifactError(f"{run.path} has no checkpoint to go on from.")
    state, tensors = load_checkpoint(found[-1])
    given = {key: value for key, value in budget.items() if key in BUDGETS and value is not None}
    longer = merge_training(config.training.model_dump(), given) if given else config.training.model_dump()
    record = run.record
    config = config.model_copy(update={"training": type(config.training).model_validate(longer)})
    pinned = config.model_copy(update={"precision": record.get("precision", config.precision)})
    prepared = prepare(pinned, dataset)
    if prepared.dataset.digest() != config.data_digest:
        raise ArtifactError(
            f"{run.path} was trained on other data: what {config.data.source!r} holds now has another digest. "
            f"Restore the data, or train a new run."
        )
    prepared.engine.restore(tensors, state.numbers)
    return run, prepared, _Start(state.step, state.seconds, state)


def train(
    model: str,
    data: str | Path | Array | Dataset | None = None,
    *,
    objective: str | None = None,
    preset: str | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    out: str | Path | None = None,
    training: Mapping[str, Any] | None = None,
    watchers: Sequence[Watcher] = (),
    **options: Any,
) -> Run:
    """Train a model of the zoo.

    Arguments:
        model: its name, `"dcgan"`, or id, `"genzoo-gan/dcgan"`.
        data: a built-in name, a path, an array `(N, *event)` or a `Dataset`; the model's own default without.
        objective: one of those the model lists; its first without.
        preset: a named alternative recipe of the model.
        seed: the same seed gives the same weights on the same machine.
        device: `auto | cpu | cuda | cuda:N | mps`.
        precision: `auto | fp64 | fp32 | tf32 | bf16 | fp16`.
        out: the run directory; one below `runs` without.
        training: settings such as `{"epochs": 50, "batch_size": 64}`.
        watchers: see every step.
        options: the model's own options.

    Returns:
        The finished run.

    Raises:
        GenzooError: see `genzoo.errors`.
    """
    dataset = data if isinstance(data, Dataset) else None
    if data is not None and not isinstance(data, Dataset | str | Path):
        dataset = array_dataset("array", data)
    source = dataset.name if dataset is not None else data
    flags: dict[str, Any] = {"seed": seed, "device": device, "precision": precision, "training": training or {}}
    if source is not None:
        flags["data"] = {"source": str(source)}
    if objective is not None:
        flags["objective"] = {"name": objective}
    if preset is not None:
        flags["preset"] = preset
    config = resolve_config(registry(), model, layer(options), flags)
    prepared = prepare(config, dataset)
    run = start_run(prepared, None if out is None else Path(out))
    run_training(prepared, run, watchers)
    return run
