"""Detect copies of the training set: samples that lie nearer to training events than to held-out ones.

The metric pools training events with as many held-out events, and finds the nearest of them to each sample. If the
model does not memorize, half of these are training events. This also holds for a blurred or collapsed model. In that
case the labels "training" and "held-out" are exchangeable, so the spread of the share under permuted labels is known.
Three tests, each at a level of 1 %, look for copies: among all samples; among samples that lie much nearer to one event
than to any other; and among samples that equal a training event.

References:
    `DCROverfittingProtection` of the package SDMetrics (MIT Data To AI Lab, 2020) has the score `min(2 - 2 s, 1)` for
    this share `s`, with distances that are sums over columns scaled by their ranges;
    "A Non-Parametric Test to Detect Data-Copying in Generative Models" (Meehan et al., 2020);
    "Multivariate Two-Sample Tests Based on Nearest Neighbors" (Schilling, 1986).
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from genzoo.errors import DataError
from genzoo.features.extractor import Features
from genzoo.metrics.distances import NEAREST_REAL, Index, Nearest, ratios
from genzoo.metrics.metric import Direction, Metric, MetricInput, Need, Score, feature_pair, training_features

Flags = np.ndarray[Any, np.dtype[np.bool_]]


Keys = np.ndarray[Any, np.dtype[np.bytes_]]


LEVEL = 0.01
"""Significance level of each test."""


_LEAST = 10


MOSTLY, PARTLY = 0.5, 0.2
"""Shares of copies among the samples from which a model is said to copy its training set, or parts of it."""


_SPREAD = 1.96
"""Standard errors of a 95 % interval, to either side."""


_AT_ONE = 1 / 3
"""A sample lies at one event if its distance is below this share of the distance to the second nearest."""


class Memorization(Metric):
    """Share of samples whose nearest event is a training event, among equally many training and held-out events.

    0.5 means no memorization. The parts are the shares of samples and of held-out events that equal a training event,
    and the p-value of the score against 0.5. Elsewhere the score is called the DCR share.
    """

    name = "memorization"
    direction: Direction = "lower"
    needs: frozenset[Need] = frozenset({"features", "training"})
    # Labels stay exchangeable in unweighted pools: training events and held-out ones have the same weights.
    weighted = True
    chance = 0.5

    def score(self, given: MetricInput) -> Score:
        real, samples = feature_pair(given, _LEAST)
        train = training_features(given, _LEAST)
        train_keys, sample_keys, real_keys = (_keys(events) for events in (train, samples, real))
        copied, seen = (np.isin(keys, train_keys) for keys in (sample_keys, real_keys))
        if seen.mean() > 0.5:
            raise DataError(
                f"{int(seen.sum())} of {len(seen)} real events equal a training event, so copies look like fresh "
                f"samples: {_why_equal(given)}."
            )
        count = min(len(real), len(train))
        some, others = _evenly(len(train), count), _evenly(len(real), count)
        # Digests have a random order, which decides by chance if a training event and a held-out one are equally near.
        _, inverse = np.unique(np.concatenate([train_keys[some], real_keys[others]]), return_inverse=True)
        to_train = Nearest.of(samples, train[some])
        if count == len(real):
            to_real = given.once(NEAREST_REAL, lambda: Nearest.of(samples, real))
        else:
            to_real = Nearest.of(samples, real[others])
        pool = _Pool.of((to_train, inverse[:count]), (to_real, inverse[count:]))
        trained = np.bincount(inverse, np.arange(2 * count) < count) / np.bincount(inverse)
        value, error = share(trained, inverse, pool.place)
        notes = equal_note(copied, seen) + _near_notes(value, error, trained, inverse, pool)
        parts = {
            "copies": float(copied.mean()),
            "real_copies": float(seen.mean()),
            "p_value": float(ndtr((0.5 - value) / error)) if error > 0 else 1.0,
        }
        protocol = {"pool": 2 * count}
        return Score(self.name, value, self.direction, error, protocol, notes=notes, parts=parts, real=self.chance)


@dataclass(frozen=True, slots=True)
class _Pool:
    """The nearest events of a pool.

    Arguments:
        place: for each sample, the nearest event among the distinct ones of the pool, `(N,)`.
        ratio: distance to the nearest divided by the distance to the second nearest, 0 to 1, `(N,)`; 1 if there is
            no second.
    """

    place: Index
    ratio: Features

    @staticmethod
    def of(*parts: tuple[Nearest, Index]) -> _Pool:
        """Join the nearest events in each part of a pool.

        Arguments:
            parts: for each, the nearest of its events, and the place of each event among the distinct ones of the pool.
        """
        places = []
        for near, own in parts:
            of_distinct = np.zeros(near.inverse.max() + 1, np.int64)
            of_distinct[near.inverse] = own
            places.append(of_distinct[near.place])
        place, distance = np.concatenate(places, axis=1), np.concatenate([near.distance for near, _ in parts], axis=1)
        order = np.lexsort((place, distance))
        place, distance = (np.take_along_axis(values, order, axis=1) for values in (place, distance))
        # An event that is in both parts is among the four twice.
        second = np.where(place != place[:, :1], distance, np.inf).min(axis=1)
        return _Pool(place[:, 0], ratios(distance[:, 0], second))


def _keys(events: Features) -> Keys:
    """Return a key of each of `events (N, F)`, `(N,)`; keys are equal if the events are."""
    # Digests of all rows take far less memory than the rows. CPUs have instructions for SHA-256, so it is fast.
    # -0.0 + 0.0 is 0.0, whose bytes differ.
    return np.array([hashlib.sha256((row + 0.0).tobytes()).hexdigest() for row in events], "S64")


def _evenly(events: int, count: int) -> Index:
    return np.linspace(0, events - 1, count).astype(np.int64)


def share(trained: Features, inverse: Index, place: Index) -> tuple[float, float]:
    """Return how often the nearest event is a training event, and the standard deviation under permuted labels.

    Arguments:
        trained: for each distinct event, the share of training events among its copies, `(D,)`.
        inverse: index of each event of the pool among the distinct ones, `(M,)`.
        place: index of the event nearest to each sample among the distinct ones, `(N,)`.
    """
    weight = np.bincount(place, minlength=len(trained)) / len(place)
    size = np.bincount(inverse)
    whole = len(inverse)
    # The variance of a weighted mean of labels, half of them 1, that are drawn without replacement. It grows if many
    # samples share a nearest event, as they do if the model has collapsed.
    variance = 0.25 * (whole * float((weight**2 / size).sum()) - 1) / (whole - 1)
    return float(weight @ trained), math.sqrt(max(variance, 0.0))


def _why_equal(given: MetricInput) -> str:
    """Return why most real events equal a training event."""
    data = given.data
    if data is not None and len(data.discrete) == len(data.features):
        return "in such discrete data, equal rows are no sign of copying"
    return "the model was trained on them, or the data have so few values that equal rows are no sign of copying"


def equal_note(copied: Flags, seen: Flags) -> tuple[str, ...]:
    """Return a note if samples equal a training event significantly more often than held-out events do.

    Arguments:
        copied, seen: which samples, and which held-out events, equal one.
    """
    copies, same = int(copied.sum()), int(seen.sum())
    if not copies:
        return ()
    from scipy.stats import fisher_exact  # takes a third of a second, and few models copy

    table = [[copies, len(copied) - copies], [same, len(seen) - same]]
    if fisher_exact(table, alternative="greater").pvalue >= LEVEL:
        return ()
    return (
        f"{_graded(copies / len(copied) - same / len(seen))}: {copies} of {len(copied)} samples equal a training "
        f"event, and {same} of {len(seen)} held-out events do.",
    )


def _near_notes(value: float, error: float, trained: Features, inverse: Index, pool: _Pool) -> tuple[str, ...]:
    farthest = -float(ndtri(LEVEL))
    notes = []
    low = 2 * (value - _SPREAD * error) - 1
    if value - 0.5 > farthest * error:
        notes.append(_nearer(value, error))
    close = pool.place[pool.ratio < _AT_ONE]
    if len(close) and low < MOSTLY:
        part, deviation = share(trained, inverse, close)
        if part - 0.5 > farthest * deviation:
            notes.append(
                f"{_graded(len(close) / len(pool.place) * (2 * part - 1))}: {len(close)} of {len(pool.place)} "
                f"samples lie very close to one event, and for {part:.0%} of these it is a training event, although "
                f"there are as many held-out events."
            )
    return tuple(notes)


def _graded(copies: float) -> str:
    """Return in words how much of the samples is copied, given the share of copies among them."""
    if copies >= MOSTLY:
        return "the model copies its training set"
    return "the model copies parts of its training set" if copies >= PARTLY else "a few samples are copies"


def _nearer(value: float, error: float) -> str:
    """Return a sentence on samples that lie nearer to training events, in words that fit the size of the share.

    If a share c of the samples are copies, and the others lie equally often near either kind, (1 + c) / 2 of all
    samples lie nearest to a training event. The words follow the low end of the 95 % interval of c.
    """
    ends = [min(max(2 * end - 1, 0.0), 1.0) for end in (value - _SPREAD * error, value, value + _SPREAD * error)]
    grade = "samples lie somewhat nearer to training events than to held-out ones"
    if ends[0] >= PARTLY:
        grade = _graded(ends[0])
    return (
        f"{grade}: {value:.0%} ± {error:.0%} lie nearest to a training event, and 50% would if nothing were copied, "
        f"as if {ends[1]:.0%} [{ends[0]:.0%}, {ends[2]:.0%}] of them were copies. Held-out events are assumed to "
        f"follow the same distribution."
    )


memorization = Memorization()
