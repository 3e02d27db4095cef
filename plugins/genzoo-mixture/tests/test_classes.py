"""`naive-bayes`: columns of any kind, independent given the class."""

import itertools

import numpy as np
import pytest
import torch
from mixture_cases import begin, blocks, knock_out, run_passes
from scipy import stats
from scipy.special import logsumexp
from sklearn.metrics import adjusted_rand_score

from genzoo import DataSpec, Feature
from genzoo_mixture.build import build_classes
from genzoo_mixture.options import ClassOptions

MIXED = (
    Feature("height"),
    Feature("smokes", "binary", ("no", "yes")),
    Feature("visits", "count"),
    Feature("color", "categorical", ("red", "green", "blue")),
    Feature("weight"),
)


def classes(features=MIXED, components=2, reg_covar=1e-6, start="k-means++"):
    data = DataSpec((len(features),), "table", tuple(features), missing=True)
    options = ClassOptions(n_components=components, reg_covar=reg_covar, init_params=start)
    return build_classes(options, data).generator.double()


class Truth:
    """A latent class model in NumPy: weights, and a scipy distribution for every class and column."""

    def __init__(self, seed=0, components=2):
        rng = np.random.default_rng(seed)
        self.weights = rng.dirichlet(np.full(components, 4.0))
        self.means = rng.normal(0, 2, (components, 2))
        self.deviations = rng.uniform(0.5, 2, (components, 2))
        self.yes = rng.uniform(0.1, 0.9, components)
        self.rates = rng.uniform(0.5, 9, components)
        self.colors = rng.dirichlet(np.ones(3), components)

    def give(self, generator):
        emissions = {type(emission).__name__: emission for emission, _ in generator.parts}
        generator.log_weights.copy_(torch.as_tensor(np.log(self.weights)))
        emissions["Diagonal"].means.copy_(torch.as_tensor(self.means))
        emissions["Diagonal"].scale.copy_(torch.as_tensor(self.deviations))
        emissions["Counts"].rate.copy_(torch.as_tensor(self.rates)[:, None])
        table = np.log(np.column_stack([1 - self.yes, self.yes, self.colors]))
        emissions["Categories"].log_probability.copy_(torch.as_tensor(table))
        return generator

    def columns(self, x):
        """Compute the log-probability of each value of `x (N, 5)` under each class, `(N, K, 5)`."""
        height, smokes, visits, _, weight = (column[:, None] for column in x.T)
        return np.stack(
            [
                stats.norm(self.means[:, 0], self.deviations[:, 0]).logpdf(height),
                stats.bernoulli(self.yes).logpmf(smokes),
                stats.poisson(self.rates).logpmf(visits),
                np.log(self.colors[:, x[:, 3].astype(int)].T),
                stats.norm(self.means[:, 1], self.deviations[:, 1]).logpdf(weight),
            ],
            2,
        )

    def joint(self, x, missing):
        return np.where(missing[:, None], 0.0, self.columns(x)).sum(2) + np.log(self.weights)

    def draw(self, n, seed=1):
        rng = np.random.default_rng(seed)
        label = rng.choice(len(self.weights), n, p=self.weights)
        color = (rng.random(n)[:, None] > self.colors[label].cumsum(1)[:, :2]).sum(1)
        height, weight = (self.means[label] + self.deviations[label] * rng.normal(size=(n, 2))).T
        x = np.column_stack([height, rng.random(n) < self.yes[label], rng.poisson(self.rates[label]), color, weight])
        return x, label


@pytest.mark.parametrize("components", [1, 2, 4])
def test_the_density_is_the_sum_over_classes(components):
    truth = Truth(components=components)
    generator = truth.give(classes(components=components))
    x, _ = truth.draw(60)
    missing = knock_out(x)
    joint = truth.joint(x, missing)
    part = blocks(x, missing)[0]
    assert np.allclose(generator.log_prob(part.x, part.missing), logsumexp(joint, 1), rtol=1e-10, atol=1e-12)
    posterior = joint - logsumexp(joint, 1, keepdims=True)
    assert np.allclose(generator.log_posterior(part.x, part.missing), posterior, rtol=1e-9, atol=1e-10)
    complete = logsumexp(truth.joint(x, np.zeros(x.shape, bool)), 1)
    assert np.allclose(generator.log_prob(torch.as_tensor(x)), complete, rtol=1e-10)


