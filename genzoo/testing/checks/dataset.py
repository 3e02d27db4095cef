"""Promises of datasets."""

from __future__ import annotations

import functools
import socket
from typing import Any
from unittest import mock

import numpy as np

from genzoo.config.settings import DataSettings, SplitSettings
from genzoo.data.dataset import Dataset, usable
from genzoo.data.loading import open_dataset
from genzoo.errors import GenzooError
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Entry
from genzoo.spec import DatasetSpec
from genzoo.testing.checks.randomness import chance
from genzoo.testing.promise import DoesNotApply, Promise, expect

_LOOKED_AT = 2_000
"""Rows that are looked at."""


class DatasetSubject:
    """A dataset of the zoo.

    Arguments:
        name: its name or id.
    """

    kind = "datasets"

    def __init__(self, name: str) -> None:
        self.name = name

    @functools.cached_property
    def entry(self) -> Entry[DatasetSpec]:
        """The dataset in the zoo.

        Raises:
            ConfigError: there is none of that name.
        """
        return get_registry().datasets.get(self.name)

    def load(self) -> Dataset:
        """The events, without a network.

        Raises:
            DoesNotApply: they cannot be had without one.
        """
        try:
            with _without_network():
                return open_dataset(DataSettings(source=self.entry.id), get_registry())
        except GenzooError as error:
            raise DoesNotApply("it does not load here; see the promise 'loads-or-says-why'") from error

    @functools.cached_property
    def dataset(self) -> Dataset:
        """The events."""
        return self.load()

    @functools.cached_property
    def events(self) -> np.ndarray[Any, np.dtype[Any]]:
        """Some of the events, in order."""
        return np.asarray(self.dataset.events[:_LOOKED_AT])


class _NetworkAsked(OSError):  # noqa: N818 - named for what somebody did
    """Somebody asked for the network where there is none."""


def _without_network() -> Any:
    def refuse(*_: Any, **__: Any) -> Any:
        raise _NetworkAsked("there is no network")

    return mock.patch.multiple(socket, create_connection=refuse, getaddrinfo=refuse)


def _asked_network(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, _NetworkAsked) or "there is no network" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def loads_or_says_why(subject: DatasetSubject) -> None:
    """Without a network it loads, or says in a sentence where its files belong."""
    try:
        with _without_network():
            open_dataset(DataSettings(source=subject.entry.id), get_registry())
    except GenzooError as error:
        expect(_asked_network(error), f"It does not load: {error}")
        expect(
            "GENZOO_DATA" in str(error) or "/" in str(error),
            f"Without a network it says {str(error)!r}, and not where to put its files.",
        )


def spec_fits_events(subject: DatasetSubject) -> None:
    """Its events are what its spec says: of that modality, shape and type, within the bounds, on the grid."""
    dataset, events = subject.dataset, subject.events
    spec = dataset.spec
    expect(
        spec.modality == subject.entry.spec.modality,
        f"It is registered as {subject.entry.spec.modality}s and holds {spec.modality}s.",
    )
    expect(
        events.shape[1:] == spec.event_shape, f"Its events have the shape {events.shape[1:]}, not {spec.event_shape}."
    )
    expect(
        np.dtype(events.dtype).name == spec.storage or spec.modality == "table",
        f"Its events are {events.dtype}, and its spec says {spec.storage}.",
    )
    gone = bool(np.isnan(events).any()) if events.dtype.kind == "f" else False
    expect(spec.missing or not gone, "It has missing values, and its spec says that none are.")
    if spec.bounds is not None:
        low, high = np.nanmin(events), np.nanmax(events)
        inside = spec.bounds[0] <= low and high <= spec.bounds[1]
        expect(
            inside, f"Its events lie in {low:g}..{high:g}, and its spec says {spec.bounds[0]:g}..{spec.bounds[1]:g}."
        )
    if spec.quantum is not None:
        steps = (events.astype(np.float64) - (spec.bounds[0] if spec.bounds else 0.0)) / spec.quantum
        off = np.abs(steps - np.round(steps)).max()
        expect(bool(off < 1e-6), f"Its events lie off the grid of step {spec.quantum:g} that its spec declares.")
    usable(dataset, subject.name)


def loads_alike(subject: DatasetSubject) -> None:
    """Loaded twice it is the same, whatever state the global generators are in."""
    with chance(1):
        one = subject.load().digest()
    with chance(2):
        two = subject.load().digest()
    expect(one == two, "Loaded twice, its events differ.")


def splits(subject: DatasetSubject) -> None:
    """It has rows to train on, to choose by and to judge by, and a label for each event where it has labels."""
    found = subject.dataset.split(SplitSettings(), 0)
    for what, rows in (("train on", found.train), ("choose by", found.validation), ("judge by", found.test)):
        expect(len(rows) > 0, f"Of its {len(subject.dataset)} events, none are left to {what}.")
    labels = subject.dataset.labels
    expect(labels is None or len(labels) == len(subject.dataset), "It has another number of labels than of events.")


PROMISES = tuple(
    Promise.of(check, kind="dataset") for check in (loads_or_says_why, spec_fits_events, loads_alike, splits)
)
