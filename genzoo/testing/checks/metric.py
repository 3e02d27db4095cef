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
from genzoo.spec.entries import MetricSpec
from genzoo.spec.events import DataSpec
from genzoo.spec.modality import MODALITIES
from genzoo.testing.checks.randomness import chance
from genzoo.testing.promise import Promise, expect
from genzoo.testing.toys import toys
from genzoo.typing import Array


class MetricSubject:
    """The metric under test.

    Arguments:
        name: name or id of the metric.
    """

    kind = "metrics"

    def __init__(self, name: str) -> None:
        self.name = name

    @functools.cached_property
    def entry(self) -> Entry[MetricSpec]:
        """The metric's entry in the registry.

        Raises:
            ConfigError: no metric has that name.
        """
        return get_registry().metrics.get(self.name)

    @functools.cached_property
    def metric(self) -> Metric:
        """The metric that the spec names."""
        metric = resolve(self.entry.spec.metric, self.entry.spec)
        expect(
            isinstance(metric, Metric),
            f"Its spec names a value of type {type(metric).__name__}, which is not a genzoo.Metric.",
        )
        assert isinstance(metric, Metric)
        return metric

    def given(self, badness: float = 0.0, seed: int = 0) -> MetricInput:
        """Make the metric's input for a simulated model.

        Arguments:
            badness: how much worse it is than a perfect model: its samples are off by this many standard deviations
                and its log-likelihoods by this many nats. Defaults to 0.
            seed: seed of the metric's own random draws. Defaults to 0.
        """
        modality = (*self.metric.modalities, *MODALITIES)[0]
        whole = [toy for toy in toys().values() if toy.spec.modality == modality and not toy.spec.missing]
        dataset = max(whole, key=lambda toy: len({feature.kind for feature in toy.spec.features}))
        rows = np.random.default_rng(5).permutation(len(dataset))
        events = np.asarray(dataset.events[rows], np.float64)
        real, seen, samples = np.array_split(events, 3)
        samples = _spoilt(samples, dataset.spec, badness * events.std(axis=0))
        flat = [part.reshape(len(part), -1) / (events.std() + 1.0) for part in (real, samples, seen)]
        likelihoods = -20.0 - badness - np.random.default_rng(6).random(len(real))
        measure = "density" if dataset.spec.quantum is None else "mass"
        return MetricInput(
            dataset.spec,
            real,
            samples,
            flat[0],
            flat[1],
            flat[2],
            likelihoods,
            None,
            measure,
            "exact",
            seed,
            target=dataset.spec.features[0].name,
            train=seen,
            synthetic=samples,
            train_log_likelihoods=-20.0 - np.random.default_rng(7).random(len(seen)),
        )


def _spoilt(samples: Array, data: DataSpec, shift: Array) -> Array:
    """Return samples moved by a shift; if there is one, all columns of codes take the first code."""
    spoilt = samples + shift
    spoilt[:, list(data.discrete)] = samples[:, list(data.discrete)] * (not shift.any())
    return spoilt


def is_described(subject: MetricSubject) -> None:
    """The metric states its registered name, its direction and what it needs, in terms that the core knows."""
    metric = subject.metric
    name = subject.entry.spec.name
    expect(metric.name == name, f"Its name is {metric.name!r}, but it is registered as {name!r}.")
    expect(
        metric.direction in get_args(Direction),
        f"Its direction is {metric.direction!r}, not one of {', '.join(get_args(Direction))}.",
    )
    unknown = sorted(set(metric.needs) - set(get_args(Need)))
    expect(not unknown, f"It needs {', '.join(unknown)}, which the core does not know.")
    expect(bool(metric.needs), "Its needs are empty.")


def score_is_whole(subject: MetricSubject) -> None:
    """A score is finite, has the metric's name and direction, fits its error and interval, and converts to JSON."""
    score = subject.metric.score(subject.given())
    expect(isinstance(score, Score), f"It returns a value of type {type(score).__name__}, which is not a genzoo.Score.")
    expect(score.metric == subject.metric.name, f"Its score has the name {score.metric!r}.")
    expect(
        score.direction == subject.metric.direction,
        f"Its direction is {subject.metric.direction!r}, but its score says {score.direction!r}.",
    )
    expect(
        subject.metric.chance in (None, score.real),
        f"Its chance is {subject.metric.chance}, but `real` of its score is {score.real}.",
    )
    expect(math.isfinite(score.value), f"Its score is {score.value}.")
    expect(score.error is None or score.error >= 0, f"The standard error of its score is {score.error}.")
    if score.low is not None and score.high is not None:
        inside = score.low <= score.value <= score.high
        expect(inside, f"Its score {score.value} lies outside its interval {score.low}..{score.high}.")
    json.dumps([dict(score.protocol), dict(score.parts), list(score.notes)])


def direction_is_right(subject: MetricSubject) -> None:
    """A perfect model scores better, in the metric's own direction, than a model three standard deviations off."""
    good, bad = (subject.metric.score(subject.given(badness)).value for badness in (0.0, 3.0))
    better = good > bad if subject.metric.direction == "higher" else good < bad
    expect(
        better,
        f"It scores a perfect model {good:.4g} and a bad one {bad:.4g}, but its direction is "
        f"{subject.metric.direction!r}.",
    )


def score_follows_the_seed(subject: MetricSubject) -> None:
    """The same seed gives a bit-identical score, regardless of the global random generators."""
    values = []
    for state in (1, 2):
        with chance(state), torch.random.fork_rng():
            torch.manual_seed(state)
            values.append(subject.metric.score(subject.given()).value)
    expect(values[0] == values[1], f"The same seed gives the scores {values[0]!r} and {values[1]!r}.")


def order_does_not_matter(subject: MetricSubject) -> None:
    """The score does not depend on the order of events, up to six standard errors."""
    given = subject.given()
    back = {name: value[::-1].copy() for name, value in _arrays(given).items() if name not in ("train_features",)}
    one, two = subject.metric.score(given), subject.metric.score(dataclasses.replace(given, **back, shared={}))
    allowed = 1e-6 * max(1.0, abs(one.value)) if not one.error else max(6 * one.error, 1e-6)
    expect(
        abs(one.value - two.value) <= allowed,
        f"Its score is {one.value:.6g}, but {two.value:.6g} with the events in another order.",
    )


def refuses_what_it_cannot_score(subject: MetricSubject) -> None:
    """The metric raises DataError if there are no events or some numbers are not finite."""
    given = subject.given()
    for what, change in (("no events", _cut(given, 0)), ("values that are not finite", _holed(given))):
        try:
            score = subject.metric.score(dataclasses.replace(given, **change, shared={}))
        except DataError:
            continue
        expect(False, f"For {what} it returns the score {score.value} instead of raising DataError.")


def leaves_events_alone(subject: MetricSubject) -> None:
    """Scoring changes none of the events, features and likelihoods that it receives."""
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
    holed = {name: value.copy() for name, value in _arrays(given).items()}
    for value in holed.values():
        value[3] = np.nan
    return holed


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
