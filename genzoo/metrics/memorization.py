"""Whether a model copies its training set: its samples would lie nearer to training events than to held-out ones.

Training events and as many held-out ones are put together, and each sample looks for the nearest of them. Were the
model blind to which of them it was trained on, that would be a training event as often as not, whatever the model is
like: a blurred or collapsed model is no copier. So the labels could be dealt out anew, and that says how far from one
half chance goes. Three tests, each at 1 %, look for copies: among all samples; among those that lie at one event, much
nearer than at any other; and among all training events for such as a sample equals.

References:
    "A Non-Parametric Test to Detect Data-Copying in Generative Models" (Meehan et al., 2020), for the question;
    "Multivariate Two-Sample Tests Based on Nearest Neighbors" (Schilling, 1986), for the kind of answer.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.stats import fisher_exact, norm

from genzoo.errors import DataError
from genzoo.features.extractor import Features
from genzoo.metrics.distances import Nearest
from genzoo.metrics.metric import Direction, Metric, MetricInput, Need, Score, feature_pair, training_features

Flags = np.ndarray[Any, np.dtype[np.bool_]]


Index = np.ndarray[Any, np.dtype[np.int64]]


LEVEL = 0.01
"""At which each test flags."""


_LEAST = 10


_AT_ONE = 1 / 3
"""A sample lies at one event where the second nearest is so many times as far."""


class Memorization(Metric):
    """Probability that a sample's nearest event, of equally many training and held-out ones, is a training event."""

    name = "memorization"
    direction: Direction = "lower"
    needs: frozenset[Need] = frozenset({"features", "training"})

    def score(self, given: MetricInput) -> Score:
        real, samples = feature_pair(given, _LEAST)
        train = training_features(given, _LEAST)
        copied, seen = equal_to(samples, train), equal_to(real, train)
        if seen.mean() > 0.5:
            raise DataError(
                f"{int(seen.sum())} of {len(seen)} real events equal a training event, so copies cannot be "
                f"told from fresh samples: {_why_equal(given)}."
            )
        count = min(len(real), len(train))
        pool = np.concatenate([_evenly(train, count), _evenly(real, count)])
        nearest = Nearest.of(samples, pool)
        trained = np.bincount(nearest.inverse, np.arange(2 * count) < count) / np.bincount(nearest.inverse)
        value, error = share(trained, nearest.inverse, nearest.place)
        notes = _equal_note(copied, seen) + _near_notes(value, error, trained, nearest)
        parts = {"copies": float(copied.mean()), "real_copies": float(seen.mean())}
        return Score(self.name, value, self.direction, error, {"pool": 2 * count}, notes=notes, parts=parts)


def equal_to(events: Features, others: Features) -> Flags:
    """Which of `events (N, F)` equal one of `others (M, F)`, `(N,)`."""
    known = {row.tobytes() for row in others + 0.0}  # which makes -0.0 and 0.0 alike
    return np.array([row.tobytes() in known for row in events + 0.0])


def _evenly(events: Features, count: int) -> Features:
    return events[np.linspace(0, len(events) - 1, count).astype(np.int64)]


def share(trained: Features, inverse: Index, place: Index) -> tuple[float, float]:
    """How often the nearest event is a training event, and the deviation of that were the labels dealt out anew.

    Arguments:
        trained: of each different event, what part of those that equal it are training events, `(D,)`.
        inverse: of each event, its place among the different ones, `(M,)`.
        place: of the nearest one of each sample among the different ones, `(N,)`.
    """
    weight = np.bincount(place, minlength=len(trained)) / len(place)
    size = np.bincount(inverse)
    whole = len(inverse)
    variance = 0.25 * (whole * float((weight**2 / size).sum()) - 1) / (whole - 1)
    return float(weight @ trained), math.sqrt(max(variance, 0.0))


def _why_equal(given: MetricInput) -> str:
    """What makes most real events equal a training event."""
    data = given.data
    if data is not None and data.modality == "table" and len(data.discrete) == len(data.features):
        return "in such discrete data equality is no sign of copying"
    return "either the model was trained on them, or the data take few values, and equality is no sign of copying"


def _equal_note(copied: Flags, seen: Flags) -> tuple[str, ...]:
    copies, same = int(copied.sum()), int(seen.sum())
    table = [[copies, len(copied) - copies], [same, len(seen) - same]]
    if fisher_exact(table, alternative="greater").pvalue >= LEVEL:
        return ()
    return (
        f"the model copies its training set: {copies} of {len(copied)} samples equal a training event, and {same} "
        f"of {len(seen)} held-out events do.",
    )


def _near_notes(value: float, error: float, trained: Features, nearest: Nearest) -> tuple[str, ...]:
    farthest = norm.isf(LEVEL)
    if value - 0.5 > farthest * error:
        return (
            f"the model copies its training set: the event nearest to a sample is a training event {value:.0%} of the "
            f"time, of as many held-out ones, which are presumed to be of the same distribution.",
        )
    close = nearest.place[nearest.ratio < _AT_ONE]
    if len(close):
        part, deviation = share(trained, nearest.inverse, close)
        if part - 0.5 > farthest * deviation:
            return (
                f"the model copies parts of its training set: {len(close)} of {len(nearest.place)} samples lie at one "
                f"event, and {part:.0%} of these at a training event, of as many held-out ones.",
            )
    return ()


memorization = Memorization()
