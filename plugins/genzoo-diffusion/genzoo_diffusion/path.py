"""Paths from events to noise, `x_t = a(t) x + s(t) e` for standard normal noise e, and the velocity of their samples.

    flow    a = 1 - t, s = t        from t = 0, an event, to t = 1, noise
    edm     a = 1,     s = t        from t = 0, an event, to t = 80, an event that noise hides

Events have variance 1 in model space. So `x_t` has the variance `V = a^2 + s^2`, and an event and its noise are

    x = a x_t / V + s F / sqrt(V),    e = s x_t / V - a F / sqrt(V),    with F = (s x - a e) / sqrt(V).

The network predicts F, which has variance 1 at all times and no part that the scale of `x_t` predicts. The paths differ
only in the times at which they are seen. The velocity `dx_t/dt = a' x + s' e` moves noise to events without randomness.

References:
    "Flow Matching for Generative Modeling" (Lipman et al., 2023);
    "Elucidating the Design Space of Diffusion-Based Generative Models" (Karras et al., 2022);
    "Scaling Rectified Flow Transformers for High-Resolution Image Synthesis" (Esser et al., 2024), for times.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

_NOISIEST, _CLEANEST, _BEND = 80.0, 0.002, 7.0
"""Largest deviation of noise of `edm`, the smallest one that samplers see, and how much more steps they have near
events (Karras et al.)."""

_END = 1e-4
"""The share of a uniform distribution that is cut off at each of its ends, so that quantiles are finite."""


class Path(ABC):
    """A path. Times are tensors, and results have their shape."""

    @abstractmethod
    def place(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return the factors `a` of the event and `s` of the noise."""

    @abstractmethod
    def speed(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Return the derivatives of both factors in t."""

    @abstractmethod
    def of_ratio(self, ratio: Tensor) -> Tensor:
        """Return the times at which noise over event, `s / a`, has these values, or the noisiest time for larger ones.

        There is no smallest one: a bound for events on a fine grid needs little noise.
        """

    @abstractmethod
    def even(self, share: Tensor) -> Tensor:
        """Return times spread evenly over the path, for shares between 0 and 1."""

    @abstractmethod
    def grid(self, steps: int, like: Tensor) -> Tensor:
        """Return the times of a sampler, from noise to an event, `(steps + 1,)`."""

    def angle(self, t: Tensor) -> Tensor:
        """Return the angle whose tangent is `s / a`, from 0 at an event to a quarter turn at noise."""
        a, s = self.place(t)
        return torch.atan2(s, a)

    def turn(self, t: Tensor) -> Tensor:
        """Return the derivative of `angle` in t."""
        (a, s), (da, ds) = self.place(t), self.speed(t)
        return (a * ds - s * da) / (a.square() + s.square())

    def clarity(self, t: Tensor) -> Tensor:
        """Return `log(1 + a^2 / s^2)`, from 0 at pure noise. As it grows by a nat, noise costs a bound half a nat."""
        a, s = self.place(t)
        return torch.log1p((a / s).square())

    def clear_grid(self, steps: int, finest: Tensor) -> Tensor:
        """Return times from noise to this ratio of noise over event, `()`, with even steps in clarity, `(steps + 1,)`.

        Random steps that are small in clarity lose little, at all times.
        """
        start = self.grid(1, finest)[:1]
        low, high = self.clarity(start), torch.log1p(finest**-2)
        share = torch.arange(1, steps + 1, dtype=finest.dtype, device=finest.device) / steps
        return torch.cat([start, self.of_ratio(torch.expm1(low + (high - low) * share).rsqrt())])

    def logit_normal(self, share: Tensor, location: float, spread: float) -> Tensor:
        """Return quantiles of times whose `log(s / a)` is normal, for shares between 0 and 1."""
        inside = _END + (1 - 2 * _END) * share
        return self.of_ratio((location + spread * torch.special.ndtri(inside)).exp())


class FlowPath(Path):
    """A straight line."""

    def place(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return 1 - t, t

    def speed(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return -torch.ones_like(t), torch.ones_like(t)

    def of_ratio(self, ratio: Tensor) -> Tensor:
        return ratio / (1 + ratio)

    def even(self, share: Tensor) -> Tensor:
        return share

    def grid(self, steps: int, like: Tensor) -> Tensor:
        return torch.linspace(1.0, 0.0, steps + 1, dtype=like.dtype, device=like.device)


class EDMPath(Path):
    """An event with more and more noise; evenly means that the logarithm of the noise is uniform."""

    def place(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return torch.ones_like(t), t

    def speed(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(t), torch.ones_like(t)

    def of_ratio(self, ratio: Tensor) -> Tensor:
        return ratio.clamp(max=_NOISIEST)

    def even(self, share: Tensor) -> Tensor:
        return _CLEANEST * (_NOISIEST / _CLEANEST) ** share

    def grid(self, steps: int, like: Tensor) -> Tensor:
        share = torch.linspace(0.0, 1.0, steps, dtype=like.dtype, device=like.device)
        high, low = _NOISIEST ** (1 / _BEND), _CLEANEST ** (1 / _BEND)
        return torch.cat([(high + share * (low - high)) ** _BEND, share.new_zeros(1)])


PATHS: dict[str, type[Path]] = {"flow": FlowPath, "edm": EDMPath}
