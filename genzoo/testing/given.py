"""What a generator's methods are called with: events, their mask of missing values, and their conditions."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import torch
from torch import Tensor

from genzoo.inference.data_units import ModelInput as Given

__all__ = ["Given", "as_doubles", "copied", "holed", "is_same", "take_part"]


def _each(given: Given, change: Callable[[Tensor], Tensor]) -> Given:
    missing, condition = (None if part is None else change(part) for part in (given.missing, given.condition))
    return Given(change(given.x), missing, condition)


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
