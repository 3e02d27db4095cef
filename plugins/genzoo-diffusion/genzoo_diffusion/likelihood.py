"""How probable events are: a lower bound, and an estimate by the equation of the samples.

The bound. Let `y = log(1 + a^2 / s^2)`, from `y_0` at the smallest noise to `y_1` at the largest. A code that leads
from noise back to an event, in infinitely many random steps, costs

    (y_0 - y_1) / 2  E |F(x_t, t) - F*|^2  nats, with y uniform between y_1 and y_0, and F* of `genzoo_diffusion.path`,

on any path. At the noisiest place, it costs the divergence from the sampler's first noise. At the least noisy one, x
has the density N(mean of the event given `x_t`, s^2 / V). On a grid, a draw is rounded, and a value has the probability
of the draws that round to it. Rounding adds a variance of its own, so draws have less. Each draw of the bound has one y
and one noise. The mean over all draws is the bound, so more draws make it less random, not tighter.

The estimate is `log p(x_0) = log p(x_1) + integral of div v(x_t, t) dt` along the path of a sample. A solver has an
error, which falls with the fourth power of the number of steps, and random probes have another.

The bound is for samples that take noise at each step, which the sampler `ancestral` draws, and the estimate for samples
that take none. With the best possible network, both have the same distribution.

References:
    "Variational Diffusion Models" (Kingma, Salimans, Poole and Ho, 2021);
    "Understanding Diffusion Objectives as the ELBO with Simple Data Augmentation" (Kingma and Gao, 2023);
    "FFJORD: Free-form Continuous Dynamics for Scalable Reversible Generative Models" (Grathwohl et al., 2019);
    "Score-Based Generative Modeling through Stochastic Differential Equations" (Song et al., 2021).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor

from genzoo_diffusion.path import Path
from genzoo_diffusion.samplers import Field

Slopes = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Maps samples `(N, *shape)` and a time `()` to their velocity, and divergences of it, `(K, N)`."""

Predict = Callable[[Tensor, Tensor], Tensor]
"""Maps samples `(N, *shape)` and times `(N,)` to the network's F, in the shape of the samples."""

FINEST = 0.05
"""Smallest deviation of noise for continuous events. Training by default hardly sees smaller ones."""

_CELL = 0.5
"""Smallest deviation of noise for values on a grid, as a share of the step of the grid."""

_NARROWEST = 0.2
"""Smallest deviation of a draw that is rounded to a grid, as a share of the step of the grid."""

_AT_END = 16
"""Draws of the steps for each draw of the last density, which varies less."""

_LEAST = 1e-7
"""Smallest share of the steps, at which noise is still finite."""


def ending(like: Tensor, step: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the smallest ratio of noise to event, and the deviation of events from their prediction there, `()` each.

    Arguments:
        like: a tensor of the type and on the device of the results.
        step: step of the grid that events are rounded to, `()`. `None` means that they are continuous.
    """
    ratio = like.new_tensor(FINEST) if step is None else _CELL * step.to(like.dtype)
    variance = ratio.square() / (1 + ratio.square())
    if step is not None:  # rounding adds step^2 / 12
        variance = torch.maximum(variance - step.square() / 12, (_NARROWEST * step).square()).to(like.dtype)
    return ratio, variance.sqrt()


def lower_bound(path: Path, predict: Predict, x: Tensor, *, draws: int, step: Tensor | None = None) -> Tensor:
    """Draw a lower bound of the log-densities of events, or of their log-probabilities on a grid.

    The mean over all draws is a bound.

    Arguments:
        path: the path.
        predict: the network.
        x: events, `(N, *shape)`.
        draws: number of draws, spread evenly over the path.
        step: step of the grid that values lie on, `()`. Defaults to `None`: values are continuous.

    Returns:
        Bounds in nats, `(N,)`.
    """
    start, (ratio, deviation) = path.grid(1, x)[0], ending(x, step)
    a, s = path.place(start)
    low, high = path.clarity(start), torch.log1p(ratio**-2)
    size = x[0].numel()
    prior = a.square() / (a.square() + s.square()) * (x.square().flatten(1).sum(1) - size) + low * size
    total = x.new_zeros(len(x))
    for number in range(draws):
        share = ((number + torch.rand(len(x), dtype=x.dtype, device=x.device)) / draws).clamp_min(_LEAST)
        gap, chance = _errors(path, predict, x, torch.expm1(low + (high - low) * share).rsqrt())
        total = total + (gap.square() - chance).flatten(1).sum(1)
    ends = math.ceil(draws / _AT_END)
    last = x.new_zeros(len(x))
    for _ in range(ends):
        gap, chance = _errors(path, predict, x, ratio.expand(len(x)))
        # Predicted events are s / sqrt(V) times as far away, the deviation of the last density: V / s^2 = exp(high).
        each = 0.5 * (gap.square() - chance + math.log(2 * math.pi) - high)
        if step is not None:
            each = -_log_cell(gap * (-high / 2).exp() / deviation, step.to(x.dtype) / deviation)
        last = last + each.flatten(1).sum(1)
    return -last / ends - 0.5 * ((high - low) * total / draws + prior)


def _errors(path: Path, predict: Predict, x: Tensor, ratio: Tensor) -> tuple[Tensor, Tensor]:
    """Return the errors of F with new noise, and chance in their squares, both in the shape of `x`.

    The chance has mean 0. Where noise is small, nobody can predict it, and most of an error is the target's own noise,
    whose square has a known mean.

    Arguments:
        ratio: noise over event, `(N,)`.
    """
    t = path.of_ratio(ratio)
    a, s = (factor.view(-1, *[1] * (x.ndim - 1)) for factor in path.place(t))
    variance = a.square() + s.square()
    noise = torch.randn_like(x)
    wanted = (s * x - a * noise) * variance.rsqrt()
    known = (s.square() * x.square() + a.square()) / variance
    return predict(a * x + s * noise, t) - wanted, a.square() / variance * (wanted.square() - known)


def _log_cell(gap: Tensor, width: Tensor) -> Tensor:
    """Return the log-probability that a unit normal falls into a cell `width` wide whose middle is `gap` away."""
    near, far = width / 2 - gap.abs(), -width / 2 - gap.abs()
    most: Tensor = torch.special.log_ndtr(near)
    return most + torch.log1p(-torch.exp(torch.special.log_ndtr(far) - most))


def log_density(field: Field, x: Tensor, *, steps: int, probes: int = 0) -> tuple[Tensor, Tensor]:
    """Estimate log-densities in model space.

    Arguments:
        field: the path of samples.
        x: events, `(N, *shape)`.
        steps: steps of the solver, a Runge-Kutta method of order 4.
        probes: random vectors that estimate each divergence (Hutchinson's estimator). Defaults to 0: divergences are
            exact, at the cost of a backward pass for each value of an event.

    Returns:
        Log-densities in nats, `(N,)`, and their standard errors over the probes, `(N,)`: 0 without probes.
    """
    signs = torch.randint(0, 2, (probes, *x.shape), device=x.device).to(x.dtype) * 2 - 1
    times = field.path.grid(steps, x).flip(0)

    def slopes(place: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            place = place.detach().requires_grad_()
            speed = field.velocity(place, time)
            found = _traces(speed, place) if not probes else _estimates(speed, place, signs)
        return speed.detach(), found.detach()

    end, change = _runge_kutta(slopes, x, times)
    a, s = field.path.place(times[-1])
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
