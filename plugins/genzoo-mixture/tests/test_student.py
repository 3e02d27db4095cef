"""Mixtures of multivariate t distributions, against scipy's density and direct maximization."""

import functools

import numpy as np
import pytest
import torch
from family_cases import NAMES as FAMILIES
from family_cases import QUICK, covariance_type, free_parameters, log_densities, loss
from mixture_cases import COVARIANCES, OBJECTIVE, Added, begin, blocks, collect, knock_out, problem, run_passes
from scipy import integrate, optimize, special, stats
from sklearn.metrics import adjusted_rand_score

import genzoo
from genzoo.config.training import EMTraining
from genzoo.engine.em import EMEngine
from genzoo_mixture.mixture import Mixture
from genzoo_mixture.student.degrees import likeliest, log_constants, propose
from genzoo_mixture.student.emission import Student

NAMES = list(COVARIANCES)
TAILS = [(None, False), (None, True), (3.0, False)]


def students(name="full", components=1, columns=3, df=None, shared=False, start="random", reg_covar=0.0):
    """Build an untrained mixture of t distributions in float64."""
    normal = COVARIANCES[name](components, columns, Added(reg_covar))
    return Mixture([Student(normal, shared, df)], [range(columns)], start).double()


def drawn(n=500, df=4.0, columns=3, seed=0):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(columns, columns)) + np.eye(columns)
    x = rng.normal(size=(n, columns)) @ root.T / np.sqrt(rng.chisquare(df, (n, 1)) / df)
    return x - x.mean(0)


def parameters(generator):
    """Return means `(K, C)`, scale matrices `(K, C, C)` and degrees of freedom `(K,)`."""
    own = generator.emissions[0]
    normal = own.normal
    if hasattr(normal, "whitener"):
        matrices = (normal.scale @ normal.scale.mT).expand(own.components, -1, -1)
    else:
        matrices = torch.diag_embed(normal._deviations().square())
    return normal.means.numpy(), matrices.numpy(), own._df().numpy()


def joint(generator, x, missing):
    """Compute log p(k, observed values) with scipy, `(N, K)`."""
    means, matrices, df = parameters(generator)
    found = np.tile(generator.log_weights.numpy(), (len(x), 1))
    for n, hidden in enumerate(missing):
        seen = ~hidden
        for k in range(len(means) if seen.any() else 0):
            own = stats.multivariate_t(means[k][seen], matrices[k][np.ix_(seen, seen)], df[k])
            found[n, k] += own.logpdf(x[n, seen])
    return found


def trained(name, x, missing=None, components=3, passes=10, **options):
    parts = blocks(x, missing)
    generator = begin(students(name, components, x.shape[1], start="kmeans", **options), parts)
    run_passes(generator, parts, passes)
    return generator


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("components", [1, 3])
@pytest.mark.parametrize("hidden", [False, True])
def test_the_density_is_scipys(name, components, hidden):
    x = problem(n=80)
    missing = knock_out(x) if hidden else np.zeros(x.shape, bool)
    generator = trained(name, x, missing if hidden else None, components)
    part, expected = blocks(x, missing)[0], joint(generator, x, missing)
    mask = part.missing if hidden else None
    assert np.allclose(generator.log_prob(part.x, mask), special.logsumexp(expected, 1), atol=1e-10)
    posterior = expected - special.logsumexp(expected, 1, keepdims=True)
    assert np.allclose(generator.log_posterior(part.x, mask), posterior, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("df", "shared"), TAILS)
@pytest.mark.parametrize("hidden", [False, True])
def test_the_likelihood_never_falls(name, df, shared, hidden):
    x = problem(n=300)
    parts = blocks(x, knock_out(x) if hidden else None, count=2)
    generator = begin(students(name, 3, 3, df, shared, "kmeans"), parts)
    found = run_passes(generator, parts, 30)
    assert (np.diff(found) >= -1e-9 * np.abs(found[0])).all()
    assert found[-1] > found[0]


