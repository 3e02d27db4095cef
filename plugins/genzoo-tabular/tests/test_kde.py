"""`kde` against scipy, brute force, and importance sampling."""

import numpy as np
import pytest
import torch
from scipy import stats

from genzoo import Feature
from genzoo_tabular.kde.fitting import fit
from genzoo_tabular.kde.model import Kernels
from genzoo_tabular.kde.options import BandwidthOptions
from genzoo_tabular.rows import TrainingRows

FEATURES = (Feature("a"), Feature("c", "categorical", ("l", "m", "n")), Feature("d", "count"))


def mixed(n=120, seed=0):
    z = np.random.default_rng(seed).multivariate_normal(np.zeros(3), 0.6 * np.ones((3, 3)) + 0.4 * np.eye(3), n)
    return np.column_stack([z[:, 0], np.digitize(z[:, 1], [-0.5, 0.5]), np.floor(np.exp(z[:, 2]))])


def rows(data, gone=None):
    x = torch.as_tensor(np.asarray(data, np.float64))
    missing = torch.zeros_like(x, dtype=torch.bool) if gone is None else torch.as_tensor(gone)
    return TrainingRows(x.masked_fill(missing, 0.0), missing, torch.ones(len(x), dtype=torch.float64))


def fitted(data, features=FEATURES, gone=None, most_rows=1000, **options):
    torch.manual_seed(0)
    kernels = Kernels(features, most_rows).double()
    facts = fit(kernels, rows(data, gone), BandwidthOptions(**options))
    return kernels, facts


def test_of_one_number_it_is_the_gaussian_kde_of_scipy():
    x = np.random.default_rng(0).normal(size=(80, 1))
    kernels, _ = fitted(x, FEATURES[:1], adaptive=False)
    scipy = stats.gaussian_kde(x[:, 0], bw_method=float(kernels.widths[0]) / x.std(ddof=1))
    held = np.linspace(-3, 3, 20)
    np.testing.assert_allclose(kernels.log_prob(torch.as_tensor(held)[:, None]).exp().numpy(), scipy(held), rtol=1e-8)


def test_the_bandwidth_is_the_best_of_leave_one_out():
    x = np.random.default_rng(0).normal(size=(80, 1))
    kernels, _ = fitted(x, FEATURES[:1], adaptive=False)

    def left_out(width):
        log = stats.norm.logpdf(x, x.T, width)
        np.fill_diagonal(log, -np.inf)
        return np.logaddexp.reduce(log, 1).mean()

    widths = np.geomspace(0.05, 2, 400)
    best = widths[np.argmax([left_out(width) for width in widths])]
    assert float(kernels.widths[0]) == pytest.approx(best, rel=0.1)


@pytest.mark.parametrize("seen", [(0, 1, 2), (0,), (1,), (2,), (0, 2)])
def test_the_density_of_some_columns_is_a_sum_over_rows(seen):
    data = mixed()
    gone = np.random.default_rng(1).random(data.shape) < 0.1
    gone[:, 0] = False
    kernels, _ = fitted(data, gone=gone)
    held = mixed(5, seed=2)
    spread, widths = kernels.spread.numpy(), kernels.widths.numpy()
    factors = np.ones((3, len(held), len(data)))
    factors[0] = stats.norm.pdf(held[:, :1], data[:, 0], widths[0] * spread)
    factors[1] = np.where(held[:, 1:2] == data[:, 1], 1 - widths[1], widths[1] / 2)
    cut = stats.norm(data[:, 2], widths[2] * spread)
    factors[2] = (cut.cdf(held[:, 2:] + 0.5) - cut.cdf(held[:, 2:] - 0.5)) / cut.sf(-0.5)
    for column in (1, 2):
        lacking = gone[:, column]
        factors[column][:, lacking] = factors[column][:, ~lacking].mean(1, keepdims=True)
    want = factors[list(seen)].prod(0).mean(1)
    missing = torch.ones(held.shape, dtype=torch.bool)
    missing[:, list(seen)] = False
    got = kernels.log_prob(torch.as_tensor(held).masked_fill(missing, 0.0), missing).exp()
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-6)


def test_repeated_rows_and_rounding_leave_kernels_wide():
    x = np.round(np.random.default_rng(0).normal(size=(300, 1)), 1)
    kernels, _ = fitted(np.concatenate([x, x]), FEATURES[:1])
    assert float(kernels.widths[0]) >= 0.05


def test_more_rows_than_it_keeps_are_drawn_at_random():
    kernels, facts = fitted(mixed(200), most_rows=50)
    assert len(kernels.points) == 50
    assert (facts["kept_rows"], facts["of_rows"]) == (50, 200)


def test_draws_given_columns_agree_with_enumeration():
    kernels, _ = fitted(mixed())
    known, missing = torch.tensor([0.5, 0.0, 1.0]).double(), torch.tensor([False, True, False])
    drawn = kernels.impute(known.expand(20_000, 3), missing.expand(20_000, 3), draw=True)[:, 1]
    each = known.repeat(3, 1)
    each[:, 1] = torch.arange(3)
    want = kernels.log_prob(each).softmax(0)
    torch.testing.assert_close(torch.bincount(drawn.long(), minlength=3) / 20_000, want.float(), rtol=0, atol=0.015)
    assert kernels.impute(known[None], missing[None])[0, 1] == want.argmax()


def test_values_are_drawn_also_beside_an_impossible_one():
    kernels, _ = fitted(mixed())
    x = torch.tensor([[-1e300, 0.0, 1.0], [0.5, 0.0, 1.0]], dtype=torch.float64)
    missing = torch.tensor([[False, True, True], [False, True, False]])
    for draw in (True, False):
        assert kernels.impute(x, missing, draw=draw).isfinite().all()


def test_a_search_among_few_rows_predicts_others_as_well():
    data, held = mixed(900), torch.as_tensor(mixed(300, seed=1))
    whole, _ = fitted(data)
    few, _ = fitted(data, search_rows=200)
    assert few.log_prob(held).mean() > whole.log_prob(held).mean() - 0.02


def test_kernels_widen_among_outliers():
    data = np.random.default_rng(1).standard_t(2, (400, 1))
    held = torch.as_tensor(np.random.default_rng(10).standard_t(2, (400, 1)))
    wide, facts = fitted(data, FEATURES[:1])
    assert facts["adaptive"]
    assert wide.log_prob(held).mean() > fitted(data, FEATURES[:1], adaptive=False)[0].log_prob(held).mean() + 0.1
