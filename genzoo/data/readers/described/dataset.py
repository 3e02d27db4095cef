"""Read images and sounds that a table describes: a folder with metadata, or Parquet files.

In a folder, `metadata.csv` or `metadata.jsonl` has a line for each event, and its column `file_name` names the image or
the sound. Further columns hold captions, labels and numbers. This is the convention of Hugging Face's ImageFolder. In a
Parquet file, images are in columns of structs with `bytes` and `path`.

A part is a column, or `NAME=COLUMN+COLUMN`, a row of several.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from genzoo.config.data import DataSettings
from genzoo.data.dataset import Dataset, category
from genzoo.data.opening.choices import with_rate
from genzoo.data.parts import match_parts, parts_dataset
from genzoo.data.readers.described.faults import Described, Faults
from genzoo.data.readers.described.images import ImageColumn
from genzoo.data.readers.described.sounds import SoundColumn
from genzoo.data.readers.images.decoding import check_crop
from genzoo.errors import ConfigError, DataError, did_you_mean
from genzoo.spec.events import DataSpec
from genzoo.typing import Array
from genzoo.wording import argument

_SETTINGS = (
    *("source", "parts", "kinds", "drop", "range", "binarize", "label", "condition"),
    *("size", "crop", "color", "skip_bad", "cache", "rate", "seconds"),
    *("header", "separator", "decimal", "thousands"),
)
"""Settings of such data."""


def given_settings(settings: DataSettings, names: Sequence[str]) -> dict[str, Any]:
    return settings.model_dump(include=set(names), exclude_unset=True)


def described_dataset(name: str, described: Described, settings: DataSettings, spec: DataSpec | None = None) -> Dataset:
    """Return images, sounds and columns of their rows as events of several parts.

    Arguments:
        name: name of the dataset.
        described: the images and sounds, and their table.
        settings: `parts` names the parts.
        spec: describes the events that a model was trained on. No event has the parts that the settings do not name.
            Defaults to `None`.

    Raises:
        ConfigError: a setting is for other data, or there is no such column.
        DataError: a line and its file do not belong together, a file cannot be read, or as `parts_dataset`.
    """
    _check_settings(settings)
    check_crop(settings)
    chosen = _chosen(described, settings)
    faults = Faults([], set())
    read = {
        part: (SoundColumn if column in described.sounds else ImageColumn).of(described, column, settings, faults)
        for part, columns in chosen.items()
        for column in columns
        if column in described.media.values()
    }
    for file in described.unnamed():
        faults.add(f"{file!r} has no line")
    faults.check(described.shown, settings)
    kept = np.array([row for row in range(described.rows) if row not in faults.rows], np.int64)
    if not len(kept):
        raise DataError(f"{described.shown} holds no events that can be used.")
    trained = {} if spec is None else {piece.name: piece.spec for piece in spec.pieces}
    arrays: dict[str, Any] = {}
    for part, column in read.items():
        own = with_rate(settings, trained[part]) if part in trained else settings
        arrays[part] = column.dataset(part, kept, own)
    for part, columns in chosen.items():
        if part not in arrays:
            table = described.read(columns).take(kept)
            arrays[part] = table.rename_columns([part]) if len(columns) == 1 else table
    own = DataSettings(source=settings.source, **given_settings(settings, ("kinds", "drop", "range", "binarize")))
    if spec is None or not spec.has_parts:
        found = parts_dataset(name, arrays, own)
    else:
        found = match_parts(name, {**dict.fromkeys(piece.name for piece in spec.pieces), **arrays}, own, spec)
    found = dataclasses.replace(found, skipped=len(faults.texts), unreadable=tuple(faults.texts))
    return found if settings.label is None else _labeled(found, described, settings.label, kept)


def _check_settings(settings: DataSettings) -> None:
    others = [name for name in settings.model_fields_set if name not in _SETTINGS and settings.given(name) is not None]
    if others:
        raise ConfigError(f"{min(argument(name) for name in others)} is not for events of several parts. Leave it out.")


def _chosen(described: Described, settings: DataSettings) -> dict[str, tuple[str, ...]]:
    """Return the columns of each part that the settings name.

    Raises:
        ConfigError: a part is named twice, or there is no such column.
    """
    known = [*described.media, *described.columns]
    found: dict[str, tuple[str, ...]] = {}
    for text in settings.parts:
        part, mark, rest = text.partition("=")
        columns = tuple(rest.split("+")) if mark else (part,)
        shown = argument("parts", list(settings.parts))
        if part in found:
            raise ConfigError(f"{shown} names the part {part!r} twice.")
        for column in columns:
            if column not in known and column not in described.media.values():
                raise ConfigError(f"{shown}: {described.shown} has no column {column!r}. {did_you_mean(column, known)}")
        own = tuple(described.media.get(column, column) for column in columns)
        if len(own) > 1 and set(own) & set(described.media.values()):
            raise ConfigError(f"{shown}: images and sounds are parts of their own, and {part!r} has other columns.")
        if part not in settings.drop:
            found[part] = own
    return found


def _labeled(dataset: Dataset, described: Described, column: str, rows: Array) -> Dataset:
    """Return a dataset with the labels of a column, for reports."""
    if column not in described.columns:
        hint = did_you_mean(column, described.columns)
        raise ConfigError(f"{argument('label', column)}: {described.shown} has no such column. {hint}")
    values = [
        "" if value is None else str(value) for value in described.read([column]).column(0).take(rows).to_pylist()
    ]
    levels, codes = np.unique(np.array(values), return_inverse=True)
    return dataclasses.replace(dataset, labels=codes, label=category("label", [str(level) for level in levels]))
