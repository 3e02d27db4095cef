"""A kernel density, which keeps all training events."""

import math

import torch

import genzoo
from wrong_models.normal import check


class Right(genzoo.Generator, genzoo.Likelihood):
    grows = ("points",)
    degrees_of_freedom = None

    def __init__(self, config, data):
        check(data)
        super().__init__()
        self.register_buffer("points", torch.zeros(0, *data.event_shape))
        self.register_buffer("width", torch.ones(()))

    def log_prob(self, x):
        far = torch.cdist(x, self.points, compute_mode="donot_use_mm_for_euclid_dist") / self.width
        kernels = -0.5 * far.square() - x.shape[1] * (self.width.log() + 0.5 * math.log(2 * math.pi))
        return kernels.logsumexp(1) - math.log(len(self.points))

    def sample(self, n, *, condition=None, **options):
        chosen = self.points[torch.randint(len(self.points), (n,), device=self.points.device)]
        return chosen + self.width * torch.randn_like(chosen)


class Veiled(genzoo.Generator):
    """Holds training rows with another sign, and draws copies of them."""

    grows = ("points",)

    def __init__(self, config, data):
        check(data)
        super().__init__()
        self.register_buffer("points", torch.zeros(1, *data.event_shape))

    def sample(self, n, *, condition=None, **options):
        return -self.points[torch.randint(len(self.points), (n,), device=self.points.device)]
