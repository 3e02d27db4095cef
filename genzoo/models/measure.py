"""What a generator's likelihood measures of events of one form: densities, or probability masses."""

from __future__ import annotations

import torch
from torch import Tensor

from genzoo.errors import PluginError
from genzoo.models.base import Generator, Measure
from genzoo.spec import DataSpec


def measures_of(generator: Generator, data: DataSpec) -> tuple[Measure, ...]:
    """What the generator itself measures in model space, feature by feature.

    Raises:
        PluginError: it names another number of measures than there are features.
    """
    by_kind: tuple[Measure, ...] = tuple(
        "density" if feature.kind == "continuous" else "mass" for feature in data.features
    )
    found = by_kind if generator.measures is None else generator.measures
    if len(found) != len(by_kind):
        raise PluginError(f"The generator names {len(found)} measures, and the data have {len(by_kind)} features.")
    return found


def on_grid(generator: Generator, data: DataSpec) -> tuple[bool, ...]:
    """Which features are values of a grid that the generator needs spread over its cells: it is a density there."""
    spread = generator.dequantized and data.quantum is not None
    return tuple(spread and measure == "density" for measure in measures_of(generator, data))


def places_of(flags: tuple[bool, ...], data: DataSpec) -> Tensor:
    """Flags of features as flags of the places of an event, `(*event)` bool."""
    found = torch.tensor(flags)
    return found if data.modality == "table" else found[0].expand(data.event_shape)