def test_float32_stays_close_to_float64():
    truth = Truth()
    generator = truth.give(classes())
    x, _ = truth.draw(2000)
    x[:5, 2] = 10_000.0  # a count whose terms nearly cancel
    exact = generator.log_prob(torch.as_tensor(x))
    found = generator.float().log_prob(torch.as_tensor(x).float()).double()
    assert torch.allclose(found, exact, rtol=2e-6, atol=2e-5)


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_one_pass_computes_the_weighted_moments(hidden, count):
    truth = Truth()
    generator = truth.give(classes(reg_covar=0.0))
    x, _ = truth.draw(200, seed=3)
    missing = knock_out(x) if hidden else np.zeros(x.shape, bool)
    joint = truth.joint(x, missing)
    share = np.exp(joint - logsumexp(joint, 1, keepdims=True))
    found = run_passes(generator, blocks(x, missing if hidden else None, count=count), 1)
    assert found[0] == pytest.approx(logsumexp(joint, 1).sum(), rel=1e-11)
    emissions = {type(emission).__name__: emission for emission, _ in generator.parts}
    assert np.allclose(generator.log_weights.exp(), share.mean(0), rtol=1e-10)
    for k in range(2):
        seen = [share[:, k] * ~missing[:, column] for column in range(5)]
        for place, column in enumerate((0, 4)):
            mean = np.average(x[:, column], weights=seen[column])
            variance = np.average((x[:, column] - mean) ** 2, weights=seen[column])
            assert emissions["Diagonal"].means[k, place].item() == pytest.approx(mean, rel=1e-10)
            assert emissions["Diagonal"].scale[k, place].item() ** 2 == pytest.approx(variance, rel=1e-9)
        assert emissions["Counts"].rate[k, 0].item() == pytest.approx(np.average(x[:, 2], weights=seen[2]), rel=1e-10)
        expected = [np.average(x[:, 1] == v, weights=seen[1]) for v in range(2)]
        expected += [np.average(x[:, 3] == v, weights=seen[3]) for v in range(3)]
        assert np.allclose(emissions["Categories"].log_probability[k].exp(), expected, rtol=1e-9)


@pytest.mark.parametrize("start", ["kmeans", "k-means++", "random_from_data", "random"])
def test_the_likelihood_never_falls(start):
    x, _ = Truth(components=3).draw(400)
    parts = blocks(x, knock_out(x), count=3)
    found = run_passes(begin(classes(components=3, reg_covar=0.0, start=start), parts), parts, 50)
    assert (np.diff(found) >= -1e-9 * abs(found[0])).all()


def test_a_mixture_of_bernoullis_equals_the_one_in_numpy():
    rng = np.random.default_rng(0)
    x = (rng.random((300, 6)) < np.where(rng.random(300) < 0.4, 0.8, 0.25)[:, None]).astype(float)
    weights, yes = np.array([0.3, 0.7]), rng.uniform(0.3, 0.7, (2, 6))
    generator = classes([Feature(f"q{i}", "binary", ("no", "yes")) for i in range(6)])
    generator.log_weights.copy_(torch.as_tensor(weights).log())
    generator.emissions[0].log_probability.copy_(torch.as_tensor(np.log(np.stack([1 - yes, yes], 2)).reshape(2, 12)))
    for _ in range(40):
        joint = np.log(weights) + x @ np.log(yes).T + (1 - x) @ np.log(1 - yes).T
        share = np.exp(joint - logsumexp(joint, 1, keepdims=True))
        weights, yes = share.mean(0), share.T @ x / share.sum(0)[:, None]
    run_passes(generator, blocks(x, count=2), 40)
    assert np.allclose(generator.log_weights.exp(), weights, rtol=1e-8)
    assert np.allclose(generator.emissions[0].log_probability.exp()[:, 1::2], yes, rtol=1e-8)
    assert generator.degrees_of_freedom == 1 + 2 * 6


