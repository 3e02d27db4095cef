"""One network for all values, with hidden units that later values share: for many values in a fixed order."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genzoo_autoregressive.made.network import Networks

_MOST_FEATURES = 8
"""Largest number of features by which the network chooses among the codes of a value."""


class SharedNetwork(Networks):
    """One masked network. Each value brings hidden units, which see the values before it, and which its own features
    and the features of all later values see.

    A product of matrices reaches all units. The work for D values grows with D², and not with D² for each of their
    own units, as in networks that share nothing.

    Arguments:
        sizes, ordered, given, layers, embedding, dropout: as for `OwnNetworks`.
        width: hidden units that each value brings, H.

    References:
        "MADE: Masked Autoencoder for Distribution Estimation" (Germain, Gregor, Murray and Larochelle, 2015).
    """

    rounds = True

    def __init__(
        self,
        sizes: Sequence[int],
        ordered: Sequence[bool],
        given: int,
        *,
        width: int,
        layers: int,
        embedding: int,
        dropout: float | None,
    ) -> None:
        super().__init__(sizes, ordered, embedding, dropout)
        values, codes = len(sizes), max(sizes)
        features, units = min(codes - 1, _MOST_FEATURES), values * width
        self._width, self._features, self._embedding = width, features, embedding
        count = (torch.arange(values).clamp_min(1) * embedding).repeat_interleave(width)
        self.first = nn.Parameter(torch.randn(units, values * embedding) * (2 / count[:, None]).sqrt())
        self.first_bias = nn.Parameter(torch.zeros(units))
        self.condition = nn.Parameter(torch.randn(units, given) / math.sqrt(given)) if given else None
        seen = torch.arange(1, values + 1).repeat_interleave(width) * width
        self.inner = nn.ParameterList(
            nn.Parameter(torch.randn(units, units) * (0.5 / seen.sqrt()[:, None])) for _ in range(layers)
        )
        self.inner_bias = nn.Parameter(torch.zeros(layers, units))
        self.direct = nn.Parameter(torch.zeros(values * features, values * embedding))
        self.last = nn.Parameter(torch.zeros(values * features, units))
        self.last_bias = nn.Parameter(torch.zeros(values, codes))
        waves = torch.arange(1, features + 1)[:, None] * torch.linspace(0, math.pi, codes)
        self.mix = nn.Parameter(waves.cos().repeat(values, 1, 1))  # neighboring codes look alike at the start

    def forward(self, seen: Tensor, before: Tensor, condition: Tensor | None = None) -> Tensor:
        inputs, features = seen.flatten(1), self._features
        up_to = 1 - before.mT
        hidden = F.linear(inputs, _masked(self.first, before), self.first_bias)
        if self.condition is not None and condition is not None:
            hidden = hidden + F.linear(condition, self.condition)
        hidden = self.dropped(F.silu(hidden))
        for inner, bias in zip(self.inner, self.inner_bias, strict=True):
            hidden = hidden + self.dropped(F.silu(F.linear(hidden, _masked(inner, up_to), bias)))
        found = F.linear(hidden, _masked(self.last, up_to)) + F.linear(inputs, _masked(self.direct, before))
        found = found.view(len(seen), -1, features).transpose(0, 1).to(self.base.dtype)
        return torch.baddbmm((self.last_bias + self.base)[:, None], found, self.mix)

    def room(self, n: int) -> list[Tensor]:
        return [self.first.new_zeros(n, len(self.first)) for _ in range(1 + len(self.inner))]

    def of_value(self, place: int, seen: Tensor, condition: Tensor | None, room: Sequence[Tensor]) -> Tensor:
        inputs, width, features = seen[:, :place].flatten(1), self._width, self._features
        own, outputs = slice(place * width, (place + 1) * width), slice(place * features, (place + 1) * features)
        hidden = F.linear(inputs, self.first[own, : inputs.shape[1]], self.first_bias[own])
        if self.condition is not None and condition is not None:
            hidden = hidden + F.linear(condition, self.condition[own])
        room[0][:, own] = F.silu(hidden)
        for number, (inner, bias) in enumerate(zip(self.inner, self.inner_bias, strict=True)):
            known = room[number][:, : own.stop]
            added = F.silu(F.linear(known, inner[own, : own.stop], bias[own]))
            room[number + 1][:, own] = known[:, own] + added
        found = F.linear(room[-1][:, : own.stop], self.last[outputs, : own.stop])
        found = found + F.linear(inputs, self.direct[outputs, : inputs.shape[1]])
        return torch.addmm(self.last_bias[place] + self.base[place], found, self.mix[place])


def _masked(weight: Tensor, mask: Tensor) -> Tensor:
    """Return a matrix of weights with zeros between a value and the values that it does not see.

    Arguments:
        weight: `(D * units, D * units of what is seen)`.
        mask: 1 if value i sees value j, 0 if not, `(D, D)`.
    """
    values = len(mask)
    return (weight.view(values, len(weight) // values, values, -1) * mask[:, None, :, None]).view(weight.shape)
