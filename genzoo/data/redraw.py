"""Draw black and white images from gray ones: each pixel is white with its brightness as probability.

The draws are hashes of a seed, a row number and the position in the image, as the noise of `dequantize` is. So they are
the same in any batch, order, process and after a resume.

References:
    "On the Quantitative Analysis of Deep Belief Networks" (Salakhutdinov and Murray, 2008);
    "Importance Weighted Autoencoders" (Burda, Grosse and Salakhutdinov, 2016), for new draws in each epoch.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genzoo.data.dataset import BLOCK, Dataset
from genzoo.data.dequantize import hashed
from genzoo.data.images import binary_spec, range_of
from genzoo.runtime.seeding import derive

_BITS = 32
"""Random bits of a draw. A brightness of one in 2^32 is the smallest that is not black."""

_OF_DATA = 0
"""Seed of the draws that all runs share: of the images that are held out, scored and compared."""


@dataclass(frozen=True, slots=True)
class Redraw:
    """Draws images of 0 and 1, the same for a row whenever it is drawn with the same number.

    Arguments:
        seed: seed of the draws.
        low, high: brightness of black and of white.
    """

    seed: int
    low: float
    high: float

    @staticmethod
    def of(dataset: Dataset, seed: int) -> Redraw | None:
        """Return what draws the training images of a dataset; `None` if they are not drawn."""
        return None if dataset.gray_range is None else Redraw(seed, *map(float, dataset.gray_range))

    def __call__(self, events: Tensor, index: Tensor, number: int) -> Tensor:
        """Return images of 0 and 1, `(N, C, H, W)` uint8.

        Arguments:
            events: gray images `(N, C, H, W)`.
            index: row numbers, `(N,)` int64.
            number: number of the draw, such as the epoch.
        """
        bits = hashed(derive(self.seed, "redraw", number), index, events[:1].numel()) & (2**_BITS - 1)
        # float64 holds these bits, and a brightness of 8 bits times 2^32, to far less than one.
        white = (events.flatten(1).double() - self.low) * (2.0**_BITS / (self.high - self.low))
        drawn: Tensor = bits < white
        return drawn.to(torch.uint8).view(events.shape)


def redraw(dataset: Dataset) -> Dataset:
    """Return images of 0 and 1 that are drawn once, and keep the gray ones, from which training draws anew.

    The range is the spec's bounds, or the smallest and largest value if it has none. Binary images are returned
    unchanged.
    """
    spec = dataset.spec
    if spec.features[0].kind == "binary":
        return dataset
    draw = Redraw(_OF_DATA, *(spec.bounds or range_of(dataset)))
    events = np.empty(dataset.events.shape, np.uint8)
    for start in range(0, len(dataset), BLOCK):
        block = torch.from_numpy(np.array(dataset.events[start : start + BLOCK]))
        events[start : start + BLOCK] = draw(block, torch.arange(start, start + len(block)), 0).numpy()
    gray = dataset.events
    known = dataclasses.replace(dataset, spec=binary_spec(events), events=events, range_from="declared")
    note = "each pixel was drawn by its brightness; training draws others in each epoch"
    bounds = np.array([draw.low, draw.high])
    return dataclasses.replace(known, gray=gray, gray_range=bounds, notes=(*dataset.notes, note))
