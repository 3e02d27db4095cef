"""All promises."""

from __future__ import annotations

from genzoo.errors import ConfigError, did_you_mean
from genzoo.testing import (
    accelerator,
    answer,
    bound,
    building,
    component,
    configuration,
    dataset,
    density,
    imputation,
    latent,
    metric,
    randomness,
    registration,
    sampling,
    training,
)
from genzoo.testing.promise import Promise, Sort

_ALL = (
    *registration.PROMISES,
    *configuration.PROMISES,
    *building.PROMISES,
    *sampling.PROMISES,
    *randomness.PROMISES,
    *accelerator.PROMISES,
    *training.PROMISES,
    *answer.PROMISES,
    *density.PROMISES,
    *bound.PROMISES,
    *latent.PROMISES,
    *component.PROMISES,
    *imputation.PROMISES,
    *metric.PROMISES,
    *dataset.PROMISES,
)


def promises(sort: Sort = "model") -> tuple[Promise, ...]:
    """What everything of a sort promises, in the order in which it is checked.

    Raises:
        ConfigError: there is no such sort.
    """
    found = tuple(promise for promise in _ALL if promise.sort == sort)
    if not found:
        known = {promise.sort for promise in _ALL}
        raise ConfigError(f"Nothing is promised of a {sort!r}. {did_you_mean(sort, known)}")
    return found
