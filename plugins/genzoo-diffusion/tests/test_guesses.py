"""Guesses of categories: probabilities of levels, and samples that follow them."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from scipy.stats import chisquare, norm
from torch import nn

import genzoo
from genzoo_diffusion.column_numbers import ColumnNumbers
from genzoo_diffusion.diffusion import Diffusion, build
from genzoo_diffusion.guesses import Guesses
from genzoo_diffusion.objectives import averaged, drawn_times
from genzoo_diffusion.options import DiffusionOptions, VelocityOptions
from genzoo_diffusion.path import PATHS

COLUMNS = (
    genzoo.Feature("color", "categorical", ("r", "g", "b", "k")),
    genzoo.Feature("size"),
    genzoo.Feature("sex", "binary", ("f", "m")),
)
SHARES = np.array([0.6, 0.25, 0.1, 0.05]), np.array([0.9, 0.1])
KNOWN = torch.tensor([*np.log(SHARES[0]), 0.3, np.log(0.1 / 0.9)])
"""The best outputs for a network that sees only the shares of the levels."""


def noisy(a, s):
    """Return numbers of three rows with noise, and numbers of all levels of both categories."""
    values = ColumnNumbers(COLUMNS).double()
    rows = torch.tensor([[0.0, 1.5, 0.0], [2.0, -0.3, 1.0], [3.0, 0.2, 1.0]], dtype=torch.float64)
    torch.manual_seed(0)
    z = values(rows)
    levels = values(torch.tensor([[level, 0.0, level % 2] for level in range(4)], dtype=torch.float64))
    return values, z, a * z + s * torch.randn_like(z), (levels[:, :4], levels[:2, 5:])


def posteriors(x, levels, shares, a, s):
    """Return the probabilities of levels by Bayes' rule, `(N, L)`."""
    logs = norm.logpdf(x[:, None], a * levels[None], s).sum(2) + np.log(shares)
    return np.exp(log_softmax(logs, axis=1))


@pytest.mark.parametrize(("a", "s"), [(0.7, 0.3), (0.2, 0.8), (1.0, 2.0)])
def test_shares_of_levels_lead_to_the_best_guess_by_the_rule_of_bayes(a, s):
    values, _, x, levels = noisy(a, s)
    outputs = KNOWN.double().expand_as(x)
    factors = torch.full((3,), a, dtype=torch.float64), torch.full((3,), s, dtype=torch.float64)
    found = Guesses(values).velocity(outputs, x, *factors)
    scale = (a**2 + s**2) ** 0.5
    for place, own, shares in ((slice(0, 4), levels[0], SHARES[0]), (slice(5, 6), levels[1], SHARES[1])):
        event = posteriors(x[:, place].numpy(), own.numpy(), shares, a, s) @ own.numpy()
        noise = (x[:, place].numpy() - a * event) / s
        np.testing.assert_allclose(found[:, place], (s * event - a * noise) / scale, rtol=1e-9, atol=1e-9)
    assert torch.equal(found[:, 4], outputs[:, 4])


def test_the_error_of_a_category_is_minus_the_logarithm_of_its_probability():
    a, s = 0.4, 0.6
    values, z, x, levels = noisy(a, s)
    squares = torch.arange(18.0, dtype=torch.float64).view(3, 6)
    factors = torch.full((3,), a, dtype=torch.float64), torch.full((3,), s, dtype=torch.float64)
    found = Guesses(values).errors(KNOWN.double().expand_as(x), x, *factors, z, squares)
    np.testing.assert_array_equal(found[:, 0], squares[:, 4])
    truths = ([0, 2, 3], slice(0, 4)), ([0, 1, 1], slice(5, 6))
    for column, (truth, place) in enumerate(truths):
        chances = posteriors(x[:, place].numpy(), levels[column].numpy(), SHARES[column], a, s)
        np.testing.assert_allclose(found[:, column + 1], -np.log(chances[range(3), truth]), rtol=1e-9)


class Shares(nn.Module):
    """A network that knows the shares of the levels, and that numbers are standard normal."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(KNOWN.clone())

    def forward(self, x, a, s, condition, kept):
        return torch.cat([self.weight[:4], self.weight[:1] * 0, self.weight[5:]]).expand_as(x)


@pytest.mark.parametrize("path", ["flow", "edm"])
def test_samples_of_categories_follow_the_shares_that_the_network_knows(path):
    model = Diffusion(PATHS[path](), ColumnNumbers(COLUMNS), Shares(), (6,), 0, 0.0)
    torch.manual_seed(0)
    with torch.no_grad():
        drawn = model.sample(4000, steps=50)
    for column, shares in ((0, SHARES[0]), (2, SHARES[1])):
        counts = np.bincount(drawn[:, column].long(), minlength=len(shares))
        assert chisquare(counts, 4000 * shares).pvalue > 1e-4


def test_tables_are_seen_with_less_noise_than_images():
    shares = torch.linspace(0.01, 0.99, 99)
    table = genzoo.DataSpec((3,), "table", COLUMNS)
    image = genzoo.DataSpec((1, 2, 2), "image", (genzoo.Feature("pixel"),))
    options = DiffusionOptions(width=8, layers=1)
    times = [drawn_times(build(options, data).generator, VelocityOptions(), shares) for data in (table, image)]
    of_table, of_image = ((t / (1 - t)).log() for t in times)
    assert of_table.median().item() == pytest.approx(-1.0, abs=1e-3)
    assert of_image.median().item() == pytest.approx(0.0, abs=1e-3)
    chosen = drawn_times(build(options, table).generator, VelocityOptions(location=0.5, spread=1.0), shares)
    assert (chosen / (1 - chosen)).log().median().item() == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize(("side", "wanted"), [(5, 2.5), (6, np.log([1.001, 4.001]).mean())])
def test_errors_of_images_with_many_values_count_by_their_logarithm(side, wanted):
    data = genzoo.DataSpec((1, side, side), "image", (genzoo.Feature("pixel"),))
    own = build(DiffusionOptions(width=8, layers=1), data).generator
    errors = torch.tensor([1.0, 4.0]).view(2, 1, 1, 1).expand(2, *data.event_shape)
    assert averaged(own, errors).item() == pytest.approx(wanted, abs=1e-6)


def test_only_numbers_of_tables_are_waves_to_the_network():
    network = build(DiffusionOptions(width=8, layers=1), genzoo.DataSpec((3,), "table", COLUMNS)).generator.network
    x = torch.zeros(2, 6)
    x[1] = 4.0
    seen = network._seen(x)
    assert torch.equal(seen[:, :6], x)
    assert seen.shape == (2, 12)
    np.testing.assert_allclose(seen[0, 6:], [0, 0, 0, 1, 1, 1])
    np.testing.assert_allclose(seen[1, 6:], [*np.sin([np.pi, 2 * np.pi, 4 * np.pi]), -1, 1, 1], atol=1e-5)
