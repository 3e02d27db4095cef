"""A diffusion model of a normal distribution, whose network is the best one."""

import torch
from torch import nn

import genzoo
from genzoo_diffusion.column_numbers import ColumnNumbers
from genzoo_diffusion.diffusion import Diffusion
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
        spread = a[0].square() * COVARIANCE + s[0].square() * torch.eye(2)  # a sampler has one time for all
        away = (x * scale - a * mean) @ torch.linalg.inv(spread)
        event, noise = mean + a * away @ COVARIANCE, s * away
        return (s * event - a * noise) / scale


def normal_model(path):
    return Diffusion(PATHS[path](), ColumnNumbers((genzoo.Feature("a"), genzoo.Feature("b"))), Normal(), (2,), 1, 0.1)