def test_the_probabilities_of_all_states_sum_to_one():
    features = [MIXED[1], MIXED[3], Feature("size", "categorical", ("s", "m", "l", "xl"))]
    generator = classes(features, 3)
    torch.manual_seed(0)
    generator.log_weights.copy_(torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64).log())
    emission = generator.emissions[0]
    emission.log_probability.copy_(torch.cat([torch.randn(3, n).double().log_softmax(1) for n in (2, 3, 4)], 1))
    states = torch.tensor(list(itertools.product(range(2), range(3), range(4)))).double()
    assert generator.log_prob(states).exp().sum().item() == pytest.approx(1, rel=1e-12)
    hidden = torch.tensor([[False, True, False]])
    some = torch.tensor([[a, 0, b] for a in range(2) for b in range(4)]).double()
    assert generator.log_prob(some, hidden.expand(8, 3)).exp().sum().item() == pytest.approx(1, rel=1e-12)


def test_degrees_of_freedom_are_counted_column_by_column():
    # two classes less one weight; a mean and a variance twice; one probability; one rate; two free probabilities
    assert classes(components=2).degrees_of_freedom == 1 + 2 * (2 * 2 + 1 + 1 + 2)
    assert classes(components=5).degrees_of_freedom == 4 + 5 * (2 * 2 + 1 + 1 + 2)


def test_samples_follow_the_distribution_of_every_column():
    torch.manual_seed(0)
    truth = Truth()
    generator = truth.give(classes())
    x = generator.sample(20_000).numpy()
    expected, _ = truth.draw(20_000)
    assert set(np.unique(x[:, 1])) == {0, 1}
    assert set(np.unique(x[:, 3])) == {0, 1, 2}
    for column in (0, 4):
        assert stats.ks_2samp(x[:, column], expected[:, column]).pvalue > 1e-4
    for column in (1, 2, 3):
        top = int(max(x[:, column].max(), expected[:, column].max())) + 1
        counts = np.array([np.bincount(t[:, column].astype(int), minlength=top) for t in (x, expected)])
        counts = counts[:, counts.sum(0) > 20]
        assert stats.chi2_contingency(counts).pvalue > 1e-4
    assert stats.ks_2samp(x[:, 0][x[:, 1] == 1], expected[:, 0][expected[:, 1] == 1]).pvalue > 1e-4


def test_a_category_that_a_class_never_saw_is_improbable_and_not_nan():
    features = [Feature("a", "categorical", ("x", "y", "z")), Feature("b", "count")]
    x = np.array([[0.0, 0.0]] * 30 + [[1.0, 50.0]] * 30)
    generator = begin(classes(features, 2, start="kmeans"), blocks(x))
    assert np.isfinite(run_passes(generator, blocks(x), 20)).all()
    unseen = torch.tensor([[2.0, 0.0], [0.0, 50.0], [1.0, 0.0], [0.0, 3.0]]).double()
    for model in (generator, generator.float()):
        found = model.log_prob(unseen.to(model.log_weights.dtype))
        assert found.isfinite().all()
        assert (found < -10).all()
    assert generator.sample(100).isfinite().all()


