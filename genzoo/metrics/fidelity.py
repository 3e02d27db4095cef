"""Samples of a model beside real events, by every registered metric."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from genzoo.errors import DataError, PluginError
from genzoo.fitted import Fitted
from genzoo.metrics.features import FeatureMap
from genzoo.metrics.metric import Metric, Score
from genzoo.registry import Registry, blame, resolve

Array = np.ndarray[Any, np.dtype[Any]]

MOST_EVENTS = 2_000
"""Real events that a metric is computed from, and as many samples; distances are quadratic in them."""


def find_metrics(registry: Registry, names: Iterable[str] | None = None) -> tuple[Metric, ...]:
    """The metrics of those names, or all.

    Raises:
        ConfigError: nobody registered one of them.
        PluginError: what is registered is no metric.
    """
    entries = list(registry.metrics) if names is None else [registry.metrics.get(name) for name in names]
    found = []
    for entry in entries:
        metric = resolve(entry.spec.metric, entry.spec)
        if not isinstance(metric, Metric):
            raise PluginError(f"Metric {entry.id!r} is a {type(metric).__name__} and no Metric.")
        found.append(metric)
    return tuple(found)


def sample_scores(
    fitted: Fitted, real: Array, metrics: Sequence[Metric], *, seed: int
) -> tuple[dict[str, Score], dict[str, str]]:
    """How samples lie beside real events that the model was not fitted to.

    Arguments:
        real: in data units, `(N, *event)`; rows with missing values are left out, and of more than `MOST_EVENTS`
            rows evenly spaced ones are used.
        seed: of the samples, as many as real events.

    Returns:
        The scores by metric, and why others are missing.
    """
    whole = real[np.isfinite(real).all(axis=tuple(range(1, real.ndim)))]
    if len(whole) > MOST_EVENTS:
        whole = whole[np.linspace(0, len(whole) - 1, MOST_EVENTS).astype(np.int64)]
    if not len(whole):
        reason = "no test row is without missing values" if len(real) else "there are no test rows"
        return {}, {metric.name: reason for metric in metrics}
    features = FeatureMap(fitted.data, whole)
    samples = features(fitted.sample(len(whole), seed=seed))
    scores, reasons = {}, {}
    for metric in metrics:
        try:
            with blame(f"Metric {metric.name!r}"):
                score = metric.score(features(whole), samples)
        except (DataError, PluginError) as error:
            reasons[metric.name] = str(error).rstrip(".")
            continue
        if not math.isfinite(score.value):
            reasons[metric.name] = f"it came out as {score.value}"
            continue
        protocol = {**score.protocol, "features": features.name, "seed": seed}
        scores[metric.name] = dataclasses.replace(score, protocol=protocol)
    return scores, reasons
