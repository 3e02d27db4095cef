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


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 4, 10), (2, 10, 4), (1, 1, 7)])
def test_orthogonalization_acts_on_singular_values_only(shape):
    torch.manual_seed(1)
    matrices = torch.randn(shape, dtype=torch.float64)
    u, s, v = torch.linalg.svd(matrices, full_matrices=False)
    s = s / s.square().sum(1, keepdim=True).sqrt()
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    found = orthogonalized(matrices)
    assert torch.allclose(found, u @ torch.diag_embed(s) @ v, atol=1e-10)
    assert found.dtype == torch.float64


def test_singular_values_end_near_one_in_bfloat16_too():
    torch.manual_seed(2)
    matrices = torch.randn(4, 16, 48)
    for dtype in (None, torch.bfloat16):
        found = orthogonalized(matrices, dtype)
        values = torch.linalg.svdvals(found)
        assert found.dtype == torch.float32
        assert values.min() > 0.6
        assert values.max() < 1.3


def test_zero_gradients_move_no_matrix():
    assert orthogonalized(torch.zeros(1, 3, 3)).abs().max() == 0


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
