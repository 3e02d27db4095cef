"""Tables in memory: pandas, polars, pyarrow, and everything else that exports Arrow columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genzoo.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

    from genzoo.data.dataset import Dataset
    from genzoo.spec import DataSpec
    from genzoo.typing import Array


def is_frame(x: object) -> bool:
    """Return whether `x` is a table in memory with named columns, and not an array."""
    # pandas before 2.2 does not export Arrow columns itself, but pyarrow converts its frames. A single column, such as
    # a pandas Series, exports them as well; only it has a `dtype`.
    exports = hasattr(x, "__arrow_c_stream__") or hasattr(x, "__dataframe__")
    return exports and not hasattr(type(x), "dtype")


def frame_events(frame: Any, data: DataSpec) -> Array:
    """Return the rows of a table as events of a trained model, `(N, C)`.

    Columns are found by name, in any order; columns that the model does not use are ignored. Categories get the codes
    of training.

    Arguments:
        frame: table that `is_frame` accepts.
        data: describes the training data.

    Raises:
        DataError: a column is missing, or holds a value that the model cannot take.
    """
    return _matched(frame, data).events


def fill_frame(frame: Any, data: DataSpec, events: Array) -> Any:
    """Return a table like `frame` with the missing values of the model's columns filled in.

    Other columns, their order, all types and a pandas index stay.

    Arguments:
        frame: table with missing values.
        data: describes the training data.
        events: rows of the table with the missing values filled in, `(N, C)`.
    """
    # Imported here, because arrays need no pyarrow.
    from genzoo.config.settings import DataSettings
    from genzoo.data.align import filled_table
    from genzoo.data.table_source import ArrowTableSource

    source = ArrowTableSource.of(frame)
    return _like(frame, filled_table(source, DataSettings(source="table"), data, events, as_written=False))


def _matched(frame: Any, data: DataSpec) -> Dataset:
    from genzoo.config.settings import DataSettings
    from genzoo.data.align import match_table
    from genzoo.data.table_source import ArrowTableSource

    if data.modality != "table":
        raise DataError(f"The model was trained on {data.describe()}, and these data are a table.")
    return match_table("table", ArrowTableSource.of(frame), DataSettings(source="table"), data)


def _like(frame: Any, table: pa.Table) -> Any:
    """Return a pyarrow table as the kind of table that `frame` is."""
    library = type(frame).__module__.partition(".")[0]
    if library == "pandas":
        return _pandas_like(frame, table)
    if library == "polars":
        import polars

        filled = polars.from_arrow(table)
        assert isinstance(filled, polars.DataFrame)
        return filled
    return table


def _pandas_like(frame: Any, table: pa.Table) -> Any:
    """Fill the holes of a pandas frame, column by column, so that its index and types stay."""
    filled = frame.copy()
    for name in table.column_names:
        holes = frame[name].isna()
        if holes.any():
            values = table.column(name).to_pandas()
            values.index = frame.index
            column = frame[name]
            if hasattr(column, "cat"):  # a category of training may be new to this column
                new = [value for value in values[holes].unique() if value not in column.cat.categories]
                column, values = column.cat.add_categories(new), values.astype(object)
            filled[name] = column.where(~holes, values)
    return filled
