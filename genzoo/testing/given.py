"""What a generator's methods are called with: events, their mask of missing values, and their conditions."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genzoo.inference.data_units import ModelInput
from genzoo.models.events import EventTensors, in_rows, masks_of, to_parts
from genzoo.spec.events import DataSpec


@dataclass(frozen=True, slots=True)
class Given:
    """What a generator's methods are asked about, in model space.

    Arguments:
        x: events, `(N, *event)`, or rows of all values if they have several parts; or latent vectors, `(N, L)`.
        missing: mask of missing values, or `None`.
        condition: what the events are conditional on, `(N, D)`, or `None`.
        data: describes the events.
        latent: whether these are latent vectors. Defaults to false.
        turned: whether parts are handed over in the reverse of their usual order. Defaults to false.
    """

    x: Tensor
    missing: Tensor | None
    condition: Tensor | None
    data: DataSpec
    latent: bool = False
    turned: bool = False

    def ask(self, method: Callable[..., Any], **options: Any) -> Tensor:
        """Call a method of a generator, as the core does, and return its answer; events come back as rows."""
        x: EventTensors = self.x if self.latent else to_parts(self.x, self.data)
        missing = masks_of(self.missing, self.data)
        if self.turned:
            x, missing = (None if one is None else dict(reversed(one.items())) for one in (x, missing))
        answer = ModelInput(x, missing, self.condition).ask(method, **options)
        rows = self.x if self.latent else in_rows(x, self.data)
        if rows is not self.x:
            self.x.copy_(rows)  # shows a change of the input, as parts are copies
        return in_rows(answer, self.data)


def _each(given: Given, change: Callable[[Tensor], Tensor]) -> Given:
    missing, condition = (None if part is None else change(part) for part in (given.missing, given.condition))
    return dataclasses.replace(given, x=change(given.x), missing=missing, condition=condition)


def copied(given: Given) -> Given:
    """Return copies, so that a model that changes its inputs breaks only the promise 'answers-change-nothing'."""
    return _each(given, torch.clone)


def take_part(given: Given, rows: slice | Tensor) -> Given:
    """Return some of the events."""
    return _each(given, lambda tensor: tensor[rows])


def as_doubles(given: Given) -> Given:
    """Return events and conditions in float64."""
    return _each(given, lambda tensor: tensor.double() if tensor.is_floating_point() else tensor)


def is_same(one: Given, two: Given) -> bool:
    """Return whether all tensors are equal, of two inputs with the same parts."""
    pairs = ((one.x, two.x), (one.missing, two.missing), (one.condition, two.condition))
    return all(a is None or b is None or torch.equal(a, b) for a, b in pairs)


def holed(given: Given) -> tuple[Given, Tensor]:
    """Return events with missing values, and their mask: their own, or else every other number of every other event."""
    if given.missing is not None:
        return given, given.missing
    x = given.x
    missing = torch.zeros(len(x), math.prod(x.shape[1:]), dtype=torch.bool, device=x.device)
    missing[::2, ::2] = True
    missing = missing.view(x.shape)
    return dataclasses.replace(given, x=x.masked_fill(missing, 0.0), missing=missing), missing
