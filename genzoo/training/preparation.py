"""Prepare what a training starts from: its objective, data, first weights and fitted transforms."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from genzoo.config.data import DataSettings
from genzoo.config.run_config import RunConfig
from genzoo.data.checks import refuse_degenerate
from genzoo.data.columns.cells import with_cells
from genzoo.data.columns.limits import stated_bounds, with_limits
from genzoo.data.columns.moments import ColumnMoments, MeasuredBlocks
from genzoo.data.columns.observed import observe
from genzoo.data.columns.survey import Surveyed
from genzoo.data.condition_transform import ConditionTransform, fit_condition
from genzoo.data.dataset import Dataset, Rows, Split, named_parts_of, usable
from genzoo.data.dequantize import Dequantizer
from genzoo.data.loading import anchor, open_dataset
from genzoo.data.texts.flat import Texts
from genzoo.data.transforms import AffineTransform, Transform
from genzoo.data.transforms.ended import lengths_in
from genzoo.data.transforms.parts import choose_stages, fit_stages, scored_by_cells
from genzoo.data.transforms.transform import Stage
from genzoo.data.value_range import scaling_spec
from genzoo.errors import ConfigError, DataError
from genzoo.inference.trained_model import TrainedModel
from genzoo.models.base import Generator, Likelihood, Model, capabilities_of
from genzoo.models.factory import build_model, build_objective, check_data
from genzoo.models.objective import Objective
from genzoo.persistence.run import Run
from genzoo.plugins.discovery import CORE
from genzoo.plugins.registry import Entry, Registry, extra_named, refuse_without_extra
from genzoo.runtime.device import Runtime
from genzoo.runtime.seeding import random_scope
from genzoo.spec.entries import ModelSpec
from genzoo.spec.events import DataSpec
from genzoo.spec.modality import MODALITIES
from genzoo.training.engines import Source
from genzoo.training.warm_start import open_warm_start, take_over
from genzoo.typing import Array

_AT_ONCE = 256
"""Sounds that become sequences at a time."""


_LIKELIHOODS = frozenset({"likelihood", "likelihood-bound", "likelihood-estimate"})


def objective_of(entry: Entry[ModelSpec], config: RunConfig, zoo: Registry) -> Objective:
    """Build the objective that the settings name.

    Raises:
        ConfigError, PluginError: it is unknown or has other options, or packages that the model needs are missing.
    """
    refuse_without_extra(entry)
    with extra_named(entry):
        return build_objective(zoo.objective_of(entry, config.objective.name), config.objective.options)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The data of a training, its rows, the transforms to fit, and the model whose weights it starts from.

    The moments of the training rows are there if these are on disk.
    """

    config: RunConfig
    dataset: Dataset
    split: Split
    stages: tuple[Stage, ...]
    warm: TrainedModel | None
    moments: ColumnMoments | None = None


def training_data(
    config: RunConfig,
    dataset: Dataset | None,
    split: Split | None,
    resumed: Run | None,
    entry: Entry[ModelSpec],
    zoo: Registry,
) -> TrainingData:
    """Open the data, divide their rows, and choose the transforms; other arguments are as in `build_setup`.

    Raises:
        ConfigError, DataError, ArtifactError: the data do not suit the model, the settings or the resumed run.
    """
    config, dataset = _opened(config, dataset, zoo)
    if resumed is not None:
        dataset = resumed.check_same_data(dataset, "Restore the data, or train a new run.")
    check_data(entry, dataset.spec, joint=config.data.condition if config.data.joint else ())
    split = dataset.split(config.split, config.seed) if split is None else split
    if dataset.weights is not None and not dataset.weights[split.train].any():
        raise DataError(f"{dataset.name}: every training row has zero weight, so there is nothing to learn from.")
    observed = observe(dataset, split.train) if isinstance(dataset.events, Surveyed) else None
    dataset = with_limits(dataset, split.train, config.data, observed)
    warm = None if resumed is not None else open_warm_start(config, dataset)
    stages = choose_stages(entry, dataset.spec, config.data.transforms, zoo, config.options)
    if warm is not None and dataset.spec.form.ended:
        _check_tokens(stages, warm, config)
    dataset = _with_cells(dataset, split.train, scored_by_cells(stages, dataset.spec, zoo), warm)
    return TrainingData(config, dataset, split, stages, warm, None if observed is None else observed.moments)


