"""`vae` from a user's view: defaults for each kind of data, errors, and the capabilities of a run."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from torch import nn
from vae_cases import BINARY, IMAGE, MIXED, made, table

import genzoo
from genzoo import DataSpec, Feature
from genzoo_vae.build import build
from genzoo_vae.convolutions import ResidualBlock
from genzoo_vae.objectives import elbo, iwae
from genzoo_vae.observation import Bernoulli, Categorical, Columns, GaussianObservation, NeighborLogistic
from genzoo_vae.observation import DiscretizedLogistic as Independent
from genzoo_vae.options import ELBOOptions, IWAEOptions, VAEOptions

FREE = dataclasses.replace(IMAGE, bounds=None, quantum=None, storage="float32")


def mixed_events(n, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    columns = [z > rng.normal(size=n), 170 + 10 * z, rng.integers(0, 3, n), rng.poisson(np.exp(1 + z)), 70 - 5 * z]
    return np.stack([np.asarray(column, float) for column in columns], 1) + np.array([0, 1, 0, 0, 1]) * rng.normal(
        size=(n, 1)
    )


@pytest.mark.parametrize(
    ("data", "options", "observation"),
    [
        (IMAGE, {}, Independent),
        (BINARY, {}, Bernoulli),
        (FREE, {}, GaussianObservation),
        (dataclasses.replace(IMAGE, bounds=None), {}, GaussianObservation),
        (IMAGE, {"likelihood": "categorical"}, Categorical),
        (IMAGE, {"likelihood": "gaussian"}, GaussianObservation),
        (table(3), {}, GaussianObservation),
        (MIXED, {}, Columns),
    ],
)
def test_the_likelihood_follows_the_kind_of_data(data, options, observation):
    generator = build(VAEOptions(**options), data).generator
    assert isinstance(generator.observation, observation)
    measure = "density" if observation is GaussianObservation else "mass"
    assert generator.measures == ((measure,) if data.modality == "image" else None)
    assert generator.dequantized == (observation is GaussianObservation and data.quantum is not None)


def layers_of(data, **options):
    """Return how many convolutions and residual blocks an encoder has."""
    modules = list(build(VAEOptions(**options), data).generator.encoder.modules())
    return tuple(sum(isinstance(module, kind) for module in modules) for kind in (nn.Conv2d, ResidualBlock))


def test_images_with_many_values_have_other_defaults():
    gray, color = (dataclasses.replace(IMAGE, event_shape=shape) for shape in ((1, 28, 28), (3, 64, 64)))
    assert layers_of(color) == (4 + 2 * 3, 3)
    assert layers_of(gray) == layers_of(IMAGE) == layers_of(table(3)) == (0, 0)
    assert layers_of(gray, network="residual") == (2 + 2, 1)
    assert layers_of(IMAGE, network="convolutional") == (2, 0)
    holes = dataclasses.replace(gray, missing=True)
    for data, latent, width, kind in ((IMAGE, 12, 256, Independent), (gray, 24, 512, NeighborLogistic)):
        vae = build(VAEOptions(), data).generator
        assert isinstance(vae.observation, kind)
        assert (vae.latent, vae.encoder[0].out_features) == (latent, width)
        assert any(isinstance(module, nn.Dropout) for module in vae.modules()) == (data is IMAGE)
    assert isinstance(build(VAEOptions(), holes).generator.observation, Independent)
    assert isinstance(build(VAEOptions(network="residual"), gray).generator.observation, NeighborLogistic)


def test_runs_of_earlier_versions_keep_their_networks():
    earlier = {"network": "auto", "channels": (16, 32), "likelihood": "auto", "spread": "network", "latent": 12}
    earlier |= {"widths": (256, 256), "encoder_dropout": 0.1, "decoder_dropout": 0.1}
    gray, color = (dataclasses.replace(IMAGE, event_shape=shape) for shape in ((1, 28, 28), (3, 64, 64)))
    assert layers_of(gray, **earlier) == (0, 0)
    assert layers_of(color, **earlier) == (2, 0)
    for data in (gray, color):
        vae = build(VAEOptions(**earlier), data).generator
        assert isinstance(vae.observation, Independent)
    names = {name for name in vae.state_dict() if name.startswith(("encoder", "decoder"))}
    parts = ("encoder.convolutions.0", "encoder.convolutions.2", "encoder.linear.0", "encoder.linear.3")
    parts += ("decoder.linear.0", "decoder.linear.3", "decoder.convolutions.2", "decoder.convolutions.4")
    assert names == {f"{part}.{name}" for part in parts for name in ("weight", "bias")}


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        (IMAGE, {"likelihood": "bernoulli"}, "0 or 1"),
        (BINARY, {"likelihood": "gaussian"}, "a density, and these pixels are binary; use bernoulli"),
        (FREE, {"likelihood": "discretized-logistic"}, "no declared step"),
        (dataclasses.replace(IMAGE, bounds=None), {"likelihood": "discretized-logistic"}, "no declared bounds"),
        (dataclasses.replace(IMAGE, quantum=0.3), {}, "does not divide"),
        (dataclasses.replace(IMAGE, quantum=0.01), {"likelihood": "categorical"}, "up to 256 levels"),
        (table(2), {"network": "convolutional"}, "this is a table"),
        (table(2), {"network": "residual"}, "this is a table"),
        (table(2), {"likelihood": "discretized-logistic"}, "is for images"),
        (MIXED, {"likelihood": "gaussian"}, "column 'smokes' is binary"),
    ],
)
def test_options_that_do_not_fit_the_data_raise(data, options, words):
    with pytest.raises(ValueError, match=words):
        build(VAEOptions(**options), data)


@pytest.mark.parametrize("shape", [(1, 5, 7), (3, 10, 12), (2, 1, 1)])
@pytest.mark.parametrize("likelihood", ["discretized-logistic", "categorical", "gaussian"])
def test_images_of_any_sides_pass_through_convolutions(shape, likelihood):
    data = dataclasses.replace(IMAGE, event_shape=shape)
    vae = made(data, network="convolutional", likelihood=likelihood, spread="network", channels=(4, 8, 6), latent=3)
    assert vae.sample(4).shape == (4, *shape)
    x = vae.sample(2).detach().clamp(0, 1)
    assert vae.reconstruct(x).shape == x.shape
    assert vae.encode(x).shape == (2, 3)
    bound = vae.log_prob_bound(x, draws=3)
    assert bound.shape == (2,)
    assert torch.isfinite(bound).all()
    # Parameters of convolutions are in the order of a flattened event.
    said = vae.parameters_of(torch.zeros(1, 3, dtype=torch.float64))
    kept = vae.decoder.convolutions(
        vae.decoder.linear(torch.zeros(1, 3, dtype=torch.float64)).view(1, 6, *_small(shape))
    )
    numbers = vae.observation.width // x[0].numel()
    kept = kept[:, :, : shape[1], : shape[2]].reshape(1, numbers, -1)
    assert torch.allclose(said.view(1, numbers, -1), kept)


def _small(shape):
    return -(-shape[1] // 4), -(-shape[2] // 4)


@pytest.mark.parametrize(("objective", "settings"), [(elbo, ELBOOptions()), (iwae, IWAEOptions(draws=4))])
def test_mixed_precision_changes_the_loss_by_little(objective, settings):
    torch.manual_seed(0)
    vae = build(VAEOptions(encoder_dropout=0.0, decoder_dropout=0.0), IMAGE).generator
    model, x = genzoo.Model(genzoo.Parts(vae)), (torch.randint(0, 17, (64, 1, 4, 4)) / 16).float()
    found = []
    for mixed in (False, True):
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            ((losses),) = objective(settings).losses(model, genzoo.Batch(x), genzoo.Progress.start(torch.device("cpu")))
        assert losses["generator"].dtype == torch.float32
        found.append(losses["generator"].item())
    assert found[0] == pytest.approx(found[1], rel=5e-3)


@pytest.mark.parametrize(("objective", "settings"), [(elbo, ELBOOptions()), (iwae, IWAEOptions(draws=4))])
@pytest.mark.parametrize("likelihood", ["discretized-logistic", "categorical", "gaussian", "bernoulli", "mixed"])
def test_losses_stay_finite_if_outputs_are_far_too_large(likelihood, objective, settings):
    torch.manual_seed(0)
    data = {"bernoulli": BINARY, "mixed": MIXED}.get(likelihood, IMAGE)
    options = {} if data is not IMAGE else {"likelihood": likelihood}
    vae = build(VAEOptions(**options), data).generator
    with torch.no_grad():
        for body in (vae.encoder, vae.decoder):
            body[-1].weight.mul_(3000.0)
    x = torch.randint(0, 2, (64, *data.event_shape)).float()
    model = genzoo.Model(genzoo.Parts(vae))
    with torch.autocast("cpu", torch.bfloat16):
        ((losses),) = objective(settings).losses(model, genzoo.Batch(x), genzoo.Progress.start(torch.device("cpu")))
    losses["generator"].backward()
    assert torch.isfinite(losses["generator"])
    assert all(torch.isfinite(p.grad).all() for p in vae.parameters() if p.grad is not None)


def test_the_last_layers_do_not_round_in_half_precision():
    vae = build(VAEOptions(network="convolutional", encoder_dropout=0.0, decoder_dropout=0.0), IMAGE).generator
    x = torch.randint(0, 17, (8, 1, 4, 4)) / 16
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        for found in (vae.encoder(x.flatten(1)), vae.decoder(vae.prior_sample(8))):
            assert found.dtype == torch.float32
            assert (found != found.bfloat16().float()).float().mean() > 0.9


def test_draws_given_an_event_unlike_others_do_not_scatter_far():
    vae = build(VAEOptions(latent=2), table(3)).generator.eval()
    usual, strange = torch.zeros(1, 3), torch.full((1, 3), 1e3)
    with torch.no_grad():
        hidden = vae.encoder[:-1](strange)
        vae.encoder[-1].weight[2:] = 20.0 * hidden / hidden.square().sum()  # its log-variance is 20, far from zero
        posterior = vae.posterior(torch.cat([usual, strange]))
        drawn = posterior.draw(1000).std(0).mean(1)
    assert drawn[0] < 2
    assert drawn[1] < 3
    vae.posterior(strange).divergence().sum().backward()
    assert vae.encoder[-1].bias.grad[2:].abs().min() > 0  # it can become narrower again


def test_many_draws_of_many_pixels_fit_in_little_memory():
    data = dataclasses.replace(IMAGE, event_shape=(1, 28, 28))
    vae = build(VAEOptions(network="mlp", widths=(32,), latent=4, spread="place"), data).generator.eval()
    x = torch.zeros(512, 1, 28, 28)
    with torch.no_grad(), torch.profiler.profile(profile_memory=True) as profile:
        vae.log_prob_bound(x, draws=24)
    largest = max(event.self_cpu_memory_usage for event in profile.events() if event.self_cpu_memory_usage > 0)
    assert largest <= 4 * 2**22 * 1.01


def test_the_largest_inner_convolution_limits_draws_at_once():
    data = dataclasses.replace(IMAGE, event_shape=(1, 32, 32))
    vae = build(VAEOptions(channels=(4, 64), latent=4, spread="place"), data).generator.eval()
    seen = []
    for module in vae.decoder.modules():
        module.register_forward_hook(lambda *given: seen.append(given[2].numel()))
    with torch.no_grad():
        vae.log_prob_bound(torch.zeros(64, 1, 32, 32), draws=20)
    assert 2**21 < max(seen) <= 2**22


@pytest.mark.precision
def test_a_run_on_digits_has_all_announced_capabilities(tmp_path):
    run = genzoo.train(
        "vae", out=tmp_path / "run", training={"epochs": 16, "batch_size": 64, "patience": None, "eval_every": 4}
    )
    lines = [json.loads(line) for line in run.log.read_text("utf-8").splitlines()]
    watched = [line["validation"] for line in lines if "validation" in line]
    assert watched[-1] < watched[0] < 150
    fitted = run.load()
    assert fitted.capabilities == {"likelihood-bound", "decoder", "encoder", "reconstruction", "imputation"}
    samples = fitted.sample(300, seed=1)
    assert samples.dtype == np.uint8
    assert samples.max() <= 16
    assert len(np.unique(samples.reshape(300, -1), axis=0)) == 300
    digits = samples[:20]
    assert np.array_equal(fitted.reconstruct(digits), fitted.decode(fitted.encode(digits)))
    assert np.corrcoef(fitted.reconstruct(digits).ravel(), digits.ravel())[0, 1] > 0.6


@pytest.mark.precision
def test_a_table_and_a_thousand_times_the_table_agree(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 3)) + 5.0
    found = []
    for factor in (1.0, 1024.0):
        dataset = genzoo.Dataset("table", table(3), x * factor)
        run = genzoo.train("vae", dataset, out=tmp_path / str(factor), training={"epochs": 30}, latent=2)
        found.append(run.load().log_prob_bound(x * factor, draws=8, seed=3))
    assert np.allclose(found[0] - found[1], 3 * np.log(1024.0), rtol=0, atol=1e-9)


@pytest.mark.precision
def test_a_mixed_table_with_missing_values_is_learnt_sampled_and_filled_in(tmp_path):
    x = mixed_events(600)
    hidden = np.random.default_rng(1).random(x.shape) < 0.15
    hidden[hidden.all(1)] = False
    dataset = genzoo.Dataset("mixed", MIXED, np.where(hidden, np.nan, x))
    run = genzoo.train(
        "vae", dataset, out=tmp_path / "run", training={"epochs": 40, "batch_size": 64, "patience": None}, latent=3
    )
    fitted = run.load()
    samples = fitted.sample(500)
    assert set(np.unique(samples[:, 0])) <= {0.0, 1.0}
    assert set(np.unique(samples[:, 2])) <= {0.0, 1.0, 2.0}
    assert (samples[:, 3] >= 0).all()
    assert np.array_equal(samples[:, 3], samples[:, 3].round())
    filled = fitted.impute(dataset.events)
    assert np.array_equal(filled[~hidden], x[~hidden])
    mean = np.nanmean(dataset.events, 0)
    for column in (1, 4):
        rows = hidden[:, column]
        error = np.square(filled[rows, column] - x[rows, column]).mean()
        assert error < 0.5 * np.square(mean[column] - x[rows, column]).mean(), "half of the variance is explained"
    drawn = fitted.impute(dataset.events, draw=True, seed=2)
    assert set(np.unique(drawn[:, 2])) <= {0.0, 1.0, 2.0}
    assert np.isfinite(fitted.log_prob_bound(dataset.events, draws=5)).all()
    assert np.isfinite(fitted.log_prob_bound(x, draws=5)).all(), "nothing missing either"


@pytest.mark.precision
def test_the_same_seed_gives_the_same_weights(tmp_path):
    rows = genzoo.Dataset("table", table(2), np.random.default_rng(0).normal(size=(200, 2)))
    training = {"epochs": 6, "batch_size": 32}
    whole = genzoo.train("vae", rows, out=tmp_path / "whole", training=training, objective="iwae")
    other = genzoo.train("vae", rows, out=tmp_path / "other", training=training, objective="iwae", seed=1)
    assert whole.record["weights"] != other.record["weights"]
    again = genzoo.train("vae", rows, out=tmp_path / "again", training=training, objective="iwae")
    assert whole.record["weights"] == again.record["weights"]


@pytest.mark.precision
@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        ("digits", {"likelihood": "bernoulli"}, "0 or 1"),
        ("digits", {"likelihood": "normal"}, "likelihood"),
        ("iris", {"network": "convolutional"}, "this is a table"),
        ("digits", {"latent": 0}, "latent"),
        ("digits", {"objective": {"name": "iwae", "draws": 0}}, "draws"),
    ],
)
def test_unsuitable_options_raise_config_error(data, options, words, tmp_path):
    with pytest.raises(genzoo.ConfigError, match=words):
        genzoo.train("vae", data, out=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("sides", [(36, 36), (64, 20), (33, 50)])
def test_residual_networks_take_images_of_any_sides(sides):
    spec = DataSpec((1, *sides), "image", (Feature("pixel"),), bounds=(0.0, 1.0))
    vae = build(VAEOptions(network="residual", channels=(2, 2, 2), dense=4, latent=3), spec).generator
    assert vae.reconstruct(torch.rand(2, 1, *sides)).shape == (2, 1, *sides)
