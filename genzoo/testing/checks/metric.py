"""Promises of metrics."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
from typing import Any, get_args

import numpy as np
import torch

from genzoo.errors import DataError
from genzoo.metrics.metric import Direction, Metric, MetricInput, Need, Score
from genzoo.plugins.manager import get_registry
from genzoo.plugins.registry import Entry, resolve
from genzoo.spec import DataSpec, MetricSpec
from genzoo.testing.checks.randomness import chance
from genzoo.testing.promise import Promise, expect
from genzoo.testing.toys import toys
from genzoo.typing import Array


class MetricSubject:
    """A metric of the zoo.

    Arguments:
        name: its name or id.
    """

    kind = "metrics"

    def __init__(self, name: str) -> None:
        self.name = name

    @functools.cached_property
    def entry(self) -> Entry[MetricSpec]:
        """The metric in the zoo.

        Raises:
            ConfigError: there is none of that name.
        """
        return get_registry().metrics.get(self.name)

    @functools.cached_property
    def metric(self) -> Metric:
        """The metric itself."""
        found = resolve(self.entry.spec.metric, self.entry.spec)
        expect(isinstance(found, Metric), f"What it names is a {type(found).__name__} and no Metric.")
        assert isinstance(found, Metric)
        return found

    def given(self, badness: float = 0.0, seed: int = 0) -> MetricInput:
        """What the metric is given of a model.

        Arguments:
            badness: how far the model's samples and likelihoods are from those of a perfect one, in deviations.
        """
        name = {"image": "pixels", "table": "kinds"}[self.metric.modalities[0]]
        dataset = toys()[name]
        rows = np.random.default_rng(5).permutation(len(dataset))
        events = np.asarray(dataset.events[rows], np.float64)
        real, seen, samples = np.array_split(events, 3)
        samples = _spoilt(samples, dataset.spec, badness * events.std(axis=0))
        flat = [part.reshape(len(part), -1) / (events.std() + 1.0) for part in (real, samples, seen)]
        likelihoods = -20.0 - badness - np.random.default_rng(6).random(len(real))
        measure = "mass" if dataset.spec.modality == "image" else "density"
        return MetricInput(
            dataset.spec, real, samples, flat[0], flat[1], flat[2], likelihoods, None, measure, "exact", seed
        )


def _spoilt(samples: Array, data: DataSpec, shift: Array) -> Array:
    """Samples of a model that is off by a shift, and in columns of codes knows the first code only."""
    found = samples + shift
    found[:, list(data.discrete)] = samples[:, list(data.discrete)] * (not shift.any())
    return found


def is_described(subject: MetricSubject) -> None:
    """It says its own name, which way is better, what it needs and what data it is for, in words the core knows."""
    metric = subject.metric
    expect(metric.name == subject.entry.spec.name, f"It calls itself {metric.name!r}.")
    expect(metric.direction in get_args(Direction), f"Its direction is {metric.direction!r}.")
    unknown = sorted(set(metric.needs) - set(get_args(Need)))
    expect(not unknown, f"It needs {', '.join(unknown)}, which nothing gives it.")
    expect(bool(metric.needs), "It says that it needs nothing.")


def score_is_whole(subject: MetricSubject) -> None:
    """A score is finite, bears the metric's name and direction, has an error or an interval, and goes into JSON."""
    score = subject.metric.score(subject.given())
    expect(isinstance(score, Score), f"It gives a {type(score).__name__} and no Score.")
    expect(score.metric == subject.metric.name, f"Its score is called {score.metric!r}.")
    expect(score.direction == subject.metric.direction, f"The direction of its score is {score.direction!r}.")
    expect(math.isfinite(score.value), f"Its score is {score.value}.")
    expect(score.error is None or score.error >= 0, f"The standard error of its score is {score.error}.")
    if score.low is not None and score.high is not None:
        inside = score.low <= score.value <= score.high
        expect(inside, f"Its score {score.value} lies outside its interval {score.low}..{score.high}.")
    json.dumps([dict(score.protocol), dict(score.parts), list(score.notes)])


def direction_is_right(subject: MetricSubject) -> None:
    """A perfect model scores better than one that is three deviations off, in the metric's own direction."""
    good, bad = (subject.metric.score(subject.given(badness)).value for badness in (0.0, 3.0))
    better = good > bad if subject.metric.direction == "higher" else good < bad
    expect(
        better,
        f"A perfect model scores {good:.4g} and a bad one {bad:.4g}, where {subject.metric.direction} is better.",
    )


def score_follows_the_seed(subject: MetricSubject) -> None:
    """The same seed gives the same score to the last bit, whatever state the global generators are in."""
    found = []
    for state in (1, 2):
        with chance(state), torch.random.fork_rng():
            torch.manual_seed(state)
            found.append(subject.metric.score(subject.given()).value)
    expect(found[0] == found[1], f"With one seed it scores {found[0]!r} and {found[1]!r}.")


def order_does_not_matter(subject: MetricSubject) -> None:
    """The score does not depend on the order of events, as far as chance allows."""
    given = subject.given()
    back = {name: value[::-1].copy() for name, value in _arrays(given).items() if name not in ("train_features",)}
    one, two = subject.metric.score(given), subject.metric.score(dataclasses.replace(given, **back, shared={}))
    allowed = 1e-6 * max(1.0, abs(one.value)) if not one.error else max(6 * one.error, 1e-6)
    expect(abs(one.value - two.value) <= allowed, f"It scores {one.value:.6g}, and {two.value:.6g} in another order.")


def refuses_what_it_cannot_score(subject: MetricSubject) -> None:
    """No events, one event and numbers that are not finite are refused with a DataError, never scored or crashed on."""
    given = subject.given()
    for what, change in (("no event", _cut(given, 0)), ("values that are not finite", _holed(given))):
        try:
            score = subject.metric.score(dataclasses.replace(given, **change, shared={}))
        except DataError:
            continue
        expect(False, f"Of {what} it gives the score {score.value}.")


def leaves_events_alone(subject: MetricSubject) -> None:
    """Scoring changes none of the events, features and likelihoods that it is given."""
    given = subject.given()
    before = {name: value.copy() for name, value in _arrays(given).items()}
    subject.metric.score(given)
    for name, value in _arrays(given).items():
        expect(np.array_equal(value, before[name]), f"Scoring changes {name}.")


def _arrays(given: MetricInput) -> dict[str, Any]:
    return {
        field.name: value
        for field in dataclasses.fields(given)
        if isinstance(value := getattr(given, field.name), np.ndarray)
    }


def _cut(given: MetricInput, count: int) -> dict[str, Any]:
    return {name: value[:count] for name, value in _arrays(given).items()}


def _holed(given: MetricInput) -> dict[str, Any]:
    found = {name: value.copy() for name, value in _arrays(given).items()}
    for value in found.values():
        value[3] = np.nan
    return found


PROMISES = tuple(
    Promise.of(check, kind="metric")
    for check in (
        is_described,
        score_is_whole,
        direction_is_right,
        score_follows_the_seed,
        order_does_not_matter,
        refuses_what_it_cannot_score,
        leaves_events_alone,
    )
)
