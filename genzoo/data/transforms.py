"""Invertible maps between data units and model space, with their log-determinants."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from genzoo.errors import DataError
from genzoo.spec.entries import InputSpace
from genzoo.spec.events import DataSpec
from genzoo.wording import argument

_WIDEST = 1e15
"""Largest standard deviation, in data units, that the `centered` space accepts."""

_NARROWEST = 1e-18
"""Smallest standard deviation that it accepts, other than 0."""

_ROUNDED = 1e-12
"""Standard deviations of at most this share of the mean may be rounding errors of a constant."""


NumberArray = np.ndarray[Any, np.dtype[Any]]


class AffineTransform(nn.Module):
    """`y = (x - shift) / scale`, with one shift and scale for the whole event or one per column.

    The buffers are float64, so that rounding does not depend on the data's unit. The arithmetic is in the type of `x`.

    Arguments:
        shift: `()` or `(C,)`, in data units.
        scale: positive, same shape as `shift`, data units per model unit.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, shift: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("shift", shift.double())
        self.register_buffer("scale", scale.double())

    def forward(self, x: Tensor) -> Tensor:
        """Map data units `(N, *event)` to model space."""
        return (x - self.shift.to(x.dtype)) / self.scale.to(x.dtype)

    def inverse(self, y: Tensor) -> Tensor:
        """Map model space `(N, *event)` to data units."""
        return y * self.scale.to(y.dtype) + self.shift.to(y.dtype)

    def log_det(self, x: Tensor, without: Tensor | None = None) -> Tensor:
        """Return the log-determinant of the forward map at `x (N, *event)`, summed over each event, `(N,)` nats.

        Add it to a log-density in model space to get the log-density in data units. The mask `without`, `(N, *event)`,
        marks values to leave out of the sum, because they are missing or measured as a mass.
        """
        per_place = -self.scale.log().expand(x.shape)
        if without is not None:
            per_place = per_place.masked_fill(without, 0.0)
        return per_place.flatten(1).sum(1)


def to_model_space(transform: AffineTransform, events: Tensor, dtype: torch.dtype) -> Tensor:
    """Map events from data units, in their stored type, to model space in `dtype`.

    Types wider than float32 are rounded after centering. Rounding first would cost digits: three if the mean is 1,000
    times the deviation.
    """
    narrow = events.dtype in (torch.uint8, torch.int16, torch.float16, torch.float32)
    x: Tensor = transform(events.to(dtype if narrow else torch.promote_types(dtype, transform.shift.dtype)))
    return x.to(dtype)


def observed(x: Tensor, missing: bool) -> tuple[Tensor, Tensor | None]:
    """Return events with 0 for missing values, and the mask of missing values, both `(N, *event)`.

    Arguments:
        x: events, with NaN for missing values.
        missing: whether values may be missing. If not, `x` is returned unchanged and the mask is `None`.
    """
    if not missing:
        return x, None
    gone = x.isnan()
    return x.masked_fill(gone, 0.0), gone


def fit_transform(space: InputSpace, data: DataSpec, blocks: Iterable[NumberArray]) -> AffineTransform:
    """Fit the transform to `space` on the training rows.

    Arguments:
        space: `raw | centered | standardized | unit | signed-unit`; discrete columns are never changed.
        data: spec of one event; its bounds, if declared, are used for `unit` and `signed-unit`.
        blocks: the training rows in data units, `(n, *event)` each, NaN for missing values; iterated over once.

    Raises:
        DataError: a column to be scaled is constant, has no value, or spreads too widely or too little.
    """
    if space == "raw":
        return _fit_affine(data, 0.0, 1.0)
    if space == "centered":
        mean, deviation = _moments(data, blocks)
        _check_spread(data, mean, deviation)
        return _fit_affine(data, mean, 1.0)
    if space == "standardized":
        mean, deviation = _moments(data, blocks)
        _check_changing(data, deviation)
        return _fit_affine(data, mean, deviation)
    low, high = data.bounds or _extremes(data, blocks)
    _check_changing(data, high - low)
    if space == "unit":
        return _fit_affine(data, low, high - low)
    return _fit_affine(data, (low + high) / 2, (high - low) / 2)


def _fit_affine(data: DataSpec, shift: Any, scale: Any) -> AffineTransform:
    """Return the map with this shift and scale that leaves discrete columns unchanged."""
    if data.discrete:
        shift, scale = (np.broadcast_to(part, data.event_shape).astype(np.float64) for part in (shift, scale))
        shift[list(data.discrete)], scale[list(data.discrete)] = 0.0, 1.0
    return AffineTransform(torch.as_tensor(shift), torch.as_tensor(scale))


def _axis(data: DataSpec) -> int | None:
    """Return the axis to reduce over: rows for a table, `None` (all values) for images."""
    return 0 if data.form.columns else None


