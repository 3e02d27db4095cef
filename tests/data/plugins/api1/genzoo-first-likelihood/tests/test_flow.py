import math

import torch

from genzoo import DataSpec, Feature
from genzoo_first_likelihood.model import Flow, build
from genzoo_first_likelihood.options import FlowOptions


def test_the_density_is_that_of_the_map_to_the_latent_vector() -> None:
    table = DataSpec((3,), "table", tuple(Feature(name) for name in "abc"))
    flow = build(FlowOptions(layers=4, width=8), table).generator.double()
    assert isinstance(flow, Flow)
    x = torch.randn(5, 3, dtype=torch.float64)
    slope = torch.stack([torch.func.jacrev(lambda row: flow.encode(row[None])[0])(row) for row in x])
    normal = -(flow.encode(x).square() / 2 + math.log(math.sqrt(2 * math.pi))).sum(1)
    assert torch.allclose(flow.log_prob(x), normal + torch.linalg.slogdet(slope).logabsdet)
    assert torch.allclose(flow.decode(flow.encode(x)), x)
