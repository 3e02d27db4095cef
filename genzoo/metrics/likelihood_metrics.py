"""Held-out log-likelihood and bits per dimension as metrics."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from typing import Any

import numpy as np

from genzoo.data.texts.symbols import of_bytes
from genzoo.errors import DataError
from genzoo.inference.row_likelihoods import bits_per_dim, is_estimate
from genzoo.metrics.metric import Direction, Metric, MetricInput, Need, Score
from genzoo.metrics.statistics import Estimate, estimate
from genzoo.spec.events import DataSpec
from genzoo.spec.modality import Modality
from genzoo.typing import Array

_ROUNDING = 1e-3
"""Nats by which rounding in float32 may raise a log-probability above 0."""


_MOST_NATS = 700.0
"""Nats per symbol whose exponential is still a finite number."""


_SURE = 4
"""Number of standard errors above 0 at which the mean of a bound is no accident of its draws."""


def mean_log_likelihood(given: MetricInput) -> Estimate:
    """Estimate the mean log-likelihood over events, in nats, with its standard error.

    Raises:
        DataError: there are no events, or all have weight 0; a log-likelihood is NaN or minus infinity; or a
            probability is above 1.
    """
    values = given.log_likelihoods
    assert values is not None
    if not len(values) or np.isnan(values).any():
        raise DataError(f"Every event needs a log-likelihood; the first of {len(values)} are {values[:3]}.")
    impossible = int(np.isneginf(values).sum())
    if impossible:
        raise DataError(f"{impossible} of {len(values)} events have density 0 under the model.")
    if given.weights is not None and not given.weights.any():
        raise DataError("All events have the weight 0.")
    mean = estimate(values[None], given.weights)
    if _is_mass(given):
        _check_mass(values, mean, exact=given.kind == "exact")
    return mean


def _is_mass(given: MetricInput) -> bool:
    """Return whether a likelihood is a probability mass, also one given conditions."""
    return given.measure is not None and is_mass(given.measure)


def is_mass(measure: str) -> bool:
    """Return whether a measure is a probability mass: of events, or of levels that their values are rounded to.

    Examples:
        >>> [is_mass(measure) for measure in ("mass", "mass of 256 mu-law levels", "density of a; mass of b")]
        [True, True, False]
    """
    return measure.startswith("mass")


def _check_mass(values: Array, mean: Estimate, *, exact: bool) -> None:
    """Check that no probability is above 1.

    A lower bound is random, so it may exceed 0 for single events. Only its mean over events is checked.

    Raises:
        DataError: there are probabilities above 1.
    """
    above = int((values > _ROUNDING).sum())
    error = mean.se if math.isfinite(mean.se) else 0.0
    if above and (exact or mean.mean > _ROUNDING + _SURE * error):
        raise DataError(
            f"The likelihood is declared as a probability mass, but the probability of {above} of {len(values)} events "
            f"is above 1. The model's likelihood is a density, or wrong."
        )


class LogLikelihoodMetric(Metric):
    """Mean log-likelihood in nats per event, in data units; the protocol records its kind and measure."""

    name = "log-likelihood"
    direction: Direction = "higher"
    needs: frozenset[Need] = frozenset({"likelihood"})

    def score(self, given: MetricInput) -> Score:
        mean = mean_log_likelihood(given)
        about = {"unit": "nats per event"}
        return Score(self.name, mean.mean, self.direction, _finite(mean.se), about, notes=_about_solver(given))


def _about_solver(given: MetricInput) -> tuple[str, ...]:
    """Return a note on estimates: their standard error covers rows and probes, and not the solver."""
    if given.kind is None or not is_estimate(given.kind):
        return ()
    return (
        f"is an estimate, which may be above or below the log-likelihood; half as many steps of its solver change it "
        f"by {given.solver_error:.2g} nats.",
    )


class BitsPerDimension(Metric):
    """Bits per value that a lossless code needs for an image; the model must have a probability mass."""

    name = "bits-per-dim"
    direction: Direction = "lower"
    needs: frozenset[Need] = frozenset({"likelihood"})
    modalities: tuple[Modality, ...] = ("image",)

    def score(self, given: MetricInput) -> Score:
        if not _is_mass(given):
            raise DataError(
                f"Bits per dimension need a probability mass, and this likelihood measures {given.measure}."
            )
        assert given.data is not None
        mean = mean_log_likelihood(given)
        error = _finite(mean.se)
        value = bits_per_dim(mean.mean, given.data.size)
        return Score(self.name, value, self.direction, None if error is None else -bits_per_dim(error, given.data.size))


class BitsPerByte(Metric):
    """Bits per byte that a lossless code needs for texts; their ends cost bits, too, and are no bytes.

    It is a ratio of means. Its standard error comes from a linear approximation, and takes texts as independent.
    Windows of a long text that overlap have no ends to pay for.
    """

    name = "bits-per-byte"
    direction: Direction = "lower"
    needs: frozenset[Need] = frozenset({"likelihood"})
    modalities: tuple[Modality, ...] = ("text",)

    def score(self, given: MetricInput) -> Score:
        assert given.data is not None
        assert given.lengths is not None
        if not of_bytes(given.data):
            raise DataError("Bits per byte are for texts of bytes, and the symbols of these are none.")
        if given.strided is not None:
            given = dataclasses.replace(
                given, log_likelihoods=given.strided.logs, lengths=given.strided.counts, weights=None
            )
        logs, lengths = given.log_likelihoods, given.lengths
        assert logs is not None
        assert lengths is not None
        mean_log_likelihood(given)  # checks them
        if not estimate(lengths[None].astype(np.float64), given.weights).mean:
            raise DataError("All texts are empty, so there are no bytes.")
        rate, error = bits_per_size(logs, lengths, given.weights)
        return Score(self.name, rate, self.direction, error, _of_windows(given))


class BitsPerSample(Metric):
    """Bits per sample that a lossless code needs for sounds of levels; their ends cost bits, too, and are no samples.

    A sound has as many samples as there are up to the last that is not 0. Its standard error is as for `bits-per-byte`.
    """

    name = "bits-per-sample"
    direction: Direction = "lower"
    needs: frozenset[Need] = frozenset({"likelihood"})
    modalities: tuple[Modality, ...] = ("audio",)

    def score(self, given: MetricInput) -> Score:
        if not _is_mass(given):
            raise DataError(f"Bits per sample need a probability mass, and this likelihood measures {given.measure}.")
        assert given.log_likelihoods is not None
        assert given.lengths is not None
        mean_log_likelihood(given)  # checks them
        if not estimate(given.lengths[None].astype(np.float64), given.weights).mean:
            raise DataError("All sounds are silent, so there are no samples.")
        rate, error = bits_per_size(given.log_likelihoods, given.lengths, given.weights)
        return Score(self.name, rate, self.direction, error)


def bits_per_size(logs: Array, lengths: Array, weights: Array | None = None) -> tuple[float, float | None]:
    """Return the bits per byte of texts or per sample of sounds, and their standard error if it is known.

    Arguments:
        logs: log-likelihoods in nats, `(N,)`.
        lengths: numbers of bytes or samples, `(N,)`; not all are 0.
        weights: weights of the events, `(N,)`. Defaults to `None`: equal weights.
    """
    counts = lengths.astype(np.float64)
    mean = estimate(counts[None], weights).mean
    rate = -estimate(logs[None], weights).mean / mean
    gaps = estimate((-logs - rate * counts)[None], weights)
    return rate / math.log(2.0), _finite(gaps.se / (mean * math.log(2.0)))


def _of_windows(given: MetricInput) -> dict[str, Any]:
    """Return what a protocol says about windows; nothing for whole texts."""
    if given.data is None or not given.data.windows:
        return {}
    size = given.data.event_shape[0]
    stride, ends = (size, "counted") if given.strided is None else (given.strided.stride, "left out")
    return {"window": size, "stride": stride, "ends of windows": ends}


class TokenPerplexity(Metric):
    """The exponential of the nats per symbol of a model: as many symbols would be as hard to guess if all were equal.

    Symbols are what the model reads: bytes, characters or tokens. Longer ones are fewer and harder to guess, so only
    models with the same vocabulary have scores that mean the same.
    """

    name = "token-perplexity"
    direction: Direction = "lower"
    needs: frozenset[Need] = frozenset({"likelihood"})
    modalities: tuple[Modality, ...] = ("text",)

    def score(self, given: MetricInput) -> Score:
        if given.symbols is None or given.model_data is None:
            raise DataError("The symbols that the model reads are not known here.")
        nats, counts = mean_log_likelihood(given), given.symbols.astype(np.float64)
        assert given.log_likelihoods is not None
        mean = estimate(counts[None], given.weights).mean
        rate = -nats.mean / mean
        gaps = estimate((-given.log_likelihoods - rate * counts)[None], given.weights)
        value = math.exp(min(rate, _MOST_NATS))
        symbol = given.model_data.features[0].name
        protocol = {"unit": f"per {symbol}, ends included", "vocabulary": _vocabulary(given.model_data)}
        note = f"compares only models with the same {given.model_data.end} {symbol}s; bits-per-byte compares all."
        return Score(self.name, value, self.direction, _finite(value * gaps.se / mean), protocol, notes=(note,))


def _vocabulary(data: DataSpec) -> str:
    """Return the number of symbols, and the beginning of a digest of their names."""
    names = data.features[0].levels or ()
    return f"{len(names)} ({hashlib.sha256(json.dumps(names).encode()).hexdigest()[:8]})"


def _finite(error: float) -> float | None:
    return error if math.isfinite(error) else None


log_likelihood = LogLikelihoodMetric()


bits_per_dim_metric = BitsPerDimension()


bits_per_byte = BitsPerByte()


bits_per_sample = BitsPerSample()


token_perplexity = TokenPerplexity()
