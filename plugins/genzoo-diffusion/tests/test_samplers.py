"""Samplers against the closed form of normal distributions: noise e becomes m + C^(1/2) e."""

import math

import pytest
import torch
from diffusion_cases import COVARIANCE, MEAN, normal_model


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


@pytest.mark.parametrize("sampler", ["heun", "euler", "dpm++", "jump"])
@pytest.mark.parametrize("path", ["flow", "edm"])
def test_samples_have_mean_and_covariance_of_the_data(path, sampler):
    x = drawn(path, n=5000, sampler=sampler, steps=300)
    assert torch.allclose(x.mean(0), MEAN, atol=0.05)
    assert torch.allclose(x.T.cov(), COVARIANCE, atol=0.06)


@pytest.mark.parametrize("sampler", ["heun", "euler", "dpm++"])
def test_a_single_step_is_finite(sampler):
    assert drawn("flow", sampler=sampler, steps=1).isfinite().all()


def test_guidance_of_one_is_no_guidance():
    assert torch.equal(drawn("flow", guidance=1.0), drawn("flow"))


def test_guidance_moves_samples_away_from_those_given_nothing():
    # Here, guidance of 3 is the flow to a normal with three times the mean.
    assert torch.allclose(drawn("flow", guidance=3.0), drawn("flow", mean=3.0), atol=1e-12)
