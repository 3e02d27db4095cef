"""`arf` against scipy, brute force over leaves, and importance sampling."""

import itertools

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from genzoo import Feature
from genzoo_tabular.arf import normals
from genzoo_tabular.arf.fitting import fit
from genzoo_tabular.arf.model import LeafMixture
from genzoo_tabular.arf.options import GrowingOptions
from genzoo_tabular.rows import TrainingRows

FEATURES = (Feature("a"), Feature("b"), Feature("c", "categorical", ("l", "m", "n")), Feature("d", "count"))


def mixed(n=300, seed=0):
    """Two numbers, a category of three levels and a count, all dependent."""
    z = np.random.default_rng(seed).multivariate_normal(np.zeros(4), 0.7 * np.ones((4, 4)) + 0.3 * np.eye(4), n)
    return np.column_stack([z[:, 0], -z[:, 1], np.digitize(z[:, 2], [-0.5, 0.5]), np.floor(np.exp(z[:, 3]))])


def grown(data, features=FEATURES, trees=5, gone=None, **options):
    torch.manual_seed(0)
    forest = LeafMixture(features, trees).double()
    x = torch.as_tensor(np.asarray(data, np.float64))
    missing = torch.zeros_like(x, dtype=torch.bool) if gone is None else torch.as_tensor(gone)
    rows = TrainingRows(x.masked_fill(missing, 0.0), missing, torch.ones(len(x), dtype=torch.float64))
    facts = fit(forest, rows, GrowingOptions(rounds=3, **options))
    return forest, facts


@pytest.fixture(scope="module")
def forest():
    return grown(mixed())[0]


def brute_force(forest, row, seen):
    """Density of the observed values of a row as a sum over all leaves, from intervals alone."""
    total = 0.0
    low, high = intervals(forest)
    for leaf, weight in enumerate(forest.log_weights.exp().tolist()):
        part = weight
        for place, column in enumerate(forest.numbers):
            if column not in seen:
                continue
            a, b, center, deviation = forest.leaves[leaf, place].tolist()
            cut = stats.truncnorm((a - center) / deviation, (b - center) / deviation, center, deviation)
            value = row[column]
            count = forest.features[column].kind == "count"
            smooth = cut.cdf(value + 0.5) - cut.cdf(value - 0.5) if count else cut.pdf(value)
            part *= with_heaps(forest, leaf, column, value, smooth, a, b)
        for place, column in enumerate(forest.named):
            if column in seen:
                rank = int(forest.ranks[forest.slices[place]][int(row[column])])
                inside = low[leaf, column] < rank < high[leaf, column]
                part *= inside * float(forest.shares[leaf, forest.slices[place].start + rank])
        total += part
    return total


def with_heaps(forest, leaf, column, value, smooth, a, b):
    """Density in a leaf from `a` to `b` if some values have a share of their own."""
    shares = forest.heap_shares.reshape(len(forest.log_weights), -1)[leaf] if len(forest.heaps) else ()
    rest, heaped = 1.0, 0.0
    for own, (_, low, high), share in zip(forest.heap_columns, forest.heaps, shares, strict=True):
        if own == column:
            rest -= float(share)
            low, high = max(float(low), a), min(float(high), b)
            heaped += float(share) / (high - low) if low < value <= high else 0.0
    return heaped + rest * smooth


def paid(n=400, seed=0):
    """Four columns: the number is 0 in 60 % of the rows, and the count, which depends on it, is often 2."""
    data = mixed(n, seed)
    rng = np.random.default_rng(seed)
    data[:, 0] = np.where(rng.random(n) < 0.6, 0.0, np.exp(data[:, 0]).round(2) + 0.01)
    data[:, 3] = np.where(rng.random(n) < np.where(data[:, 0] > 0, 0.9, 0.3), 2, rng.integers(0, 20, n))
    return data


