"""Bring new data into the columns, kinds and codes that a model was trained on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pyarrow as pa

from genzoo.config.settings import DataSettings
from genzoo.data.column import Column
from genzoo.data.dataset import Dataset
from genzoo.data.table import EventTable, chosen_columns, fill_column, one_column, read_columns, streamed, take_columns
from genzoo.data.table_source import TableSource, numbered
from genzoo.errors import ConfigError, DataError, did_you_mean
from genzoo.spec import DataSpec, Feature
from genzoo.text import guarded
from genzoo.typing import Array


def match_table(name: str, source: TableSource, settings: DataSettings, spec: DataSpec) -> Dataset:
    """A table as events of `spec`: its columns found by name, in any order, with the kinds and codes of training.

    Columns without names of their own, in the table or in training, are taken by position. Names and categories may
    stand behind the apostrophe of `--escape-formulas`. Columns that the model does not know are left alone and listed
    in `Dataset.ignored`.

    Raises:
        ConfigError: a setting names a column that is not there, or says what the model knows better.
        DataError: a column is missing, or holds what training could not have seen.
    """
    if settings.kinds:
        raise ConfigError("--kind is for training; what the columns are is known by the model. Leave it out.")
    if spec.modality != "table":
        raise DataError(f"The model was trained on {spec.describe()}, and {source.shown} is a table.")
    kept = chosen_columns(source, settings)
    features = spec.features
    columns = _found(source.shown, kept, features)
    texts = {column for column, feature in zip(columns, features, strict=True) if _read_as_text(feature)}
    known = {*columns, *settings.drop, settings.label, settings.weight}
    ignored = tuple(column for column in source.names if column not in known)
    large = None if spec.discrete else streamed(name, source, settings, columns)
    if large is not None:
        storage, missing = large.spec.storage, large.spec.missing
        same = dataclasses.replace(spec, storage=storage, missing=missing)
        return dataclasses.replace(large, spec=same, ignored=ignored)
    table = read_columns(source, settings, columns, texts)
    pairs = zip(columns, features, strict=True)
    values = [one_column(source, table, column).match(feature) for column, feature in pairs]
    dataset = take_columns(name, source, settings, spec, table, values)
    return dataclasses.replace(dataset, ignored=ignored)


def match_dataset(dataset: Dataset, spec: DataSpec) -> Dataset:
    """A dataset as events of `spec`; as `match_table` does it.

    Raises:
        DataError: the events have another form.
    """
    if dataset.spec.modality != spec.modality or (
        spec.modality == "image" and dataset.spec.event_shape != spec.event_shape
    ):
        raise DataError(
            f"The model was trained on {spec.describe()}, and {dataset.name} holds {dataset.spec.describe()}."
        )
    if spec.modality == "image":
        _refuse_other_levels(dataset, spec)
        return dataset
    names = [feature.name for feature in dataset.spec.features]
    if _found(dataset.name, names, spec.features) == names and _alike(dataset.spec.features, spec.features):
        same = dataclasses.replace(spec, storage=dataset.spec.storage, missing=dataset.spec.missing)
        return dataclasses.replace(dataset, spec=same)
    found = match_table(dataset.name, EventTable(dataset), DataSettings(source=dataset.name), spec)
    kept = {name: getattr(dataset, name) for name in ("labels", "test_rows", "skipped", "weights", "dropped")}
    return dataclasses.replace(found, **kept)


def _refuse_other_levels(dataset: Dataset, spec: DataSpec) -> None:
    """Refuse grey images for a model of black and white ones, and the other way round."""
    binary, found = (one.features[0].kind == "binary" for one in (spec, dataset.spec))
    if binary and not found:
        raise DataError(
            f"The model was trained on images of 0 and 1, and {dataset.name} holds {dataset.spec.describe()}. Turn "
            f"them into such with --binarize."
        )
    if found and not binary:
        raise DataError(
            f"The model was trained on {spec.describe()}, and {dataset.name} holds images of 0 and 1. Leave "
            f"--binarize out, or name the images that these were made from."
        )


def filled_table(
    source: TableSource, settings: DataSettings, spec: DataSpec, events: Array, *, as_written: bool
) -> pa.Table:
    """A table with the missing values of the model's columns filled in, and all else as it was.

    Columns keep their order and types; those that the model does not know, labels and weights stay, and those that
    the settings drop go.

    Arguments:
        source: whose events were filled in.
        events: as `spec` has them, `(N, C)`, filled in.
        as_written: columns that the model does not know are text as the source has it, where it is a file of text.

    Raises:
        ConfigError, DataError: as `match_table`.
    """
    features = spec.features
    columns = _found(source.shown, chosen_columns(source, settings), features)
    names = [name for name in source.names if name not in settings.drop]
    texts = {column for column, feature in zip(columns, features, strict=True) if _read_as_text(feature)}
    others = set(names) - set(columns) if as_written else set()
    table = source.read(names, texts | others)
    for place, (name, feature) in enumerate(zip(columns, features, strict=True)):
        column = one_column(source, table, name)
        filled = fill_column(column, events[:, place], _spelt_as_in(column, feature))
        table = table.set_column(names.index(name), name, filled)
    return table


def _found(shown: str, names: Sequence[str], features: Sequence[Feature]) -> list[str]:
    """The column of each feature."""
    wanted = [feature.name for feature in features]
    nameless = [part == numbered(len(part)) for part in (list(names), wanted)]
    written = [guarded(name) for name in wanted]  # by --escape-formulas
    pairs = zip(wanted, written, strict=True)
    found = [name if name in names or other in wanted else other for name, other in pairs]
    absent = [name for name, own in zip(wanted, found, strict=True) if own not in names]
    if all(nameless) or (any(nameless) and absent):
        if len(names) != len(wanted):
            raise DataError(
                f"{shown} has {len(names)} columns and the model was trained on {len(wanted)}; without names they are "
                f"taken by position. Choose them with --columns."
            )
        return list(names)
    if absent:
        raise DataError(
            f"{shown} has no column {absent[0]!r}, which the model was trained on. {did_you_mean(absent[0], names)}"
        )
    return found


def _spelt_as_in(column: Column, feature: Feature) -> Feature:
    """The feature with its categories behind the apostrophe of `--escape-formulas`, where those of the column are."""
    if feature.levels is None or feature.stored not in ("string", "dictionary"):
        return feature
    if pa.types.is_null(column.values.type):
        return feature
    behind = tuple(map(guarded, feature.levels))
    escaped = set(column.coded()[0]) - set(feature.levels)
    return feature if escaped.isdisjoint(behind) else dataclasses.replace(feature, levels=behind)


def _read_as_text(feature: Feature) -> bool:
    return feature.levels is not None and feature.stored != "bool"


def _alike(found: Sequence[Feature], wanted: Sequence[Feature]) -> bool:
    return all((one.kind, one.levels) == (two.kind, two.levels) for one, two in zip(found, wanted, strict=True))
