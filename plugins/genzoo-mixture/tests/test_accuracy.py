"""Blocks in float32 lose almost no accuracy, for any means and for nearly dependent columns."""

import copy

import numpy as np
import pytest
import torch
from mixture_cases import begin, blocks, collect, covariances, mixture, random_parameters, run_passes
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import genzoo
from genzoo_mixture import em
from genzoo_mixture.em import MixtureEM
from genzoo_mixture.emission import full
from genzoo_mixture.emission.full import Expanded, Full

NAMES = ["full", "tied", "diagonal", "spherical"]


def both(name, x, components):
    """Run passes in float64 and in float32 from one start; return the log-likelihoods and both mixtures."""
    x = x - x.mean(0)
    exact = begin(mixture(name, components, x.shape[1], "kmeans"), blocks(x), seed=1)
    run_passes(exact, blocks(x), 2)
    narrow = copy.deepcopy(exact).float()
    wanted, found = (
        run_passes(generator, blocks(x.astype(dtype), count=3), 8)
        for generator, dtype in ((exact, np.float64), (narrow, np.float32))
    )
    return np.array(wanted), np.array(found), exact, narrow


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("distance", [1, 3, 5, 6, 7, 8, 10, 20, 100, 3000])
def test_float32_equals_float64_however_far_apart_the_clusters_are(name, distance):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6000, 4)) + distance * rng.integers(3, size=6000)[:, None]
    wanted, found, exact, narrow = both(name, x, 3)
    assert np.allclose(found, wanted, rtol=1e-6)
    spread, expected = covariances(narrow), covariances(exact)
    assert np.abs(spread - expected).max() < 2e-3 * expected.max()


@pytest.mark.parametrize("name", ["full", "tied"])
@pytest.mark.parametrize("dependence", [0.9, 0.99, 0.999, 0.9999, 0.99999])
def test_float32_equals_float64_however_dependent_columns_are(name, dependence):
    rng = np.random.default_rng(0)
    z = rng.normal(size=(6000, 2))
    x = np.stack([z[:, 0], dependence * z[:, 0] + np.sqrt(1 - dependence**2) * z[:, 1]], 1)
    x[3000:] += 3
    wanted, found, exact, narrow = both(name, x, 2)
    assert np.allclose(found, wanted, rtol=1e-6, atol=1e-6 * len(x))
    least, expected = (np.linalg.eigvalsh(covariances(generator).astype(float))[:, 0] for generator in (narrow, exact))
    assert np.allclose(least, expected, rtol=1e-2)


@pytest.mark.parametrize("name", NAMES)
def test_tight_components_far_from_the_center_are_exact_in_float32(name):
    """Expanded squares would lose all digits: the deviations are 1e-2 at a distance of 1e3."""
    rng = np.random.default_rng(0)
    x = np.array([[-1000.0, 500.0], [1000.0, -500.0]])[rng.integers(2, size=4000)] + 0.25 * rng.normal(size=(4000, 2))
    x = np.round(x, 2).astype(np.float32).astype(np.float64)
    wanted, found, _, narrow = both(name, x, 2)
    assert np.allclose(found, wanted, rtol=1e-4)
    assert np.allclose(narrow.emissions[0].means.abs().double(), [[1000, 500]] * 2, atol=20)
    assert np.allclose(np.diagonal(covariances(narrow), 0, 1, 2), 0.0625, rtol=0.1)
    assert torch.isfinite(narrow.log_prob(torch.as_tensor(x, dtype=torch.float32))).all()


@pytest.mark.parametrize("precision", ["fp32", "fp64"])
@pytest.mark.parametrize("data", ["iris", "wine", "breast-cancer", "diabetes", "moons"])
def test_a_single_gaussian_converges_in_a_few_passes_in_any_precision(tmp_path, data, precision):
    run = genzoo.train("gaussian", data, out=tmp_path / "run", precision=precision)
    assert run.record["kept"]["converged"]
    assert run.record["kept"]["passes"] <= 10