def _check_tokens(stages: tuple[Stage, ...], warm: TrainedModel, config: RunConfig) -> None:
    """Check that the symbols of texts are as in the model that a training starts from, which keeps them.

    Raises:
        ConfigError: the options ask for others.
    """
    own, other = ([(stage.id, dict(stage.options)) for stage in each] for each in (stages, warm.transform.stages))
    if own != other and [name for name, _ in own + other] != [f"{CORE}/raw"]:
        raise ConfigError(
            f"{config.warm_start} was trained on other symbols of texts. Use the same options, tokens and vocabulary."
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """An untrained model, the noise that its data need, and the transforms of events and of conditions."""

    model: Model
    dequantizer: Dequantizer | None
    transform: Transform
    condition: ConditionTransform | None


def prepared(entry: Entry[ModelSpec], given: TrainingData, runtime: Runtime, zoo: Registry) -> Prepared:
    """Build the model with its first weights, and fit the transforms to the training rows.

    The transform of texts and sounds comes first, because it says what the model sees. Other transforms come second,
    because they see the noise that the model needs.

    Raises:
        DataError: the training rows have no density, and the model needs one, or their values do not suit a transform.
    """
    if given.dataset.spec.seen_later:
        transform, condition = _fitted_transforms(given, None, runtime, zoo)
        with _saying_what_is_seen(entry.spec, given.dataset.spec):
            model, dequantizer = _untrained_model(entry, given, runtime, transform.spec_after(given.dataset.spec))
        return Prepared(model, dequantizer, transform, condition)
    model, dequantizer = _untrained_model(entry, given, runtime, given.dataset.spec)
    transform, condition = _fitted_transforms(given, dequantizer, runtime, zoo)
    _fill_grid_step(model.generator, transform, given.dataset.spec)
    return Prepared(model, dequantizer, transform, condition)


def source_of(given: TrainingData, ready: Prepared, runtime: Runtime) -> Source:
    """Return what the engine reads.

    Sounds that the model sees as sequences become sequences here, once: batches of them are as long as they need to be,
    as batches of texts are.
    """
    dataset, transform = given.dataset, ready.transform
    if transform.spec_after(dataset.spec).form.ended and not dataset.spec.form.ended:
        dataset = _as_sequences(dataset, transform)
        transform = AffineTransform(torch.zeros(()), torch.ones(())).to(runtime.device, runtime.wide)
    return Source(dataset, given.split.train, transform, runtime, ready.dequantizer, ready.condition)


def _as_sequences(dataset: Dataset, transform: Transform) -> Dataset:
    """Return a dataset as the sequences of symbols that a transform makes of its events."""
    inner = transform.spec_after(dataset.spec)
    assert inner.end is not None
    sequences: list[Array] = []
    for start in range(0, len(dataset), _AT_ONCE):
        block = torch.from_numpy(np.asarray(dataset.events[start : start + _AT_ONCE]))
        codes = transform(block.to(transform.device, transform.dtype))
        lengths = lengths_in(codes, inner.end).tolist()
        stored = codes.cpu().numpy().astype(inner.storage)
        sequences += [row[:length] for row, length in zip(stored, lengths, strict=True)]
    events: Any = Texts.joined(sequences, inner.size, inner.end)
    return dataclasses.replace(dataset, spec=inner, events=events)


@contextlib.contextmanager
def _saying_what_is_seen(model: ModelSpec, data: DataSpec) -> Iterator[None]:
    """Say in errors about events that a model sees as another modality that it does."""
    seen = model.seen(data.modality)
    if seen is None or seen == data.modality:
        yield
        return
    try:
        yield
    except ConfigError as error:
        form = MODALITIES[seen]
        raise ConfigError(
            f"{error} It sees {data.form.plural} as {form.plural} ({data.form.seen_as[seen]}), and not every model of "
            f"{form.plural} takes these."
        ) from error


def _fill_grid_step(generator: Generator, transform: Transform, data: DataSpec) -> None:
    """Put the step of the grid in model space where the generator keeps it, if it does.

    Raises:
        ConfigError: the grid has no single step in model space.
    """
    step = dict(generator.named_buffers(recurse=False)).get("grid_step")
    if step is None or data.quantum is None:
        return
    if not transform.affine:
        raise ConfigError("This model needs values on an even grid, and the transform makes it uneven. Leave it out.")
    ends = torch.zeros((2, *data.event_shape), dtype=transform.dtype, device=transform.device)
    ends[1] += data.quantum
    first, second = transform(ends)
    step.copy_((second - first).abs().max())


def _untrained_model(
    entry: Entry[ModelSpec], given: TrainingData, runtime: Runtime, inner: DataSpec
) -> tuple[Model, Dequantizer | None]:
    """Build the model with its first weights, and the noise that its data need.

    Arguments:
        inner: describes events as the model sees them.

    Raises:
        DataError: the training rows have no density, and the model needs one.
    """
    config, dataset = given.config, given.dataset
    with random_scope(config.seed, "build"):
        model = Model(build_model(entry, config.options, inner))
    model = model.to(runtime.device, runtime.dtype)
    dequantizer = Dequantizer.of(model.generator, inner, config.seed, dataset.spec)
    if inner.modality == dataset.spec.modality and capabilities_of(model.generator) & _LIKELIHOODS:
        _refuse_degenerate(model.generator, dataset, given.split.train, dequantizer)
    if given.warm is not None:
        take_over(model.generator, given.warm.generator.to(runtime.device, runtime.dtype), str(config.warm_start))
    return model, dequantizer


def _fitted_transforms(
    given: TrainingData, dequantizer: Dequantizer | None, runtime: Runtime, zoo: Registry
) -> tuple[Transform, ConditionTransform | None]:
    """Return the transforms of events and of conditions, fitted to the training rows; a warm start keeps its own."""
    dataset, rows = given.dataset, given.split.train
    if given.warm is not None:
        transform, condition = given.warm.transform, given.warm.condition
    else:
        blocks = functools.partial(_measured_blocks, given, dequantizer)
        transform = fit_stages(given.stages, _fitting_spec(dataset, given.config.data), blocks, zoo)
        condition = fit_condition(dataset, rows)
    moved = None if condition is None else condition.to(runtime.device, runtime.wide)
    return transform.to(runtime.device, runtime.wide), moved


def _opened(config: RunConfig, dataset: Dataset | None, zoo: Registry) -> tuple[RunConfig, Dataset]:
    """Return the data, and the configuration with the absolute path of their source."""
    if dataset is not None:
        return config, usable(dataset, dataset.name)
    config = config.model_copy(update={"data": anchor(config.data, zoo)})
    return config, open_dataset(config.data, zoo, config.split)


def training_blocks(dataset: Dataset, rows: Rows, dequantizer: Dequantizer | None) -> Iterator[Array]:
    """Yield the training rows, in data units, with the noise that the model sees."""
    done = 0
    for block in dataset.blocks(rows):
        index = torch.from_numpy(rows[done : done + len(block)])
        done += len(block)
        yield block if dequantizer is None else dequantizer(torch.from_numpy(block), index).numpy()


def _measured_blocks(given: TrainingData, dequantizer: Dequantizer | None) -> Iterable[Array]:
    """Return the training rows, with their moments if these are known in model space."""
    blocks = training_blocks(given.dataset, given.split.train, dequantizer)
    return blocks if given.moments is None or dequantizer is not None else MeasuredBlocks(blocks, given.moments)


def _with_cells(dataset: Dataset, rows: Rows, columns: tuple[int, ...], warm: TrainedModel | None) -> Dataset:
    """Return a dataset with the cells that its training rows show; a warm start keeps its own."""
    if warm is None:
        return with_cells(dataset, rows, columns)
    pairs = zip(dataset.spec.pieces, warm.data.pieces, strict=True)
    specs = [_celled(own.spec, [feature.cell for feature in before.spec.features]) for own, before in pairs]
    return dataclasses.replace(dataset, spec=dataset.spec.of_parts(specs))


def _celled(spec: DataSpec, cells: Sequence[float | None]) -> DataSpec:
    pairs = zip(spec.features, cells, strict=True)
    return dataclasses.replace(spec, features=tuple(dataclasses.replace(one, cell=cell) for one, cell in pairs))


def _fitting_spec(dataset: Dataset, settings: DataSettings) -> DataSpec:
    """Return the spec that transforms are fitted by: its columns have no bounds but those that the user states."""
    whole = scaling_spec(dataset)
    return whole.of_parts([_stated(piece.spec, settings) for piece in whole.pieces])


def _stated(spec: DataSpec, settings: DataSettings) -> DataSpec:
    _, stated = stated_bounds(settings.bounds, spec.features)
    ends = [stated.get(feature.name, (None, None)) for feature in spec.features]
    pairs = zip(spec.features, ends, strict=True)
    features = tuple(dataclasses.replace(feature, low=low, high=high) for feature, (low, high) in pairs)
    return dataclasses.replace(spec, features=features)


def _refuse_degenerate(generator: Generator, dataset: Dataset, rows: Rows, dequantizer: Dequantizer | None) -> None:
    """Raise for training rows that have no density, such as a constant column, or whose parts have none.

    On a grid, the noise gives them one, if all continuous values lie on it. Images off a grid are checked only if the
    likelihood is exact: models with a bound have a shared or a smallest deviation, because constant pixels are common.
    """
    spread = iter((False,) * len(dataset.spec.features) if dequantizer is None else dequantizer.features)
    for part, own in named_parts_of(dataset, rows):
        on_grid = [next(spread) or feature.discrete for feature in part.spec.features]
        if dequantizer is not None and all(on_grid):
            continue
        if part.spec.form.columns or (generator.dequantized and isinstance(generator, Likelihood)):
            refuse_degenerate(part, own)
