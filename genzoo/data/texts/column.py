"""Read a column of a table as texts, and other columns as what they are conditional on."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genzoo.config.data import DataSettings, SplitSettings
from genzoo.data.align import match_dataset, match_table
from genzoo.data.conditions import check_conditions
from genzoo.data.dataset import Dataset
from genzoo.data.splits.columns import read_divided
from genzoo.data.table_source import TableSource
from genzoo.data.texts.content import windows_of
from genzoo.data.texts.flat import Texts, offsets_of
from genzoo.data.texts.symbols import BYTES, byte_spec, too_long
from genzoo.errors import ConfigError, DataError, did_you_mean, pass_out_of_memory
from genzoo.spec.events import MOST_SYMBOLS, DataSpec, Feature
from genzoo.text import counted
from genzoo.typing import Array
from genzoo.wording import argument

_WITHOUT = ("columns", "drop", "label", "weight", "drop_missing", "bounds", "whole", "round", "transforms")
"""Settings of tables that mean nothing for one column of texts."""


def text_dataset(name: str, source: TableSource, settings: DataSettings, split: SplitSettings | None = None) -> Dataset:
    """Return a column of a table as texts, with the columns that they are conditional on and that divide the rows.

    Raises:
        ConfigError, DataError: as `read_column`; or another column cannot be used, or texts in windows have such.
    """
    found, rows = read_column(name, source, settings)
    split, names = split or SplitSettings(), tuple(dict.fromkeys(settings.condition))
    if settings.joint:
        raise ConfigError(f"{argument('joint', True)} is for tables, and only texts are learned. Leave it out.")
    if not names and not split.columns:
        return found
    _refuse_windows(found, names or split.columns)
    reading = _beside(settings, tuple(dict.fromkeys([*names, *split.columns])))
    beside = read_divided(name, source, reading, split)
    apart = (beside.groups, beside.times, beside.buckets)
    groups, times, buckets = (None if own is None else own[rows] for own in apart)
    notes = (*found.notes, *beside.notes)
    found = dataclasses.replace(found, groups=groups, times=times, buckets=buckets, notes=notes)
    features = beside.spec.features[: len(names)]
    return _given(found, features, np.asarray(beside.events[:])[rows, : len(names)]) if names else found


def matching_texts(
    name: str, source: TableSource, settings: DataSettings, spec: DataSpec, *, keep_unknown: bool = False
) -> Dataset:
    """Return a column of a table as texts for a trained model, with the columns that it is conditional on.

    Rows without a text are empty texts, so that rows keep their numbers, and a note counts them.

    Arguments:
        keep_unknown: as for `match_dataset`. Defaults to false.

    Raises:
        ConfigError, DataError: as `read_column`; or as for `match_table`.
    """
    found, rows = read_column(name, source, settings, keep=not spec.windows)
    if spec.condition:
        _refuse_windows(found, [feature.name for feature in spec.condition])
        table = DataSpec((len(spec.condition),), "table", spec.condition, storage="float64")
        beside = match_table(name, source, _beside(settings, None), table)
        found = _given(found, spec.condition, np.asarray(beside.events[:])[rows])
    return match_dataset(found, spec, keep_unknown=keep_unknown)


def _beside(settings: DataSettings, columns: tuple[str, ...] | None) -> DataSettings:
    """Return how other columns than the texts are read."""
    return settings.model_copy(update={"text": None, "window": None, "condition": (), "columns": columns})


def _given(dataset: Dataset, features: Sequence[Feature], conditions: Array) -> Dataset:
    spec = dataclasses.replace(dataset.spec, condition=tuple(features))
    return check_conditions(dataclasses.replace(dataset, spec=spec, conditions=conditions.astype(np.float64)))


def _refuse_windows(dataset: Dataset, names: Sequence[str]) -> None:
    if dataset.spec.windows:
        raise ConfigError(
            f"{dataset.name}: column {names[0]!r} belongs to whole texts, and {argument('window')} cuts them. Use one "
            f"of the two."
        )


def read_column(name: str, source: TableSource, settings: DataSettings, *, keep: bool = False) -> tuple[Dataset, Array]:
    """Return the texts of the column that `settings.text` names, and the rows of the table that hold them.

    Rows without a text, missing or empty, are left out, and a note counts them.

    Arguments:
        name: name of the dataset.
        keep: keep such rows as empty texts. Defaults to false.

    Raises:
        ConfigError: there is no such column, or a setting is for other tables.
        DataError: the column holds no texts, or one that is too long.
    """
    column = settings.text
    if column not in source.names:
        hint = did_you_mean(str(column), source.names)
        raise ConfigError(f"{source.shown} has no column {column!r} of texts. {hint}")
    if given := settings.given(*_WITHOUT):
        raise ConfigError(f"{given} is for the columns of tables, and only texts are read. Leave it out.")
    values = _texts_of(source, str(column))
    lengths = np.asarray(pc.fill_null(pc.binary_length(values), 0), np.int64)
    gone = int((lengths == 0).sum())
    if gone == len(lengths):
        raise DataError(f"{source.shown}: column {column!r} holds no text in {counted(len(lengths), 'row')}.")
    rows = np.arange(len(lengths)) if keep else np.flatnonzero(lengths)
    became = f"{'count' if gone > 1 else 'counts'} as empty" if keep else "left out"
    notes = (f"{counted(gone, 'row')} of {source.shown} without a text {became}",) if gone else ()
    codes, kept = _codes(values), lengths[rows]
    if settings.window is not None:
        pieces = np.split(codes, np.cumsum(kept)[:-1])
        found = windows_of(name, source.shown, pieces, settings.window)
        return dataclasses.replace(found, notes=(*source.notes, *notes, *found.notes)), rows
    longest = int(kept.max())
    if longest > MOST_SYMBOLS:
        raise too_long(source.shown, source.where(int(rows[kept.argmax()])), longest)
    texts = Texts(codes, offsets_of(kept), longest, len(BYTES))
    return Dataset(name, byte_spec(longest), texts.as_array(), notes=(*source.notes, *notes)), rows


def _texts_of(source: TableSource, column: str) -> pa.LargeBinaryArray:
    """Return a column of texts as one array of their bytes.

    Raises:
        DataError: it holds something else.
    """
    values = source.read([column], [column]).column(column)
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    # Only a text file has no types of its own.
    if not texts or (source.compact_texts and _numeric(values)):
        what = "numbers" if texts else str(kind)
        raise DataError(
            f"{source.shown}: column {column!r} holds {what}, and {argument('text')} names a column of texts. Name "
            f"another, or write it as texts, one a line, into a .txt file."
        )
    try:
        found = values.cast(pa.large_string()).cast(pa.large_binary()).combine_chunks()
    except pa.ArrowException as error:
        pass_out_of_memory(error)
        raise DataError(f"{source.shown}: column {column!r} cannot be read as texts: {error}.") from error
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found


def _numeric(values: pa.ChunkedArray) -> bool:
    """Return whether every text is a number, as in a text file's column of numbers."""
    filled = pc.drop_null(values)
    try:
        return bool(len(filled)) and len(filled.cast(pa.large_string()).cast(pa.float64())) > 0
    except pa.ArrowInvalid:
        return False


def _codes(values: pa.LargeBinaryArray) -> Array:
    """Return the bytes of all texts, one after the other, `(S,)`; missing ones have none."""
    filled = pc.fill_null(values, b"")
    offsets = np.frombuffer(filled.buffers()[1], np.int64, len(filled) + 1, filled.offset * 8)
    content = filled.buffers()[2]
    every = np.empty(0, np.uint8) if content is None else np.frombuffer(content, np.uint8)
    return np.array(every[offsets[0] : offsets[-1]])
