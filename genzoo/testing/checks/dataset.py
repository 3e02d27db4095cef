"""Promises of datasets."""

from __future__ import annotations

import functools
import socket
from typing import Any
from unittest import mock

import numpy as np

from genzoo.config.data import DataSettings, SplitSettings
from genzoo.data.dataset import Dataset, usable
from genzoo.data.loading import open_dataset
from genzoo.errors import GenzooError
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Entry
from genzoo.spec.entries import DatasetSpec
from genzoo.testing.checks.randomness import chance
from genzoo.testing.promise import DoesNotApply, Promise, expect

_LOOKED_AT = 2_000
"""Number of rows that are checked."""


class DatasetSubject:
    """The dataset under test.

    Arguments:
        name: name or id of the dataset.
    """

    kind = "datasets"

    def __init__(self, name: str) -> None:
        self.name = name

    @functools.cached_property
    def entry(self) -> Entry[DatasetSpec]:
        """The dataset's entry in the registry.

        Raises:
            ConfigError: no dataset has that name.
        """
        return get_registry().datasets.get(self.name)

    def load(self) -> Dataset:
        """Load the events with the network cut off.

        Raises:
            DoesNotApply: they do not load offline.
        """
        try:
            with _without_network():
                return open_dataset(DataSettings(source=self.entry.id), get_registry())
        except GenzooError as error:
            raise DoesNotApply("it does not load here; see the promise 'loads-or-says-why'") from error

    @functools.cached_property
    def dataset(self) -> Dataset:
        """The dataset, loaded."""
        return self.load()

    @functools.cached_property
    def events(self) -> np.ndarray[Any, np.dtype[Any]]:
        """The first events, in order."""
        return np.asarray(self.dataset.events[:_LOOKED_AT])


class _NoNetwork(OSError):  # noqa: N818 - named for the cause
    """A dataset tried to use the network while it was cut off."""


def _without_network() -> Any:
    def fail(*_: Any, **__: Any) -> Any:
        raise _NoNetwork("there is no network")

    return mock.patch.multiple(socket, create_connection=fail, getaddrinfo=fail)


def _needed_network(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, _NoNetwork) or "there is no network" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def loads_or_says_why(subject: DatasetSubject) -> None:
    """The dataset loads offline, or its error says where to put its files."""
    try:
        with _without_network():
            open_dataset(DataSettings(source=subject.entry.id), get_registry())
    except GenzooError as error:
        expect(_needed_network(error), f"It does not load: {error}")
        expect(
            "GENZOO_DATA" in str(error) or "/" in str(error),
            f"Offline, its error is {str(error)!r}, which does not say where to put its files.",
        )


def spec_fits_events(subject: DatasetSubject) -> None:
    """Events match the spec: modality, shape, dtype, missing values, bounds and grid."""
    dataset, events = subject.dataset, subject.events
    spec = dataset.spec
    expect(
        spec.modality == subject.entry.spec.modality,
        f"It is registered with modality {subject.entry.spec.modality!r} and contains {spec.form.plural}.",
    )
    expect(events.shape[1:] == spec.event_shape, f"Its events have shape {events.shape[1:]}, not {spec.event_shape}.")
    expect(
        np.dtype(events.dtype).name == spec.storage or spec.form.columns,
        f"Its events are {events.dtype}, but its spec says {spec.storage}.",
    )
    gone = bool(np.isnan(events).any()) if events.dtype.kind == "f" else False
    expect(spec.missing or not gone, "It has missing values, but its spec says that it has none.")
    if spec.bounds is not None:
        low, high = np.nanmin(events), np.nanmax(events)
        inside = spec.bounds[0] <= low and high <= spec.bounds[1]
        expect(
            inside, f"Its events lie in {low:g}..{high:g}, but its spec says {spec.bounds[0]:g}..{spec.bounds[1]:g}."
        )
    if spec.quantum is not None:
        steps = (events.astype(np.float64) - (spec.bounds[0] if spec.bounds else 0.0)) / spec.quantum
        off = np.abs(steps - np.round(steps)).max()
        expect(bool(off < 1e-6), f"Some events lie off the grid of step {spec.quantum:g} that its spec declares.")
    usable(dataset, subject.name)


def loads_alike(subject: DatasetSubject) -> None:
    """Loading twice gives identical data, regardless of the global random generators."""
    with chance(1):
        one = subject.load().digest()
    with chance(2):
        two = subject.load().digest()
    expect(one == two, "Two loads give different events.")


def splits(subject: DatasetSubject) -> None:
    """The dataset has training, validation and test rows, and one label per row if it has labels."""
    split = subject.dataset.split(SplitSettings(), 0)
    for name, rows in (("training", split.train), ("validation", split.validation), ("test", split.test)):
        expect(len(rows) > 0, f"Its {len(subject.dataset)} rows leave none for {name}.")
    labels = subject.dataset.labels
    expect(
        labels is None or len(labels) == len(subject.dataset),
        f"It has {len(subject.dataset)} rows and {0 if labels is None else len(labels)} labels.",
    )


PROMISES = tuple(
    Promise.of(check, kind="dataset") for check in (loads_or_says_why, spec_fits_events, loads_alike, splits)
)
