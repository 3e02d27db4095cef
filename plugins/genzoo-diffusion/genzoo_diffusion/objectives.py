"""Objectives of `diffusion`: the squared error of the network's prediction at random times.

    velocity    the error of F of `genzoo_diffusion.path`: of the velocity, in units that make all times count alike
    denoise     the error of the event, for which noisy times count most

Times of a batch are spread evenly over their distribution, so that losses of batches differ less.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from genzoo import Batch, ConfigError, GradientObjective, Model, Progress
from genzoo_diffusion.diffusion import Diffusion
from genzoo_diffusion.options import DenoiseOptions, PathOptions, VelocityOptions

_OF_IMAGES, _OF_TABLES = (0.0, 1.0), (-1.0, 1.4)
"""Mean and deviation of `log(s / a)`. Densities of tables are narrower in places, and show with little noise only."""


class PathLoss(GradientObjective):
    """The squared error at random times.

    Arguments:
        options: how times are drawn.
        of_event: whether the error of the event counts, and not the error of F. Defaults to false.
    """

    stages: ClassVar[tuple[str, ...]] = ("loss",)

    def __init__(self, options: PathOptions, *, of_event: bool = False) -> None:
        self._options, self._of_event = options, of_event

    def losses(self, model: Model, batch: Batch, progress: Progress) -> Iterator[Mapping[str, Tensor]]:
        own = _diffusion(model)
        scale = own.values.scale_loss(batch.x)
        yield {"generator": self.loss(model, batch.x, batch.condition) + scale - scale.detach()}

    def loss(self, model: Model, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the loss of events `x (N, *event)`, `()`."""
        own = _diffusion(model)
        return self._error(own, x, condition, own.kept(condition))

    def monitor(self, model: Model, batch: Batch) -> Tensor:
        return self._error(_diffusion(model), batch.x, batch.condition, None)

    def _error(self, own: Diffusion, x: Tensor, condition: Tensor | None, kept: Tensor | None) -> Tensor:
        z = own.values(x)
        share = (torch.arange(len(z), device=z.device) + torch.rand(1, device=z.device)) / len(z)
        t = self._times(own, share.to(z.dtype))
        factors = own.path.place(t)
        a, s = (factor.view(-1, *[1] * (z.ndim - 1)) for factor in factors)
        noise = torch.randn_like(z)
        noisy, scale = a * z + s * noise, (a.square() + s.square()).rsqrt()
        outputs = own.outputs(noisy, t, condition, kept)
        squares = (outputs - scale * (s * z - a * noise)).square()
        squares = (s * scale).square() * squares if self._of_event else squares
        found = squares if own.guesses.plain else own.guesses.errors(outputs, noisy, *factors, z, squares)
        return found.mean()

    def _times(self, own: Diffusion, share: Tensor) -> Tensor:
        if self._options.times == "uniform":
            return own.path.even(share)
        location, spread = _OF_IMAGES if own.of_images else _OF_TABLES
        chosen = self._options
        location = location if chosen.location is None else chosen.location
        return own.path.logit_normal(share, location, spread if chosen.spread is None else chosen.spread)


def _diffusion(model: Model) -> Diffusion:
    if not isinstance(model.generator, Diffusion):
        raise ConfigError("This objective trains diffusion models, and this model is none.")
    return model.generator


def velocity(options: VelocityOptions) -> PathLoss:
    """Build the objective `velocity`."""
    return PathLoss(options)


def denoise(options: DenoiseOptions) -> PathLoss:
    """Build the objective `denoise`."""
    return PathLoss(options, of_event=True)
