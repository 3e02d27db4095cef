"""Held-out log-likelihood and bits per dimension as metrics."""

from __future__ import annotations

import math

import numpy as np

from genzoo.errors import DataError
from genzoo.metrics.likelihood import bits_per_dim
from genzoo.metrics.metric import Direction, Metric, MetricInput, Need, Score
from genzoo.metrics.statistics import Estimate, estimate
from genzoo.spec import Modality
from genzoo.typing import Array

_ROUNDING = 1e-3
"""Nats by which a float32 sum may lie above the logarithm of 1."""


_SURE = 4
"""Standard errors above it at which the mean of a bound is no accident of its draws."""


def mean_log_likelihood(given: MetricInput) -> Estimate:
    """The mean over events in nats, with its standard error.

    Raises:
        DataError: there are no events, or some have no number; the model has no density at one of them, or gives one a
            probability above 1, or all of them have the weight 0.
    """
    values = given.log_likelihoods
    assert values is not None
    if not len(values) or np.isnan(values).any():
        raise DataError(f"A log-likelihood is a number for each event, and these are {values[:3]} of {len(values)}.")
    impossible = int(np.isneginf(values).sum())
    if impossible:
        raise DataError(f"{impossible} of {len(values)} events have density 0 under the model.")
    if given.weights is not None and not given.weights.any():
        raise DataError("All events have the weight 0.")
    found = estimate(values[None], given.weights)
    if given.measure == "mass":
        _check_mass(values, found, exact=given.kind == "exact")
    return found


def _check_mass(values: Array, found: Estimate, *, exact: bool) -> None:
    """Refuse probabilities above 1; a lower bound is drawn, and only its mean over events is known well.

    Raises:
        DataError: there are such.
    """
    above = int((values > _ROUNDING).sum())
    error = found.se if math.isfinite(found.se) else 0.0
    if above and (exact or found.mean > _ROUNDING + _SURE * error):
        raise DataError(
            f"The likelihood is said to measure a probability mass, and {above} of {len(values)} events have one above "
            f"1, which is impossible: what the model gives is a density, or wrong."
        )


class LogLikelihoodMetric(Metric):
    """Nats per event, in data units; the protocol says whether exact or a bound, and what is measured."""

    name = "log-likelihood"
    direction: Direction = "higher"
    needs: frozenset[Need] = frozenset({"likelihood"})

    def score(self, given: MetricInput) -> Score:
        found = mean_log_likelihood(given)
        return Score(self.name, found.mean, self.direction, _known_likelihoods(found.se), {"unit": "nats per event"})


class BitsPerDimension(Metric):
    """Bits that a lossless code spends on each place of an image, of models that give it a probability mass."""

    name = "bits-per-dim"
    direction: Direction = "lower"
    needs: frozenset[Need] = frozenset({"likelihood"})
    modalities: tuple[Modality, ...] = ("image",)

    def score(self, given: MetricInput) -> Score:
        if given.measure != "mass":
            raise DataError(
                f"Bits per dimension are of a probability mass, and this likelihood measures {given.measure}."
            )
        assert given.data is not None
        found = mean_log_likelihood(given)
        error = _known_likelihoods(found.se)
        value = bits_per_dim(found.mean, given.data.size)
        return Score(self.name, value, self.direction, None if error is None else -bits_per_dim(error, given.data.size))


def _known_likelihoods(error: float) -> float | None:
    return error if math.isfinite(error) else None


log_likelihood = LogLikelihoodMetric()


bits_per_dim_metric = BitsPerDimension()
