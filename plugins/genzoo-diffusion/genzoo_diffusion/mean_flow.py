"""The objective `mean-flow`: a network that jumps from noise to an event, or between any two times of a path.

Divided by its deviation, a sample y moves along `dy/dp = -F(y, p)`, where p is the angle whose tangent is `s / a`. A
jump from p back to q needs the mean `U(y, q, p)` of F on the way: it ends at `y + (p - q) U`. Both belong together:

    F(y, p) = U(y, q, p) + (p - q) dU/dp,    with the derivative along the way of y.

The right side, with the network in place of U, has to be the F of events and noise, as for `velocity`. The way of y is
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
from genzoo_diffusion.objectives import NoiseLoss, diffusion_of, drawn_times, spread_evenly
from genzoo_diffusion.options import GUIDANCE, MeanFlowOptions

_FULL = 0.25
"""Share of the jumps that lead from noise alone to an event, as a sample in one step does."""

_NOISY, _WIDE = 1.0, 1.5
"""Mean and deviation of the logarithm of noise over signal at the beginnings of other jumps."""

_PIECE = 0.005
"""Angle of the piece of the way that a derivative is measured on."""

_LEAST = 1e-3
"""Error of an event below which it counts less."""


class MeanFlow(NoiseLoss):
    """The logarithm of the error of the velocity that follows from mean velocities.

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
        bend = _bend(own, y[first], t[first], span[first], given, seen)
        bend = torch.cat([bend, torch.zeros_like(y[first.stop :])])
        found = own.mean(y, t, span, condition, kept) + bend
        error = (found - wanted).square().flatten(1).mean(1)
        # The gradient of a logarithm is divided by the error: events with large ones do not drown the others.
        return (error + _LEAST).log().mean()

    def _steps(self, own: Diffusion, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the times at which steps begin, and their angles, `(N,)` each. The first events jump."""
        count = self._jumps(z)
        t = drawn_times(own, self._options, spread_evenly(z[count:]))
        # Jumps begin at noisier times, as most of their way is there.
        share = spread_evenly(z[:count])
        early = own.path.logit_normal(share, _NOISY, _WIDE)
        full = share < _FULL
        early = torch.where(full, own.path.grid(1, z)[0], early)
        part = torch.where(full, 1.0, 1 - torch.rand_like(share))  # never 0
        part = torch.cat([part, torch.zeros_like(t)])
        t = torch.cat([early, t])
        return t, own.path.angle(t) * part

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


def _bend(own: Diffusion, y: Tensor, t: Tensor, span: Tensor, condition: Tensor | None, kept: Tensor | None) -> Tensor:
    """Return the angles of steps times the derivatives of their means along the way, in the shape of `y`.

    The derivative is a difference between both ends of a short piece of the way. `torch.func.jvp` needs three times as
    long for a perceptron, since it multiplies by the derivatives of weights, too, which are 0; and it does not trace.
    """
    with torch.no_grad(), full_precision(y):  # small differences do not survive rounding
        piece = span.clamp(max=_PIECE)
        before = own.path.of_ratio((own.path.angle(t) - piece).tan())
        speed = own.mean(y, t, None, condition, kept)
        last = own.mean(y + spread(piece, y) * speed, before, span - piece, condition, kept)
        change = own.mean(y, t, span, condition, kept) - last
        return spread(span / piece, y) * change
