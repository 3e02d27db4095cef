"""Chains of transforms: which ones a training uses, how they are fitted, and how they come back from a file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genzoo.config.resolve import model_options, options_class
from genzoo.config.settings import validate
from genzoo.config.tokens import TokenOptions
from genzoo.data.columns.moments import MeasuredBlocks
from genzoo.data.texts.symbols import of_bytes
from genzoo.data.transforms.affine import AffineSpace, restore_affine
from genzoo.data.transforms.transform import NumberArray, Stage, Transform, TransformBuilder
from genzoo.errors import ArtifactError, ConfigError, GenzooError, did_you_mean
from genzoo.plugins.discovery import CORE
from genzoo.plugins.registry import Entry, Registry, blame, resolve
from genzoo.spec.entries import ModelSpec, TransformSpec
from genzoo.spec.events import DataSpec
from genzoo.spec.modality import Modality
from genzoo.wording import argument


class Chain(Transform):
    """Transforms one after the other, each of some columns or of the whole event.

    Arguments:
        stages: what files say about each.
        parts: the fitted transforms.
    """

    def __init__(self, stages: Sequence[Stage], parts: Sequence[Transform]) -> None:
        super().__init__()
        self.stages = tuple(stages)
        self.parts = nn.ModuleList(parts)
        self.degrees_of_freedom = added_degrees(parts)
        self.affine = all(part.affine for part in parts)
        self.bound = next((part.bound for part in parts if part.bound), "")
        self.lossy = next((part.lossy for part in parts if part.lossy), "")
        self.rounds_to = next((part.rounds_to for part in parts if part.rounds_to), "")

    def spec_after(self, data: DataSpec) -> DataSpec:
        for stage, part in self._pairs():
            data = part.spec_after(data) if stage.columns is None else data
        return data

    def forward(self, x: Tensor) -> Tensor:
        for stage, part in self._pairs():
            x = _changed(x, stage.columns, part)
        return x

    def inverse(self, y: Tensor) -> Tensor:
        for stage, part in reversed(self._pairs()):
            y = _changed(y, stage.columns, part.inverse)
        return y

    def log_det(self, x: Tensor, without: Tensor | None = None) -> Tensor:
        total = x.new_zeros(len(x))
        for stage, part in self._pairs():
            columns = slice(None) if stage.columns is None else list(stage.columns)
            total = total + part.log_det(x[:, columns], None if without is None else without[:, columns])
            x = _changed(x, stage.columns, part)
        return total

    def _pairs(self) -> list[tuple[Stage, Transform]]:
        parts = [part for part in self.parts if isinstance(part, Transform)]
        return list(zip(self.stages, parts, strict=True))


def added_degrees(parts: Sequence[Transform]) -> int | None:
    """Return the free parameters of several transforms; `None` if one does not say how many."""
    degrees = [part.degrees_of_freedom for part in parts]
    known = [own for own in degrees if own is not None]
    return sum(known) if len(known) == len(degrees) else None


def _changed(x: Tensor, columns: tuple[int, ...] | None, change: Callable[[Tensor], Tensor]) -> Tensor:
    if columns is None:
        return change(x)
    y, own = x.clone(), list(columns)
    y[:, own] = change(x[:, own])
    return y


def _chained(stages: Sequence[Stage], parts: Sequence[Transform]) -> Transform:
    """Return one transform; a single one of the whole event stays as it is, with the tensors that it always had."""
    if len(stages) == 1 and stages[0].columns is None:
        parts[0].stages = tuple(stages)
        return parts[0]
    return Chain(stages, parts)


def choose_stages(
    model: Entry[ModelSpec],
    data: DataSpec,
    chosen: Mapping[str, str],
    registry: Registry,
    options: Mapping[str, Any] | None = None,
    *,
    part: bool = False,
) -> tuple[Stage, ...]:
    """Return the transforms of a training: those that the user chooses by column, then the model's own input.

    Arguments:
        data: describes the events.
        chosen: names of transforms, by column.
        options: options of the model, which may name the tokens of texts. Defaults to `None`: texts stay bytes.
        part: whether the events are parts of events. Defaults to false.

    Raises:
        ConfigError: there is no such column or transform, the column is not continuous, or the data are no table.
    """
    columns = _chosen(data, chosen, registry)
    if (tokens := _tokens(model, data, options)) is not None:
        entry = registry.transforms.get(tokens.tokens)
        return (Stage(entry.id, tokens.model_dump(mode="json", include=set(options_class(entry).model_fields))),)
    seen = model.spec.seen(data.modality, part=part) or data.modality
    first = _as_seen(seen, data, registry)
    own = registry.input_of(model, seen)
    return (
        *columns,
        *first,
        *_inputs(own, _after(data, first, registry)),
    )


def _chosen(data: DataSpec, chosen: Mapping[str, str], registry: Registry) -> tuple[Stage, ...]:
    """Return the transforms that the user chooses by column, after checking that they fit."""
    if chosen and not data.form.columns:
        raise ConfigError(
            f"{argument('transforms')} is for columns of tables, and these data are {data.form.plural}. Leave it out."
        )
    known = {feature.name: place for place, feature in enumerate(data.features)}
    groups: dict[str, list[int]] = {}
    for column, name in chosen.items():
        option = argument("transforms", {column: name})
        if column not in known:
            raise ConfigError(f"{option} is for column {column!r}. {did_you_mean(column, known)}")
        feature = data.features[known[column]]
        if feature.discrete:
            raise ConfigError(
                f"{option}: column {column!r} is {feature.kind}, and transforms are for continuous columns. Leave it "
                f"out, or add {argument('kinds', {column: 'continuous'})} if these are measurements."
            )
        entry = registry.transforms.get(name)
        if not entry.spec.columns:
            raise ConfigError(
                f"{option}: the transform {name!r} ({entry.spec.summary}) is not for columns. Use one of "
                f"{', '.join(e.spec.name for e in registry.transforms if e.spec.columns)}."
            )
        groups.setdefault(entry.id, []).append(known[column])
    return tuple(
        _stage(registry.transforms.get(name), tuple(sorted(places))) for name, places in sorted(groups.items())
    )


def _as_seen(modality: Modality, data: DataSpec, registry: Registry) -> tuple[Stage, ...]:
    """Return the transform by which a model sees events as another modality, if it needs one."""
    name = data.form.seen_as.get(modality)
    return () if name is None else (_stage(registry.transforms.get(name), None),)


def _tokens(model: Entry[ModelSpec], data: DataSpec, options: Mapping[str, Any] | None) -> TokenOptions | None:
    """Return the options of a model that say what its tokens are, if it has such options and needs a transform."""
    config = options_class(model)
    if options is None or not issubclass(config, TokenOptions):
        return None
    chosen = model_options(model, options)
    assert isinstance(chosen, TokenOptions)
    if of_bytes(data):
        return None if chosen.tokens == "bytes" else chosen
    if chosen.tokens == "bpe":
        raise ConfigError(
            f"tokens=bpe joins bytes of texts, and these data are {data.form.plural}, which have "
            f"symbols of their own. Leave it out."
        )
    return None


def _inputs(own: Entry[TransformSpec], data: DataSpec) -> Iterator[Stage]:
    """Yield the stage of a model's input, if it has anything to change. Spaces of genzoo skip discrete columns."""
    continuous = tuple(place for place, feature in enumerate(data.features) if not feature.discrete)
    keeps_others = isinstance(resolve(own.spec.builder, own.spec), AffineSpace)
    if keeps_others and data.form.ended:
        yield Stage(f"{CORE}/raw", {})
        return
    whole = not data.form.columns or len(continuous) == len(data.features) or keeps_others
    if whole or continuous:
        yield _stage(own, None if whole else continuous)
    else:
        yield Stage(f"{CORE}/raw", {})


