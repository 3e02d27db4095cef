"""`copula` against scipy, closed forms, quadrature and brute force."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

import genzoo
from genzoo import ConfigError, DataError, DataSpec, Feature
from genzoo_tabular.copula.build import BoundedCopula, ExactCopula, build
from genzoo_tabular.copula.fitting import fit
from genzoo_tabular.copula.marginals import Parametric, Quantiles
from genzoo_tabular.copula.options import CopulaOptions
from genzoo_tabular.copula.rectangles import draw_interval, log_rectangle
from genzoo_tabular.rows import TrainingRows

NUMBER = Feature("a")
LEVELS = ("l", "m", "n")


def spec(*features):
    return DataSpec((len(features),), "table", features)


def rows(x, missing=None, weights=None):
    x = torch.as_tensor(np.asarray(x, np.float64))
    mask = torch.zeros_like(x, dtype=torch.bool) if missing is None else torch.as_tensor(missing)
    return TrainingRows(
        x.masked_fill(mask, 0.0), mask, torch.ones(len(x), dtype=torch.float64) if weights is None else weights
    )


def fitted(data, features, missing=None, weights=None, sweeps=200, **options):
    torch.manual_seed(0)
    copula = build(CopulaOptions(**options), spec(*features)).generator.double()
    fit(copula, rows(data, missing, weights), sweeps)
    return copula


def correlated(n, correlation, seed=0):
    covariance = np.full((3, 3), correlation) + (1 - correlation) * np.eye(3)
    return np.random.default_rng(seed).multivariate_normal(np.zeros(3), covariance, n)


def mixed(n=600, seed=0):
    """Two numbers, a category of three levels and a count, from cut normal scores."""
    z = np.random.default_rng(seed).multivariate_normal(np.zeros(4), 0.6 * np.ones((4, 4)) + 0.4 * np.eye(4), n)
    return np.column_stack([z[:, 0], np.exp(z[:, 1]), np.digitize(z[:, 2], [-0.5, 0.5]), np.floor(np.exp(z[:, 3]))])


MIXED = (Feature("a"), Feature("b"), Feature("c", "categorical", LEVELS), Feature("d", "count"))


def test_with_normal_marginals_it_is_the_most_likely_normal():
    x = correlated(200, 0.5) * [1, 2, 3] + [0, 5, -5]
    copula = fitted(x, [Feature(name) for name in "abc"], marginals="normal")
    held = correlated(50, 0.5, seed=1) * [1, 2, 3] + [0, 5, -5]
    want = stats.multivariate_normal.logpdf(held, x.mean(0), np.cov(x.T, bias=True))
    np.testing.assert_allclose(copula.log_prob(torch.as_tensor(held)).numpy(), want, rtol=1e-10)


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("correlation", [0.0, 0.7, -0.95])
def test_the_probability_of_a_rectangle_is_exact_in_two_dimensions(size, correlation):
    covariance = np.array([[1.0, correlation], [correlation, 1.0]])[:size, :size] * 1.3
    low, high = np.array([[-0.5, -1.0], [0.3, -3.0]])[:, :size], np.array([[1.0, 0.2], [40.0, -1.5]])[:, :size]
    found = log_rectangle(*(torch.as_tensor(part) for part in (low, high, covariance))).exp()
    normal = stats.multivariate_normal(np.zeros(size), covariance)
    want = [normal.cdf(above, lower_limit=below) for below, above in zip(low, high, strict=True)]
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-8)


def test_the_bound_of_a_rectangle_tends_to_its_probability():
    covariance = 0.6 * np.ones((4, 4)) + 0.4 * np.eye(4)
    low, high = np.array([[-1.0, -0.5, 0.0, -2.0]]), np.array([[0.5, 1.0, 2.0, 0.1]])
    torch.manual_seed(0)
    found = log_rectangle(*(torch.as_tensor(part) for part in (low, high, covariance)), draws=40_000).exp()
    want = stats.multivariate_normal(np.zeros(4), covariance).cdf(high[0], lower_limit=low[0])
    assert float(found) == pytest.approx(want, rel=0.01)


def test_draws_from_an_interval_are_those_of_scipy():
    u = torch.linspace(0.01, 0.99, 50, dtype=torch.float64)
    for low, high in ((-1.0, 0.5), (3.0, 4.0), (6.0, 40.0), (-40.0, 40.0), (-9.0, -8.0), (-40.0, -20.0), (29.0, 29.01)):
        found = draw_interval(*(torch.full_like(u, end) for end in (low, high)), u)
        np.testing.assert_allclose(found, stats.truncnorm.ppf(u, low, high), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("low", "high"), [(37.0, 40.0), (-60.0, -50.0), (100.0, 1e9), (38.0, 38.001)])
def test_draws_from_a_far_interval_are_nearly_those_of_scipy(low, high):
    u = torch.linspace(0.01, 0.99, 50, dtype=torch.float64)
    found = draw_interval(*(torch.full_like(u, end) for end in (low, high)), u)
    np.testing.assert_allclose(found, stats.truncnorm.ppf(u, low, high), rtol=1e-5)


@pytest.mark.parametrize("kind", ["empirical", "parametric"])
def test_marginals_are_increasing_densities(kind):
    x = np.random.default_rng(0).standard_t(3, 300)
    marginals = (Quantiles(1) if kind == "empirical" else Parametric(1, False)).double()
    marginals.fit(0, 0, x, np.ones(300), 0.1)
    here = torch.tensor([0])

    def density(value):
        z, slope = marginals.scores(torch.tensor([[value]], dtype=torch.float64), 0, here)
        return float((slope - z**2 / 2).exp()) / math.sqrt(2 * math.pi)

    bends = marginals.table[0, 0, 0].tolist() if kind == "empirical" else np.quantile(x, [0, 0.02, 0.5, 0.98, 1])
    parts = [-np.inf, *bends, np.inf]
    total = sum(integrate.quad(density, *ends, limit=500)[0] for ends in itertools.pairwise(parts))
    assert total == pytest.approx(1, abs=1e-5)
    grid = torch.linspace(-40, 40, 2_001, dtype=torch.float64)[:, None]
    z, _ = marginals.scores(grid, 0, here)
    assert (z.diff(dim=0) > 0).all()
    back = marginals.values(z.clamp(-30, 30), 0, here)
    np.testing.assert_allclose(back[z.abs() < 30], grid[z.abs() < 30], rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("kind", ["empirical", "parametric"])
def test_rounding_makes_no_density(kind):
    x = np.random.default_rng(0).normal(size=500)
    marginals = {step: (Quantiles(1) if kind == "empirical" else Parametric(1, False)).double() for step in (0.0, 0.5)}
    for step, marginal in marginals.items():
        values = np.round(x / step) * step if step else x
        marginal.fit(0, 0, values, np.ones(500), 0.5)
    fresh = np.random.default_rng(1).normal(size=2_000)
    means = []
    for step, marginal in marginals.items():
        held = torch.as_tensor(np.round(fresh / step) * step if step else fresh)[:, None]
        z, slope = marginal.scores(held, 0, torch.tensor([0]))
        means.append(float((slope - z**2 / 2).mean()))
    assert means[1] - means[0] < 0.05


def test_values_that_many_rows_share_keep_their_probability():
    draw = np.random.default_rng(0)
    x = np.where(draw.uniform(size=4_000) < 0.9, 0.0, draw.lognormal(8, 1, 4_000))
    copula = fitted(x[:, None] / x.std(), [Feature("a")])
    torch.manual_seed(0)
    samples = copula.sample(20_000)[:, 0] * x.std()
    assert float((samples == 0).double().mean()) == pytest.approx((x == 0).mean(), abs=0.01)
    assert float(samples.quantile(0.99)) == pytest.approx(np.quantile(x, 0.99), rel=0.15)


def test_smoothed_quantiles_predict_nearly_as_well_as_the_truth():
    draw = np.random.default_rng(0)
    x, held = draw.gamma(0.8, size=400), draw.gamma(0.8, size=4_000)
    marginals = Quantiles(1).double()
    marginals.fit(0, 0, x, np.ones(400), 0.1)
    z, slope = marginals.scores(torch.as_tensor(held)[:, None], 0, torch.tensor([0]))
    found = float((slope - z**2 / 2).mean()) - math.log(2 * math.pi) / 2
    truth, normal = stats.gamma.logpdf(held, 0.8).mean(), stats.norm.logpdf(held, x.mean(), x.std()).mean()
    assert normal + 0.2 < found < truth
    assert truth - found < 0.1


@pytest.mark.parametrize("by", ["none", "c"])
def test_levels_and_counts_add_up_to_the_density_without_them(by):
    copula = fitted(mixed(), MIXED, by=by)
    assert isinstance(copula, ExactCopula)
    event = torch.tensor([[0.3, 1.5, 0.0, 0.0]], dtype=torch.float64)
    levels, counts = torch.meshgrid(torch.arange(3), torch.arange(4_000), indexing="ij")
    events = event.repeat(levels.numel(), 1)
    events[:, 2], events[:, 3] = levels.flatten(), counts.flatten()
    gone = torch.tensor([[False, False, True, True]])
    assert float(copula.log_prob(events).exp().sum()) == pytest.approx(
        float(copula.log_prob(event, gone).exp()), rel=1e-3
    )


def test_without_a_column_it_is_the_integral_over_it():
    copula = fitted(mixed(), MIXED)
    gone = torch.tensor([[False, True, False, False]])
    event = torch.tensor([[0.3, 0.0, 1.0, 2.0]], dtype=torch.float64)

    nodes, weights = np.polynomial.legendre.leggauss(400)  # in each of the pieces
    total = 0.0
    for low, high in ((-60, -3), (-3, 0), (0, 1), (1, 4), (4, 15), (15, 80)):
        values = torch.as_tensor((nodes + 1) / 2 * (high - low) + low)
        at = event.repeat(len(values), 1)
        at[:, 1] = values
        total += float(copula.log_prob(at).exp() @ torch.as_tensor(weights)) * (high - low) / 2
    assert total == pytest.approx(float(copula.log_prob(event, gone).exp()), rel=1e-3)


@pytest.mark.parametrize("by", ["none", "c"])
def test_samples_have_the_declared_density(by):
    copula = fitted(mixed(), MIXED, by=by)
    torch.manual_seed(1)
    x = copula.sample(40_000)
    gone = torch.tensor([[True, True, False, True]]).expand(3, -1)
    levels = torch.zeros(3, 4, dtype=torch.float64)
    levels[:, 2] = torch.arange(3)
    want = copula.log_prob(levels, gone).exp()
    np.testing.assert_allclose(torch.stack([(x[:, 2] == k).double().mean() for k in range(3)]), want, atol=0.01)
    # The entropy from samples of the model is the mean of minus its log-density under another of its samples' rows.
    low = copula.log_prob(x[:2_000, :], torch.tensor([[False, True, True, True]]).expand(2_000, -1))
    kernel = stats.gaussian_kde(x[2_000:12_000, 0].numpy(), 0.1)
    assert float(low.mean()) == pytest.approx(kernel.logpdf(x[:2_000, 0].numpy()).mean(), abs=0.05)


def test_scores_that_categories_leave_open_do_not_weaken_correlations():
    z = np.random.default_rng(0).multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], 6_000)
    x = np.column_stack([z[:, 0], z[:, 1] > 0.4])
    copula = fitted(x, [Feature("a"), Feature("b", "binary", ("no", "yes"))], by="none", marginals="normal")
    assert float(copula.correlations[0, 0, 1]) == pytest.approx(0.7, abs=0.03)


def test_missing_values_that_depend_on_others_do_not_bias_correlations():
    x = correlated(6_000, 0.8)
    gone = np.zeros(x.shape, bool)
    gone[:, 1] = x[:, 0] > 0  # the column is missing exactly where the first is large
    copula = fitted(x, [Feature(name) for name in "abc"], gone, marginals="normal")
    assert float(copula.correlations[0, 0, 2]) == pytest.approx(0.8, abs=0.02)
    dropped = np.corrcoef(x[~gone[:, 1]].T)[0, 2]
    assert float(copula.correlations[0, 0, 2]) > dropped + 0.05


def test_weights_count_as_repeated_rows():
    x = mixed(200)[:, :2]
    counts = np.random.default_rng(0).integers(1, 4, 200)
    features = [Feature("a"), Feature("b")]
    repeated = fitted(np.repeat(x, counts, axis=0), features, marginals="parametric")
    weighted = fitted(x, features, weights=torch.as_tensor(counts.astype(np.float64)), marginals="parametric")
    held = torch.as_tensor(mixed(50, seed=1)[:, :2])
    np.testing.assert_allclose(weighted.log_prob(held), repeated.log_prob(held), rtol=1e-5, atol=1e-5)


def test_missing_numbers_become_conditional_means_and_draws():
    x = correlated(400, 0.6)
    copula = fitted(x, [Feature(name) for name in "abc"], marginals="normal")
    mean, covariance = x.mean(0), np.cov(x.T, bias=True)
    event = torch.tensor([[1.0, 0.0, -0.5]], dtype=torch.float64)
    gone = torch.tensor([[False, True, False]])
    weights = np.linalg.solve(covariance[np.ix_([0, 2], [0, 2])], covariance[[0, 2], 1])
    want = mean[1] + (event[0, [0, 2]].numpy() - mean[[0, 2]]) @ weights
    assert float(copula.impute(event, gone)[0, 1]) == pytest.approx(want, abs=1e-9)
    draws = copula.impute(event.repeat(20_000, 1), gone.expand(20_000, -1), draw=True)[:, 1]
    deviation = math.sqrt(covariance[1, 1] - covariance[1, [0, 2]] @ weights)
    assert float(draws.mean()) == pytest.approx(want, abs=0.02)
    assert float(draws.std()) == pytest.approx(deviation, rel=0.02)


@pytest.mark.parametrize("by", ["none", "c"])
def test_draws_of_missing_levels_have_their_probabilities(by):
    copula = fitted(mixed(), MIXED, by=by)
    event, gone = torch.tensor([[1.0, 2.0, 0.0, 3.0]], dtype=torch.float64), torch.tensor([[False, False, True, False]])
    levels = event.repeat(3, 1)
    levels[:, 2] = torch.arange(3)
    want = copula.log_prob(levels).softmax(0)
    torch.manual_seed(0)
    draws = copula.impute(event.repeat(8_000, 1), gone.expand(8_000, -1), draw=True)[:, 2]
    np.testing.assert_allclose([(draws == k).double().mean() for k in range(3)], want, atol=0.02)
    assert int(copula.impute(event, gone)[0, 2]) == int(want.argmax())


def test_auto_groups_by_the_column_that_predicts():
    draw = np.random.default_rng(0)
    label, noise = draw.integers(0, 3, 300), draw.integers(0, 2, 300)
    # The middle level has the widest second column, which one order of the levels cannot say.
    x = np.column_stack([draw.normal(size=300), draw.normal(size=300) * np.array([0.2, 2.0, 0.2])[label], label, noise])
    features = (Feature("a"), Feature("b"), Feature("c", "categorical", LEVELS), Feature("d", "binary", ("0", "1")))
    copula = fitted(x, features)
    assert int(copula.by) == 2
    assert len(copula.log_weights) == 3


def test_more_open_columns_make_it_a_bound():
    x = np.random.default_rng(0).integers(0, 2, (100, 3))
    features = [Feature(name, "binary", ("0", "1")) for name in "abc"]
    copula = fitted(x, features, by="none")
    assert isinstance(copula, BoundedCopula)
    everything = torch.cartesian_prod(*[torch.arange(2.0, dtype=torch.float64)] * 3)
    torch.manual_seed(0)
    assert float(copula.log_prob_bound(everything, draws=20_000).exp().sum()) == pytest.approx(1, abs=0.01)


def test_columns_that_determine_each_other_are_an_error():
    x = np.random.default_rng(0).normal(size=(100, 1))
    with pytest.raises(DataError, match="determine each other"):
        fitted(np.column_stack([x, 2 * x + 1]), [Feature("a"), Feature("b")])


def test_by_must_be_a_column_with_levels():
    with pytest.raises(ConfigError, match=r"by=a is no column with levels.*c"):
        build(CopulaOptions(by="a"), spec(*MIXED))


def test_it_trains_and_loads_and_groups_by_iris_species(tmp_path):
    pandas = pytest.importorskip("pandas")
    from sklearn.datasets import load_iris

    found = load_iris(as_frame=True)
    table = found.frame.assign(target=pandas.Categorical.from_codes(found.target, found.target_names))
    run = genzoo.train("copula", data=table, out=tmp_path / "run", seed=0)
    assert genzoo.load(tmp_path / "run").sample(20).target.isin(found.target_names).all()
    scores = run.log_prob(table)
    assert np.isfinite(scores).all()
    # One normal for each species has −1.46 nats on held-out rows; a single copula over all columns about −3.5.
    assert float(np.mean(scores)) > -1.8


def test_a_value_that_many_rows_share_has_a_flat_density():
    draw = np.random.default_rng(0)
    x = np.where(draw.random(600) < 0.4, 40.0, draw.normal(40, 10, 600).round())
    copula = fitted(x[:, None], [NUMBER])
    places = torch.tensor([[39.6], [40.0], [40.4]], dtype=torch.float64)
    scores, _, slopes = copula.intervals(places, 0)
    assert float(slopes.max() - slopes.min()) == pytest.approx(0, abs=1e-9)
    assert float(scores[2, 0] - scores[0, 0]) == pytest.approx(0.8 * float(slopes[0].exp()), rel=1e-6)


def test_rows_of_hardly_any_weight_leave_room_for_the_others():
    draw = np.random.default_rng(0)
    x = np.where(draw.random(300) < 0.5, 0.0, draw.exponential(size=300))
    copula = fitted(x[:, None], [NUMBER], weights=torch.as_tensor(np.where(x == 0, 1.0, 1e-12)))
    assert bool(copula.log_prob(torch.as_tensor(x)[:, None]).isfinite().all())
    assert bool(copula.sample(100).isfinite().all())


def test_counts_far_off_are_improbable_and_not_impossible():
    copula = fitted(mixed(), MIXED, by="c")
    event = torch.tensor([[0.0, 1.0, 0.0, 1e6]], dtype=torch.float64)
    assert -5_000 < float(copula.log_prob(event)) < -500
    gone = torch.tensor([[True, True, True, False]])
    assert bool(copula.impute(event, gone, draw=True).isfinite().all())


@pytest.mark.parametrize("marginals", ["empirical", "parametric", "normal"])
def test_a_group_of_one_row_has_the_marginals_of_all_rows(marginals):
    x = np.column_stack([np.random.default_rng(0).normal(size=200), np.arange(200) == 0])
    copula = fitted(x, [Feature("a"), Feature("b", "binary", ("no", "yes"))], by="b", marginals=marginals)
    held = torch.tensor([[-1.5, 1.0], [0.0, 1.0], [1.5, 1.0]], dtype=torch.float64)
    assert float(copula.log_prob(held).min()) > -10
    assert float(copula.log_prob(torch.as_tensor(x[:1]))) < 0
