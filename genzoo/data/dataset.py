"""Events with what is known about them, and their division into rows to train on and rows to judge by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from genzoo.config import SplitSettings
from genzoo.errors import DataError
from genzoo.spec import DataSpec

Array = np.ndarray[Any, np.dtype[Any]]
Rows = np.ndarray[Any, np.dtype[np.int64]]

BLOCK = 4096
"""Rows read at a time from data that may not fit in memory."""


@dataclass(frozen=True, slots=True)
class Split:
    """Row numbers to train on, to choose by and to judge by; disjoint, each in increasing order."""

    train: Rows
    validation: Rows
    test: Rows


@dataclass(frozen=True, slots=True)
class Dataset:
    """Events in data units.

    Arguments:
        name: what pictures and run directories are named after.
        spec: what one event is.
        events: `(N, *event)`; may be mapped from a file.
        labels: `(N,)`, used only in reports, or `None`.
        test_rows: how many of the last rows are a test set that came with the data.
        skipped: files that could not be read and were left out.
    """

    name: str
    spec: DataSpec
    events: Array
    labels: Array | None = None
    test_rows: int = 0
    skipped: int = 0

    def __post_init__(self) -> None:
        if tuple(self.events.shape[1:]) != tuple(self.spec.event_shape):
            raise DataError(f"{self.name}: events of shape {self.events.shape[1:]} are not {self.spec.describe()}.")
        if self.labels is not None and len(self.labels) != len(self.events):
            raise DataError(f"{self.name} holds {len(self.events)} events and {len(self.labels)} labels.")

    def __len__(self) -> int:
        return len(self.events)

    def split(self, settings: SplitSettings, seed: int) -> Split:
        """Divide the rows; the same seed divides them alike.

        Raises:
            DataError: no row is left to train on.
        """
        own = len(self) - self.test_rows
        order = np.random.default_rng(seed).permutation(own).astype(np.int64)
        test = 0 if self.test_rows else round(own * settings.test)
        validation = round(own * settings.validation)
        train = own - test - validation
        if train < 1:
            raise DataError(f"{self.name}: {len(self)} events leave none to train on after the split.")
        parts = np.split(order, [train, train + validation])
        held_out = np.arange(own, len(self), dtype=np.int64) if self.test_rows else parts[2]
        return Split(np.sort(parts[0]), np.sort(parts[1]), np.sort(held_out))

    def blocks(self, rows: Rows) -> Iterator[Array]:
        """The events of increasing `rows`, `(n, *event)` each."""
        for start in range(0, len(rows), BLOCK):
            yield self.events[rows[start : start + BLOCK]]

    def digest(self) -> str:
        """SHA-256 of the events and of what they are."""
        found = hashlib.sha256(f"{self.spec}{self.events.dtype.str}{self.events.shape}".encode())
        for start in range(0, len(self), BLOCK):
            found.update(np.ascontiguousarray(self.events[start : start + BLOCK]).data)
        return found.hexdigest()


def refuse_unusable(name: str, events: Array) -> None:
    """Refuse data with no events, or with values that are not finite, naming the first.

    Raises:
        DataError: there are none, or some are NaN or infinite.
    """
    if not len(events) or not events[0].size:
        raise DataError(f"{name} holds no events.")
    if events.dtype.kind != "f":
        return
    for start in range(0, len(events), BLOCK):
        bad = ~np.isfinite(events[start : start + BLOCK])
        if bad.any():
            place = tuple(int(i) for i in np.argwhere(bad)[0])
            value = events[start + place[0]][place[1:]]
            raise DataError(
                f"{name} holds {value} in event {start + place[0]}, place {place[1:]}. Values must be finite: "
                f"correct or leave out such events first."
            )
