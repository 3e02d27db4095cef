"""Bring new data into the columns, kinds and codes that a model was trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genzoo.config.data import KNOWN, DataSettings
from genzoo.data.column import Column
from genzoo.data.conditions import joint_spec, labeled, separate, with_condition_columns
from genzoo.data.dataset import BLOCK, Dataset, usable
from genzoo.data.marks import without_marks
from genzoo.data.table import (
    EventTable,
    chosen_columns,
    complete,
    fill_column,
    labels_and_weights,
    one_column,
    read_columns,
    streamed,
    take_columns,
)
from genzoo.data.table_source import TableSource, numbered
from genzoo.data.texts.flat import Texts
from genzoo.data.texts.symbols import as_texts
from genzoo.data.texts.windows import Windows
from genzoo.data.value_range import Values, check_inside
from genzoo.errors import DataError, did_you_mean
from genzoo.spec.events import DataSpec, Feature
from genzoo.storage.tables import NUMBERS
from genzoo.text import guarded
from genzoo.typing import Array
from genzoo.wording import Word, argument

_OFF_GRID = 1e-3
"""Distance from the grid, in steps, that rounding may cause."""


def known_to_model(settings: DataSettings) -> DataSettings:
    """Return the settings of a model's own training data as they read all rows for that model."""
    names = (*KNOWN, "drop_missing")
    return settings.model_copy(update={name: DataSettings.model_fields[name].get_default() for name in names})


def match_table(
    name: str, source: TableSource, settings: DataSettings, spec: DataSpec, *, keep_unknown: bool = False
) -> Dataset:
    """Read a table as events of `spec`, with the kinds and codes of training.

    Columns are found by name, in any order. They are matched by position if the table or the training data had no
    column names. Names and categories may carry the apostrophe that `--escape-formulas` adds. Columns that the model
    does not use are listed in `Dataset.ignored`.

    Arguments:
        keep_unknown: keep rows with categories that the spec does not have, and list these in `Dataset.unknown`.
            Defaults to false: they are an error.

    Raises:
        ConfigError: a setting names an unknown column.
        DataError: a column is missing, or holds a value that the model cannot take.
    """
    if not spec.form.columns:
        hint = f" Name its column of texts with {argument('text', Word('COLUMN'))}." if spec.form.ended else ""
        raise DataError(f"The model was trained on {spec.describe()}, and {source.shown} is a table.{hint}")
    if spec.condition:
        joint = match_table(name, source, settings, joint_spec(spec), keep_unknown=keep_unknown)
        return separate(joint, spec)
    own = _without_own(source, settings, spec)
    if own != settings:
        labels, weights = labels_and_weights(source, settings, read_columns(source, settings, [], set()))
        return dataclasses.replace(
            match_table(name, source, own, spec, keep_unknown=keep_unknown), labels=labels, weights=weights
        )
    kept = chosen_columns(source, settings)
    features = spec.features
    columns = found_columns(source.shown, kept, features)
    texts = {column for column, feature in zip(columns, features, strict=True) if is_read_as_text(feature)}
    known = {*columns, *settings.drop, settings.label, settings.weight}
    ignored = tuple(column for column in source.names if column not in known)
    large = None if spec.discrete else streamed(name, source, settings, columns)
    if large is not None and _alike(large.spec.features, features):
        storage, missing = large.spec.storage, large.spec.missing
        same = dataclasses.replace(spec, storage=storage, missing=missing)
        return dataclasses.replace(large, spec=same, ignored=ignored)
    table = read_columns(source, settings, columns, texts)
    pairs = zip(columns, features, strict=True)
    unknown: dict[int, str] = {}
    pieces = [
        one_column(source, table, column, settings.date_formats.get(column)).match(
            feature, unknown if keep_unknown else None
        )
        for column, feature in pairs
    ]
    dataset = take_columns(name, source, settings.model_copy(update={"drop_missing": False}), spec, table, pieces)
    dataset = dataclasses.replace(dataset, ignored=ignored, unknown=unknown)
    return complete(dataset) if settings.drop_missing else dataset


