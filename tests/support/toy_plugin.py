"""A plugin for tests: a Gaussian trained by gradient descent, for which everything has a closed form."""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import nn

import genzoo

GENZOO_API = 2


class ToyOptions(genzoo.Settings):
    offset: float = Field(0.0, ge=-5, le=5, description="where the mean begins")
    mass: bool = Field(False, description="claim to measure probability masses")
    dequantized: bool = Field(False, description="be a density wherever the data lie on a grid")
    depth: int = Field(1, ge=1, le=3, description="unused")


class LossOptions(genzoo.Settings):
    scale: float = Field(1.0, description="factor of the loss; nan diverges, as nothing can be that odd by chance")


class ToyGaussian(genzoo.Generator, genzoo.Likelihood):
    """Independent normals with learned means and standard deviations."""

    def __init__(self, shape: tuple[int, ...], offset: float) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.full(shape, offset))
        self.log_deviation = nn.Parameter(torch.zeros(shape))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    @property
    def degrees_of_freedom(self) -> int:
        return 2 * self.mean.numel()

    def log_prob(self, x):
        z = (x - self.mean) / self.log_deviation.exp()
        return (-0.5 * z.square() - self.log_deviation - 0.5 * math.log(2 * math.pi)).flatten(1).sum(1)

    def sample(self, n, *, condition=None, **options):
        noise = torch.randn(n, *self.mean.shape, device=self.mean.device, dtype=self.mean.dtype)
        return self.mean + noise * self.log_deviation.exp()


class NegativeLogLikelihood(genzoo.GradientObjective):
    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def losses(self, model, batch, progress):
        model.generator.calls += 1
        yield {"generator": -model.generator.log_prob(batch.x).mean() * self.scale}

    def monitor(self, model, batch):
        return -model.generator.log_prob(batch.x).mean()


class Exploding(NegativeLogLikelihood):
    """A loss that becomes NaN after step 5."""

    def losses(self, model, batch, progress):
        bad = torch.where(progress.step >= 5, torch.nan, 1.0)
        yield {"generator": -model.generator.log_prob(batch.x).mean() * bad}


def build(config, data):
    generator = ToyGaussian(data.event_shape, config.offset)
    if config.mass:
        generator.measures = ("mass",) * len(data.features)
    generator.dequantized = config.dequantized
    return genzoo.Parts(generator)


def build_loss(options):
    return NegativeLogLikelihood(options.scale)


def build_exploding(options):
    return Exploding()


SEEN: list[int] = []


def build_callback():
    return lambda step, run: SEEN.append(step.number)


@genzoo.hookimpl
def register_models(register):
    register(
        genzoo.ModelSpec(
            name="toy",
            family="toy",
            summary="Independent normals",
            builder="toy_plugin:build",
            config="toy_plugin:ToyOptions",
            objectives=("toy-likelihood", "toy-exploding"),
            capabilities=frozenset({"likelihood"}),
            data="iris",
            training={"steps": 30, "batch_size": 16, "optimizer": {"lr": 0.05}},
            presets={"slow": {"training": {"epochs": 3, "optimizer": {"lr": 0.01}}, "options": {"offset": 1.0}}},
        )
    )


@genzoo.hookimpl
def register_objectives(register):
    reference = "toy_plugin:build_{}"
    register(
        genzoo.ObjectiveSpec(
            "toy-likelihood",
            "Negative log-likelihood",
            reference.format("loss"),
            "toy_plugin:LossOptions",
            kind="gradient",
        )
    )
    register(
        genzoo.ObjectiveSpec(
            "toy-exploding",
            "Diverges at step 5",
            reference.format("exploding"),
            "toy_plugin:LossOptions",
            kind="gradient",
        )
    )


@genzoo.hookimpl
def register_callbacks(register):
    register(genzoo.CallbackSpec("toy-callback", "Remembers steps", "toy_plugin:build_callback"))
