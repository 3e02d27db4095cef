"""The networks that choose splines."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F


class Network(nn.Module):
    """A perceptron with a shortcut around each inner layer but the first. Untrained, it returns zeros.

    It computes in the type of its inputs, whether its weights have that type or not.

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
            y = F.dropout(F.silu(_linear(layer, x)), self.dropout or 0.0, self.training)
            x = x + y if x.shape == y.shape else y
        return x

    def forward(self, x: Tensor) -> Tensor:
        return _linear(self.last, self.hidden(x))


def _linear(layer: nn.Module, x: Tensor) -> Tensor:
    """Apply a linear layer in the type of `x`."""
    assert isinstance(layer, nn.Linear)
    return F.linear(x, layer.weight.to(x.dtype), layer.bias.to(x.dtype))


def widened(z: Tensor, training: bool) -> Tensor:
    """Return numbers in the type that a flow computes in: float64, except in training and on Apple's GPUs.

    Forward and back, a network sees numbers that differ in their last digits. In float32 its own errors then differ,
    and later splines stretch the difference. In float64 nothing of this is left.
    """
    return z if training or z.device.type == "mps" else z.double()
