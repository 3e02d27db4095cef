"""A diffusion model for tables and small images."""

import itertools
import math
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import nn

from genzoo import Generator, GradientObjective

Width = Annotated[int, Field(ge=1, le=4096, description="units of the hidden layers")]
Steps = Annotated[int, Field(ge=1, le=10_000, description="denoising steps; fewer are faster and less exact")]


class Denoising(GradientObjective):
    """Mean squared error of denoised events, weighted as in EDM."""

    stages = ("loss",)

    def losses(self, model, batch, progress):
        yield {"generator": self.loss(model, batch.x, batch.condition)}

    def loss(self, model, x, condition=None):
        """Return the loss of events `x (N, *event)`."""
        x = x.flatten(1)
        sigma = (1.2 * torch.randn_like(x[:, :1]) - 1.2).exp()
        error = model.generator.denoise(x + sigma * torch.randn_like(x), sigma, condition) - x
        return ((1 + sigma**2) / sigma**2 * error**2).mean()


class Diffusion(Generator):
    """Diffusion model with the parametrization and the sampler of EDM (Karras and others, 2022)."""

    objective = Denoising
    conditional = True
    kinds = ("continuous",)
    sampling_group = 512
    training: ClassVar = {"steps": 2000, "batch_size": 128, "ema": 0.999, "schedule": {"name": "cosine"}}

    def __init__(self, data, width: Width = 128):
        super().__init__()
        self.event, size, waves = data.event_shape, math.prod(data.event_shape), 16
        self.register_buffer("waves", math.pi * 2 ** torch.linspace(-3, 3, waves // 2))
        sizes = [size + waves + data.condition_size, width, width, width, size]
        layers = [part for pair in itertools.pairwise(sizes) for part in (nn.Linear(*pair), nn.SiLU())]
        self.layers = nn.Sequential(*layers[:-1])

    def denoise(self, x, sigma, condition=None):
        """Return the mean of the events that noise of standard deviation `sigma (N, 1)` may have made `x (N, D)`."""
        angles = sigma.log() / 4 * self.waves  # (N, W)
        given = () if condition is None else (condition,)
        scale = (1 + sigma**2).sqrt()
        return x / scale**2 + sigma / scale * self.layers(torch.cat([x / scale, angles.sin(), angles.cos(), *given], 1))

    def sample(self, n, *, condition=None, steps: Steps = 40):
        levels = torch.linspace(80 ** (1 / 7), 0.002 ** (1 / 7), steps, dtype=self.waves.dtype) ** 7
        sigmas = torch.cat([levels, torch.zeros(1)]).to(self.waves)
        x = sigmas[0] * torch.randn(n, math.prod(self.event), dtype=self.waves.dtype, device=self.waves.device)
        for now, later in itertools.pairwise(sigmas):
            slope = (x - self.denoise(x, now.expand(n, 1), condition)) / now
            ahead = x + (later - now) * slope
            if later > 0:  # Heun's correction
                slope = (slope + (ahead - self.denoise(ahead, later.expand(n, 1), condition)) / later) / 2
            x = x + (later - now) * slope
        return x.view(n, *self.event)
