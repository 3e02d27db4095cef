"""Gradients written by hand beside finite differences and beside torch's own."""

import pytest
import torch
from torch.nn import functional as F

from genzoo_text import gpt_gradients as module
from genzoo_text.gpt_gradients import attention_parts, normalized, squared_relu, with_places_before
from genzoo_text.gpt_network import CausalLayer, rotations

FUNCTIONS = {
    "normalized": (normalized, (2, 3, 4)),
    "squared_relu": (squared_relu, (2, 3, 4)),
    "attention_parts": (lambda x: attention_parts(x, rotations(2, 3, 4, x)), (2, 3, 3, 2, 4)),
    "with_places_before": (lambda x: with_places_before(x[:2], x[2:, :1]), (4, 5, 3)),
}


def numbers(*shape, dtype=torch.float64):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(0))


def both_ways(compute, monkeypatch):
    """Return what a function computes by hand, and what torch's own gradients give."""
    found = [compute()]
    monkeypatch.setattr(module, "computes_by_hand", lambda x: False)
    return *found, compute()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_agree_with_finite_differences(name):
    function, shape = FUNCTIONS[name]
    assert torch.autograd.gradcheck(function, [numbers(*shape).requires_grad_()])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_agree_with_the_plain_formulas(name, monkeypatch):
    function, shape = FUNCTIONS[name]
    one, two = both_ways(lambda: [*function(numbers(*shape))], monkeypatch)
    for mine, plain in zip(one, two, strict=True):
        assert torch.allclose(mine, plain, atol=1e-12)


@pytest.mark.parametrize("places", [1, 2, 5])
def test_a_place_takes_in_what_stands_a_few_places_before(places):
    x, weights = numbers(2, places, 3), numbers(2, 1, 3)
    found = with_places_before(x, weights)
    for place in range(places):
        before = sum(weights[back - 1] * x[:, place - back] for back in (1, 2) if back <= place)
        assert torch.allclose(found[:, place], x[:, place] + before, atol=1e-12)


def test_a_vector_of_zeros_stays_zero_and_has_a_gradient():
    x = torch.zeros(2, 4, requires_grad=True)
    y = normalized(x)
    y.sum().backward()
    assert torch.equal(y, torch.zeros(2, 4))
    assert torch.isfinite(x.grad).all()
    assert torch.allclose(x.grad[0], torch.full((4,), float(module._TINY**-0.5)))


def test_queries_and_keys_turn_by_the_distance_of_their_places():
    x = numbers(1, 1, 3, 1, 8).expand(1, 6, 3, 1, 8)
    query, key, _ = attention_parts(x, rotations(0, 6, 8, x))
    products = torch.einsum("nqhs,nkhs->qk", query, key)
    for distance in range(-5, 6):
        assert products.diagonal(distance).std(correction=0) < 1e-6  # angles are in single precision
    assert torch.allclose(query.square().mean(-1), torch.ones(1, 6, 1, dtype=torch.float64))
    assert torch.allclose(attention_parts(x, rotations(4, 6, 8, x))[0][:, 0], query[:, 4])


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
def test_a_layer_in_mixed_precision_has_the_plain_gradients(dtype, tolerance, monkeypatch):
    torch.manual_seed(0)
    layer = CausalLayer(32, 2, 0.0, window=0, recent=2)
    for weight in layer.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    x = numbers(3, 7, 32, dtype=torch.float32)

    def gradients():
        layer.zero_grad()
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            layer(x.to(dtype), rotations(0, 7, 16, x)).float().square().mean().backward()
        return torch.cat([weight.grad.flatten() for weight in layer.parameters()])

    one, two = both_ways(gradients, monkeypatch)
    assert F.cosine_similarity(one, two, dim=0) > 1 - tolerance**2
    assert (one - two).norm() < tolerance * two.norm()