@pytest.mark.parametrize(
    ("name", "hidden", "shared"),
    [
        *(
            pytest.param(name, False, name[0] == "E", marks=() if name in QUICK else pytest.mark.full)
            for name in FAMILIES
        ),
        ("VEI", True, False),
        pytest.param("VVE", True, True, marks=pytest.mark.full),
    ],
)
def test_an_optimizer_finds_nothing_likelier_near_a_fit(name, hidden, shared):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 2)) / np.sqrt(rng.chisquare(3, (90, 1)) / 3)
    x[45:] = [12, 6] + x[45:] @ [[0.7, 0.6], [0, 0.5]]
    missing = (rng.random(x.shape) < 0.15) & hidden
    parts = blocks(x, missing if hidden else None)
    generator = begin(students(covariance_type(name), 2, 2, None, shared, "kmeans"), parts)
    reached = run_passes(generator, parts, 1500, still=1e-8)[-1]
    means, matrices, _ = parameters(generator)
    df = generator.emissions[0].df.numpy()
    assert ((df > 1) & (df < 50)).all(), "a maximum inside the bounds"
    theta = np.append(free_parameters(name, generator.log_weights.numpy(), means, matrices), np.log(df))
    assert -loss(theta, name, x, missing, 2, len(df)) == pytest.approx(reached, abs=0.05)
    polished = optimize.minimize(loss, theta, (name, x, missing, 2, len(df)), method="BFGS", tol=1e-8)
    assert -polished.fun == pytest.approx(reached, abs=2e-4)


