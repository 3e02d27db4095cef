"""A diffusion model of a normal distribution, whose network is the best one."""

import torch
from torch import nn

import genzoo
from genzoo_diffusion.column_numbers import ColumnNumbers
from genzoo_diffusion.diffusion import DiffusionDensity
from genzoo_diffusion.path import PATHS

MEAN = torch.tensor([0.7, -0.4], dtype=torch.float64)
COVARIANCE = torch.tensor([[1.3, 0.5], [0.5, 0.4]], dtype=torch.float64)


class Normal(nn.Module):
    """The best network for normal events, whose mean a condition multiplies. Given nothing, the mean is 0."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, x, a, s, condition, kept, span=None):
        a, s, scale = a[:, None], s[:, None], (a.square() + s.square()).sqrt()[:, None]
        mean = MEAN * (0.0 if condition is None else condition)
        spread = a[..., None].square() * COVARIANCE + s[..., None].square() * torch.eye(2)
        away = ((x * scale - a * mean)[:, None] @ torch.linalg.inv(spread))[:, 0]
        event, noise = mean + a * away @ COVARIANCE, s * away
        return (s * event - a * noise) / scale


def normal_model(path):
    values = ColumnNumbers((genzoo.Feature("a"), genzoo.Feature("b")))
    return DiffusionDensity(PATHS[path](), values, Normal(), (2,), 1, 0.1)
