"""AIC, AICc, BIC and ICL."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

CRITERIA = ("aic", "aicc", "bic", "icl")
"""The names of the criteria, as options and reports use them."""


def aic(log_likelihood: float, degrees_of_freedom: int) -> float:
    """Return Akaike's criterion for a log-likelihood in nats, summed over events.

    Examples:
        >>> aic(-100.0, 3)
        206.0
    """
    return 2.0 * degrees_of_freedom - 2.0 * log_likelihood


def aicc(log_likelihood: float, degrees_of_freedom: int, n: float) -> float:
    """Return Akaike's criterion corrected for `n` events; `n` must exceed the degrees of freedom by more than 1."""
    k = degrees_of_freedom
    return aic(log_likelihood, k) + 2.0 * k * (k + 1.0) / (n - k - 1.0)


def bic(log_likelihood: float, degrees_of_freedom: int, n: float) -> float:
    """Return Schwarz's criterion for a log-likelihood in nats, summed over `n` events."""
    return degrees_of_freedom * math.log(n) - 2.0 * log_likelihood


def icl(bic: float, log_assigned: float) -> float:
    """Return ICL: BIC with a penalty for events that no component clearly claims.

    Arguments:
        bic: BIC of the same fit.
        log_assigned: log-probability of each event's most probable component, summed over events; at most 0.
    """
    return bic - 2.0 * log_assigned


def akaike_weights(criteria: Sequence[float]) -> list[float]:
    """Return for each model the probability that it is nearest to the truth, from the models' AIC or AICc.

    Examples:
        >>> akaike_weights([10.0, 10.0])
        [0.5, 0.5]
    """
    least = min(criteria)
    shares = [math.exp((least - value) / 2.0) for value in criteria]
    return [share / sum(shares) for share in shares]


@dataclass(frozen=True, slots=True)
class Criteria:
    """The criteria of one fit; `None` if one does not apply, with the reason under its name."""

    aic: float | None = None
    aicc: float | None = None
    bic: float | None = None
    icl: float | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)


def no_criteria(reason: str) -> Criteria:
    """Return criteria that are all `None` for the same reason."""
    return Criteria(reasons=dict.fromkeys(CRITERIA, reason))


def criteria(log_likelihood: float, degrees_of_freedom: int, n: float, log_assigned: float | None = None) -> Criteria:
    """Compute the criteria of a converged fit.

    Arguments:
        log_likelihood: log-likelihood summed over events, nats.
        degrees_of_freedom: number of free parameters.
        n: number of events; an event with frequency `w` counts `w` times.
        log_assigned: as for `icl`. Defaults to `None`: the model has no components.
    """
    k = degrees_of_freedom
    schwarz = bic(log_likelihood, k, n)
    reasons = {}
    if n <= k + 1:
        reasons["aicc"] = f"{n:g} events are too few for its free parameters"
    if log_assigned is None:
        reasons["icl"] = "the model has no components"
    return Criteria(
        aic(log_likelihood, k),
        None if "aicc" in reasons else aicc(log_likelihood, k, n),
        schwarz,
        None if log_assigned is None else icl(schwarz, log_assigned),
        reasons,
    )
