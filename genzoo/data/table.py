"""Convert tables to datasets, and events back to tables."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Sequence
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genzoo.config.data import DataSettings
from genzoo.data.column import LARGEST_WHOLE, Column
from genzoo.data.columns.date_forms import DAY
from genzoo.data.columns.dates import converted, doubt, show_time, times_column
from genzoo.data.columns.ids import id_advice, id_note
from genzoo.data.columns.pieces import Extent, Pieces, extent, side_by_side
from genzoo.data.dataset import BLOCK, Dataset, check_values, empty_column, refuse_empty_columns, spec_of, usable
from genzoo.data.marks import without_marks
from genzoo.data.splits.times import without_time
from genzoo.data.table_source import TableSource
from genzoo.errors import ConfigError, DataError, did_you_mean
from genzoo.runtime.threads import thread_pool
from genzoo.spec.events import MOST_NAMES, DataSpec, Feature
from genzoo.typing import Array
from genzoo.wording import argument


def table_dataset(name: str, source: TableSource, settings: DataSettings) -> Dataset:
    """Read the columns that the settings choose as a dataset.

    Raises:
        ConfigError: a setting names an unknown column.
        DataError: a column cannot be used.
    """
    kept = chosen_columns(source, settings)
    known = dict.fromkeys(kept)
    for column in [*settings.kinds, *settings.date_formats]:
        _check_column(column, known, source.shown)
    large = None if settings.kinds else streamed(name, source, settings, kept)
    if large is not None:
        if large.spec.missing:
            refuse_empty_columns(large, source.shown)
        return large
    texts = {column for column, kind in settings.kinds.items() if kind in ("binary", "categorical")}
    table = read_columns(source, settings, kept, texts)
    columns = [one_column(source, table, column, settings.date_formats.get(column)) for column in kept]
    with thread_pool() as pool:
        described = list(pool.map(lambda column: column.describe(settings.kinds.get(column.name)), columns))
    features = tuple(feature for feature, _ in described)
    _check_texts(source.shown, features, table.num_rows)
    storage: Any = "float32" if all(feature.stored == "float32" for feature in features) else "float64"
    spec = spec_of(source.shown, (len(kept),), "table", features, storage=storage)
    return take_columns(name, source, settings, spec, table, [pieces for _, pieces in described], columns)


def streamed(name: str, source: TableSource, settings: DataSettings, columns: Sequence[str]) -> Dataset | None:
    """Return a dataset that reads its columns when indexed; `None` if they fit in memory.

    Raises:
        DataError: a value cannot be used.
    """
    changed = settings.drop_missing or settings.missing or settings.date_formats
    events = None if changed else source.stream(columns)
    if events is None:
        return None
    empty = events.schema.empty_table()
    features = tuple(one_column(source, empty, column).describe(None)[0] for column in columns)
    missing = check_values(source.shown, cast("Array", events), columns)
    storage: Any = events.dtype.name
    spec = spec_of(source.shown, (len(columns),), "table", features, storage=storage, missing=missing)
    apart = settings.label is not None or settings.weight is not None
    beside = read_columns(source, settings, [], set()) if apart else empty
    labels, weights = labels_and_weights(source, settings, beside)
    return Dataset(name, spec, cast("Array", events), labels, weights=weights, facts=dict(source.facts))


class EventTable(TableSource):
    """The events of a tabular dataset, read as columns."""

    def __init__(self, dataset: Dataset) -> None:
        super().__init__(dataset.name, [feature.name for feature in dataset.spec.features])
        self._dataset = dataset

    def read(self, columns: Sequence[str], texts: Collection[str] = ()) -> pa.Table:
        events, features = self._dataset.events[:], self._dataset.spec.features
        places = {name: place for place, name in enumerate(self.names)}
        arrays = [_arrow(events[:, places[name]], features[places[name]]) for name in columns]
        return pa.table(arrays, names=list(columns))


def select(dataset: Dataset, settings: DataSettings) -> Dataset:
    """Apply the settings of tables to an open dataset.

    Raises:
        ConfigError: a setting names an unknown column.
        DataError: a column cannot be used.
    """
    source = EventTable(dataset)
    whole = settings.model_copy(update={"drop_missing": False})
    chosen = _stretch(dataset, source, settings) or table_dataset(dataset.name, source, whole)
    labels, label = (dataset.labels, dataset.label) if chosen.labels is None else (chosen.labels, None)
    weights = dataset.weights if chosen.weights is None else chosen.weights
    chosen = dataclasses.replace(chosen, labels=labels, label=label, weights=weights, test_rows=dataset.test_rows)
    chosen = dataclasses.replace(chosen, groups=dataset.groups, times=dataset.times, buckets=dataset.buckets)
    return complete(chosen) if settings.drop_missing else chosen


def _stretch(dataset: Dataset, source: TableSource, settings: DataSettings) -> Dataset | None:
    """Return the chosen columns as a view, not a copy; `None` if they are not adjacent or change their kind."""
    kept = chosen_columns(source, settings)
    first = source.names.index(kept[0])
    places = slice(first, first + len(kept))
    if settings.kinds or settings.missing or settings.date_formats or source.names[places] != kept:
        return None
    table = read_columns(source, settings, [], set())
    spec = dataclasses.replace(
        dataset.spec, event_shape=(len(kept),), features=dataset.spec.features[places], missing=False
    )
    apart = labels_and_weights(source, settings, table)
    return usable(Dataset(dataset.name, spec, dataset.events[:, places], apart[0], weights=apart[1]), dataset.name)


def chosen_columns(source: TableSource, settings: DataSettings) -> list[str]:
    """Return the names of the columns to learn from, in order.

    Raises:
        ConfigError: a name is unknown or appears twice, or no column is left.
        DataError: there are too many columns.
    """
    kept = source.names if settings.columns is None else list(settings.columns)
    apart = [name for name in (settings.label, settings.weight) if name is not None]
    known = dict.fromkeys(source.names)
    for name in [*kept, *settings.drop, *apart]:
        _check_column(name, known, source.shown)
    if len(set(kept)) < len(kept):
        raise ConfigError(f"{argument('columns')} names a column twice.")
    removed = {*settings.drop, *apart}
    kept = [name for name in kept if name not in removed]
    if not kept:
        raise ConfigError(f"{source.shown}: no column is left to learn from.")
    if len(kept) > MOST_NAMES:
        raise DataError(
            f"{source.shown} has {len(kept)} columns to learn from, and a table has at most {MOST_NAMES}. Choose some "
            f"with {argument('columns')}."
        )
    return kept


def kept_names(shown: str, known: Sequence[str], keep: Sequence[str], taken: Collection[str]) -> list[str]:
    """Return the names of columns to copy to a result, each once.

    Arguments:
        shown: name of the table, for messages.
        known: columns of the table.
        keep: columns to copy.
        taken: names of the columns that the result has itself.

    Raises:
        ConfigError: a name is unknown, or the result has such a column itself.
    """
    for name in keep:
        _check_column(name, dict.fromkeys(known), shown)
        if name in taken:
            raise ConfigError(f"Column {name!r} cannot be kept: the result has a column of that name. Rename it.")
    return list(dict.fromkeys(keep))


def _check_column(name: str, known: Collection[str], shown: str) -> None:
    if name not in known:
        raise ConfigError(f"{shown} has no column {name!r}. {did_you_mean(name, known)}")


def read_columns(source: TableSource, settings: DataSettings, kept: Sequence[str], texts: set[str]) -> pa.Table:
    """Read the columns to learn from, and the columns of labels and weights."""
    apart = [name for name in (settings.label, settings.weight) if name is not None]
    as_written = (texts | {settings.label} | settings.date_formats.keys()) - {settings.weight, None}
    table = source.read(list(dict.fromkeys([*kept, *apart])), [name for name in as_written if name is not None])
    return without_marks(table, settings, source.names)


def one_column(source: TableSource, table: pa.Table, name: str, date_format: str | None = None) -> Column:
    """Return one column of a table that was read."""
    return Column(name, table.column(name), source.shown, source.where, date_format, compact=source.compact_texts)


def described_column(source: TableSource, settings: DataSettings, table: pa.Table, name: str) -> tuple[Feature, Array]:
    """Return the feature and the numbers of a column, and note in the source how its dates were read.

    Raises:
        DataError: the column cannot be used, or has no value.
    """
    column = one_column(source, table, name, settings.date_formats.get(name))
    feature, pieces = column.describe(settings.kinds.get(name))
    values = pieces.all
    _examine(source, column, feature, values, extent(values))
    return feature, values


def _examine(source: TableSource, column: Column, feature: Feature, values: Array, found: Extent) -> None:
    """Raise if a column holds nothing, and note what a user should know of it."""
    name = column.name
    if found.missing and math.isnan(found.low):
        raise empty_column(source.shown, name)
    _note(source, id_note(source.shown, feature, values, found))
    times = column.times() if feature.temporal else None
    if times is None or "%" not in times.form or not len(values):
        return
    row = _telling_row(values, times.type)
    text, shown = (
        str(column.values[row].as_py()),
        show_time(float(values[row]), dataclasses.replace(feature, form=None)),
    )
    if text != shown and not text.startswith(shown[:5]):
        source.facts[f"dates of {name}"] = f"{text!r} is {shown}"
    if times.doubtful:
        _note(source, doubt(source.shown, name, times.form))


def _telling_row(values: Array, type_: str) -> int:
    """Return a row whose date shows best which part is the day: the last day of a month."""
    first = np.nan_to_num(values[:1000]) / (1 if type_ == "date" else DAY)
    days = np.floor(first).astype(np.int64).astype("datetime64[D]")
    return int(np.where(np.isnan(values[:1000]), -1, (days - days.astype("datetime64[M]")).astype(np.int64)).argmax())


def _note(source: TableSource, note: str | None) -> None:
    if note is not None and note not in source.notes:
        source.notes += (note,)


def _check_texts(shown: str, features: Sequence[Feature], rows: int) -> None:
    """Raise for the column with most categories, if there are too many in all."""
    if len(features) + sum(len(feature.levels or ()) for feature in features) > MOST_NAMES:
        raise too_many_texts(shown, max(features, key=lambda feature: len(feature.levels or ())), rows)


def too_many_texts(shown: str, feature: Feature, rows: int) -> DataError:
    """Return the error for a column with too many categories."""
    advice = id_advice(feature.name)
    return DataError(
        f"{shown}: column {feature.name!r} has {len(feature.levels or ())} different texts in {rows} rows, and the "
        f"columns and categories of a table are at most {MOST_NAMES}. Leave it out with {advice}."
    )


def take_columns(
    name: str,
    source: TableSource,
    settings: DataSettings,
    spec: DataSpec,
    table: pa.Table,
    pieces: Sequence[Pieces],
    examined: Sequence[Column] = (),
) -> Dataset:
    """Return a dataset of columns in order, with the labels and weights that the settings name.

    Arguments:
        pieces: numbers or codes of each column.
        examined: the columns as they were read, if the source shall note what a user should know of them. Defaults to
            none.

    Raises:
        DataError: there are no rows, a value cannot be used, a column holds nothing, or a weight is missing.
    """
    if not table.num_rows:
        raise DataError(f"{source.shown} holds no rows.")
    events = np.empty((table.num_rows, len(pieces)), spec.storage)
    extents = side_by_side(pieces, events)
    for place, column in enumerate(examined):
        _examine(source, column, spec.features[place], events[:, place], extents[place])
    labels, weights = labels_and_weights(source, settings, table)
    spec = dataclasses.replace(spec, missing=any(found.missing for found in extents))
    dataset = Dataset(name, spec, events, labels, weights=weights, facts=dict(source.facts), notes=tuple(source.notes))
    return complete(dataset) if settings.drop_missing else dataset


def labels_and_weights(
    source: TableSource, settings: DataSettings, table: pa.Table
) -> tuple[Array | None, Array | None]:
    """Return the labels and the weights that the settings name; `None` if they name none.

    Raises:
        DataError: a weight is missing or negative.
    """
    labels = None if settings.label is None else _labels(table.column(settings.label))
    weights = None if settings.weight is None else _weights(one_column(source, table, settings.weight))
    return labels, weights


def complete(dataset: Dataset) -> Dataset:
    """Drop the rows with a missing value, and count them.

    Raises:
        DataError: every row has a missing value.
    """
    blocks = (dataset.events[i : i + BLOCK] for i in range(0, len(dataset), BLOCK))
    whole = np.concatenate([~np.isnan(block).reshape(len(block), -1).any(axis=1) for block in blocks])
    if dataset.conditions is not None:
        whole &= ~np.isnan(dataset.conditions).any(axis=1)
    if dataset.times is not None:
        whole &= ~without_time(dataset.times)
    if whole.all():
        return dataset
    if not whole.any():
        raise DataError(f"{dataset.name}: every row has a missing value, so {argument('drop_missing')} leaves none.")
    places = whole.cumsum() - 1
    return dataclasses.replace(
        dataset,
        spec=dataclasses.replace(dataset.spec, missing=False),
        events=dataset.events[whole],
        labels=None if dataset.labels is None else dataset.labels[whole],
        weights=None if dataset.weights is None else dataset.weights[whole],
        groups=None if dataset.groups is None else dataset.groups[whole],
        times=None if dataset.times is None else dataset.times[whole],
        buckets=None if dataset.buckets is None else dataset.buckets[whole],
        unknown={int(places[row]): text for row, text in dataset.unknown.items() if whole[row]},
        test_rows=int(whole[len(dataset) - dataset.test_rows :].sum()),
        dropped=int((~whole).sum()),
        conditions=None if dataset.conditions is None else dataset.conditions[whole],
    )


def _labels(values: Any) -> Array:
    """Return labels as numbers if all are whole numbers, else as text; missing labels are empty texts."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_integer(values.type) and not values.null_count:
        return np.asarray(values)
    return np.array(["" if text is None else text for text in values.cast(pa.string()).to_pylist()])


