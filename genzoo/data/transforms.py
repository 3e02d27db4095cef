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

_WIDEST = 1e15
"""The largest deviation, in data units, that a space without scaling takes."""


NumberArray = np.ndarray[Any, np.dtype[Any]]


class AffineTransform(nn.Module):
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

    def log_det(self, x: Tensor, without: Tensor | None = None) -> Tensor:
        """Log-determinant of the forward map at `x (N, *event)`, summed over its places, `(N,)` nats.

        Adding it to a log-density in model space gives the log-density in data units.

        Arguments:
            without: true where a place does not count, `(N, *event)`: a value is missing, or measured as a mass.
        """
        per_place = -self.scale.log().expand(x.shape)
        if without is not None:
            per_place = per_place.masked_fill(without, 0.0)
        return per_place.flatten(1).sum(1)


def to_model_space(transform: AffineTransform, events: Tensor, dtype: torch.dtype) -> Tensor:
    """Events in data units, as they are stored, to model space in `dtype`.

    Wide numbers are rounded only after they were centered: a mean of 1,000 would cost float32 four digits.
    """
    narrow = events.dtype in (torch.uint8, torch.int16, torch.float16, torch.float32)
    x: Tensor = transform(events.to(dtype if narrow else torch.promote_types(dtype, transform.shift.dtype)))
    return x.to(dtype)


def observed(x: Tensor, missing: bool) -> tuple[Tensor, Tensor | None]:
    """Events `(N, *event)` as models take them: 0 where a value is missing, and a mask that is true there.

    Arguments:
        x: NaN where a value is missing.
        missing: whether any may be; without it the events are as they are and the mask is `None`.
    """
    if not missing:
        return x, None
    gone = x.isnan()
    return x.masked_fill(gone, 0.0), gone


def fit_transform(space: InputSpace, data: DataSpec, blocks: Iterable[NumberArray]) -> AffineTransform:
    """The transform to `space`, from the training rows alone.

    Arguments:
        space: `raw | centered | standardized | unit | signed-unit`; discrete columns stay as they are in each.
        data: what one event is; declared bounds are used as they are.
        blocks: the training rows in data units, `(n, *event)` each, passed over once; NaN where a value is missing.

    Raises:
        DataError: a column that never changes cannot be scaled, or one has no value.
    """
    if space == "raw":
        return _fit_affine(data, 0.0, 1.0)
    if space == "centered":
        mean, deviation = _moments(data, blocks)
        _refuse_huge(data, deviation)
        return _fit_affine(data, mean, 1.0)
    if space == "standardized":
        mean, deviation = _moments(data, blocks)
        _refuse_constant(data, deviation)
        return _fit_affine(data, mean, deviation)
    low, high = data.bounds or _extremes(data, blocks)
    _refuse_constant(data, high - low)
    if space == "unit":
        return _fit_affine(data, low, high - low)
    return _fit_affine(data, (low + high) / 2, (high - low) / 2)


def _fit_affine(data: DataSpec, shift: Any, scale: Any) -> AffineTransform:
    """The map with this shift and scale, for all places or one per column, that leaves discrete columns alone."""
    if data.discrete:
        shift, scale = (np.broadcast_to(part, data.event_shape).astype(np.float64) for part in (shift, scale))
        shift[list(data.discrete)], scale[list(data.discrete)] = 0.0, 1.0
    return AffineTransform(torch.as_tensor(shift), torch.as_tensor(scale))


def _axis(data: DataSpec) -> int | None:
    """The axis to reduce over: rows for a table, all places for an image."""
    return 0 if data.modality == "table" else None


