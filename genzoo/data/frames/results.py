"""Return results as tables of pandas, polars or pyarrow."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from genzoo.data.frames.kinds import library_of
from genzoo.errors import ConfigError
from genzoo.spec.events import DataSpec, Feature, FrameForm, Library
from genzoo.typing import Array

if TYPE_CHECKING:
    import pyarrow as pa


def rows_like(frame: Any, name: str, values: Array) -> Any:
    """Return one value for each row of a table: a Series with the index of pandas, a Series of polars, or an array.

    Arguments:
        values: `(N,)`.
    """
    library = library_of(frame)
    if library == "pandas":
        return _installed(library).Series(values, index=frame.index, name=name)
    if library == "polars":
        return _installed(library).Series(name, values)
    return _installed(library).array(values)


def matrix_like(frame: Any, names: Sequence[str], values: Array) -> Any:
    """Return several values for each row of a table, as such a table.

    Arguments:
        names: names of the columns.
        values: `(N, C)`.
    """
    library = library_of(frame)
    if library == "pandas":
        return _installed(library).DataFrame(values, index=frame.index, columns=list(names))
    columns = {name: np.ascontiguousarray(values[:, place]) for place, name in enumerate(names)}
    return _installed(library).DataFrame(columns) if library == "polars" else _installed(library).table(columns)


def usual_library(data: DataSpec | None = None) -> Library:
    """Return the library for a table that has no model: the one of the training data, or else one that is installed."""
    if data is not None and data.frame is not None:
        return data.frame.library
    return "pandas" if find_spec("pandas") else "polars" if find_spec("polars") else "pyarrow"


def frame_of(columns: Mapping[str, Any], library: Library | None = None) -> Any:
    """Return columns as a table in memory.

    Arguments:
        columns: columns by name; arrays of objects hold texts, and `None` for nothing.
        library: defaults to pandas, or polars or pyarrow if it is not installed.

    Raises:
        ConfigError: the library is not installed.
    """
    chosen = library or usual_library()
    module = _installed(chosen)
    if chosen == "pandas":
        return module.DataFrame(dict(columns))
    import pyarrow as pa

    arrow = {
        name: pa.array(column, pa.string()) if isinstance(column, np.ndarray) and column.dtype == object else column
        for name, column in columns.items()
    }
    return frame_from_arrow(pa.table(arrow), chosen)


def frame_from_arrow(table: pa.Table, library: Library) -> Any:
    """Return a table of pyarrow as one of another library."""
    if library == "pandas":
        return table.to_pandas()
    return _installed(library).from_arrow(table) if library == "polars" else table


def table_like(frame: Any, data: DataSpec, events: Array) -> Any:
    """Return events `(N, C)` of a model as such a table, with the names and types of training and a pandas index."""
    library = library_of(frame)
    made = events_frame(events, data, library)
    return made.set_axis(frame.index, axis=0) if library == "pandas" else made


def events_frame(events: Array, data: DataSpec, library: Library) -> Any:
    """Return events `(N, C)` of a table in data units as a table in memory, with its names, types and categories.

    Raises:
        ConfigError: the library is not installed.
    """
    from genzoo.data.table import table_of

    form = data.frame if data.frame is not None and data.frame.library == library else FrameForm(library)
    module = _installed(library)
    table = table_of(events, data)
    make = {"pandas": _of_pandas, "polars": _of_polars, "pyarrow": _of_pyarrow}[library]
    columns = [make(module, table.column(place), f, form.types.get(f.name)) for place, f in enumerate(data.features)]
    if library == "pyarrow":
        return module.table(columns, names=table.column_names)
    if library == "polars":
        return module.DataFrame(columns)
    frame = module.concat(columns, axis=1)
    numbered = form.numbered and all(map(_WHOLE.fullmatch, table.column_names))
    return frame.set_axis([int(name) if numbered else name for name in table.column_names], axis=1)


def _of_pandas(pandas: Any, column: pa.ChunkedArray, feature: Feature, kind: str | None) -> Any:
    if kind in ("category", "ordered category") or (kind is None and feature.stored == "dictionary"):
        levels, codes = _coded(column, feature)
        codes = np.asarray(codes.fill_null(-1))
        values = pandas.Categorical.from_codes(codes, levels.to_pandas(), ordered=kind == "ordered category")
        return pandas.Series(values, name=feature.name)
    series = column.to_pandas().rename(feature.name)
    if kind is None or str(series.dtype) == kind:
        return series
    try:
        return series.astype(kind)
    except (TypeError, ValueError, ImportError):  # a type of another version of pandas, or one without missing values
        return series


def _of_polars(polars: Any, column: pa.ChunkedArray, feature: Feature, kind: str | None) -> Any:
    if kind == "enum":
        plain = polars.Series(feature.name, polars.from_arrow(_plain(column)))
        return plain.cast(polars.Enum(list(feature.levels or ())))
    series = polars.Series(feature.name, polars.from_arrow(column))
    own = {"categorical": polars.Categorical, "float16": getattr(polars, "Float16", None)}.get(kind or "")
    return series if own is None else series.cast(own)


_WHOLE = re.compile(r"-?\d+")
_CODES = re.compile(r"dictionary<values=(\w+), indices=(u?int\d+), ordered=([01])>")


def _of_pyarrow(pyarrow: Any, column: pa.ChunkedArray, feature: Feature, kind: str | None) -> Any:
    if kind is None:
        return column
    try:
        if coded := _CODES.fullmatch(kind):
            levels, codes = _coded(column, feature)
            levels, codes = levels.cast(pyarrow.type_for_alias(coded[1])), codes.cast(pyarrow.type_for_alias(coded[2]))
            return pyarrow.DictionaryArray.from_arrays(codes, levels, ordered=coded[3] == "1")
        return column.cast(pyarrow.type_for_alias(kind))
    except (pyarrow.ArrowException, ValueError):  # a type that has no short name, such as a decimal number's
        return column


def _coded(column: pa.ChunkedArray, feature: Feature) -> tuple[pa.Array, pa.Array]:
    """Return all levels of a column in their own type, and the codes of its rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = _plain(column)
    levels = pa.array(feature.levels or ())
    if feature.stored != "dictionary":
        levels = levels.cast(plain.type)
    return levels, pc.index_in(plain, levels).combine_chunks()


def _plain(column: pa.ChunkedArray) -> Any:
    return column.cast(column.type.value_type) if hasattr(column.type, "value_type") else column


def _installed(library: Library) -> Any:
    """Import a library of tables.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        if library == "pandas":
            import pandas

            return pandas
        if library == "polars":
            import polars

            return polars
        import pyarrow
    except ImportError as error:
        raise ConfigError(
            f"The result is a table of {library}, as the training data were, and {library} is not installed. Install "
            f"it, or ask for an array: sample(n, output='array')."
        ) from error
    return pyarrow


def without_frame(data: DataSpec) -> DataSpec:
    """Return a description of data that came from an array or a file."""
    return data if data.frame is None else dataclasses.replace(data, frame=None)