def test_classes_are_found_again():
    rng = np.random.default_rng(0)
    label = rng.integers(2, size=1000)
    x = np.column_stack(
        [
            rng.normal(np.where(label, 2.0, -1.0), 1.0) * 1000,
            rng.random(1000) < np.where(label, 0.9, 0.2),
            rng.poisson(np.where(label, 9, 3)),
            np.where(label, rng.choice(3, 1000, p=[0.7, 0.2, 0.1]), rng.choice(3, 1000, p=[0.1, 0.2, 0.7])),
            rng.normal(np.where(label, 0.0, 0.002), 0.001),
        ]
    )
    parts = blocks(x, np.random.default_rng(1).random(x.shape) < 0.1)
    generator = begin(classes(), parts)
    run_passes(generator, parts, 60)
    found = generator.log_posterior(parts[0].x, parts[0].missing).argmax(1)
    assert adjusted_rand_score(label, found) > 0.9


def test_missing_values_are_filled_by_kind():
    truth = Truth(components=3)
    generator = truth.give(classes(components=3))
    x, _ = truth.draw(200)
    missing = knock_out(x, 0.5)
    joint = truth.joint(x, missing)
    share = np.exp(joint - logsumexp(joint, 1, keepdims=True))
    means = {0: share @ truth.means[:, 0], 2: share @ truth.rates, 4: share @ truth.means[:, 1]}
    means[1] = (share @ truth.yes > 0.5).astype(float)
    means[3] = (share @ truth.colors).argmax(1).astype(float)
    part = blocks(x, missing)[0]
    found = generator.impute(part.x, part.missing).numpy()
    for column in range(5):
        hidden = missing[:, column]
        assert np.allclose(found[hidden, column], means[column][hidden], rtol=1e-9)
        assert np.array_equal(found[~hidden, column], x[~hidden, column])


def test_draws_of_missing_values_follow_the_posterior():
    torch.manual_seed(0)
    truth = Truth()
    generator = truth.give(classes())
    event = np.tile([truth.means[0, 0], 0.0, 0.0, 0.0, 0.0], (20_000, 1))
    missing = np.tile([False, True, True, True, True], (20_000, 1))
    joint = truth.joint(event[:1], missing[:1])[0]
    share = np.exp(joint - logsumexp(joint))
    part = blocks(event, missing)[0]
    drawn = generator.impute(part.x, part.missing, draw=True).numpy()
    assert np.array_equal(drawn[:, 0], event[:, 0])
    rate, yes, color = share @ truth.rates, share @ truth.yes, share @ truth.colors
    assert drawn[:, 1].mean() == pytest.approx(yes, abs=5 * np.sqrt(yes * (1 - yes) / 20_000))
    spread = share @ (truth.rates + truth.rates**2) - rate**2
    assert drawn[:, 2].mean() == pytest.approx(rate, abs=5 * np.sqrt(spread / 20_000))
    assert np.allclose(np.bincount(drawn[:, 3].astype(int), minlength=3) / 20_000, color, atol=0.02)
    # drawn from one class each, so that columns stay dependent
    within = np.cov(drawn[:, 2], drawn[:, 4])[0, 1]
    expected = share @ (truth.rates * truth.means[:, 1]) - rate * (share @ truth.means[:, 1])
    assert within == pytest.approx(expected, abs=0.15)


def test_a_start_puts_missing_values_in_the_middle_of_every_kind():
    generator = classes()
    x, _ = Truth().draw(30)
    missing = knock_out(x)
    part = blocks(x, missing)[0]
    points = generator.embed(part.x, part.missing)
    assert points.shape == (30, 2 + 1 + 2 + 3)
    assert torch.equal(points[:, 2].isnan(), part.missing[:, 2])
    assert torch.equal(points[:, 3:5].isnan(), part.missing[:, [1, 1]])


def test_whole_weights_are_repeated_rows():
    truth = Truth()
    x, _ = truth.draw(100)
    weight = np.random.default_rng(0).integers(0, 3, 100)
    rows, missing = np.repeat(np.arange(100), weight), knock_out(x)
    one, two = truth.give(classes()), truth.give(classes())
    weighted = run_passes(one, blocks(x, missing, weight.astype(float), 2), 10)
    assert np.allclose(weighted, run_passes(two, blocks(x[rows], missing[rows]), 10), rtol=1e-10)
