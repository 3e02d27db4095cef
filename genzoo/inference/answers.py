"""Answer questions in the form in which they came: tables for tables, arrays for arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar, get_args

from genzoo.data.align import match_dataset
from genzoo.data.dataset import Conditioned, Dataset
from genzoo.data.frames.kinds import is_frame
from genzoo.data.frames.results import events_frame, matrix_like, rows_like, table_like
from genzoo.data.parts import arrays_of
from genzoo.data.texts.lines import listed
from genzoo.data.texts.symbols import decoded, is_texts, of_bytes
from genzoo.errors import ConfigError
from genzoo.inference.data_units import DataUnits, Events
from genzoo.models.base import Decoder, Outliers
from genzoo.spec.events import DataSpec
from genzoo.typing import Array

Output = Literal["array", "dict", "list", "pandas", "polars", "pyarrow"]
"""Form of sampled events: a `dict` holds the arrays of parts by name, and a `list` texts."""

Present = Callable[[Any, Array], Any]
"""Takes a table and results for its rows; returns the results as the table's library has them."""


def answer_events(units: DataUnits, x: Events, compute: Callable[[Events], Array], present: Present) -> Any:
    """Return what `compute` makes of events, as `answer` does; events of parts come back as arrays of them."""
    found = answer(units, x, compute, present)
    given = x.events if isinstance(x, Conditioned) else x
    return arrays_of(found, units.data) if isinstance(given, Mapping) else found


def answer(units: DataUnits, x: Events, compute: Callable[[Events], Array], present: Present) -> Any:
    """Return what `compute` finds for events, as an array for an array and like the table for a table."""
    if not is_frame(x):
        return compute(x)
    from genzoo.data.frames.source import in_one_piece

    frame = in_one_piece(x)
    return present(frame, compute(in_array(units, frame)))


def in_array(units: DataUnits, x: Events) -> Events:
    """Return events as they are, and rows of a table as an array of codes and numbers."""
    if not is_frame(x):
        return x
    from genzoo.data.frames.source import frame_events, in_one_piece

    return frame_events(in_one_piece(x), units.data)


class RowResult(Protocol):
    """An answer with several columns."""

    def columns(self) -> dict[str, Array]: ...


ResultT = TypeVar("ResultT", bound=RowResult)


def answer_rows(
    units: DataUnits,
    x: Events,
    keep: Sequence[object],
    taken: Collection[str],
    compute: Callable[[Dataset], ResultT],
    *,
    keep_unknown: bool = False,
) -> ResultT | Any:
    """Return what `compute` finds for events: its result for an array, and for a table a table of its columns.

    Arguments:
        keep: columns of the table to copy.
        taken: names of the result's own columns.
        keep_unknown: as for `match_table` and `match_dataset`. Defaults to false.

    Raises:
        ConfigError: a column to keep is unknown, or `x` is no table.
        DataError: the events do not fit the model.
    """
    if isinstance(keep, str):
        raise ConfigError(f"keep is a list of names of columns, such as [{keep!r}].")
    if not is_frame(x):
        if keep:
            raise ConfigError("keep names columns of a table, and these data are an array. Hand over a table.")
        return compute(_as_dataset(units, x, keep_unknown=keep_unknown))
    from genzoo.data.frames.source import frame_events, frame_rows, in_one_piece, kept_of_frame, with_columns

    frame = in_one_piece(x)
    kept = kept_of_frame(frame, keep, taken)
    if len(frame):
        dataset = frame_rows(frame, units.data, keep_unknown=keep_unknown)
    else:
        dataset = _as_dataset(units, frame_events(frame, units.data))
    return with_columns(frame, kept, compute(dataset).columns())


def _as_dataset(units: DataUnits, x: Events, *, keep_unknown: bool = False) -> Dataset:
    if keep_unknown and is_texts(x) and of_bytes(units.data) and not units.data.condition:
        return match_dataset(listed(x), units.data, keep_unknown=True)
    checked = units.check(x)
    spec = dataclasses.replace(units.data, missing=checked.missing)
    return Dataset("the array", spec, checked.events, conditions=checked.conditions)


def answer_latent(units: DataUnits, z: Any, compute: Callable[[Array], Array], present: Present) -> Any:
    """Return what `compute` finds for latent vectors in the columns z0, z1 ... of a table, which may have no rows.

    Raises:
        ConfigError: the model has no decoder.
        DataError: a column is missing.
    """
    from genzoo.data.frames.source import frame_latent, in_one_piece

    frame = in_one_piece(z)
    return present(frame, compute(frame_latent(frame, units.require(Decoder).latent)))


def as_series(name: str) -> Present:
    """Return a `Present` for one value per row."""
    return lambda frame, values: rows_like(frame, name, values)


def as_latent(frame: Any, values: Array) -> Any:
    """Return latent vectors `(N, L)` as a table with columns z0, z1 ..."""
    return matrix_like(frame, [f"z{dimension}" for dimension in range(values.shape[1])], values)


def as_components(units: DataUnits) -> Present:
    """Return a `Present` for values `(N, K)` of components: columns 0, 1 ... as text, and `outliers`."""
    outlier = units.generator.outlier if isinstance(units.generator, Outliers) else None

    def present(frame: Any, values: Array) -> Any:
        names = ["outliers" if component == outlier else str(component) for component in range(values.shape[1])]
        return matrix_like(frame, names, values)

    return present


def as_events(data: DataSpec) -> Present:
    """Return a `Present` for events of a model `(N, C)`."""
    return lambda frame, events: table_like(frame, data, events)


def as_filled(data: DataSpec) -> Present:
    """Return a `Present` for rows of a table with their missing values filled in, `(N, C)`."""

    def present(frame: Any, events: Array) -> Any:
        from genzoo.data.frames.source import fill_frame

        return fill_frame(frame, data, events)

    return present


def choose_output(output: Output | None, data: DataSpec) -> Output:
    """Return the form of sampled events: as asked, or else as the training data were.

    Raises:
        ConfigError: there is no such form, or images were asked for as a table.
    """
    if output is None:
        usual: Output = "dict" if data.has_parts else "list" if data.form.ended else "array"
        return usual if data.frame is None else data.frame.library
    if output not in get_args(Output):
        raise ConfigError(f"output is {output!r}; it can be 'array', 'pandas', 'polars' or 'pyarrow'.")
    if (output == "dict" and data.has_parts) or (output == "list" and data.form.ended):
        return output
    if output in ("dict", "list"):
        what = "events of several parts" if output == "dict" else "texts"
        raise ConfigError(f"output is {output!r}, and {data.form.events} are no {what}. Leave it out.")
    if output != "array" and not data.form.columns:
        raise ConfigError(f"output is {output!r}, and {data.form.events} are no table. Leave it out.")
    return output


def present_events(events: Array, data: DataSpec, output: Output) -> Any:
    """Return events of a model in a form that `choose_output` returned."""
    if output == "array":
        return events
    if output == "dict":
        return arrays_of(events, data)
    if output == "list":
        return decoded(events, data)
    return events_frame(events, data, output)
