"""Invertible maps between data units and the space a model works in, with their log-determinants."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from genzoo.errors import DataError
from genzoo.spec import DataSpec, InputSpace

NumberArray = np.ndarray[Any, np.dtype[Any]]


class Affine(nn.Module):
    """`y = (x - shift) / scale`, with one shift and scale for all places or one per column.

    Buffers are float64, so that millimetres and kilometres invert alike; the arithmetic is in the type of `x`.

    Arguments:
        shift: `()` or `(C,)`, data units.
        scale: the same shape, positive, data units per model unit.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, shift: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("shift", shift.double())
        self.register_buffer("scale", scale.double())

    def forward(self, x: Tensor) -> Tensor:
        """Data units `(N, *event)` to model space."""
        return (x - self.shift.to(x.dtype)) / self.scale.to(x.dtype)

    def inverse(self, y: Tensor) -> Tensor:
        """Model space `(N, *event)` to data units."""
        return y * self.scale.to(y.dtype) + self.shift.to(y.dtype)

    def log_det(self, x: Tensor, missing: Tensor | None = None) -> Tensor:
        """Log-determinant of the forward map at `x (N, *event)`, summed over observed places, `(N,)` nats.

        Adding it to a log-density in model space gives the log-density in data units.
        """
        per_place = -self.scale.log().expand(x.shape)
        if missing is not None:
            per_place = per_place.masked_fill(missing, 0.0)
        return per_place.flatten(1).sum(1)


def to_model_space(transform: Affine, events: Tensor, dtype: torch.dtype) -> Tensor:
    """Events in data units, as they are stored, to model space in `dtype`.

    Wide numbers are rounded only after they were centred: a mean of 1,000 would cost float32 four digits.
    """
    narrow = events.dtype in (torch.uint8, torch.int16, torch.float16, torch.float32)
    x: Tensor = transform(events.to(dtype if narrow else torch.promote_types(dtype, transform.shift.dtype)))
    return x.to(dtype)


def fit_transform(space: InputSpace, data: DataSpec, blocks: Iterable[NumberArray]) -> Affine:
    """The transform to `space`, from the training rows alone.

    Arguments:
        space: `raw | centred | standardised | unit | signed-unit`.
        data: what one event is; declared bounds are used as they are.
        blocks: the training rows in data units, `(n, *event)` each, passed over once.

    Raises:
        DataError: a column that never changes cannot be scaled.
    """
    if space == "raw":
        return Affine(torch.zeros(()), torch.ones(()))
    if space == "centred":
        mean, _ = _moments(data, blocks)
        return Affine(torch.as_tensor(mean), torch.ones(()))
    if space == "standardised":
        mean, deviation = _moments(data, blocks)
        _refuse_constant(data, np.atleast_1d(deviation))
        return Affine(torch.as_tensor(mean), torch.as_tensor(deviation))
    low, high = (np.float64(data.bounds[0]), np.float64(data.bounds[1])) if data.bounds else _extremes(data, blocks)
    _refuse_constant(data, np.atleast_1d(high - low))
    if space == "unit":
        return Affine(torch.as_tensor(low), torch.as_tensor(high - low))
    return Affine(torch.as_tensor((low + high) / 2), torch.as_tensor((high - low) / 2))


def _axis(data: DataSpec) -> int | None:
    """The axis to reduce over: rows for a table, all places for an image."""
    return 0 if data.modality == "table" else None


def _moments(data: DataSpec, blocks: Iterable[NumberArray]) -> tuple[NumberArray, NumberArray]:
    """Mean and deviation per column of a table, over all places of an image; merged block by block (Chan, 1979)."""
    count = 0.0
    mean: NumberArray = np.zeros(())
    squares: NumberArray = np.zeros(())
    for block in blocks:
        x = np.asarray(block, np.float64)
        n = float(len(x) if data.modality == "table" else x.size)
        block_mean = x.mean(axis=_axis(data))
        block_squares = ((x - block_mean) ** 2).sum(axis=_axis(data))
        delta = block_mean - mean
        mean = mean + delta * (n / (count + n))
        squares = squares + block_squares + delta**2 * (count * n / (count + n))
        count += n
    return mean, np.sqrt(squares / count)


def _extremes(data: DataSpec, blocks: Iterable[NumberArray]) -> tuple[Any, Any]:
    low: NumberArray = np.array(math.inf)
    high: NumberArray = np.array(-math.inf)
    for block in blocks:
        low = np.minimum(low, np.asarray(block.min(axis=_axis(data)), np.float64))
        high = np.maximum(high, np.asarray(block.max(axis=_axis(data)), np.float64))
    return low, high


def _refuse_constant(data: DataSpec, spread: NumberArray) -> None:
    if (spread > 0).all():
        return
    if data.modality == "image":
        raise DataError("All training images are one and the same flat colour; there is nothing to learn.")
    column = data.features[int(np.argmin(spread > 0))].name
    raise DataError(f"Column {column!r} never changes in the training rows, so it cannot be scaled. Leave it out.")


def place_on_grid(x: Tensor, data: DataSpec) -> Tensor:
    """Values in data units as the data could hold them: within its bounds and on its grid."""
    if data.quantum is not None:
        origin = data.bounds[0] if data.bounds else 0.0
        x = ((x - origin) / data.quantum).round() * data.quantum + origin
    return x.clamp(*data.bounds) if data.bounds else x
