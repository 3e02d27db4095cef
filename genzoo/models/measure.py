"""What a generator's likelihood measures: densities, or probability masses.

A density has the unit 1 / data unit and can exceed 1. A mass is a probability. They cannot be compared, and only a
density changes under the transform to model space, so the two are tracked for each feature.
"""

from __future__ import annotations

import torch
from torch import Tensor

from genzoo.errors import PluginError
from genzoo.models.base import Generator, Measure
from genzoo.spec.events import DataSpec


def one_each(method: str, values: Tensor, n: int) -> Tensor:
    """Return what a method of a generator returned for `n` events, after checking that it is one number for each.

    Raises:
        PluginError: it has another shape than `(n,)`.
    """
    if values.shape != (n,):
        raise PluginError(
            f"{method} of the generator returned numbers of shape {tuple(values.shape)} for {n} events. It must return "
            f"one for each event, ({n},): sum over the values of an event."
        )
    return values


def measures_of(generator: Generator, data: DataSpec) -> tuple[Measure, ...]:
    """Return what the generator's likelihood measures in model space, one entry for each feature.

    Raises:
        PluginError: the number of measures is not the number of features.
    """
    by_kind: tuple[Measure, ...] = tuple(
        "density" if feature.kind == "continuous" else "mass" for feature in data.features
    )
    measures = by_kind if generator.measures is None else generator.measures
    if len(measures) != len(by_kind):
        raise PluginError(f"The generator names {len(measures)} measures, and the data have {len(by_kind)} features.")
    return measures


def on_grid(generator: Generator, data: DataSpec) -> tuple[bool, ...]:
    """Return for each feature whether it must be dequantized: it lies on a grid, and the generator is a density there.

    A feature with cells of its own always must.

    A density can grow without bound at the points of a grid, which have no volume. With uniform noise over the cells
    of the grid, its mean log-density is a lower bound of the log-probability of the values.

    References:
        "A note on the evaluation of generative models" (Theis, van den Oord and Bethge, 2016).
    """
    found = zip(data.features, data.grids, measures_of(generator, data), strict=True)
    return tuple(
        ((generator.dequantized and step is not None) or feature.cell is not None) and measure == "density"
        for feature, step, measure in found
    )


def cell_sides(flags: tuple[bool, ...], data: DataSpec) -> Tensor:
    """Return the width of the cell at each value of an event, `(*event)` float64.

    Arguments:
        flags: for each feature, whether it lies on a grid; the width is 0 elsewhere.
    """
    found = zip(data.features, data.grids, flags, strict=True)
    widths = [(feature.cell or step or 0.0) if spread else 0.0 for feature, step, spread in found]
    return _of_values(torch.tensor(widths, dtype=torch.float64), data)


def places_of(flags: tuple[bool, ...], data: DataSpec) -> Tensor:
    """Expand flags of features to all values of an event, `(*event)` bool."""
    return _of_values(torch.tensor(flags), data)


def _of_values(of_features: Tensor, data: DataSpec) -> Tensor:
    """Return for each value of an event what its feature has, `(*event)`."""
    return of_features.repeat_interleave(torch.tensor(data.repeats)).view(data.event_shape)
