"""Muon beside a singular value decomposition, and beside torch's own Muon and AdamW."""

import copy

import pytest
import torch
from torch import nn

from genzoo.config.training import OptimizerConfig
from genzoo.engine.muon import Muon, hidden_matrices, orthogonalized
from genzoo.engine.optim import ParameterGroup
from genzoo.runtime.device import Runtime


class Small(nn.Module):
    """Every kind of parameter: a table, matrices of two shapes, a vector, a kernel."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(5, 6)
        self.one, self.two, self.wide = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 24)
        self.kernel = nn.Conv1d(24, 2, 3)

    def forward(self, codes):
        x = self.wide(self.two(self.one(self.table(codes)).tanh()).tanh())
        return self.kernel(x.mT).square().mean()


CODES = torch.arange(20).reshape(4, 5) % 5


def network(dtype=torch.float64):
    torch.manual_seed(0)
    return Small().to(dtype)


def through_singular_values(mean):
    """What the iteration makes of a matrix, by a decomposition."""
    u, s, v = torch.linalg.svd(mean, full_matrices=False)
    s = s / s.square().sum().sqrt()
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return u @ s.diag() @ v


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 4, 10), (2, 10, 4), (1, 1, 7), (2, 3, 40), (2, 40, 3)])
def test_orthogonalization_acts_on_singular_values_only(shape):
    torch.manual_seed(1)
    matrices = torch.randn(shape, dtype=torch.float64)
    found = orthogonalized(matrices)
    assert torch.allclose(found, torch.stack([through_singular_values(one) for one in matrices]), atol=1e-10)
    assert found.dtype == torch.float64


def test_singular_values_end_near_one_in_bfloat16_too():
    torch.manual_seed(2)
    for dtype, longest in ((None, 48), (torch.bfloat16, 48), (torch.bfloat16, 2048)):
        matrices = torch.randn(4, 16, longest)
        found = orthogonalized(matrices, dtype)
        values = torch.linalg.svdvals(found)
        assert found.dtype == torch.float32
        assert values.min() > 0.6
        assert values.max() < 1.3


def test_zero_gradients_move_no_matrix():
    assert orthogonalized(torch.zeros(1, 3, 3)).abs().max() == 0
    assert orthogonalized(torch.zeros(1, 3, 99)).abs().max() == 0


def test_hidden_matrices_are_no_tables_vectors_or_kernels():
    model = network()
    assert hidden_matrices(model) == {model.one.weight, model.two.weight, model.wide.weight}


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_steps_equal_those_of_torchs_muon_and_adamw(decay):
    model, twin = network(torch.float32), network(torch.float32)
    rate, betas = 0.01, (0.9, 0.99)
    mine = Muon(
        model.parameters(), hidden_matrices(model), rate, betas, weight_decay=decay, fused=True, dtype=torch.bfloat16
    )
    matrices = hidden_matrices(twin)
    others = [
        torch.optim.Muon(matrices, rate, decay, momentum=0.9, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW([p for p in twin.parameters() if p not in matrices], rate, betas, weight_decay=decay),
    ]
    for _ in range(3):
        for module, optimizers in ((model, [mine]), (twin, others)):
            module(CODES).backward()
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad()
    for (name, one), two in zip(model.named_parameters(), twin.parameters(), strict=True):
        assert torch.allclose(one, two, atol=2e-3 if one.ndim == 2 else 2e-4), name  # bfloat16 has 8 bits


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_steps_equal_those_by_a_singular_value_decomposition(decay):
    model, rate, beta = network(), 0.01, 0.9
    matrices = hidden_matrices(model)
    optimizer = Muon(model.parameters(), matrices, rate, (beta, 0.99), weight_decay=decay)
    means = {matrix: torch.zeros_like(matrix) for matrix in matrices}
    for _ in range(3):
        model(CODES).backward()
        expected = {}
        for matrix, mean in means.items():
            mean.mul_(beta).add_(matrix.grad, alpha=1 - beta)
            ahead = beta * mean + (1 - beta) * matrix.grad
            size = 0.2 * max(matrix.shape) ** 0.5
            kept = matrix.detach() * (1 - rate * decay)
            expected[matrix] = kept - rate * size * through_singular_values(ahead)
        optimizer.step()
        optimizer.zero_grad()
        assert all(torch.allclose(matrix, value, rtol=0, atol=1e-10) for matrix, value in expected.items())


def test_a_step_does_not_depend_on_the_size_of_gradients():
    one, two = network(), network()
    for model, factor, clip in ((one, 1.0, None), (two, 1e3, 0.5)):
        group = ParameterGroup(model, OptimizerConfig(name="muon", lr=0.01), Runtime(torch.device("cpu"), "fp64"), clip)
        group.backward(factor * model(CODES), retain_graph=False)
        group.step(1.0)
    assert torch.allclose(one.one.weight, two.one.weight, atol=1e-9)
    assert torch.allclose(one.wide.weight, two.wide.weight, atol=1e-9)


def test_gradients_of_parts_of_a_batch_add_up():
    one, two = network(), network()
    groups = [
        ParameterGroup(model, OptimizerConfig(name="muon", lr=0.01), Runtime(torch.device("cpu"), "fp64"), None)
        for model in (one, two)
    ]
    groups[0].backward(one(CODES), retain_graph=False)
    for part in CODES.split(2):
        groups[1].backward(two(part) / 2, retain_graph=False)
    for group in groups:
        group.step(1.0)
    assert all(torch.allclose(a, b, atol=1e-9) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_a_scaled_loss_that_overflows_moves_nothing():
    model = network(torch.float32)
    group = ParameterGroup(model, OptimizerConfig(name="muon", lr=0.01), Runtime(torch.device("cpu"), "fp16"), 1.0)
    before = copy.deepcopy(model.state_dict())
    group.backward(model(CODES) * torch.inf, retain_graph=False)
    group.step(1.0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    group.backward(model(CODES), retain_graph=False)
    group.step(1.0)
    assert not torch.equal(model.one.weight, before["one.weight"])
    assert all(value.isfinite().all() for value in model.state_dict().values())


def test_a_step_runs_on_the_meta_device():
    model = network().to("meta")
    optimizer = Muon(model.parameters(), hidden_matrices(model), 0.01, (0.9, 0.99))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    before = [parameter._version for parameter in model.parameters()]
    optimizer.step()
    assert all(parameter._version > old for parameter, old in zip(model.parameters(), before, strict=True))


def test_a_restored_group_goes_on_bit_for_bit():
    settings = OptimizerConfig(name="muon", lr=0.01)
    runtime = Runtime(torch.device("cpu"), "fp64")

    def advance(module, group, steps):
        for _ in range(steps):
            group.backward(module(CODES), retain_graph=False)
            group.step(1.0)

    whole = network()
    group = ParameterGroup(whole, settings, runtime, 1.0)
    advance(whole, group, 2)
    part = copy.deepcopy(whole)
    other = ParameterGroup(part, settings, runtime, 1.0)
    other.restore({name: tensor.clone() for name, tensor in group.tensors().items()}, group.numbers())
    for module, each in ((whole, group), (part, other)):
        advance(module, each, 2)
    assert all(torch.equal(one, two) for one, two in zip(whole.parameters(), part.parameters(), strict=True))
