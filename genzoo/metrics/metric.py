"""What a metric is, what it is given, and what it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast

import numpy as np

from genzoo.errors import DataError
from genzoo.features.extractor import Features
from genzoo.spec import DataSpec, Modality
from genzoo.typing import Array

Direction = Literal["higher", "lower"]


Need = Literal["samples", "features", "training", "likelihood"]


FoundT = TypeVar("FoundT")


@dataclass(frozen=True, slots=True)
class Score:
    """One number of one metric.

    Arguments:
        metric: its name.
        value: the number.
        direction: which way is better.
        error: its standard error, or `None` where none is known.
        protocol: all that must be equal for two scores to be compared, and what is told of the model besides.
        low, high: an interval at 95 %, of a metric that has one instead of a standard error.
        notes: sentences about what limits the number, or about what it found.
        parts: the numbers that it is made of, by name: one for each column of a table.
    """

    metric: str
    value: float
    direction: Direction
    error: float | None = None
    protocol: Mapping[str, Any] = field(default_factory=dict)
    low: float | None = None
    high: float | None = None
    notes: tuple[str, ...] = ()
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class MetricInput:
    """What metrics are given; what none of them needs is `None`.

    Arguments:
        data: what one event is.
        real, samples: events in data units, `(N, *event)` and `(M, *event)`, none of the real ones with missing values.
        real_features, sample_features: their features, `(N, F)` and `(M, F)`.
        train_features: features of events that the model was trained on, `(T, F)`.
        log_likelihoods: of all real events with any value, nats in data units, `(L,)`; minus infinity where the model
            has no density.
        weights: how much each of those counts, `(L,)`, or `None` where all count alike.
        measure: what the log-likelihoods measure: `density`, `mass`, or both, column by column.
        kind: what they are: `exact` or `lower bound (N draws)`.
        seed: of whatever a metric draws.
    """

    data: DataSpec | None = None
    real: Array | None = None
    samples: Array | None = None
    real_features: Features | None = None
    sample_features: Features | None = None
    train_features: Features | None = None
    log_likelihoods: Array | None = None
    weights: Array | None = None
    measure: str | None = None
    kind: str | None = None
    seed: int = 0
    shared: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def once(self, name: str, compute: Callable[[], FoundT]) -> FoundT:
        """What `compute` returns, computed by the first metric that asks for `name` and shared with the others."""
        if name not in self.shared:
            self.shared[name] = compute()
        return cast("FoundT", self.shared[name])


class Metric(ABC):
    """One number about a model.

    Arguments:
        name: what users type.
        direction: which way is better.
        needs: what of `MetricInput` it looks at; `features` and `training` mean samples, too.
        modalities: what kinds of data it is for.
    """

    name: str
    direction: Direction
    needs: frozenset[Need] = frozenset({"features"})
    modalities: tuple[Modality, ...] = ("image", "table")

    @abstractmethod
    def score(self, given: MetricInput) -> Score:
        """The score of a model.

        Raises:
            DataError: too few events, or numbers that are not finite, or the metric says nothing of such a model.
        """


def feature_pair(given: MetricInput, least: int) -> tuple[Features, Features]:
    """Features of real events and of samples as float64 matrices of one width.

    Raises:
        DataError: another shape, fewer rows than `least`, numbers that are not finite, or real events that are all
            alike.
    """
    assert given.real_features is not None
    assert given.sample_features is not None
    real = _matrix("real events", given.real_features, least)
    samples = _matrix("samples", given.sample_features, least)
    if real.shape[1] != samples.shape[1]:
        raise DataError(f"Real events have {real.shape[1]} features and samples {samples.shape[1]}.")
    if not (real != real[0]).any():
        raise DataError("All real events have the same features, so nothing can be measured against them.")
    return real, samples


def training_features(given: MetricInput, least: int) -> Features:
    """Features of training events, as `feature_pair` gives others.

    Raises:
        DataError: as `feature_pair`.
    """
    assert given.train_features is not None
    return _matrix("training events", given.train_features, least)


def _matrix(name: str, rows: Array, least: int) -> Features:
    check_events(name, rows, least)
    return np.ascontiguousarray(rows, np.float64).reshape(len(rows), -1)


def check_events(name: str, events: Array, least: int) -> None:
    """Refuse events that a metric can make nothing of.

    Raises:
        DataError: there are fewer than `least`, or numbers in them are not finite.
    """
    if len(events) < least:
        raise DataError(f"This metric needs at least {least} {name}, and there are {len(events)}.")
    if bad := int((~np.isfinite(events.reshape(len(events), -1))).any(axis=1).sum()):
        raise DataError(f"{bad} of {len(events)} {name} hold numbers that are not finite.")
