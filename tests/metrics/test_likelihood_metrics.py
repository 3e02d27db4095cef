"""Log-likelihoods of probability masses."""

import numpy as np
import pytest

from genzoo.errors import DataError
from genzoo.metrics.likelihood_metrics import mean_log_likelihood
from genzoo.metrics.metric import MetricInput

EVENTS = -np.random.default_rng(0).exponential(size=50)


def mean(values, measure="mass", kind="exact"):
    return mean_log_likelihood(MetricInput(log_likelihoods=values, measure=measure, kind=kind)).mean


def test_a_probability_above_1_is_refused_and_a_density_above_1_is_not():
    above = np.concatenate([EVENTS, [0.5]])
    with pytest.raises(DataError, match="probability of 1 of 51 events is above 1"):
        mean(above)
    assert mean(above, "density") == pytest.approx(above.mean())
    assert mean(np.concatenate([EVENTS, [1e-5]])) < 0  # the rounding of a sum


def test_a_bound_may_lie_above_1_by_chance_but_not_in_the_mean():
    bound = "lower bound (4 draws)"
    noise = np.random.default_rng(1).normal(0, 0.1, 50)
    assert mean(noise, kind=bound) == pytest.approx(noise.mean())
    with pytest.raises(DataError, match="probability of 50 of 50 events is above 1"):
        mean(noise + 1, kind=bound)
