import math

import torch

from genzoo import DataSpec, Feature
from genzoo_first_vae.model import VAE, build
from genzoo_first_vae.options import VAEOptions


def test_the_bound_is_below_the_integral_over_latent_vectors_and_tightens() -> None:
    torch.manual_seed(0)
    table = DataSpec((2,), "table", (Feature("a"), Feature("b")))
    vae = build(VAEOptions(latent=1, width=8), table).generator.double()
    assert isinstance(vae, VAE)
    x = torch.randn(2, 2, dtype=torch.float64)
    grid = torch.linspace(-8, 8, 4001, dtype=torch.float64)[:, None]
    deviations = torch.cat([grid.expand(len(x), -1, 1), (x[:, None] - vae.decode(grid)) / vae.log_noise.exp()], 2)
    joint = -(deviations.square() / 2 + math.log(math.sqrt(2 * math.pi))).sum(2) - vae.log_noise.sum()
    exact = torch.trapezoid(joint.exp(), grid[:, 0]).log()
    few, many = (vae.log_prob_bound(x.repeat(1000, 1), draws=draws).view(1000, 2).mean(0) for draws in (1, 100))
    assert (few < many).all()
    assert torch.allclose(many, exact, atol=0.01)