def _weights(column: Column) -> Array:
    weights = column.numbers()
    bad = ~(weights >= 0)
    if bad.any():
        row = int(bad.argmax())
        seen = "no weight" if np.isnan(weights[row]) else f"the weight {weights[row]:g}"
        raise DataError(f"{column.shown}: column {column.name!r} holds {seen} in {column.where(row)}. Weights are ≥ 0.")
    return weights


def table_of(events: Array, data: DataSpec) -> pa.Table:
    """Return events `(N, C)` in data units as a table with the names, types and categories of the original columns.

    Whole numbers are rounded and clipped to the range of their type. NaN becomes null.
    """
    columns = {feature.name: _arrow(events[:, i], feature) for i, feature in enumerate(data.features)}
    return pa.table(list(columns.values()), names=list(columns))


def fill_column(column: Column, values: Array, feature: Feature) -> Any:
    """Fill the missing values of a column from `values`, numbers or codes of `feature`, and keep its type.

    A column of integers becomes one of fractions if a mean of counts is filled in.
    """
    kind = column.values.type
    fractions = feature.kind == "count" and bool((values != np.rint(values))[~np.isnan(values)].any())
    if fractions and (pa.types.is_null(kind) or pa.types.is_integer(kind)):
        holes = pc.is_null(column.values)
        return pc.if_else(holes, pa.array(np.asarray(values, np.float64)), column.values.cast(pa.float64()))
    if pa.types.is_null(kind):
        return _arrow(values, feature)
    if pa.types.is_dictionary(kind):
        return _fill_coded(column.values, values, feature)
    holes = pc.is_null(column.values, nan_is_null=True)
    if feature.temporal:
        return _fill_times(column, values, feature, holes)
    if feature.levels is None:  # rounded into the range of the column's own type
        feature = column.describe("continuous")[0]
    return pc.if_else(holes, _plain(_arrow(values, feature)).cast(kind), column.values)


