"""The interface of metrics: `Metric`, its input and its score."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast

import numpy as np

from genzoo.errors import DataError
from genzoo.features.extractor import Features
from genzoo.spec.events import DataSpec
from genzoo.spec.modality import Modality
from genzoo.typing import Array

Direction = Literal["higher", "lower"]


Need = Literal[
    "samples",
    "features",
    "training",
    "training-events",
    "likelihood",
    "training-likelihood",
    "target",
    "filled-parts",
]


FoundT = TypeVar("FoundT")


@dataclass(frozen=True, slots=True)
class Score:
    """The value of one metric.

    Arguments:
        metric: name of the metric.
        value: the value.
        direction: whether `higher` or `lower` is better.
        error: standard error. Defaults to `None`: unknown.
        protocol: everything that must be equal for two scores to be comparable, and facts about the model.
        low, high: 95 % interval, for metrics that have one instead of a standard error, or beside it.
        notes: sentences on findings, or on the limits of the value.
        parts: values that the score is composed of, by name, such as one for each column of a table.
        real_halves: the value between two random halves of the real events, for metrics that are biased at these
            numbers of events. A perfect model does not reach 0 either.
        shared: the part of the error that scores on the same real events and of the same seed share, as numbers whose
            squares add up to a variance. `error_of_difference` pairs them.
        beside: names of the metrics without which it misleads; reports show them next to it.
        real: the value of the real events in the place of the samples, for metrics whose best value is this one and
            not the highest or lowest. Defaults to `None`: it has none.
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
    real_halves: float | None = None
    shared: tuple[float, ...] = ()
    beside: tuple[str, ...] = ()
    real: float | None = None

    @property
    def better(self) -> str:
        """Which values are better, in words: `higher`, `lower` or `near real`."""
        return self.direction if self.real is None else "near real"


def error_of_difference(one: Score, other: Score) -> float | None:
    """Return the standard error of the difference of two scores on the same real events; `None` if unknown.

    Real events that are hard for one model are hard for the other, too, and this part cancels. Scores that do not know
    which part they share are treated as independent, and the error is then larger than needed.
    """
    if one.error is None or other.error is None:
        return None
    mine, theirs = np.array(one.shared), np.array(other.shared)
    if not len(mine) or len(mine) != len(theirs):
        return math.hypot(one.error, other.error)
    own = max(one.error**2 - float(mine @ mine), 0.0) + max(other.error**2 - float(theirs @ theirs), 0.0)
    return math.sqrt(float((mine - theirs) @ (mine - theirs)) + own)


@dataclass(frozen=True, slots=True)
class Strided:
    """Log-probabilities of long texts in windows that overlap.

    Arguments:
        logs: log-probability of the new bytes of each window given its context, `(N,)` nats. The end is left out.
        counts: number of new bytes of each window, `(N,)`.
        stride: largest number of new bytes of a window, except of the first.
    """

    logs: Array
    counts: Array
    stride: int


