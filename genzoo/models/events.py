"""Events as models see them: one tensor, or a dict of tensors for events of several parts.

Everywhere else in genzoo, an event of several parts is a row of all its values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from genzoo.errors import ConfigError
from genzoo.spec.events import DataSpec

EventTensors = Any
"""Events: a tensor `(N, *event)`, or a dict from the name of a part to its tensor `(N, *part)`."""


def map_events(fn: Callable[..., Any], x: EventTensors, *others: EventTensors) -> Any:
    """Return what a function makes of events: of the tensor, or of each part, as a dict.

    Arguments:
        fn: takes a tensor `(N, *event)`, or one `(N, *part)`.
        x: events.
        others: more tensors or dicts of the same form, such as a mask. They are further arguments of `fn`.

    Examples:
        >>> map_events(len, {"image": torch.zeros(3, 1, 8, 8), "label": torch.zeros(3, 1)})
        {'image': 3, 'label': 3}
        >>> map_events(len, torch.zeros(3, 2))
        3
    """
    if isinstance(x, dict):
        return {name: fn(part, *(other[name] for other in others)) for name, part in x.items()}
    return fn(x, *others)


def a_part(x: EventTensors) -> Tensor:
    """Return the tensor of events, or of their first part: it has their number, device and type."""
    parts: list[Tensor] = []
    map_events(parts.append, x)
    return parts[0]


def check_condition(condition: Tensor | None, size: int) -> None:
    """Check that a model was given conditions if it learned with some, and none if it did not.

    Arguments:
        condition: conditions of events, `(N, D)`, or `None`.
        size: D that the model was built with, as `DataSpec.condition_size`; 0 for none.

    Raises:
        ConfigError: conditions are missing, are not expected, or have another shape.
    """
    if size == 0 and condition is not None:
        raise ConfigError("This model learned with no conditions, so it takes none.")
    if size > 0 and (condition is None or condition.shape[1:] != (size,)):
        given = "none" if condition is None else f"a tensor of shape {tuple(condition.shape)}"
        raise ConfigError(f"This model takes conditions of {size} numbers for each event, and was given {given}.")


def to_parts(rows: Tensor, data: DataSpec) -> EventTensors:
    """Return events as models see them: a dict of the parts if the event has parts.

    Arguments:
        rows: `(N, *event)`, all values of an event of parts in a row.
    """
    if not data.has_parts:
        return rows
    return {piece.name: piece.take(rows).contiguous() for piece in data.pieces}


def masks_of(missing: Tensor | None, data: DataSpec) -> EventTensors | None:
    """Return a mask of missing values `(N, *event)` as models see it: in the form of their events; `None` for none."""
    return None if missing is None else to_parts(missing, data)


def to_rows(x: EventTensors, data: DataSpec) -> Tensor:
    """Return events of a model, `(N, *event)`; all values of an event of parts in a row.

    Raises:
        ValueError: the parts have other names or shapes than in the data.
    """
    seen, wanted = shapes_of(x), shapes_for(len(a_part(x)), data)
    if seen != wanted:
        raise ValueError(f"shape {seen}, not {wanted}")
    rows = [x[piece.name].flatten(1) if piece.name else x for piece in data.pieces]
    return torch.cat(rows, 1) if len(rows) > 1 else rows[0]


def in_rows(answer: Any, data: DataSpec) -> Tensor:
    """Return what a method of a model answered: events of several parts as rows of all values, the rest as it is.

    Raises:
        ValueError: as `to_rows`.
    """
    return to_rows(answer, data) if isinstance(answer, dict) else answer


def shapes_for(n: int, data: DataSpec) -> Any:
    """Return the shape that `n` events of a model must have, or the shape of each part by name."""
    return shapes_of(to_parts(torch.empty(n, *data.event_shape, device="meta"), data))


def shapes_of(x: EventTensors) -> Any:
    """Return the shape of events, or of each part by name."""
    return map_events(lambda part: tuple(part.shape), x)
