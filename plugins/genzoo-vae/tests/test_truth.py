"""Bounds, gradients and imputation of a model with known truth: factor analysis."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import FactorAnalysis
from vae_cases import Factors, table

import genzoo
from genzoo_vae import vae as vae_module
from genzoo_vae.objectives import elbo, iwae
from genzoo_vae.options import ELBOOptions, IWAEOptions
from genzoo_vae.vae import VAE, Posterior

CPU = genzoo.Progress.start(torch.device("cpu"))


def at(fraction):
    return genzoo.Progress(torch.tensor(5), torch.tensor(fraction))


def loss_of(objective, vae, x, missing=None, progress=CPU):
    model = genzoo.Model(genzoo.Parts(vae))
    ((losses),) = objective.losses(model, genzoo.Batch(x, missing), progress)
    return losses["generator"]


@pytest.mark.parametrize("widen", [1.0, 1.5])
@pytest.mark.parametrize("numbers", [2**22, 500])
def test_the_bound_of_500_draws_is_exact_to_a_fiftieth_of_a_nat(widen, numbers, monkeypatch):
    monkeypatch.setattr(vae_module, "_NUMBERS", numbers)
    truth = Factors()
    x = truth.sample(400)
    torch.manual_seed(0)
    bound = truth.autoencoder(widen).log_prob_bound(torch.as_tensor(x), draws=500).detach().numpy()
    assert abs(bound.mean() - truth.log_prob(x).mean()) < 0.02
    assert np.corrcoef(bound, truth.log_prob(x))[0, 1] > 0.995


def test_the_elbo_lies_below_the_likelihood_by_the_posterior_divergence():
    truth = Factors(seed=3)
    x = truth.sample(500)
    torch.manual_seed(0)
    objective = elbo(ELBOOptions(draws=500))
    found = -loss_of(objective, truth.autoencoder(), torch.as_tensor(x)).item()
    expected = truth.elbo(x).mean()
    assert expected < truth.log_prob(x).mean() - 0.02, "the bound is not tight in this case"
    assert found == pytest.approx(expected, abs=0.01)


def test_the_bound_tightens_as_draws_grow():
    truth = Factors(seed=2)
    x = torch.as_tensor(truth.sample(2000))
    vae = truth.autoencoder(widen=2.0)
    torch.manual_seed(0)
    found = [vae.log_prob_bound(x, draws=draws).mean().item() for draws in (1, 3, 10, 50)]
    assert np.all(np.diff(found) > 0.01)
    assert found[-1] < truth.log_prob(x.numpy()).mean() + 0.01
    assert found[1] == pytest.approx(-loss_of(iwae(IWAEOptions(draws=3)), vae, x).item(), abs=0.05)


def test_the_bound_with_missing_values_approaches_the_exact_marginal():
    truth = Factors(columns=6)
    x = truth.sample(300)
    seen = np.array([True, False, True, True, False, True])
    events = torch.as_tensor(np.where(seen, x, 0.0))
    missing = torch.as_tensor(np.tile(~seen, (300, 1)))
    torch.manual_seed(0)
    bound = truth.autoencoder(widen=6.0).log_prob_bound(events, missing, draws=5000).detach().numpy()
    assert np.abs(bound - truth.log_prob(x, seen)).mean() < 0.05
    assert abs(bound.mean() - truth.log_prob(x, seen).mean()) < 0.02


def test_imputation_gives_conditional_means_and_draws_from_the_conditional():
    truth = Factors(columns=4)
    seen = np.array([True, False, True, False])
    x = truth.sample(5)
    vae = truth.autoencoder(widen=6.0, draws=2000)
    events, missing = torch.as_tensor(np.where(seen, x, 0.0)), torch.as_tensor(np.tile(~seen, (5, 1)))
    torch.manual_seed(0)
    filled = vae.impute(events.repeat(30, 1), missing.repeat(30, 1)).detach().numpy().reshape(30, 5, 4)
    assert np.array_equal(filled[:, :, seen], np.tile(x[:, seen], (30, 1, 1)))
    for rows, event in zip(filled.transpose(1, 0, 2), x, strict=True):
        mean, _ = truth.conditional(event, seen)
        assert np.allclose(rows[:, ~seen].mean(0), mean, atol=0.05)
    mean, covariance = truth.conditional(x[0], seen)
    many = truth.autoencoder(widen=6.0, draws=300)
    draws = many.impute(events[:1].expand(4000, -1), missing[:1].expand(4000, -1), draw=True).detach().numpy()
    assert np.allclose(draws[:, ~seen].mean(0), mean, atol=0.08)
    assert np.allclose(np.cov(draws[:, ~seen].T), covariance, atol=0.12)


def literal_gradients(vae: VAE, x, z_noise, *, doubly):
    """Compute gradients of the bound at given noise `(K, N, L)`, by loops over the formulas of Tucker et al. (2018)."""
    parameters = list(vae.parameters())
    encoder = {id(p) for p in vae.encoder.parameters()}
    total = [torch.zeros_like(p) for p in parameters]
    draws, events = z_noise.shape[:2]
    for n in range(events):
        logs, direct, through = [], [], []
        for k in range(draws):
            posterior = vae.posterior(x[n : n + 1])
            z = (posterior.mean + (0.5 * posterior.log_variance).exp() * z_noise[k, n])[None]
            still = Posterior(posterior.mean.detach(), posterior.log_variance.detach())
            whole = vae.log_weights(x[n : n + 1], None, z, posterior).sum()
            path = vae.log_weights(x[n : n + 1], None, z, still).sum()
            logs.append(whole.detach())
            direct.append(torch.autograd.grad(whole, parameters, retain_graph=True, allow_unused=True))
            through.append(torch.autograd.grad(path, parameters, allow_unused=True))
        share = torch.stack(logs).softmax(0)
        for k in range(draws):
            for place, parameter in enumerate(parameters):
                inside = doubly and id(parameter) in encoder
                weight = share[k] ** 2 if inside else share[k]
                total[place] -= weight * (through if inside else direct)[k][place] / events
    return total


@pytest.mark.parametrize("gradient", ["standard", "doubly-reparameterized"])
def test_gradients_of_the_iwae_bound_equal_the_papers_formulas(gradient):
    truth = Factors(columns=3)
    vae, x = truth.autoencoder(widen=1.7), torch.as_tensor(truth.sample(3))
    torch.manual_seed(0)
    loss = loss_of(iwae(IWAEOptions(draws=4, gradient=gradient)), vae, x)
    loss.backward()
    torch.manual_seed(0)
    noise = torch.randn(4, 3, 2, dtype=torch.float64)
    expected = literal_gradients(vae, x, noise, doubly=gradient != "standard")
    for parameter, one in zip(vae.parameters(), expected, strict=True):
        assert torch.allclose(parameter.grad, one, rtol=1e-9, atol=1e-12)


def test_the_doubly_reparameterized_gradient_is_unbiased_and_less_noisy():
    truth = Factors(columns=3)
    x = torch.as_tensor(truth.sample(20)).repeat(200, 1)
    found = {}
    for gradient in ("standard", "doubly-reparameterized"):
        vae = truth.autoencoder(widen=1.7)
        rows = []
        for seed in range(40):
            torch.manual_seed(seed + 1000 * len(found))
            vae.zero_grad()
            loss_of(iwae(IWAEOptions(draws=8, gradient=gradient)), vae, x).backward()
            rows.append(vae.encoder.weight.grad.flatten().clone())
        found[gradient] = torch.stack(rows)
    one, two = found.values()
    error = (one.var(0) / 40 + two.var(0) / 40).sqrt()
    assert ((one.mean(0) - two.mean(0)).abs() < 4 * error).all()
    assert two.var(0).sum() < 0.8 * one.var(0).sum()


@pytest.mark.parametrize(
    ("options", "fraction", "weight"),
    [({}, 0.0, 1.0), ({"beta": 4.0}, 0.5, 4.0), ({"beta": 2.0, "warmup": 0.4}, 0.1, 0.5), ({"warmup": 0.4}, 0.9, 1.0)],
)
@pytest.mark.parametrize("free", [0.0, 0.7])
def test_beta_and_warmup_weigh_the_divergence(options, fraction, weight, free):
    truth = Factors()
    vae, x = truth.autoencoder(), torch.as_tensor(truth.sample(50))
    torch.manual_seed(0)
    found = loss_of(elbo(ELBOOptions(free_bits=free, draws=2, **options)), vae, x, progress=at(fraction)).item()
    torch.manual_seed(0)
    noise = torch.randn(2, 50, 2, dtype=torch.float64).numpy()
    said = vae.encoder(x).detach().numpy()
    mean, log_variance = said[:, :2], said[:, 2:]
    z = mean + np.exp(log_variance / 2) * noise
    decoded = z @ truth.weight.T + truth.shift
    explained = -0.5 * ((x.numpy() - decoded) ** 2 / truth.variance + np.log(2 * np.pi * truth.variance)).sum(-1).mean()
    divergence = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance)  # (N, L)
    assert found == pytest.approx(weight * np.maximum(divergence.mean(0), free).sum() - explained, rel=1e-6)


def test_patience_watches_the_plain_bound():
    truth = Factors()
    vae, x = truth.autoencoder(), torch.as_tensor(truth.sample(4000))
    model, batch = genzoo.Model(genzoo.Parts(vae)), genzoo.Batch(x)
    torch.manual_seed(0)
    weighed = elbo(ELBOOptions(beta=7.0, warmup=1.0, free_bits=5.0)).monitor(model, batch).item()
    assert weighed == pytest.approx(-truth.elbo(x.numpy()).mean(), abs=0.05)
    many = iwae(IWAEOptions(draws=200)).monitor(model, batch).item()
    assert many == pytest.approx(-truth.log_prob(x.numpy()).mean(), abs=0.03)
    assert many < weighed


@pytest.mark.precision
def test_a_linear_autoencoder_learns_what_factor_analysis_finds(tmp_path):
    truth = Factors(columns=4, latent=1, seed=4)
    x = truth.sample(3000) * np.array([1.0, 50.0, 0.02, 3.0]) + 7.0
    run = genzoo.train(
        "vae",
        genzoo.Dataset("factors", table(4), x),
        out=tmp_path / "run",
        split={"validation": 0.1, "test": 0.0},
        training={"steps": 1500, "batch_size": 250, "optimizer": {"lr": 2e-2}, "schedule": {"name": "linear"}},
        widths=(),
        latent=1,
        encoder_dropout=0.0,
        decoder_dropout=0.0,
        prior="normal",
        spread="place",
    )
    fitted = run.load()
    vae = fitted.generator
    bound = fitted.log_prob_bound(x[:1500], draws=500)
    # The exact log-likelihood of the learned decoder, in data units.
    scale, shift = fitted.transform.scale.numpy(), fitted.transform.shift.numpy()
    decoder = vae.decoder[0]
    weight = decoder.weight.detach().double().numpy() * scale[:, None]
    deviation = vae.observation.spread(vae.observation.spread.raw).exp().detach().double().numpy() * scale
    mean = decoder.bias.detach().double().numpy() * scale + shift
    learnt = Factors(4, 1)
    learnt.shift, learnt.covariance = mean, weight @ weight.T + np.diag(deviation**2)
    assert abs(bound.mean() - learnt.log_prob(x[:1500]).mean()) < 0.02
    spread = x.std(0)
    peer = FactorAnalysis(1, tol=1e-6, max_iter=5000).fit(x / spread)
    assert learnt.log_prob(x).mean() == pytest.approx(peer.score(x / spread) - np.log(spread).sum(), abs=0.01)


def test_the_bound_does_not_depend_on_the_split_of_draws(monkeypatch):
    truth = Factors()
    vae, x = truth.autoencoder(widen=2.0), torch.as_tensor(truth.sample(7))
    found = []
    for numbers in (2**22, 100, 1):
        monkeypatch.setattr("genzoo_vae.vae._NUMBERS", numbers)
        torch.manual_seed(0)
        found.append(vae.log_prob_bound(x, draws=9))
    for other in found[1:]:
        assert torch.allclose(other, found[0], rtol=1e-12)
