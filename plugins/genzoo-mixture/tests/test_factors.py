"""Factor analysis, probabilistic principal components and mixtures of factor analyzers, against other programs."""

import warnings

import numpy as np
import pytest
import torch
from mixture_cases import OBJECTIVE, begin, blocks, collect, knock_out, run_passes
from scipy import optimize, stats
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.decomposition import PCA, FactorAnalysis
from sklearn.metrics import adjusted_rand_score

import genzoo
from genzoo.config.training import EMTraining
from genzoo.engine.em import EMEngine
from genzoo_mixture.factors.emission import Factors
from genzoo_mixture.factors.model import FactorMixture, FactorModel
from genzoo_mixture.factors.solve import _curvature, _profile, fit_factors

WINE = load_wine().data
EXACT = {"tol": 1e-13, "max_iter": 5000}


def factors(components=1, columns=4, count=1, isotropic=False, start="random", share=1e-6):
    """Build an untrained mixture of factor models in float64."""
    names = [f"x{i}" for i in range(columns)]
    kind = FactorModel if components == 1 else FactorMixture
    return kind([Factors(components, names, count, isotropic, share)], [range(columns)], start).double()


def drawn(n=400, columns=6, count=2, seed=0, noise=(0.2, 0.8)):
    """Draw rows of a factor model."""
    rng = np.random.default_rng(seed)
    loadings, deviations = rng.normal(size=(columns, count)), rng.uniform(*noise, columns)
    return rng.normal(size=(n, count)) @ loadings.T + rng.normal(size=(n, columns)) * deviations


