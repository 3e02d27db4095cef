"""A plugin for tests: models that are fitted directly, a normal in closed form and a kernel density."""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import nn

import genzoo

GENZOO_API = 2


class NoOptions(genzoo.Settings):
    """There are none."""


class FitOptions(genzoo.Settings):
    slow: bool = Field(False, description="run the function `DURING` after the first block")
    breaks: str = Field("", description="what goes wrong: facts or nan")


class Normal(genzoo.Generator, genzoo.Likelihood):
    """Independent normals."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(shape))
        self.deviation = nn.Parameter(torch.ones(shape))

    @property
    def degrees_of_freedom(self) -> int:
        return 2 * self.mean.numel()

    def log_prob(self, x):
        return torch.distributions.Normal(self.mean, self.deviation).log_prob(x).flatten(1).sum(1)

    def sample(self, n, *, condition=None, **options):
        noise = torch.randn(n, *self.mean.shape, device=self.mean.device, dtype=self.mean.dtype)
        return self.mean + noise * self.deviation


class Kernels(genzoo.Generator, genzoo.Likelihood):
    """A kernel density: it keeps every training event."""

    grows = ("points",)
    degrees_of_freedom = None

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("points", torch.zeros(0, *shape))
        self.register_buffer("width", torch.ones(()))

    def log_prob(self, x):
        kernels = torch.distributions.Normal(self.points, self.width).log_prob(x[:, None]).flatten(2).sum(2)
        return kernels.logsumexp(1) - math.log(len(self.points))

    def sample(self, n, *, condition=None, **options):
        chosen = self.points[torch.randint(len(self.points), (n,), device=self.points.device)]
        return chosen + self.width * torch.randn_like(chosen)


def DURING() -> None:  # noqa: N802 - a test replaces it
    """Run in the middle of a slow fit."""


class Moments(genzoo.DirectObjective):
    """The maximum of the likelihood of independent normals."""

    exact_maximum = True
    weighted = True
    passes = 2

    def __init__(self, options: FitOptions) -> None:
        self.options = options

    def fit(self, model, blocks):
        count = total = 0
        for batch in blocks:
            weight = torch.ones_like(batch.x[:, 0]) if batch.weight is None else batch.weight
            count += weight.sum()
            total += weight @ batch.x
            if self.options.slow:
                DURING()
        mean = total / count
        squares = sum(
            (torch.ones_like(batch.x[:, 0]) if batch.weight is None else batch.weight) @ (batch.x - mean).square()
            for batch in blocks
        )
        model.generator.mean.copy_(mean if self.options.breaks != "nan" else mean * torch.nan)
        model.generator.deviation.copy_((squares / count).sqrt())
        return {"events": float(count)} if self.options.breaks != "facts" else {"mean": mean}


class KeepEvents(genzoo.DirectObjective):
    """Keeps the training events, and takes the width of Silverman's rule."""

    def least_events(self, model):
        return 2

    def fit(self, model, blocks):
        points = torch.cat([batch.x for batch in blocks])
        model.generator.points = points
        model.generator.width.fill_(points.std(0).mean() * len(points) ** (-1 / (points[0].numel() + 4)))


def build_normal(config, data):
    return genzoo.Parts(Normal(data.event_shape))


def build_kernels(config, data):
    return genzoo.Parts(Kernels(data.event_shape))


def build_moments(options):
    return Moments(options)


def build_keep(options):
    return KeepEvents()


@genzoo.hookimpl
def register_models(register):
    for name in ("normal", "kernels"):
        register(
            genzoo.ModelSpec(
                name=f"direct-{name}",
                family="direct",
                summary=f"{name.title()}, fitted directly",
                builder=f"direct_plugin:build_{name}",
                config="direct_plugin:NoOptions",
                objectives=("moments",) if name == "normal" else ("keep-events",),
                capabilities=frozenset({"likelihood"}),
                kinds=("continuous",),
                modalities=("table",),
                data="iris",
            )
        )


@genzoo.hookimpl
def register_objectives(register):
    kinds = {"moments": ("build_moments", "FitOptions"), "keep-events": ("build_keep", "NoOptions")}
    for name, (builder, options) in kinds.items():
        register(
            genzoo.ObjectiveSpec(
                name, "A direct fit", f"direct_plugin:{builder}", f"direct_plugin:{options}", kind="direct"
            )
        )
