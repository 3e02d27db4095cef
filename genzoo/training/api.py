"""`genzoo.train` and `genzoo.resume`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from genzoo.config.data import SplitSettings
from genzoo.config.keywords import check_model, option_names, sort_keywords
from genzoo.config.resolve import layer, resolve_config
from genzoo.config.run_config import RunConfig, runs_folder
from genzoo.config.settings import validate
from genzoo.data.dataset import Dataset
from genzoo.data.opening.given import AnyData, given_data
from genzoo.data.splits.given import given_split
from genzoo.data.value_range import range_remarks
from genzoo.engine.distributed import join_processes
from genzoo.errors import ConfigError
from genzoo.models.reference import known_name
from genzoo.persistence.format1 import current_layers
from genzoo.persistence.open_run import open_run, run_name
from genzoo.persistence.run import Run
from genzoo.plugins.api1 import former_keywords
from genzoo.plugins.local import offering
from genzoo.plugins.manager import get_registry
from genzoo.runtime.display import show_progress
from genzoo.runtime.launch import restarts
from genzoo.runtime.progress import Phase
from genzoo.storage.paths import contains, user_path
from genzoo.training.loadable import check_loadable
from genzoo.training.processes import check_same_start
from genzoo.training.resume import prepare_resume
from genzoo.training.run_training import run_training
from genzoo.training.setup import TrainingSetup, build_setup
from genzoo.training.trainer import AnyCallback, as_callbacks
from genzoo.typing import Array, Frame


def start_run(setup: TrainingSetup, out: Path | None) -> Run:
    """Make the run directory of a training that is ready.

    Raises:
        ConfigError: it exists, the settings of several processes differ, or the model could not be loaded again.
        DataError: several processes see different data.
    """
    with Phase("preparing"):
        loading = check_loadable(setup)
        config = setup.config.model_copy(update={"data_digest": setup.dataset.digest()})
        check_same_start(setup, str(config.data_digest))
    return Run(Path(setup.processes.of_first(lambda: str(_create(config, out, loading).path))))


def run_to_go_on(config: RunConfig, out: str | Path | None) -> str | None:
    """Return the run that a training continues because torchrun has restarted its processes; `None` if it begins.

    A run in `out` with other settings is not this training.

    Arguments:
        config: settings of the training.
        out: the directory that the user named.
    """
    if out is None or not restarts():
        return None
    path = user_path(Path(out))
    if not contains(path, "config.json", "run.json"):
        return None
    found = Run(path).config
    same = all(getattr(found, name) == getattr(config, name) for name in _OF_A_RUN)
    return str(path) if same else None


_OF_A_RUN = ("model", "options", "objective", "seed")
"""Settings that a run keeps as they were asked for."""


def _remarks(dataset: Dataset) -> Iterable[str]:
    """Return what may be wrong with how a dataset was read."""
    if not dataset.spec.form.ranged:
        return dataset.notes
    return (f"{dataset.name}: {remark}" for remark in range_remarks(dataset))


def _create(config: RunConfig, out: Path | None, loading: Mapping[str, Any]) -> Run:
    path = runs_folder() / run_name(config) if out is None else user_path(out)
    return Run.create(path, config, numbered=out is None, loading=dict(loading))


@former_keywords(watchers="callbacks")
def train(
    model: str | type,
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
    sampling: Mapping[str, Any] | None = None,
    callbacks: Sequence[AnyCallback] = (),
    progress: bool | None = None,
    **settings: Any,
) -> Run:
    """Train a model of the zoo.

    Each option of the model and each setting of the training, the data and the split is a keyword under its own name:
    `train("dcgan", steps=500, lr=1e-4, latent=32)`.

    Arguments:
        model: its name, `"dcgan"`, or id, `"genzoo-gan/dcgan"`; a class of yours that is derived from
            `genzoo.Generator`, or its place in a file, `"./my_model.py:MyModel"`.
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
        training: settings of the training, such as `{"epochs": 50, "batch_size": 64}`. Keywords come first.
        split: which rows are held out: `"random"`, `"contiguous"` (the last rows) or `"time=COL"` (the latest), or
            settings such as `{"validation": 0.2, "test": 0.0}`. Keywords come first.
        split_by: columns whose equal values stay on one side of the split, or an array of one group for each row of
            data in memory, `(N,)`.
        warm_start: a run or model folder of the same model. Training starts from its weights and transform.
        weights: how much each event of data in memory counts, `(N,)`, for models that learn by
            expectation-maximization. Defaults to 1 each.
        sampling: values of the model's sampling options, such as `{"steps": 20}`, for samples during training and of
            the trained model. Defaults to the model's own.
        callbacks: watch the training; each is a `Callback`, or a function that takes a `Step`.
        progress: whether to show progress on stderr or below the cell of a notebook. Defaults to showing it in a
            terminal or notebook only.
        settings: options of the model, such as `n_components`; of the training, such as `epochs`, `steps`, `minutes`,
            `batch_size`, `lr` and `patience`; of the data, such as `size`, `drop` and `kinds`; and of the split, such
            as `validation` and `test`. A keyword that is an option of the model sets only that, as `-o NAME=VALUE`
            does; `training`, `data` and `split` take a setting of the same name.

    Returns:
        The finished run.

    Examples:
        >>> train("gmm", "iris", n_components=3, max_iter=50, out="runs/iris")  # doctest: +SKIP
        Run('runs/iris')

    Raises:
        GenzooError: see `genzoo.errors`.

    Warns:
        UserWarning: the range that was found in images may be wrong, and the `range` of `data` states another one; or a
            first line of numbers was read as column names.
    """
    callbacks = as_callbacks(callbacks)
    registry = get_registry()
    model = check_model(registry, known_name(model))
    entry = registry.models.get(model)
    keywords = sort_keywords(settings, option_names(entry))
    asked: dict[str, Any] = {"seed": seed, "device": device, "precision": precision, "training": training or {}}
    asked["split"], groups = given_split(split, split_by)
    asked["split"] |= keywords.split
    checked = validate(SplitSettings, asked["split"], "The run", "split")
    dataset, asked["data"] = given_data(keywords.read(data), weights, checked, groups)
    if objective is not None:
        asked["objective"] = objective
    if warm_start is not None:
        asked["warm_start"] = str(Path(warm_start).resolve())
    if preset is not None:
        asked["preset"] = preset
    if sampling is not None:
        asked["sampling"] = sampling
    given = [{"options": keywords.options, **asked}, {"training": keywords.training}]
    layers = current_layers(registry, model, *map(layer, given))
    config = resolve_config(registry, model, *layers)
    if (again := run_to_go_on(config, out)) is not None:
        return resume(again, dataset, callbacks=callbacks, progress=progress)
    with join_processes() as processes, show_progress(progress if processes.first else False):
        setup = processes.agreed(lambda: build_setup(config, dataset, processes=processes))
        for remark in _remarks(setup.dataset) if processes.first else ():
            warnings.warn(remark, stacklevel=3)  # the caller of the function that `former_keywords` makes
        run = start_run(setup, None if out is None else Path(out))
        run.data_in_memory = None if dataset is None else setup.dataset
        run_training(setup, run, callbacks)
    return run


@former_keywords(watchers="callbacks", path="run")
def resume(
    run: str | Path | Run,
    data: Array | Sequence[str] | Frame | Dataset | None = None,
    *,
    split_by: Array | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    model: str | Path | type | None = None,
    callbacks: Sequence[AnyCallback] = (),
    progress: bool | None = None,
    **settings: Any,
) -> Run:
    """Continue a run from its last checkpoint, as if it had never stopped.

    Arguments:
        run: the run, or its directory.
        data: the data it was trained on, if they were in memory. A table may be of another library. The
            run that `train` returned has them.
        split_by: the groups of their rows, `(N,)`, if it was trained with them.
        epochs, steps, minutes: a larger budget. Defaults to the run's own.
        model: the class of a model of your own, or its file, as for `load`.
        callbacks: watch the training; each is a `Callback`, or a function that takes a `Step`.
        progress: as for `train`.
        settings: must be empty: all other settings stay as they are.

    Raises:
        GenzooError: see `genzoo.errors`.

    Warns:
        UserWarning: the result will differ from a run with the larger budget from the start; or the last checkpoint
            is damaged, and training continues from an earlier one.
    """
    callbacks = as_callbacks(callbacks)
    if settings:
        raise ConfigError(
            f"A resumed run keeps its settings, and takes only a larger budget: epochs, steps or minutes, not "
            f"{next(iter(settings))}."
        )
    path = str(run.path if isinstance(run, Run) else run)
    groups = given_split(None, split_by)[1]
    if data is None and isinstance(run, Run):
        dataset = run.data_in_memory
    else:
        dataset = None if data is None else _data_of_run(open_run(path).config, data, groups)
    budget = {"epochs": epochs, "steps": steps, "minutes": minutes}
    with join_processes() as processes, show_progress(progress if processes.first else False), offering(model):
        resumed, setup, start = processes.agreed(lambda: prepare_resume(path, budget, dataset, processes))
        for note in start.notes if processes.first else ():
            warnings.warn(note, stacklevel=3)
        resumed.data_in_memory = None if dataset is None else setup.dataset
        run_training(setup, resumed, callbacks, start)
    return resumed


def _data_of_run(config: RunConfig, data: AnyData, groups: Array | None) -> Dataset | None:
    """Return data in memory as a run read them: with its conditions, texts, and the columns that divide its rows."""
    names = ("condition", "joint", *(() if isinstance(data, Dataset) else ("text", "window")))
    given = {name: value for name in names if (value := getattr(config.data, name))}
    has_them = isinstance(data, Dataset) and bool(data.spec.condition)
    source = {"source": data, **given} if given and not has_them and not isinstance(data, Mapping) else data
    return given_data(source, None, config.split, groups)[0]