def _moments(data: DataSpec, blocks: Iterable[NumberArray]) -> tuple[NumberArray, NumberArray]:
    """Mean and deviation per column of a table, over all places of an image; merged block by block (Chan, 1979)."""
    count: NumberArray = np.zeros(())
    mean: NumberArray = np.zeros(())
    squares: NumberArray = np.zeros(())
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused by name afterwards
        for block in blocks:
            x = np.asarray(block, np.float64)
            n, block_mean, block_squares = _observed_moments(x) if data.missing else _whole_moments(x, _axis(data))
            delta = block_mean - mean
            total = np.maximum(count + n, 1.0)
            mean = mean + delta * (n / total)
            squares = squares + block_squares + delta**2 * (count * n / total)
            count = count + n
    _refuse_empty(data, count > 0)
    deviation = np.sqrt(squares / count)
    _refuse(data, ~np.isfinite(deviation), "is so widely spread that its squares overflow. Store it in a larger unit.")
    return mean, deviation


def _whole_moments(x: NumberArray, axis: int | None) -> tuple[Any, NumberArray, NumberArray]:
    """Count, mean and sum of squared deviations over an axis."""
    mean = x.mean(axis=axis)
    return float(x.size if axis is None else len(x)), mean, ((x - mean) ** 2).sum(axis=axis)


def _observed_moments(x: NumberArray) -> tuple[Any, NumberArray, NumberArray]:
    """Count, mean and sum of squared deviations of what each column of `x (n, C)` holds besides NaN."""
    gone = np.isnan(x)
    n = (~gone).sum(axis=0).astype(np.float64)
    mean = np.where(gone, 0.0, x).sum(axis=0) / np.maximum(n, 1.0)
    return n, mean, np.where(gone, 0.0, (x - mean) ** 2).sum(axis=0)


def _refuse_huge(data: DataSpec, deviation: NumberArray) -> None:
    what = f"spreads over more than {_WIDEST:g}, whose squares float32 cannot sum. Store it in a larger unit."
    _refuse(data, deviation > _WIDEST, what)


def _refuse(data: DataSpec, bad: NumberArray, what: str) -> None:
    """Refuse a table for its first bad column, an image for any bad place."""
    if bad.any():
        name = (
            f"Column {data.features[int(bad.argmax())].name!r}" if data.modality == "table" else "What the images hold"
        )
        raise DataError(f"{name} {what}")


def _extremes(data: DataSpec, blocks: Iterable[NumberArray]) -> tuple[Any, Any]:
    low: NumberArray = np.array(math.inf)
    high: NumberArray = np.array(-math.inf)
    for block in blocks:
        low = np.fmin(low, np.fmin.reduce(block, axis=_axis(data)))  # these pass over NaN
        high = np.fmax(high, np.fmax.reduce(block, axis=_axis(data)))
    _refuse_empty(data, low <= high)
    return low, high


def _refuse_empty(data: DataSpec, observed: NumberArray) -> None:
    if not observed.all():
        column = data.features[int(np.argmin(observed))].name
        raise DataError(f"Column {column!r} has no value in the training rows. Leave it out with --drop.")


def _refuse_constant(data: DataSpec, spread: Any) -> None:
    changes = np.broadcast_to(spread > 0, len(data.features)).copy()
    changes[list(data.discrete)] = True
    if changes.all():
        return
    if data.modality == "image":
        raise DataError("All training images are one and the same flat color; there is nothing to learn.")
    column = data.features[int(np.argmin(changes))].name
    raise DataError(
        f"Column {column!r} never changes in the training rows, so it cannot be scaled. Leave it out with --drop."
    )


def place_on_grid(x: Tensor, data: DataSpec) -> Tensor:
    """Values in data units as the data could hold them: within its bounds, on its grid, codes among the levels."""
    if data.quantum is not None:
        origin = data.bounds[0] if data.bounds else 0.0
        x = ((x - origin) / data.quantum).round() * data.quantum + origin
    x = x.clone() if data.discrete else x
    for column in data.discrete:
        levels = data.features[column].levels
        x[:, column] = x[:, column].round().clamp(0, None if levels is None else len(levels) - 1)
    return x.clamp(*data.bounds) if data.bounds else x
