"""`made` with hidden units that values share, beside sums over all images."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats

import genzoo
from genzoo.config.data import DataSettings, SplitSettings
from genzoo.data.loading import open_dataset
from genzoo.plugins.manager import get_registry
from genzoo_autoregressive.made.build import build
from genzoo_autoregressive.made.model import FixedOrder
from genzoo_autoregressive.made.options import MadeOptions


def spec(shape, levels, given=0):
    condition = tuple(genzoo.Feature(f"x{place}") for place in range(given))
    bounds = (0.0, levels - 1.0)
    return genzoo.DataSpec(shape, "image", (genzoo.Feature("pixel"),), bounds, 1.0, "uint8", condition=condition)


def random(shape=(1, 2, 3), levels=2, layers=1, given=0):
    """A model whose weights are far from those at the start, in float64."""
    torch.manual_seed(0)
    options = MadeOptions(share=True, width=2, layers=layers, embedding=2, dropout=0.0)
    made = FixedOrder(spec(shape, levels, given), options).double().eval()
    for parameter in made.parameters():
        parameter.data += 0.5 * torch.randn_like(parameter)
    return made.requires_grad_(False)


def all_images(shape, levels):
    found = torch.tensor(list(itertools.product(range(levels), repeat=math.prod(shape))))
    return found.view(-1, *shape).double()


@pytest.mark.parametrize("layers", [0, 2])
def test_no_value_sees_itself_or_later_ones(layers):
    networks = random(levels=3, layers=layers).networks
    order = torch.tensor([2, 0, 3, 1, 5, 4])
    for ranks in (torch.arange(6), order):
        seen = torch.randn(1, 6, 2, dtype=torch.float64, requires_grad=True)
        logits = networks(seen, (ranks[:, None] > ranks).double())
        for place in range(6):
            (slopes,) = torch.autograd.grad(logits[place].square().sum(), seen, retain_graph=True, allow_unused=True)
            touched = torch.zeros(6, dtype=torch.bool) if slopes is None else slopes[0].abs().sum(1) > 0
            assert torch.equal(touched, ranks < ranks[place])


@pytest.mark.parametrize(("levels", "layers"), [(2, 0), (2, 2), (3, 1)])
def test_probabilities_of_all_images_sum_to_one(levels, layers):
    made = random((1, 2, 3), levels, layers)
    assert made.log_prob(all_images((1, 2, 3), levels)).exp().sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("layers", "given"), [(0, 0), (2, 0), (1, 2)])
def test_value_after_value_agrees_with_all_at_once(layers, given):
    made = random((2, 2, 3), 3, layers, given)
    condition = torch.randn(40, given, dtype=torch.float64) if given else None
    start = torch.zeros(40, 12, dtype=torch.float64)
    x, logs = made._filled(start, torch.zeros_like(start, dtype=torch.bool), condition)
    assert torch.allclose(made.log_prob(x.view(-1, 2, 2, 3), condition=condition), logs, atol=1e-12)


def test_samples_are_as_frequent_as_their_probabilities_say():
    made, draws = random((1, 2, 2), 3), 20_000
    expected = draws * made.log_prob(all_images((1, 2, 2), 3)).exp().numpy()
    torch.manual_seed(1)
    numbers = (made.sample(draws).flatten(1).long() * torch.tensor([27, 9, 3, 1])).sum(1)
    observed = torch.bincount(numbers, minlength=81).numpy()
    rare = expected < 5
    pooled = [[*found[~rare], found[rare].sum()] for found in (observed, expected)]
    assert stats.chisquare(*pooled).pvalue > 1e-4


def test_embeddings_of_two_levels_are_looked_up_alike():
    networks = random((1, 2, 3), 2).networks
    code = torch.tensor([[0, 1, 1, 0, 1, 0], [1, 1, 0, -1, 0, 0]])
    table = networks.embeddings.view(6, 2, 2)
    expected = torch.stack([table[torch.arange(6), row.clamp_min(0)] for row in code])
    assert torch.allclose(networks.embedded(code), expected)


def test_many_pixels_share_by_default():
    few, many = (build(MadeOptions(), spec((1, side, 20), 2)).generator.networks for side in (20, 21))
    assert [type(one).__name__ for one in (few, many)] == ["OwnNetworks", "SharedNetwork"]
    assert many.embeddings.shape[1] == 1


def test_values_in_any_order_share_nothing():
    with pytest.raises(genzoo.ConfigError, match="share=true is for values in a fixed order"):
        build(MadeOptions(share=True, any_order=True), spec((1, 2, 3), 2))


@pytest.mark.parametrize("precision", [pytest.param("fp32", marks=pytest.mark.full), "bf16"])
def test_digits_are_learned_by_shared_units(tmp_path, precision):
    training = {"batch_size": 256, "steps": 60, "optimizer": {"lr": 0.01}, "eval_steps": None, "patience": None}
    training |= {"ema": 0.0}
    settings = {"training": training, "share": True, "device": "cpu", "precision": precision, "binarize": "redraw"}
    run = genzoo.train("made", "digits", **settings, width=4, dropout=0.0, out=tmp_path / "run")
    value = run.evaluate(metrics="log-likelihood").scores["log-likelihood"].value
    data = open_dataset(DataSettings(source="digits", binarize="redraw"), get_registry())
    split = data.split(SplitSettings(), 0)
    p = (data.events[split.train].sum(0) + 0.5) / (len(split.train) + 1)
    alone = np.where(data.events[split.test], np.log(p), np.log1p(-p)).sum((1, 2, 3)).mean()
    assert value > alone + 2  # nats
