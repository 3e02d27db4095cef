"""The networks that choose splines."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F


class Network(nn.Module):
    """A perceptron with a shortcut around each inner layer but the first. Untrained, it returns zeros.

    Arguments:
        inputs, outputs: numbers of inputs and outputs.
        widths: widths of the inner layers.
        dropout: share of inner activations dropped while training; `None` until it is chosen.

    Shape:
        `x (..., inputs)` to `(..., outputs)`.
    """

    def __init__(self, inputs: int, outputs: int, widths: Sequence[int], dropout: float | None) -> None:
        super().__init__()
        sizes = [inputs, *widths]
        self.inner = nn.ModuleList(nn.Linear(*pair) for pair in zip(sizes, widths, strict=False))
        self.last = nn.Linear(sizes[-1], outputs)
        self.dropout = dropout
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def hidden(self, x: Tensor) -> Tensor:
        """Return what the last layer sees of `x (..., inputs)`."""
        for layer in self.inner:
            y = F.dropout(F.silu(layer(x)), self.dropout or 0.0, self.training)
            x = x + y if x.shape == y.shape else y
        return x

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.last(self.hidden(x))
        return found