def grouped(n=600, columns=6, components=3, seed=0):
    """Draw rows of a mixture of factor models, and their components."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(components, size=n)
    loadings = rng.normal(size=(components, columns, 1))
    z = rng.normal(size=(n, 1))
    x = rng.normal(0, 3, (components, columns))[labels] + np.einsum("ncq,nq->nc", loadings[labels], z)
    return x + 0.5 * rng.normal(size=(n, columns)), labels


def covariance(generator, component=0):
    own = generator.emissions[0]
    loadings = own.loadings[component]
    return (loadings @ loadings.T + own._noise()[component].diag()).numpy()


def trained(model, data, tmp_path, training=EXACT, **options):
    return genzoo.train(
        model,
        data,
        out=tmp_path / "run",
        seed=0,
        precision="fp64",
        split={"test": 0.0, "validation": 0.0},
        training=dict(training),
        **options,
    )


@pytest.mark.parametrize("count", [1, 2, 3])
def test_factor_analysis_is_as_likely_as_sklearns(tmp_path, count):
    scale = WINE.std(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = FactorAnalysis(count, tol=1e-12, max_iter=20_000, svd_method="lapack").fit(WINE / scale)
    expected = reference.score_samples(WINE / scale) - np.log(scale).sum()
    run = trained("factor-analysis", WINE, tmp_path, n_factors=count)
    assert run.log_prob(WINE).sum() == pytest.approx(expected.sum(), abs=1e-6 * len(WINE))
    assert np.allclose(run.log_prob(WINE), expected, atol=1e-3)
    assert run.record["kept"]["fault"] is None


STATSMODELS = {
    1: (-20.360234778628, [0.93839, 0.817563, 0.991248, 0.860005, 0.954336, 0.219784, 0.049518]),
    2: (-19.533946960496, [0.466444, 0.763195, 0.895006, 0.84198, 0.856645, 0.197587, 0.078277]),
    3: (-19.180539121296, [0.38751, 0.726532, 0.521635, 0.072845, 0.837219, 0.198643, 0.068936]),
}
"""Mean log-likelihood on wine, and the first uniquenesses: statsmodels 0.15, Factor(method="ml"), by factors."""


@pytest.mark.parametrize("count", STATSMODELS)
def test_uniquenesses_are_statsmodels(tmp_path, count):
    likelihood, uniqueness = STATSMODELS[count]
    run = trained("factor-analysis", WINE, tmp_path, n_factors=count)
    assert run.log_prob(WINE).mean() == pytest.approx(likelihood, abs=1e-8)
    (table,) = run.describe(rows=0).tables
    assert np.allclose([numbers[-1] for _, numbers in table.rows][:7], uniqueness, atol=2e-5)


@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_ppca_is_sklearns_closed_form(tmp_path, count):
    reference = PCA(count, svd_solver="full").fit(WINE)
    # scikit-learn divides by n - 1, and the likeliest covariance by n.
    n = len(WINE)
    spectrum = np.linalg.eigvalsh(np.cov(WINE.T, bias=True))[::-1]
    noise = spectrum[count:].mean()
    log_det = np.log(spectrum[:count]).sum() + (13 - count) * np.log(noise)
    expected = -0.5 * (13 * np.log(2 * np.pi) + log_det + 13)
    run = trained("ppca", WINE, tmp_path, n_factors=count)
    assert run.log_prob(WINE).mean() == pytest.approx(expected, abs=1e-6)
    unbiased = -0.5 * (13 * np.log(2 * np.pi * n / (n - 1)) + log_det + 13 * (n - 1) / n)
    assert reference.score(WINE) == pytest.approx(unbiased, abs=1e-6)


def test_ppca_embeds_like_principal_components(tmp_path):
    run = trained("ppca", WINE, tmp_path, n_factors=2)
    values, axes = np.linalg.eigh(np.cov(WINE.T, bias=True))
    noise = values[:-2].mean()
    scores = (WINE - WINE.mean(0)) @ axes[:, [-1, -2]] * np.sqrt(values[[-1, -2]] - noise) / values[[-1, -2]]
    found = run.load().encode(WINE)
    assert np.allclose(np.abs(found), np.abs(scores), atol=1e-5)
    assert np.array_equal(found, run.load().encode(WINE))


@pytest.mark.parametrize(
    ("model", "options", "expected"),
    [
        ("factor-analysis", {"n_factors": 2}, 13 * 2 - 1 + 13 + 13),
        ("factor-analysis", {"n_factors": 4}, 13 * 4 - 6 + 13 + 13),
        ("factor-analysis", {"n_factors": 12}, 13 * 14 // 2 + 13),
        ("ppca", {"n_factors": 2}, 13 * 2 - 1 + 1 + 13),
        ("ppca", {"n_factors": 12}, 13 * 14 // 2 + 13),
        ("mfa", {"n_factors": 2, "n_components": 3}, 3 * (13 * 2 - 1 + 13 + 13) + 2),
        ("mfa", {"n_factors": 2, "n_components": 3, "isotropic": True}, 3 * (13 * 2 - 1 + 1 + 13) + 2),
    ],
)
def test_free_parameters_are_counted(model, options, expected):
    from genzoo.models.factory import build_model
    from genzoo.plugins.manager import get_registry
    from genzoo.spec.events import DataSpec, Feature

    data = DataSpec((13,), "table", tuple(Feature(f"x{i}") for i in range(13)))
    assert build_model(get_registry().models.get(model), options, data).generator.degrees_of_freedom == expected


def test_derivatives_of_the_profile_are_exact():
    rng = np.random.default_rng(0)
    correlation = torch.tensor(np.corrcoef(drawn(seed=3).T))[None]
    theta = torch.tensor(rng.normal(-0.7, 0.3, (1, 6)))
    here, step = _profile(correlation, theta, 2), 1e-5
    for column in range(6):
        moved = torch.zeros(1, 6, dtype=torch.float64)
        moved[0, column] = step
        after, before = (_profile(correlation, theta + sign * moved, 2) for sign in (1, -1))
        slope = (after.value - before.value) / (2 * step)
        assert slope.item() == pytest.approx(here.slope[0, column].item(), abs=1e-8)
        curvature = (after.slope - before.slope)[0] / (2 * step)
        assert torch.allclose(curvature, _curvature(here, 2)[0, column], atol=1e-7)


def test_a_step_never_lowers_the_likelihood():
    rng = np.random.default_rng(0)
    for seed in range(20):
        root = rng.normal(size=(7, 7)) * rng.uniform(0.1, 3, 7)
        s = torch.tensor(root @ root.T)[None]
        noise = torch.tensor(rng.uniform(0.05, 1, (1, 7))) * s[0].diagonal()
        floor = 1e-6 * s[0].diagonal()
        values = []
        for _ in range(5):
            loadings, noise = fit_factors(s, noise, 2, floor)
            sigma = loadings @ loadings.mT + noise.diag_embed()
            values.append((torch.logdet(sigma) + torch.einsum("kij,kji->k", torch.linalg.inv(sigma), s)).item())
        assert (np.diff(values) <= 1e-9).all(), seed


@pytest.mark.parametrize("components", [1, 3])
@pytest.mark.parametrize("isotropic", [False, True])
@pytest.mark.parametrize("hidden", [False, True])
def test_the_likelihood_never_falls(components, isotropic, hidden):
    x, _ = grouped()
    parts = blocks(x - x.mean(0), knock_out(x) if hidden else None, count=2)
    generator = factors(components, 6, 2, isotropic, "kmeans")
    found = run_passes(begin(generator, parts), parts, 40)
    assert (np.diff(found) >= -1e-9 * np.abs(found[0])).all()


def marginal(x, missing, mean, sigma):
    """Compute log-densities of observed values with scipy, `(N,)`."""
    found = np.zeros(len(x))
    for n, hidden in enumerate(missing):
        seen = ~hidden
        if seen.any():
            found[n] = stats.multivariate_normal(mean[seen], sigma[np.ix_(seen, seen)]).logpdf(x[n, seen])
    return found


@pytest.mark.parametrize("isotropic", [False, True])
def test_missing_values_give_the_maximum_of_the_marginal_likelihood(isotropic):
    x = drawn(80, 4, 1)
    x -= x.mean(0)
    missing = knock_out(x, 0.2)
    generator = begin(factors(1, 4, 1, isotropic), blocks(x, missing))
    found = run_passes(generator, blocks(x, missing), 300)[-1]

    def loss(theta):
        loadings, noise = theta[4:8, None], np.exp(theta[8:])
        sigma, total = loadings @ loadings.T + np.diag(np.broadcast_to(noise, 4)), 0.0
        for row, seen in zip(x - theta[:4], ~missing, strict=True):  # as `marginal`, and faster
            own, d = sigma[np.ix_(seen, seen)], row[seen]
            total += 0.5 * (len(d) * np.log(2 * np.pi) + np.linalg.slogdet(own)[1] + d @ np.linalg.solve(own, d))
        return total

    start = np.r_[np.zeros(4), np.ones(4), np.zeros(1 if isotropic else 4)]
    best = min(
        optimize.minimize(loss, start * sign, method="L-BFGS-B", options={"maxiter": 3000, "ftol": 1e-14}).fun
        for sign in (1.0, 0.5)
    )
    assert found == pytest.approx(-best, abs=1e-4)
    assert found >= -best - 1e-6
    by_scipy = marginal(x, missing, generator.emissions[0].means[0].numpy(), covariance(generator))
    part = blocks(x, missing)[0]
    assert np.allclose(generator.log_prob(part.x, part.missing), by_scipy, atol=1e-9)


@pytest.mark.parametrize("components", [1, 2])
def test_imputation_embedding_and_reconstruction_are_conditional_means(components):
    x, _ = grouped(300, 5, components)
    x -= x.mean(0)
    missing = knock_out(x, 0.3)
    generator = begin(factors(components, 5, 2, start="kmeans"), blocks(x, missing))
    run_passes(generator, blocks(x, missing), 20)
    own, part = generator.emissions[0], blocks(x, missing)[0]
    share = generator.log_posterior(part.x, part.missing).exp().numpy()
    filled, z, rebuilt = np.zeros_like(x), np.zeros((len(x), 2)), np.zeros_like(x)
    for k in range(components):
        sigma, mean, loadings = covariance(generator, k), own.means[k].numpy(), own.loadings[k].numpy()
        for n, hidden in enumerate(missing):
            seen = ~hidden
            gain = np.linalg.solve(sigma[np.ix_(seen, seen)], x[n, seen] - mean[seen])
            filled[n] += share[n, k] * (mean + sigma[:, seen] @ gain)
            score = loadings[seen].T @ gain
            z[n] += share[n, k] * score
            rebuilt[n] += share[n, k] * (mean + loadings @ score)
    assert np.allclose(generator.impute(part.x, part.missing), np.where(missing, filled, x), atol=1e-8)
    assert np.allclose(generator.encode(part.x, part.missing), z, atol=1e-8)
    assert np.allclose(generator.reconstruct(part.x, part.missing), rebuilt, atol=1e-8)


def test_drawn_values_have_the_conditional_covariance():
    torch.manual_seed(0)
    x = drawn(500, 4, 1)
    generator = begin(factors(1, 4, 1), blocks(x))
    run_passes(generator, blocks(x), 5)
    mean, sigma, n = generator.emissions[0].means[0].numpy(), covariance(generator), 40_000
    hidden = np.array([False, True, False, True])
    gain = sigma[np.ix_(hidden, ~hidden)] @ np.linalg.inv(sigma[np.ix_(~hidden, ~hidden)])
    rest = sigma[np.ix_(hidden, hidden)] - gain @ sigma[np.ix_(~hidden, hidden)]
    event = torch.as_tensor(np.tile(np.where(hidden, 0.0, mean + 1.0), (n, 1)))
    values = generator.impute(event, torch.as_tensor(np.tile(hidden, (n, 1))), draw=True).numpy()[:, hidden]
    bound = 5 * np.sqrt((rest**2 + np.outer(np.diag(rest), np.diag(rest))) / n)
    assert (np.abs(np.cov(values.T) - rest) < bound).all()
    assert (np.abs(values.mean(0) - mean[hidden] - gain.sum(1)) < 5 * np.sqrt(np.diag(rest) / n)).all()
    assert np.allclose(np.cov(generator.sample(n).numpy().T), sigma, atol=5 * np.abs(sigma).max() * (2 / n) ** 0.5)


def test_whole_weights_are_repeated_rows():
    x = drawn(150)
    weight = np.random.default_rng(1).integers(0, 4, len(x))
    rows, missing = np.repeat(np.arange(len(x)), weight), knock_out(x, 0.1)
    one, other = (begin(factors(1, 6, 2), part) for part in (blocks(x, missing), blocks(x, missing)))
    weighted = run_passes(one, blocks(x, missing, weight.astype(float), 3), 10)
    assert np.allclose(weighted, run_passes(other, blocks(x[rows], missing[rows]), 10), rtol=1e-10)
    assert np.allclose(covariance(one), covariance(other), atol=1e-8)


def fit(x, seed=0, components=1, count=2, start="several", restarts=1):
    centered = x - x.mean(0)
    generator = factors(components, x.shape[1], count, start=start if components > 1 else "random")
    engine = EMEngine(
        genzoo.Model(genzoo.Parts(generator)), OBJECTIVE, EMTraining(n_init=restarts, tol=1e-11, max_iter=3000), seed
    )
    step = 0
    while not engine.finished:
        step += 1
        engine.update(blocks(centered), step, 0.0)
    return engine


@pytest.mark.parametrize("components", [1, 3])
@pytest.mark.parametrize("columns", [[0], [1, 3], [0, 1, 2, 3, 4, 5]])
def test_units_change_the_likelihood_by_the_log_determinant(components, columns):
    x, _ = grouped(300)
    scale = np.ones(6)
    scale[columns] = 1000.0
    plain, scaled = (fit(part, 0, components, 1) for part in (x, x * scale))
    shift = len(x) * np.log(scale).sum()
    found = [len(x) * engine.kept["log_likelihood"] for engine in (plain, scaled)]
    assert found[1] == pytest.approx(found[0] - shift, abs=5e-7)  # half a BIC
    assert np.allclose(plain.trained.encode(torch.tensor(x)), scaled.trained.encode(torch.tensor(x * scale)), atol=1e-4)


def test_a_mixture_of_factor_analyzers_finds_its_clusters_from_any_seed():
    x, labels = grouped()
    for seed in range(5):
        engine = fit(x, seed, 3, 1)
        found = engine.trained.log_posterior(torch.as_tensor(x - x.mean(0))).argmax(1).numpy()
        assert adjusted_rand_score(labels, found) > 0.95
        assert engine.starts["tried"] > 5
        assert engine.starts["agreed"] > 1


def test_a_search_is_no_worse_than_many_restarts():
    x, _ = grouped(200, 5, 3, seed=7)
    best = max(fit(x, seed, 3, 1, "random").kept["log_likelihood"] for seed in range(15))
    assert fit(x, 0, 3, 1).kept["log_likelihood"] >= best - 1e-6


def test_a_heywood_case_names_its_column_and_has_no_bic(tmp_path):
    data = load_breast_cancer().data[:, :10]  # area is nearly a function of radius and perimeter
    row = genzoo.compare(["factor-analysis:n_factors=1", "gaussian"], data=data)["factor-analysis:n_factors=1"]
    assert row.bic is None
    assert "Heywood" in row.reasons["bic"]
    assert "'x0'" in row.reasons["bic"] or "'x2'" in row.reasons["bic"]
    run = trained("factor-analysis", data, tmp_path, n_factors=1)
    assert "Heywood" in run.record["kept"]["fault"]
    assert np.isfinite(run.log_prob(data)).all()


def test_no_noise_left_in_ppca_is_a_fault():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(100, 2)) @ rng.normal(size=(2, 5))
    generator = begin(factors(1, 5, 2, isotropic=True), blocks(x))
    run_passes(generator, blocks(x), 3)
    assert OBJECTIVE.fault(genzoo.Model(genzoo.Parts(generator))) is not None


def test_a_component_on_a_plane_is_named():
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(60, 1)) * np.array([1.0, -2.0, 3.0, 1.0])
    x = np.concatenate([plane, rng.normal(30, 1, (60, 4))])
    generator = begin(factors(2, 4, 1, start="kmeans"), blocks(x - x.mean(0)))
    run_passes(generator, blocks(x - x.mean(0)), 10)
    report = OBJECTIVE.report(genzoo.Model(genzoo.Parts(generator)))
    assert report["collapsed"] == [int(generator.emissions[0].means[:, 0].argmin())]


def test_a_description_shows_standardized_loadings_by_column(tmp_path):
    x = drawn(300, 4, 1)
    run = trained("factor-analysis", x * np.array([1.0, 1e3, 1.0, 1e-3]), tmp_path, n_factors=1)
    (table,) = run.describe().tables
    assert [name for name, _ in table.rows] == ["x0", "x1", "x2", "x3"]
    assert table.header == ("column", "z0", "noise")
    for _, (loading, noise) in table.rows:
        assert loading**2 + noise == pytest.approx(1.0, abs=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reference = FactorAnalysis(1, tol=1e-12, max_iter=20_000, svd_method="lapack").fit(x / x.std(0))
    assert np.allclose([abs(row[0]) for _, row in table.rows], np.abs(reference.components_[0]), atol=1e-3)


def test_decoding_is_the_mean_and_samples_have_noise():
    x = drawn()
    generator = begin(factors(1, 6, 2), blocks(x))
    run_passes(generator, blocks(x), 5)
    own = generator.emissions[0]
    z = generator.prior_sample(10)
    assert torch.allclose(generator.decode(z), own.means[0] + z @ own.loadings[0].T)
    part = torch.as_tensor(x)
    assert torch.allclose(generator.reconstruct(part), generator.decode(generator.encode(part)))


def test_too_many_factors_are_an_error_that_says_how_many_fit():
    with pytest.raises(genzoo.ConfigError, match="n_factors=4 needs at least 5 continuous columns"):
        genzoo.train("factor-analysis", "iris", n_factors=4)


@pytest.mark.parametrize("components", [1, 2])
def test_float32_is_close_to_float64(components):
    x, _ = grouped(1000, 6, components)
    x -= x.mean(0)
    parts, narrow = blocks(x), blocks(x.astype(np.float32))
    exact = begin(factors(components, 6, 2, start="kmeans"), parts)
    other = begin(factors(components, 6, 2, start="kmeans").float(), narrow)
    found = [run_passes(exact, parts, 10), run_passes(other, narrow, 10)]
    assert np.allclose(*found, rtol=1e-5)


def test_statistics_of_blocks_add_up():
    x, _ = grouped(157)
    generator = begin(factors(3, 6, 1, start="kmeans"), blocks(x))
    whole = collect(generator, blocks(x))
    for count in (2, 10):
        parts = collect(generator, blocks(x, count=count))
        assert all(torch.allclose(parts[key], value, rtol=1e-10, atol=1e-9) for key, value in whole.items())


def test_categories_are_refused_by_name(tmp_path):
    path = tmp_path / "mixed.csv"
    path.write_text("a,b,town\n" + "".join(f"{i}.5,{i * i}.25,{'xyz'[i % 3]}\n" for i in range(30)))
    for model in ("factor-analysis", "ppca", "mfa", "t-mixture"):
        with pytest.raises(genzoo.DataError, match="town"):
            genzoo.train(model, str(path))


def test_problem_of_three_columns_has_one_factor():
    """With three columns, one factor reproduces any covariance that has no Heywood case."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 1)) * [1.0, 2.0, 3.0] + rng.normal(size=(500, 3))
    generator = begin(factors(1, 3, 1), blocks(x))
    run_passes(generator, blocks(x), 10)
    assert np.allclose(covariance(generator), np.cov(x.T, bias=True), atol=1e-6)


def test_the_command_prints_the_loadings(tmp_path, capsys):
    from genzoo.cli.main import main

    run = trained("factor-analysis", WINE, tmp_path, n_factors=2)
    assert main(["describe", str(run.path), "--rows", "0"]) in (0, None)
    text = capsys.readouterr().out
    section = text[text.index("PARAMETERS") :].splitlines()
    assert section[2].split() == ["column", "z0", "z1", "noise"]
    assert section[3].split()[0] == "x0"
