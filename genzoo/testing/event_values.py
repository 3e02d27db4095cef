"""The values that each number of an event can have in model space."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from genzoo.models.base import Likelihood, LikelihoodBound
from genzoo.spec import Feature
from genzoo.testing.subject import Case


@dataclass(frozen=True, slots=True)
class EventValue:
    """One number of an event, in model space.

    Arguments:
        name: in words.
        low, high: the range of the events there, or what the data declare.
        mean, deviation: of the events there.
        levels: the values it can have, `(V,)`, where it holds codes, or its likelihood is
            a probability mass over a grid.
        count: whether it counts: 0, 1, 2 ...
    """

    name: str
    low: float
    high: float
    mean: float
    deviation: float
    levels: Tensor | None = None
    count: bool = False


def event_values_of(case: Case) -> tuple[EventValue, ...]:
    """The places of a case's events, in order."""
    table = case.data.modality == "table"
    features = case.data.features if table else case.data.features * case.data.size
    columns = case.events().flatten(1).T
    measured = zip(features, case.measures(), columns, strict=True)
    return tuple(_place(case, *found, number, table) for number, found in enumerate(measured))


def _place(case: Case, feature: Feature, measure: str, column: Tensor, number: int, table: bool) -> EventValue:
    values = column[~column.isnan()]
    low, high = values.min().item(), values.max().item()
    levels = _levels(case, feature, measure)
    if case.data.bounds is not None and not table:
        low, high = (case.transform(torch.tensor(end, dtype=torch.float64)).item() for end in case.data.bounds)
    deviation = max(values.std().item(), 1e-3 * (high - low), 1e-12)
    name = f"column {feature.name!r}" if table else f"pixel {number}"
    return EventValue(name, low, high, values.mean().item(), deviation, levels, feature.kind == "count")


def _levels(case: Case, feature: Feature, measure: str) -> Tensor | None:
    """The values of a place that can only have some: codes, or the points of a grid."""
    data = case.data
    if data.modality == "table":
        return None if feature.levels is None else torch.arange(len(feature.levels), dtype=torch.float64)
    likely = isinstance(case.wide, Likelihood | LikelihoodBound)
    if not likely or measure != "mass" or data.quantum is None or data.bounds is None:
        return None
    steps = round((data.bounds[1] - data.bounds[0]) / data.quantum)
    grid = data.bounds[0] + data.quantum * torch.arange(steps + 1, dtype=torch.float64)
    on_grid: Tensor = case.transform(grid)
    return on_grid
