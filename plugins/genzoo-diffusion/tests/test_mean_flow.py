"""Mean velocities against the closed form of normal distributions, and their objective."""

import numpy as np
import pytest
import torch
from diffusion_cases import COVARIANCE, MEAN, normal_model
from test_diffusion import images, table, trained
from test_samplers import exact
from torch import nn

import genzoo
from genzoo_diffusion import mean_flow
from genzoo_diffusion.column_numbers import ColumnNumbers
from genzoo_diffusion.diffusion import Diffusion, build
from genzoo_diffusion.mean_flow import MeanFlow, bend
from genzoo_diffusion.network import Context
from genzoo_diffusion.options import DiffusionOptions, MeanFlowOptions
from genzoo_diffusion.path import PATHS


class NormalMeans(nn.Module):
    """The best network of mean velocities for normal events."""

    def __init__(self):
        super().__init__()
        self.context = Context(1, 0)
        nn.init.ones_(self.context.span)
        self.weight = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, y, a, s, condition=None, kept=None, span=None):
        begin = torch.atan2(s, a)[:, None]
        span = torch.full_like(begin, 1e-9) if span is None else span[:, None].clamp_min(1e-9)
        values, vectors = torch.linalg.eigh(COVARIANCE)
        end, deviations = begin - span, lambda p: (p.cos().square() * values + p.sin().square()).sqrt()
        away = (y - begin.cos() * MEAN) @ vectors * deviations(end) / deviations(begin)
        return (end.cos() * MEAN + away @ vectors.T - y) / span


def means(path):
    values = ColumnNumbers((genzoo.Feature("a"), genzoo.Feature("b")))
    return Diffusion(PATHS[path](), values, NormalMeans().double(), (2,), 0, 0.1)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("path", ["flow", "edm"])
def test_jumps_along_exact_means_are_exact_in_any_number_of_steps(path, steps):
    own = means(path)
    torch.manual_seed(0)
    assert torch.allclose(own.sample(200, sampler="jump", steps=steps), exact(path), atol=1e-6)


@pytest.mark.parametrize("path", ["flow", "edm"])
def test_means_and_their_change_along_the_way_add_up_to_the_velocity(path, monkeypatch):
    torch.manual_seed(0)
    own, velocity = means(path), normal_model(path)
    t = own.path.logit_normal(torch.linspace(0.05, 0.95, 50, dtype=torch.float64), 0.0, 1.0)
    y, span = torch.randn(50, 2, dtype=torch.float64), own.path.angle(t) * torch.linspace(0.01, 1, 50)
    scale = sum(factor.square() for factor in own.path.place(t)).sqrt()[:, None]
    rows = zip((y * scale).split(1), t.split(1), strict=True)
    wanted = torch.cat([velocity.predict(one, time, torch.ones(1, 1)) for one, time in rows])

    def error(piece):
        monkeypatch.setattr(mean_flow, "_PIECE", piece)
        return (own.mean(y, t, span) + bend(own, y, t, span) - wanted).square().mean().sqrt().item()

    assert (own.mean(y, t, span) - wanted).square().mean().sqrt() > 20 * error(0.005)
    assert error(0.005) == pytest.approx(5 * error(0.001), rel=0.1)  # of first order


def test_one_step_of_a_trained_model_has_the_moments_of_the_data(tmp_path):
    rng = np.random.default_rng(0)
    rows = rng.multivariate_normal(MEAN.numpy(), COVARIANCE.numpy(), 2000)
    data = table((genzoo.Feature("a"), genzoo.Feature("b")), rows)
    settings = {"steps": 300, "batch_size": 64, "precision": "fp32", "device": "cpu", "lr": 5e-3}
    run = genzoo.train("diffusion", data, objective="mean-flow", width=32, layers=2, out=tmp_path / "run", **settings)
    x = np.asarray(run.sample(4000), np.float64)
    assert np.allclose(x.mean(0), rows.mean(0), atol=0.15)
    assert np.allclose(np.cov(x.T), np.cov(rows.T), rtol=0.4)  # a step along the velocity ends at the mean
    assert run.load().generator.jumps


def test_by_default_a_model_that_learned_to_jump_jumps_once():
    calls = []
    own = means("flow")
    own.network.register_forward_hook(lambda *_: calls.append(1))
    own.sample(2)
    assert len(calls) == 1
    nn.init.zeros_(own.network.context.span)
    own.sample(2)
    assert len(calls) == 1 + 39  # 20 steps of two each, and the last of one


