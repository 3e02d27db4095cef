"""The possible values of each number of an event, in model space."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from genzoo.models.base import Likelihood, LikelihoodBound, LikelihoodEstimate
from genzoo.spec.events import DataSpec, Feature
from genzoo.testing.subject import Case


@dataclass(frozen=True, slots=True)
class EventValue:
    """One number of an event (a column of a table, a pixel of an image), in model space.

    Arguments:
        name: how messages name it, such as `column 'age'` or `pixel 3`.
        low, high: the bounds that the data declare, or else the range of the events.
        mean, deviation: mean and standard deviation over the events.
        levels: the possible values, `(V,)`, of codes and of numbers whose likelihood is a probability mass on a grid;
            `None` for other numbers.
        count: whether it is a count: 0, 1, 2 ...
    """

    name: str
    low: float
    high: float
    mean: float
    deviation: float
    levels: Tensor | None = None
    count: bool = False


def event_values_of(case: Case) -> tuple[EventValue, ...]:
    """Return the numbers of a case's events, in order."""
    columns = case.events().flatten(1).T
    specs = [piece.spec for piece in case.data.pieces for _ in range(piece.spec.size)]
    measured = zip(specs, case.data.places, case.measures(), columns, strict=True)
    return tuple(_place(case, *place, number) for number, place in enumerate(measured))


def _place(case: Case, data: DataSpec, feature: Feature, measure: str, column: Tensor, number: int) -> EventValue:
    values = column[~column.isnan()]
    low, high = values.min().item(), values.max().item()
    levels = _levels(case, data, feature, measure, number)
    if data.bounds is not None and not data.form.columns:
        low, high = _mapped(case, torch.tensor(data.bounds, dtype=torch.float64), number).tolist()
    deviation = max(values.std().item(), 1e-3 * (high - low), 1e-12)
    name = case.data.value_name(number)
    return EventValue(name, low, high, values.mean().item(), deviation, levels, feature.kind == "count")


def _mapped(case: Case, values: Tensor, number: int) -> Tensor:
    """Return values of one number of an event in model space, `(V,)`."""
    x = torch.full((len(values), case.data.size), torch.nan, dtype=torch.float64)
    x[:, number] = values
    mapped: Tensor = case.transform(x.view(-1, *case.data.event_shape))
    return mapped.flatten(1)[:, number]


def _levels(case: Case, data: DataSpec, feature: Feature, measure: str, number: int) -> Tensor | None:
    """Return the values of a place that takes only some, codes or points of a grid; `None` for other places.

    Arguments:
        data: describes the event, or the part of it that has the place.
    """
    if data.form.columns or data.quantum is None:
        count = len(feature.levels or ()) + data.form.ended  # the end of a text is a code, too
        return None if feature.levels is None else torch.arange(count, dtype=torch.float64)
    likely = isinstance(case.wide, Likelihood | LikelihoodBound | LikelihoodEstimate)
    if not likely or measure != "mass" or data.bounds is None:
        return None
    steps = round((data.bounds[1] - data.bounds[0]) / data.quantum)
    grid = data.bounds[0] + data.quantum * torch.arange(steps + 1, dtype=torch.float64)
    return _mapped(case, grid, number)


def impossible(x: Tensor, data: DataSpec) -> Tensor:
    """Return which events `(N, *event)` no data can hold, `(N,)` bool: texts with a symbol after their end."""
    if data.end is None:
        return torch.zeros(len(x), dtype=torch.bool)
    ended = x == data.end
    return (ended[:, :-1] & ~ended[:, 1:]).any(1)
