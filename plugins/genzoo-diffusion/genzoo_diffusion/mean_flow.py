"""The objective `mean-flow`: a network that jumps from noise to an event, or between any two times of a path.

Divided by its deviation, a sample y moves along `dy/dp = -F(y, p)`, where p is the angle whose tangent is `s / a`. A
jump from p back to q needs the mean `U(y, q, p)` of F on the way: it ends at `y + (p - q) U`. Both belong together:

    F(y, p) = U(y, q, p) + (p - q) dU/dp,    with the derivative along the way of y.

With the network as U, the right side has to be the F of events and noise, as for `velocity`. The way of y is
the network's own, along `U(y, p, p)`, and nothing is learned through the derivative. Paths differ only in their times.

References:
    "Mean Flows for One-step Generative Modeling" (Geng, Deng, Bai, Kolter and He, 2025);
    "Improved Mean Flows: On the Challenges of Fastforward Generative Models" (Geng et al., 2025), for the right side.
"""

from __future__ import annotations

import torch
from torch import Tensor

from genzoo import Model, full_precision
from genzoo_diffusion.diffusion import Diffusion, spread
from genzoo_diffusion.objectives import NoiseLoss, averaged, diffusion_of, drawn_times, spread_evenly
from genzoo_diffusion.options import GUIDANCE, MeanFlowOptions

_PIECE, _SHORTEST = 0.05, 1e-4
"""Angles of the piece of the way that a derivative is measured on, and of the shortest step."""


class MeanFlow(NoiseLoss):
    """The error of the velocity that follows from mean velocities: for images, the logarithm of each one's error.

    Arguments:
        options: how times are drawn, how many events learn means, and the guidance.
    """

    def __init__(self, options: MeanFlowOptions) -> None:
        self._options = options

    def prepare(self, model: Model, rows: int) -> None:
        """Check that there are conditions for guidance.

        Raises:
            ConfigError: there are none.
        """
        diffusion_of(model).check_guidance(self._options.guidance)

    def _error(self, own: Diffusion, x: Tensor, condition: Tensor | None, kept: Tensor | None) -> Tensor:
        z = own.values(x)
        t, span = self._steps(own, z)
        angle, noise = own.path.angle(t), torch.randn_like(z)
        a, s = spread(angle.cos(), z), spread(angle.sin(), z)
        y, wanted = a * z + s * noise, s * z - a * noise
        wanted = self._guided(own, y, t, wanted, condition, kept)
        first = slice(self._jumps(z))
        given, seen = (None if part is None else part[first] for part in (condition, kept))
        change = bend(own, y[first], t[first], span[first], given, seen)
        change = torch.cat([change, torch.zeros_like(y[first.stop :])])
        found = own.mean(y, t, span, condition, kept) + change
        return averaged(own, (found - wanted).square())

    def _steps(self, own: Diffusion, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the times at which steps begin, and their angles, `(N,)` each. The first events jump."""
        count = self._jumps(z)
        one = drawn_times(own, self._options, spread_evenly(z[:count]))
        other = drawn_times(own, self._options, torch.rand_like(one))
        still = drawn_times(own, self._options, spread_evenly(z[count:]))
        begin, end = torch.maximum(one, other), torch.minimum(one, other)
        span = (own.path.angle(begin) - own.path.angle(end)).clamp(min=_SHORTEST)
        return torch.cat([begin, still]), torch.cat([span, torch.zeros_like(still)])

    def _jumps(self, z: Tensor) -> int:
        return max(1, round(self._options.jumps * len(z)))

    def _guided(
        self, own: Diffusion, y: Tensor, t: Tensor, wanted: Tensor, condition: Tensor | None, kept: Tensor | None
    ) -> Tensor:
        """Return the F of guided samples, for events whose condition the network sees."""
        strength = self._options.guidance
        if strength == GUIDANCE or condition is None:
            return wanted
        with torch.no_grad():
            free = own.mean(y, t, None)
        guided = free + strength * (wanted - free)
        return guided if kept is None else torch.where(spread(kept, y), guided, wanted)


def bend(
    own: Diffusion, y: Tensor, t: Tensor, span: Tensor, condition: Tensor | None = None, kept: Tensor | None = None
) -> Tensor:
    """Return what means of F lack to F at the beginning of their steps, in the shape of `y`.

    It is the angle of a step times the derivative of its mean along the way. The derivative is a difference between the
    ends of a short piece: for a way that is straight there, the means of the step, its rest and the piece add up. A
    product with the Jacobian (`torch.func.jvp`) takes three times as long for a perceptron, and does not trace.

    Arguments:
        own, condition, kept: as for `Diffusion.mean`.
        y, t: where and when steps begin, `(N, *shape)` and `(N,)`.
        span: their angles, `(N,)`, more than 0.
    """
    with torch.no_grad(), full_precision(y):  # small differences do not survive rounding
        piece = span.clamp(max=_PIECE)
        speed = own.mean(y, t, None, condition, kept)
        before = spread(piece.cos(), y) * y + spread(piece.sin(), y) * speed
        time = own.path.of_ratio((own.path.angle(t) - piece).tan())
        change = own.mean(y, t, span, condition, kept) - own.mean(before, time, span - piece, condition, kept)
        return spread(span / piece - 1, y) * change
