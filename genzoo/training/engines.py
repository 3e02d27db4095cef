"""Choose the engine that trains by an objective, with its loader and budget."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import torch

from genzoo.config.run_config import RunConfig
from genzoo.config.training import DirectTraining, EMTraining, GradientTraining
from genzoo.data.condition_transform import ConditionTransform
from genzoo.data.dataset import Dataset, Rows
from genzoo.data.dequantize import Dequantizer
from genzoo.data.splits.large import stretch_of
from genzoo.data.transforms import Transform
from genzoo.engine.augmentation import Flip
from genzoo.engine.blocks import BlockLoader, PassLoader, make_block_loader
from genzoo.engine.dataloader import DataLoader, make_loader
from genzoo.engine.direct import DirectEngine
from genzoo.engine.distributed import Processes
from genzoo.engine.em import EMEngine
from genzoo.engine.gradient import GradientEngine
from genzoo.engine.schedule import Budget
from genzoo.engine.signals import Signals
from genzoo.errors import ConfigError, DataError, PluginError
from genzoo.models.base import Model
from genzoo.models.objective import DirectObjective, EMObjective, GradientObjective, Objective
from genzoo.plugins.registry import blame
from genzoo.runtime.device import Runtime, resolve_runtime
from genzoo.text import counted
from genzoo.wording import argument

_BLOCK = 8192
"""Rows at a time when a model measures constants on them."""

Engine = GradientEngine | EMEngine | DirectEngine


@dataclass(frozen=True, slots=True)
class Source:
    """What a loader is made of."""

    dataset: Dataset
    rows: Rows
    transform: Transform
    runtime: Runtime
    dequantizer: Dequantizer | None
    condition: ConditionTransform | None


@dataclass(frozen=True, slots=True)
class Trained:
    """What trains a model.

    Arguments:
        engine: updates the model.
        loader: yields what each step consumes.
        budget: when training ends.
    """

    engine: Engine
    loader: DataLoader[Any]
    budget: Budget


def choose_engine(
    config: RunConfig, model: Model, objective: Objective, processes: Processes, signals: Signals, source: Source
) -> Trained:
    """Return the engine of an objective, with its loader and budget.

    Raises:
        ConfigError: a setting does not suit the objective or the data.
        DataError: there are too few training rows.
        PluginError: the objective is of no known kind.
    """
    if isinstance(objective, GradientObjective):
        return _by_gradient(config, model, objective, processes, source)
    if isinstance(objective, EMObjective):
        _check_events(config, max(objective.least_events(model), processes.count), source)
        return _by_em(config, model, objective, processes, signals, source)
    if isinstance(objective, DirectObjective):
        _check_events(config, objective.least_events(model), source)
        return _directly(config, model, objective, processes, signals, source)
    kinds = "GradientObjective, EMObjective or DirectObjective"
    raise PluginError(f"Objective {config.objective.name!r} is no {kinds}.")


def runtime_of(config: RunConfig, objective: Objective, processes: Processes) -> Runtime:
    """Return device and precision. EM sums in float64, and neither it nor a direct fit can use coarser products."""
    device = processes.device(config.device)
    if isinstance(objective, GradientObjective):
        return resolve_runtime(device, config.precision)
    if config.precision in ("tf32", "bf16", "fp16"):
        raise ConfigError(
            f"{'EM' if isinstance(objective, EMObjective) else 'A direct fit'} computes in fp32 or fp64, not in "
            f"{config.precision}. Use {argument('precision', 'fp32')} or "
            f"{argument('precision', 'fp64')}."
        )
    return resolve_runtime(device, config.precision, mixed=False, float64=True)


def with_batch_of(
    config: RunConfig, objective: Objective, rows: int, processes: Processes
) -> tuple[RunConfig, tuple[str, ...]]:
    """Return the settings with the batch size of a recipe cut to the training rows, and a remark if it was cut.

    A batch size that was given stays as it is.
    """
    settings = config.training
    gradient = isinstance(settings, GradientTraining) and isinstance(objective, GradientObjective)
    if not gradient or "batch_size" in config.given:
        return config, ()
    assert isinstance(settings, GradientTraining)
    assert isinstance(objective, GradientObjective)
    parts = settings.grad_accumulation * processes.count
    size = rows // objective.batches_per_step // parts * parts
    if size >= settings.batch_size or size < max(1, objective.least_events * settings.grad_accumulation):
        return config, ()
    training = settings.model_copy(update={"batch_size": size})
    there = f"there {'is' if rows == 1 else 'are'} {counted(rows, 'row')}"
    remark = f"The batch size is {size}, and not {settings.batch_size} as in the recipe, because {there}."
    return config.model_copy(update={"training": training}), (remark,)


def _check_events(config: RunConfig, least: int, source: Source) -> None:
    if len(source.rows) < least:
        raise DataError(
            f"Model {config.model.rpartition('/')[2]!r} with these options needs at least {least} training rows, and "
            f"there are {len(source.rows)}."
        )


def _by_em(
    config: RunConfig, model: Model, objective: EMObjective, processes: Processes, signals: Signals, source: Source
) -> Trained:
    settings = config.training
    assert isinstance(settings, EMTraining)
    size = settings.block_size or objective.block(model)
    blocks = functools.partial(
        make_block_loader,
        source.dataset,
        source.rows,
        size,
        source.transform,
        source.runtime,
        source.dequantizer,
        source.condition,
    )
    first, stop = stretch_of(len(source.rows), processes.rank, processes.count)
    engine = EMEngine(
        model,
        objective,
        settings,
        config.seed,
        warm=config.warm_start is not None,
        processes=processes,
        events=None if processes.count == 1 else blocks(once=True),
        beside=(first, len(source.rows) - stop),
        signals=signals,
    )
    loader = PassLoader(blocks(rank=processes.rank, count=processes.count), source.runtime)
    return Trained(engine, loader, Budget.of(settings, 1, steps=settings.max_iter * settings.n_init))


def _directly(
    config: RunConfig, model: Model, objective: DirectObjective, processes: Processes, signals: Signals, source: Source
) -> Trained:
    settings = config.training
    assert isinstance(settings, DirectTraining)
    if processes.count > 1:
        raise ConfigError(
            f"Model {config.model!r} is trained by a direct fit, which runs in one process, and there are "
            f"{processes.count}. Start it in a single one."
        )
    if config.warm_start is not None:
        raise ConfigError(
            f"Model {config.model!r} is trained by a direct fit, which starts from the data alone. Leave "
            f"{argument('warm_start')} out."
        )
    if source.dataset.weights is not None and not objective.weighted:
        raise ConfigError(
            f"Objective {config.objective.name!r} does not support weighted rows. Leave {argument('weight')} out, or "
            f"use a model that learns by expectation-maximization."
        )
    blocks = make_block_loader(
        source.dataset,
        source.rows,
        settings.block_size or objective.block(model),
        source.transform,
        source.runtime,
        source.dequantizer,
        source.condition,
        once=objective.passes == 1,
    )
    engine = DirectEngine(model, objective, len(source.rows), signals)
    return Trained(engine, PassLoader(blocks, source.runtime), Budget(1, None))


def _training_blocks(source: Source) -> BlockLoader:
    """Return the training rows in order, which are read only by an iteration over them."""
    return BlockLoader(
        source.dataset,
        source.rows,
        _BLOCK,
        source.transform,
        source.runtime,
        source.dequantizer,
        source.condition,
    )


def _by_gradient(
    config: RunConfig, model: Model, objective: GradientObjective, processes: Processes, source: Source
) -> Trained:
    settings = config.training
    assert isinstance(settings, GradientTraining)
    if source.dataset.weights is not None:
        raise ConfigError(
            f"Objective {config.objective.name!r} learns by gradients and does not support weighted rows. Leave "
            f"{argument('weight')} out, or use a model that learns by expectation-maximization."
        )
    images = len(source.dataset.spec.event_shape) == 3  # (C, H, W)
    if settings.flip and not source.dataset.spec.form.mirrors:
        raise ConfigError(
            f"{argument('flip', True)} mirrors images, and {source.dataset.name!r} {source.dataset.spec.form.dataset}. "
            f"Leave it out."
        )
    if images:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with blame("The objective"):
        objective.prepare(model, len(source.rows))
        objective.adapt(model, _training_blocks(source))
    engine = GradientEngine(model, objective, settings, source.runtime, processes)
    size = engine.events_per_step
    if len(source.rows) < size:
        most = len(source.rows) // objective.batches_per_step
        smaller = f"{argument('batch_size', most)} or less, or " if most else ""
        raise ConfigError(
            f"There are {len(source.rows)} training rows and a step takes {size} events. Use {smaller}more data."
        )
    loader = make_loader(
        source.dataset,
        source.rows,
        size,
        config.seed,
        source.transform,
        source.runtime,
        channels_last=images,
        dequantizer=source.dequantizer,
        share=engine.share,
        condition=source.condition,
        flip=Flip(config.seed) if settings.flip else None,
    )
    budget = Budget.of(settings, loader.steps_per_epoch)
    if budget.steps is None and budget.seconds is None:
        raise ConfigError(
            f"Model {config.model!r} has no default budget. Give {argument('epochs')}, {argument('steps')} or "
            f"{argument('minutes')}."
        )
    return Trained(engine, loader, budget)
