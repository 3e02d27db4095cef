"""Uniform noise over the cells of a grid, under which a density says how probable a point of the grid is.

For values `x` on a grid of step `q` and noise `u`, uniform over the cell `(-q/2, q/2)^D` about 0,
`log P(x) >= E log p(x + u) + D log q`, where `p` is the density.

The noise is no stream but a hash of a seed, the number of the row and the place in the event (SplitMix64 from a random
start for each row): the same in any batch, order or process, and known again without any state. It is computed where
the events are, in wrapping 64-bit integers, and has 23 bits, so that float32 holds the very same numbers as float64.

References:
    "Fast Splittable Pseudorandom Number Generators" (Steele, Lea and Flood, 2014);
    "A note on the evaluation of generative models" (Theis, van den Oord and Bethge, 2016).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from genzoo.models.base import Generator
from genzoo.models.measure import on_grid, places_of
from genzoo.runtime.device import widest
from genzoo.runtime.seeding import derive
from genzoo.spec import DataSpec

_GOLDEN = 0x9E3779B97F4A7C15 - 2**64


_FIRST = 0xBF58476D1CE4E5B9 - 2**64


_SECOND = 0x94D049BB133111EB - 2**64


_BITS = 23


def hashed(seed: int, index: Tensor, size: int) -> Tensor:
    """The first `size` numbers of the stream that each row has, 64 random bits each, `(N, size)` int64.

    Arguments:
        seed: of 63 bits.
        index: numbers of the rows, `(N,)` int64.
    """
    start = _mix(index * _GOLDEN + seed)
    places = torch.arange(1, size + 1, device=index.device) * _GOLDEN
    return _mix(start[:, None] + places)


def _mix(z: Tensor) -> Tensor:
    """The finaliser of SplitMix64."""
    for bits, factor in ((30, _FIRST), (27, _SECOND)):
        z = torch.mul(z ^ _shifted(z, bits), factor)
    return z ^ _shifted(z, 31)


def _shifted(z: Tensor, bits: int) -> Tensor:
    """`z` to the right, with zeros from the left."""
    return torch.bitwise_and(z >> bits, 2 ** (64 - bits) - 1)


@dataclass(frozen=True, slots=True)
class Dequantizer:
    """Spreads values over the cells of the grid they lie on; the cells are centred on the values.

    Arguments:
        data: what one event is; its quantum is the side of a cell.
        features: which of its features lie on the grid.
        seed: of the noise.
    """

    data: DataSpec
    features: tuple[bool, ...]
    seed: int
    _kept: dict[torch.device, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    @staticmethod
    def of(generator: Generator, data: DataSpec, seed: int) -> Dequantizer | None:
        """That of a generator that is a density where the data lie on a grid; `None` of all others."""
        features = on_grid(generator, data)
        return Dequantizer(data, features, seed) if any(features) else None

    def __call__(self, events: Tensor, index: Tensor, number: int = 0) -> Tensor:
        """Events in data units with noise, in the widest floating type of their device.

        Arguments:
            events: `(N, *event)`; NaN, where a value is missing, stays.
            index: numbers of their rows, `(N,)` int64.
            number: of the draw; each has noise of its own.
        """
        dtype = widest(events.device)
        bits = hashed(derive(self.seed, "dequantise", number), index, self.data.size)
        noise = (2 * _shifted(bits, 64 - _BITS) + 1).to(dtype) * 2.0 ** -(_BITS + 1) - 0.5
        return events.to(dtype) + noise.view(events.shape) * self._sides(events.device)

    def _sides(self, device: torch.device) -> Tensor:
        """Sides of the cells of an event in each of its places, 0 off the grid, `(*event)`; copied there once."""
        if device not in self._kept:
            assert self.data.quantum is not None
            sides = places_of(self.features, self.data).to(widest(device)) * self.data.quantum
            self._kept[device] = sides.to(device)
        return self._kept[device]
