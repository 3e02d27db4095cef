"""Penalties on the discriminator's gradient, and the logits that come with them.

References:
    "Which Training Methods for GANs do actually Converge?" (Mescheder et al., 2018), for R1 and R2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from genzoo import Discriminator, full_precision


@dataclass(frozen=True, slots=True)
class Penalties:
    """Weights of the penalties on the discriminator's gradient with respect to its input.

    R1 and R2 pull the gradient to 0 where the data and the samples lie. Once the samples match the data, a
    discriminator with a gradient there would push them away again, and training would circle around the solution.

    Arguments:
        r1: weight of E|grad D(x)|² / 2 at real events. Defaults to 0.
        r2: weight of E|grad D(x~)|² / 2 at samples. Defaults to 0.
        between: weight of E(|grad D| - 1)² at random points between real events and samples. Defaults to 0.
        every: R1 and R2 are means over one of so many events. Their gradients of gradients cost most of a step, and
            need more digits than half precision has. Defaults to 1.
    """

    r1: float = 0.0
    r2: float = 0.0
    between: float = 0.0
    every: int = 1


def logits_and_penalty(
    discriminator: Discriminator, both: Tensor, weights: Penalties, condition: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Compute logits, and R1 plus R2 on some of the events.

    Arguments:
        both: real events and then as many samples, `(2N, *event)`.
        weights: weights of R1 and R2, and the events they are computed on. If N does not divide by `every`, their
            largest common divisor takes its place.
        condition: what the events are conditional on, `(2N, D)`. Defaults to `None`.

    Returns:
        Logits, `(2N,)`, and the weighted sum of the penalties, `()`.
    """
    every = math.gcd(len(both) // 2, weights.every)
    if every == 1:
        logits, squared = logits_and_squared_gradients(discriminator, both, condition)
    else:
        # Both events of a pair are chosen, or none, so that they are scored in the same precision.
        chosen, others = _divided(both, every)
        given = (None, None) if condition is None else _divided(condition, every)
        first, squared = logits_and_squared_gradients(discriminator, chosen, given[0])
        second = logits_of(discriminator, others, both, given[1])
        logits = torch.cat([first[:, None], second.reshape(-1, every - 1)], 1).flatten()
    at_real, at_samples = squared.chunk(2)
    return logits, 0.5 * (weights.r1 * at_real.mean() + weights.r2 * at_samples.mean())


def _divided(rows: Tensor, every: int) -> tuple[Tensor, Tensor]:
    """Return one of `every` rows, and all others."""
    groups = rows.reshape(-1, every, *rows.shape[1:])
    return groups[:, 0], groups[:, 1:].flatten(0, 1)


def _scored(discriminator: Discriminator, x: Tensor, condition: Tensor | None) -> Tensor:
    """Compute the logits of `x`; only a discriminator of conditional events takes a condition."""
    logits: Tensor = discriminator(x) if condition is None else discriminator(x, condition)
    return logits


def logits_of(discriminator: Discriminator, x: Tensor, real: Tensor, condition: Tensor | None) -> Tensor:
    """Compute the logits of `x`, in the dtype of real events, so that no loss is computed in half precision."""
    logits = _scored(discriminator, x, condition)
    return logits.to(real.dtype)


def logits_and_squared_gradients(
    discriminator: Discriminator, x: Tensor, condition: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Compute the logits D(x) of events `x (N, *event)` and the squared gradients |grad D(x)|², `(N,)` each.

    A logit depends only on its own event, so the gradient of the sum of logits has the gradients of all events: one
    backward pass is enough. Autocast is disabled, as training differentiates the gradients again.
    """

    def summed(x: Tensor) -> tuple[Tensor, Tensor]:
        logits = _scored(discriminator, x, condition)
        return logits.sum(), logits

    with full_precision(x):
        if torch.compiler.is_compiling():
            gradient, logits = torch.func.grad(summed, has_aux=True)(x)
        else:  # torch.func.grad would cost a tenth of a small model's step; this does not trace
            x = x.detach().requires_grad_()
            total, logits = summed(x)
            (gradient,) = torch.autograd.grad(total, x, create_graph=True)
        return logits, gradient.square().flatten(1).sum(1)
