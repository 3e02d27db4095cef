"""Log-densities by the equation that moves events to noise: `log p(x_0) = log p(x_1) + integral of div v(x_t, t) dt`.

They are no exact likelihoods, and genzoo shows none: a solver has an error, which falls with the fourth power of the
number of steps, and random probes have another, which the standard error measures.

References:
    "FFJORD: Free-form Continuous Dynamics for Scalable Reversible Generative Models" (Grathwohl et al., 2019);
    "Score-Based Generative Modeling through Stochastic Differential Equations" (Song et al., 2021).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor

from genzoo import ConfigError
from genzoo_diffusion.diffusion import Diffusion

Slopes = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Maps samples `(N, *shape)` and a time `()` to their velocity, and divergences of it, `(K, N)`."""


def log_density(
    model: Diffusion,
    x: Tensor,
    condition: Tensor | None = None,
    *,
    steps: int = 100,
    probes: int = 0,
) -> tuple[Tensor, Tensor]:
    """Estimate log-densities in model space.

    Arguments:
        model: a model of continuous values.
        x: events, `(N, *event)`.
        condition: what they are given, `(N, D)`. Defaults to `None`.
        steps: steps of the solver, a Runge-Kutta method of order 4. Defaults to 100.
        probes: random vectors that estimate each divergence (Hutchinson's estimator). Defaults to 0: divergences are
            exact, at the cost of a backward pass for each value of an event.

    Returns:
        Log-densities in nats, `(N,)`, and their standard errors over the probes, `(N,)`: 0 without probes.

    Raises:
        ConfigError: the model has categories or counts, or there is a single probe.
    """
    if not model.values.plain:
        raise ConfigError("Categories and counts have no density; only models of continuous values have one.")
    if probes == 1:
        raise ConfigError("The standard error of an estimate needs two probes or more.")
    field = model.field(condition)
    signs = torch.randint(0, 2, (probes, *x.shape), device=x.device).to(x.dtype) * 2 - 1
    times = model.path.grid(steps, x).flip(0)

    def slopes(place: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            place = place.detach().requires_grad_()
            speed = field.velocity(place, time)
            found = _traces(speed, place) if not probes else _estimates(speed, place, signs)
        return speed.detach(), found.detach()

    end, change = _runge_kutta(slopes, x, times)
    a, s = model.path.place(times[-1])
    variance = a.square() + s.square()
    noise = -0.5 * (end.square() / variance + (2 * math.pi * variance).log()).flatten(1).sum(1)
    each = noise + change  # (K, N)
    error = each.std(0) / math.sqrt(probes) if probes else torch.zeros_like(noise)
    return each.mean(0), error


def _runge_kutta(slopes: Slopes, x: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
    """Return where samples end, and the integrals of the divergences, `(K, N)`."""
    change = x.new_zeros(())
    for now, then in itertools.pairwise(times):
        step, middle = then - now, (now + then) / 2
        first, gain1 = slopes(x, now)
        second, gain2 = slopes(x + step / 2 * first, middle)
        third, gain3 = slopes(x + step / 2 * second, middle)
        fourth, gain4 = slopes(x + step * third, then)
        x = x + step / 6 * (first + 2 * second + 2 * third + fourth)
        change = change + step / 6 * (gain1 + 2 * gain2 + 2 * gain3 + gain4)
    return x, change


def _traces(speed: Tensor, place: Tensor) -> Tensor:
    """Return the divergences of velocities `(N, *shape)`, `(1, N)`."""
    flat, found = speed.flatten(1), place.new_zeros(len(place))
    for number in range(flat.shape[1]):
        (row,) = torch.autograd.grad(flat[:, number].sum(), place, retain_graph=True)
        found = found + row.flatten(1)[:, number]
    return found[None]


def _estimates(speed: Tensor, place: Tensor, signs: Tensor) -> Tensor:
    """Return estimates of the divergences of velocities `(N, *shape)` by probes `(K, N, *shape)`, `(K, N)`."""
    found = []
    for sign in signs:
        (row,) = torch.autograd.grad((speed * sign).sum(), place, retain_graph=True)
        found.append((row * sign).flatten(1).sum(1))
    return torch.stack(found)
