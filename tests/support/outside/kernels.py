"""A kernel density: one normal for each training row, all of the same width."""

import math
from typing import Annotated

import torch
from pydantic import Field

from genzoo import DirectObjective, Generator, Likelihood


class KeepRows(DirectObjective):
    """Keep the training rows, and find the width that suits rows left out best."""

    passes = 1

    def least_events(self, model):
        return 2

    def fit(self, model, blocks):
        kernels = model.generator
        kernels.points = torch.cat([batch.x for batch in blocks]).to(kernels.points.dtype)
        count, size = len(kernels.points), kernels.points[0].numel()
        silverman = (4 / (count * (size + 2))) ** (1 / (size + 4))
        rows = kernels.points[:1000]
        scores = {}
        for factor in kernels.factors:
            kernels.width.fill_(silverman * factor)
            each = kernels.log_kernels(rows)  # (R, M)
            each.diagonal().fill_(-math.inf)  # no row explains itself
            scores[factor] = float(each.logsumexp(1).mean())
        best = max(kernels.factors, key=scores.__getitem__)
        kernels.width.fill_(silverman * best)
        return {"factor": best}


class Kernels(Generator, Likelihood):
    """Kernel density (Rosenblatt, 1956; Parzen, 1962), its width chosen by leaving rows out."""

    objective = KeepRows
    grows, keeps_rows = ("points",), True
    degrees_of_freedom = None
    dequantized = True
    kinds = ("continuous",)

    def __init__(
        self, data, factor: Annotated[float, Field(ge=0, le=10, description="width in Silverman's; 0 chooses")] = 0.0
    ):
        super().__init__()
        self.factors = [factor] if factor else [2 ** (power / 2) for power in range(-6, 3)]
        self.register_buffer("points", torch.zeros(0, *data.event_shape))
        self.register_buffer("width", torch.ones(()))

    def log_kernels(self, x):
        """Return the log-density of each row under each kernel, (N, M)."""
        gaps = torch.cdist(x.flatten(1), self.points.flatten(1), compute_mode="donot_use_mm_for_euclid_dist")
        size = self.points[0].numel()
        return -0.5 * (gaps / self.width).square() - size * (self.width.log() + 0.5 * math.log(2 * math.pi))

    def log_prob(self, x):
        return self.log_kernels(x).logsumexp(1) - math.log(len(self.points))

    def sample(self, n, *, condition=None):
        chosen = self.points[torch.randint(len(self.points), (n,), device=self.points.device)]
        return chosen + self.width * torch.randn_like(chosen)
