"""Small PixelCNNs with random weights everywhere, also where training begins with zeros."""

import itertools
import math

import torch

import genzoo
from genzoo_autoregressive.pixelcnn.options import PixelCNNOptions
from genzoo_autoregressive.pixelcnn.pixelcnn import build


def spec(shape, levels, given=0):
    condition = tuple(genzoo.Feature(f"x{place}") for place in range(given))
    bounds = (0.0, levels - 1.0)
    return genzoo.DataSpec(shape, "image", (genzoo.Feature("pixel"),), bounds, 1.0, "uint8", condition=condition)


def model(shape=(1, 4, 5), levels=3, given=0, **options):
    torch.manual_seed(0)
    config = PixelCNNOptions(**{"width": 6, "layers": 2, "first": 2, "n_components": 2, **options})
    generator = build(config, spec(shape, levels, given)).generator.double().eval()
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.normal_(std=0.5)
    return generator.requires_grad_(False)


def images(n, shape, levels):
    return torch.randint(levels, (n, *shape)).double() / (levels - 1)


def all_images(shape, levels):
    """Every image, in the order of its values as digits of a number."""
    found = torch.tensor(list(itertools.product(range(levels), repeat=math.prod(shape))))
    return found.view(-1, *shape).double() / (levels - 1)
