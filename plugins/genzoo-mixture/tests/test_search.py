"""The search over many starts of EM: the optima it finds, in any units, and what it says about them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mixture_cases import OBJECTIVE, begin, blocks, mixture, problem
from scipy import stats
from scipy.cluster.hierarchy import fcluster, linkage
from sklearn.datasets import load_wine
from sklearn.metrics import adjusted_rand_score

import genzoo
from genzoo.cli.main import main
from genzoo.config.training import EMTraining
from genzoo.engine.em import EMEngine
from genzoo_mixture.clusters import find_normal_clusters
from genzoo_mixture.emission import COVARIANCES
from genzoo_mixture.hierarchy import Hierarchies, Hierarchy, normal, ward
from genzoo_mixture.points import Points
from genzoo_mixture.scale import robust_deviation
from genzoo_mixture.surrogate import Family

DIABETES = Path(__file__).parent / "diabetes.csv"
"""Glucose, insulin and SSPG of 145 people (Reaven and Miller, 1979)."""


def diabetes():
    return np.loadtxt(DIABETES, delimiter=",", skiprows=1)


def fit(x, seed, components=3, name="full", restarts=1):
    """Fit a mixture in float64 from the default start."""
    centered = x - x.mean(0)
    model = genzoo.Model(genzoo.Parts(mixture(name, components, x.shape[1], "several", reg_covar=None)))
    engine = EMEngine(model, OBJECTIVE, EMTraining(n_init=restarts, tol=1e-9, max_iter=2000), seed)
    for step in range(1, 10_000):
        engine.update(blocks(centered), step, 0.0)
        if engine.finished:
            return engine
    raise AssertionError("EM has not ended")


def bic(engine, n):
    return engine.model.generator.degrees_of_freedom * np.log(n) - 2 * n * engine.kept["log_likelihood"]


@pytest.mark.parametrize("seed", range(10))
def test_every_seed_finds_the_diabetes_mixture_of_mclust(seed):
    """The BIC of mclust 6.0.0 (VVV, G = 3) is -4751.316."""
    engine = fit(diabetes(), seed)
    assert bic(engine, 145) <= 4751.4
    assert engine.kept["agreed"] > 5


@pytest.mark.parametrize(("name", "least"), [("tied", -3171.3), ("full", -2788.5)])
@pytest.mark.parametrize("seed", range(3))
def test_wine_is_as_likely_as_under_mclusts_mixtures(seed, name, least):
    """mclust 6.0.0 reaches -3171.229 (EEE) and -2788.43 (VVV)."""
    engine = fit(load_wine().data, seed, name=name)
    assert engine.kept["fault"] is None
    assert engine.kept["log_likelihood"] * 178 >= least


@pytest.mark.parametrize("columns", [[0], [1], [2], [0, 1, 2]])
@pytest.mark.parametrize("factor", [1000.0, 1 / 1000, 0.0005])
def test_units_of_columns_change_the_bic_by_the_log_determinant(columns, factor):
    x, scale = diabetes(), np.ones(3)
    scale[columns] = factor
    expected = bic(fit(x, 0), 145) + 2 * 145 * np.log(scale).sum()
    assert bic(fit(x * scale, 0), 145) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("start", ["several", "kmeans", "k-means++", "random_from_data"])
def test_every_start_by_distance_ignores_units(start):
    x = problem()
    shares = []
    for scale in (1.0, np.array([1e-4, 1.0, 1e5])):
        generator = begin(mixture("full", start=start, reg_covar=None), blocks(x * scale), seed=3)
        shares.append(generator.log_posterior(torch.as_tensor(x * scale)).exp())
    assert torch.allclose(*shares, atol=1e-8)


def test_one_outlier_changes_neither_the_floor_nor_the_clusters():
    x = problem()
    spoiled = np.concatenate([x, [[1e6, 0.0, 0.0]]])
    clean, odd = (begin(mixture("full", 4, reg_covar=None, start="several"), blocks(y)) for y in (x, spoiled))
    one, other = (generator.emissions[0].added_to(torch.ones(3).double()) for generator in (clean, odd))
    assert torch.allclose(one, other, rtol=0.05)
    found = odd.log_posterior(torch.as_tensor(x)).argmax(1)
    truth = np.random.default_rng(0)
    truth.normal(size=(3, 3)), truth.normal(size=(3, 3, 3))
    assert adjusted_rand_score(truth.integers(3, size=600), found) > 0.8


def test_clusters_on_very_different_scales_are_found():
    rng = np.random.default_rng(1)
    label = rng.integers(5, size=1000)
    means = rng.normal(0, 8, (5, 4))
    x = (means[label] + rng.normal(size=(1000, 4))) * np.array([1e-6, 1.0, 1e3, 1e8])
    for seed in range(5):
        engine = fit(x, seed, components=5)
        found = engine.model.generator.log_posterior(torch.as_tensor(x - x.mean(0))).argmax(1)
        assert adjusted_rand_score(label, found) > 0.99


def test_restarts_and_their_searches_count_together():
    engine = fit(diabetes(), 0, restarts=2)
    assert len(engine.ended) == 2
    assert engine.starts == {
        "tried": sum(restart["starts"] for restart in engine.ended),
        "agreed": sum(restart["agreed"] for restart in engine.ended),
    }
    assert fit(diabetes(), 0, components=1).starts is None, "one component has one start"


def test_a_training_says_how_many_starts_agreed(tmp_path, capsys):
    words = ["train", "gmm", "--data", str(DIABETES), "-o", "n_components=3", "--out", str(tmp_path / "run")]
    assert main(words) == 0
    starts = json.loads((tmp_path / "run/run.json").read_text(encoding="utf-8"))["starts"]
    assert f"{starts['agreed']} of {starts['tried']} starts led to the best" in capsys.readouterr().out


def test_a_maximum_that_one_start_found_is_a_warning():
    rows = genzoo.compare(["gmm:n_components=3..6"], load_wine().data[:, :6]).rows
    said = [row.reasons["starts"] for row in rows]
    assert any(reason.startswith("only 1 of") for reason in said)


@pytest.mark.parametrize("n", [2, 3, 10, 60, 200])
def test_wards_clusters_equal_scipys(n):
    x = np.random.default_rng(n).normal(size=(n, 3))
    found = Hierarchy(n, ward(x, np.ones(n))).cut(4)
    assert adjusted_rand_score(fcluster(linkage(x, "ward"), 4, "maxclust"), found) == 1
    assert len(found.unique()) == min(n, 4)


def test_weights_of_wards_points_are_repetitions():
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(40, 2)), rng.integers(1, 4, 40)
    repeated = np.repeat(x, weight, 0)
    found = Hierarchy(40, ward(x, weight.astype(float))).cut(3).numpy().repeat(weight)
    assert adjusted_rand_score(fcluster(linkage(repeated, "ward"), 3, "maxclust"), found) == 1


def classification(x, clusters):
    """Return minus twice the classification likelihood that a hierarchy of normal distributions maximizes."""
    added, total = ((x - x.mean(0)) ** 2).sum() / x.size, 0.0
    for own in clusters:
        around = x[own] - x[own].mean(0)
        scatter = around.T @ around / len(own)
        volume = np.linalg.det(scatter) if len(own) > x.shape[1] else 0.0
        total += len(own) * np.log(volume + np.trace(scatter) + added / len(own))
    return total


@pytest.mark.parametrize(("n", "columns"), [(12, 1), (25, 2), (25, 4)])
def test_each_merge_of_normal_clusters_is_the_likeliest(n, columns):
    x = np.random.default_rng(n).normal(size=(n, columns)) ** 3
    clusters = [[i] for i in range(n)]
    for a, b in normal(x, np.ones(n)):
        pairs = [(i, j) for i in range(len(clusters)) for j in range(i)]
        left = [[c for k, c in enumerate(clusters) if k not in pair] for pair in pairs]
        merged = [[*rest, clusters[i] + clusters[j]] for rest, (i, j) in zip(left, pairs, strict=True)]
        best = min(classification(x, one) for one in merged)
        (i,) = (k for k, own in enumerate(clusters) if a in own)
        (j,) = (k for k, own in enumerate(clusters) if b in own)
        clusters = [c for k, c in enumerate(clusters) if k not in (i, j)] + [clusters[i] + clusters[j]]
        assert classification(x, clusters) == pytest.approx(best, rel=1e-10)
    assert len(clusters) == 1


def test_a_start_of_mclust_is_found_in_any_units():
    """The sizes equal hclass(hc(x, modelName = "VVV", use = "SVD")) in mclust 6.0.0."""
    for scale in (np.ones(3), np.array([1e-3, 1.0, 1e4])):
        x = diabetes() * scale
        generator = mixture("full", 3, 3)
        (labels,) = find_normal_clusters(Points(generator, blocks(x - x.mean(0))), 3)
        assert sorted(labels.bincount().tolist()) == [32, 56, 57]


def test_equal_points_share_one_hierarchy():
    merges = []

    def merge(points, weight):
        merges.append(len(points))
        return ward(points, weight)

    known, x = Hierarchies(merge), torch.rand(20, 2).double()
    for points in (x, x.clone(), x + 1, x):
        assert known.of(points, torch.ones(20).double()).cut(3).max() == 2
    assert merges == [20, 20]


@pytest.mark.parametrize("n", [20, 145, 1000])
def test_the_robust_deviation_is_that_of_winsorized_values(n):
    x = np.random.default_rng(n).standard_t(2, (n, 3))
    share = max(0.02, 1 / n)
    expected = [stats.mstats.winsorize(column, (share, share)).std() for column in x.T]
    found = robust_deviation(torch.as_tensor(x), torch.ones(n).double())
    assert np.allclose(found, expected, rtol=1e-10)


def test_the_robust_deviation_of_odd_columns():
    x = np.zeros((100, 5))
    x[:, 0] = 0.1
    x[0, 1] = 7.0
    x[:, 2] = np.arange(100)
    x[:, 3] = np.arange(100)
    x[3, 3] = np.nan
    x[:, 4] = np.arange(100)
    x[99, 4] = 1e9
    found = robust_deviation(torch.as_tensor(x), torch.ones(100).double()).numpy()
    assert found[0] == 0, "rounding is no spread"
    assert found[1] == pytest.approx(x[:, 1].std()), "almost all values are equal"
    assert found[3] == pytest.approx(found[2], rel=0.02)
    assert found[4] == pytest.approx(found[2], rel=0.02)


@pytest.mark.parametrize("name", COVARIANCES)
def test_a_pass_of_many_mixtures_equals_a_pass_of_each(name, monkeypatch):
    monkeypatch.setattr("genzoo_mixture.surrogate._INNER", 50)  # a search iterates only once in an M-step
    x = problem()
    x -= x.mean(0)
    generator = mixture(name, 3, 3, reg_covar=0.0)
    scale, ridge = torch.ones(3).double(), torch.full((3,), 1e-12).double()
    family = Family(generator.emissions[0].family, scale, ridge, None)
    products = family.products(torch.as_tensor(x))
    torch.manual_seed(0)
    share = torch.rand(4, 3, 600).double()
    share /= share.sum(1, keepdim=True)
    density, after = family.maximize(products, share).expect(products)
    for number in range(4):
        expected = mixture(name, 3, 3, reg_covar=0.0)
        found = expected.expect(torch.as_tensor(x), careful=True)
        expected.maximize(expected.sums(type(found)(found.log_density, share[number], found.seen)))
        result = expected.expect(torch.as_tensor(x), careful=True)
        assert torch.allclose(density[number], result.log_density, atol=1e-8)
        assert torch.allclose(after[number], result.share, atol=1e-8)


@pytest.mark.parametrize("model", ["gmm", "t-mixture", "naive-bayes"])
@pytest.mark.parametrize("sizes", [(60, 240, 120), (240, 120, 60)])
def test_components_are_numbered_from_the_largest_to_the_smallest(model, sizes, tmp_path):
    chance = np.random.default_rng(3)
    centers = (-20.0, 0.0, 20.0)
    x = np.concatenate([chance.normal(center, 1, (n, 2)) for n, center in zip(sizes, centers, strict=True)])
    fitted = genzoo.train(model, data=x, n_components=3, out=tmp_path / "run").load()
    first = fitted.log_posterior(np.array(centers)[:, None].repeat(2, 1)).argmax(1)
    assert first.tolist() == np.argsort(np.argsort(sizes)[::-1]).tolist()
