"""Build and check everything a training needs, before anything is written."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from genzoo.config.run_config import RunConfig
from genzoo.config.sampling import Sampling
from genzoo.config.training import LoggerName
from genzoo.data.condition_transform import ConditionTransform
from genzoo.data.dataset import Dataset, Split
from genzoo.data.degenerate.remarks import degenerate_remarks
from genzoo.data.dequantize import Dequantizer
from genzoo.data.splits.notes import split_notes
from genzoo.data.transforms import Transform
from genzoo.data.value_range import reading_notes
from genzoo.engine.dataloader import DataLoader
from genzoo.engine.distributed import SINGLE_PROCESS, Processes
from genzoo.engine.em import LOSS
from genzoo.engine.gradient import GradientEngine
from genzoo.engine.schedule import Budget
from genzoo.engine.signals import Signals
from genzoo.errors import explain_out_of_memory
from genzoo.inference.likelihood import mean_change_of_units
from genzoo.inference.trained_model import TrainedModel
from genzoo.models.base import capabilities_of
from genzoo.models.objective import EMObjective
from genzoo.persistence.run import Run
from genzoo.plugins.api1 import adapt_step
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Registry, blame, resolve
from genzoo.runtime.device import Runtime, describe_device
from genzoo.runtime.progress import Phase
from genzoo.training.engines import Engine, Source, choose_engine, runtime_of, with_batch_of
from genzoo.training.loggers.forwarding import logger_class
from genzoo.training.loggers.logger import Logger, Opening
from genzoo.training.model_selection import SelectionRule, find_selection_rule
from genzoo.training.preparation import objective_of, prepared, source_of, training_blocks, training_data
from genzoo.training.trainer import Step
from genzoo.typing import Array

RunCallback = Callable[[Step, Run], None]
"""A callback that a plugin registers: it is called after every step."""


@dataclass(frozen=True, kw_only=True)  # no slots, for cached_property
class TrainingSetup:
    """A training that is ready to begin: everything is built and checked, nothing is written.

    Arguments:
        config: settings of the run.
        dataset: data.
        split: rows to train on, to validate and to test.
        transform: maps data to what the model sees.
        condition: the same for conditions; `None` if there are none.
        runtime: device and precision.
        source: what the engine reads: the data and what it still has to do to them.
        engine: updates the model.
        loader: yields what each step consumes.
        budget: when training ends.
        callbacks: callbacks of plugins that the settings name.
        loggers: what connects to each tool that the log is sent to, by name.
        dequantizer: adds noise to data on a grid. `None` if the model does not need it.
        rule: what is evaluated on validation rows. `None` if nothing is.
        processes: processes that train together.
        signals: says whether SIGINT or SIGTERM has come, once entered.
        held_out: scores of rows that earlier fits with these settings held out, `(N,)`. They are kept with the
            model instead of scores of validation rows. Defaults to `None`.
        remarks: sentences about settings that were adapted to the data. Defaults to none.
    """

    config: RunConfig
    dataset: Dataset
    split: Split
    transform: Transform
    condition: ConditionTransform | None
    runtime: Runtime
    source: Source
    engine: Engine
    loader: DataLoader[Any]
    budget: Budget
    callbacks: tuple[RunCallback, ...]
    loggers: Mapping[LoggerName, Callable[[Opening], Logger]]
    dequantizer: Dequantizer | None
    rule: SelectionRule | None
    processes: Processes
    signals: Signals
    held_out: Array | None = None
    remarks: tuple[str, ...] = ()

    @property
    def trained_model(self) -> TrainedModel:
        """The model with its present weights, in data units."""
        entry, config = get_registry().models.get(self.config.model), self.config
        return TrainedModel(
            config.model,
            self.engine.trained,
            self.transform,
            self.dataset.spec,
            entry.spec.missing and self.engine.trained.accepts_missing,
            sampling=Sampling.of(entry, config.sampling, config.sampling_group),
            condition=self.condition,
        )

    @property
    def channels_last(self) -> bool:
        """Whether the model computes in that memory format."""
        return isinstance(self.engine, GradientEngine) and len(self.dataset.spec.event_shape) == 3

    @functools.cached_property
    def offset(self) -> float:
        """Difference of minus log-likelihoods in data units and in model space, a mean over training rows, nats.

        It is 0 if the objective's losses are no likelihoods.
        """
        objective = self.engine.objective
        if not isinstance(objective, EMObjective) and not objective.likelihood_losses:
            return 0.0
        rows, weights = self.split.train, self.dataset.weights
        alike = self.transform.lossy or self.transform.rounds_to
        if alike or (self.transform.affine and not self.dataset.spec.missing):
            rows = rows[:1]  # all events change alike
        units = self.trained_model.units
        own = None if weights is None or not weights[rows].any() else weights[rows]
        return -mean_change_of_units(units, training_blocks(self.dataset, rows, self.dequantizer), own)

    @property
    def loss_offsets(self) -> dict[str, float]:
        """Numbers to add to losses, by name, so that these are in the units of the data."""
        objective = self.engine.objective
        names = (LOSS,) if isinstance(objective, EMObjective) else objective.likelihood_losses
        return dict.fromkeys(names, self.offset)

    @functools.cached_property
    def notes(self) -> list[str]:
        """Sentences about the data that the user should read before training.

        It is how they were read and divided, which columns have no joint density, if the model is a density, and which
        settings were adapted to them.
        """
        read = [*self.remarks, *reading_notes(self.dataset), *split_notes(self.dataset, self.split, self.config.split)]
        return [*read, *self.loader.about_order, *self._density_remarks()]

    def _density_remarks(self) -> list[str]:
        able = capabilities_of(self.engine.trained)
        if self.dequantizer is not None and any(self.dataset.spec.grids):
            return []
        if not able & {"likelihood", "likelihood-bound", "likelihood-estimate"}:
            return []
        return degenerate_remarks(self.dataset)

    def summary(self) -> dict[str, Any]:
        """Return what will be trained, for people and for `--dry-run --json`."""
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
                "dropped": self.dataset.dropped,
            },
            "steps": self.budget.steps,
            "steps_per_epoch": self.loader.steps_per_epoch,
            "device": describe_device(self.runtime.device),
            "precision": self.runtime.precision,
            "processes": self.processes.count,
        }


def build_setup(
    config: RunConfig,
    dataset: Dataset | None = None,
    split: Split | None = None,
    *,
    resumed: Run | None = None,
    processes: Processes = SINGLE_PROCESS,
) -> TrainingSetup:
    """Build everything that a configuration asks for.

    Arguments:
        config: settings of the run.
        dataset: data already in memory. Defaults to the configured source.
        split: rows to train on, to validate and to test. Defaults to the configured split.
        resumed: run that is continued. Its data must be these, and its checkpoint replaces a warm start.
        processes: processes that train together; each builds the same.

    Raises:
        ConfigError, DataError, PluginError, ArtifactError: something does not fit; nothing was written.
    """
    lower = "use a smaller model, or fewer rows or columns"
    with Phase("preparing"), explain_out_of_memory("the training was prepared", lower):
        return _built(config, dataset, split, resumed, processes)


def _built(
    config: RunConfig, dataset: Dataset | None, split: Split | None, resumed: Run | None, processes: Processes
) -> TrainingSetup:
    zoo = get_registry()
    entry = zoo.models.get(config.model)
    # The objective says how to train, hence on which device and in which precision.
    objective = objective_of(entry, config, zoo)
    runtime = runtime_of(config, objective, processes)
    given = training_data(config, dataset, split, resumed, entry, zoo)
    ready = prepared(entry, given, runtime, zoo)
    config, remarks = with_batch_of(given.config, objective, len(given.split.train), processes)
    rule = find_selection_rule(zoo, config, objective, given.dataset, given.split)
    callbacks = tuple(_callback(zoo, name) for name in config.training.callbacks)
    loggers = {name: logger_class(name) for name in config.training.log}
    signals = Signals(processes)
    source = source_of(given, ready, runtime)
    trained = choose_engine(config, ready.model, objective, processes, signals, source)
    ready.model.generator.check_sampling(**Sampling.of(entry, config.sampling).options)
    return TrainingSetup(
        config=config,
        dataset=given.dataset,
        split=given.split,
        transform=ready.transform,
        condition=ready.condition,
        runtime=runtime,
        source=source,
        engine=trained.engine,
        loader=trained.loader,
        budget=trained.budget,
        callbacks=callbacks,
        loggers=loggers,
        dequantizer=ready.dequantizer,
        rule=rule,
        processes=processes,
        signals=signals,
        remarks=remarks,
    )


def _callback(zoo: Registry, name: str) -> RunCallback:
    entry = zoo.callbacks.get(name)
    with blame(f"The builder of callback {entry.id!r}"):
        callback = resolve(entry.spec.builder, entry.spec)()

    def call(step: Step, run: Run) -> None:
        with blame(f"Callback {entry.id!r}"):
            callback(adapt_step(step) if entry.api == 1 else step, run)

    return call
