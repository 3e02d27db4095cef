"""`mvae` against linear Gaussian models, whose marginals and posteriors have closed forms."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from vae_cases import Factors, set_deviation

import genzoo
from genzoo import Model
from genzoo_vae.experts import Experts
from genzoo_vae.multimodal_options import SubsetELBOOptions
from genzoo_vae.mvae import MVAE
from genzoo_vae.observation import GaussianObservation
from genzoo_vae.prior import Normal
from genzoo_vae.subset_elbo import SubsetELBO, subset_of
from genzoo_vae.vae import VAE

SIZES = {"a": 3, "b": 2, "c": 1}


def expert_of(factors):
    """Build the autoencoder of one part whose expert, times the prior, is its posterior of a single dimension."""
    columns = len(factors.shift)
    precision = float(factors.precision[0, 0] - 1)
    encoder, decoder = nn.Linear(columns, 2), nn.Linear(1, columns)
    observation = GaussianObservation(columns, "place", 0.5, 1e-3)
    part = VAE(encoder, decoder, observation, Normal(1), (columns,), 1).double().eval()
    solved = factors.weight.T / factors.variance / precision
    with torch.no_grad():
        encoder.weight.copy_(torch.as_tensor(np.concatenate([solved, np.zeros_like(solved)])))
        encoder.bias.copy_(torch.as_tensor([-float(solved[0] @ factors.shift), -np.log(precision)]))
        decoder.weight.copy_(torch.as_tensor(factors.weight))
        decoder.bias.copy_(torch.as_tensor(factors.shift))
        set_deviation(observation, np.sqrt(factors.variance))
    return part


class Linear:
    """Parts that share one latent dimension: in closed form, and as `mvae`."""

    def __init__(self, *, mixed=False, draws=100):
        self.factors = {name: Factors(size, 1, seed) for seed, (name, size) in enumerate(SIZES.items())}
        parts = {name: expert_of(own) for name, own in self.factors.items()}
        shapes = {name: (size,) for name, size in SIZES.items()}
        self.model = MVAE(parts, shapes, Normal(1).double(), mixed=mixed, imputation_draws=draws).eval()
        weight = np.concatenate([own.weight for own in self.factors.values()])
        self.mean = np.concatenate([own.shift for own in self.factors.values()])
        self.covariance = weight @ weight.T + np.diag(np.concatenate([own.variance for own in self.factors.values()]))

    def events(self, n):
        rows = np.random.default_rng(5).multivariate_normal(self.mean, self.covariance, n)
        return rows, dict(zip(SIZES, torch.as_tensor(rows).split(list(SIZES.values()), 1), strict=True))


def masks(x, absent):
    return {name: torch.full(part.shape, name in absent) for name, part in x.items()}


SUBSETS = [some for count in range(3) for some in itertools.combinations(SIZES, count)]


@pytest.mark.parametrize("absent", SUBSETS)
@torch.no_grad()
def test_the_bound_of_exact_experts_is_the_density_of_any_parts(absent):
    case = Linear()
    rows, x = case.events(7)
    kept = np.concatenate([np.full(size, name not in absent) for name, size in SIZES.items()])
    exact = stats.multivariate_normal(case.mean[kept], case.covariance[np.ix_(kept, kept)]).logpdf(rows[:, kept])
    assert np.allclose(case.model.log_prob_bound(x, masks(x, absent)), exact)


@torch.no_grad()
def test_the_bound_of_no_parts_is_zero():
    for mixed in (False, True):
        _, x = Linear().events(4)
        bound = Linear(mixed=mixed).model.log_prob_bound(x, masks(x, SIZES), draws=3)
        assert torch.allclose(bound, torch.zeros(4, dtype=torch.float64))


@torch.no_grad()
def test_a_mixture_of_products_is_one_of_all_subsets_of_the_parts():
    torch.manual_seed(0)
    experts = Experts(*torch.randn(2, 3, 4, 1, dtype=torch.float64))
    seen = torch.tensor([[True, True, False, False], [True, False, True, False], [True, True, False, False]])
    z = torch.linspace(-9, 9, 4001, dtype=torch.float64)
    prior = Normal(1).double()
    grid = z[:, None, None].expand(-1, 4, 1)
    found = experts.mixture_of_products(seen).log_prob(grid, prior.log_prob(grid)).exp() / np.sqrt(2 * np.pi)
    means, deviations = experts.means[..., 0].numpy(), (0.5 * experts.log_variances[..., 0]).exp().numpy()
    for event in range(4):
        there = np.flatnonzero(seen[:, event])
        products = [np.array(some) for count in (1, 2, 3) for some in itertools.combinations(there, count)]
        densities = []
        for some in products or [np.array([], int)]:
            product = stats.norm.pdf(z)
            for place in some:
                product = product * stats.norm.pdf(z, means[place, event], deviations[place, event])
            densities.append(product / np.trapezoid(product, z))
        assert np.allclose(found[:, event], np.mean(densities, 0), atol=1e-6)


@pytest.mark.parametrize("mixed", [False, True])
@torch.no_grad()
def test_a_missing_part_is_drawn_from_its_conditional_distribution(mixed):
    torch.manual_seed(1)
    case = Linear(mixed=mixed, draws=400)
    rows, x = case.events(1)
    x = {name: part.expand(4000, -1) for name, part in x.items()}
    drawn = case.model.impute(x, masks(x, ["b"]), draw=True)
    kept = np.array([True, True, True, False, False, True])
    gain = case.covariance[np.ix_(~kept, kept)] @ np.linalg.inv(case.covariance[np.ix_(kept, kept)])
    mean = case.mean[~kept] + gain @ (rows[0, kept] - case.mean[kept])
    spread = case.covariance[np.ix_(~kept, ~kept)] - gain @ case.covariance[np.ix_(kept, ~kept)]
    error = np.sqrt(np.diag(spread) / 4000)
    assert (np.abs(drawn["b"].numpy().mean(0) - mean) < 5 * error).all()
    assert np.allclose(np.cov(drawn["b"].numpy().T), spread, atol=0.1 * np.abs(spread).max())
    assert all(torch.equal(drawn[name], x[name]) for name in ("a", "c"))
    expected = case.model.impute({n: p[:50] for n, p in x.items()}, masks({n: p[:50] for n, p in x.items()}, ["b"]))
    assert np.allclose(expected["b"].mean(0), mean, atol=0.2 * np.sqrt(np.diag(spread)).max())


def test_a_subset_keeps_a_part_and_leaves_another_out():
    torch.manual_seed(2)
    seen = torch.rand(4, 3000) < 0.7
    subset = subset_of(seen)
    count, kept = seen.sum(0), subset.sum(0)
    assert not (subset & ~seen).any()
    assert torch.equal(kept[count < 2], count[count < 2])
    assert ((kept[count >= 2] >= 1) & (kept[count >= 2] < count[count >= 2])).all()
    shares = subset[:, count == 4].float().mean(1)
    assert (shares - 0.5).abs().max() < 0.08, "each part is as likely"


def loss_of(model, x, missing=None, **options):
    """Return the loss of events at the end of the warm-up."""
    torch.manual_seed(3)
    objective = SubsetELBO(SubsetELBOOptions(**options))
    return objective.loss(Model(genzoo.Parts(model)), x, missing, torch.tensor(1.0))


def gradient_of(value, model):
    return torch.cat([one.flatten() for one in torch.autograd.grad(value, list(model.parts.parameters()))])


@pytest.mark.parametrize("options", [{"balance": 1}, {"balance": 0}, {"left_out": 0}, {"subsets": 2}, {"subsets": 0}])
def test_the_loss_is_minus_the_bound_of_all_parts_under_any_weights(options):
    case = Linear()
    rows, x = case.events(7)
    exact = stats.multivariate_normal(case.mean, case.covariance).logpdf(rows)
    assert np.isclose(float(loss_of(case.model, x, **options).detach()), -exact.mean())


def term_of(model, x, absent, weights, left_out):
    """Compute in closed form what is maximized for the subset of the parts that are not `absent`."""
    parts = dict(zip(SIZES, model.parts, strict=True))
    encoded = [parts[name].encoded(x[name], None) for name in SIZES if name not in absent]
    variance = 1 / (1 + sum((-log_variance).exp() for _, log_variance in encoded))
    mean = variance * sum(own * (-log_variance).exp() for own, log_variance in encoded)
    total = -0.5 * (mean.square() + variance - 1 - variance.log()).sum(-1)
    for name, part in parts.items():
        scale = part.observation.spread(part.observation.spread.raw).exp()
        explained = torch.distributions.Normal(part.decoder(mean), scale).log_prob(x[name]).sum(-1)
        explained = explained - 0.5 * (variance * (part.decoder.weight[:, 0] / scale).square()).sum(-1)
        total = total + weights[name] * (left_out if name in absent else 1) * explained
    return total.mean()


@pytest.mark.parametrize(("balance", "left_out"), [(0, 1.0), (1, 0.5), (2, 0.0)])
def test_each_part_alone_learns_to_explain_all_parts(balance, left_out):
    case = Linear()
    _, x = case.events(40)
    weights = {name: min(1, balance / size) if balance else 1 for name, size in SIZES.items()}
    subsets = [set(), *(set(SIZES) - {name} for name in SIZES)]
    exact = gradient_of(-sum(term_of(case.model, x, absent, weights, left_out) for absent in subsets), case.model)
    many = {name: part.repeat(4000, 1) for name, part in x.items()}
    found = gradient_of(loss_of(case.model, many, balance=balance, left_out=left_out), case.model)
    assert (found - exact).abs().max() < 0.03 * exact.abs().max()


def test_a_subset_of_no_part_trains_nothing():
    case = Linear()
    _, x = case.events(7)
    found = [gradient_of_some(case.model, x, weight) for weight in (0.0, 5.0)]
    assert torch.equal(*found)


def gradient_of_some(model, x, left_out):
    """Return the gradient of a single part's encoder and decoder, if events have no other part."""
    loss = loss_of(model, x, masks(x, ["b", "c"]), left_out=left_out)
    return torch.cat([one.flatten() for one in torch.autograd.grad(loss, list(model.parts[0].parameters()))])


def test_parts_can_have_any_name(tmp_path):
    rng = np.random.default_rng(0)
    data = {"keys": rng.integers(0, 17, (40, 2, 2)), "forward": rng.normal(size=(40, 2))}
    run = genzoo.train("mvae", data, steps=1, widths=[8], precision="fp32", out=tmp_path / "run")
    assert sorted(genzoo.load(run.path).sample(2)) == ["forward", "keys"]


def test_mixtures_of_products_take_few_parts(tmp_path):
    data = {f"part{number}": np.random.default_rng(number).normal(size=(30, 1)) for number in range(9)}
    with pytest.raises(genzoo.ConfigError, match="up to 8 parts"):
        genzoo.train("mvae", data, experts="mixture-of-products", steps=1, precision="fp32", out=tmp_path / "run")
