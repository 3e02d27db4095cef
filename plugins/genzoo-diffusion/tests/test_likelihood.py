"""Bounds and estimates of log-densities against normal distributions."""

import numpy as np
import pytest
import torch
from diffusion_cases import COVARIANCE, MEAN, normal_model
from scipy.integrate import trapezoid
from scipy.stats import norm
from torch.distributions import MultivariateNormal

import genzoo
from genzoo.models.base import capabilities_of
from genzoo_diffusion.diffusion import build
from genzoo_diffusion.likelihood import ending, lower_bound
from genzoo_diffusion.options import DiffusionOptions
from genzoo_diffusion.path import PATHS
from genzoo_diffusion.samplers import Field, ancestral

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


LEVELS, SHARES = torch.tensor([-0.8, -0.4, 0.0, 2.0]), torch.tensor([0.5, 0.2, 0.1, 0.2])


def best_for_levels(path):
    """Return the best network for pixels that are independent and have few levels."""

    def predict(x, t):
        a, s = (factor[:, None, None] for factor in path.place(t))
        weights = torch.softmax(SHARES.log() - 0.5 * ((x[..., None] - a * LEVELS) / s).square(), -1)
        event = (weights * LEVELS).sum(-1)
        noise = (x - a[..., 0] * event) / s[..., 0]
        return (s[..., 0] * event - a[..., 0] * noise) * (a.square() + s.square())[..., 0].rsqrt()

    return predict


def lost_at_the_end(ratio, deviation):
    """Return the mean divergence of rounded draws around the mean from what is known of a value, by quadrature."""
    levels, seen = LEVELS.double().numpy(), np.linspace(-3, 4, 20_001)
    joint = SHARES.double().numpy() * norm.pdf(seen[:, None], levels, ratio)
    known = joint / joint.sum(1, keepdims=True)
    mean = (known @ levels)[:, None]
    above, below = (norm.logsf((abs(levels - mean) + side) / deviation) for side in (-0.2, 0.2))
    claimed = above + np.log1p(-np.exp(below - above))
    return trapezoid((joint * (np.log(known + 1e-300) - claimed)).sum(1), seen)


def test_the_bound_of_values_on_a_grid_loses_what_its_last_step_must():
    torch.manual_seed(0)
    path = PATHS["flow"]()
    place = torch.multinomial(SHARES, 400, replacement=True).view(200, 2)
    exact = SHARES.log()[place].sum(1)
    step, deviation = torch.tensor(0.4), (0.2**2 / 1.04 - 0.4**2 / 12) ** 0.5
    found = [lower_bound(path, best_for_levels(path), LEVELS[place], draws=16, step=step) for _ in range(30)]
    gaps = torch.stack(found) - exact
    error = gaps.std(0).square().sum().sqrt() / (len(exact) * 30**0.5)
    assert error < 0.02
    assert gaps.mean().item() == pytest.approx(-2 * lost_at_the_end(0.2, deviation), abs=4 * error.item())


@pytest.mark.parametrize("path", ["flow", "edm"])
def test_the_bound_on_a_fine_grid_is_the_probability_of_a_narrow_normal(path):
    # As narrow as the noise that the samplers of edm see last; 14-bit images have a finer grid.
    torch.manual_seed(1)
    own, deviation, step = PATHS[path](), 1e-3, 1e-4

    def predict(z, t):
        a, s = (factor[:, None] for factor in own.place(t))
        event = a * deviation**2 / (a.square() * deviation**2 + s.square()) * z
        return (s * event - a * (z - a * event) / s) * (a.square() + s.square()).rsqrt()

    place = (deviation / step * torch.randn(2000, 1, dtype=torch.float64)).round()
    ends = [norm.cdf((place.numpy() + side) * step, scale=deviation) for side in (-0.5, 0.5)]
    grid = torch.tensor(step, dtype=torch.float64)
    found = lower_bound(own, predict, place * step, draws=256, step=grid)
    gaps = (found - torch.from_numpy(np.log(ends[1] - ends[0]))[:, 0]).numpy()
    assert np.mean(gaps) == pytest.approx(0, abs=4 * np.std(gaps) / 2000**0.5 + 0.01)
    assert np.std(gaps) < 2


def test_images_on_a_grid_have_a_bound_in_bits_per_dimension(tmp_path):
    pixel = genzoo.DataSpec((1, 2, 2), "image", (genzoo.Feature("pixel"),), (0, 4), 1.0)
    images = genzoo.Dataset("images", pixel, np.random.default_rng(0).integers(0, 5, (40, 1, 2, 2)).astype(np.float32))
    settings = {"width": 16, "layers": 1, "steps": 4, "batch_size": 8, "precision": "fp32", "sampling": {"steps": 1}}
    run = genzoo.train("diffusion", images, out=tmp_path / "run", **settings)
    found = run.evaluate(images, metrics="bits-per-dim")
    assert found.kind == "lower bound (16 draws)"
    assert found.measure == "mass"
    assert 1.5 < found.scores["bits-per-dim"].value < 8  # no model of 5 levels, all as frequent, is below 2.3 by much
    assert run.load().generator.grid_step.item() == pytest.approx(1 / images.events.std(), rel=0.1)
    with pytest.raises(genzoo.ConfigError, match="no 'likelihood-estimate'"):
        run.log_prob_estimate(images.events)


class OfLevels(Field):
    """The path of samples for the best network of pixels with few levels."""

    def __init__(self, path):
        self.path, self.predict = path, best_for_levels(path)

    def event(self, x, t):
        a, s = self.path.place(t)
        variance = a.square() + s.square()
        return a / variance * x + s * variance.rsqrt() * self.predict(x, t.expand(len(x)))

    def velocity(self, x, t):
        raise NotImplementedError

    jump = velocity


@pytest.mark.parametrize("path", ["flow", "edm"])
def test_ancestral_samples_round_to_levels_as_often_as_the_bound_says(path):
    # The bound of the best network is the probability less what the last step loses, so both belong to one model.
    torch.manual_seed(0)
    own = PATHS[path]()
    finest, last = ending(LEVELS, torch.tensor(0.4))
    noise = torch.randn(20_000, 1) * (1 if path == "flow" else 6401**0.5)
    found = (ancestral(OfLevels(own), noise, own.clear_grid(100, finest), last) / 0.4).round() * 0.4
    shares = torch.stack([(found - level).abs().lt(0.1).double().mean() for level in LEVELS])
    claimed = rounded_shares(finest.item(), last.item())
    assert np.abs(shares.numpy() - claimed).max() < 4 * (0.25 / 20_000) ** 0.5 + 0.01


def rounded_shares(ratio, deviation):
    """Return how often values with last noise of a ratio, denoised, drawn anew and rounded, have each of the levels."""
    levels, seen = LEVELS.double().numpy(), np.linspace(-3, 4, 20_001)
    joint = SHARES.double().numpy() * norm.pdf(seen[:, None], levels, ratio)
    mean = (joint @ levels / joint.sum(1))[:, None]
    inside = norm.cdf((levels + 0.2 - mean) / deviation) - norm.cdf((levels - 0.2 - mean) / deviation)
    return trapezoid(joint.sum(1, keepdims=True) * inside, seen, axis=0)