def matched_columns(source: TableSource, settings: DataSettings, spec: DataSpec) -> dict[str, Feature]:
    """Return the names of the columns that `match_table` reads, also for conditions, and what they are to the model.

    Raises:
        ConfigError, DataError: as `match_table`.
    """
    features = joint_spec(spec).features if spec.condition else spec.features
    chosen = chosen_columns(source, _without_own(source, settings, spec))
    return dict(zip(found_columns(source.shown, chosen, features), features, strict=True))


def apart_columns(settings: DataSettings) -> list[str]:
    """Return the names of the columns that hold labels and weights."""
    return [name for name in (settings.label, settings.weight) if name is not None]


def _without_own(source: TableSource, settings: DataSettings, spec: DataSpec) -> DataSettings:
    """Return the settings without a label or weight that the model was trained on as a column."""
    trained = {feature.name for feature in spec.features}
    if not source.named:
        return settings
    own = [name for name in ("label", "weight") if getattr(settings, name) in trained]
    return settings.model_copy(update=dict.fromkeys(own))


def match_dataset(dataset: Dataset, spec: DataSpec, *, keep_unknown: bool = False) -> Dataset:
    """Return a dataset as events of `spec`, with columns matched as in `match_table`.

    Arguments:
        keep_unknown: keep the beginnings of texts that are longer than any that the model knows, and list these in
            `Dataset.unknown`. Defaults to false: they are an error.

    Raises:
        DataError: the events have another modality, shape or set of columns; or images lie outside the range of the
            model, or off its grid.
    """
    dataset = _as_one_feature(dataset, spec)
    if spec.form.ended and dataset.spec.form.ended:
        dataset = _without_long_ends(dataset, spec) if keep_unknown else dataset
        texts = as_texts(dataset.events, spec, dataset.name)
        same = dataclasses.replace(dataset.spec, event_shape=spec.event_shape)
        rests = texts.about_rests if isinstance(texts, Windows) else ()
        dataset = dataclasses.replace(dataset, spec=same, events=texts.as_array(), notes=(*dataset.notes, *rests))
    same_form = (dataset.spec.modality, dataset.spec.rate) == (spec.modality, spec.rate)
    if not same_form or (not spec.form.columns and dataset.spec.event_shape != spec.event_shape):
        raise DataError(
            f"The model was trained on {spec.describe()}, and {dataset.name} holds {dataset.spec.describe()}."
        )
    if not spec.form.columns:
        _check_one_feature(dataset, spec)
        same = dataclasses.replace(spec, storage=dataset.spec.storage)
        return labeled(dataset, same) if spec.condition else dataclasses.replace(dataset, spec=same, conditions=None)
    if spec.condition:
        return separate(match_dataset(with_condition_columns(dataset, spec), joint_spec(spec)), spec)
    names = [feature.name for feature in dataset.spec.features]
    if found_columns(dataset.name, names, spec.features) == names and _alike(dataset.spec.features, spec.features):
        same = dataclasses.replace(spec, storage=dataset.spec.storage, missing=dataset.spec.missing)
        return dataclasses.replace(dataset, spec=same)
    matched = match_table(dataset.name, EventTable(dataset), DataSettings(source=dataset.name), spec)
    kept = {name: getattr(dataset, name) for name in ("labels", "test_rows", "skipped", "weights", "dropped")}
    return dataclasses.replace(matched, **kept)


def _without_long_ends(dataset: Dataset, spec: DataSpec) -> Dataset:
    """Cut the texts that are longer than any that a model knows, and list them in `Dataset.unknown`."""
    texts, longest = dataset.events, spec.event_shape[0]
    if not isinstance(texts, Texts) or spec.windows or texts.shape[1] <= longest:
        return dataset
    beginnings, rows = texts.beginnings(longest)
    sizes = texts.lengths[rows].tolist()
    unknown = {
        row: f"a text of {size:,} symbols, and the longest of training has {longest:,}"
        for row, size in zip(rows.tolist(), sizes, strict=True)
    }
    known = dataclasses.replace(dataset.spec, event_shape=spec.event_shape)
    return dataclasses.replace(dataset, spec=known, events=beginnings.as_array(), unknown=unknown)


