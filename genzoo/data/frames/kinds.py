"""Tell tables in memory from arrays and from single columns, without importing their libraries."""

from __future__ import annotations

from typing import Any, get_args

from genzoo.errors import DataError
from genzoo.spec.events import Library

_LIBRARIES: dict[str, Library] = {name: name for name in get_args(Library)}


def is_frame(x: object) -> bool:
    """Return whether `x` is a table in memory with named columns, and not an array.

    Raises:
        DataError: it is a single column, or a query of polars that has no rows yet.
    """
    kind = type(x)
    library = kind.__module__.partition(".")[0]
    if library == "polars" and kind.__name__ == "LazyFrame":
        raise DataError("A LazyFrame of polars has no rows yet. Hand over its rows: frame.collect().")
    if library in _LIBRARIES and _is_column(x):
        raise DataError(_one_column(library, kind.__name__))
    # pandas before 2.2 does not export Arrow columns itself, but pyarrow converts its frames.
    exports = hasattr(x, "__arrow_c_stream__") or hasattr(x, "__dataframe__") or kind.__name__ == "RecordBatch"
    return exports and not hasattr(kind, "dtype")


def _is_column(x: object) -> bool:
    name = type(x).__name__
    return name in ("Series", "ChunkedArray") or (hasattr(x, "__arrow_c_array__") and name != "RecordBatch")


def _one_column(library: str, name: str) -> str:
    arrow = library == "pyarrow"
    cure, texts = ("pyarrow.table({'a': column})", "to_pylist") if arrow else ("column.to_frame()", "to_list")
    return (
        f"A {name} of {library} is one column, and a table is needed. Make a table of it: {cure}; or choose columns "
        f"by a list of names. Texts are a list: column.{texts}()."
    )


def library_of(frame: Any) -> Library:
    """Return the library whose tables answer questions about a table; `pyarrow` for other exporters of columns."""
    return _LIBRARIES.get(type(frame).__module__.partition(".")[0], "pyarrow")
