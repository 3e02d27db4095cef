"""Networks over embeddings of the values that are given; in one form, a small network for each value."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

NEVER = -1e9
"""Logit of a code that a value cannot have."""


class Networks(nn.Module, ABC):
    """The logits of each of D values given some of the others.

    A value that is not given counts as an embedding of zeros. All values are computed at once, as products of matrices.

    Arguments:
        sizes: numbers of codes of each value, K at most.
        ordered: for each value, whether its codes are in an order; its embedding begins with one, too.
        embedding: E.
        dropout: share of inner activations dropped while training; `None` until it is chosen.

    Attributes:
        base: logits of codes without networks, `(D, K)`, such as logarithms of their shares of training rows.
    """

    rounds: ClassVar[bool] = False
    """Whether products may be computed in mixed precision while training."""

    base: Tensor
    offsets: Tensor

    def __init__(self, sizes: Sequence[int], ordered: Sequence[bool], embedding: int, dropout: float | None) -> None:
        super().__init__()
        self.sizes, self.dropout = tuple(sizes), dropout
        pairs = zip(sizes, ordered, strict=True)
        self.embeddings = nn.Parameter(torch.cat([_start(size, inorder, embedding) for size, inorder in pairs]))
        ends = torch.tensor(sizes).cumsum(0)
        self.register_buffer("offsets", ends - torch.tensor(sizes), persistent=False)
        self.register_buffer("base", torch.zeros(len(sizes), max(sizes)).masked_fill(_beyond(sizes), NEVER))

    def embedded(self, code: Tensor, known: Tensor | None = None) -> Tensor:
        """Return what networks see of codes `(N, D)`, `(N, D, E)`: zeros where `known (N, D)` is false."""
        if max(self.sizes) == min(self.sizes) == 2:  # the same, and its gradient takes a fraction of the time
            low, high = self.embeddings.view(len(self.sizes), 2, -1).unbind(1)
            found = torch.lerp(low, high, code.clamp_min(0)[..., None].to(low.dtype))
        else:
            found = F.embedding(code.clamp_min(0) + self.offsets, self.embeddings)
        return found if known is None else found * known[..., None]

    @abstractmethod
    def forward(self, seen: Tensor, before: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the logits of all values, `(D, N, K)`.

        Arguments:
            seen: embeddings, `(N, D, E)`.
            before: 1 if value i is given value j, 0 if not, `(D, D)`: j comes before i in some order.
            condition: what events are conditional on, `(N, C)`. Defaults to `None`: nothing.
        """

    def room(self, n: int) -> list[Tensor]:
        """Return where `of_value` keeps what later values of `n` events need; nothing by default."""
        return []

    @abstractmethod
    def of_value(self, place: int, seen: Tensor, condition: Tensor | None, room: Sequence[Tensor]) -> Tensor:
        """Return the logits of one value given all that is seen, `(N, K)`.

        Arguments:
            place: number of the value. Those before it were asked for before, with the same room.
            seen: embeddings, `(N, D, E)`: zeros for values that are not given.
            condition: as for `forward`.
            room: what `room` returned.
        """

    def dropped(self, hidden: Tensor) -> Tensor:
        """Drop activations while training."""
        return F.dropout(hidden, self.dropout or 0.0, self.training)


class OwnNetworks(Networks):
    """A network for each value, which shares nothing but embeddings with the others.

    Arguments:
        sizes, ordered, embedding, dropout: as for `Networks`.
        given: size of a condition, C.
        width, layers: H, and number of residual layers.
        known: about how many values a network is given, for the first weights; `None` for all before its own.

    References:
        "MADE: Masked Autoencoder for Distribution Estimation" (Germain, Gregor, Murray and Larochelle, 2015), for
        masks; "TabularARGN" (Tiwald et al., 2025), for a network for each column.
    """

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
        known: float | None,
    ) -> None:
        super().__init__(sizes, ordered, embedding, dropout)
        values, codes = len(sizes), max(sizes)
        count = torch.full((values,), known) if known is not None else torch.arange(values).float()
        scale = 1 / (embedding * count.clamp_min(1)).sqrt()
        self.first = nn.Parameter(torch.randn(values, width, values, embedding) * scale[:, None, None, None])
        self.first_bias = nn.Parameter(torch.zeros(values, width))
        self.condition = nn.Parameter(torch.randn(values, width, given) / math.sqrt(given)) if given else None
        self.inner = nn.Parameter(torch.randn(layers, values, width, width) * (0.5 / math.sqrt(width)))
        self.inner_bias = nn.Parameter(torch.zeros(layers, values, width))
        self.last = nn.Parameter(torch.zeros(values, width, codes))
        self.last_bias = nn.Parameter(torch.zeros(values, codes))

    def forward(self, seen: Tensor, before: Tensor, condition: Tensor | None = None) -> Tensor:
        values, width, *_ = self.first.shape
        weight = (self.first * before[:, None, :, None]).reshape(values * width, -1)
        hidden = F.linear(seen.flatten(1), weight, self.first_bias.flatten())
        if self.condition is not None and condition is not None:
            hidden = hidden + F.linear(condition, self.condition.flatten(0, 1))
        hidden = self.dropped(F.silu(hidden)).view(len(seen), values, width).transpose(0, 1)
        for inner, bias in zip(self.inner, self.inner_bias, strict=True):
            hidden = hidden + self.dropped(F.silu(torch.baddbmm(bias[:, None], hidden, inner)))
        return torch.baddbmm((self.last_bias + self.base)[:, None], hidden, self.last)

    def of_value(self, place: int, seen: Tensor, condition: Tensor | None, room: Sequence[Tensor]) -> Tensor:
        hidden = F.linear(seen.flatten(1), self.first[place].flatten(1), self.first_bias[place])
        if self.condition is not None and condition is not None:
            hidden = hidden + F.linear(condition, self.condition[place])
        hidden = F.silu(hidden)
        for inner, bias in zip(self.inner[:, place], self.inner_bias[:, place], strict=True):
            hidden = hidden + F.silu(torch.addmm(bias, hidden, inner))
        return torch.addmm(self.last_bias[place] + self.base[place], hidden, self.last[place])


def _start(size: int, ordered: bool, embedding: int) -> Tensor:
    """Return the first embeddings of the codes of a value, `(size, E)`."""
    if not ordered or size < 3:
        return 0.5 * torch.randn(size, embedding)
    found = 0.15 * torch.randn(size, embedding)
    found[:, 0] += 1.7 * torch.linspace(-1, 1, size)
    return found


def _beyond(sizes: Sequence[int]) -> Tensor:
    """Return which codes no value has, `(D, K)`."""
    return torch.arange(max(sizes)) >= torch.tensor(sizes)[:, None]
