"""The likelihood whose pixels follow their neighbors, compared with scipy, enumeration and loops over pixels."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from scipy import special, stats
from vae_cases import IMAGE

import genzoo
from genzoo_vae.build import build
from genzoo_vae.observation import NeighborLogistic
from genzoo_vae.options import VAEOptions

CASES = [((1, 2, 3), 3), ((2, 2, 1), 4), ((3, 1, 2), 3)]


def made(shape, levels, spread="network", seed=0):
    """Return a likelihood and the outputs of a decoder, with large weights."""
    observation = NeighborLogistic(shape, levels, spread).double()
    generator = torch.Generator().manual_seed(seed)
    given = torch.randn(observation.width, dtype=torch.float64, generator=generator)
    return observation, given


def every_image(shape, levels):
    """Return all images of a grid, `(levels ** D, D)`."""
    grid = np.linspace(0, 1, levels)
    return torch.tensor(list(itertools.product(grid, repeat=int(np.prod(shape)))))


def log_probability(observation, image, mean, scale, weights, levels):
    """Compute the log-probability of an image value by value, with scipy."""
    channels, height, width = image.shape
    edges = np.concatenate([[-np.inf], (np.arange(levels - 1) + 0.5) / (levels - 1), [np.inf]])
    total = 0.0
    for y, x, c in itertools.product(range(height), range(width), range(channels)):
        center = mean[c, y, x]
        for j, (down, right) in enumerate([(0, -1), (-1, -1), (-1, 0), (-1, 1)]):
            if y + down >= 0 and 0 <= x + right < width:
                center += weights[j, c, y, x] * (image[c, y + down, x + right] - mean[c, y + down, x + right])
        for earlier in range(c):
            center += weights[4 + earlier, c, y, x] * (image[earlier, y, x] - mean[earlier, y, x])
        level = round(image[c, y, x] * (levels - 1))
        low, high = edges[level : level + 2]
        logistic = stats.logistic(center, scale[c, y, x])
        # In the upper tail the differences of its complement keep their digits.
        upper = low > center
        total += np.log(logistic.sf(low) - logistic.sf(high) if upper else logistic.cdf(high) - logistic.cdf(low))
    return total


@pytest.mark.parametrize(("shape", "levels"), CASES)
def test_the_probabilities_of_all_images_sum_to_one(shape, levels):
    observation, given = made(shape, levels)
    total = observation.log_prob(every_image(shape, levels), given).sum(-1).logsumexp(0)
    assert total.item() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("spread", ["shared", "network"])
def test_each_pixel_follows_its_neighbors_and_earlier_channels(spread):
    shape, levels = (3, 4, 5), 17
    observation, given = made(shape, levels, spread)
    size = int(np.prod(shape))
    mean = 2 * special.expit(given[:size].numpy().reshape(shape)) - 0.5
    raw = given[size : 7 * size].numpy().reshape(6, *shape).copy()
    weights = np.concatenate([0.8 * raw[:4] / (1 + np.abs(raw[:4]).sum(0)), np.tanh(raw[4:])])
    scale_of = observation.spread(given[7 * size :]).exp().detach().expand(size).numpy().reshape(shape)
    scale = 1 / (1 / scale_of + 1 / 0.25)
    image = np.random.default_rng(0).integers(0, levels, shape) / (levels - 1)
    expected = log_probability(observation, image, mean, scale, weights, levels)
    found = observation.log_prob(torch.tensor(image).reshape(1, -1), given).sum().item()
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("shape", "levels"), CASES)
def test_samples_are_as_frequent_as_they_are_probable(shape, levels):
    observation, given = made(shape, levels)
    images = every_image(shape, levels)
    probability = observation.log_prob(images, given).sum(-1).exp().numpy()
    torch.manual_seed(0)
    drawn = observation.sample(given.expand(20_000, -1))
    codes = (drawn * (levels - 1)).round().numpy() @ levels ** np.arange(images.shape[1])[::-1]
    counts = np.bincount(codes.astype(int), minlength=len(images))
    often = probability * len(drawn) > 5
    seen = np.append(counts[often], counts[~often].sum())
    expected = np.append(probability[often], probability[~often].sum()) * len(drawn)
    assert stats.chisquare(seen, expected * seen.sum() / expected.sum()).pvalue > 1e-3


def test_missing_pixels_are_averaged_out_and_drawn_from_their_distribution():
    shape, levels = (1, 2, 3), 3
    spec = dataclasses.replace(IMAGE, event_shape=shape, bounds=(0.0, 2.0))
    torch.manual_seed(0)
    options = VAEOptions(likelihood="neighbor-logistic", widths=(4,), latent=1, imputation_draws=3000)
    vae = build(options, spec).generator.double().eval()
    observation, given = made(shape, levels)
    vae.observation = observation
    with torch.no_grad():
        vae.decoder[-1].weight.zero_()  # so that z has no part in it
        vae.decoder[-1].bias.copy_(given)
    missing = torch.tensor([True, False, False, True, False, False]).view(1, *shape)
    x = torch.tensor([0.0, 1.0, 0.5, 0.0, 1.0, 0.0], dtype=torch.float64).view(1, *shape)
    images = every_image(shape, levels)
    fits = (images == x.flatten())[:, ~missing.flatten()].all(1)
    logs = observation.log_prob(images[fits], given).sum(-1)
    z = torch.zeros(4000, 1, 1, dtype=torch.float64)
    torch.manual_seed(0)
    with torch.no_grad():
        weights = vae.log_likelihood(x, missing, z)[:, 0]
        filled = vae.impute(x, missing)
        drawn = torch.cat([vae.impute(x, missing, draw=True) for _ in range(200)])
    exact = logs.logsumexp(0).item()
    assert (weights.logsumexp(0) - np.log(4000)).item() == pytest.approx(exact, abs=0.05)
    assert weights.mean().item() < exact, "one draw is a lower bound"
    expected = (logs.softmax(0)[:, None] * images[fits]).sum(0)
    assert torch.allclose(filled.flatten(), expected, atol=0.03)
    assert torch.equal(filled[~missing], x[~missing])
    assert torch.allclose(drawn.flatten(1).mean(0), expected, atol=0.1)
    assert (drawn[:, 0, 0, 1] == 1.0).all()


def test_images_with_missing_pixels_need_independent_values():
    holes = dataclasses.replace(IMAGE, event_shape=(1, 16, 16), missing=True)
    with pytest.raises(ValueError, match="missing pixels; use discretized-logistic"):
        build(VAEOptions(likelihood="neighbor-logistic"), holes)


def test_a_residual_network_learns_images_with_neighbors(tmp_path):
    events = np.random.default_rng(0).integers(0, 17, (64, 1, 16, 16)).astype(np.uint8)
    spec = dataclasses.replace(IMAGE, event_shape=(1, 16, 16))
    run = genzoo.train(
        "vae",
        genzoo.Dataset("squares", spec, events),
        steps=2,
        batch_size=16,
        network="residual",
        channels=[4, 4],
        latent=2,
        dense=8,
        out=tmp_path / "run",
        precision="fp32",
        progress=False,
    )
    fitted = run.load()
    assert isinstance(fitted.generator.observation, NeighborLogistic)
    plain, noisy = fitted.sample(8, seed=1, mean=True), fitted.sample(8, seed=1)
    rough = [np.abs(np.diff(x.astype(float), axis=-1)).mean() for x in (plain, noisy)]
    assert rough[0] < 0.3 * rough[1]
