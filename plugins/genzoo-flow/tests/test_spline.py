"""Splines and couplings against zuko, finite differences and their own inverses."""

import copy

import pytest
import torch
from sklearn.datasets import load_iris

import genzoo
from genzoo_flow.autoregressive import Conditionals
from genzoo_flow.coupling import Couplings, Rotations
from genzoo_flow.options import FlowOptions
from genzoo_flow.spline import _LEAST, _ONE, BOUND, Splines, forward, inverse, spline_size, splines_of


def splines(bins=5, dtype=torch.float64, spread=1.0):
    generator = torch.Generator().manual_seed(0)
    raw = spread * torch.randn(400, 3, spline_size(bins), generator=generator, dtype=dtype)
    return splines_of(raw, bins), 3 * torch.randn(400, 3, generator=generator, dtype=dtype)


def test_zeros_make_the_identity():
    x = torch.linspace(-7, 7, 50)
    y, logs = forward(x, splines_of(torch.zeros(50, spline_size(4)), 4))
    assert torch.allclose(x, y, atol=1e-6)
    assert torch.allclose(logs, torch.zeros(50), atol=1e-6)


def test_slopes_are_derivatives_and_the_inverse_inverts():
    knots, x = splines()
    x.requires_grad_()
    y, logs = forward(x, knots)
    (slopes,) = torch.autograd.grad(y.sum(), x)
    assert torch.allclose(slopes.log(), logs, atol=1e-8)
    assert torch.allclose(inverse(y, knots), x, atol=1e-8)
    outside = x.abs() > BOUND
    assert outside.any()
    assert torch.allclose(y[outside], x[outside], atol=1e-12)


def test_splines_agree_with_zuko():
    transforms = pytest.importorskip("zuko.transforms")
    generator = torch.Generator().manual_seed(0)
    shapes = (400, 3, 5), (400, 3, 5), (400, 3, 4)
    theirs = transforms.MonotonicRQSTransform(
        *(torch.rand(*shape, generator=generator, dtype=torch.float64) for shape in shapes), bound=BOUND
    )
    knots = torch.stack([theirs.horizontal, theirs.vertical], -2)
    x = 3 * torch.randn(400, 3, generator=generator, dtype=torch.float64)
    raw = ((theirs.derivatives - _LEAST) / (1 - _LEAST)).expm1().log() - _ONE
    y, logs = forward(x, Splines(knots.diff(dim=-1), knots[..., 1:], raw))
    expected, ladj = theirs.call_and_ladj(x)
    assert torch.allclose(y, expected, atol=1e-9)
    assert torch.allclose(logs, ladj, atol=1e-9)


def largest_error(flow, x):
    with torch.no_grad():
        return (flow.sample(flow(x)[0]) - x).abs().max()


@pytest.mark.parametrize("size", [1, 2, 7])
def test_each_strongly_perturbed_coupling_inverts(size):
    torch.manual_seed(size)
    flow = Couplings(size, 0, FlowOptions(dropout=0.0)).double().eval()
    for parameter in flow.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    x = torch.randn(500, size, dtype=torch.float64)
    for coupling in flow.couplings:  # all together, they stretch a rounding error a billionfold
        with torch.no_grad():
            y, _ = coupling(x, None)
            assert (coupling.inverse(y, None) - x).abs().max() <= 1e-10
            x = y


def test_a_trained_model_inverts_with_weights_in_single_precision(tmp_path):
    model = genzoo.train("flow", "iris", out=tmp_path / "run", device="cpu", precision="fp32").load()
    x = torch.from_numpy(load_iris().data)
    assert largest_error(model.generator.couplings.eval(), model.transform(x).float()) <= 1e-5


@pytest.mark.parametrize("kind", [Couplings, Conditionals])
def test_noise_keeps_what_the_inverse_stretches_a_thousandfold(kind):
    torch.manual_seed(0)
    flow = kind(3, 0, FlowOptions(dropout=0.0, widths=(16, 16), layers=2)).eval()
    for parameter in flow.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    x = torch.randn(500, 3)
    with torch.no_grad():
        noise, logs = flow(x)
        assert noise.dtype == logs.dtype == torch.float64
        assert (flow.sample(noise) - x).abs().max() <= 1e-9
        assert (flow.sample(noise.float()) - x).abs().max() > 1e-5


def test_log_determinants_of_conditionals_agree_with_jacobians():
    torch.manual_seed(0)
    flow = Conditionals(3, 0, FlowOptions(dropout=0.0, widths=(8,))).double()
    for parameter in flow.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    x = torch.randn(20, 3, dtype=torch.float64)
    noise, logs = flow(x)
    jacobians = torch.func.vmap(torch.func.jacrev(lambda row: flow(row[None])[0][0]))(x)
    assert torch.allclose(jacobians.det().abs().log(), logs, atol=1e-8)
    normal = torch.distributions.Normal(0.0, 1.0)
    assert torch.allclose(flow.log_prob(x), normal.log_prob(noise).sum(1) + logs, atol=1e-12)


def test_transposes_of_rotations_are_their_inverses_in_double_precision():
    torch.manual_seed(0)
    rotations = Rotations([[1, 2, 0, 3]] * 5, learned=True)
    rotations.raw.data = torch.randn_like(rotations.raw)
    turned = rotations(torch.float64)
    assert torch.allclose(turned @ turned.mT, torch.eye(4, dtype=torch.float64).expand(5, 4, 4), atol=1e-14)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", [Couplings, Conditionals])
def test_only_the_rounding_of_rows_and_noise_is_in_single_precision(kind, seed):
    """Weights in float32 act as the same weights in float64, so a row returns as well as its rounded noise allows."""
    torch.manual_seed(seed)
    flow = kind(3, 1, FlowOptions(dropout=0.0, widths=(16, 16))).eval()
    for parameter in flow.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    wide = copy.deepcopy(flow).double()
    x, condition = torch.randn(200, 3), torch.randn(200, 1)
    with torch.no_grad():
        for narrow_of, wide_of in ((flow.sample, wide.sample), (flow.log_prob, wide.log_prob)):
            found = narrow_of(x, condition)
            assert found.dtype == torch.float32
            assert torch.allclose(found, wide_of(x.double(), condition.double()).float(), rtol=1e-6, atol=1e-6)


def test_log_determinants_of_couplings_are_those_of_their_jacobians():
    torch.manual_seed(0)
    flow = Couplings(3, 0, FlowOptions(dropout=0.0, widths=(8,))).double()
    for parameter in flow.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    x = torch.randn(20, 3, dtype=torch.float64)
    jacobians = torch.func.vmap(torch.func.jacrev(lambda row: flow(row[None])[0][0]))(x)
    assert torch.allclose(jacobians.det().abs().log(), flow(x)[1], atol=1e-8)