def _stage(entry: Entry[TransformSpec], columns: tuple[int, ...] | None) -> Stage:
    return Stage(entry.id, options_class(entry)().model_dump(mode="json"), columns)


def scored_by_cells(stages: Iterable[Stage], data: DataSpec, registry: Registry) -> tuple[int, ...]:
    """Return the continuous features that a transform adapts to, so that their grid must count."""
    found: set[int] = set()
    for stage in stages:
        if registry.transforms.get(stage.id).spec.cells:
            found |= set(range(len(data.features)) if stage.columns is None else stage.columns)
    return tuple(sorted(place for place in found if not data.features[place].discrete))


def fit_stages(
    stages: Sequence[Stage], data: DataSpec, blocks: Callable[[], Iterable[NumberArray]], registry: Registry
) -> Transform:
    """Fit a chain of transforms to the training rows, each to what the ones before it make of them.

    Arguments:
        data: describes the events; `low` and `high` of its features are bounds that the user states.
        blocks: begins an iteration over the training rows in data units, `(n, *event)` each, NaN for missing values.

    Raises:
        DataError: the values do not suit a transform.
    """
    done: list[Stage] = []
    parts: list[Transform] = []
    for stage in stages:
        entry, builder, options, seen = _opened(stage, _after(data, done, registry), registry)
        before = _chained(done, parts) if done else None
        started = blocks()
        given: Iterable[NumberArray] = (_part(block, before, stage.columns) for block in started)
        if before is None and isinstance(started, MeasuredBlocks):
            given = MeasuredBlocks(given, started.moments.of(stage.columns))
        with blame(f"The transform {entry.id!r}"):
            parts.append(builder.fit(options, seen, given))
        done.append(stage)
    return _chained(done, parts)


def _part(block: NumberArray, before: Transform | None, columns: tuple[int, ...] | None) -> NumberArray:
    x = block if before is None else before(torch.from_numpy(block).double()).numpy()
    return x if columns is None else x[:, list(columns)]


