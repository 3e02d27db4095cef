"""Missing values: the density of observed values, EM on it, and imputation."""

import numpy as np
import pytest
import torch
from mixture_cases import (
    begin,
    blocks,
    collect,
    covariances,
    knock_out,
    mixture,
    problem,
    random_parameters,
    run_passes,
    set_parameters,
)
from scipy import stats
from scipy.special import logsumexp

NAMES = ["full", "tied", "diagonal", "spherical"]


def held(x, missing):
    return torch.as_tensor(x).masked_fill(torch.as_tensor(missing), 0.0), torch.as_tensor(missing)


def joint_reference(generator, x, missing):
    """Compute log p(k, observed values) event by event from scipy's marginals, `(N, K)`."""
    weights, means, spread = generator.log_weights.numpy(), generator.emissions[0].means.numpy(), covariances(generator)
    joint = np.tile(weights, (len(x), 1))
    for n, hidden in enumerate(missing):
        seen = ~hidden
        for k in range(len(means) if seen.any() else 0):
            normal = stats.multivariate_normal(means[k][seen], spread[k][np.ix_(seen, seen)])
            joint[n, k] += normal.logpdf(x[n][seen])
    return joint


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("components", [1, 3])
def test_the_density_of_observed_values_is_the_marginal(name, components):
    x = problem(n=120, columns=4)
    missing = knock_out(x)
    generator = random_parameters(mixture(name, components, 4))
    joint = joint_reference(generator, x, missing)
    expected = logsumexp(joint, 1)
    events, hidden = held(x, missing)
    assert np.allclose(generator.log_prob(events, hidden), expected, rtol=1e-11, atol=1e-11)
    assert np.allclose(generator.log_posterior(events, hidden), joint - expected[:, None], rtol=1e-10, atol=1e-10)
    assert np.allclose(generator.log_prob(events, hidden)[:3], 0.0, atol=1e-12), "nothing observed has probability 1"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_missing_is_the_same_as_no_mask(name):
    x = problem(n=200)
    parts, masked = blocks(x), blocks(x, np.zeros(x.shape, bool))
    generator, other = (random_parameters(mixture(name)) for _ in range(2))
    assert torch.allclose(generator.log_prob(parts[0].x), other.log_prob(masked[0].x, masked[0].missing), rtol=1e-12)
    assert np.allclose(run_passes(generator, parts, 5), run_passes(other, masked, 5), rtol=1e-12)
    assert np.allclose(covariances(generator), covariances(other), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("start", ["kmeans", "random"])
def test_the_likelihood_of_observed_values_never_falls(name, start):
    x = problem(n=400)
    parts = blocks(x, knock_out(x), count=2)
    found = run_passes(begin(mixture(name, start=start, reg_covar=0.0), parts), parts, 30)
    assert (np.diff(found) >= -1e-9 * np.abs(found[0])).all()
    assert found[-1] > found[0]


def textbook(x, missing, weights, means, spread, *, tied=False, passes=1):
    """Run EM of a Gaussian mixture with missing values, event by event (Little and Rubin, 2002, chapter 11)."""
    n, columns = x.shape
    components = len(weights)
    for _ in range(passes):
        joint = np.zeros((n, components))
        filled, rest = np.zeros((components, n, columns)), np.zeros((components, n, columns, columns))
        for i, hidden in enumerate(missing):
            seen = ~hidden
            for k in range(components):
                gain = np.zeros((hidden.sum(), seen.sum()))
                joint[i, k] = np.log(weights[k])
                if seen.any():
                    inner = spread[k][np.ix_(seen, seen)]
                    joint[i, k] += stats.multivariate_normal(means[k][seen], inner).logpdf(x[i, seen])
                    gain = np.linalg.solve(inner, spread[k][np.ix_(seen, hidden)]).T
                filled[k, i, seen] = x[i, seen]
                filled[k, i, hidden] = means[k][hidden] + gain @ (x[i, seen] - means[k][seen])
                rest[k, i][np.ix_(hidden, hidden)] = (
                    spread[k][np.ix_(hidden, hidden)] - gain @ spread[k][np.ix_(seen, hidden)]
                )
        share = np.exp(joint - logsumexp(joint, 1, keepdims=True))
        counts = share.sum(0)
        weights, means = counts / n, np.einsum("nk,knc->kc", share, filled) / counts[:, None]
        deviation = filled - means[:, None]
        scatter = np.einsum("nk,knc,knd->kcd", share, deviation, deviation) + np.einsum("nk,kncd->kcd", share, rest)
        spread = np.tile(scatter.sum(0) / n, (components, 1, 1)) if tied else scatter / counts[:, None, None]
    return weights, means, spread


@pytest.mark.parametrize("name", ["full", "tied"])
@pytest.mark.parametrize("components", [1, 2])
def test_em_with_missing_values_equals_the_textbooks(name, components):
    x = problem(n=80, components=components)
    missing = knock_out(x, 0.25)
    generator = random_parameters(mixture(name, components, reg_covar=0.0))
    start = generator.log_weights.exp().numpy(), generator.emissions[0].means.numpy().copy(), covariances(generator)
    weights, means, spread = textbook(x, missing, *start, tied=name == "tied", passes=6)
    run_passes(generator, blocks(x, missing, count=2), 6)
    assert np.allclose(generator.log_weights.exp(), weights, rtol=1e-9)
    assert np.allclose(generator.emissions[0].means, means, rtol=1e-8, atol=1e-9)
    assert np.allclose(covariances(generator), spread, rtol=1e-8, atol=1e-9)


def test_one_gaussian_converges_to_the_textbooks_estimate():
    x = problem(n=80, components=1)
    missing = knock_out(x, 0.1)
    generator = begin(mixture("full", 1, reg_covar=0.0), blocks(x, missing))
    run_passes(generator, blocks(x, missing), 60)
    rest = textbook(x, missing, np.ones(1), np.nanmean(x, 0)[None], np.cov(x.T)[None], passes=25)
    assert np.allclose(generator.emissions[0].means, rest[1], atol=1e-7)
    assert np.allclose(covariances(generator), rest[2], atol=1e-6)


@pytest.mark.parametrize("name", ["diagonal", "spherical"])
def test_one_diagonal_gaussian_has_the_moments_of_the_observed_values(name):
    x = problem(n=300, components=1)
    missing = knock_out(x)
    generator = begin(mixture(name, 1, reg_covar=0.0), blocks(x, missing))
    run_passes(generator, blocks(x, missing), 1)
    seen = np.where(missing, np.nan, x)
    mean, variance = np.nanmean(seen, 0), np.nanvar(seen, 0)
    if name == "spherical":
        variance = np.full(3, np.nanmean((seen - mean) ** 2))
    assert np.allclose(generator.emissions[0].means[0], mean, rtol=1e-10)
    assert np.allclose(np.diag(covariances(generator)[0]), variance, rtol=1e-10)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("hidden", [False, True])
def test_statistics_of_blocks_of_any_size_add_up(name, hidden):
    x = problem(n=157)
    missing = knock_out(x) if hidden else None
    generator = random_parameters(mixture(name))
    whole = collect(generator, blocks(x, missing))
    for count in (2, 10, 157):
        parts = collect(generator, blocks(x, missing, count=count))
        assert all(torch.allclose(parts[key], value, rtol=1e-10, atol=1e-10) for key, value in whole.items())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_whole_weights_are_repeated_rows(name, hidden, dtype):
    x = problem(n=120)
    rng = np.random.default_rng(1)
    weight = rng.integers(0, 4, len(x))
    rows = np.repeat(np.arange(len(x)), weight)
    missing = knock_out(x) if hidden else np.zeros(x.shape, bool)
    generator, other = (random_parameters(mixture(name)).to(dtype) for _ in range(2))
    x = x.astype(str(dtype).removeprefix("torch."))
    weighted = run_passes(generator, blocks(x, missing if hidden else None, weight.astype(np.float64), 3), 8)
    repeated = run_passes(other, blocks(x[rows], missing[rows] if hidden else None), 8)
    tolerance = 1e-10 if dtype == torch.float64 else 1e-5
    assert np.allclose(weighted, repeated, rtol=tolerance)
    assert torch.allclose(generator.emissions[0].means, other.emissions[0].means, rtol=100 * tolerance)


@pytest.mark.parametrize("start", ["kmeans", "k-means++", "random_from_data", "random"])
@pytest.mark.parametrize("noise", [False, True])
def test_a_start_ignores_events_of_weight_zero(start, noise):
    x = np.concatenate([problem(n=100), np.full((5, 3), 1e6)])
    weight = np.concatenate([np.ones(100), np.zeros(5)])
    generator = begin(mixture(start=start, noise=noise), blocks(x, None, weight, 2))
    assert generator.emissions[0].means.abs().max() < 100
    assert not noise or generator.high.max() < 100


def test_restarts_are_independent():
    x = problem(n=200)
    parts = blocks(x, knock_out(x, 0.4))
    fresh, used = mixture(start="kmeans"), mixture(start="kmeans")
    run_passes(begin(used, parts, seed=5), parts, 30)
    begin(fresh, parts, seed=1)
    begin(used, parts, seed=1)
    assert np.allclose(covariances(fresh), covariances(used), rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("components", [1, 3])
def test_imputation_is_the_conditional_mean(name, components):
    x = problem(n=60, columns=4)
    missing = knock_out(x, 0.4)
    generator = random_parameters(mixture(name, components, 4))
    means, spread = generator.emissions[0].means.numpy(), covariances(generator)
    joint = joint_reference(generator, x, missing)
    share = np.exp(joint - logsumexp(joint, 1, keepdims=True))
    expected = x.copy()
    for n, hidden in enumerate(missing):
        seen, mean = ~hidden, np.zeros(hidden.sum())
        for k in range(components):
            inner, across = spread[k][np.ix_(seen, seen)], spread[k][np.ix_(hidden, seen)]
            mean += share[n, k] * (means[k][hidden] + across @ np.linalg.solve(inner, x[n][seen] - means[k][seen]))
        expected[n][hidden] = mean
    assert np.allclose(generator.impute(*held(x, missing)), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["full", "tied", "diagonal"])
def test_draws_of_missing_values_have_the_conditional_moments(name):
    torch.manual_seed(0)
    generator = random_parameters(mixture(name, 1, 4))
    mean, spread = generator.emissions[0].means[0].numpy(), covariances(generator)[0]
    event = mean + np.array([1.0, -0.5, 2.0, 0.3])
    hidden = np.array([False, True, False, True])
    seen, n = ~hidden, 40_000
    gain = spread[np.ix_(hidden, seen)] @ np.linalg.inv(spread[np.ix_(seen, seen)])
    center = mean[hidden] + gain @ (event - mean)[seen]
    rest = spread[np.ix_(hidden, hidden)] - gain @ spread[np.ix_(seen, hidden)]
    drawn = generator.impute(*held(np.tile(event, (n, 1)), np.tile(hidden, (n, 1))), draw=True).numpy()
    assert np.array_equal(drawn[:, seen], np.tile(event[seen], (n, 1)))
    found = drawn[:, hidden]
    assert (np.abs(found.mean(0) - center) < 5 * np.sqrt(np.diag(rest) / n)).all()
    bound = 5 * np.sqrt((rest**2 + np.outer(np.diag(rest), np.diag(rest))) / n)
    assert (np.abs(np.cov(found.T) - rest) < bound).all()


def test_missing_values_are_drawn_from_components_by_their_posterior():
    torch.manual_seed(0)
    spread = np.array([[[1.0, 0.8], [0.8, 1.0]], [[1.0, -0.5], [-0.5, 2.0]]])
    generator = set_parameters(
        mixture("full", 2, 2), np.array([0.3, 0.7]), np.array([[0.0, 10.0], [1.0, -10.0]]), spread
    )
    n = 40_000
    x, missing = held(np.tile([0.5, 0.0], (n, 1)), np.tile([False, True], (n, 1)))
    drawn = generator.impute(x, missing, draw=True)[:, 1].numpy()
    joint = np.log([0.3, 0.7]) + stats.norm([0, 1], 1).logpdf(0.5)
    share = np.exp(joint - logsumexp(joint))
    high = drawn > 0
    assert abs(high.mean() - share[0]) < 5 * np.sqrt(share.prod() / n)
    assert abs(drawn[high].mean() - 10.4) < 5 * 0.6 / np.sqrt(high.sum())
    assert abs(drawn[~high].std() - np.sqrt(2 - 0.25)) < 0.05


def test_float32_with_missing_values_stays_close_to_float64():
    x = problem(n=2000, columns=5)
    missing = knock_out(x)
    generator = random_parameters(mixture("full", 3, 5))
    exact = generator.log_prob(*held(x, missing)).mean().item()
    generator.float()
    found = generator.log_prob(*held(x.astype(np.float32), missing)).double().mean().item()
    assert found == pytest.approx(exact, rel=1e-6)
