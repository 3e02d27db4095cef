"""Log-densities against normal distributions."""

import pytest
import torch
from diffusion_cases import COVARIANCE, MEAN, normal_model
from torch.distributions import MultivariateNormal

import genzoo
from genzoo_diffusion.diffusion import build
from genzoo_diffusion.likelihood import log_density
from genzoo_diffusion.options import DiffusionOptions

EXACT = MultivariateNormal(MEAN, COVARIANCE)
GIVEN = torch.ones(30, 1, dtype=torch.float64)


def rows():
    torch.manual_seed(0)
    return EXACT.sample((30,))


def error(path, **options):
    x = rows()
    return (log_density(normal_model(path), x, GIVEN, **options)[0] - EXACT.log_prob(x)).abs().max().item()


def test_the_error_falls_with_the_fourth_power_of_the_steps():
    assert error("flow", steps=100) < 1e-6
    assert error("flow", steps=20) > 12 * error("flow", steps=40)


def test_edm_has_the_density_of_what_its_first_noise_becomes():
    # Noise begins at a finite deviation, and around 0.
    x, shrunk = rows(), torch.linalg.eigh(COVARIANCE)
    factors = (shrunk[0] / (shrunk[0] + 80**2)).sqrt()
    root = shrunk[1] @ (factors.diag() @ shrunk[1].T)
    wanted = MultivariateNormal(MEAN - root @ MEAN, 6401 * root @ root.T)
    found = log_density(normal_model("edm"), x, GIVEN, steps=200)[0]
    assert torch.allclose(found, wanted.log_prob(x), atol=1e-4)


def test_estimates_by_probes_scatter_as_their_standard_errors_say():
    x = rows()
    estimate, standard_error = log_density(normal_model("flow"), x, GIVEN, steps=20, probes=200)
    away = (estimate - EXACT.log_prob(x)) / standard_error
    assert 0.5 < away.square().mean() < 2


def test_without_probes_there_is_no_error_over_probes():
    assert not log_density(normal_model("flow"), rows(), GIVEN, steps=2)[1].any()


def test_one_probe_and_categories_are_errors():
    with pytest.raises(genzoo.ConfigError, match="two probes"):
        log_density(normal_model("flow"), rows(), GIVEN, probes=1)
    data = genzoo.DataSpec((1,), "table", (genzoo.Feature("a", "binary", ("n", "y")),))
    model = build(DiffusionOptions(width=8, layers=1), data).generator
    with pytest.raises(genzoo.ConfigError, match="no density"):
        log_density(model, torch.zeros(2, 1))
