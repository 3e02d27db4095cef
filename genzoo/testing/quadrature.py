"""Sums over all that an event can be: quadrature over numbers, enumeration of codes and counts."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from genzoo.testing.place import Place, places_of
from genzoo.testing.subject import Case

_REACH = math.asinh(300.0)
"""How far nodes reach, in deviations from the mean, as their hyperbolic sine has it."""

_MOST_COUNTED = 80
"""Counts that are summed over, from 0."""


@dataclass(frozen=True, slots=True)
class Axis:
    """The values that one place is summed over.

    Arguments:
        values: `(V,)`.
        log_weights: of the values, `(V,)`.
        smooth: whether they are nodes of a quadrature, and not all there are.
    """

    values: Tensor
    log_weights: Tensor
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


def grid_of(case: Case, most: int, numbers: int) -> Grid | None:
    """What to sum over for integrals over all events of a case.

    A number `m + s sinh(t)` is summed over evenly spaced `t`: the trapezoidal rule, which converges exponentially for
    smooth densities, also where their tails are long.

    Arguments:
        most: how many events there may be.
        numbers: how many nodes a number has where an event holds one; the root of that where it holds two.

    Returns:
        `None` where there would be more events than `most`, or more numbers than two.
    """
    places = places_of(case)
    free = sum(place.levels is None and not place.count for place in places)
    if free > 2:
        return None
    axes = tuple(_axis(place, numbers if free == 1 else round(numbers**0.5)) for place in places)
    if math.prod(len(axis.values) for axis in axes) > most:
        return None
    return Grid(axes, case.data.event_shape)


def _axis(place: Place, numbers: int) -> Axis:
    if place.levels is not None:
        return Axis(place.levels, torch.zeros_like(place.levels), smooth=False)
    if place.count:
        values = torch.arange(_MOST_COUNTED, dtype=torch.float64)
        return Axis(values, torch.zeros_like(values), smooth=False)
    t = torch.linspace(-_REACH, _REACH, numbers, dtype=torch.float64)
    steps = place.deviation * t.cosh() * (t[1] - t[0])
    return Axis(place.mean + place.deviation * t.sinh(), steps.log(), smooth=True)


def cells(case: Case, x: Tensor, bins: int) -> Tensor:
    """The number of the cell that each of events `x (M, *event)` lies in, `(M,)`.

    Codes are cells of their own; so are counts, of which the last cell holds all larger ones; numbers lie in one of
    `bins` cells about their mean.
    """
    found = torch.zeros(len(x), dtype=torch.int64)
    for place, values in zip(places_of(case), x.flatten(1).T, strict=True):
        inner = _edges(place, bins)
        found = found * (len(inner) + 1) + torch.bucketize(values.contiguous(), inner)
    return found


def _edges(place: Place, bins: int) -> Tensor:
    """The edges between a place's cells."""
    if place.levels is not None:
        return (place.levels[1:] + place.levels[:-1]) / 2
    if place.count:
        return torch.arange(bins - 1, dtype=torch.float64) + 0.5
    return place.mean + place.deviation * torch.linspace(-2.0, 2.0, bins - 1, dtype=torch.float64)
