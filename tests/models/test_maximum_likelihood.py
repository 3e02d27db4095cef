"""The core's objectives: what they minimise is minus the mean likelihood, or bound, of what was observed."""

import math

import pytest
import torch
from scipy.stats import norm
from torch import nn

import genzoo
from genzoo.models.factory import build_objective
from genzoo.plugins.manager import get_registry

X = torch.tensor([[0.5, -1.0], [2.0, 0.0], [1.0, 4.0]], dtype=torch.float64)
MISSING = torch.tensor([[False, True], [False, False], [True, False]])


class Normal(genzoo.Generator, genzoo.Likelihood):
    """Standard normal columns; missing ones do not count."""

    degrees_of_freedom = None

    def sample(self, n, *, condition=None, **options):
        return torch.randn(n, 2)

    def log_prob(self, x, missing=None):
        found = -0.5 * (x.square() + math.log(2 * math.pi))
        return (found if missing is None else found.masked_fill(missing, 0.0)).sum(1)


class Bounded(genzoo.Generator, genzoo.LikelihoodBound):
    """A bound that is minus the first column, less 1 over the draws."""

    def sample(self, n, *, condition=None, **options):
        return torch.randn(n, 2)

    def log_prob_bound(self, x, *, draws=1):
        return -x[:, 0] - 1 / draws


class Matched(Normal):
    """A network whose density would be rounded under autocast."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)

    def log_prob(self, x, missing=None):
        return super().log_prob(self.linear(x))


def objective(name, **options):
    return build_objective(get_registry().objectives.get(name), options)


def loss_of(objective, generator, x, missing=None):
    model = genzoo.Model(genzoo.Parts(generator))
    batch = genzoo.Batch(x, missing)
    (yielded,) = objective.losses(model, batch, genzoo.Progress.start(torch.device("cpu")))
    assert objective.monitor(model, batch) == yielded["generator"]
    assert list(yielded) == ["generator"]
    return yielded["generator"].item()


def test_maximum_likelihood_is_minus_the_mean_log_density():
    assert loss_of(objective("maximum-likelihood"), Normal(), X) == pytest.approx(-norm.logpdf(X).sum(1).mean())


def test_missing_values_are_told_to_models_that_take_them():
    expected = -(norm.logpdf(X) * ~MISSING.numpy()).sum(1).mean()
    assert loss_of(objective("maximum-likelihood"), Normal(), X, MISSING) == pytest.approx(expected)


@pytest.mark.parametrize("draws", [1, 4])
def test_maximum_bound_is_minus_the_mean_bound_of_as_many_draws(draws):
    expected = X[:, 0].mean().item() + 1 / draws
    assert loss_of(objective("maximum-bound", draws=draws), Bounded(), X) == pytest.approx(expected)


def test_a_likelihood_is_not_rounded_by_autocast():
    torch.manual_seed(0)
    generator, x = Matched(), torch.randn(16, 2)
    exact = loss_of(objective("maximum-likelihood"), generator, x)
    with torch.autocast("cpu", torch.bfloat16):
        assert loss_of(objective("maximum-likelihood"), generator, x) == exact


def test_a_mixed_likelihood_is_rounded_as_autocast_does_and_no_more():
    torch.manual_seed(0)
    generator, x = Matched(), torch.randn(16, 2)
    mixed = genzoo.MaximumLikelihood(mixed=True)
    assert loss_of(mixed, generator, x) == loss_of(objective("maximum-likelihood"), generator, x)
    with torch.autocast("cpu", torch.bfloat16):
        assert loss_of(mixed, generator, x) == -generator.log_prob(x).mean().item()
        assert loss_of(mixed, generator, x) != loss_of(objective("maximum-likelihood"), generator, x)


@pytest.mark.parametrize(("size", "given"), [(2, None), (2, (3, 1)), (2, (3,)), (0, (3, 2))])
def test_conditions_of_another_size_than_learned_are_an_error(size, given):
    with pytest.raises(genzoo.ConfigError, match="takes conditions of 2 numbers" if size else "takes none"):
        genzoo.check_condition(None if given is None else torch.zeros(given), size)


@pytest.mark.parametrize(("size", "given"), [(2, (3, 2)), (0, None)])
def test_conditions_as_learned_pass(size, given):
    genzoo.check_condition(None if given is None else torch.zeros(given), size)


@pytest.mark.parametrize(("name", "generator"), [("maximum-likelihood", Bounded), ("maximum-bound", Normal)])
def test_a_model_without_one_is_refused(name, generator):
    with pytest.raises(genzoo.ConfigError, match=name):
        loss_of(objective(name), generator(), X)