def intervals(forest):
    """Ends of the intervals of leaves, found by walking from the roots."""
    low, high = (np.full((len(forest.log_weights), len(forest.features)), end) for end in (-1e9, 1e9))
    for root in forest.roots.tolist():
        waiting = [(root, low[0] * 0 - 1e9, high[0] * 0 + 1e9)]
        for node, below, above in waiting:
            column, left, right = forest.nodes[node].tolist()
            if column < 0:
                low[left], high[left] = below, above
                continue
            ends = [below.copy(), above.copy()]
            ends[1][column] = ends[0][column] = float(forest.thresholds[node])
            waiting += [
                (left, below, np.where(np.arange(len(above)) == column, ends[1], above)),
                (right, np.where(np.arange(len(below)) == column, ends[0], below), above),
            ]
    return low, high


@pytest.mark.parametrize("seen", [(0, 1, 2, 3), (0,), (2,), (3,), (1, 2)])
def test_the_density_of_some_columns_is_a_sum_over_leaves(forest, seen):
    x = torch.as_tensor(mixed(4, seed=1))
    missing = torch.ones_like(x, dtype=torch.bool)
    missing[:, list(seen)] = False
    want = [brute_force(forest, row, seen) for row in x.tolist()]
    got = forest.log_prob(x.masked_fill(missing, 0.0), missing).exp()
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-6)


def test_without_a_mask_the_density_is_the_same(forest):
    x = torch.as_tensor(mixed(20, seed=1))
    torch.testing.assert_close(forest.log_prob(x), forest.log_prob(x, torch.zeros_like(x, dtype=torch.bool)))


def test_the_density_integrates_to_one_between_thresholds():
    forest, _ = grown(mixed()[:, :1], FEATURES[:1])
    cuts = np.unique(forest.thresholds[forest.nodes[:, 0] >= 0].numpy())
    ends = np.concatenate([[-12.0], cuts, [12.0]])
    density = lambda x: float(forest.log_prob(torch.tensor([[x]], dtype=torch.float64)).exp())  # noqa: E731
    total = sum(integrate.fixed_quad(np.vectorize(density), a, b, n=40)[0] for a, b in itertools.pairwise(ends))
    assert total == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("seen", [(0, 1, 2, 3), (0,), (3,), (0, 3)])
def test_values_that_many_rows_share_have_a_probability(seen):
    forest, _ = grown(paid(), trees=2)
    assert forest.heap_columns.tolist() == [0, 3]
    assert forest.heaps[:, 0].tolist() == [0.0, 2.0]
    x = torch.as_tensor(paid(6, seed=1))
    missing = torch.ones_like(x, dtype=torch.bool)
    missing[:, list(seen)] = False
    want = [brute_force(forest, row, seen) for row in x.tolist()]
    got = forest.log_prob(x.masked_fill(missing, 0.0), missing).exp()
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-6)


def test_samples_repeat_shared_values_as_often_as_rows_do():
    data = paid(2000)
    forest, _ = grown(data)
    drawn = forest.sample(20_000).numpy()
    for column, value in ((0, 0.0), (3, 2.0)):
        assert (drawn[:, column] == value).mean() == pytest.approx((data[:, column] == value).mean(), abs=0.02)
    some = data[:, 0] > 0
    assert (drawn[drawn[:, 0] > 0, 3] == 2).mean() == pytest.approx((data[some, 3] == 2).mean(), abs=0.05)
    gone = torch.tensor([[True, False, False, False]]).expand(200, 4)
    x = torch.as_tensor(data[:200]).masked_fill(gone, 0.0)
    draws = torch.stack([forest.impute(x, gone, draw=True)[:, 0] for _ in range(100)])
    means = forest.impute(x, gone)[:, 0]
    torch.testing.assert_close(means.mean(), draws.mean(), rtol=0.05, atol=0)


def test_masses_of_a_count_with_a_shared_value_add_up_to_one():
    forest, _ = grown(paid()[:, 3:], FEATURES[3:])
    total = forest.log_prob(torch.arange(400.0, dtype=torch.float64)[:, None]).exp().sum()
    assert float(total) == pytest.approx(1.0, abs=1e-6)


