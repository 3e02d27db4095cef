"""Priors of latent vectors, compared with torch's distributions and with quadrature."""

import math

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch import distributions as D
from vae_cases import Factors

import genzoo
from genzoo import DataSpec, Feature
from genzoo_vae.build import build
from genzoo_vae.objectives import elbo
from genzoo_vae.options import ELBOOptions, VAEOptions
from genzoo_vae.prior import GivenMixture, MixturePrior, Normal
from genzoo_vae.vae import Posterior


def filled(prior, seed=0):
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in prior.double().parameters():
            parameter.copy_(torch.randn_like(parameter))
    return prior


def mixture(latent, components=5, seed=0):
    return filled(MixturePrior(latent, components), seed)


def given_mixture(latent, components=5):
    prior = filled(GivenMixture(latent, components, 2))
    with torch.no_grad():
        prior.moved.weight.div_(20)  # variances stay in their range
    return prior


def torchs_mixture(means, log_variances, logits):
    normals = D.Independent(D.Normal(means, (0.5 * log_variances).exp()), 1)
    return D.MixtureSameFamily(D.Categorical(logits=logits), normals)


def reference(prior):
    return torchs_mixture(prior.means, prior.log_variances, prior.logits)


def reference_given(prior, condition):
    usual, (components, latent) = prior.usual, prior.usual.means.shape
    moved = 10 * (prior.moved.weight @ condition).view(components, 2 * latent + 1)
    means, log_variances = usual.means + moved[:, :latent], usual.log_variances + moved[:, latent:-1]
    return torchs_mixture(means, log_variances, usual.logits + moved[:, -1])


@pytest.mark.parametrize("latent", [1, 3])
def test_a_mixture_prior_has_the_density_of_torchs_mixture(latent):
    prior, z = mixture(latent), 2 * torch.randn(4, 7, latent, dtype=torch.float64)
    constant = 0.5 * latent * math.log(2 * math.pi)
    assert torch.allclose(prior.log_prob(z), reference(prior).log_prob(z) + constant)


def test_each_condition_has_a_mixture_of_its_own():
    prior, z = given_mixture(3), 2 * torch.randn(4, 7, 3, dtype=torch.float64)
    conditions = torch.randn(7, 2, dtype=torch.float64)
    each = [reference_given(prior, one).log_prob(z[:, row]) for row, one in enumerate(conditions)]
    constant = 1.5 * math.log(2 * math.pi)
    assert torch.allclose(prior.log_prob(z, conditions), torch.stack(each, 1) + constant)


def test_samples_given_conditions_follow_their_densities():
    prior, condition = given_mixture(1), torch.tensor([2.0, -1.0], dtype=torch.float64)
    torch.manual_seed(1)
    given = torch.stack([condition, -condition]).repeat(3000, 1)
    drawn = prior.sample(6000, given).detach().view(3000, 2)
    for column, own in enumerate((condition, -condition)):
        expected = reference_given(prior, own)
        error = (expected.variance / 3000).sqrt()
        assert abs(drawn[:, column].mean() - expected.mean) < 4 * error
    assert abs(reference_given(prior, condition).mean - reference_given(prior, -condition).mean) > 10 * error


@pytest.mark.parametrize(
    ("prior", "conditional", "follows"),
    [(None, True, True), ("mixture", True, False), ("normal", True, False), (None, False, False)],
)
def test_the_prior_of_a_conditional_model_follows_the_condition(prior, conditional, follows):
    condition = (Feature("label", "categorical", ("a", "b")),) if conditional else ()
    spec = DataSpec((2,), "table", (Feature("x"), Feature("y")), condition=condition)
    assert build(VAEOptions(prior=prior), spec).generator.prior_given is follows


def test_a_prior_given_a_condition_needs_one():
    with pytest.raises(ValueError, match="use mixture"):
        build(VAEOptions(prior="given-mixture"), DataSpec((1,), "table", (Feature("x"),)))


