"""A description is right: moments, separation, dependencies and contributions against closed forms and other code."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import torch
from mixture_cases import mixture, set_parameters
from scipy import stats
from scipy.special import logsumexp
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from toy_plugin import ToyGaussian

import genzoo
from genzoo.data.transforms import AffineTransform
from genzoo.inference.description.moments import ColumnCoding, pair_strengths
from genzoo.inference.trained_model import TrainedModel
from genzoo.spec.events import DataSpec, Feature

WEIGHTS = np.array([0.7, 0.3])
MEANS = np.array([[0.0, 1.0, -1.0], [3.0, -1.0, 2.0]])
ROOTS = np.array([[[1.0, 0, 0], [0.8, 0.6, 0], [0.3, 0.2, 0.5]], [[0.7, 0, 0], [-0.4, 0.5, 0], [0.0, 0.6, 1.0]]])
COVARIANCES = ROOTS @ ROOTS.transpose(0, 2, 1)
SHIFT, SCALE = np.array([10.0, -5.0, 0.0]), np.array([2.0, 0.1, 30.0])
SPEC = DataSpec((3,), "table", (Feature("a"), Feature("b"), Feature("c")), storage="float64")


def normal_mixture(missing=True):
    generator = set_parameters(mixture("full", 2, 3), WEIGHTS, MEANS, COVARIANCES)
    transform = AffineTransform(torch.tensor(SHIFT), torch.tensor(SCALE))
    return TrainedModel("test/mixture", generator, transform, SPEC, missing)


def drawn(n=500, seed=0):
    rng = np.random.default_rng(seed)
    k = rng.choice(2, n, p=WEIGHTS)
    return (MEANS[k] + np.einsum("nij,nj->ni", ROOTS[k], rng.normal(size=(n, 3)))) * SCALE + SHIFT


def log_density(x, columns):
    """Return log p of some columns of rows `x (N, C)`, from scipy."""
    parts = []
    for weight, mean, covariance in zip(WEIGHTS, MEANS * SCALE + SHIFT, COVARIANCES, strict=True):
        scaled = covariance * SCALE[:, None] * SCALE
        part = stats.multivariate_normal(mean[columns], scaled[np.ix_(columns, columns)]).logpdf(x[:, columns])
        parts.append(np.log(weight) + np.atleast_1d(part))
    return logsumexp(parts, axis=0)


def conditionals(x):
    """Return log p(x_j | rest) of each column of rows `x (N, 3)`."""
    whole, rest = log_density(x, [0, 1, 2]), [[1, 2], [0, 2], [0, 1]]
    return np.stack([whole - log_density(x, columns) for columns in rest], axis=1)


def contributions_of(description):
    """Return `{row: {column: contribution}}`."""
    return {row.row: {one.column: one for one in row.contributions} for row in description.unlikely}


@pytest.mark.parametrize("missing", [True, False], ids=["marginalized", "integrated"])
def test_contributions_are_conditional_densities_of_a_mixture(missing):
    x = drawn()
    found = normal_mixture(missing).describe(x, rows=4)
    expected, scores = conditionals(x), log_density(x, [0, 1, 2])
    assert [row.row for row in found.unlikely] == np.argsort(scores)[:4].tolist()
    assert found.log_likelihood == pytest.approx(scores.mean())
    for row, columns in contributions_of(found).items():
        assert scores[row] == pytest.approx(next(one.log_likelihood for one in found.unlikely if one.row == row))
        for place, name in enumerate("abc"):
            assert columns[name].log_prob == pytest.approx(expected[row, place], abs=1e-6)


def test_usual_is_a_median_and_the_most_surprising_comes_first():
    x = drawn(150)
    found = normal_mixture().describe(x, rows=2)
    usual = np.median(conditionals(x), axis=0)
    for row in found.unlikely:
        surprises = [one.usual - one.log_prob for one in row.contributions]
        assert surprises == sorted(surprises, reverse=True)
        assert {one.column: one.usual for one in row.contributions} == pytest.approx(
            dict(zip("abc", usual, strict=True))
        )


def test_expected_values_are_conditional_means():
    x = drawn(50)
    for missing in (True, False):
        found = normal_mixture(missing).describe(x, rows=1)
        row = found.unlikely[0].row
        grid = np.linspace(-100, 100, 200_001)
        varied = np.repeat(x[row : row + 1], len(grid), axis=0)
        varied[:, 1] = grid * SCALE[1] + SHIFT[1]
        density = np.exp(log_density(varied, [0, 1, 2]) - log_density(varied, [0, 1, 2]).max())
        expected = (density @ varied[:, 1]) / density.sum()
        assert contributions_of(found)[row]["b"].expected == pytest.approx(expected, rel=1e-6)


def test_independent_columns_add_up_to_the_log_likelihood():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"size": rng.normal(5, 2, 300), "kind": rng.choice(["x", "y", "z"], 300, p=[0.7, 0.2, 0.1])})
    model = genzoo.train("naive-bayes", data=frame, n_components=1, split={"test": 0, "validation": 0}).load()
    found = model.describe(frame, rows=3)
    for row in found.unlikely:
        assert sum(one.log_prob for one in row.contributions) == pytest.approx(row.log_likelihood)
        kind = next(one for one in row.contributions if one.column == "kind")
        assert kind.log_prob == pytest.approx(np.log((frame["kind"] == kind.value).mean()), abs=1e-6)
        assert kind.expected == "x"


def test_a_density_between_two_values_of_the_grid_has_no_contribution():
    generator = ToyGaussian((2,), 0.0).double()
    generator.log_deviation.data.fill_(-12.0)
    spec = DataSpec((2,), "table", (Feature("a"), Feature("b")), storage="float64")
    model = TrainedModel("test/toy", generator, AffineTransform(torch.zeros(2), torch.ones(2)), spec)
    assert model.describe(np.random.default_rng(0).normal(size=(40, 2)), rows=1).unlikely[0].contributions == ()


def test_missing_values_have_no_contribution_and_empty_rows_no_score():
    x = drawn(60)
    x[3] = np.nan
    x[4, :2] = [1e4, np.nan]
    x[5] = [np.nan, np.nan, 1e4]
    found = contributions_of(normal_mixture().describe(x, rows=59))
    assert len(found) == 59
    assert 3 not in found
    assert set(found[4]) == {"a", "c"}
    alone = stats.norm(MEANS[:, 2] * SCALE[2], np.sqrt(COVARIANCES[:, 2, 2]) * SCALE[2]).logpdf(1e4)
    assert found[5]["c"].log_prob == pytest.approx(logsumexp(np.log(WEIGHTS) + alone))


def posterior(x):
    parts = [
        np.log(w) + stats.multivariate_normal(m, c).logpdf((x - SHIFT) / SCALE)
        for w, m, c in zip(WEIGHTS, MEANS, COVARIANCES, strict=True)
    ]
    return np.exp(np.array(parts) - logsumexp(parts, axis=0)).T


@pytest.mark.parametrize("weighted", [False, True])
def test_components_have_the_moments_of_rows_weighted_by_posterior(weighted):
    x = drawn(5000)
    weights = np.random.default_rng(3).uniform(0, 3, 5000) if weighted else None
    found = normal_mixture().describe(x, weights=weights, rows=0)
    share = posterior(x) * (np.ones(5000) if weights is None else weights)[:, None]
    assert [one.component for one in found.components] == [0, 1]
    for one in found.components:
        own = share[:, one.component]
        assert one.share == pytest.approx(own.sum() / share.sum())
        assert one.rows == (posterior(x).argmax(axis=1) == one.component).sum()
        for place, column in enumerate(one.columns):
            mean = np.average(x[:, place], weights=own)
            assert column.mean == pytest.approx(mean)
            assert column.sd == pytest.approx(np.sqrt(np.average((x[:, place] - mean) ** 2, weights=own)))
    total, own = share.sum(axis=1), share[:, 1]
    overall = np.average(x, axis=0, weights=total)
    spread = np.sqrt(np.average((x - overall) ** 2, axis=0, weights=total))
    effects = (np.average(x, axis=0, weights=own) - overall) / spread
    order = np.argsort(-np.abs(effects))
    found_effects = {one.column: one.effect for one in found.components[1].distinctions}
    assert list(found_effects) == ["abc"[i] for i in order]
    assert list(found_effects.values()) == pytest.approx(effects[order].tolist())
    assert found.components[1].distinctions[0].overall == pytest.approx(overall[order[0]])


def coded(features, rows, weights=None):
    coding = ColumnCoding.of(features, rows)
    numbers = coding.encode(rows)
    return coding, numbers, numbers.T @ (numbers * (np.ones(len(rows)) if weights is None else weights)[:, None])


MIXED = (
    Feature("x"),
    Feature("n", "count"),
    Feature("two", "binary", ("no", "yes")),
    Feature("k", "categorical", ("p", "q", "r", "s")),
)


def mixed_rows(n=2000, seed=0):
    rng = np.random.default_rng(seed)
    k = rng.integers(0, 4, n)
    x = rng.normal(k, 2.0) * 1e-3 + 5e4
    two = rng.random(n) < 0.2 + 0.15 * k
    return np.stack([x, rng.poisson(2 + k), two, k], axis=1).astype(np.float64)


def test_separation_is_explained_variance_as_in_scipy_and_sklearn():
    rows, group = mixed_rows(), np.random.default_rng(1).integers(0, 3, 2000)
    rows[:, 0] += group * 1e-3
    rows[:, 3] = np.where(group == 2, 0, rows[:, 3])
    rows[:, 2] = np.where(group == 1, 1, rows[:, 2])
    coding, numbers, _ = coded(MIXED, rows)
    indicators = np.eye(3)[group]
    found = coding.separation(indicators.T @ numbers)
    for column in (0, 1, 2):
        f = stats.f_oneway(*(rows[group == k, column] for k in range(3))).statistic
        assert found[column] == pytest.approx(2 * f / (2 * f + 1997), rel=1e-6)
    levels = np.eye(4)[rows[:, 3].astype(int)]
    predicted = LinearRegression(fit_intercept=False).fit(indicators, levels).predict(indicators)
    assert found[3] == pytest.approx(r2_score(levels, predicted, multioutput="variance_weighted"))
    table = np.array([[(group[rows[:, 2] == two] == k).sum() for k in range(3)] for two in (0, 1)])
    v = stats.contingency.association(table, method="cramer")
    assert found[2] == pytest.approx(v**2), "with two categories, the measure is the square of Cramér's V"


def test_dependencies_are_correlations_ratios_and_corrected_cramers_v():
    rows = mixed_rows()
    coding, _, products = coded(MIXED, rows)
    found = pair_strengths(coding, products, len(rows))
    assert np.array_equal(found, found.T)
    assert found[0, 1] == pytest.approx(np.corrcoef(rows[:, 0], rows[:, 1])[0, 1])
    f = stats.f_oneway(*(rows[rows[:, 3] == k, 0] for k in range(4))).statistic
    squared = 3 * f / (3 * f + 1996)
    assert found[0, 3] == pytest.approx(np.sqrt(1 - (1 - squared) * 1999 / 1996), rel=1e-6)
    table = pd.crosstab(rows[:, 2], rows[:, 3]).to_numpy()
    v = stats.contingency.association(table, method="cramer")
    phi = max(0, v**2 - 3 / 1999)  # min(rows, columns) - 1 is 1
    sides = 2 - 1 / 1999, 4 - 9 / 1999
    assert found[2, 3] == pytest.approx(np.sqrt(phi / (min(sides) - 1)))


def test_each_pair_uses_the_rows_that_have_both_values():
    rows = mixed_rows()
    rng = np.random.default_rng(5)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    coding, numbers, products = coded(MIXED, rows)
    frame = pd.DataFrame(rows)
    assert pair_strengths(coding, products, len(rows))[0, 1] == pytest.approx(frame.corr().to_numpy()[0, 1])
    figures = coding.figures(numbers.sum(axis=0))
    assert figures[0].mean == pytest.approx(frame[0].mean(), rel=1e-12)
    assert figures[0].sd == pytest.approx(frame[0].std(ddof=0), rel=1e-9)
    assert list(figures[3].levels.values()) == pytest.approx(
        frame[3].value_counts(normalize=True).sort_index().tolist()
    )


def test_independent_categories_do_not_depend_on_each_other():
    rng = np.random.default_rng(0)
    features = tuple(Feature(name, "categorical", tuple(map(str, range(8)))) for name in "ab")
    values = []
    for _ in range(200):
        coding, _, products = coded(features, rng.integers(0, 8, (60, 2)).astype(np.float64))
        values.append(pair_strengths(coding, products, 60)[0, 1])
    assert np.mean(values) < 0.12, "uncorrected, the mean is 0.34"


def test_weights_that_count_equal_repeated_rows():
    x = drawn(80)
    counts = np.random.default_rng(2).integers(1, 4, 80)
    once, often = (
        normal_mixture().describe(x, weights=counts, rows=0),
        normal_mixture().describe(np.repeat(x, counts, axis=0), rows=0),
    )
    assert [one.share for one in once.components] == pytest.approx([one.share for one in often.components])
    assert [value for _, value in once.separation] == pytest.approx([value for _, value in often.separation])
    assert once.columns[0].data.sd == pytest.approx(often.columns[0].data.sd)
    assert [one.data for one in once.dependencies] == pytest.approx([one.data for one in often.dependencies])


def test_samples_of_the_model_have_its_dependencies():
    mean = WEIGHTS @ MEANS
    covariance = np.einsum("k,kij->ij", WEIGHTS, COVARIANCES) + (MEANS - mean).T @ ((MEANS - mean) * WEIGHTS[:, None])
    expected = covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    found = normal_mixture().describe(drawn(3000), rows=0)
    assert np.allclose(found.drawn.model_strength, expected, atol=0.03)
    assert found.disagreements == ()
    shuffled = drawn(3000)
    shuffled[:, 0] = np.random.default_rng(0).permutation(shuffled[:, 0])
    wrong = normal_mixture().describe(shuffled, rows=0)
    assert wrong.disagreeing_pairs >= 1
    assert set(wrong.disagreements[0].columns) & {"a"}


def test_a_table_without_data_is_described_by_samples():
    found = normal_mixture().describe(rows=3)
    assert (found.rows, found.log_likelihood, found.unlikely) == (0, None, ())
    assert found.components[0].share == pytest.approx(0.7, abs=0.03)
    assert all(one.data is None for one in found.dependencies)
    assert "no data" in found.notes[0]


def test_a_constant_column_separates_nothing_and_depends_on_nothing():
    rows = mixed_rows(100)
    rows[:, 1] = 7
    rows[:, 3] = 2
    coding, numbers, products = coded(MIXED, rows)
    strengths = pair_strengths(coding, products, 100)
    assert not np.any(strengths[[1, 3]] - np.eye(4)[[1, 3]])
    assert coding.separation(np.stack([numbers[:50].sum(0), numbers[50:].sum(0)]))[[1, 3]].tolist() == [0, 0]
    figures = coding.figures(numbers.sum(axis=0))
    assert (figures[1].mean, figures[1].sd) == (7.0, 0.0)


def test_a_column_that_is_0_in_a_component_has_exactly_mean_0():
    rows = np.zeros((1000, 1))
    rows[:100, 0] = np.random.default_rng(0).normal(2000, 300, 100)
    coding, numbers, _ = coded((Feature("gain"),), rows)
    figures = coding.figures(numbers[100:].sum(axis=0))[0]
    assert (figures.mean, figures.sd) == (0.0, 0.0)


class Encoding(ToyGaussian, genzoo.Encoder, genzoo.Decoder):
    """Encodes the first column in the first dimension; the second is not used."""

    latent = 2

    def encode(self, x):
        return torch.stack([0.8 * x[:, 0], 0.0 * x[:, 0]], 1)

    def decode(self, z):
        return z

    def prior_sample(self, n):
        return torch.randn(n, 2, dtype=torch.float64)


def test_latent_dimensions_in_use_are_found_with_their_columns():
    spec = DataSpec((2,), "table", (Feature("a"), Feature("b")), storage="float64")
    transform = AffineTransform(torch.tensor([4.0, 0.0]), torch.tensor([3.0, 1.0]))
    model = TrainedModel("test/toy", Encoding((2,), 0.0).double(), transform, spec)
    x = np.random.default_rng(0).normal([4, 0], [3, 1], (5000, 2))
    found = model.describe(x, rows=0).latent
    assert found.determined == pytest.approx((0.64, 0.0), abs=0.05)
    assert found.active == (0,)
    assert found.columns == ((("a", pytest.approx(1.0)),),)


def test_figures_become_plain_json():
    x = drawn(100)
    x[0, 0] = np.nan
    found = normal_mixture().describe(x, rows=2)
    plain = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert plain["schema"] == 1
    assert set(plain) == {"schema"} | {field.name for field in dataclasses.fields(found)} - {"drawn"}
    assert plain["unlikely"][0]["contributions"][0]["column"] in "abc"
    assert plain["components"][0]["columns"][0]["name"] == "a"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"weights": [1.0] * 3}, "weights"),
        ({"weights": [-1.0] * 10}, "weights"),
        ({"rows": -1}, "rows"),
        ({"rows": 2.5}, "rows"),
    ],
)
def test_wrong_arguments_of_describe_are_named(given, words):
    with pytest.raises(genzoo.ConfigError, match=words):
        normal_mixture().describe(drawn(10), **given)