def _after(data: DataSpec, before: Sequence[Stage], registry: Registry) -> DataSpec:
    """Return the spec of events that passed through transforms: what it says of sizes no longer holds."""
    for stage in before:
        entry = registry.transforms.get(stage.id)
        if entry.spec.after:
            data = resolve(entry.spec.after, entry.spec)(_options_of(stage, entry), data)
            continue
        changed = [_unlimited(feature) for feature in data.features]
        data = dataclasses.replace(data, features=tuple(changed), bounds=None, quantum=None)
    return data


def _options_of(stage: Stage, entry: Entry[TransformSpec]) -> Any:
    return validate(options_class(entry), dict(stage.options), f"Transform {entry.id!r}")


def _unlimited(feature: Any) -> Any:
    return dataclasses.replace(feature, low=None, high=None, step=None, cell=None)


def _opened(
    stage: Stage, data: DataSpec, registry: Registry
) -> tuple[Entry[TransformSpec], TransformBuilder, Any, DataSpec]:
    """Return the entry, builder and options of a stage, and the spec of its input."""
    entry = registry.transforms.get(stage.id)
    options = _options_of(stage, entry)
    if stage.columns is not None:
        features = tuple(data.features[place] for place in stage.columns)
        data = dataclasses.replace(data, features=features, event_shape=(len(features),))
    return entry, resolve(entry.spec.builder, entry.spec), options, data


def check_stages(stages: Sequence[Stage], data: DataSpec, outlines: Mapping[str, Tensor], registry: Registry) -> None:
    """Check what a file says about its transforms, and the shapes of their tensors, before these are read.

    Arguments:
        data: describes the events.
        outlines: the tensors without numbers, by name.

    Raises:
        ArtifactError: no installed plugin has a transform, or something does not fit.
    """
    expected = _expected(stages, data, registry)
    if odd := expected.keys() ^ outlines.keys():
        raise ArtifactError(f"its transform and its tensors do not match: {min(odd)!r} is only in one of them")
    for name, most in expected.items():
        shape = tuple(outlines[name].shape)
        fits = shape == () or (len(shape) == len(most) and all(map(int.__le__, shape, most)))
        whole, outline = name in _whole(stages, registry), outlines[name]
        if not fits or not (outline.dtype == torch.int64 if whole else outline.is_floating_point()):
            raise ArtifactError(f"its transform does not fit events of shape {data.event_shape}")


def _whole(stages: Sequence[Stage], registry: Registry) -> set[str]:
    """Return the names of the tensors that hold whole numbers."""
    found = {number: registry.transforms.get(stage.id).spec.whole for number, stage in enumerate(stages)}
    return {f"{_prefix(stages, number)}{name}" for number, names in found.items() for name in names}


def _expected(stages: Sequence[Stage], data: DataSpec, registry: Registry) -> dict[str, tuple[int, ...]]:
    if not stages:
        size = data.event_shape if data.form.columns else ()
        return dict.fromkeys(("shift", "scale"), size)
    if len(stages) > len(data.features) + 1:
        raise ArtifactError(f"it names {len(stages)} transforms of {len(data.features)} columns")
    found: dict[str, tuple[int, ...]] = {}
    for number, stage in enumerate(stages):
        _check_columns(stage, data)
        if stage.id not in registry.transforms.ids():
            registry.transforms.refuse_failed(stage.id)
            raise ArtifactError(f"it names a transform {stage.id[:100]!r}, which no installed plugin has")
        try:
            entry, builder, options, seen = _opened(stage, _after(data, stages[:number], registry), registry)
            with blame(f"The transform {entry.id!r}"):
                own = builder.outlines(options, seen)
        except ConfigError as error:
            raise ArtifactError(str(error)) from error
        found |= {f"{_prefix(stages, number)}{name}": shape for name, shape in own.items()}
    return found


def _prefix(stages: Sequence[Stage], number: int) -> str:
    return "" if len(stages) == 1 and stages[0].columns is None else f"parts.{number}."


def _check_columns(stage: Stage, data: DataSpec) -> None:
    places = stage.columns
    if places is None:
        return
    inside = places and places[0] >= 0 and places[-1] < len(data.features)
    if not data.form.columns or not inside or not all(map(int.__lt__, places, places[1:])):
        raise ArtifactError(f"its transform {stage.id[:100]!r} is for columns that the events do not have")


def restore_stages(
    stages: Sequence[Stage], data: DataSpec, tensors: Mapping[str, Tensor], registry: Registry
) -> Transform:
    """Build fitted transforms from the finite tensors of a file, after `check_stages`.

    Arguments:
        stages: empty for a shift and a scale alone.

    Raises:
        ArtifactError: no fitted transform has such tensors.
    """
    try:
        if not stages:
            return restore_affine(data, tensors)
        parts = []
        for number, stage in enumerate(stages):
            _, builder, options, seen = _opened(stage, _after(data, stages[:number], registry), registry)
            start = _prefix(stages, number)
            own = {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}
            parts.append(builder.restore(options, seen, own))
        return _chained(stages, parts)
    except (GenzooError, ValueError) as error:
        raise ArtifactError(f"its transform does not fit events of shape {data.event_shape}: {error}") from error
