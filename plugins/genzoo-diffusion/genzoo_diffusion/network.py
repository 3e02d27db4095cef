"""What both networks know beside an event, the time and a condition, and the network of vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_FREQUENCIES, _SPANS = 16, 8
_LEAST_NOISE, _LEAST_EVENT = 1e-3, 0.02
"""Smallest factors of noise and of an event that look different from 0 to a network. Less of an event, no one sees."""


_WAVES = tuple(math.pi / 4 * 2**octave for octave in range(3))
"""How fast the waves turn, in radians for each standard deviation of the values."""


class Context(nn.Module):
    """Describes the time and the condition of each event by a vector.

    Arguments:
        width: length of the vector.
        given: size of a condition, 0 for none.

    Attributes:
        span: weights of how far a step goes. They are 0 until the objective `mean-flow` trains them.

    Shape:
        factors `a (N,)` and `s (N,)`, `condition (N, given)`, `span (N,)` to `(N, width)`.
    """

    frequencies: Tensor
    spans: Tensor

    def __init__(self, width: int, given: int) -> None:
        super().__init__()
        frequencies = math.pi * 2.0 ** torch.linspace(-2.0, 3.0, _FREQUENCIES)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.register_buffer("spans", 1.0 + torch.arange(_SPANS), persistent=False)
        self.first = nn.Linear(2 * _FREQUENCIES, width)
        self.second = nn.Linear(width, width)
        self.condition = nn.Linear(given, width) if given else None
        self.hidden = nn.Parameter(torch.zeros(width)) if given else None
        self.span = nn.Parameter(torch.zeros(2 * _SPANS, width))

    def forward(
        self, a: Tensor, s: Tensor, condition: Tensor | None, kept: Tensor | None, span: Tensor | None = None
    ) -> Tensor:
        """Return the vectors.

        Arguments:
            a, s: factors of the event and of the noise.
            condition: what events are given; `None` if the model has no condition, or hides all.
            kept: which conditions are seen, `(N,)` bool. `None` means all.
            span: angles of steps. Defaults to `None`: 0, the velocity itself.
        """
        level = 0.25 * ((s + _LEAST_NOISE) / (a + _LEAST_EVENT)).log()
        angle = level[:, None] * self.frequencies
        seen: Tensor = self.first(torch.cat([angle.sin(), angle.cos()], 1))
        if self.condition is not None and self.hidden is not None:
            meant = self.hidden.expand_as(seen)
            if condition is not None:
                known = self.condition(condition.to(seen.dtype))
                meant = known if kept is None else torch.where(kept[:, None], known, meant)
            seen = seen + meant
        # All features of 0 are 0, and so are the gradients of their weights.
        turn = (torch.zeros_like(a) if span is None else span)[:, None] * self.spans
        seen = seen + torch.cat([turn.sin(), 1 - turn.cos()], 1) @ self.span
        described: Tensor = self.second(F.silu(seen))
        return F.silu(described)


class Perceptron(nn.Module):
    """A residual network for vectors; images are flattened.

    Arguments:
        size: number of values of an event.
        width, layers: width and number of inner layers.
        given: size of a condition, 0 for none.
        dropout: share of inner activations dropped while training.
        waved: places of the values that the network also sees as waves. Narrow peaks of a density are hard to learn
            from the values alone.

    Shape:
        `x (N, *shape)`, to the same shape.

    References:
        "On Embeddings for Numerical Features in Tabular Deep Learning" (Gorishniy, Rubachev and Babenko, 2022).
    """

    def __init__(
        self, size: int, width: int, layers: int, given: int, dropout: float, waved: Sequence[int] = ()
    ) -> None:
        super().__init__()
        self._waved = list(waved)
        self.context = Context(width, given)
        self.first = nn.Linear(size + 2 * len(_WAVES) * len(self._waved), width)
        self.layers = nn.ModuleList(_Layer(width, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, size)
        nn.init.zeros_(self.last.bias)

    def forward(
        self,
        x: Tensor,
        a: Tensor,
        s: Tensor,
        condition: Tensor | None = None,
        kept: Tensor | None = None,
        span: Tensor | None = None,
    ) -> Tensor:
        context = self.context(a, s, condition, kept, span)
        y = self.first(self._seen(x.flatten(1)))
        for layer in self.layers:
            y = layer(y, context)
        found: Tensor = self.last(F.silu(self.norm(y)))
        return found.view(x.shape)

    def _seen(self, x: Tensor) -> Tensor:
        """Return values `(N, D)`, and sines and cosines of some."""
        if not self._waved:
            return x
        angles = torch.cat([number * x[:, self._waved] for number in _WAVES], 1)
        return torch.cat([x, angles.sin(), angles.cos()], 1)


class _Layer(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.modulation = nn.Linear(width, 2 * width)
        self.linear = nn.Linear(width, width)
        self.dropout = dropout

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        scale, shift = self.modulation(context).chunk(2, 1)
        y = F.silu(self.norm(x) * (1 + scale) + shift)
        found: Tensor = x + self.linear(F.dropout(y, self.dropout, self.training))
        return found
