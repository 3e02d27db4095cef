"""Every distribution p(x | z) compared with scipy's: it sums to one, and its samples and mean agree with it."""

import math

import numpy as np
import pytest
import torch
from scipy import special, stats
from vae_cases import MIXED, made

from genzoo_vae.observation import (
    Bernoulli,
    Categorical,
    Columns,
    DiscretizedLogistic,
    GaussianObservation,
    NegativeBinomial,
    Poisson,
)
from genzoo_vae.observation.deviance import stirling_error

RNG = np.random.default_rng(0)


def tensor(values, dtype=torch.float64):
    return torch.as_tensor(values, dtype=dtype)


def grid(levels, places, dtype=torch.float64):
    """Return events with every level at all places, `(levels, D)`."""
    return (torch.arange(levels, dtype=dtype) / (levels - 1))[:, None].expand(-1, places)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("learned", ["shared", "place", "network"])
@pytest.mark.parametrize("levels", [2, 17, 256])
def test_a_discretized_logistic_sums_to_one_at_any_center_and_scale(levels, learned, dtype):
    places = 60
    observation = DiscretizedLogistic(places, levels, learned).to(dtype)
    if observation.spread.raw is not None:
        observation.spread.raw.data = tensor(RNG.normal(0, 6, observation.spread.raw.shape), dtype)
    given = np.concatenate([RNG.normal(0, 2, places), RNG.normal(0, 6, observation.width - places)])
    given[:4] = [-300.0, 300.0, -2.4, 2.4]
    found = observation.log_prob(grid(levels, places, dtype), tensor(given, dtype)).double()
    assert torch.isfinite(found).all()
    tolerance = 1e-12 if dtype == torch.float64 else 2e-5
    assert np.allclose(found.exp().sum(0).detach(), 1.0, atol=tolerance)


def test_a_discretized_logistic_is_the_mass_of_each_cell():
    observation = DiscretizedLogistic(3, 17, "network").double()
    given = tensor([0.1, -0.4, 0.6, 0.3, -1.0, 0.5])
    center = 1.2 * special.expit(given[:3].numpy()) - 0.1
    scale = observation.spread(given[3:]).exp().numpy()
    edges = np.concatenate([[-np.inf], (np.arange(16) + 0.5) / 16, [np.inf]])[:, None]
    expected = np.log(np.diff(stats.logistic(center, scale).cdf(edges), axis=0))
    assert np.allclose(observation.log_prob(grid(17, 3), given), expected, rtol=1e-6)


def test_gradients_of_a_narrow_logistic_stay_finite_far_away():
    observation = DiscretizedLogistic(4, 256, "network")
    given = torch.tensor([40.0, -40.0, 0.0, 0.3, -50.0, -50.0, 50.0, 0.0], requires_grad=True)
    observation.log_prob(torch.tensor([[0.0, 1.0, 0.5, 1.0]]), given).sum().backward()
    assert torch.isfinite(given.grad).all()


def test_a_logistic_far_too_wide_is_flat_and_finite():
    observation = DiscretizedLogistic(3, 256, "network")
    given = torch.tensor([0.3, -1.0, 0.5, 40.0, 120.0, 1e6], requires_grad=True)
    found = observation.log_prob(torch.full((1, 3), 100 / 255), given)
    log_scale = observation.spread(given[3:]).detach()
    # Around its center a logistic of scale s has the density 1 / (4 s).
    assert np.allclose(found.detach(), -math.log(255) - math.log(4) - log_scale, rtol=1e-6)
    found.sum().backward()
    assert np.allclose(given.grad[3:], -1.0)


def test_the_scale_of_a_gaussian_never_falls_below_its_least():
    observation = GaussianObservation(2, "network", 0.5, 0.01).double()
    given = tensor([0.0, 0.0, -1e6, 0.0])
    density = observation.log_prob(tensor([[0.0, 0.0]]), given)[0]
    assert np.allclose(density, stats.norm(0, [0.01, 0.5]).logpdf(0.0), rtol=1e-12)


@pytest.mark.parametrize("least", [0.5, 1.0])
def test_a_least_deviation_above_the_first_one_raises_the_first_one(least):
    observation = GaussianObservation(1, "shared", 0.2, least).double()
    deviations = observation.spread(tensor([0.0])).exp().item()
    assert deviations == pytest.approx(2 * least)


def test_bernoulli_and_categorical_have_scipys_probabilities():
    logits = RNG.normal(0, 3, 7)
    x = RNG.integers(0, 2, (5, 7)).astype(float)
    found = Bernoulli(7).log_prob(tensor(x), tensor(logits))
    assert np.allclose(found, stats.bernoulli(special.expit(logits)).logpmf(x), rtol=1e-9)
    logits = RNG.normal(0, 3, (5, 4, 7))  # 5 events, 4 levels, 7 places
    codes = RNG.integers(0, 4, (5, 7))
    expected = np.take_along_axis(special.log_softmax(logits, 1), codes[:, None], 1)[:, 0]
    for spacing in (1.0, 1 / 3):
        observation = Categorical(7, 4, spacing=spacing)
        assert np.allclose(observation.log_prob(tensor(codes * spacing), tensor(logits.reshape(5, -1))), expected)