@dataclass(frozen=True)
class MetricInput:
    """The input of metrics; fields that no metric needs are `None`.

    Arguments:
        data: spec of one event.
        real, samples: events in data units, `(N, *event)` and `(M, *event)`; real events have no missing values.
        real_features, sample_features: their features, `(N, F)` and `(M, F)`.
        train_features: features of events that the model was trained on, `(T, F)`.
        target: name of the column of a table to predict from the others; it may be a column of the conditions.
        train, synthetic: events that the model was trained on, and as many samples for a target, `(T, *event)`; none
            has missing values.
        conditions: what the `real` events are conditional on, `(N, K)`. Defaults to `None`: nothing.
        train_conditions: what `train` and `synthetic` are conditional on, `(T, K)`. Defaults to `None`: nothing.
        log_likelihoods: log-likelihoods of all real events with any value, nats in data units, `(L,)`; minus infinity
            for events at which the model has no density.
        weights: weights of those events, `(L,)`. Defaults to `None`: equal weights.
        real_weights: weights of the `real` events, `(N,)`, all above 0, scaled so that their squares have the same sum:
            the effective number of events. Defaults to `None`: equal weights. Weights that
            are whole numbers are repeated events instead.
        train_weights: weights of the `train` events, `(T,)`. Defaults to `None`: equal weights.
        train_log_likelihoods: the same of events that the model was trained on, as often as their weights count them,
            `(T,)`.
        measure: what the log-likelihoods measure: `density`, `mass`, or both, by column.
        kind: kind of the log-likelihoods: `exact`, `lower bound (N draws)`, `lower bound`, `estimate (N probes, M
            steps)` or `estimate (M steps)`.
        solver_error: how much the mean of estimates changes with half as many steps, nats. Defaults to 0.
        seed: seed for all random numbers of a metric. Defaults to 0.
        lengths: number of symbols of each text, or of samples of each sound, with a log-likelihood, `(L,)`. Defaults to
            `None`: events have none.
        symbols: number of symbols, such as tokens, that the model gives a probability for each text, with its end if it
            has one, `(L,)`. Defaults to `None`: events are no texts.
        model_data: spec of one event as the model sees it. Defaults to `None`: unknown.
        strided: the texts in windows that overlap. Defaults to `None`: each event is scored from nothing.
        filled: the real events with all parts but one drawn given it, by the name of this part. Defaults to `None`: no
            metric asks for them.
        shared: results that metrics share through `once`.
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
    real_weights: Array | None = None
    lengths: Array | None = None
    symbols: Array | None = None
    model_data: DataSpec | None = None
    strided: Strided | None = None
    shared: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    target: str | None = None
    train: Array | None = None
    synthetic: Array | None = None
    conditions: Array | None = None
    train_conditions: Array | None = None
    train_weights: Array | None = None
    train_log_likelihoods: Array | None = None
    solver_error: float = 0.0
    filled: Mapping[str, Array] | None = None

    @property
    def weights_of_real(self) -> Array:
        """Weights of the real events, `(N,)`; all 1 if they are equal."""
        if self.real_weights is not None:
            return self.real_weights
        events = self.real_features if self.real is None else self.real
        assert events is not None
        return np.ones(len(events))

    def once(self, name: str, compute: Callable[[], FoundT]) -> FoundT:
        """Return the result of `compute`, which runs only for the first metric that asks for `name`."""
        if name not in self.shared:
            self.shared[name] = compute()
        return cast("FoundT", self.shared[name])


class Metric(ABC):
    """A number that describes a model.

    Arguments:
        name: name of the metric, as users type it.
        direction: whether `higher` or `lower` is better.
        needs: the parts of `MetricInput` it uses; all but likelihoods imply samples. Defaults to
            `features`.
        modalities: the kinds of data it supports. Defaults to none: it supports all.
        weighted: whether it uses `real_weights`. If not, it has no score for events with fractional weights. Defaults
            to false.
        beside: names of the metrics without which its score misleads. They are computed with it. Defaults to none.
        extractor: name of the only features that it is defined for. It is computed by default with these alone.
            Defaults to `None`: any features.
        ranks: whether comparisons can rank by it. Defaults to true. Copies or noise win by a metric that ranks none.
        chance: the value that real events would have in the place of the samples, if it is always the same and neither
            the highest nor the lowest. It goes to `Score.real`. Defaults to `None`: there is no such value.
    """

    name: str
    direction: Direction
    needs: frozenset[Need] = frozenset({"features"})
    modalities: tuple[Modality, ...] = ()
    weighted: bool = False
    beside: tuple[str, ...] = ()
    extractor: str | None = None
    ranks: bool = True
    chance: float | None = None

    def takes(self, modality: Modality) -> bool:
        """Return whether the metric supports data of a modality."""
        return not self.modalities or modality in self.modalities

    @abstractmethod
    def score(self, given: MetricInput) -> Score:
        """Compute the score of a model.

        Raises:
            DataError: there are too few events, numbers are not finite, or the metric does not apply to the model.
        """


def feature_pair(given: MetricInput, least: int) -> tuple[Features, Features]:
    """Return the features of real events and of samples as float64 matrices of the same width.

    Raises:
        DataError: widths differ, there are fewer than `least` rows, numbers are not finite, or all real events have
            the same features.
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
    """Return the features of training events as a float64 matrix.

    Raises:
        DataError: there are fewer than `least` rows, or numbers are not finite.
    """
    assert given.train_features is not None
    return _matrix("training events", given.train_features, least)


def _matrix(name: str, rows: Array, least: int) -> Features:
    check_events(name, rows, least)
    return np.ascontiguousarray(rows, np.float64).reshape(len(rows), -1)


def check_events(name: str, events: Array, least: int) -> None:
    """Check that there are enough events and that all numbers are finite.

    Raises:
        DataError: there are fewer than `least`, or a number is not finite.
    """
    if len(events) < least:
        raise DataError(f"This metric needs at least {least} {name}, and there are {len(events)}.")
    if bad := int((~np.isfinite(events.reshape(len(events), -1))).any(axis=1).sum()):
        raise DataError(f"{bad} of {len(events)} {name} hold numbers that are not finite.")
