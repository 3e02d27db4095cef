"""Read images that a table describes, as events of several parts: a folder with metadata, or Parquet files.

In a folder, `metadata.csv` or `metadata.jsonl` has a line for each event, and its column `file_name` names the image.
Further columns hold captions, labels and numbers. This is the convention of Hugging Face's ImageFolder. In a Parquet
file, images are in columns of structs with `bytes` and `path`.

A part is a column, or `NAME=COLUMN+COLUMN`, a row of several.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from genzoo.config.data import DataSettings
from genzoo.data.dataset import Dataset, category
from genzoo.data.parts import match_parts, parts_dataset
from genzoo.data.readers.images.decoding import check_crop, decode, remarks_of
from genzoo.data.readers.images.files import ImageFile, ImagePage
from genzoo.data.readers.images.stack import Stack
from genzoo.data.value_range import found_spec
from genzoo.errors import ConfigError, DataError, did_you_mean
from genzoo.spec.events import DataSpec
from genzoo.typing import Array
from genzoo.wording import argument

_MOST_SHOWN = 20
"""Largest number of faults that a message lists."""

_SETTINGS = (
    *("source", "parts", "kinds", "drop", "range", "binarize", "label", "condition"),
    *("size", "crop", "color", "skip_bad", "cache"),
    *("header", "separator", "decimal", "thousands"),
)
"""Settings of such data."""


class Described(Protocol):
    """Images in rows of a table.

    Attributes:
        shown: what messages call it.
        columns: names of the columns that hold no images.
        images: the columns that hold images, by the name of their part.
        rows: number of rows.
    """

    shown: str
    columns: list[str]
    images: dict[str, str]
    rows: int

    def files(self, column: str, faults: Faults) -> Iterator[ImageFile | None]:
        """Yield the image of each row; `None` for a row that has none, or a fault."""

    def unnamed(self) -> list[str]:
        """Return the images that no row names, sorted."""

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Read columns that hold no images."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What cannot be used of images and their rows.

    Arguments:
        texts: a clause for each fault, in order.
        rows: numbers of the rows to leave out.
    """

    texts: list[str]
    rows: set[int]

    def add(self, text: str, rows: Iterable[int] = ()) -> None:
        """Add a fault, and the rows that it spoils."""
        self.texts.append(text)
        self.rows.update(rows)

    def check(self, shown: str, settings: DataSettings) -> None:
        """Check that there are none, or that they may be left out.

        Raises:
            DataError: there are some; the message lists them.
        """
        if self.texts and not settings.skip_bad:
            more = len(self.texts) - _MOST_SHOWN
            listed = "; ".join([*self.texts[:_MOST_SHOWN], *[f"and {more} more"] * (more > 0)])
            skip = argument("skip_bad", True)
            raise DataError(f"{shown} holds what cannot be used: {listed}. Mend it, or leave it out with {skip}.")


def given_settings(settings: DataSettings, names: Sequence[str]) -> dict[str, Any]:
    return settings.model_dump(include=set(names), exclude_unset=True)


def described_dataset(name: str, described: Described, settings: DataSettings, spec: DataSpec | None = None) -> Dataset:
    """Return images and columns of their rows as events of several parts.

    Arguments:
        name: name of the dataset.
        described: the images and their table.
        settings: `parts` names the parts.
        spec: describes the events that a model was trained on. No event has the parts that the settings do not name.
            Defaults to `None`.

    Raises:
        ConfigError: a setting is for other data, or there is no such column.
        DataError: a line and its image do not belong together, an image cannot be read, or as `parts_dataset`.
    """
    _check_settings(settings)
    check_crop(settings)
    chosen = _chosen(described, settings)
    faults = Faults([], set())
    read = {
        part: _decoded(described, column, settings, faults)
        for part, columns in chosen.items()
        for column in columns
        if column in described.images.values()
    }
    for file in described.unnamed():
        faults.add(f"{file!r} has no line")
    faults.check(described.shown, settings)
    kept = np.array([row for row in range(described.rows) if row not in faults.rows], np.int64)
    if not len(kept):
        raise DataError(f"{described.shown} holds no events that can be used.")
    arrays: dict[str, Any] = {part: images.dataset(part, kept, settings) for part, images in read.items()}
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
    known = [*described.images, *described.columns]
    found: dict[str, tuple[str, ...]] = {}
    for text in settings.parts:
        part, mark, rest = text.partition("=")
        columns = tuple(rest.split("+")) if mark else (part,)
        shown = argument("parts", list(settings.parts))
        if part in found:
            raise ConfigError(f"{shown} names the part {part!r} twice.")
        for column in columns:
            if column not in known and column not in described.images.values():
                raise ConfigError(f"{shown}: {described.shown} has no column {column!r}. {did_you_mean(column, known)}")
        own = tuple(described.images.get(column, column) for column in columns)
        if len(own) > 1 and set(own) & set(described.images.values()):
            raise ConfigError(f"{shown}: images are a part of their own, and {part!r} has other columns, too.")
        if part not in settings.drop:
            found[part] = own
    return found


@dataclass(frozen=True, slots=True)
class _Images:
    """The images of a column: those that can be read, and which one each row has.

    Arguments:
        pages: the images.
        which: number of the image of each row; -1 for none.
    """

    pages: list[ImagePage]
    which: Array

    def dataset(self, part: str, rows: Array, settings: DataSettings) -> Dataset:
        """Return the images of some rows as a part; NaN for rows that have none."""
        which = self.which[rows]
        if not (which >= 0).any():
            raise DataError(f"Part {part!r} is missing in every event. Leave it out with {argument('drop', [part])}.")
        stack = Stack.of(part, self.pages, settings)
        images = stack.filled()
        events = images[which]
        if (which < 0).any():
            events = events.astype(np.float64)
            events[which < 0] = np.nan
        remarks = Counter(remark for page in self.pages for remark in page.remarks)
        spec = found_spec(images, stack.values)
        return Dataset(part, spec, events, range_from="data", notes=tuple(remarks_of(remarks)))


def _decoded(described: Described, column: str, settings: DataSettings, faults: Faults) -> _Images:
    """Decode the images of a column, each file once."""
    places: dict[Path, int] = {}
    rows: list[int] = []

    def files() -> Iterator[ImageFile]:
        for file in described.files(column, faults):
            new = file is not None and file.path not in places
            rows.append(-1 if file is None else places.setdefault(file.path, len(places)))
            if new and file is not None:
                yield file

    pages, bad = decode(Path(described.shown), files(), None, settings)
    owners = np.array(rows)
    first: dict[Path, ImagePage] = {}
    for page in pages:
        if page.of_several and page.number == 0:
            faults.add(f"{_name(page.file)} holds several images", np.flatnonzero(owners == places[page.file]).tolist())
        elif not page.of_several:
            first[page.file] = page
    for error in bad:
        rows_of = np.flatnonzero(owners == places[error.file]).tolist()
        faults.add(f"{_name(error.file)} cannot be read as an image ({error.reason})", rows_of)
    numbers = {places[file]: number for number, file in enumerate(first)}
    return _Images(list(first.values()), np.array([numbers.get(place, -1) for place in rows]))


def _name(file: Path) -> str:
    return repr(file.name)


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
