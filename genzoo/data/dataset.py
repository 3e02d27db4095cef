"""Datasets: events, facts about them, and the split into training, validation and test rows."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import EllipsisType
from typing import Any, Literal

import numpy as np

from genzoo.config.data import SplitSettings
from genzoo.data.columns.survey import Surveyed
from genzoo.data.splits.buckets import HashedRows
from genzoo.data.splits.dividers import Divider, InOrder, RandomRows, WholeGroups
from genzoo.data.splits.duplicates import same_rows
from genzoo.data.splits.groups import joined
from genzoo.data.splits.large import LARGE_ROWS, large_parts
from genzoo.data.texts.flat import Texts
from genzoo.data.texts.windows import Windows
from genzoo.errors import DataError
from genzoo.spec.events import ColumnType, DataSpec, Feature, Piece
from genzoo.spec.modality import Modality
from genzoo.typing import Array
from genzoo.wording import argument

Rows = np.ndarray[Any, np.dtype[np.int64]]


BLOCK = 4096
"""Number of rows to read at a time from data that may not fit in memory."""

_NARROW, _CHUNK = 64, 2**18
"""Largest size of a row of a narrow table, and values in rows whose densities are computed at a time."""


def rows_at_once(data: DataSpec) -> int | None:
    """Return how many rows of a narrow table have their densities computed at a time; `None` for other data.

    They are a multiple of `BLOCK`. A chunk has a fixed cost, which is large beside the work on few values.
    """
    if not data.form.columns or data.size > _NARROW:
        return None
    return max(1, min(4, _CHUNK // (BLOCK * data.size))) * BLOCK


@dataclass(frozen=True, slots=True)
class Split:
    """Row numbers for training, validation and test; disjoint, each in increasing order."""

    train: Rows
    validation: Rows
    test: Rows


@dataclass(frozen=True, slots=True)
class Conditioned:
    """Events and what each of them is conditional on.

    Arguments:
        events: `(N, *event)`, in data units.
        conditions: `(N, K)` float64, in data units, codes for categories.
    """

    events: Array
    conditions: Array

    def __len__(self) -> int:
        return len(self.events)

    def __getitem__(self, rows: Any) -> Conditioned:
        return Conditioned(self.events[rows], self.conditions[rows])


ModelEvents = Array | Conditioned
"""Events as a trained model takes them: with their conditions, if it is conditional."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Events in data units.

    Arguments:
        name: name of the dataset; images and run directories are named after it.
        spec: shape and kind of one event.
        events: `(N, *event)`; may be mapped from a file, or read from it when indexed. Missing values of a table are
            NaN. Discrete columns hold codes: indices into their levels, or counts. Texts become `Texts`.
        labels: `(N,)`, used only in reports. Defaults to `None`.
        test_rows: number of last rows that are the dataset's own test set. Defaults to 0.
        skipped: number of unreadable files that were left out. Defaults to 0.
        weights: weight of each event, `(N,)` float64. Defaults to `None`, equal weights.
        dropped: number of rows left out for missing values. Defaults to 0.
        ignored: columns of the source that were not used. Defaults to none.
        unreadable: each unreadable file that was left out, with the reason. Defaults to none.
        range_from: where the range of images comes from: the dataset declares it, it was found in the data, or the
            user set it. Defaults to `declared`.
        facts: how the source was read, in words. Defaults to none.
        notes: decisions in reading it about which the user should know, as clauses. Defaults to none.
        groups: number of each event's group, `(N,)`; a random split keeps groups together. Defaults to `None`.
        times: what `--split time` orders the events by, `(N,)`: numbers or datetime64. Defaults to `None`.
        unknown: categories that the spec does not have, as `color = red`, by row, whose code is 0; or why a text
            cannot be taken whole. Defaults to none.
        conditions: what each event is conditional on, `(N, K)` float64 in data units, codes for categories. Defaults to
            `None`: nothing.
        buckets: bucket of the hash of each row's key, `(N,)` uint16, for `--split hash`. Defaults to `None`.
        label: name and levels of the labels, if these are codes of levels. Defaults to `None`.
        gray: gray images, `(N, C, H, W)`, if the events are drawn from them, and training draws others in each epoch.
            Defaults to `None`.
        gray_range: their brightness of black and of white, `(2,)`. Defaults to `None`.
    """

    name: str
    spec: DataSpec
    events: Array
    labels: Array | None = None
    test_rows: int = 0
    skipped: int = 0
    weights: Array | None = None
    dropped: int = 0
    ignored: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    range_from: Literal["declared", "data", "setting"] = "declared"
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    groups: Array | None = None
    times: Array | None = None
    unknown: Mapping[int, str] = field(default_factory=dict)
    conditions: Array | None = None
    label: Feature | None = None
    buckets: Array | None = None
    gray: Array | None = None
    gray_range: Array | None = None

    def __post_init__(self) -> None:
        if self.spec.end is not None and not isinstance(self.events, Texts):
            texts = Texts.of(self.events, self.spec.end, self.name)
            object.__setattr__(self, "events", Windows.of_texts(texts) if self.spec.windows else texts)
        if tuple(self.events.shape[1:]) != tuple(self.spec.event_shape):
            raise DataError(f"{self.name}: events of shape {self.events.shape[1:]} are not {self.spec.describe()}.")
        for name, values in (
            ("labels", self.labels),
            ("groups", self.groups),
            ("times", self.times),
            ("buckets", self.buckets),
        ):
            if values is not None and values.shape != (len(self.events),):
                raise DataError(f"{self.name} holds {len(self.events)} events and {name} of shape {values.shape}.")
        conditions = (len(self.events), len(self.spec.condition))
        if (conditions[1] > 0) != (self.conditions is not None) or (
            self.conditions is not None and self.conditions.shape != conditions
        ):
            seen = "none" if self.conditions is None else f"some of shape {self.conditions.shape}"
            raise DataError(f"{self.name} needs conditions of shape {conditions}, and has {seen}.")
        if self.gray is not None and self.gray.shape != self.events.shape:
            raise DataError(
                f"{self.name} holds images of shape {self.events.shape}, and gray ones of {self.gray.shape}."
            )
        if self.weights is not None:
            object.__setattr__(self, "weights", _checked_weights(self.name, self.weights, len(self.events)))

    def __len__(self) -> int:
        return len(self.events)

    def split(self, settings: SplitSettings, seed: int) -> Split:
        """Divide the rows into training, validation and test rows; the same seed gives the same split.

        Raises:
            DataError: no row is left to train on; there are fewer groups than parts; or the settings need groups or
                times that the dataset does not have.
        """
        own = len(self) - self.test_rows
        test = 0 if self.test_rows else round(own * settings.test)
        validation = round(own * settings.validation)
        if own - test - validation < 1:
            raise DataError(f"{self.name}: {len(self)} events leave none to train on after the split.")
        divider = self.divider(settings)
        marks = divider.large(own, validation, test, seed) if own > LARGE_ROWS and not self.test_rows else None
        if marks is not None:
            return Split(*large_parts(marks))
        rows = np.arange(own, dtype=np.int64)
        parts = divider.parts(rows, validation, test, np.random.default_rng(seed))
        held_out = np.arange(own, len(self), dtype=np.int64) if self.test_rows else parts[2]
        return Split(parts[0], parts[1], held_out)

    def divider(self, settings: SplitSettings) -> Divider:
        """Return the rule by which rows are held out.

        Raises:
            DataError: the settings need groups or times that the dataset does not have, or exclude its groups.
        """
        groups = self.groups
        if self.spec.windows:
            if groups is not None or settings.duplicates_together:
                given = argument("duplicates_together" if groups is None else "split_by")
                raise DataError(
                    f"{self.name} holds windows of long texts, whose last ones are held out, and {given} would divide "
                    f"them at random. Leave it out."
                )
            return InOrder()
        lacks = settings.by and groups is None
        lacks = lacks or (settings.time is not None and self.times is None)
        if lacks or (settings.hashed is not None and self.buckets is None):
            raise DataError(
                f"{self.name} was opened without the column {settings.columns[0]!r} that its rows are divided by."
            )
        if settings.hashed is not None and self.buckets is not None:
            return HashedRows(self.buckets, settings.validation, settings.test)
        if settings.method != "random":
            if groups is not None:
                raise DataError(
                    f"{self.name} has groups of rows that stay together, and a group may lie on both sides of a point "
                    f"in the order that {argument('split', settings.method)} cuts at. Use one of the two."
                )
            return InOrder(self.times if settings.time is not None else None)
        if settings.duplicates_together:
            same = same_rows(self.events)
            groups = same if groups is None else joined(groups, same)
        return RandomRows() if groups is None else WholeGroups(groups)

    def blocks(self, rows: Rows) -> Iterator[Array]:
        """Yield the events of increasing `rows` in blocks of `(n, *event)`."""
        for start in range(0, len(rows), BLOCK):
            yield self.events[rows[start : start + BLOCK]]

    @property
    def everything(self) -> ModelEvents:
        """All rows as a trained model takes them; events on disk are read when indexed."""
        return self.events if self.conditions is None else Conditioned(self.events, self.conditions)

    def given(self, rows: Rows | slice) -> ModelEvents:
        """Return rows as a trained model takes them: their events, with the conditions if there are any."""
        events = np.asarray(self.events[rows])
        return events if self.conditions is None else Conditioned(events, self.conditions[rows])

    def given_blocks(self, rows: Rows, size: int = BLOCK) -> Iterator[ModelEvents]:
        """Yield increasing `rows` in blocks of a `size`, as a trained model takes them."""
        for start in range(0, len(rows), size):
            yield self.given(_in_a_row(rows[start : start + size]))

    def digest(self) -> str:
        """Return the SHA-256 digest of the spec and all that fits depend on: events, weights, conditions, groups ...

        Of events on disk that are looked over once, their digest counts, which the processes of a training compute
        together.
        """
        surveyed: Any = self.events
        if isinstance(surveyed, Surveyed):
            return self._digest([np.frombuffer(bytes.fromhex(surveyed.survey.digest), np.uint8)])
        return self._digest(_content(self.events))

    def has_digest(self, digest: str | None) -> bool:
        """Return whether this is the digest of the dataset, or of the same rows in memory."""
        surveyed: Any = self.events
        if digest == self.digest():
            return True
        return isinstance(surveyed, Surveyed) and digest == self._digest(_content(self.events))

    def _digest(self, content: Iterable[Array]) -> str:
        digest = hashlib.sha256(f"{self.spec}{self.events.dtype.str}{self.events.shape}".encode())
        for block in content if self.gray is None else itertools.chain(content, _content(self.gray)):
            digest.update(np.ascontiguousarray(block).data)
        if self.weights is not None:
            digest.update(self.weights.data)
        if self.conditions is not None:
            digest.update(f"conditions{self.spec.condition}".encode())
            digest.update(np.ascontiguousarray(self.conditions, np.float64).data)
        pieces = self.events.pieces if isinstance(self.events, Windows) else None
        for name, values in (
            ("groups", self.groups),
            ("times", self.times),
            ("windows", pieces),
            ("buckets", self.buckets),
            ("gray range", self.gray_range),
        ):
            if values is not None:
                digest.update(f"{name}{values.dtype.str}".encode())
                digest.update(np.ascontiguousarray(values).view(np.uint8).data)
        return digest.hexdigest()


def _in_a_row(rows: Rows) -> Rows | slice:
    """Return increasing rows as a slice if they are consecutive: it need not be copied."""
    return slice(int(rows[0]), int(rows[-1]) + 1) if (np.diff(rows) == 1).all() else rows


def _content(events: Array | Texts) -> Iterator[Array]:
    """Yield arrays that hold all of the events and nothing else."""
    if isinstance(events, Texts):
        yield from (events.codes, events.offsets)
    else:
        yield from (events[start : start + BLOCK] for start in range(0, len(events), BLOCK))


def category(name: str, levels: Sequence[str], stored: ColumnType | None = None) -> Feature:
    """Return a feature of categories."""
    return Feature(name, "binary" if len(levels) == 2 else "categorical", tuple(levels), stored)


def _checked_weights(name: str, weights: Array, count: int) -> Array:
    """Return weights as float64 `(N,)`.

    Raises:
        DataError: their number is wrong, one is negative or not finite, or all are 0.
    """
    if weights.shape != (count,) or weights.dtype.kind not in "buif":
        raise DataError(f"{name} holds {count} events, and its weights are {weights.dtype} of shape {weights.shape}.")
    checked = np.ascontiguousarray(weights, np.float64)
    bad = ~(np.isfinite(checked) & (checked >= 0))
    if bad.any():
        row = int(bad.argmax())
        raise DataError(f"{name}: the weight of event {row} is {checked[row]}. Weights are finite and at least 0.")
    if not checked.any():
        raise DataError(f"{name}: every weight is zero, so there is nothing to learn from.")
    return checked


def check_values(name: str, events: Array, columns: Sequence[str] | None = None) -> bool:
    """Check that values are finite, and return whether any are missing.

    Arguments:
        name: name of the data, for messages.
        events: `(N, *event)`.
        columns: names of a table's columns, where NaN means missing. Defaults to `None`: NaN is an error.

    Raises:
        DataError: there are no events, a value is infinite, or NaN although none may be missing.
    """
    if not len(events) or not events[:1].size:
        raise DataError(f"{name} holds no events.")
    if events.dtype.kind != "f":
        return False
    surveyed: Any = events
    if isinstance(surveyed, Surveyed) and columns is not None:
        return bool(surveyed.survey.missing.any())  # infinite values are errors when they are read
    missing = False
    for start in range(0, len(events), BLOCK):
        block = events[start : start + BLOCK]
        bad = ~np.isfinite(block)
        if columns is not None and bad.any():
            missing, bad = True, np.isinf(block)
        if bad.any():
            row, *place = (int(i) for i in np.argwhere(bad)[0])
            where = f"place {tuple(place)}" if columns is None else f"column {columns[place[0]]!r}"
            raise DataError(
                f"{name} holds {block[(row, *place)]} in event {start + row}, {where}. Values must be finite: "
                f"correct or leave out such events first."
            )
    return missing


def spec_of(shown: str, event_shape: tuple[int, ...], modality: Modality, *rest: Any, **more: Any) -> DataSpec:
    """Return a `DataSpec`, with its `ValueError` turned into a `DataError`.

    Arguments:
        shown: name of the data, for messages.
        rest, more: further arguments of `DataSpec`.

    Raises:
        DataError: an event is too large, or has too many columns and categories.
    """
    try:
        return DataSpec(event_shape, modality, *rest, **more)
    except ValueError as error:
        raise DataError(f"{shown} cannot be learned from: {error}") from error


def usable(dataset: Dataset, shown: str) -> Dataset:
    """Check a dataset's values, and return it with `spec.missing` set if values are missing.

    Arguments:
        shown: name of the dataset, for messages.

    Raises:
        DataError: as `check_values`; or a column has no value at all, or a discrete column holds an invalid code.
    """
    missing = dataset.spec.missing
    for part, piece in zip(every_named_part(dataset), dataset.spec.pieces, strict=True):
        missing = _has_missing(part, f"{shown}, part {piece.name!r}" if piece.name else shown) or missing
        missing = missing or len(part) < len(dataset)
    if dataset.spec.missing or not missing:
        return dataset
    return dataclasses.replace(dataset, spec=dataclasses.replace(dataset.spec, missing=True))


def _has_missing(dataset: Dataset, shown: str) -> bool:
    """Check the values of whole events, or of a part of events, and return whether any are missing."""
    table = dataset.spec.form.columns
    names = [feature.name for feature in dataset.spec.features] if table else None
    missing = check_values(shown, dataset.events, names)
    if missing:
        refuse_empty_columns(dataset, shown)
    check_codes(shown, dataset.events, dataset.spec)
    return missing


def present(piece: Piece, events: Array) -> Array:
    """Return a part of the events that have it, `(n, *part)`; all events if they are one whole.

    A part that an event does not have is missing whole: all its values are NaN.
    """
    own: Array = piece.take(events)
    if not piece.name or own.dtype.kind != "f":
        return own
    gone = np.isnan(own.reshape(len(own), piece.spec.size)).all(axis=1)
    return own[~gone] if gone.any() else own


def parts_of(dataset: Dataset, rows: Rows) -> Iterator[tuple[Dataset, Rows]]:
    """Yield the parts of the events of some rows, each as a dataset of the events that have it, and its rows.

    A dataset whose events are one whole is its only part.
    """
    for part in _taken(dataset, rows):
        yield part, rows if part is dataset else np.arange(len(part))


def every_part(dataset: Dataset) -> Iterator[Dataset]:
    """Yield the parts of all events as `parts_of` does. No row is numbered: there may be many."""
    return _taken(dataset, slice(None))


def _taken(dataset: Dataset, rows: Rows | slice) -> Iterator[Dataset]:
    for piece in dataset.spec.pieces:
        if not piece.name:
            yield dataset
            continue
        own = present(piece, np.asarray(dataset.events[rows]))
        yield Dataset(dataset.name, piece.spec, own, range_from=dataset.range_from)


def named_parts_of(dataset: Dataset, rows: Rows) -> Iterator[tuple[Dataset, Rows]]:
    """Yield the parts of some events as `parts_of` does, with the names that options know their columns by."""
    features = iter(dataset.spec.features)
    for part, own in parts_of(dataset, rows):
        yield _named(part, features), own


def every_named_part(dataset: Dataset) -> Iterator[Dataset]:
    """Yield the parts of all events as `every_part` does, with the names that options know their columns by."""
    features = iter(dataset.spec.features)
    for part in every_part(dataset):
        yield _named(part, features)


def _named(part: Dataset, features: Iterator[Feature]) -> Dataset:
    named = tuple(next(features) for _ in part.spec.features)
    return dataclasses.replace(part, spec=dataclasses.replace(part.spec, features=named))


def refuse_empty_columns(dataset: Dataset, shown: str) -> None:
    """Check that every column of a table has a value.

    Raises:
        DataError: every value of a column is missing.
    """
    observed = np.zeros(dataset.spec.event_shape, bool)
    for found in _observed(dataset.events):
        observed |= found
        if observed.all():
            return
    raise empty_column(shown, dataset.spec.features[int(observed.argmin())].name)


def _observed(events: Any) -> Iterator[Array]:
    """Yield which columns have a value in some rows, `(C,)`, until all rows were looked at."""
    if isinstance(events, Surveyed):
        yield events.survey.observed
        return
    for start in range(0, len(events), BLOCK):
        yield ~np.isnan(events[start : start + BLOCK]).all(axis=0)


def empty_column(shown: str, name: str) -> DataError:
    """Return the error for a column in which every value is missing."""
    return DataError(f"{shown}: column {name!r} has no value at all. Leave it out with {argument('drop', [name])}.")


def check_codes(shown: str, events: Array, data: DataSpec, *, means: bool = False) -> None:
    """Check that discrete values are codes of their levels, or counts.

    Arguments:
        shown: name of the events, for messages.
        events: `(N, *event)`, NaN if a value is missing.
        means: allow counts of any size, and numbers between the first and the last code, as means of codes are.
            Defaults to false.

    Raises:
        DataError: a value is neither.
    """
    if data.form.ended:
        return  # `Texts` hold nothing else
    columns: dict[int, Feature] = {place: data.features[place] for place in data.discrete}
    shared = not data.form.columns and data.features[0].discrete
    for place, feature in [(..., data.features[0])] if shared else columns.items():
        if feature.levels is not None or not means:
            _check_place(shown, events, data, place, means)


def _check_place(shown: str, events: Array, data: DataSpec, place: int | EllipsisType, means: bool) -> None:
    """Check the values of a column, or of all places of events whose values share one feature."""
    feature = data.features[0 if place is ... else place]
    end = np.inf if feature.levels is None else len(feature.levels) - 1
    for start in range(0, len(events), BLOCK):
        values = events[start : start + BLOCK][:, place]
        bad = ~np.isnan(values) & ~((values >= 0) & (values <= end) & (means | (values == np.floor(values))))
        if bad.any():
            first = tuple(map(int, np.unravel_index(bad.argmax(), bad.shape)))
            where = f"{data.form.value} {first[1:] if place is ... else repr(feature.name)}"
            wanted = (
                "whole numbers of at least 0" if feature.levels is None else f"codes of its {end + 1} levels, from 0"
            )
            raise DataError(
                f"{shown} holds {values[first]:g} in event {start + first[0]}, {where}, "
                f"which is {feature.kind} and must hold {wanted}."
            )