def _as_one_feature(dataset: Dataset, spec: DataSpec) -> Dataset:
    """Return an array of unnamed numbers as events of the model whose values share one feature.

    Any array of this shape is read as a table. Other datasets are unchanged.

    Raises:
        DataError: a value is not among the model's codes.
    """
    plain = tuple(Feature(f"x{place}") for place in range(dataset.spec.size))
    if spec.form.columns or spec.event_shape != dataset.spec.event_shape or dataset.spec.features != plain:
        return dataset
    return usable(dataclasses.replace(dataset, spec=spec), dataset.name)


def _check_one_feature(dataset: Dataset, spec: DataSpec) -> None:
    """Check events whose values share one feature: it must be the model's, and values must lie in its range."""
    if not spec.form.ranged:
        if dataset.spec.features != spec.features:
            raise DataError(
                f"{dataset.name} holds {dataset.spec.describe()}, and its {spec.form.values} have another kind or "
                f"other levels than in training."
            )
        return
    _check_both_binary(dataset, spec)
    _check_grid(dataset, spec)
    check_inside("The model", dataset.name, dataset.events, spec)


def _check_both_binary(dataset: Dataset, spec: DataSpec) -> None:
    """Raise if one of model and dataset has binary images and the other has not."""
    wanted, given = (one.features[0].kind == "binary" for one in (spec, dataset.spec))
    if wanted != given and dataset.range_from == "data" and not any(block.any() for block in _blocks(dataset)):
        return  # black images are black in any range
    if wanted and not given:
        raise DataError(
            f"The model was trained on images of 0 and 1, and {dataset.name} holds {dataset.spec.describe()}. "
            f"Convert them with {argument('binarize', True)}."
        )
    if given and not wanted:
        raise DataError(
            f"The model was trained on {spec.describe()}, and {dataset.name} holds images of 0 and 1. Leave "
            f"{argument('binarize', True)} out, or use the original images."
        )


def _check_grid(dataset: Dataset, spec: DataSpec) -> None:
    """Raise if a value lies between the steps of the model's images: it is probably in another unit."""
    step, origin = spec.quantum, spec.bounds[0] if spec.bounds else 0.0
    if step is None or (step == 1 and origin.is_integer() and dataset.events.dtype.kind != "f"):
        return
    for block in _blocks(dataset):
        places = (block.astype(np.float64) - origin) / step
        if (abs(places - np.rint(places)) > _OFF_GRID).any():
            raise DataError(
                f"The model was trained on {spec.describe()}, and {dataset.name} holds values between the steps "
                f"({Values.of(dataset.events).describe()}). Bring the images to the range and step of the model first."
            )


def _blocks(dataset: Dataset) -> Iterator[Array]:
    return (dataset.events[start : start + BLOCK] for start in range(0, len(dataset), BLOCK))