def test_a_narrow_component_far_away_does_not_round_its_density():
    prior = mixture(3)
    with torch.no_grad():
        prior.means.add_(30.0)
        prior.log_variances.fill_(-7.0)
    z = prior.sample(500).detach()
    expected = prior.log_prob(z).detach()
    assert np.allclose(prior.float().log_prob(z.float()).detach(), expected, atol=0.05)


def test_samples_of_a_mixture_prior_follow_its_density():
    prior = mixture(1)
    torch.manual_seed(1)
    drawn = prior.sample(4000).detach().numpy()[:, 0]

    def cumulative(x):
        weight, deviation = prior.logits.softmax(0), (0.5 * prior.log_variances[:, 0]).exp()
        return (
            (weight * D.Normal(prior.means[:, 0], deviation).cdf(torch.as_tensor(x)[:, None])).sum(1).detach().numpy()
        )

    assert stats.kstest(drawn, cumulative).pvalue > 0.01


def test_the_divergence_by_draws_averages_to_the_integral():
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
    prior, z = MixturePrior(2, 1), torch.randn(10, 3, 2)
    with torch.no_grad():
        prior.means.zero_()
    assert torch.allclose(prior.log_prob(z), Normal(2).log_prob(z), atol=1e-6)


def parts_of(prior):
    """Return the weights, means and variances of a prior."""
    weights = special.softmax(prior.logits.detach().numpy())
    return weights, prior.means.detach().numpy(), np.exp(prior.log_variances.detach().numpy())


def test_the_bound_under_a_mixture_matches_an_exact_linear_decoder():
    truth = Factors()
    vae = truth.autoencoder(widen=3.0)
    prior = vae.prior = mixture(2, components=3)
    x = truth.sample(300)
    joint = [
        np.log(w)
        + stats.multivariate_normal(
            truth.shift + truth.weight @ m, truth.weight @ np.diag(v) @ truth.weight.T + np.diag(truth.variance)
        ).logpdf(x)
        for w, m, v in zip(*parts_of(prior), strict=True)
    ]
    exact = special.logsumexp(joint, 0)
    torch.manual_seed(0)
    bound = vae.log_prob_bound(torch.as_tensor(x), draws=2000).detach().numpy()
    assert abs(bound.mean() - exact.mean()) < 0.02
    one = vae.log_prob_bound(torch.as_tensor(x), draws=1).detach().numpy()
    assert one.mean() < exact.mean() - 0.05


@pytest.mark.parametrize("free", [0.0, 3.0])
def test_the_divergence_from_a_mixture_is_estimated_and_at_least_free_bits(free):
    truth = Factors()
    vae = truth.autoencoder()
    prior = vae.prior = mixture(2, components=3)
    x = torch.as_tensor(truth.sample(40))
    objective = elbo(ELBOOptions(beta=2.0, draws=3, free_bits=free))
    torch.manual_seed(0)
    ((losses),) = objective.losses(
        genzoo.Model(genzoo.Parts(vae)), genzoo.Batch(x), genzoo.Progress.start(torch.device("cpu"))
    )
    torch.manual_seed(0)
    noise = torch.randn(3, 40, 2, dtype=torch.float64).numpy()
    mean, log_variance = np.split(vae.encoder(x).detach().numpy(), 2, 1)
    z = mean + np.exp(log_variance / 2) * noise
    explained = stats.norm.logpdf(x.numpy(), z @ truth.weight.T + truth.shift, np.sqrt(truth.variance)).sum(-1).mean()
    about = stats.norm.logpdf(z, mean, np.exp(log_variance / 2)).sum(-1)
    divergence = (about - reference(prior).log_prob(torch.as_tensor(z)).detach().numpy()).mean()
    expected = 2.0 * max(divergence, 2 * free) - explained
    assert losses["generator"].item() == pytest.approx(expected, rel=1e-9)
    if free:
        assert divergence < 2 * free, "free bits matter in this case"
