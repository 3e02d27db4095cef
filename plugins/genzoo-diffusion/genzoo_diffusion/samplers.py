"""Solvers of the equation that moves noise to events, `dx/dt = velocity(x, t)`, and steps that take new noise.

References:
    "Elucidating the Design Space of Diffusion-Based Generative Models" (Karras et al., 2022), for Heun's method;
    "DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Probabilistic Models" (Lu et al., 2022);
    "Denoising Diffusion Probabilistic Models" (Ho, Jain and Abbeel, 2020), for ancestral sampling.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from genzoo_diffusion.path import Path


class Field(ABC):
    """What a solver asks about the path of samples."""

    path: Path

    @abstractmethod
    def velocity(self, x: Tensor, t: Tensor) -> Tensor:
        """Return the derivative of samples `x (N, *shape)` at a time `()`, in their shape."""

    @abstractmethod
    def event(self, x: Tensor, t: Tensor) -> Tensor:
        """Return the mean of the event given samples `x (N, *shape)` at a time `()`, in their shape."""

    @abstractmethod
    def jump(self, x: Tensor, now: Tensor, then: Tensor) -> Tensor:
        """Return where samples `x (N, *shape)` at a time `()` are at another, by the mean velocity between both."""


def euler(field: Field, x: Tensor, times: Tensor) -> Tensor:
    """Follow the velocity at the start of each step. Its error falls with the number of steps."""
    for now, then in itertools.pairwise(times):
        x = x + (then - now) * field.velocity(x, now)
    return x


def heun(field: Field, x: Tensor, times: Tensor) -> Tensor:
    """Follow the mean of the velocities at both ends of each step. Its error falls with the square of their number.

    The last step follows the velocity at its start, as in the paper: a network that sees an event with no noise cannot
    know which noise is left in it, and half of this noise would stay.
    """
    noisy = (field.path.place(times[1:])[1] > 0).tolist()
    for (now, then), more in zip(itertools.pairwise(times), noisy, strict=True):
        first = field.velocity(x, now)
        ahead = x + (then - now) * first
        if more:
            ahead = x + (then - now) * (first + field.velocity(ahead, then)) / 2
        x = ahead
    return x


def dpm(field: Field, x: Tensor, times: Tensor) -> Tensor:
    """Predict the event, and continue the line through the last two predictions over `log(a / s)`: DPM-Solver++(2M)."""
    before, last = None, times.new_zeros(())
    for now, then in itertools.pairwise(times):
        (a, s), (a_next, s_next) = field.path.place(now), field.path.place(then)
        shrink = a * s_next / (a_next * s)  # exp(-h) for the step h of log(a / s); 0 for an infinite one
        step = -shrink.log()
        event = field.event(x, now)
        # The step from noise alone, and the one that removes all noise, are infinite, and a line says nothing.
        line = (step / (2 * last)).nan_to_num(0.0, 0.0, 0.0) if step.isfinite() and before is not None else 0.0
        guess = event if before is None else event + line * (event - before)
        x = s_next / s * x + a_next * (1 - shrink) * guess
        before, last = event, step
    return x


def jump(field: Field, x: Tensor, times: Tensor) -> Tensor:
    """Follow the mean velocity of each step, and so have only the network's error, if it was trained by `mean-flow`.

    Other networks know no means. Then this is Euler's method in the angle whose tangent is `s / a`.
    """
    for now, then in itertools.pairwise(times):
        x = field.jump(x, now, then)
    return x


def ancestral(field: Field, x: Tensor, times: Tensor, last: Tensor) -> Tensor:
    """Draw each place from its distribution given the one before, as if the predicted event was the true one.

    With many steps, samples have the distribution that the bound belongs to.

    Arguments:
        times: as for `Path.clear_grid`.
        last: deviation of events from their prediction at the last time, `()`.
    """
    for now, then in itertools.pairwise(times):
        (a, s), (a_next, s_next) = field.path.place(now), field.path.place(then)
        new = 1 - (a * s_next / (a_next * s)).square()  # the share of noise that a step forgets, and draws anew
        event = field.event(x, now)
        x = a * s_next.square() / (a_next * s.square()) * x + a_next * new * event
        x = x + s_next * new.sqrt() * torch.randn_like(x)
    return field.event(x, times[-1]) + last * torch.randn_like(x)


SAMPLERS: dict[str, Callable[[Field, Tensor, Tensor], Tensor]] = {
    "heun": heun,
    "euler": euler,
    "dpm++": dpm,
    "jump": jump,
}
