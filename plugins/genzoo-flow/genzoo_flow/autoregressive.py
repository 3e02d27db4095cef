"""A density made of conditionals: one network predicts any column from any others.

The network sees the known columns, and which ones these are. The density of an event is a product: each column given
the columns before it. Because training draws the known columns at random, the network also predicts columns given
others than those before them. That fills in missing values and follows given columns, with weights that correct most
of the difference between orders.

References:
    "A Deep and Tractable Density Estimator" (Uria, Murray and Larochelle, 2014), for random orders;
    "Neural Spline Flows" (Durkan et al., 2019), for splines.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from genzoo_flow.coupling import LOG_NORMALIZER
from genzoo_flow.network import Network, widened
from genzoo_flow.options import FlowOptions
from genzoo_flow.spline import Splines, forward, inverse, spline_size, splines_of

_NUMBERS = 2**22
"""Largest number of inputs of the network at once."""

_WIDEST = 4.0
"""Largest logarithm of a factor on the scale of a column."""


class Conditionals(nn.Module):
    """Each column given any others: a normal distribution, moved through a spline and scaled.

    Except in training, all is computed in float64, so that samples return to their noise.

    Arguments:
        size: number of columns, D.
        given: size of a condition.
        config: options of the model.
    """

    def __init__(self, size: int, given: int, config: FlowOptions) -> None:
        super().__init__()
        self._size, self._bins = size, config.bins
        self._numbers = spline_size(config.bins) + 2
        self.network = Network(2 * size + given, size * self._numbers, config.widths, config.dropout)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map events `z (N, D)` to noise; return it with the log-determinants, `(N,)`.

        Both have the type of the computation, because `sample` would stretch what rounding takes from noise.
        """
        noise, logs = self._given_before(z, torch.ones_like(z, dtype=torch.bool), condition)
        return noise, logs.sum(1)

    def log_prob(self, z: Tensor, condition: Tensor | None = None, missing: Tensor | None = None) -> Tensor:
        """Return the log-density of the known values of `z (N, D)`, each given the known ones before it, `(N,)`."""
        known = torch.ones_like(z, dtype=torch.bool) if missing is None else ~missing
        noise, logs = self._given_before(z, known, condition)
        return (_log_density(noise, logs) * known).sum(1).to(z.dtype)

    def estimate(self, z: Tensor, condition: Tensor | None = None, missing: Tensor | None = None) -> Tensor:
        """Return the log-density of the known values of `z (N, D)` in random orders, from a random part of it, `(N,)`.

        Of d known columns, t are drawn to be given. The log-densities of the d - t others stand for all d terms.
        """
        known = torch.ones_like(z, dtype=torch.bool) if missing is None else ~missing
        rank = torch.rand_like(z).masked_fill(~known, 2.0).argsort(1).argsort(1)
        count = known.sum(1, keepdim=True)
        shown = (torch.rand_like(z[:, :1]) * count).floor()
        seen = known & (rank < shown)
        raw = self.network(self._inputs(z, seen, condition)).unflatten(1, (self._size, self._numbers))
        logs = _log_density(*_noise(z, raw, self._bins)) * (known & ~seen)
        return logs.sum(1) * (count / (count - shown).clamp_min(1)).squeeze(1)

    def fill(self, z: Tensor, known: Tensor, condition: Tensor | None, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Draw the values of `z (N, D)` that are not known, one column after the other given all before.

        Arguments:
            known: which values are known, `(N, D)`.
            noise: standard normal, `(N, D)`.

        Returns:
            The events, `(N, D)`, and the log-densities of their drawn values, `(N,)`.
        """
        own, z, noise = z.dtype, widened(z, self.training), widened(noise, self.training)
        total = z.new_zeros(len(z))
        for place in range(self._size):
            column = torch.tensor([place], device=z.device)
            raw = self._raw(z[:, None], known[:, None], condition, column)
            middle, scale, splines = _parts(raw, self._bins)
            drawn = inverse(noise[:, column], splines) * scale.exp() + middle
            logs = _log_density(*_noise(drawn, raw, self._bins)).squeeze(1)
            new = ~known[:, place]
            total = total + torch.where(new, logs, 0.0)
            here = torch.arange(self._size, device=z.device) == place
            z = torch.where(here & new[:, None], drawn, z)
            known = known | here
        return z.to(own), total.to(own)

    def sample(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the events of standard normal `noise (N, D)`, in the type of the noise."""
        return self.fill(torch.zeros_like(noise), torch.zeros_like(noise, dtype=torch.bool), condition, noise)[0]

    def _given_before(self, z: Tensor, known: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the noise of columns `z (N, D)`, each given the known ones before, and log-slopes, `(N, D)`."""
        z = widened(z, self.training)
        found, some = [], max(1, _NUMBERS // max(1, 2 * z.numel()))
        for start in range(0, self._size, some):
            places = torch.arange(start, min(start + some, self._size), device=z.device)
            before = torch.arange(self._size, device=z.device) < places[:, None]  # (P, D)
            raw = self._raw(z[:, None], before & known[:, None], condition, places)
            found.append(_noise(z[:, places], raw, self._bins))
        noise, logs = zip(*found, strict=True)
        return torch.cat(noise, 1), torch.cat(logs, 1)

    def _inputs(self, z: Tensor, seen: Tensor, condition: Tensor | None) -> Tensor:
        """Return what the network sees of `z (..., D)`."""
        parts = [torch.where(seen, z, 0.0), seen.to(z.dtype)]
        return torch.cat(parts if condition is None else [*parts, condition.to(z.dtype)], -1)

    def _raw(self, z: Tensor, seen: Tensor, condition: Tensor | None, places: Tensor) -> Tensor:
        """Return the numbers of the conditionals of columns `places (P,)`, `(N, P, numbers)`.

        Arguments:
            z: events, `(N, 1, D)`.
            seen: which values each of the columns is given, `(N, P, D)`.
        """
        given = None if condition is None else condition[:, None].expand(-1, seen.shape[1], -1)
        hidden = self.network.hidden(self._inputs(z, seen, given))  # (N, P, H)
        weight = self.network.last.weight.view(self._size, self._numbers, -1)[places]  # (P, numbers, H)
        bias = self.network.last.bias.view(self._size, self._numbers)[places]
        return torch.einsum("nph,pkh->npk", hidden, weight.to(hidden.dtype)) + bias.to(hidden.dtype)


def _parts(raw: Tensor, bins: int) -> tuple[Tensor, Tensor, Splines]:
    """Return center, logarithm of the scale, and splines of conditionals with numbers `raw (..., 3 K + 1)`."""
    return raw[..., 0], _WIDEST * torch.tanh(raw[..., 1] / _WIDEST), splines_of(raw[..., 2:], bins)


def _noise(z: Tensor, raw: Tensor, bins: int) -> tuple[Tensor, Tensor]:
    """Return the noise that conditionals with numbers `raw (..., 3 K + 1)` make `z (...)` of, and its log-slopes."""
    middle, scale, splines = _parts(raw, bins)
    noise, logs = forward((z - middle) * (-scale).exp(), splines)
    return noise, logs - scale


def _log_density(noise: Tensor, logs: Tensor) -> Tensor:
    """Return the log-densities of numbers by their noise and log-slopes, `(...)` each."""
    return logs - 0.5 * noise.square() - LOG_NORMALIZER
