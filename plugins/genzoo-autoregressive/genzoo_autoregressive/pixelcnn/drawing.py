"""Draw images pixel by pixel. Each pixel costs the same, because what both stacks know is kept."""

from __future__ import annotations

import torch
from torch import Tensor

from genzoo_autoregressive.pixelcnn.causal import CausalNetwork, gated, shifted


class Canvas:
    """Images that grow pixel by pixel, with what the network knows so far.

    Arguments:
        network: what is known about each pixel from the ones before it.
        n: number of images.
        inside: channels of a pixel as the network sees it.
        condition: what each image is given, `(n, given)`. `None` is nothing.
    """

    def __init__(self, network: CausalNetwork, n: int, inside: int, condition: Tensor | None) -> None:
        self._network = network
        height, width = network.sides
        self._margin = network.reach
        # Margins of zeros around the image are what convolutions see beyond its border.
        self._seen = network.place.new_zeros(n, inside, self._margin + height, width + 2 * self._margin)
        self._above = [network.place.new_zeros(n, len(network.place), 1, width) for _ in network.stack]
        self._shifts, self._places = network.shifts(condition), network.places(condition)
        self._row = self._column = 0
        self._start, self._links = self._begin_row()
        self._left = self._nothing()

    def _nothing(self) -> list[Tensor]:
        """Return what is known left of the first column of a row, `(n, D)` for each layer."""
        return [torch.zeros_like(row[:, :, 0, 0]) for row in self._above]

    def _begin_row(self) -> tuple[Tensor, list[Tensor]]:
        """Go down one row.

        Returns:
            What is known from the rows above, `(n, D, W)`, and what each layer adds to its pixels, `(n, 2 D, W)`.
        """
        network, row = self._network, self._row
        above = network.above.unpadded(self._seen[:, :, row : row + self._margin])
        start = above = above + self._places[:, :, row : row + 1]
        links = []
        for number, (layer, shifts) in enumerate(zip(network.stack, self._shifts, strict=True)):
            both = torch.cat([self._above[number], above], 2)
            self._above[number] = above
            above = gated(shifted(layer.down.below(both), shifts, 0))
            links.append(shifted(layer.link(above), shifts, 1)[:, :, 0])
        return start[:, :, 0], links

    def known(self) -> Tensor:
        """Return what is known about the next pixel, `(n, D)`."""
        network, column = self._network, self._column
        window = self._seen[:, :, self._margin + self._row, column : column + self._margin]
        left = self._start[:, :, column] + network.left.at(window)
        for number, layer in enumerate(network.stack):
            both = torch.stack([self._left[number], left], 2)
            self._left[number] = left
            left = left + layer.mix.at(gated(layer.along.at(both) + self._links[number][:, :, column]))
        return left

    def put(self, pixel: Tensor) -> None:
        """Set the next pixel to what the network sees of it, `(n, in)`, and go to the one after it."""
        self._seen[:, :, self._margin + self._row, self._margin + self._column] = pixel
        height, width = self._network.sides
        self._column += 1
        if self._column == width and self._row + 1 < height:
            self._column, self._row = 0, self._row + 1
            self._start, self._links = self._begin_row()
            self._left = self._nothing()