@pytest.mark.parametrize(("dtype", "relative"), [(torch.float64, 1e-10), (torch.float32, 3e-5)])
@pytest.mark.parametrize("log_shape", [-3.0, 2.3, 9.0, 15.0])
def test_counts_from_zero_to_a_million_have_scipys_probabilities(log_shape, dtype, relative):
    x = np.array([0, 1, 2, 5, 15, 16, 17, 130, 5000, 1_000_000], float)
    for factor in (0.7, 1.0, 1.01, 3.0):
        mean = np.maximum(x, 0.4) * factor
        given = tensor(np.log(mean), dtype)
        found = Poisson(len(x)).log_prob(tensor(x[None], dtype), given)[0].double()
        rounded = given.double().exp().numpy()  # the mean with the rounding error of its logarithm
        expected = stats.poisson(rounded).logpmf(x)
        assert np.allclose(found, expected, rtol=relative, atol=100 * relative), factor
        observation = NegativeBinomial(len(x)).to(dtype)
        observation.log_shape.data.fill_(log_shape)
        shape = np.exp(log_shape)
        expected = stats.nbinom(shape, shape / (shape + rounded)).logpmf(x)
        found = observation.log_prob(tensor(x[None], dtype), given)[0].detach().double()
        assert np.allclose(found, expected, rtol=max(relative, 1e-8), atol=max(100 * relative, 1e-8)), factor


def test_stirlings_error_is_the_difference_from_the_formula():
    x = np.array([1e-6, 0.3, 1.0, 15.99, 16.0, 16.01, 90.0, 400.0])
    expected = special.gammaln(x + 1) - ((x + 0.5) * np.log(x) - x + 0.5 * np.log(2 * np.pi))
    assert np.allclose(stirling_error(tensor(x)), expected, atol=1e-12)


@pytest.mark.parametrize(
    "observation",
    [
        Bernoulli(3),
        GaussianObservation(3, "network", 0.3, 0.01),
        DiscretizedLogistic(3, 256, "network"),
        Poisson(3),
        NegativeBinomial(3),
    ],
    ids=lambda observation: type(observation).__name__,
)
def test_the_expectation_is_the_mean_of_samples(observation):
    torch.manual_seed(0)
    given = torch.tensor([0.3, -0.6, 0.45, 0.1, 0.5, 1.0])[: observation.width].double()
    drawn = observation.double().sample(given.expand(40_000, -1)).detach()
    error = drawn.std(0) / 200
    assert ((drawn.mean(0) - observation.expectation(given)).abs() < 4.5 * error + 1e-6).all()
    if isinstance(observation, DiscretizedLogistic):
        levels = drawn * 255
        assert torch.allclose(levels, levels.round(), atol=1e-9)
        assert drawn.min() == 0.0
        assert drawn.max() == 1.0


def test_samples_of_categories_are_as_frequent_as_they_are_probable():
    torch.manual_seed(0)
    logits = np.log([[0.5, 0.1], [0.2, 0.8], [0.3, 0.1]])
    observation = Categorical(2, 3)
    drawn = observation.sample(tensor(logits.reshape(-1)).expand(30_000, -1)).numpy()
    for place in (0, 1):
        counts = np.bincount(drawn[:, place].astype(int), minlength=3)
        assert stats.chisquare(counts, np.exp(logits[:, place]) * 30_000).pvalue > 1e-3
    averaged = observation.expectation(tensor(logits.reshape(1, -1)))
    assert np.allclose(averaged.reshape(3, 2), np.exp(logits))
    assert observation.conclude(averaged).tolist() == [[0.0, 1.0]], "the most probable level"


def test_a_mixed_table_is_the_sum_of_its_columns():
    vae = made(MIXED, counts="poisson", least_scale=1e-3, spread="place")
    observation = vae.observation
    assert isinstance(observation, Columns)
    x = np.array([[1, 0.4, 2, 3, -1.0], [0, -2.0, 0, 0, 0.5]])
    given = RNG.normal(0, 1, (2, observation.width))
    binary, continuous, town, count = np.split(given, [1, 3, 6], 1)  # kinds in order of their first columns
    expected = np.zeros((2, 5))
    expected[:, 0] = stats.bernoulli(special.expit(binary[:, 0])).logpmf(x[:, 0])
    expected[:, 1] = stats.norm(continuous[:, 0], 0.5).logpdf(x[:, 1])
    expected[:, 4] = stats.norm(continuous[:, 1], 0.5).logpdf(x[:, 4])
    expected[:, 2] = special.log_softmax(town, 1)[[0, 1], x[:, 2].astype(int)]
    expected[:, 3] = stats.poisson(np.exp(count[:, 0])).logpmf(x[:, 3])
    found = observation.log_prob(tensor(x), tensor(given)).detach()
    assert np.allclose(found, expected, rtol=1e-9)
    averaged = tensor([[0.2, 1.5, -2.5, 0.1, 0.2, 0.7, 4.0]])
    assert observation.conclude(averaged).tolist() == [[0.2, 1.5, 2.0, 4.0, -2.5]]


def test_an_encoder_sees_one_hot_levels_log_counts_and_zeros_for_missing():
    observation = made(MIXED).observation
    x = tensor([[1.0, 0.4, 2.0, 3.0, -1.0], [0.0, 0.0, 0.0, 0.0, 0.0]])
    missing = torch.tensor([[False] * 5, [True] * 5])
    shown = observation.show(x, missing).detach()
    assert np.allclose(shown[0], [1.0, 0.4, -1.0, 0.0, 0.0, 1.0, np.log(4.0)])
    assert not shown[1].any()
