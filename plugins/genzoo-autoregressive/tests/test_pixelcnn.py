"""`pixelcnn` beside what it must be: causal, normalized over all images, and the same pixel by pixel."""

import math

import numpy as np
import pytest
import torch
from pixelcnn_cases import all_images, images, model, spec
from scipy import stats

import genzoo
from genzoo_autoregressive.pixelcnn.drawing import Canvas
from genzoo_autoregressive.pixelcnn.options import NextPixelOptions, PixelCNNOptions
from genzoo_autoregressive.pixelcnn.pixelcnn import build, next_pixel

SMALL = [((1, 2, 3), 2), ((2, 1, 2), 3), ((3, 1, 2), 2), ((1, 3, 1), 4)]
LIKELIHOODS = ["categorical", "logistic-mixture"]


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize(("shape", "levels"), SMALL)
def test_probabilities_of_all_images_sum_to_one(shape, levels, likelihood):
    generator = model(shape, levels, likelihood=likelihood)
    assert generator.log_prob(all_images(shape, levels)).exp().sum().item() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
def test_samples_are_as_frequent_as_their_probabilities_say(likelihood):
    shape, levels, draws = (2, 1, 2), 3, 20_000
    generator = model(shape, levels, likelihood=likelihood)
    expected = draws * generator.log_prob(all_images(shape, levels)).exp().numpy()
    torch.manual_seed(1)
    codes = (generator.sample(draws).flatten(1) * (levels - 1)).round().long()
    numbers = (codes * torch.tensor([27, 9, 3, 1])).sum(1)
    observed = torch.bincount(numbers, minlength=81).numpy()
    rare = expected < 5
    pooled = [np.append(found[~rare], found[rare].sum()) for found in (observed, expected)]
    assert stats.chisquare(*pooled).pvalue > 1e-4


@pytest.mark.parametrize("shape", [(1, 5, 6), (3, 3, 4)])
def test_a_value_depends_on_those_before_it_only(shape):
    generator, x = model(shape, 3, layers=3), images(1, shape, 3)
    before = generator.log_prob_each(x)[0].flatten()  # rows, columns, channels
    for place in range(len(before)):
        row, rest = divmod(place, shape[2] * shape[0])
        column, channel = divmod(rest, shape[0])
        changed = x.clone()
        changed[0, channel, row, column] = (x[0, channel, row, column] + 0.5) % 1.5
        after = generator.log_prob_each(changed)[0].flatten()
        assert torch.equal(after[:place], before[:place])
        assert after[place] != before[place]


def test_no_gradient_flows_from_a_pixel_itself_or_later_ones():
    generator, (height, width) = model((1, 6, 7), layers=2, first=3), (6, 7)
    x = torch.randn(1, 16, height, width, dtype=torch.float64, requires_grad=True)
    known = generator.network(x)
    for row in range(height):
        for column in range(width):
            slope = torch.autograd.grad(known[0, :, row, column].sum(), x, retain_graph=True)[0][0].abs().sum(0)
            seen = slope.flatten() > 0
            place = row * width + column
            assert not seen[place:].any()
            near = [(row - 1, column + 1), (row - 1, column), (row - 1, column - 1), (row, column - 1)]
            assert all(slope[i, j] > 0 for i, j in near if i >= 0 and 0 <= j < width)


def test_there_is_no_blind_spot():
    generator = model((1, 7, 7), layers=6, first=1)
    x = torch.randn(1, 16, 7, 7, dtype=torch.float64, requires_grad=True)
    slope = torch.autograd.grad(generator.network(x)[0, :, 4, 3].sum(), x)[0][0].abs().sum(0)
    assert (slope.flatten()[: 4 * 7 + 3] > 0).all()


@pytest.mark.parametrize("given", [0, 2])
@pytest.mark.parametrize("shape", [(1, 4, 5), (2, 3, 3)])
def test_a_canvas_knows_what_the_network_knows(shape, given):
    generator, x = model(shape, given=given, first=3), images(3, shape, 3)
    condition = torch.randn(3, given, dtype=torch.float64) if given else None
    seen = generator.seen(generator.codes(x))
    whole = generator.network(seen.permute(0, 3, 1, 2), condition)
    canvas = Canvas(generator.network, 3, seen.shape[3], condition)
    for row in range(shape[1]):
        for column in range(shape[2]):
            assert torch.allclose(canvas.known(), whole[:, :, row, column], atol=1e-12)
            canvas.put(seen[:, row, column])


