"""Events of several parts in memory: rows of all values from arrays by the name of their part, and back.

A part with several dimensions is an array of images or a table `(N, C)`, as arrays are alone. One of a single column is
`(N,)`: numbers, or the levels of a category. A part that an event does not have is NaN in a row of all values.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import Any, Literal, TypeGuard

import numpy as np
from torch import Tensor

from genzoo.config.data import DataSettings, SplitSettings
from genzoo.data.align import match_dataset
from genzoo.data.dataset import Dataset, present, usable
from genzoo.data.frames.kinds import is_frame
from genzoo.data.images import binarize, channels_first
from genzoo.data.readers.numpy_files import array_dataset
from genzoo.data.value_range import overrule_range
from genzoo.errors import ConfigError, DataError, did_you_mean
from genzoo.spec.composite import CompositeSpec
from genzoo.spec.events import DataSpec, Feature, Piece
from genzoo.typing import Array
from genzoo.wording import argument, shown_value

_OF_PARTS = frozenset({"source", "parts", "kinds", "drop", "range", "binarize"})
"""Settings that data of several parts can have."""


def are_parts(data: object) -> TypeGuard[Mapping[str, Any]]:
    """Return whether a mapping holds arrays by the name of their part, rather than settings of data."""
    if not isinstance(data, Mapping) or not data or "source" in data:
        return False
    known = DataSettings.model_fields
    return any(
        hasattr(value, "shape") or isinstance(value, Dataset) or (isinstance(value, list | tuple) and name not in known)
        for name, value in data.items()
    )


def parts_dataset(name: str, arrays: Mapping[str, Any], settings: DataSettings) -> Dataset:
    """Return arrays, tables in memory or datasets, by the name of their part, as a dataset.

    Arguments:
        name: name of the dataset.
        arrays: the parts of all events; each has as many events.
        settings: kinds of columns and what to leave out, named `part` or `part.column`, and the range and the
            binarization of images.

    Raises:
        ConfigError: a setting is for no part, or for other data.
        DataError: a part cannot be used, or they have different lengths.
    """
    changed = {key: argument(key) for key in settings.model_fields_set - _OF_PARTS if settings.given(key) is not None}
    if changed:
        raise ConfigError(f"{min(changed.values())} is not for events of several parts. Leave it out.")
    wanted = {part: _as_array(part, array) for part, array in arrays.items() if part not in settings.drop}
    if not wanted:
        raise DataError(f"{name} holds no part of an event.")
    count = _events_of(wanted)
    if not count:
        raise DataError(f"{name} holds no events.")
    read = {part: _read(part, array) for part, array in sorted(wanted.items())}
    found = _with_columns(_with_range(read, settings), settings, arrays)
    try:
        spec = CompositeSpec.of({part: dataset.spec for part, dataset in found.items()})
    except ValueError as error:
        raise DataError(f"{name} cannot be learned from: {error}") from error
    rows = _joined(spec, {part: dataset.events for part, dataset in found.items()}, count)
    origin: Literal["setting", "data"] = "setting" if settings.range is not None else "data"
    notes = tuple(f"part {part!r}: {note}" for part, dataset in found.items() for note in dataset.notes)
    return usable(Dataset(name, spec, rows, range_from=origin, notes=notes), name)


def _events_of(arrays: Mapping[str, Any]) -> int:
    """Return the number of events that all parts have.

    Raises:
        DataError: a part cannot be one, or they have different numbers.
    """
    for part, array in arrays.items():
        if not isinstance(part, str):
            raise DataError(f"{part!r} is no name of a part: it must be a text.")
        if not isinstance(array, Dataset) and not is_frame(array) and array.ndim == 0:
            raise DataError(f"Part {part!r} must hold a value for each event, and is {shown_value(array.item())}.")
    counts = {part: len(array) for part, array in arrays.items()}
    if len(set(counts.values())) > 1:
        seen = ", ".join(f"{part!r} {count}" for part, count in counts.items())
        raise DataError(f"All parts must hold as many events, and these hold: {seen}.")
    return next(iter(counts.values()))


def _as_array(part: object, value: Any) -> Any:
    """Return the array of a part; tables in memory and datasets as they are."""
    if isinstance(value, Dataset) or is_frame(value):
        return value
    try:
        return _plain(value)
    except ValueError as error:
        raise DataError(f"Part {part!r} is no array: {error}") from error


def _is_absent(part: str, value: Any) -> bool:
    """Return whether no event has a part."""
    array = _as_array(part, value)
    if not isinstance(array, np.ndarray) or (array.ndim and not array.size):
        return False
    if array.dtype.kind == "f":
        return bool(np.isnan(array).all())
    return array.dtype.kind == "O" and all(one is None for one in array.flat)


def parts_in_file(
    path: Path, arrays: Mapping[str, Array], settings: DataSettings, spec: DataSpec | None = None
) -> Dataset:
    """Return the arrays of a file that the settings name as parts of each event, as a dataset.

    Arguments:
        spec: describes the events that a model was trained on. No event has the parts that the settings do not name.
            Defaults to `None`.

    Raises:
        ConfigError: the file has no such array, or as `parts_dataset`.
        DataError: as `parts_dataset`.
    """
    for part in settings.parts:
        if part not in arrays:
            raise ConfigError(
                f"{argument('parts', list(settings.parts))}: {path} has no array {part!r}. {did_you_mean(part, arrays)}"
            )
    named = {part: arrays[part] for part in settings.parts if part not in settings.drop}
    if spec is None or not spec.has_parts:
        return parts_dataset(path.stem, {part: arrays[part] for part in settings.parts}, settings)
    return match_parts(path.stem, dict.fromkeys(piece.name for piece in spec.pieces) | named, settings, spec)


def match_parts(name: str, arrays: Mapping[str, Any], settings: DataSettings, spec: DataSpec) -> Dataset:
    """Return arrays by the name of their part as events of a trained model.

    Arguments:
        arrays: as for `parts_dataset`. `None` is for a part that no event has, as is an array in which all is missing.

    Raises:
        ConfigError: as `parts_dataset`.
        DataError: as `parts_dataset` and `match_events`.
    """
    known = {part: array for part, array in arrays.items() if not _is_absent(part, array)}
    return match_events(parts_dataset(name, known, settings), spec, absent=arrays.keys() - known.keys())


def with_parts(settings: DataSettings, spec: DataSpec) -> DataSettings:
    """Return the settings of data for a trained model; its parts are the arrays or columns that it needs."""
    names = tuple(piece.name for piece in spec.pieces if piece.name)
    if settings.parts or not names:
        return settings
    if not settings.source.lower().endswith(".npz"):
        names = tuple(_columns_of(piece) for piece in spec.pieces)
    return settings.model_copy(update={"parts": names})


def _columns_of(piece: Piece) -> str:
    """Return a part as `--parts` names it, with its columns if they have other names."""
    columns = [feature.name for feature in piece.spec.features]
    return piece.name if not piece.spec.form.columns or len(columns) == 1 else f"{piece.name}={'+'.join(columns)}"


def _read(part: str, value: Any) -> Dataset:
    """Read one part. A part that some events do not have may have fewer events than there are; NaN fills it up later.

    Raises:
        DataError: it cannot be used.
    """
    if isinstance(value, Dataset):
        found = value
    elif is_frame(value) or np.ndim(value) == 1:
        from genzoo.data.frames.source import frame_dataset  # imported here, because images need no pyarrow

        if not is_frame(value) and _is_absent(part, value):
            raise _missing_everywhere(part)
        found = frame_dataset(value if is_frame(value) else _column(part, value))
    else:
        found = _read_array(part, value)
    spec = dataclasses.replace(found.spec, frame=None) if found.spec.frame is not None else found.spec
    return dataclasses.replace(found, spec=spec)


def _plain(value: Any) -> Array:
    return np.asarray(value.detach().cpu().numpy() if isinstance(value, Tensor) else value)


def _column(part: str, values: Any) -> Any:
    import pyarrow as pa  # slow to import

    plain = _plain(values)
    try:
        return pa.table({part: pa.array(plain, from_pandas=True)})
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(f"Part {part!r} mixes values of several types, or holds a type that no model takes.") from error


def _missing_everywhere(part: str) -> DataError:
    return DataError(f"Part {part!r} is missing in every event. Leave it out with {argument('drop', [part])}.")


def _read_array(part: str, array: Array) -> Dataset:
    shown = f"Part {part!r}"
    if array.ndim == 2 and array.dtype.kind in "USO":
        raise DataError(f"{shown} has shape {array.shape} and holds texts. Make each column of texts a part, (N,).")
    if array.ndim < 3 or array.dtype.kind != "f":
        return array_dataset(part, array, shown=shown)
    gone = np.isnan(array.reshape(len(array), -1)).all(axis=1)
    if not gone.any():
        return array_dataset(part, array, shown=shown)
    if gone.all():
        raise _missing_everywhere(part)
    known = array_dataset(part, array[~gone], shown=shown)
    events = np.full((len(array), *known.spec.event_shape), np.nan, np.float64)
    events[~gone] = known.events
    return dataclasses.replace(known, events=events)


def _with_range(parts: dict[str, Dataset], settings: DataSettings) -> dict[str, Dataset]:
    """Apply the settings of images to the parts that are images."""
    changes: list[Callable[[Dataset], Dataset]] = []
    if settings.range is not None:
        bounds = settings.range
        changes.append(lambda dataset: overrule_range(dataset, bounds))
    if settings.binarize == "redraw":
        raise ConfigError(
            f"{argument('binarize', 'redraw')} is for data that are images alone, and these have other parts. Use "
            f"{argument('binarize', True)}."
        )
    if settings.binarize:
        changes.append(binarize)
    images = [part for part, dataset in parts.items() if dataset.spec.form.ranged]
    if changes and not images:
        raise ConfigError(f"{settings.given('range', 'binarize')} is for images, and no part holds any. Leave it out.")
    for change in changes:
        parts |= {part: _of_present(parts[part], change) for part in images}
    return parts


def _of_present(dataset: Dataset, change: Callable[[Dataset], Dataset]) -> Dataset:
    """Change the images of a part, without the events that do not have it."""
    piece = Piece("part", dataset.spec, slice(None))
    known = present(piece, dataset.events.reshape(len(dataset), -1))
    if len(known) == len(dataset):
        return change(dataset)
    changed = change(dataclasses.replace(dataset, events=known))
    events = np.full((len(dataset), *changed.spec.event_shape), np.nan, np.float64)
    events[~np.isnan(dataset.events.reshape(len(dataset), -1)).all(axis=1)] = changed.events
    return dataclasses.replace(changed, events=events)


def _with_columns(parts: dict[str, Dataset], settings: DataSettings, arrays: Mapping[str, Any]) -> dict[str, Dataset]:
    """Apply the kinds that the user states for columns of parts, and leave columns out.

    Arguments:
        arrays: all parts, with those that are left out whole.
    """
    dropped = [name for name in settings.drop if name not in arrays]
    if not settings.kinds and not dropped:
        return parts
    from genzoo.data.splits.columns import select_divided  # needs pyarrow

    places = {
        (part if len(dataset.spec.features) == 1 else f"{part}.{feature.name}"): (part, feature.name)
        for part, dataset in parts.items()
        if dataset.spec.form.columns
        for feature in dataset.spec.features
    }
    asked = {name: argument("kinds", {name: kind}) for name, kind in settings.kinds.items()}
    asked |= {name: argument("drop", [name]) for name in dropped}
    for name, option in asked.items():
        if name not in places:
            raise ConfigError(f"{option} is for {name!r}, which no part has as a column. {did_you_mean(name, places)}")
    changed = {}
    for part in {places[name][0] for name in asked}:
        own = {name: column for name, (owner, column) in places.items() if owner == part}
        stated = DataSettings(
            source=part,
            kinds={own[name]: kind for name, kind in settings.kinds.items() if name in own},
            drop=tuple(own[name] for name in dropped if name in own),
        )
        changed[part] = select_divided(parts[part], stated, SplitSettings())
    return parts | changed


def _joined(spec: DataSpec, parts: Mapping[str, Array], count: int) -> Array:
    """Return rows of all values, `(N, size)`; NaN for parts that are not there."""
    rows = np.empty((count, spec.size), spec.storage)
    for piece in spec.pieces:
        rows[:, piece.places] = parts[piece.name].reshape(count, piece.spec.size) if piece.name in parts else np.nan
    return rows


def match_events(
    dataset: Dataset, spec: DataSpec, absent: Set[str] = frozenset(), *, keep_unknown: bool = False
) -> Dataset:
    """Return a dataset as events of `spec`, as `match_dataset` does, part by part.

    Arguments:
        absent: names of parts that no event has. Defaults to none.
        keep_unknown: as for `match_dataset`; events of several parts have none. Defaults to false.

    Raises:
        DataError: the events have other parts, or as for `match_dataset`.
    """
    if not spec.has_parts:
        return match_dataset(dataset, spec, keep_unknown=keep_unknown)
    own = {piece.name: piece for piece in dataset.spec.pieces}
    if own.keys() | absent != {piece.name for piece in spec.pieces}:
        raise DataError(
            f"The model was trained on {spec.describe()}, and {dataset.name} holds {dataset.spec.describe()}."
        )
    rows = np.asarray(dataset.events[:])
    matched: dict[str, Array] = {}
    for piece in spec.pieces:
        if piece.name in absent:
            continue
        other = own[piece.name]
        part = Dataset(f"{dataset.name}, part {piece.name!r}", other.spec, other.take(rows), range_from="data")
        matched[piece.name] = np.asarray(match_dataset(part, piece.spec).events)
    same = dataclasses.replace(spec, missing=dataset.spec.missing or bool(absent))
    return dataclasses.replace(dataset, spec=same, events=_joined(same, matched, len(dataset)))


def rows_of(parts: Mapping[str, Any], data: DataSpec) -> Array:
    """Return arrays by the name of their part, as a user hands them to a trained model, as rows of all values.

    Arguments:
        parts: arrays, tables in memory, or `None` for a part that no event has.

    Raises:
        DataError: there are other parts than in training, one has another shape, or a level is unknown.
    """
    wanted = {piece.name: piece for piece in data.pieces}
    if not data.has_parts or wanted.keys() != parts.keys():
        names = ", ".join(map(repr, map(str, parts)))
        raise DataError(f"The model was trained on {data.describe()}, and these events have the parts {names}.")
    known = {name: _as_array(name, value) for name, value in parts.items() if not _is_absent(name, value)}
    if not known:
        raise DataError("These events have no part. Give an array of at least one.")
    count = _events_of(known)
    rows = np.full((count, data.size), np.nan, np.float64)
    for name, value in known.items():
        rows[:, wanted[name].places] = _values_of(value, wanted[name], count).reshape(count, wanted[name].spec.size)
    return rows


def _values_of(value: Any, piece: Piece, count: int) -> Array:
    """Return the values of a part that a user hands over."""
    spec = piece.spec
    frame = value if is_frame(value) else None
    if frame is None and np.ndim(value) == 1 and spec.event_shape == (1,):
        plain = _plain(value)
        if plain.dtype.kind in "buif" and spec.features[0].levels is None:
            return plain
        frame = _column(spec.features[0].name, plain)
    if frame is not None:
        from genzoo.data.frames.source import frame_events

        events = frame_events(frame, spec)
        assert isinstance(events, np.ndarray)
        return events
    plain = _plain(value)
    if plain.dtype.kind not in "buif":
        raise DataError(f"Part {piece.name!r} must hold numbers, and is of type {plain.dtype}.")
    plain = channels_first(plain) if len(spec.event_shape) == 3 and plain.ndim in (3, 4) else plain
    if plain.shape != (count, *spec.event_shape):
        raise DataError(
            f"Part {piece.name!r} was trained with the shape {spec.event_shape}, and this has {plain.shape[1:]}."
        )
    return plain


def arrays_of(rows: Array, data: DataSpec) -> dict[str, Array]:
    """Return rows of all values as arrays by the name of their part, in the form in which a user hands them over."""
    return {
        piece.name: _array_of(piece.take(np.asarray(rows)), piece.spec) if piece.name else rows for piece in data.pieces
    }


def _array_of(events: Array, spec: DataSpec) -> Array:
    """Return a part: levels `(N,)` of a single column of categories, numbers `(N,)` of another single column."""
    known = np.isfinite(events).all()
    feature = spec.features[0]
    if spec.form.columns and len(spec.features) == 1 and feature.levels is not None and known:
        return _levels_of(feature)[events[:, 0].astype(np.int64)]
    whole = known or np.issubdtype(spec.storage, np.floating)
    own = events.astype(spec.storage) if whole else events
    return own[:, 0] if spec.form.columns and len(spec.features) == 1 else own


def _levels_of(feature: Feature) -> Array:
    """Return the levels of a category in the type that they have in the source."""
    levels = np.array(feature.levels)
    if feature.stored == "bool":
        return np.asarray(levels == "true")
    return levels if feature.stored in ("string", "dictionary") else levels.astype(feature.stored)
