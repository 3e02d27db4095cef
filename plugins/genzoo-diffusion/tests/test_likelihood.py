"""Bounds and estimates of log-densities against normal distributions."""

import pytest
import torch
from diffusion_cases import COVARIANCE, MEAN, normal_model
from torch.distributions import MultivariateNormal

import genzoo
from genzoo.models.base import capabilities_of
from genzoo_diffusion.diffusion import build
from genzoo_diffusion.options import DiffusionOptions

EXACT = MultivariateNormal(MEAN, COVARIANCE)
GIVEN = torch.ones(30, 1, dtype=torch.float64)


def rows():
    torch.manual_seed(0)
    return EXACT.sample((30,))


def estimate(path, x, steps, probes=0):
    return normal_model(path).log_prob_estimate(x, condition=GIVEN, probes=probes, steps=steps)


def error(path, steps):
    x = rows()
    return (estimate(path, x, steps)[0] - EXACT.log_prob(x)).abs().max().item()


def test_the_error_falls_with_the_fourth_power_of_the_steps():
    assert error("flow", steps=100) < 1e-6
    assert error("flow", steps=20) > 12 * error("flow", steps=40)


def test_edm_has_the_density_of_what_its_first_noise_becomes():
    # Noise begins at a finite deviation, and around 0.
    x, shrunk = rows(), torch.linalg.eigh(COVARIANCE)
    factors = (shrunk[0] / (shrunk[0] + 80**2)).sqrt()
    root = shrunk[1] @ (factors.diag() @ shrunk[1].T)
    wanted = MultivariateNormal(MEAN - root @ MEAN, 6401 * root @ root.T)
    found = estimate("edm", x, 200)[0]
    assert torch.allclose(found, wanted.log_prob(x), atol=1e-4)


def test_estimates_by_probes_scatter_as_their_standard_errors_say():
    x = rows()
    found, standard_error = estimate("flow", x, 20, probes=60)
    away = (found - EXACT.log_prob(x)) / standard_error
    assert 0.5 < away.square().mean() < 2


def test_without_probes_there_is_no_error_over_probes():
    assert not estimate("flow", rows(), 2)[1].any()


@pytest.mark.parametrize("path", ["flow", "edm"])
def test_the_bound_with_the_best_network_is_the_log_density(path):
    x, model = rows(), normal_model(path)
    torch.manual_seed(1)
    gaps = torch.stack([model.log_prob_bound(x, condition=GIVEN, draws=16) - EXACT.log_prob(x) for _ in range(40)])
    mean, standard_error = gaps.mean(), gaps.std(0).square().sum().sqrt() / (len(x) * 40**0.5)
    assert standard_error < 0.03
    assert abs(mean) < 4 * standard_error + 1e-3


def test_draws_of_the_bound_are_means():
    x, model = rows(), normal_model("flow")
    torch.manual_seed(1)
    one, many = (
        torch.stack([model.log_prob_bound(x, condition=GIVEN, draws=draws) for _ in range(60)]) for draws in (1, 16)
    )
    error = ((one.var(0) + many.var(0)) / 60).sum().sqrt() / len(x)
    assert abs(one.mean() - many.mean()) < 4 * error
    assert many.std(0).mean() < one.std(0).mean() / 3


def test_a_worse_network_has_a_lower_bound():
    x, model = rows(), normal_model("flow")
    torch.manual_seed(1)
    best = model.log_prob_bound(x, condition=GIVEN, draws=64).mean()
    torch.manual_seed(1)
    assert model.log_prob_bound(x, condition=0.5 * GIVEN, draws=64).mean() < best - 0.1


@pytest.mark.parametrize(
    ("data", "capabilities"),
    [
        (genzoo.DataSpec((1,), "table", (genzoo.Feature("a"),)), {"likelihood-bound", "likelihood-estimate"}),
        (genzoo.DataSpec((1, 2, 2), "image", (genzoo.Feature("a"),), (0, 16), 1.0), {"likelihood-bound"}),
        (genzoo.DataSpec((1,), "table", (genzoo.Feature("a", "binary", ("n", "y")),)), set()),
        (genzoo.DataSpec((1,), "table", (genzoo.Feature("a", "count"),)), set()),
    ],
)
def test_what_is_known_of_the_likelihood_depends_on_the_data(data, capabilities):
    found = capabilities_of(build(DiffusionOptions(width=8, layers=1), data).generator)
    assert found == capabilities


def test_digits_have_a_bound_in_bits_per_dimension(tmp_path):
    run = genzoo.train(
        "diffusion", "digits", width=16, layers=1, steps=4, batch_size=8, sampling={"steps": 1}, out=tmp_path / "run"
    )
    found = run.evaluate(metrics="bits-per-dim")
    assert found.kind == "lower bound (16 draws)"
    assert found.measure == "mass"
    assert 2 < found.scores["bits-per-dim"].value < 8  # 17 gray levels have 4.1 bits; few steps learn little
    with pytest.raises(genzoo.ConfigError, match="no 'likelihood-estimate'"):
        run.log_prob_estimate([[[[0.0] * 8] * 8]])
