"""`genzoo.train` and `genzoo.resume`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from genzoo.config.resolve import layer, resolve_config
from genzoo.config.settings import RunConfig, SplitSettings, runs_folder, validate
from genzoo.data.dataset import Dataset
from genzoo.data.loading import given_data
from genzoo.data.splits.given import given_split
from genzoo.data.value_range import range_remarks
from genzoo.engine.distributed import join_processes
from genzoo.persistence.format1 import current_layers
from genzoo.persistence.run import Run, open_run, run_name
from genzoo.plugins.api1 import former_keywords
from genzoo.plugins.manager import get_registry
from genzoo.runtime.display import show_progress
from genzoo.runtime.progress import Phase
from genzoo.training.processes import check_same_start
from genzoo.training.resume import prepare_resume
from genzoo.training.run_training import run_training
from genzoo.training.setup import TrainingSetup, build_setup
from genzoo.training.trainer import AnyCallback, as_callbacks
from genzoo.typing import Array, Frame


def start_run(setup: TrainingSetup, out: Path | None) -> Run:
    """Make the run directory of a training that is ready.

    Raises:
        ConfigError: it exists, or the settings of several processes differ.
        DataError: several processes see different data.
    """
    with Phase("preparing"):
        config = setup.config.model_copy(update={"data_digest": setup.dataset.digest()})
        check_same_start(setup, str(config.data_digest))
    return Run(Path(setup.processes.of_first(lambda: str(_create(config, out).path))))


def _remarks(dataset: Dataset) -> Iterable[str]:
    """Return what may be wrong with how a dataset was read."""
    if dataset.spec.modality == "table":
        return dataset.notes
    return (f"{dataset.name}: {remark}" for remark in range_remarks(dataset))


def _create(config: RunConfig, out: Path | None) -> Run:
    return Run.create(runs_folder() / run_name(config) if out is None else out, config, numbered=out is None)


@former_keywords(watchers="callbacks")
def train(
    model: str,
    data: str | Path | Array | Frame | Dataset | Mapping[str, Any] | None = None,
    *,
    objective: str | Mapping[str, Any] | None = None,
    preset: str | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    out: str | Path | None = None,
    training: Mapping[str, Any] | None = None,
    split: str | Mapping[str, Any] | None = None,
    split_by: str | Sequence[str] | Array | None = None,
    warm_start: str | Path | None = None,
    weights: Array | None = None,
    callbacks: Sequence[AnyCallback] = (),
    progress: bool | None = None,
    **options: Any,
) -> Run:
    """Train a model of the zoo.

    Arguments:
        model: its name, `"dcgan"`, or id, `"genzoo-gan/dcgan"`.
        data: a built-in name, a path, an array `(N, *event)`, a table of pyarrow, pandas or polars, a `Dataset`, or
            settings such as `{"source": "photos", "size": 32}`, whose source may be an array or table. Defaults to the
            model's own choice. A model trained on a table in memory samples such tables.
        objective: an objective of the model, or its settings such as `{"name": "hinge", "margin": 2.0}`. Defaults to
            the model's first.
        preset: a named alternative recipe of the model.
        seed: the same seed gives the same weights on the same machine.
        device: `auto | cpu | cuda | cuda:N | mps`.
        precision: `auto | fp64 | fp32 | tf32 | bf16 | fp16`.
        out: the run directory. Defaults to a new one in `runs`.
        training: settings such as `{"epochs": 50, "batch_size": 64}`.
        split: which rows are held out: `"random"`, `"contiguous"` (the last rows) or `"time=COL"` (the latest), or
            settings such as `{"validation": 0.2, "test": 0.0}`.
        split_by: columns whose equal values stay on one side of the split, or an array of one group for each row of
            data in memory, `(N,)`.
        warm_start: a run or model folder of the same model. Training starts from its weights and transform.
        weights: how much each event of data in memory counts, `(N,)`, for models that learn by
            expectation-maximization. Defaults to 1 each.
        callbacks: watch the training; each is a `Callback`, or a function that takes a `Step`.
        progress: whether to show progress on stderr or below the cell of a notebook. Defaults to showing it in a
            terminal or notebook only.
        options: the model's own options.

    Returns:
        The finished run.

    Raises:
        GenzooError: see `genzoo.errors`.

    Warns:
        UserWarning: the range that was found in images may be wrong, and the `range` of `data` states another one; or a
            first line of numbers was read as column names.
    """
    callbacks = as_callbacks(callbacks)
    asked: dict[str, Any] = {"seed": seed, "device": device, "precision": precision, "training": training or {}}
    asked["split"], groups = given_split(split, split_by)
    checked = validate(SplitSettings, asked["split"], "The run", "split")
    dataset, asked["data"] = given_data(data, weights, checked, groups)
    if objective is not None:
        asked["objective"] = objective
    if warm_start is not None:
        asked["warm_start"] = str(Path(warm_start).resolve())
    if preset is not None:
        asked["preset"] = preset
    registry = get_registry()
    layers = current_layers(registry, model, layer({"options": options, **asked}))
    config = resolve_config(registry, model, *layers)
    with join_processes() as processes, show_progress(progress if processes.first else False):
        setup = processes.agreed(lambda: build_setup(config, dataset, processes=processes))
        for remark in _remarks(setup.dataset) if processes.first else ():
            warnings.warn(remark, stacklevel=2)
        run = start_run(setup, None if out is None else Path(out))
        run_training(setup, run, callbacks)
    return run


@former_keywords(watchers="callbacks")
def resume(
    path: str | Path,
    data: Array | Frame | Dataset | None = None,
    *,
    split_by: Array | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    callbacks: Sequence[AnyCallback] = (),
    progress: bool | None = None,
) -> Run:
    """Continue a run from its last checkpoint, as if it had never stopped.

    Arguments:
        path: the run directory.
        data: the data it was trained on, if they were in memory. A table may be of another library.
        split_by: the groups of their rows, `(N,)`, if it was trained with them.
        epochs, steps, minutes: a larger budget. Defaults to the run's own.
        callbacks: watch the training; each is a `Callback`, or a function that takes a `Step`.
        progress: as for `train`.

    Raises:
        GenzooError: see `genzoo.errors`.

    Warns:
        UserWarning: the result will differ from a run with the larger budget from the start; or the last checkpoint
            is damaged, and training continues from an earlier one.
    """
    callbacks = as_callbacks(callbacks)
    groups = given_split(None, split_by)[1]
    dataset = None if data is None else given_data(data, None, open_run(str(path)).config.split, groups)[0]
    budget = {"epochs": epochs, "steps": steps, "minutes": minutes}
    with join_processes() as processes, show_progress(progress if processes.first else False):
        run, setup, start = processes.agreed(lambda: prepare_resume(str(path), budget, dataset, processes))
        for note in start.notes if processes.first else ():
            warnings.warn(note, stacklevel=2)
        run_training(setup, run, callbacks, start)
    return run
