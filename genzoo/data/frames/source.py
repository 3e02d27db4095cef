"""Read tables in memory: as data to train on, as events of a trained model, and to fill their holes."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from genzoo.config.data import DataSettings, SplitSettings
from genzoo.data.align import filled_table, found_columns, match_table
from genzoo.data.conditions import read_with_conditions, take_conditions
from genzoo.data.dataset import Conditioned, Dataset, ModelEvents
from genzoo.data.frames.kinds import library_of
from genzoo.data.splits.columns import read_divided
from genzoo.data.table import kept_names
from genzoo.data.table_source import PANDAS_INDEX, TableSource, check_whole, without_views
from genzoo.errors import DataError, pass_out_of_memory
from genzoo.spec.events import DataSpec, Feature, FrameForm, Library
from genzoo.typing import Array

_SHOWN = "The table"


class FrameSource(TableSource):
    """A table in memory, whose columns are converted when they are read.

    Columns that nobody asks for may hold anything. An index of pandas is no column.

    Arguments:
        frame: table that `is_frame` accepts.

    Raises:
        DataError: the names of its columns are neither texts nor whole numbers, or the table cannot be read.
    """

    def __init__(self, frame: Any) -> None:
        self.library: Library = library_of(frame)
        labels = list(frame.columns) if self.library in ("pandas", "polars") else None
        self.numbered = bool(labels) and all(_is_whole(label) for label in labels or ())
        if labels is None:
            frame = _as_arrow(frame)
            labels = [name for name in frame.column_names if not name.startswith(PANDAS_INDEX)]
        elif not self.numbered:
            _check_labels(labels)
        self.frame = frame
        super().__init__(_SHOWN, [str(label) for label in labels])
        self.place_of = {name: place for place, name in enumerate(self.names)}

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.frame)

    def series(self, name: str) -> Any:
        """Return a column as its library has it."""
        place = self.place_of[name]
        if self.library == "pandas":
            return self.frame.iloc[:, place]
        return self.frame.get_column(name) if self.library == "polars" else self.frame.column(name)

    def read(self, columns: Sequence[str], texts: Collection[str] = ()) -> pa.Table:
        if self.library == "pandas":
            return pa.table([self._converted(name) for name in columns], names=list(columns))
        chosen = self.frame.select(list(columns))
        if self.library == "pyarrow":  # which may come from a file that lies
            check_whole(chosen, _SHOWN)
        return without_views(chosen if self.library == "pyarrow" else _as_arrow(chosen))

    def _converted(self, name: str) -> Any:
        series = self.series(name)
        if hasattr(series, "sparse"):
            series = series.sparse.to_dense()
        try:
            return pa.array(series, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError) as error:
            pass_out_of_memory(error)
            raise DataError(
                f"{_SHOWN}: column {name!r} mixes values of several types, or holds a type that no model takes "
                f"({series.dtype}). Convert it, such as frame[{name!r}] = frame[{name!r}].astype(str), or leave it "
                f"out. ({error})"
            ) from error

    def form(self, data: DataSpec) -> FrameForm:
        """Return the kind of table, with the types of its columns that the features of `data` do not have."""
        types = ((feature.name, feature.stored, _type_of(self.series(feature.name))) for feature in data.features)
        # In pandas, `string` is not the usual type of texts.
        told = {name: own for name, stored, own in types if own != stored or own == "string"}
        return FrameForm(self.library, told, self.numbered)


def frame_dataset(frame: Any, settings: DataSettings | None = None, split: SplitSettings | None = None) -> Dataset:
    """Return a table in memory as a dataset that remembers its kind.

    Arguments:
        split: names the columns that divide the rows. Defaults to none.

    Raises:
        ConfigError: a setting names an unknown column.
        DataError: a column cannot be used.
    """
    source = FrameSource(frame)
    settings = settings or DataSettings(source="table")
    reading = read_with_conditions(settings, source.names)
    dataset = read_divided("table", source, reading, split or SplitSettings())
    spec = dataclasses.replace(dataset.spec, frame=source.form(dataset.spec))
    return take_conditions(dataclasses.replace(dataset, spec=spec), settings)


def frame_events(frame: Any, data: DataSpec) -> ModelEvents:
    """Return the rows of a table as events of a trained model, `(N, C)`, with their conditions; there may be none.

    Columns are found by name, in any order; columns that the model does not use are ignored. Categories get the codes
    of training.

    Arguments:
        frame: table that `is_frame` accepts.
        data: describes the training data.

    Raises:
        DataError: a column is missing, or holds a value that the model cannot take.
    """
    if not data.form.columns:
        raise DataError(f"The model was trained on {data.describe()}, and these data are a table.")
    source = FrameSource(frame)
    if not source.rows:
        found_columns(source.shown, source.names, (*data.features, *data.condition))
        events = np.empty((0, *data.event_shape))
        return Conditioned(events, np.empty((0, len(data.condition)))) if data.condition else events
    return match_table("table", source, DataSettings(source="table"), data).given(slice(None))


def frame_columns(frame: Any, features: Sequence[Feature]) -> Array:
    """Return some columns of a table as numbers and codes of `features`, `(N, K)`.

    Raises:
        DataError: a column is missing, or holds a value that its feature does not have.
    """
    spec = DataSpec((len(features),), "table", tuple(features), storage="float64")
    return np.asarray(match_table("table", FrameSource(frame), DataSettings(source="table"), spec).events)


def frame_rows(frame: Any, data: DataSpec, *, keep_unknown: bool) -> Dataset:
    """Return the rows of a table as a dataset that suits a trained model.

    Arguments:
        keep_unknown: as for `match_table`.

    Raises:
        DataError: a column is missing, or holds a value that the model cannot take; or there are no rows.
    """
    return match_table("table", FrameSource(frame), DataSettings(source="table"), data, keep_unknown=keep_unknown)


def kept_of_frame(frame: Any, keep: Sequence[object], taken: Collection[str]) -> list[str]:
    """Return the names of columns of a table to copy to a result, as `kept_names` does."""
    source = FrameSource(frame)
    return kept_names(source.shown, source.names, [str(name) for name in keep], taken)


def with_columns(frame: Any, kept: Sequence[str], columns: Mapping[str, Array]) -> Any:
    """Return a table of the same library and index: some columns of a table, and new ones.

    Arguments:
        kept: columns of `frame`, which keep their type.
        columns: new columns, `(N,)` each; arrays of objects hold texts, and `None` for nothing.
    """
    source = FrameSource(frame)
    if source.library == "pandas":
        made = source.frame.iloc[:, [source.place_of[name] for name in kept]].copy()
        for name, values in columns.items():
            made[name] = values
        return made
    arrow = {
        name: pa.array(values, pa.string() if values.dtype == object else None) for name, values in columns.items()
    }
    made = source.frame.select(list(kept))
    if source.library == "polars":
        import polars

        own = [polars.Series(name, polars.from_arrow(values)) for name, values in arrow.items()]
        return polars.DataFrame([*made.get_columns(), *own])  # a frame without columns takes none of other lengths
    for name, values in arrow.items():
        made = made.append_column(name, values)
    return made


def frame_latent(frame: Any, size: int) -> Array:
    """Return latent vectors from the columns z0, z1 ... of a table, `(N, size)`.

    Raises:
        DataError: a column is missing, or holds no numbers.
    """
    source = FrameSource(frame)
    names = [f"z{dimension}" for dimension in range(size)]
    if absent := [name for name in names if name not in source.names]:
        raise DataError(f"Latent vectors of this model have {size} columns, z0 to z{size - 1}; {absent[0]} is missing.")
    columns = source.read(names)
    return np.column_stack([np.asarray(columns.column(name), np.float64) for name in names])


def fill_frame(frame: Any, data: DataSpec, events: Array) -> Any:
    """Return a table like `frame` with the missing values of the model's columns filled in.

    Other columns, their order, all types and a pandas index stay.

    Arguments:
        frame: table with missing values.
        data: describes the training data.
        events: rows of the table with the missing values filled in, `(N, C)`.
    """
    source = FrameSource(frame)
    used = set(found_columns(source.shown, source.names, data.features))
    others = [] if source.library == "pyarrow" else [name for name in source.names if name not in used]
    settings = DataSettings(source="table", drop=tuple(others))  # which may hold anything
    table = filled_table(source, settings, data, events, as_written=False)
    if source.library == "pyarrow":
        return table
    return _pandas_like(source, table) if source.library == "pandas" else _polars_like(source, table)


def _pandas_like(source: FrameSource, table: pa.Table) -> Any:
    """Fill the holes of a pandas frame, column by column, so that its index and types stay."""
    filled = source.frame.copy()
    for name in table.column_names:
        column = source.series(name)
        holes = column.isna()
        if holes.any():
            values = table.column(name).to_pandas()
            values.index = column.index
            if hasattr(column, "cat"):  # a category of training may be new to this column
                new = [value for value in values[holes].unique() if value not in column.cat.categories]
                column, values = column.cat.add_categories(new), values.astype(object)
            elif values.dtype.kind == "f" and column.dtype.kind in "iu":
                column = column.astype("Float64")  # an integer type with missing values cannot hold a mean of counts
            filled.isetitem(source.place_of[name], column.where(~holes, values))
    return filled


def _polars_like(source: FrameSource, table: pa.Table) -> Any:
    """Put filled columns into a polars frame, in their own types if these can hold the new values."""
    import polars

    filled = []
    for name in table.column_names:
        new = polars.Series(name, polars.from_arrow(table.column(name)))
        cast = new.cast(source.series(name).dtype, strict=False)
        rounds = new.dtype.is_float() and cast.dtype.is_integer()  # it cannot hold a mean of counts
        filled.append(new if rounds or cast.null_count() > new.null_count() else cast)
    return source.frame.with_columns(filled)


def in_one_piece(frame: Any) -> Any:
    """Return a table that can be read several times: pandas and polars as they are, others as a table of pyarrow."""
    return frame if library_of(frame) in ("pandas", "polars") else _as_arrow(frame)


def _as_arrow(exporter: Any) -> pa.Table:
    try:
        return pa.table(exporter)
    except (pa.ArrowException, TypeError, ValueError) as error:
        pass_out_of_memory(error)
        raise DataError(f"The table cannot be read as Arrow columns: {error}.") from error


def _is_whole(label: object) -> bool:
    return isinstance(label, int | np.integer) and not isinstance(label, bool)


def _check_labels(labels: Sequence[object]) -> None:
    strange = [label for label in labels if not isinstance(label, str)]
    if strange:
        raise DataError(
            f"Names of columns must be texts, or all whole numbers, and this table has a column {strange[0]!r}. "
            f"Rename its columns first, such as frame.columns = [str(name) for name in frame.columns]."
        )


def _type_of(series: Any) -> str:
    """Return the type of a column as its library names it."""
    kind = series.type if hasattr(series, "type") else series.dtype
    if library_of(series) == "polars":
        return str(kind.base_type().__name__).lower()
    return "ordered category" if str(kind) == "category" and series.cat.ordered else str(kind)