def _fill_times(column: Column, values: Array, feature: Feature, holes: Any) -> Any:
    """Fill a column of dates or times, in its own form."""
    own = column.times()
    if own is not None:
        numbers = converted(values, feature.stored, own.type)
        assert numbers is not None  # as the column was matched with the feature
        values, feature = numbers, Feature(feature.name, type=own.type, form=own.form)
    return pc.if_else(holes, times_column(values, feature).cast(column.values.type), column.values)


def _fill_coded(column: Any, values: Array, feature: Feature) -> Any:
    """Fill a dictionary column; levels that are new to it come last."""
    kind = column.type
    coded = column.unify_dictionaries().combine_chunks()
    filled = _plain(_arrow(values, feature)).cast(kind.value_type)
    holes = coded.is_null()
    own = coded.dictionary
    levels = pa.concat_arrays([own, filled.filter(pc.and_(holes, pc.invert(pc.is_in(filled, own)))).unique()])
    codes = pc.if_else(holes, pc.index_in(filled, levels), coded.indices.cast(pa.int32()))
    return pa.DictionaryArray.from_arrays(codes.cast(kind.index_type), levels, ordered=kind.ordered)


def _plain(values: Any) -> Any:
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def _arrow(values: Array, feature: Feature) -> Any:
    if feature.temporal:
        return times_column(np.asarray(values, np.float64), feature)
    gone = np.isnan(values)
    if feature.levels is not None:
        codes = pa.array(np.where(gone, 0, values).astype(np.int32), mask=gone)
        levels = pa.array(feature.levels)
        if feature.stored == "dictionary":
            return pa.DictionaryArray.from_arrays(codes, levels)
        return (levels if feature.stored == "string" else levels.cast(feature.stored)).take(codes)
    if feature.stored == "bool":
        return pa.array(values >= 0.5, mask=gone)
    if "int" not in feature.stored:
        return pa.array(values.astype(feature.stored if feature.stored == "float32" else "float64"), mask=gone)
    limits = np.iinfo(feature.stored)
    low, high = max(limits.min, -LARGEST_WHOLE), min(limits.max, LARGEST_WHOLE)
    return pa.array(np.where(gone, 0, values).round().clip(low, high).astype(feature.stored), mask=gone)
