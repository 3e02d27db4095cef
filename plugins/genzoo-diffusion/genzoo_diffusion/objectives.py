"""Objectives of `diffusion`: the squared error of the network's prediction at random times.

    velocity    the error of F of `genzoo_diffusion.path`: of the velocity, in units that make all times count alike;
                for images, the logarithm of each one's error
    denoise     the error of the event, for which noisy times count most
    mean-flow   the error of the velocity that follows from mean velocities, in `genzoo_diffusion.mean_flow`

Times of a batch are spread evenly over their distribution, so that losses of batches differ less.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar

import torch
from torch import Tensor

from genzoo import Batch, ConfigError, GradientObjective, Model, Progress
from genzoo_diffusion.diffusion import Diffusion
from genzoo_diffusion.options import DenoiseOptions, PathOptions, VelocityOptions

_OF_IMAGES, _OF_TABLES = (0.0, 1.0), (-1.0, 1.4)
"""Mean and deviation of `log(s / a)`. Densities of tables are narrower in places, and show with little noise only."""

_OF_LOGARITHMS = -1.0, 1.3
"""The same for logarithms of errors of images. Noisy times, whose errors are largest, no longer drown the others."""

_LEAST = 1e-3
"""Error of an image below which it counts less."""

_MANY = 32
"""Fewest values of an image whose error is near its mean."""


class NoiseLoss(GradientObjective):
    """The base class of errors at random times."""

    stages: ClassVar[tuple[str, ...]] = ("loss",)

    def adapt(self, model: Model, blocks: Iterable[Batch]) -> None:
        diffusion_of(model).values.measure(batch.x for batch in blocks)

    def losses(self, model: Model, batch: Batch, progress: Progress) -> Iterator[Mapping[str, Tensor]]:
        yield {"generator": self.loss(model, batch.x, batch.condition)}

    def loss(self, model: Model, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the loss of events `x (N, *event)`, `()`."""
        own = diffusion_of(model)
        return self._error(own, x, condition, own.kept(condition))

    def monitor(self, model: Model, batch: Batch) -> Tensor:
        return self._error(diffusion_of(model), batch.x, batch.condition, None)

    @abstractmethod
    def _error(self, own: Diffusion, x: Tensor, condition: Tensor | None, kept: Tensor | None) -> Tensor:
        """Return the error of events `x (N, *event)`, `()`, if the network sees conditions that are `kept (N,)`."""


class PathLoss(NoiseLoss):
    """The squared error at random times; of F of images, its logarithm.

    Arguments:
        options: how times are drawn.
        of_event: whether the error of the event counts, and not the error of F. Defaults to false.
    """

    def __init__(self, options: PathOptions, *, of_event: bool = False) -> None:
        self._options, self._of_event = options, of_event

    def prepare(self, model: Model, rows: int) -> None:
        diffusion_of(model).forget_jumps()

    def _error(self, own: Diffusion, x: Tensor, condition: Tensor | None, kept: Tensor | None) -> Tensor:
        z = own.values(x)
        t = drawn_times(own, self._options, spread_evenly(z), _OF_IMAGES if self._of_event else _OF_LOGARITHMS)
        factors = own.path.place(t)
        a, s = (factor.view(-1, *[1] * (z.ndim - 1)) for factor in factors)
        noise = torch.randn_like(z)
        noisy, scale = a * z + s * noise, (a.square() + s.square()).rsqrt()
        outputs = own.outputs(noisy, t, condition, kept)
        squares = (outputs - scale * (s * z - a * noise)).square()
        squares = (s * scale).square() * squares if self._of_event else squares
        found = squares if own.guesses.plain else own.guesses.errors(outputs, noisy, *factors, z, squares)
        return found.mean() if self._of_event else averaged(own, found)


def averaged(own: Diffusion, errors: Tensor) -> Tensor:
    """Return the mean of errors `(N, ...)`, or for images with many values, the mean of the logarithms of theirs, `()`.

    The gradient of a logarithm is divided by the error: events with large ones do not drown the others. With few
    values, an error says little but what was drawn, and frequent events would drown rare ones.
    """
    each = errors.flatten(1).mean(1)
    many = own.of_images and errors[0].numel() >= _MANY
    return (each + _LEAST).log().mean() if many else each.mean()


def spread_evenly(z: Tensor) -> Tensor:
    """Return an increasing number between 0 and 1 for each of the events `(N, *shape)`."""
    share = (torch.arange(len(z), device=z.device) + torch.rand(1, device=z.device)) / len(z)
    return share.to(z.dtype)


def drawn_times(
    own: Diffusion, options: PathOptions, share: Tensor, of_images: tuple[float, float] = _OF_IMAGES
) -> Tensor:
    """Return the times at these shares of their distribution, `(N,)`.

    Arguments:
        of_images: mean and deviation of `log(s / a)` for images, unless options say otherwise. Defaults to 0 and 1.
    """
    if options.times == "uniform":
        return own.path.even(share)
    location, spread = of_images if own.of_images else _OF_TABLES
    location = location if options.location is None else options.location
    return own.path.logit_normal(share, location, spread if options.spread is None else options.spread)


def diffusion_of(model: Model) -> Diffusion:
    """Return the generator that an objective of this distribution trains.

    Raises:
        ConfigError: it is none of ours.
    """
    if not isinstance(model.generator, Diffusion):
        raise ConfigError("This objective trains diffusion models, and this model is none.")
    return model.generator


def velocity(options: VelocityOptions) -> PathLoss:
    """Build the objective `velocity`."""
    return PathLoss(options)


def denoise(options: DenoiseOptions) -> PathLoss:
    """Build the objective `denoise`."""
    return PathLoss(options, of_event=True)
