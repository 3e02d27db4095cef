"""Samplers against the closed form of normal distributions: noise e becomes m + C^(1/2) e."""

import math

import pytest
import torch
from diffusion_cases import COVARIANCE, MEAN, normal_model

from genzoo_diffusion.likelihood import FINEST
from genzoo_diffusion.path import PATHS


def drawn(path, *, mean=1.0, n=200, **options):
    torch.manual_seed(0)
    return normal_model(path).sample(n, condition=torch.full((n, 1), mean, dtype=torch.float64), **options)


def exact(path, *, mean=1.0, n=200):
    torch.manual_seed(0)
    noise = torch.randn(n, 2, dtype=torch.float64)
    values, vectors = torch.linalg.eigh(COVARIANCE)
    if path == "edm":  # samples begin at the deviation of unit events with noise of 80
        noise = (6401**0.5 * noise @ vectors - mean * MEAN @ vectors) / (values + 80**2).sqrt() @ vectors.T
    return mean * MEAN + noise @ vectors * values.sqrt() @ vectors.T


def error(path, sampler, steps):
    return (drawn(path, sampler=sampler, steps=steps) - exact(path)).square().mean().sqrt().item()


@pytest.mark.parametrize("path", ["flow", "edm"])
@pytest.mark.parametrize(("sampler", "order"), [("euler", 1), ("jump", 1), ("heun", 2)])
def test_errors_fall_with_the_order_of_the_solver(path, sampler, order):
    ratio = error(path, sampler, 80) / error(path, sampler, 160)
    assert math.log2(ratio) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("path", ["flow", "edm"])
def test_dpm_solver_beats_euler_at_equal_cost(path):
    assert error(path, "dpm++", 20) < error(path, "euler", 20) / 3
    assert error(path, "dpm++", 160) < error(path, "dpm++", 40) / 8


@pytest.mark.parametrize("sampler", ["heun", "euler", "dpm++", "jump", "ancestral"])
@pytest.mark.parametrize("path", ["flow", "edm"])
def test_samples_have_mean_and_covariance_of_the_data(path, sampler):
    x = drawn(path, n=5000, sampler=sampler, steps=300)
    assert torch.allclose(x.mean(0), MEAN, atol=0.05)
    assert torch.allclose(x.T.cov(), COVARIANCE, atol=0.06)


@pytest.mark.parametrize("sampler", ["heun", "euler", "dpm++", "ancestral"])
def test_a_single_step_is_finite(sampler):
    assert drawn("flow", sampler=sampler, steps=1).isfinite().all()


def test_guidance_of_one_is_no_guidance():
    assert torch.equal(drawn("flow", guidance=1.0), drawn("flow"))


def test_guidance_moves_samples_away_from_those_given_nothing():
    # Here, guidance of 3 is the flow to a normal with three times the mean.
    assert torch.allclose(drawn("flow", guidance=3.0), drawn("flow", mean=3.0), atol=1e-12)


@pytest.mark.parametrize("path", ["flow", "edm"])
def test_ancestral_samples_have_the_law_of_a_chain_of_normals(path):
    # With the best network of normal events, each step is an affine map and a normal draw: moments are exact.
    own, steps, finest = PATHS[path](), 5, torch.tensor(FINEST, dtype=torch.float64)
    times = own.clear_grid(steps, finest)
    a, s = own.place(times)
    eye = torch.eye(2, dtype=torch.float64)
    mean, covariance = torch.zeros(2, dtype=torch.float64), (a[0] ** 2 + s[0] ** 2) * eye
    last = finest / (1 + finest**2).sqrt()
    for now in range(steps + 1):
        gain = a[now] * COVARIANCE @ torch.linalg.inv(a[now] ** 2 * COVARIANCE + s[now] ** 2 * eye)
        shift = MEAN - a[now] * gain @ MEAN  # the event that is expected at x is gain @ x + shift
        if now == steps:
            move, push, noise = gain, shift, last**2
        else:
            # Noise e of the place now, cov(e_then, e_now) = c, so that the given event fixes mean and variance.
            kept = (a[now] / a[now + 1]) * (s[now + 1] / s[now]) ** 2
            push = (a[now + 1] - kept * a[now]) * shift
            move = kept * eye + (a[now + 1] - kept * a[now]) * gain
            noise = s[now + 1] ** 2 - kept**2 * s[now] ** 2
        mean, covariance = move @ mean + push, move @ covariance @ move.T + noise * eye
    x = drawn(path, n=40_000, sampler="ancestral", steps=steps)
    assert torch.allclose(x.mean(0), mean, atol=0.03)
    assert torch.allclose(x.T.cov(), covariance, atol=0.04)
    assert not torch.allclose(covariance, COVARIANCE, atol=0.04)  # five steps are few


def test_ancestral_steps_are_even_in_clarity():
    times = PATHS["flow"]().clear_grid(8, torch.tensor(0.05, dtype=torch.float64))
    ratio = times[1:] / (1 - times[1:])
    assert times[0] == 1
    assert torch.allclose(torch.log1p(ratio**-2), math.log(401) * torch.arange(1, 9, dtype=torch.float64) / 8)
