"""The model `diffusion`: a network that turns noise into images or rows of a table, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from genzoo import (
    ConfigError,
    DataSpec,
    Generator,
    LikelihoodBound,
    LikelihoodEstimate,
    Parts,
    check_condition,
    quick_precision,
)
from genzoo_diffusion.column_numbers import ColumnNumbers
from genzoo_diffusion.guesses import Guesses
from genzoo_diffusion.likelihood import ending, log_density, lower_bound
from genzoo_diffusion.network import Context, Perceptron
from genzoo_diffusion.options import (
    ANCESTRAL_STEPS,
    GUIDANCE,
    JUMPS,
    PRECISION,
    SAMPLER,
    STEPS,
    DiffusionOptions,
    SamplerName,
    SamplingPrecision,
)
from genzoo_diffusion.path import PATHS, Path
from genzoo_diffusion.samplers import SAMPLERS, Field, ancestral
from genzoo_diffusion.unet import UNet

_LARGE = 256
"""Smallest number of values of an image for which the network is a unet by default."""

_PATCHES = ((16, 1), (96, 2))
"""Longest sides, in pixels and exclusive, and the side of the squares of pixels up to them."""

_LARGEST_PATCH = 4


class Diffusion(Generator):
    """A path from events to noise, and a network that leads back.

    Arguments:
        path: the path.
        values: events as numbers.
        network: its outputs for numbers, factors and a condition mean what `genzoo_diffusion.guesses` says.
        shape: shape of the numbers of an event.
        given: size of a condition, 0 for none.
        hidden: share of conditions hidden while training.

    Attributes:
        grid_step: step of the grid that values lie on, in model space, `()`; `None` if it is not known.
    """

    grid_step: Tensor | None

    def __init__(
        self, path: Path, values: ColumnNumbers, network: nn.Module, shape: tuple[int, ...], given: int, hidden: float
    ) -> None:
        super().__init__()
        self.path, self.values, self.network = path, values, network
        self.guesses = Guesses(values)
        self._shape, self._given, self._hidden = shape, given, hidden
        self.register_buffer("grid_step", None)

    @property
    def of_images(self) -> bool:
        """Whether events are images."""
        return len(self._shape) > 1

    def outputs(self, x: Tensor, t: Tensor, condition: Tensor | None = None, kept: Tensor | None = None) -> Tensor:
        """Return outputs of the network for numbers `x (N, *shape)` at times `(N,)`, in the shape of `x`.

        Arguments:
            condition: what events are given, `(N, D)`; `None` for nothing.
            kept: which conditions the network sees, `(N,)` bool. Defaults to `None`: all.
        """
        a, s = self.path.place(t)
        scale = (a.square() + s.square()).rsqrt()
        found: Tensor = self.network(spread(scale, x) * x, a, s, condition, kept)
        return found.to(x.dtype)

    def predict(self, x: Tensor, t: Tensor, condition: Tensor | None = None, kept: Tensor | None = None) -> Tensor:
        """Return F of numbers. Arguments are those for `outputs`."""
        found = self.outputs(x, t, condition, kept)
        if self.guesses.plain or self.jumps:
            return found
        return self.guesses.velocity(found, x, *self.path.place(t))

    def mean(
        self, y: Tensor, t: Tensor, span: Tensor | None, condition: Tensor | None = None, kept: Tensor | None = None
    ) -> Tensor:
        """Return the mean of F along steps toward events that begin at times `(N,)`, in the shape of `y`.

        The network knows it after training by `mean-flow`. Its outputs are then F of categories, too.

        Arguments:
            y: numbers at these times, divided by the deviations of their path, `(N, *shape)`.
            span: angles of the steps, `(N,)`. `None` means 0: F itself.
            condition, kept: as for `predict`.
        """
        found: Tensor = self.network(y, *self.path.place(t), condition, kept, span)
        return found.to(y.dtype)

    def kept(self, condition: Tensor | None) -> Tensor | None:
        """Draw which conditions of a batch are not hidden, `(N,)` bool; `None` if there are none."""
        check_condition(condition, self._given)
        return None if condition is None else torch.rand(len(condition), device=condition.device) >= self._hidden

    @property
    def jumps(self) -> bool:
        """Whether training has taught the network mean velocities."""
        return any(bool(part.span.any()) for part in self._contexts())

    def forget_jumps(self) -> None:
        """Forget mean velocities, because training continues with an objective that does not keep them."""
        for part in self._contexts():
            nn.init.zeros_(part.span)

    def _contexts(self) -> Iterator[Context]:
        return (part for part in self.network.modules() if isinstance(part, Context))

    def check_sampling(
        self, *, sampler: str = SAMPLER, guidance: float = GUIDANCE, steps: int | None = None, **options: object
    ) -> None:
        self.check_guidance(guidance)
        if guidance != GUIDANCE and sampler == "jump":
            raise ConfigError(
                f"guidance={guidance:g} strengthens a velocity, and sampler=jump follows means of velocities. Use "
                f"another sampler, or train with mean-flow's own guidance, which jumps follow."
            )

    def field(self, condition: Tensor | None = None, guidance: float = GUIDANCE) -> Field:
        """Return the velocity of samples given conditions `(N, D)`.

        Raises:
            ConfigError: conditions are missing, or there are none to strengthen.
        """
        check_condition(condition, self._given)
        self.check_guidance(guidance)
        return _Guided(self, condition, guidance)

    def sample(
        self,
        n: int,
        *,
        condition: Tensor | None = None,
        sampler: SamplerName = SAMPLER,
        steps: int | None = None,
        guidance: float = GUIDANCE,
        precision: SamplingPrecision = PRECISION,
        **options: object,
    ) -> Tensor:
        self.check_sampling(sampler=sampler, guidance=guidance)
        if sampler == "auto":
            sampler = "jump" if guidance == GUIDANCE and self.jumps else "heun"
        steps = steps or {"jump": JUMPS, "ancestral": ANCESTRAL_STEPS}.get(sampler, STEPS)
        field = self.field(condition, guidance)
        weight = next(self.network.parameters())
        noise = torch.randn(n, *self._shape, dtype=weight.dtype, device=weight.device)
        rounds = precision == "auto" and isinstance(self.network, UNet)
        with quick_precision(noise) if rounds else nullcontext():
            return self.values.inverse(self._follow(field, sampler, steps, noise))

    def _follow(self, field: Field, sampler: SamplerName, steps: int, noise: Tensor) -> Tensor:
        """Return the numbers of events that a sampler makes of standard normal noise, in its shape."""
        a, s = self.path.place(self.path.grid(1, noise)[0])
        start = noise * (a.square() + s.square()).sqrt()
        if sampler == "ancestral":
            finest, last = ending(noise, self.grid_step)
            return ancestral(field, start, self.path.clear_grid(steps, finest), last)
        return SAMPLERS[sampler](field, start, self.path.grid(steps, noise))

    def check_guidance(self, guidance: float) -> None:
        """Check that guidance of this strength, if it is not 1, has a condition to strengthen.

        Raises:
            ConfigError: there are no conditions, or the network sees only events with them, or only others.
        """
        if guidance == GUIDANCE:
            return
        if not self._given:
            raise ConfigError(
                f"guidance={guidance:g} strengthens a condition, and this model learned events given none. Leave it "
                f"out, or train with a condition."
            )
        if self._hidden in (0, 1):
            raise ConfigError(
                f"guidance={guidance:g} compares events given a condition with others given none, and with "
                f"condition_dropout={self._hidden:g} the network sees only one of them. Train with a share between, "
                f"such as condition_dropout=0.1."
            )


class DiffusionBound(Diffusion, LikelihoodBound):
    """A diffusion model with a bound of the likelihood.

    Arguments:
        parts: arguments of `Diffusion`.
        step: step of the grid that values lie on, in model space, until training says what it is. Values on a grid have
            probabilities. Defaults to `None`: values are continuous, and have a density.
    """

    draws_tighten = False
    bound_options = MappingProxyType({"sampler": "ancestral", "steps": ANCESTRAL_STEPS})

    def __init__(self, *parts: Any, step: float | None = None) -> None:
        super().__init__(*parts)
        self.register_buffer("grid_step", None if step is None else torch.tensor(step))
        self.measures = None if step is None else ("mass",)

    def log_prob_bound(self, x: Tensor, *, condition: Tensor | None = None, draws: int = 1) -> Tensor:
        check_condition(condition, self._given)

        def predict(z: Tensor, t: Tensor) -> Tensor:
            return self.predict(z, t, condition)

        return lower_bound(self.path, predict, x, draws=draws, step=self.grid_step)


class DiffusionDensity(DiffusionBound, LikelihoodEstimate):
    """A diffusion model of continuous values."""

    def log_prob_estimate(
        self, x: Tensor, *, condition: Tensor | None = None, probes: int, steps: int
    ) -> tuple[Tensor, Tensor]:
        return log_density(self.field(condition), x, steps=steps, probes=probes)


class _Guided(Field):
    """The path of samples given a condition.

    References:
        "Classifier-Free Diffusion Guidance" (Ho and Salimans, 2022).
    """

    def __init__(self, model: Diffusion, condition: Tensor | None, guidance: float) -> None:
        self.path, self._model, self._condition = model.path, model, condition
        self._guidance = GUIDANCE if condition is None else guidance

    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        (a, s), (da, ds) = self.path.place(t), self.path.speed(t)
        variance = a.square() + s.square()
        return (a * da + s * ds) / variance * x + (s * da - a * ds) * variance.rsqrt() * self._predict(x, t)

    def event(self, x: Tensor, t: Tensor) -> Tensor:
        a, s = self.path.place(t)
        variance = a.square() + s.square()
        return a / variance * x + s * variance.rsqrt() * self._predict(x, t)

    def jump(self, x: Tensor, now: Tensor, then: Tensor) -> Tensor:
        (a, s), (a_next, s_next) = self.path.place(now), self.path.place(then)
        y, span = x * (a.square() + s.square()).rsqrt(), self.path.angle(now) - self.path.angle(then)
        if self._model.jumps:
            mean = self._model.mean(y, now.expand(len(x)), span.expand(len(x)), self._condition)
        else:
            mean = self._predict(x, now)
        y = y + span * mean
        return (a_next.square() + s_next.square()).sqrt() * y

    def _predict(self, x: Tensor, t: Tensor) -> Tensor:
        times = t.expand(len(x))
        if self._guidance == 1:
            return self._model.predict(x, times, self._condition)
        free = self._model.predict(x, times)
        return free + self._guidance * (self._model.predict(x, times, self._condition) - free)


def build(config: DiffusionOptions, data: DataSpec) -> Parts:
    """Build the untrained model for images or tables.

    Raises:
        ValueError: the options ask for a unet of a table.
    """
    image = data.form.rank == 3  # (C, H, W)
    if config.network == "unet" and not image:
        raise ValueError("network=unet needs images, and this is a table; use network=mlp")
    # Pixels on a grid are numbers, also if they are codes: genzoo rounds samples to the grid.
    values = ColumnNumbers(() if image else data.features)
    shape, given = data.event_shape if image else (values.width,), data.condition_size
    network: nn.Module
    if config.network == "unet" or (config.network == "auto" and image and data.size >= _LARGE):
        patch = config.patch or _patch(max(data.event_shape[1:]))
        network = UNet(shape, config.channels, patch, given, attention=config.attention, dropout=config.dropout)
    else:
        size = torch.Size(shape).numel()
        waved = () if image else Guesses(values).numbers
        network = Perceptron(size, config.width, config.layers, given, config.dropout, waved)
    parts = (PATHS[config.path](), values, network, shape, given, config.condition_dropout)
    if any(feature.discrete for feature in data.features):  # no bound of categories, counts or black and white
        return Parts(Diffusion(*parts))
    if image and data.quantum is not None:
        low, high = data.bounds or (0.0, 2 * data.quantum)
        return Parts(DiffusionBound(*parts, step=2 * data.quantum / (high - low)))
    return Parts(DiffusionDensity(*parts))


def _patch(side: int) -> int:
    return next((patch for below, patch in _PATCHES if side < below), _LARGEST_PATCH)


def spread(factor: Tensor, x: Tensor) -> Tensor:
    """Return factors `(N,)` in a shape that multiplies `x (N, ...)`."""
    return factor.view(-1, *[1] * (x.ndim - 1))