def test_training_by_velocity_that_starts_from_jumps_forgets_them(tmp_path):
    rows = np.random.default_rng(0).multivariate_normal(MEAN.numpy(), COVARIANCE.numpy(), 40)
    data = table((genzoo.Feature("a"), genzoo.Feature("b")), rows)
    first = trained(tmp_path / "first", data, objective="mean-flow")
    second = trained(tmp_path / "second", data, warm_start=first.path)
    assert first.load().generator.jumps
    assert not second.load().generator.jumps


def test_every_parameter_has_a_finite_gradient():
    data = genzoo.DataSpec((2,), "table", (genzoo.Feature("a"), genzoo.Feature("b")))
    own = build(DiffusionOptions(width=8, layers=1), data).generator
    MeanFlow(MeanFlowOptions(jumps=1.0))._error(own, torch.randn(16, 2), None, None).backward()
    assert all(one.grad is not None and one.grad.isfinite().all() for one in own.parameters())


class Constant(nn.Module):
    """A network that gives the same for all events."""

    def __init__(self, value):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(value))

    def forward(self, y, a, s, condition=None, kept=None, span=None):
        return self.weight.expand_as(y)


@pytest.mark.parametrize("shape", [(1,), (1, 1, 1)])
def test_what_is_learned_of_rare_events_is_their_share_of_the_mean(shape):
    values = ColumnNumbers((genzoo.Feature("a"),) if len(shape) == 1 else ())
    events = torch.tensor([0.0, 0.0, 0.0, 0.0, 5.0]).repeat(2000).view(-1, *shape)
    own = Diffusion(PATHS["flow"](), values, Constant(1.0), shape, 0, 0.0)  # F of noise alone is the mean event
    torch.manual_seed(0)
    MeanFlow(MeanFlowOptions(location=6.0, spread=0.1))._error(own, events, None, None).backward()
    assert own.network.weight.grad.item() == pytest.approx(0, abs=0.05)


class Conditional(nn.Module):
    """A network that gives a number for events with a condition, another if it is hidden, and .25 if there is none."""

    def __init__(self, seen, hidden):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([hidden, seen]))

    def forward(self, y, a, s, condition=None, kept=None, span=None):
        if condition is None:
            return torch.full_like(y, 0.25)
        kept = torch.ones(len(y), dtype=torch.bool) if kept is None else kept
        return self.weight[kept.long()][:, None].expand_as(y)


@pytest.mark.parametrize(("strength", "learned"), [(1.0, 2.0), (3.0, 5.5)])
def test_learned_guidance_leads_away_from_events_without_a_condition(strength, learned):
    values = ColumnNumbers((genzoo.Feature("a"),))
    own = Diffusion(PATHS["flow"](), values, Conditional(learned, 2.0), (1,), 1, 0.5)
    events, kept = torch.full((4000, 1), 2.0), torch.arange(4000) % 2 == 0
    torch.manual_seed(0)
    options = MeanFlowOptions(location=6.0, spread=0.1, guidance=strength)  # F of noise alone is the mean event
    MeanFlow(options)._error(own, events, torch.ones(4000, 1), kept).backward()
    # Guided events are .25 + strength * (2 - .25); where the condition is hidden, nothing is guided.
    assert own.network.weight.grad.numpy() == pytest.approx(0, abs=0.05)


def objective(guidance):
    return {"name": "mean-flow", "options": {"guidance": guidance}}


def test_learned_guidance_without_conditions_is_an_error_before_training(tmp_path):
    with pytest.raises(genzoo.ConfigError, match="guidance=2 strengthens a condition"):
        trained(tmp_path, images(), objective=objective(2.0))
    assert not (tmp_path / "run").exists()


def test_guidance_of_jumps_is_an_error_that_names_other_ways(tmp_path):
    run = trained(tmp_path, images(), condition=["label"], objective="mean-flow")
    with pytest.raises(genzoo.ConfigError, match="mean-flow's own guidance"):
        run.sample(2, given={"label": "a"}, options={"sampler": "jump", "guidance": 2.0})
    assert np.isfinite(run.sample(2, given={"label": "a"}, options={"guidance": 2.0})).all()
