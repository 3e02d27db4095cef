"""Write events to files: grids and folders of images, sounds, arrays, tables."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from genzoo.data.conditions import LABEL, joint_events, joint_spec
from genzoo.data.parts import arrays_of
from genzoo.data.sounds.files import wav
from genzoo.data.texts.symbols import as_bytes, as_lines
from genzoo.errors import ConfigError
from genzoo.inference.image_grid import picture_of, png, to_bytes
from genzoo.inference.latent import Traversal
from genzoo.runtime.progress import Phase
from genzoo.spec.events import DataSpec
from genzoo.storage.atomic import atomic_write, new_folder, sync, write_bytes
from genzoo.typing import Array

_GRID_LIMIT = 1024
"""Largest number of images in one grid; more belong in a folder or an array."""


_PAUSE = 0.2
"""Seconds between sounds in one file."""


_PLAIN = re.compile(r"[\w .+=-]{1,100}")
"""Parts of a level that can be the name of a folder."""


def save_events(
    path: Path,
    events: Array,
    data: DataSpec,
    *,
    columns: int | None = None,
    conditions: Array | None = None,
    escape_formulas: bool = False,
) -> None:
    """Write events in the format that the suffix of `path` names. No suffix means a folder with one PNG per image, or
    one WAV per sound; a single WAV holds sounds one after the other.

    Arguments:
        columns: columns of a grid of images. By default, the grid is about square.
        conditions: what the events are conditional on, `(N, K)`. They are columns of a table after its own, an array
            `label` of levels or numbers in .npz, or one for each of several, and folders of images with one condition
            of categories.
        escape_formulas: as for `write_table`.

    Raises:
        ConfigError: the suffix is unknown, or does not suit the events.
        GenzooError: the disk is full or read-only.
    """
    check_suffix(path, len(events), data)
    if conditions is not None and data.form.columns:
        events, data, conditions = joint_events(events, conditions), joint_spec(data), None
    with Phase(f"writing {path.name}"):
        _write(path, events, data, columns, conditions, escape_formulas)


def samples_table(events: Array, conditions: Array | None, data: DataSpec) -> Any:
    """Return events of a table as a `pyarrow.Table`, with the columns of conditions after their own.

    Arguments:
        conditions: what the events are conditional on, `(N, K)`, or `None`.
    """
    from genzoo.data.table import table_of

    if conditions is None:
        return table_of(events, data)
    return table_of(joint_events(events, conditions), joint_spec(data))


def _write(
    path: Path,
    events: Array,
    data: DataSpec,
    columns: int | None,
    conditions: Array | None,
    escape_formulas: bool,
) -> None:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        atomic_write(path, lambda temporary: np.save(temporary, events))
    elif suffix == ".npz":
        arrays: dict[str, Any] = {name or "x": part for name, part in arrays_of(events, data).items()}
        if conditions is not None:
            several = len(data.condition) > 1
            for place, feature in enumerate(data.condition):
                arrays[feature.name if several else LABEL] = shown_conditions(conditions, data, place)
        atomic_write(path, lambda temporary: np.savez_compressed(temporary, **arrays))
    elif suffix == ".png":
        write_bytes(path, png(picture_of(events, data, columns=columns)))
    elif suffix == ".wav":
        write_bytes(path, _sounds_in_a_row(events, data))
    elif suffix == ".txt":
        # A single text needs no line of its own, so it stays exactly as it is.
        write_bytes(path, as_bytes(events, data)[0] + b"\n" if len(events) == 1 else as_lines(events, data))
    elif not suffix:
        _save_folder(path, events, data, conditions)
    else:
        # Images need no pyarrow.
        from genzoo.data.table import table_of
        from genzoo.storage.tables import write_table

        write_table(path, table_of(events, data), escape_formulas=escape_formulas)


def check_suffix(path: Path, n: int, data: DataSpec) -> None:
    """Check that `save_events` can write to a path, before anything is computed.

    Raises:
        ConfigError: the suffix is unknown, does not suit the events, or the folder exists.
    """
    suffix = path.suffix.lower()
    allowed = data.form.suffixes
    if suffix not in allowed:
        names = ", ".join(name or "a folder (no suffix)" for name in allowed)
        raise ConfigError(f"Events of modality {data.modality!r} cannot be written as {path.name!r}. Known: {names}.")
    if suffix == ".png" and n > _GRID_LIMIT:
        raise ConfigError(f"{n} images are too many for one grid of at most {_GRID_LIMIT}. Write .npz or a folder.")
    if not suffix and os.path.lexists(path):
        raise _taken(path)
    if not path.parent.is_dir():
        raise ConfigError(f"{path} lies in a folder that does not exist: {path.parent}.")


def save_traversal(path: Path, found: Traversal, data: DataSpec, *, escape_formulas: bool = False) -> None:
    """Write a traversal in the format that the suffix of `path` names.

    An image is a grid with a row for each dimension. A table has the columns `dimension` and `value` before its own.
    `.npy` holds events `(R, S, *event)`, and `.npz` the dimensions and values as well.

    Arguments:
        escape_formulas: as for `write_table`.

    Raises:
        ConfigError: the suffix is unknown, or does not suit the events.
        GenzooError: the disk is full or read-only.
    """
    rows, steps = found.values.shape
    check_traversal_suffix(path, rows * steps, data)
    suffix = path.suffix.lower()
    flat = found.events.reshape(rows * steps, *data.event_shape)
    if suffix == ".npy":
        atomic_write(path, lambda temporary: np.save(temporary, found.events))
    elif suffix == ".npz":
        x, dimension, value = found.events, found.dimensions, found.values
        atomic_write(path, lambda temporary: np.savez_compressed(temporary, x=x, dimension=dimension, value=value))
    elif suffix == ".png":
        write_bytes(path, png(picture_of(flat, data, columns=steps)))
    else:
        # Images need no pyarrow.
        from genzoo.data.table import table_of
        from genzoo.storage.tables import write_table

        table = table_of(flat, data)
        write_table(
            path,
            table.add_column(0, _free("value", table.column_names), [found.values.ravel()]).add_column(
                0, _free("dimension", table.column_names), [found.dimensions.repeat(steps)]
            ),
            escape_formulas=escape_formulas,
        )


def _free(name: str, taken: Sequence[str]) -> str:
    """Return the name, with a prefix if a column already has it."""
    while name in taken:
        name = f"latent_{name}"
    return name


def check_traversal_suffix(path: Path, n: int, data: DataSpec) -> None:
    """Check that `save_traversal` can write `n` events to a path, before anything is computed.

    Raises:
        ConfigError: the suffix is unknown or does not suit the events.
    """
    if not path.suffix:
        names = ", ".join(name for name in data.form.suffixes if name)
        raise ConfigError(f"A traversal is one file, and {path.name!r} has no suffix. Known: {names}.")
    check_suffix(path, n, data)


def shown_conditions(conditions: Array, data: DataSpec, place: int = 0) -> Array:
    """Return conditions of images or texts as their levels or numbers, `(N,)`; the first ones by default."""
    levels, values = data.condition[place].levels, conditions[:, place]
    return values if levels is None else np.array([levels[int(code)] for code in values])


def _class_folders(conditions: Array, data: DataSpec) -> list[str]:
    """Return the name of a folder for each category that the images have, in the order of their codes."""
    levels = data.condition[0].levels or ()
    names = []
    for code in np.unique(conditions[:, 0]).astype(int):
        parts = levels[code].split("/")
        plain = all(_PLAIN.fullmatch(part) and part.strip(".") for part in parts)
        names.append(levels[code] if plain else f"class-{code}")
    return names


def _save_folder(path: Path, events: Array, data: DataSpec, conditions: Array | None) -> None:
    names: list[str] = []
    owner = np.zeros(len(events), np.int64)
    if conditions is not None and data.condition[0].levels is not None:
        names, owner = _class_folders(conditions, data), np.unique(conditions[:, 0], return_inverse=True)[1]

    def fill(fresh: Path) -> None:
        for name in names:
            (fresh / name).mkdir(parents=True)
        suffix = ".wav" if data.form.timed else ".png"
        for i, content in enumerate(_each_sound(events, data) if data.form.timed else _each_image(events, data)):
            file = fresh / (names[int(owner[i])] if names else "") / f"{i:06d}{suffix}"
            file.write_bytes(content)
            sync(file)

    if not new_folder(path, fill):
        raise _taken(path)


def _each_image(events: Array, data: DataSpec) -> Iterator[bytes]:
    for image in to_bytes(events, data):
        yield png(Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image))


def _each_sound(events: Array, data: DataSpec) -> Iterator[bytes]:
    assert data.rate is not None
    for event in events:
        yield wav(event, data.rate)


def _sounds_in_a_row(events: Array, data: DataSpec) -> bytes:
    """Return sounds one after the other as one file, with a short silence between them."""
    assert data.rate is not None
    pause = np.zeros((len(events), round(_PAUSE * data.rate)), events.dtype)
    return wav(np.concatenate([events, pause], 1).ravel()[: -pause.shape[1] or None], data.rate)


def _taken(path: Path) -> ConfigError:
    return ConfigError(f"{path} exists already; name a new folder for the samples.")