def unpack(theta, columns):
    root = np.zeros((columns, columns))
    root[np.tril_indices(columns)] = theta[columns : columns + columns * (columns + 1) // 2]
    root[np.diag_indices(columns)] = np.exp(np.diag(root))
    return theta[:columns], root @ root.T, np.exp(theta[-1])


def direct(loss, starts):
    return -min(optimize.minimize(loss, start, method="BFGS", options={"gtol": 1e-7}).fun for start in starts)


def test_one_component_is_the_direct_maximum():
    x = drawn()
    best = direct(lambda theta: -stats.multivariate_t(*unpack(theta, 3)).logpdf(x).sum(), [np.r_[np.zeros(9), 1.5]])
    generator = begin(students(), blocks(x))
    assert run_passes(generator, blocks(x), 60)[-1] == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("name", ["full", "diagonal", "spherical"])
def test_missing_values_give_the_maximum_of_the_marginal_likelihood(name):
    x = drawn(80, 4.0, 2)
    missing = knock_out(x, 0.25)
    generator = begin(students(name, 1, 2), blocks(x, missing))
    found = run_passes(generator, blocks(x, missing), 150)[-1]
    patterns = [(seen, x[(~missing == seen).all(1)][:, seen]) for seen in np.unique(~missing, axis=0) if seen.any()]

    def loss(theta):
        mean, matrix, df = theta[:2], np.eye(2), np.exp(theta[-1])
        if name == "full":
            mean, matrix, df = unpack(theta, 2)
        else:
            matrix = np.diag(np.broadcast_to(np.exp(theta[2:-1]), 2))
        return -sum(
            log_densities(rows, mean[None, seen], matrix[None, seen][:, :, seen], [df]).sum() for seen, rows in patterns
        )

    size = {"full": 3, "diagonal": 2, "spherical": 1}[name]
    assert found == pytest.approx(direct(loss, [np.r_[np.zeros(2 + size), 1.5]]), abs=1e-5)


def fit(x, seed=0, components=2, start="several", name="full", reg_covar=None, tol=1e-11, **options):
    generator = students(name, components, x.shape[1], start=start, reg_covar=reg_covar, **options)
    engine = EMEngine(genzoo.Model(genzoo.Parts(generator)), OBJECTIVE, EMTraining(tol=tol, max_iter=4000), seed)
    for step in range(1, 5000):
        engine.update(blocks(x), step, 0.0)
        if engine.finished:
            return engine
    raise AssertionError("EM has not ended")


def test_two_components_are_the_best_of_many_direct_maxima():
    x = np.concatenate([drawn(120, 3.0, 2), drawn(80, 8.0, 2, seed=1) + np.array([6.0, 0.0])])
    x -= x.mean(0)

    def loss(theta):
        try:
            parts = log_densities(
                x, *map(np.array, zip(*(unpack(part, 2) for part in np.split(theta[1:], 2)), strict=True))
            )
        except np.linalg.LinAlgError:  # a component on its way to a singular matrix
            return 1e6
        weight = special.log_expit(theta[0]), special.log_expit(-theta[0])
        return -np.logaddexp(parts[0] + weight[0], parts[1] + weight[1]).sum()

    rng = np.random.default_rng(0)
    starts = [np.r_[0.0, *(np.r_[x[rng.integers(len(x))], np.zeros(3), 1.5] for _ in range(2))] for _ in range(12)]
    engine = fit(x, tol=1e-12)
    assert engine.kept["log_likelihood"] * len(x) == pytest.approx(direct(loss, starts), abs=1e-4)
    assert engine.starts["agreed"] > 1


@pytest.mark.parametrize("df", [2.0, 5.0, 20.0])
def test_degrees_of_freedom_are_recovered(df):
    """Within four standard errors, from the Fisher information of nu given the others."""
    n, d = 20_000, 3
    x = drawn(n, df, d, seed=2)
    engine = fit(x, components=1, tol=1e-10)
    found = engine.kept["df"][0]
    digamma = special.polygamma(1, (df + d) / 2) - special.polygamma(1, df / 2)
    information = -digamma / 4 - 1 / (2 * df) + 1 / (df + d) - (df + 2) / (2 * df * (df + d + 2))
    assert abs(found - df) < 8 / np.sqrt(n * information)  # the others are estimated, too


def test_normal_rows_have_nearly_a_normal_distribution():
    x = np.random.default_rng(0).normal(size=(1000, 3))
    x -= x.mean(0)
    engine = fit(x, components=1, reg_covar=0.0)
    normal = stats.multivariate_normal(x.mean(0), np.cov(x.T, bias=True)).logpdf(x).mean()
    assert engine.kept["log_likelihood"] == pytest.approx(normal, abs=1e-4)
    assert engine.kept["passes"] < 60


def contaminated(seed=0):
    """Draw two close clusters and a tenth of rows that are far away in all directions."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 2], [200, 200, 40])
    centers = np.array([[-2.5, 0.0], [2.5, 0.0]])
    x = np.concatenate([rng.normal(size=(400, 2)) + centers[labels[:400]], rng.uniform(-40, 40, (40, 2))])
    return x, labels


@pytest.mark.parametrize("seed", range(4))
def test_outliers_do_not_hide_the_clusters_from_t(tmp_path, seed):
    x, labels = contaminated(seed)
    inside = labels < 2
    found = {}
    for model in ("t-mixture", "gmm"):
        run = genzoo.train(
            model, x, out=tmp_path / model, n_components=2, seed=seed, split={"test": 0, "validation": 0}
        )
        found[model] = adjusted_rand_score(labels[inside], run.load().log_posterior(x[inside]).argmax(1))
    assert found["t-mixture"] > 0.9
    assert found["gmm"] < 0.2


@pytest.mark.parametrize("name", ["full", "tied", "diagonal", "spherical"])
@pytest.mark.parametrize("columns", [[0], pytest.param([1, 2], marks=pytest.mark.full), [0, 1, 2]])
def test_units_change_the_likelihood_by_the_log_determinant(name, columns):
    if name == "spherical" and len(columns) < 3:
        pytest.skip("one variance for all columns depends on the ratio of their units")
    scale = np.ones(3)
    scale[columns] = 1000.0
    found = [likelihood_in_units(name, *units) for units in ((1.0, 1.0, 1.0), scale)]
    assert found[1] == pytest.approx(found[0] - 300 * np.log(scale).sum(), abs=5e-7)  # half a BIC


@functools.cache
def likelihood_in_units(name, *units):
    """Return the log-likelihood of a fit to 300 rows whose columns are multiplied by `units`."""
    x = problem(n=300, seed=1)
    return 300 * fit((x - x.mean(0)) * units, components=3, name=name, tol=1e-7).kept["log_likelihood"]


@pytest.mark.parametrize(("df", "shared", "more"), [(None, False, 3), (None, True, 1), (4.0, False, 0)])
@pytest.mark.parametrize(("name", "scales"), [("full", 18), ("tied", 6), ("diagonal", 9), ("spherical", 3)])
def test_free_parameters_are_counted(name, scales, df, shared, more):
    assert students(name, 3, 3, df, shared).degrees_of_freedom == 2 + 9 + scales + more


@pytest.mark.parametrize("name", ["full", "tied", "diagonal"])
def test_imputation_is_the_conditional_mean(name):
    x = problem(n=60)
    missing = knock_out(x, 0.3)
    generator = trained(name, x, missing)
    means, matrices, _ = parameters(generator)
    share = np.exp(generator.log_posterior(*held(x, missing)).numpy())
    expected = np.zeros_like(x)
    for n, hidden in enumerate(missing):
        seen = ~hidden
        for k in range(3):
            gain = np.linalg.solve(matrices[k][np.ix_(seen, seen)], x[n, seen] - means[k][seen])
            expected[n] += share[n, k] * (means[k] + matrices[k][:, seen] @ gain)
    assert np.allclose(generator.impute(*held(x, missing)), np.where(missing, expected, x), atol=1e-8)


def held(x, missing):
    part = blocks(x, missing)[0]
    return part.x, part.missing


@pytest.mark.parametrize("name", ["full", "diagonal"])
def test_drawn_values_follow_the_conditional_t(name):
    torch.manual_seed(0)
    generator = trained(name, problem(n=200), components=1, df=5.0)
    (mean,), (matrix,), (df,) = parameters(generator)
    seen, n = np.array([True, False, True]), 20_000
    event = mean + np.array([2.0, 0.0, -3.0])
    inverse = np.linalg.inv(matrix[np.ix_(seen, seen)])
    distance = (event - mean)[seen] @ inverse @ (event - mean)[seen]
    across = matrix[1, seen]
    center = mean[1] + across @ inverse @ (event - mean)[seen]
    rest = matrix[1, 1] - across @ inverse @ across
    x, missing = held(np.tile(event, (n, 1)), np.tile(~seen, (n, 1)))
    values = generator.impute(x, missing, draw=True)[:, 1].numpy()
    expected = stats.t(df + 2, center, np.sqrt(rest * (df + distance) / (df + 2)))
    assert stats.kstest(values, expected.cdf).pvalue > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_samples_follow_the_density(name):
    torch.manual_seed(0)
    generator = trained(name, problem(n=300), components=1, df=4.0)
    (mean,), (matrix,), (df,) = parameters(generator)
    drawn = generator.sample(20_000).numpy()
    for column in range(3):
        own = stats.t(df, mean[column], np.sqrt(matrix[column, column]))
        assert stats.kstest(drawn[:, column], own.cdf).pvalue > 1e-4
    distance = np.einsum("ni,ij,nj->n", drawn - mean, np.linalg.inv(matrix), drawn - mean)
    assert stats.kstest(distance / 3, stats.f(3, df).cdf).pvalue > 1e-4


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("hidden", [False, True])
def test_whole_weights_are_repeated_rows(name, hidden):
    x = problem(n=120)
    weight = np.random.default_rng(1).integers(0, 4, len(x))
    rows = np.repeat(np.arange(len(x)), weight)
    missing = knock_out(x) if hidden else None
    one, other = (trained(name, x, missing, passes=3) for _ in range(2))
    weighted = run_passes(one, blocks(x, missing, weight.astype(float), 3), 8)
    assert np.allclose(weighted, run_passes(other, blocks(x[rows], missing[rows] if hidden else None), 8), rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("hidden", [False, True])
def test_statistics_of_blocks_add_up(name, hidden):
    x = problem(n=157)
    missing = knock_out(x) if hidden else None
    generator = trained(name, x, missing)
    whole = collect(generator, blocks(x, missing))
    for count in (2, 10):
        parts = collect(generator, blocks(x, missing, count=count))
        assert all(torch.allclose(parts[key], value, rtol=1e-9, atol=1e-9) for key, value in whole.items())


def test_the_gamma_equation_is_solved():
    for half in (0.3, 1.0, 2.5, 10.0, 400.0):
        gap = torch.tensor([np.log(half) - special.digamma(half)])
        assert likeliest(gap).item() == pytest.approx(2 * half, rel=1e-6)
    assert likeliest(torch.zeros(1, dtype=torch.float64)).item() == 1e4


def test_constants_are_ratios_of_gamma_functions():
    found = log_constants(torch.tensor([3.0, 50.0], dtype=torch.float64), 4).numpy()
    for row, nu in zip(found, (3.0, 50.0), strict=True):
        for d, value in enumerate(row):
            assert value == pytest.approx(
                special.gammaln((nu + d) / 2) - special.gammaln(nu / 2) - d / 2 * np.log(nu / 2)
            )


def test_scoring_divides_by_the_fisher_information():
    """The information is the mean square of the derivative of the log-density by nu."""
    nu, d, step = 6.0, 2, 1e-4

    def log_density(distance, nu):
        return (
            special.gammaln((nu + d) / 2)
            - special.gammaln(nu / 2)
            - d / 2 * np.log(nu * np.pi)
            - (nu + d) / 2 * np.log1p(distance / nu)
        )

    def square(distance):
        slope = (log_density(distance, nu + step) - log_density(distance, nu - step)) / (2 * step)
        return slope**2 * stats.f(d, nu).pdf(distance / d) / d

    information = integrate.quad(square, 0, np.inf, epsabs=1e-14)[0]
    slope = 1e-6
    moved = propose(torch.tensor([nu], dtype=torch.float64), torch.tensor([slope], dtype=torch.float64), d).item()
    assert (moved - nu) / slope == pytest.approx(1 / information, rel=1e-3)


def test_a_fit_reports_its_degrees_of_freedom(tmp_path):
    run = genzoo.train("t-mixture", contaminated()[0], out=tmp_path / "run", n_components=2)
    assert len(run.record["kept"]["df"]) == 2
    (table,) = run.describe().tables
    assert [numbers[0] for _, numbers in table.rows] == pytest.approx(run.record["kept"]["df"])


def test_a_component_on_one_repeated_row_is_named():
    x = np.concatenate([problem(n=100, components=1), np.full((30, 3), 40.0)])
    x -= x.mean(0)
    generator = begin(students("full", 2, 3, start="kmeans", reg_covar=1e-6), blocks(x))
    run_passes(generator, blocks(x), 10)
    report = OBJECTIVE.report(genzoo.Model(genzoo.Parts(generator)))
    assert report["collapsed"] == [int(generator.emissions[0].normal.means[:, 0].argmax())]
    assert torch.isfinite(generator.log_prob(torch.as_tensor(x))).all()


def test_float32_is_close_to_float64_for_remote_rows_too():
    x = np.concatenate([drawn(1000), [[1e4, 0.0, 0.0], [0.0, -1e6, 0.0]]])
    generator = trained("full", x, components=1, passes=30)
    exact = generator.log_prob(torch.as_tensor(x)).numpy()
    found = generator.float().log_prob(torch.as_tensor(x, dtype=torch.float32)).double().numpy()
    assert np.allclose(found, exact, rtol=1e-5, atol=1e-4)


def test_an_event_absurdly_far_away_has_a_density():
    generator = trained("full", drawn(), components=2).float()
    far = torch.tensor([[1e12, 0.0, 0.0], [-1e18, 1e18, 1e18]])
    assert generator.log_prob(far).isfinite().all()
    assert torch.allclose(generator.log_posterior(far).exp().sum(1), torch.ones(2))
