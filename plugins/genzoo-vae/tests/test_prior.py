"""Priors of latent vectors against torch's own distributions and against quadrature."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch import distributions as D

from genzoo_vae.autoencoder import Posterior
from genzoo_vae.prior import Mixture, Normal


def mixture(latent, components=5, seed=0):
    torch.manual_seed(seed)
    prior = Mixture(latent, components).double()
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.copy_(torch.randn_like(parameter))
    return prior


def reference(prior):
    normals = D.Independent(D.Normal(prior.means, (0.5 * prior.log_variances).exp()), 1)
    return D.MixtureSameFamily(D.Categorical(logits=prior.logits), normals)


@pytest.mark.parametrize("latent", [1, 3])
def test_a_mixture_has_the_density_of_a_mixture_less_the_constant_of_a_normal(latent):
    prior, z = mixture(latent), 2 * torch.randn(4, 7, latent, dtype=torch.float64)
    constant = 0.5 * latent * math.log(2 * math.pi)
    assert torch.allclose(prior.log_prob(z), reference(prior).log_prob(z) + constant)


def test_a_mixture_draws_what_its_density_says():
    prior = mixture(1)
    torch.manual_seed(1)
    drawn = prior.sample(4000).detach().numpy()[:, 0]

    def cumulative(x):
        weight, deviation = prior.logits.softmax(0), (0.5 * prior.log_variances[:, 0]).exp()
        return (
            (weight * D.Normal(prior.means[:, 0], deviation).cdf(torch.as_tensor(x)[:, None])).sum(1).detach().numpy()
        )

    assert kstest(drawn, cumulative).pvalue > 0.01


def test_the_divergence_by_draws_is_that_by_quadrature_on_average():
    prior = mixture(1)
    posterior = Posterior(torch.tensor([[0.4]], dtype=torch.float64), torch.tensor([[-1.0]], dtype=torch.float64))
    torch.manual_seed(2)
    z = posterior.draw(200_000)
    found = (posterior.log_prob(z) - prior.log_prob(z)).mean().item()
    grid = torch.linspace(-8, 8, 20_001, dtype=torch.float64)[:, None]
    own = D.Normal(posterior.mean[0], (0.5 * posterior.log_variance[0]).exp()).log_prob(grid)[:, 0]
    exact = np.trapezoid((own.exp() * (own - reference(prior).log_prob(grid))).detach().numpy(), grid[:, 0].numpy())
    assert found == pytest.approx(exact, abs=0.01)


def test_one_component_at_the_origin_is_the_standard_normal():
    prior, z = Mixture(2, 1), torch.randn(10, 3, 2)
    with torch.no_grad():
        prior.means.zero_()
    assert torch.allclose(prior.log_prob(z), Normal(2).log_prob(z), atol=1e-6)