def _moments(data: DataSpec, blocks: Iterable[NumberArray]) -> tuple[NumberArray, NumberArray]:
    """Return mean and standard deviation, per column of a table or over all pixels.

    Blocks are merged by their counts, means and sums of squared deviations. A running sum of squares would lose its
    digits if the mean is large against the deviation.

    References:
        "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances" (Chan, Golub and LeVeque, 1979).
    """
    count: NumberArray = np.zeros(())
    mean: NumberArray = np.zeros(())
    squares: NumberArray = np.zeros(())
    with np.errstate(over="ignore", invalid="ignore"):  # an overflow raises below, with the column's name
        for block in blocks:
            x = np.asarray(block, np.float64)
            n, block_mean, block_squares = _observed_moments(x) if data.missing else _whole_moments(x, _axis(data))
            delta = block_mean - mean
            total = np.maximum(count + n, 1.0)
            mean = mean + delta * (n / total)
            squares = squares + block_squares + delta**2 * (count * n / total)
            count = count + n
    _check_observed(data, count > 0)
    deviation = np.sqrt(squares / count)
    problem = "is so widely spread that its squares overflow. Store it in a larger unit."
    _check_none(data, ~np.isfinite(deviation), problem)
    return mean, deviation


def _whole_moments(x: NumberArray, axis: int | None) -> tuple[Any, NumberArray, NumberArray]:
    """Return count, mean and sum of squared deviations over an axis."""
    mean = x.mean(axis=axis)
    return float(x.size if axis is None else len(x)), mean, ((x - mean) ** 2).sum(axis=axis)


def _observed_moments(x: NumberArray) -> tuple[Any, NumberArray, NumberArray]:
    """Return count, mean and sum of squared deviations of each column of `x (n, C)`, NaN left out."""
    gone = np.isnan(x)
    n = (~gone).sum(axis=0).astype(np.float64)
    mean = np.where(gone, 0.0, x).sum(axis=0) / np.maximum(n, 1.0)
    return n, mean, np.where(gone, 0.0, (x - mean) ** 2).sum(axis=0)


def _check_spread(data: DataSpec, mean: NumberArray, deviation: NumberArray) -> None:
    problem = f"spreads over more than {_WIDEST:g}, so float32 cannot sum its squares. Store it in a larger unit."
    _check_none(data, deviation > _WIDEST, problem)
    narrow = (deviation < _NARROWEST) & (deviation > _ROUNDED * np.abs(mean))
    problem = f"spreads over less than {_NARROWEST:g}, so float32 cannot hold its squares. Store it in a smaller unit."
    _check_none(data, narrow, problem)


def _check_none(data: DataSpec, bad: NumberArray, problem: str) -> None:
    """Raise for the first bad column of a table, or for images with a bad value."""
    if bad.any():
        column = f"Column {data.features[int(bad.argmax())].name!r}"
        name = column if data.form.columns else f"The range of the {data.form.events}"
        raise DataError(f"{name} {problem}")


def _extremes(data: DataSpec, blocks: Iterable[NumberArray]) -> tuple[Any, Any]:
    low: NumberArray = np.array(math.inf)
    high: NumberArray = np.array(-math.inf)
    for block in blocks:
        low = np.fmin(low, np.fmin.reduce(block, axis=_axis(data)))  # unlike min, fmin skips NaN
        high = np.fmax(high, np.fmax.reduce(block, axis=_axis(data)))
    _check_observed(data, low <= high)
    return low, high


def _check_observed(data: DataSpec, observed: NumberArray) -> None:
    if not observed.all():
        column = data.features[int(np.argmin(observed))].name
        raise DataError(f"Column {column!r} has no value in the training rows. Leave it out with {argument('drop')}.")


def _check_changing(data: DataSpec, spread: Any) -> None:
    changes = np.broadcast_to(spread > 0, len(data.features)).copy()
    changes[list(data.discrete)] = True
    if changes.all():
        return
    if not data.form.columns:
        raise DataError(
            f"All {data.form.values} of all training {data.form.events} are equal, so there is nothing to learn."
        )
    column = data.features[int(np.argmin(changes))].name
    raise DataError(
        f"Column {column!r} never changes in the training rows, so it cannot be scaled. Leave it out with "
        f"{argument('drop')}."
    )


def place_on_grid(x: Tensor, data: DataSpec, *, whole_counts: bool = True) -> Tensor:
    """Return values in data units rounded to the data's grid, levels and bounds.

    Arguments:
        whole_counts: whether counts are rounded; the mean of counts need not be whole. Defaults to true.
    """
    if data.quantum is not None:
        origin = data.bounds[0] if data.bounds else 0.0
        x = ((x - origin) / data.quantum).round() * data.quantum + origin
    x = x.clone() if data.discrete else x
    for column in data.discrete:
        levels = data.features[column].levels
        placed = x[:, column].round() if whole_counts or levels is not None else x[:, column]
        x[:, column] = placed.clamp(0, None if levels is None else len(levels) - 1)
    return x.clamp(*data.bounds) if data.bounds else x