def test_a_condition_can_mean_another_thing_at_each_place():
    network = model((1, 4, 5), given=2).network
    x, condition = torch.zeros(2, 16, 4, 5, dtype=torch.float64), torch.eye(2, dtype=torch.float64)
    before, alike = network(x, condition), network(x)
    network.views[:, 2, 3] += 1.0
    change = (network(x, condition) - before).abs().amax(1)
    assert (change[:, 2, 3] > 1e-3).all()
    assert not change[:, :2].any()  # rows that come before
    assert not torch.allclose(*(network.places(condition) - network.place)[:, :, 2, 3])
    assert torch.equal(network(x), alike)  # given nothing


def test_conditions_change_probabilities_and_must_be_given():
    generator, x = model(given=2), images(3, (1, 4, 5), 3)
    one, two = (generator.log_prob(x, condition=torch.full((3, 2), number).double()) for number in (0.0, 1.0))
    assert (one != two).all()
    with pytest.raises(genzoo.ConfigError, match="conditions of 2 numbers"):
        generator.log_prob(x)
    with pytest.raises(genzoo.ConfigError, match="conditions of 2 numbers"):
        generator.sample(3)


def test_the_loss_is_the_mean_of_minus_the_log_probability_of_images():
    generator, x = model(), images(7, (1, 4, 5), 3)
    parts = genzoo.Model(genzoo.Parts(generator))
    assert torch.equal(next_pixel(NextPixelOptions()).loss(parts, x), -generator.log_prob(x).mean())


def test_levels_are_equally_probable_before_training():
    generator = build(PixelCNNOptions(), spec((1, 4, 5), 17)).generator.double()
    x = images(2, (1, 4, 5), 17)
    assert torch.allclose(generator.log_prob(x).exp() ** (1 / 20), torch.full((2,), 1 / 17).double())


@pytest.mark.parametrize("bounds", [None, (0.0, 1.0)])
def test_pixels_without_a_grid_are_an_error(bounds):
    data = genzoo.DataSpec((1, 4, 5), "image", (genzoo.Feature("pixel"),), bounds, None, "float32")
    with pytest.raises(ValueError, match="no declared step"):
        build(PixelCNNOptions(), data)


def test_a_step_that_does_not_divide_the_range_is_an_error():
    data = genzoo.DataSpec((1, 4, 5), "image", (genzoo.Feature("pixel"),), (0.0, 1.0), 0.3, "float32")
    with pytest.raises(ValueError, match=r"step 0\.3 does not divide"):
        build(PixelCNNOptions(), data)


def test_many_levels_become_a_mixture_by_default():
    few, many = (build(PixelCNNOptions(), spec((1, 2, 2), levels)).generator.head.levels for levels in (256, 257))
    assert type(few).__name__ == "CategoricalLevels"
    assert type(many).__name__ == "LogisticMixture"


@pytest.mark.parametrize("precision", [pytest.param("fp32", marks=pytest.mark.full), "bf16"])
def test_a_resumed_run_ends_with_equal_bits(tmp_path, precision):
    settings = {
        "batch_size": 8,
        "precision": precision,
        "device": "cpu",
        "layers": 1,
        "width": 8,
        "split": {"validation": 0.9, "test": 0.0},
        "training": {"schedule": {"name": "constant"}},
    }
    whole = genzoo.train("pixelcnn", "digits", **settings, steps=6, out=tmp_path / "whole")
    genzoo.train("pixelcnn", "digits", **settings, steps=2, out=tmp_path / "part")
    part = genzoo.resume(tmp_path / "part", steps=6)
    one, two = (run.load().generator.state_dict() for run in (whole, part))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert np.array_equal(whole.sample(2, seed=1), part.sample(2, seed=1))


def test_digits_are_scored_in_bits_given_their_label(tmp_path):
    run = genzoo.train(
        "pixelcnn",
        "digits",
        condition="label",
        steps=2,
        layers=1,
        width=8,
        device="cpu",
        precision="fp32",
        out=tmp_path / "run",
    )
    bits = run.evaluate(metrics="bits-per-dim").scores["bits-per-dim"].value
    assert 2 < bits < math.log2(17) + 0.5
    assert run.sample(3, given={"label": "4"}).shape == (3, 1, 8, 8)
