"""Where the density of events rests on a setting of the model, in data units."""

from __future__ import annotations

import torch
from torch import Tensor

from genzoo.data.transforms import AffineTransform
from genzoo.inference.data_units import DataUnits, Events
from genzoo.inference.likelihood import is_density_on_grid
from genzoo.models.base import Floor, Generator


@torch.no_grad()
def floors(units: DataUnits, x: Events) -> list[Floor]:
    """See `TrainedModel.floors`."""
    if units.transform.lossy:
        return []  # no likelihood follows
    if type(units.generator).floors is Generator.floors:  # which has no argument for conditions
        return []
    if is_density_on_grid(units):  # the noise in the cells of a grid has a width of its own
        return []
    checked = units.check(x)
    training = units.generator.training
    units.generator.eval()
    found: dict[tuple[str, bytes], Floor] = {}
    try:
        for start in range(0, len(checked), checked.size):
            for floor in units.chunk_to_model(checked, start).ask(units.generator.floors):
                _add(found, floor, start, len(checked))
    finally:
        units.generator.train(training)
    return [_in_data_units(units, floor) for floor in found.values()]


def _in_data_units(units: DataUnits, floor: Floor) -> Floor:
    """Return a floor with directions in data units if the transform is a scale, else of transformed values."""
    space = units.transform
    directions = floor.directions.to(space.device, space.dtype)
    scaled = directions / space.scale if isinstance(space, AffineTransform) else directions
    return Floor(floor.setting, scaled, floor.share)


def _add(found: dict[tuple[str, bytes], Floor], floor: Floor, start: int, events: int) -> None:
    """Add the shares of a chunk of events to the floor with the same directions.

    Arguments:
        found: floors by setting and directions, with shares of all events.
        start: number of the first event of the chunk.
        events: number of all events.
    """
    key = floor.setting, floor.directions.double().cpu().numpy().tobytes()
    if key not in found:
        whole: Tensor = torch.zeros(events, dtype=torch.float64)
        found[key] = Floor(floor.setting, floor.directions, whole)
    share = floor.share.double().cpu()
    found[key].share[start : start + len(share)] += share
