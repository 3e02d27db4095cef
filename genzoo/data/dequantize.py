"""Uniform dequantization: noise over the cells of a grid, so that a density can model values on the grid.

For values `x` on a grid of step `q` and noise `u`, uniform over the cell `(-q/2, q/2)^D` about 0,
`log P(x) >= E log p(x + u) + D log q`, where `p` is the density.

The noise is a hash of a seed, the row number and the position in the event (SplitMix64 with a random start for each
row), not a stream. It is the same in any batch, order or process, and needs no stored state. It is computed on the
device of the events, in wrapping 64-bit integers. It has 23 bits, so float32 and float64 hold the same numbers.

References:
    "Fast Splittable Pseudorandom Number Generators" (Steele, Lea and Flood, 2014);
    "A note on the evaluation of generative models" (Theis, van den Oord and Bethge, 2016).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from genzoo.models.base import Generator
from genzoo.models.measure import cell_sides, on_grid
from genzoo.runtime.device import widest
from genzoo.runtime.seeding import derive
from genzoo.spec.events import DataSpec

_GOLDEN = 0x9E3779B97F4A7C15 - 2**64


_FIRST = 0xBF58476D1CE4E5B9 - 2**64


_SECOND = 0x94D049BB133111EB - 2**64


_BITS = 23


def hashed(seed: int, index: Tensor, size: int) -> Tensor:
    """Return `size` numbers of 64 random bits for each row, `(N, size)` int64.

    Arguments:
        seed: seed of 63 bits.
        index: row numbers, `(N,)` int64.
    """
    start = _mix(index * _GOLDEN + seed)
    places = torch.arange(1, size + 1, device=index.device) * _GOLDEN
    return _mix(start[:, None] + places)


def _mix(z: Tensor) -> Tensor:
    """Return the last mixing step of SplitMix64."""
    for bits, factor in ((30, _FIRST), (27, _SECOND)):
        z = torch.mul(z ^ _shifted(z, bits), factor)
    return z ^ _shifted(z, 31)


def _shifted(z: Tensor, bits: int) -> Tensor:
    """Shift `z` to the right and fill with zeros; `>>` of int64 alone would copy the sign bit."""
    return torch.bitwise_and(z >> bits, 2 ** (64 - bits) - 1)


@dataclass(frozen=True, slots=True)
class Dequantizer:
    """Noise that spreads values over the cells of their grid; each cell is centered on its value.

    Arguments:
        data: spec of one event, with the sides of its cells.
        features: for each feature, whether its values lie on the grid.
        seed: seed of the noise.
    """

    data: DataSpec
    features: tuple[bool, ...]
    seed: int
    _kept: dict[torch.device, Tensor] = field(default_factory=dict, init=False, repr=False, compare=False)

    @staticmethod
    def of(generator: Generator, seen: DataSpec, seed: int, data: DataSpec | None = None) -> Dequantizer | None:
        """Return the dequantizer if the generator models data on a grid by a density; `None` otherwise.

        Arguments:
            seen: describes events as the generator sees them: sounds as images, which lie on no grid.
            seed: seed of the noise.
            data: describes events in data units. Defaults to `seen`.
        """
        features = on_grid(generator, seen)
        return Dequantizer(data or seen, features, seed) if any(features) else None

    def __call__(self, events: Tensor, index: Tensor, number: int = 0) -> Tensor:
        """Return events with noise, in data units and the widest floating type of their device.

        Arguments:
            events: `(N, *event)`; missing values stay NaN.
            index: row numbers, `(N,)` int64.
            number: number of the draw; each draw has other noise. Defaults to 0.
        """
        dtype = widest(events.device)
        bits = hashed(derive(self.seed, "dequantise", number), index, self.data.size)
        noise = (2 * _shifted(bits, 64 - _BITS) + 1).to(dtype) * 2.0 ** -(_BITS + 1) - 0.5
        return events.to(dtype) + noise.view(events.shape) * self._sides(events.device)

    def _sides(self, device: torch.device) -> Tensor:
        """Return the cell's side at each position of an event, 0 off the grid, `(*event)`; copied to a device once."""
        if device not in self._kept:
            self._kept[device] = cell_sides(self.features, self.data).to(device, widest(device))
        return self._kept[device]