@pytest.mark.parametrize("columns", [1, 2, 3, 6])
def test_expanded_log_densities_are_scipys_and_sums_the_moments(columns):
    rng = np.random.default_rng(columns)
    generator = mixture("full", 2, columns, "random").double()
    emission = generator.emissions[0]
    assert isinstance(emission, Full)
    factors = np.tril(rng.normal(size=(2, columns, columns)), -1) + 2 * np.eye(columns)
    means, x = rng.normal(size=(2, columns)), rng.normal(size=(50, columns))
    emission.means.copy_(torch.as_tensor(means))
    emission.scale.copy_(torch.as_tensor(factors))
    emission.whitener.copy_(torch.as_tensor(np.linalg.inv(factors)))
    emission.settle()
    found, seen = emission.expect(torch.as_tensor(x), None)
    assert isinstance(seen, Expanded)
    wanted = [multivariate_normal(m, f @ f.T).logpdf(x) for m, f in zip(means, factors, strict=True)]
    assert np.allclose(found, wanted)
    share = rng.dirichlet(np.ones(2), 50).T
    sums = emission.sums(seen, torch.as_tensor(share))
    emission.maximize({**sums, "counts": torch.as_tensor(share.sum(1))})
    for own, mean, spread in zip(share, emission.means, covariances(generator), strict=True):
        assert np.allclose(mean, np.average(x, axis=0, weights=own))
        assert np.allclose(spread, np.cov(x.T, aweights=own, bias=True), atol=1e-5)


@pytest.mark.parametrize(("columns", "components"), [(1, 1), (8, 8), (16, 16), (64, 32), (4000, 9)])
def test_parts_of_blocks_are_an_odd_number_of_cache_lines(columns, components):
    model = genzoo.Model(genzoo.Parts(mixture("diagonal", components, columns, "random")))
    parts = em._parts(model, genzoo.Batch(torch.zeros(MixtureEM().block(model), columns)))
    assert all(len(part) % 32 == 16 for part in parts[: max(1, len(parts) - 1)])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("size", "count"), [(1, 1), (4999, 2), (12_345, 4)])
def test_statistics_of_a_block_are_sums_over_all_of_its_events(size, count, weighted):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(size, 16)) + 2 * rng.integers(3, size=(size, 1))
    weight = rng.uniform(0.0, 2.0, size) if weighted else np.ones(size)
    generator = random_parameters(mixture("full", 3, 16))
    model, batch = genzoo.Model(genzoo.Parts(generator)), blocks(x, weight=weight if weighted else None)[0]
    assert len(em._parts(model, batch)) == count
    found = collect(generator, [batch])
    parameters = zip(generator.emissions[0].means, covariances(generator), generator.log_weights, strict=True)
    joint = np.stack([multivariate_normal(mean, spread).logpdf(x) + log.item() for mean, spread, log in parameters])
    joint = joint.reshape(3, size)
    density = logsumexp(joint, 0)
    assert found["log_likelihood"].item() == pytest.approx(density @ weight)
    assert found["weight"].item() == pytest.approx(weight.sum())
    assert np.allclose(found["counts"], np.exp(joint - density) @ weight)


@pytest.mark.parametrize(("name", "components"), [("full", 3), ("diagonal", 60)])
def test_parts_of_a_block_with_missing_values_have_few_patterns(name, components):
    rng = np.random.default_rng(0)
    x, missing = torch.as_tensor(rng.normal(size=(12_000, 16))), torch.as_tensor(rng.random((12_000, 16)) < 0.05)
    generator = random_parameters(mixture(name, components, 16))
    model, batch = genzoo.Model(genzoo.Parts(generator)), genzoo.Batch(x.masked_fill(missing, 0.0), missing)
    parts = em._parts(model, batch)
    patterns = [len(np.unique(part.missing, axis=0)) for part in parts]
    total = len(np.unique(missing, axis=0))
    assert len(parts) > 2
    if name == "full":  # a pattern is in two parts only where one ends
        assert sum(patterns) <= total + len(parts) - 1
    else:
        assert sum(patterns) > 1.5 * total
    found, wanted = (
        collect(generator, [batch]),
        collect(generator, [batch.take(slice(i, i + 1000)) for i in range(0, 12_000, 1000)]),
    )
    assert set(found) == set(wanted)
    assert all(torch.allclose(value, wanted[key], rtol=1e-9) for key, value in found.items())


@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("name", ["full", "tied"])
def test_densities_do_not_depend_on_the_blocks_they_are_computed_in(monkeypatch, name, noise):
    monkeypatch.setattr(full, "_CACHED", 1)  # blocks of 64 events
    x = np.random.default_rng(0).normal(size=(150, 3))
    generator = mixture(name, 2, 3, noise=noise)
    random_parameters(generator)
    if noise:
        generator.enclose(*(torch.as_tensor(end) for end in (x.min(0), x.max(0))))
    means, spread = generator.emissions[0].means.numpy(), covariances(generator)
    each = [multivariate_normal(mean, own).logpdf(x) for mean, own in zip(means, spread, strict=True)]
    if noise:
        each.append(np.full(150, -np.log(np.ptp(x, axis=0)).sum()))
    wanted = logsumexp(np.stack(each) + generator.log_weights.numpy()[:, None], axis=0)
    assert np.allclose(generator.log_prob(torch.as_tensor(x)), wanted, rtol=1e-10)
