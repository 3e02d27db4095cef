"""The network of `pixelcnn`: each pixel sees the rows above it, and the pixels to its left in its own row.

Two stacks of convolutions keep every pixel that comes before in sight. One goes down the rows, and sees whole rows
above; the other goes along a row, and gets at each layer what the first one found.

References:
    "Conditional Image Generation with PixelCNN Decoders" (van den Oord et al., 2016).
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Kernel = tuple[int, int]


class CausalConvolution(nn.Module):
    """A convolution over `rows` rows that end at a pixel's own, and over columns that end there, or surround it.

    Its weight is a matrix `(out, in * rows * columns)`, as Muon wants it.

    Arguments:
        inside, outside: number of channels.
        kernel: rows and columns.
        centered: whether columns surround the pixel rather than end at it.
    """

    def __init__(self, inside: int, outside: int, kernel: Kernel, *, centered: bool = False) -> None:
        super().__init__()
        rows, columns = kernel
        size = inside * rows * columns
        self.weight = nn.Parameter(torch.empty(outside, size).uniform_(-1, 1) / math.sqrt(size))
        self.bias = nn.Parameter(torch.zeros(outside))
        self._shape = (outside, inside, rows, columns)
        side = columns // 2 if centered else columns - 1
        self._padding = (side, side if centered else 0, rows - 1, 0)

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of `x (N, in, H, W)`, `(N, out, H, W)`."""
        return self.unpadded(F.pad(x, self._padding))

    def below(self, rows: Tensor) -> Tensor:
        """Return the last row of a convolution given the rows it sees, `(N, in, rows, W)`, `(N, out, 1, W)`."""
        return self.unpadded(F.pad(rows, (*self._padding[:2], 0, 0)))

    def at(self, window: Tensor) -> Tensor:
        """Return one pixel of a convolution of one row given the pixels it sees, `(N, in, columns)`, `(N, out)`."""
        return F.linear(window.flatten(1), self.weight, self.bias)

    def unpadded(self, x: Tensor) -> Tensor:
        """Return the pixels for which the whole kernel lies on `x (N, in, H, W)`."""
        return F.conv2d(x, self.weight.view(self._shape), self.bias)


def gated(x: Tensor) -> Tensor:
    """Return the first half of the channels, as signals, times the second half, as gates."""
    signal, gate = x.chunk(2, 1)
    return signal.tanh() * gate.sigmoid()


class GatedLayer(nn.Module):
    """A layer of both stacks.

    Arguments:
        width: channels, D.
        dropout: share of the layer's channels that are dropped while training.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.down = CausalConvolution(width, 2 * width, (2, 3), centered=True)
        self.along = CausalConvolution(width, 2 * width, (1, 2))
        self.link = CausalConvolution(width, 2 * width, (1, 1))
        self.mix = CausalConvolution(width, width, (1, 1))
        nn.init.zeros_(self.mix.weight)
        self._dropout = dropout

    def forward(self, above: Tensor, left: Tensor, shifts: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        """Return what both stacks know after the layer, `(N, D, H, W)` each.

        Arguments:
            above, left: what they know of the rows above and of the pixels to the left, `(N, D, H, W)` each.
            shifts: what the condition adds to both before the gates, `(N, 2 D, 1, 1)` each. `None` is nothing.
        """
        above = self._dropped(gated(shifted(self.down(above), shifts, 0)))
        added = self._dropped(gated(shifted(self.along(left) + self.link(above), shifts, 1)))
        return above, left + self.mix(added)

    def _dropped(self, x: Tensor) -> Tensor:
        # Whole channels, because a number for each value takes longer to draw than a layer to compute.
        return F.dropout2d(x, self._dropout, self.training) if self._dropout else x


def shifted(x: Tensor, shifts: tuple[Tensor, Tensor] | None, number: int) -> Tensor:
    """Return numbers with what the condition adds to them, if there is one."""
    return x if shifts is None else x + shifts[number]


class CausalNetwork(nn.Module):
    """What is known about each pixel from the pixels before it.

    Arguments:
        inside: channels of a pixel as the network sees it.
        sides: height and width of an image.
        width, layers, first, dropout: as the options of these names.
        given: size of a condition, 0 for none.

    Shape:
        `x (N, in, H, W)`, to `(N, width, H, W)`.
    """

    def __init__(
        self, inside: int, sides: Kernel, given: int, *, width: int, layers: int, first: int, dropout: float
    ) -> None:
        super().__init__()
        self.reach, self.sides = first, sides
        self.above = CausalConvolution(inside, width, (first, 2 * first + 1), centered=True)
        self.left = CausalConvolution(inside, width, (1, first))
        self.place = nn.Parameter(torch.zeros(width, *sides))
        self.layers = nn.ModuleList(GatedLayer(width, dropout) for _ in range(layers))
        self.condition = nn.Linear(given, 4 * width * layers, bias=False) if given else None
        # Without them, what a condition adds is the same at each place, and where its shapes are takes long to learn.
        self.views = nn.Parameter(torch.randn(width, *sides)) if given else None
        self.shares = nn.Linear(given, width, bias=False) if given else None
        if self.shares is not None:
            nn.init.zeros_(self.shares.weight)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        height, width = self.sides
        above = self.above(F.pad(x, (0, 0, 1, 0))[:, :, :height])
        above = above + self.places(condition).to(above.dtype)
        left = above + self.left(F.pad(x, (1, 0))[..., :width])
        for layer, shifts in zip(self.stack, self.shifts(condition), strict=True):
            above, left = layer(above, left, shifts)
        known: Tensor = left
        return known

    def places(self, condition: Tensor | None) -> Tensor:
        """Return what is known of each place from the start, `(N, D, H, W)`; `(1, D, H, W)` without conditions."""
        if self.views is None or self.shares is None or condition is None:
            return self.place[None]
        shares: Tensor = self.shares(condition.to(self.place.dtype))
        return self.place + shares[:, :, None, None] * self.views

    @property
    def stack(self) -> list[GatedLayer]:
        """The gated layers."""
        return cast("list[GatedLayer]", list(self.layers))

    def shifts(self, condition: Tensor | None) -> list[tuple[Tensor, Tensor] | None]:
        """Return for each layer what conditions `(N, given)` add to both stacks."""
        if self.condition is None or condition is None:
            return [None] * len(self.stack)
        found = self.condition(condition.to(self.condition.weight.dtype))[:, :, None, None].chunk(
            2 * len(self.stack), 1
        )
        return list(zip(found[::2], found[1::2], strict=True))