def filled_table(
    source: TableSource, settings: DataSettings, spec: DataSpec, events: Array, *, as_written: bool
) -> pa.Table:
    """Return the source's table with the missing values of the model's columns filled in.

    All columns keep their order and type, including labels, weights and columns the model does not use. Columns that
    the settings drop are removed.

    Arguments:
        source: the table with missing values.
        events: its events with the missing values filled in, `(N, C)`, columns as in `spec`.
        as_written: keep values that were not missing as the text found in the file, if it is plain: `4.00`, not `4`.

    Raises:
        ConfigError, DataError: as `match_table`.
    """
    features = spec.features
    chosen = chosen_columns(source, _without_own(source, settings, spec))
    columns = found_columns(source.shown, chosen, features)
    dropped = set(settings.drop)
    names = [name for name in source.names if name not in dropped]
    texts = {column for column, feature in zip(columns, features, strict=True) if is_read_as_text(feature)}
    others = set(names) - set(columns) if as_written else set()
    table = source.with_nested(without_marks(source.read(names, texts | others), settings, source.names))
    filled = dict(zip(names, table.columns, strict=True))
    for place, (name, feature) in enumerate(zip(columns, features, strict=True)):
        column = one_column(source, table, name, settings.date_formats.get(name))
        filled[name] = fill_column(column, events[:, place], _spelt_as_in(column, feature))
    if as_written:
        numeric = [name for name in columns if pa.types.is_primitive(filled[name].type)]
        written = source.read(numeric, numeric)
        filled |= {name: _as_written(table.column(name), written.column(name), filled[name]) for name in numeric}
    else:
        numeric = []
    fields = [
        pa.field(name, column.type, metadata=NUMBERS if name in numeric else None) for name, column in filled.items()
    ]
    return pa.table(list(filled.values()), schema=pa.schema(fields))


def _as_written(before: Any, written: Any, filled: Any) -> Any:
    """Return a column of numbers with the text found in the file wherever no value was missing.

    Numbers with a decimal comma, thousands marks or signs of currency are not kept, because filled numbers have none.

    Arguments:
        before: the column with missing values.
        written: the same column as text, or parsed if the source has no texts.
        filled: the column without missing values.
    """
    if pa.types.is_primitive(written.type):
        return filled
    gone = pc.is_null(before, nan_is_null=True)
    try:
        pc.if_else(gone, None, written).cast(pa.float64())
    except pa.ArrowInvalid:
        return filled
    return pc.if_else(gone, filled.cast(written.type), written)


def found_columns(shown: str, names: Sequence[str], features: Sequence[Feature]) -> list[str]:
    """Return the name of the column of each feature.

    Arguments:
        shown: name of the table, for messages.
        names: columns of the table.
    """
    wanted = [feature.name for feature in features]
    nameless = [part == numbered(len(part)) for part in (list(names), wanted)]
    escaped = [guarded(name) for name in wanted]  # as --escape-formulas writes them
    pairs = zip(wanted, escaped, strict=True)
    here, trained = set(names), set(wanted)
    columns = [name if name in here or other in trained else other for name, other in pairs]
    absent = [name for name, column in zip(wanted, columns, strict=True) if column not in here]
    if all(nameless) or (any(nameless) and absent):
        if len(names) != len(wanted):
            raise DataError(
                f"{shown} has {len(names)} columns and the model was trained on {len(wanted)}. Columns without names "
                f"are matched by position. Choose them with {argument('columns')}."
            )
        return list(names)
    if absent:
        raise DataError(
            f"{shown} has no column {absent[0]!r}, which the model was trained on. {did_you_mean(absent[0], names)}"
        )
    return columns


def _spelt_as_in(column: Column, feature: Feature) -> Feature:
    """Return the feature with escaped categories if the column's are escaped by `--escape-formulas`."""
    if feature.levels is None or feature.stored not in ("string", "dictionary"):
        return feature
    if pa.types.is_null(column.values.type):
        return feature
    escaped = tuple(map(guarded, feature.levels))
    others = set(column.coded()[0]) - set(feature.levels)
    return feature if others.isdisjoint(escaped) else dataclasses.replace(feature, levels=escaped)


def is_read_as_text(feature: Feature) -> bool:
    """Return whether the column of a feature is read as text from files of text."""
    return feature.levels is not None and feature.stored != "bool"


def _alike(features: Sequence[Feature], wanted: Sequence[Feature]) -> bool:
    """Return whether the numbers of features mean the same."""

    def meaning(feature: Feature) -> tuple[object, ...]:
        return feature.kind, feature.levels, (feature.type, feature.form) if feature.temporal else None

    return all(meaning(one) == meaning(two) for one, two in zip(features, wanted, strict=True))
