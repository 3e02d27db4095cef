"""Distributions of levels compared with scipy's."""

import math

import numpy as np
import pytest
import torch
from scipy import special, stats

from genzoo_autoregressive.pixelcnn.levels import CategoricalLevels, LogisticMixture


def mixture_and_parameters(levels, components=3):
    """Return a mixture, its parameters, and its shares, centers and scales, by the definition of the latter."""
    mixture = LogisticMixture(levels, components)
    shares, centers, raw = np.random.default_rng(levels).normal(0, 1, (3, components))
    least = 2 / (levels - 1) / 32
    scales = np.exp(np.logaddexp(0, raw + 2)) * least
    return mixture, torch.tensor(np.concatenate([shares, centers, raw + 2])), special.softmax(shares), centers, scales


@pytest.mark.parametrize("levels", [2, 5, 256])
def test_a_level_has_the_mass_of_the_cell_around_it(levels):
    mixture, given, shares, centers, scales = mixture_and_parameters(levels)
    edges = np.concatenate([[-np.inf], (2 * np.arange(levels - 1) + 1) / (levels - 1) - 1, [np.inf]])[:, None]
    law = stats.logistic(centers, scales)
    lower = np.where(edges < centers, law.cdf(edges), 0.0)
    masses = np.where(
        edges[1:] < centers, np.diff(lower, axis=0), -np.diff(law.sf(edges), axis=0)
    )  # of the tail on the cell's side
    with np.errstate(divide="ignore"):  # far from narrow components, a mass is less than the smallest number
        expected = np.log((shares * masses).sum(1))
    found = mixture.log_prob(torch.arange(levels), given.expand(levels, -1))
    sure = expected > math.log(1e-200)
    assert np.allclose(found[sure], expected[sure], rtol=1e-6, atol=1e-9)
    assert found.exp().sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("extreme", [-200.0, -20.0, 20.0, 200.0])
def test_masses_and_gradients_stay_finite_at_extreme_parameters(extreme):
    mixture = LogisticMixture(256, 2)
    given = torch.tensor([0.0, 1.0, extreme, 0.3, extreme, -extreme]).expand(256, -1).clone().requires_grad_()
    found = mixture.log_prob(torch.arange(256), given)
    found.sum().backward()
    assert found.isfinite().all()
    assert given.grad.isfinite().all()
    assert found.exp().sum().item() == pytest.approx(1, abs=1e-4)


def test_a_mixture_draws_levels_as_often_as_their_masses_say():
    mixture, given, *_ = mixture_and_parameters(5)
    torch.manual_seed(0)
    drawn = mixture.sample(given.expand(20_000, -1))
    expected = 20_000 * mixture.log_prob(torch.arange(5), given.expand(5, -1)).exp().numpy()
    assert stats.chisquare(np.bincount(drawn, minlength=5), expected).pvalue > 1e-4


def test_a_mixture_starts_spread_over_the_range():
    mixture = LogisticMixture(256, 10)
    masses = mixture.log_prob(torch.arange(256), mixture.start().double().expand(256, -1)).exp()
    assert masses[1:-1].max() < 2 * masses[1:-1].min()


def test_a_categorical_is_scipys():
    given = torch.tensor(np.random.default_rng(0).normal(0, 2, (6, 4)))
    codes = torch.tensor([0, 1, 2, 3, 0, 2])
    expected = special.log_softmax(given.numpy(), 1)[np.arange(6), codes]
    assert np.allclose(CategoricalLevels(4).log_prob(codes, given), expected, rtol=1e-12)
