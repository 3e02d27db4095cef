"""Integrals of densities over a grid."""

import math

import pytest
import torch

from genzoo.testing.quadrature import Axis, Grid


def axis(reach, nodes=400):
    t = torch.linspace(-math.asinh(reach), math.asinh(reach), nodes, dtype=torch.float64)
    return Axis(t.sinh(), (t.cosh() * (t[1] - t[0])).log(), t[:0], smooth=True)


def test_tails_beyond_the_grid_are_the_share_of_samples_there():
    reach, draws = 20.0, 100_000
    grid = Grid((axis(reach), axis(reach)), (2,))
    x, y = grid.events.T
    total, _ = grid.integral(-math.log(2 * math.pi) - 1.5 * (1 + x.square() + y.square()).log())  # Cauchy's, in 2-D
    normal, gamma = torch.randn(draws, 2, dtype=torch.float64), torch.randn(draws, 1, dtype=torch.float64)
    share = grid.outside(normal / gamma.abs()).double().mean().item()
    assert total < 0.96
    assert total + share == pytest.approx(1, abs=5 * math.sqrt(share / draws) + 1e-4)


def test_an_event_is_outside_if_any_of_its_numbers_is():
    grid = Grid((axis(2.0), axis(3.0)), (2,))
    found = grid.outside(torch.tensor([[1.9, 2.9], [2.1, 0.0], [0.0, -3.1], [-2.0, 3.0]], dtype=torch.float64))
    assert found.tolist() == [False, True, True, False]
