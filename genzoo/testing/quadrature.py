"""Integrals over all possible events: quadrature for continuous numbers, enumeration for codes and counts.

References:
    "The Exponentially Convergent Trapezoidal Rule" (Trefethen and Weideman, 2014).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genzoo.testing.event_values import EventValue, event_values_of
from genzoo.testing.subject import Case

_REACH = math.asinh(300.0)
"""Largest node `t`. There `sinh(t)` is 300, so the quadrature covers 300 standard deviations around the mean."""


_CELLS = {0: 1, 1: 25, 2: 10}
"""Number of cells that each continuous number is divided into, by how many continuous numbers an event has."""


_MOST_COUNTED = 80
"""Number of counts that are summed over: 0 to 79."""


@dataclass(frozen=True, slots=True)
class Axis:
    """The values that one number of an event is summed over.

    Arguments:
        values: the values, `(V,)`.
        log_weights: log-weights of the values in the sum, `(V,)`.
        edges: edges between cells, in increasing order; a cell contains one or more values.
        smooth: whether the values are nodes of a quadrature rather than all possible values.
    """

    values: Tensor
    log_weights: Tensor
    edges: Tensor
    smooth: bool


@dataclass(frozen=True)
class Grid:
    """All combinations of the values of every number of an event: M events.

    Arguments:
        axes: one for each number.
        event_shape: the shape of one event.
    """

    axes: tuple[Axis, ...]
    event_shape: tuple[int, ...]

    @functools.cached_property
    def events(self) -> Tensor:
        """The events of the grid, `(M, *event)`."""
        return torch.cartesian_prod(*(axis.values for axis in self.axes)).view(-1, *self.event_shape)

    @functools.cached_property
    def log_weights(self) -> Tensor:
        """Log-weights of the events in an integral, `(M,)`."""
        total = torch.zeros(())
        for axis in self.axes:
            total = total[..., None] + axis.log_weights
        return total.flatten()

    def integral(self, logs: Tensor) -> tuple[float, float]:
        """Integrate a density, with all nodes and with some of them.

        Arguments:
            logs: the log-density of the grid's events, `(M,)`.

        Returns:
            The integral over all nodes, and the farthest from it among those over every other and every third node.
            How far these are apart estimates the error, also of a density that jumps, for which a single one may be
            near by chance.
        """
        spread = (logs + self.log_weights).view([len(axis.values) for axis in self.axes])
        count = sum(axis.smooth for axis in self.axes)
        total = spread.flatten().logsumexp(0).exp().item()
        fewer = []
        for stride, first in ((2, 0), (3, 0), (3, 1), (3, 2)):
            some = tuple(slice(first, None, stride) if axis.smooth else slice(None) for axis in self.axes)
            apart = count * math.log(stride)  # every other node stands for two
            fewer.append((spread[some].flatten().logsumexp(0) + apart).exp().item())
        return total, max(fewer, key=lambda one: abs(one - total))

    def of(self, places: Sequence[int]) -> Grid:
        """Return the grid of some numbers of an event alone."""
        return Grid(tuple(self.axes[place] for place in places), (len(places),))

    def marginal(self, logs: Tensor, places: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Integrate a density over all numbers of an event but some, with all nodes and with half of them.

        Arguments:
            logs: the log-density of the grid's events, `(M,)`.
            places: indices of the numbers to keep.

        Returns:
            The marginal density at the events of `of(places)`, `(V,)`, over all nodes, and over every other node of
            each number that is integrated over. How far these are apart estimates the error.
        """
        spread = (logs + self.log_weights).view([len(axis.values) for axis in self.axes])
        halved = [axis.smooth and place not in places for place, axis in enumerate(self.axes)]
        some = tuple(slice(None, None, 2 if half else None) for half in halved)

        def over(values: Tensor) -> Tensor:
            kept = values.movedim(tuple(places), tuple(range(len(places)))).flatten(len(places)) if places else values
            return kept.logsumexp(-1).flatten() - self.of(places).log_weights

        return over(spread).exp(), (over(spread[some]) + math.log(2.0) * sum(halved)).exp()

    def outside(self, x: Tensor) -> Tensor:
        """Return whether any number of each event of `x (N, *event)` lies beyond the grid, `(N,)` bool."""
        ends = [(axis.values.amin(), axis.values.amax()) for axis in self.axes]
        pairs = zip(ends, x.flatten(1).T, strict=True)
        return torch.stack([(values < low) | (values > high) for (low, high), values in pairs]).any(0)

    def cells(self, x: Tensor) -> Tensor:
        """Return the index of the cell that each event of `x (N, *event)` lies in, `(N,)`."""
        indices = torch.zeros(len(x), dtype=torch.int64)
        for axis, values in zip(self.axes, x.flatten(1).T, strict=True):
            indices = indices * (len(axis.edges) + 1) + torch.bucketize(values.contiguous(), axis.edges)
        return indices


def grid_of(case: Case, most: int, numbers: int, pair: int) -> Grid | None:
    """Make the grid for integrals over all events of a case.

    A continuous number is written as `x = m + s sinh(t)`, with the data's mean m and standard deviation s, and summed
    over evenly spaced t. This trapezoidal rule converges exponentially for smooth densities. The nodes grow sparse
    exponentially away from m, so a few hundred of them reach far into long tails as well.

    Arguments:
        most: largest number of events in the grid.
        numbers: nodes of a continuous number if an event has only one.
        pair: nodes of each continuous number if an event has two.

    Returns:
        The grid, or `None` if it would have more than `most` events or more than two continuous numbers.
    """
    places = event_values_of(case)
    free = sum(place.levels is None and not place.count for place in places)
    if free > 2:
        return None
    axes = tuple(_axis(place, numbers if free == 1 else pair, _CELLS[free]) for place in places)
    if math.prod(len(axis.values) for axis in axes) > most:
        return None
    return Grid(axes, case.data.event_shape)


def _axis(place: EventValue, numbers: int, parts: int) -> Axis:
    if place.levels is not None:
        return Axis(place.levels, torch.zeros_like(place.levels), _between(place.levels), smooth=False)
    if place.count:
        values = torch.arange(_MOST_COUNTED, dtype=torch.float64)
        return Axis(values, torch.zeros_like(values), _between(values), smooth=False)
    t = torch.linspace(-_REACH, _REACH, numbers, dtype=torch.float64)
    steps = place.deviation * t.cosh() * (t[1] - t[0])  # dx = s cosh(t) dt
    edges = _between(t)[:: max(1, numbers // parts)]  # half-way between nodes, so that no node lies on an edge
    x, edges = (place.mean + place.deviation * values.sinh() for values in (t, edges))
    return Axis(x, steps.log(), edges, smooth=True)


def _between(values: Tensor) -> Tensor:
    return (values[1:] + values[:-1]) / 2
