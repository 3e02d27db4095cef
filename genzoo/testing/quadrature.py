"""Sums over all that an event can be: quadrature over numbers, enumeration of codes and counts."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from genzoo.testing.event_values import EventValue, event_values_of
from genzoo.testing.subject import Case

_REACH = math.asinh(300.0)
"""How far nodes reach, in deviations from the mean, as their hyperbolic sine has it."""


_CELLS = {0: 1, 1: 25, 2: 10}
"""Cells that a number is divided into, by how many numbers an event holds."""


_MOST_COUNTED = 80
"""Counts that are summed over, from 0."""


@dataclass(frozen=True, slots=True)
class Axis:
    """The values that one place is summed over.

    Arguments:
        values: `(V,)`.
        log_weights: of the values, `(V,)`.
        edges: between cells of some values each, in increasing order.
        smooth: whether they are nodes of a quadrature, and not all there are.
    """

    values: Tensor
    log_weights: Tensor
    edges: Tensor
    smooth: bool


@dataclass(frozen=True)
class Grid:
    """All combinations of the values of every place.

    Arguments:
        axes: one for each place.
        event_shape: of one event.
    """

    axes: tuple[Axis, ...]
    event_shape: tuple[int, ...]

    @functools.cached_property
    def events(self) -> Tensor:
        """`(M, *event)`."""
        return torch.cartesian_prod(*(axis.values for axis in self.axes)).view(-1, *self.event_shape)

    @functools.cached_property
    def log_weights(self) -> Tensor:
        """Of the events, `(M,)`."""
        found = torch.zeros(())
        for axis in self.axes:
            found = found[..., None] + axis.log_weights
        return found.flatten()

    def integral(self, logs: Tensor) -> tuple[float, float]:
        """The integral of exponentials `logs (M,)`, and that over every other node, which tells how rough it is."""
        spread = (logs + self.log_weights).view([len(axis.values) for axis in self.axes])
        some = tuple(slice(None, None, 2 if axis.smooth else None) for axis in self.axes)
        doubled = math.log(2.0) * sum(axis.smooth for axis in self.axes)
        return spread.flatten().logsumexp(0).exp().item(), (spread[some].flatten().logsumexp(0) + doubled).exp().item()

    def marginal(self, logs: Tensor, place: int) -> Tensor:
        """The integral of exponentials `logs (M,)` over all places but one, `(V,)`."""
        spread = (logs + self.log_weights).view([len(axis.values) for axis in self.axes]).movedim(place, 0)
        return (spread.flatten(1).logsumexp(1) - self.axes[place].log_weights).exp()

    def cells(self, x: Tensor) -> Tensor:
        """The number of the cell that each of events `x (M, *event)` lies in, `(M,)`."""
        found = torch.zeros(len(x), dtype=torch.int64)
        for axis, values in zip(self.axes, x.flatten(1).T, strict=True):
            found = found * (len(axis.edges) + 1) + torch.bucketize(values.contiguous(), axis.edges)
        return found


def grid_of(case: Case, most: int, numbers: int, pair: int) -> Grid | None:
    """What to sum over for integrals over all events of a case.

    A number `m + s sinh(t)` is summed over evenly spaced `t`: the trapezoidal rule, which converges exponentially for
    smooth densities, also where their tails are long.

    Arguments:
        most: how many events there may be.
        numbers, pair: how many nodes a number has where an event holds one, and where it holds two.

    Returns:
        `None` where there would be more events than `most`, or more numbers than two.
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
    steps = place.deviation * t.cosh() * (t[1] - t[0])
    edges = _between(t)[:: max(1, numbers // parts)]  # between nodes, so that these stand for what lies around them
    x, edges = (place.mean + place.deviation * values.sinh() for values in (t, edges))
    return Axis(x, steps.log(), edges, smooth=True)


def _between(values: Tensor) -> Tensor:
    return (values[1:] + values[:-1]) / 2