def test_the_density_with_a_shared_value_integrates_to_one():
    forest, _ = grown(paid()[:, :1], FEATURES[:1])
    cuts = forest.thresholds[forest.nodes[:, 0] >= 0].double()
    ends = np.unique(np.concatenate([[-12.0], cuts.numpy(), forest.heaps[:, 1:].flatten().numpy(), [40.0]]))
    density = lambda x: float(forest.log_prob(torch.tensor([[x]], dtype=torch.float64)).exp())  # noqa: E731
    total = sum(integrate.fixed_quad(np.vectorize(density), a, b, n=20)[0] for a, b in itertools.pairwise(ends))
    assert total == pytest.approx(1.0, abs=3e-3)


def test_leaves_hold_enough_rows_and_their_shares():
    data = mixed(400)
    forest, facts = grown(data, leaf_rows=12)
    row, leaf = forest.reach(forest.ranked(torch.as_tensor(data)), None)
    count = torch.bincount(leaf, minlength=facts["leaves"])
    assert count.min() >= 12
    assert len(row) == 400 * len(forest.roots)
    torch.testing.assert_close(forest.log_weights.exp(), count.double() / count.sum(), rtol=0.02, atol=0)


def test_cut_normals_have_the_wanted_moments():
    low, high = torch.tensor([-1e9, 0.0, 0.0, -2.0]).double(), torch.tensor([1e9, 1e9, 1.0, -1.0]).double()
    mean, variance = torch.tensor([3.0, 0.5, 0.3, -1.4]).double(), torch.tensor([4.0, 0.1, 0.03, 0.05]).double()
    found = normals.matching(low, high, mean, variance, torch.full_like(mean, 1e-3))
    for place in range(4):
        a, b, center, deviation = (float(part[place]) for part in (low, high, *found))
        cut = stats.truncnorm((a - center) / deviation, (b - center) / deviation, center, deviation)
        assert cut.mean() == pytest.approx(float(mean[place]), rel=1e-6)
        assert cut.var() == pytest.approx(float(variance[place]), rel=0.02)


def test_draws_given_columns_agree_with_importance_sampling(forest):
    known = torch.tensor([0.0, 0.0, 2.0, 1.0]).double()
    missing = torch.tensor([True, True, False, False])
    drawn = forest.impute(known.expand(20_000, 4), missing.expand(20_000, 4), draw=True)
    proposed = torch.randn(20_000, 2).double() * 1.5
    x = known.repeat(20_000, 1)
    x[:, :2] = proposed
    weight = (forest.log_prob(x) - torch.distributions.Normal(0, 1.5).log_prob(proposed).sum(1)).exp()
    for power in (1, 2):
        want = (weight[:, None] * proposed**power).sum(0) / weight.sum()
        torch.testing.assert_close((drawn[:, :2] ** power).mean(0), want, rtol=0.08, atol=0.05)
    means = forest.impute(known[None], missing[None])[0, :2]
    torch.testing.assert_close(means, drawn[:, :2].mean(0), rtol=0, atol=0.03)
    assert (drawn[:, 2:] == known[2:]).all()


def test_it_learns_from_rows_with_missing_values():
    data = mixed(400)
    gone = np.random.default_rng(0).random(data.shape) < 0.2
    forest, _ = grown(data, gone=gone)
    whole, held = grown(data)[0], torch.as_tensor(mixed(400, seed=1))
    apart = np.random.default_rng(1).permuted(held.numpy(), axis=0)
    assert forest.log_prob(held).mean() > whole.log_prob(held).mean() - 0.5
    assert forest.log_prob(held).mean() > forest.log_prob(torch.as_tensor(apart)).mean() + 1


@pytest.mark.parametrize("draw", [True, False])
def test_an_impossible_row_leaves_the_draws_of_others_alone(forest, draw):
    x = torch.as_tensor(mixed(6, seed=1))
    x[:3, 0] = -1e300
    missing = torch.tensor([False, True, False, False]).expand(6, 4)
    filled = forest.impute(x, missing, draw=draw)
    assert filled.isfinite().all()
    assert (filled[:, 1].abs() < 6).all()
    if not draw:
        torch.testing.assert_close(filled[3:], forest.impute(x[3:], missing[3:]))
