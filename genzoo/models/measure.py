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

    A density can grow without bound at the points of a grid, which have no volume. With uniform noise over the cells
    of the grid, its mean log-density is a lower bound of the log-probability of the values.

    References:
        "A note on the evaluation of generative models" (Theis, van den Oord and Bethge, 2016).
    """
    spread = generator.dequantized and data.quantum is not None
    return tuple(spread and measure == "density" for measure in measures_of(generator, data))


def places_of(flags: tuple[bool, ...], data: DataSpec) -> Tensor:
    """Expand flags of features to all values of an event, `(*event)` bool."""
    mask = torch.tensor(flags)
    return mask if data.form.columns else mask[0].expand(data.event_shape)
