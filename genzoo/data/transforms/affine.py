"""Shifts and scales: the spaces raw, centered, standardized, unit and signed-unit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from genzoo.config.settings import Settings
from genzoo.data.columns.moments import moments_of
from genzoo.data.transforms.transform import NumberArray, Transform, check_none, summed
from genzoo.errors import DataError
from genzoo.spec.events import DataSpec
from genzoo.wording import argument

_WIDEST = 1e15
"""Largest standard deviation, in data units, that the `centered` space accepts."""

_NARROWEST = 1e-18
"""Smallest standard deviation that it accepts, other than 0."""

_ROUNDED = 1e-12
"""Standard deviations of at most this share of the mean may be rounding errors of a constant."""


InputSpace = Literal["raw", "centered", "standardized", "unit", "signed-unit"]


class AffineTransform(Transform):
    """`y = (x - shift) / scale`, with one shift and scale for the whole event or one per column.

    The arithmetic is in the type of `x`.

    Arguments:
        shift: `()` or `(C,)`, in data units.
        scale: positive, same shape as `shift`, data units per model unit.
    """

    affine = True
    shift: Tensor
    scale: Tensor

    def __init__(self, shift: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("shift", shift.double())
        self.register_buffer("scale", scale.double())

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.shift.to(x.dtype)).div_(self.scale.to(x.dtype))

    def inverse(self, y: Tensor) -> Tensor:
        return y * self.scale.to(y.dtype) + self.shift.to(y.dtype)

    def log_det(self, x: Tensor, without: Tensor | None = None) -> Tensor:
        return summed(-self.scale.log().to(x.dtype).expand(x.shape), without)


@dataclass(frozen=True, slots=True)
class AffineSpace:
    """Builds the map to one of the spaces.

    Arguments:
        name: name of the space.
    """

    name: InputSpace

    def outlines(self, _: Settings, data: DataSpec) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(("shift", "scale"), data.event_shape if data.form.columns else ())

    def fit(self, _: Settings, data: DataSpec, blocks: Iterable[NumberArray]) -> AffineTransform:
        return fit_transform(self.name, data, blocks)

    def restore(self, _: Settings, data: DataSpec, tensors: Mapping[str, Tensor]) -> AffineTransform:
        return restore_affine(data, tensors)


RAW, CENTERED, STANDARDIZED = AffineSpace("raw"), AffineSpace("centered"), AffineSpace("standardized")
UNIT, SIGNED_UNIT = AffineSpace("unit"), AffineSpace("signed-unit")


def restore_affine(data: DataSpec, tensors: Mapping[str, Tensor]) -> AffineTransform:
    """Build the map with the tensors `shift` and `scale` of a file.

    Raises:
        ValueError: they have the wrong shape, or are no shift and scale.
    """
    shift, scale = tensors["shift"], tensors["scale"]
    allowed = ((), data.event_shape) if data.form.columns else ((),)
    if any(part.shape not in allowed or not part.is_floating_point() for part in (shift, scale)):
        raise ValueError(f"a shift and a scale of shapes {tuple(shift.shape)} and {tuple(scale.shape)}")
    if not (scale > 0).all():
        raise ValueError("a scale that is not positive")
    return AffineTransform(shift, scale)


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
    """Return mean and standard deviation, per column of a table or over all pixels."""
    moments = moments_of(blocks, _axis(data), missing=data.missing)
    _check_observed(data, moments.count > 0)
    deviation = moments.deviation
    problem = "is so widely spread that its squares overflow. Store it in a larger unit."
    check_none(data, ~np.isfinite(deviation), problem)
    return moments.mean, deviation


def _check_spread(data: DataSpec, mean: NumberArray, deviation: NumberArray) -> None:
    problem = f"spreads over more than {_WIDEST:g}, so float32 cannot sum its squares. Store it in a larger unit."
    check_none(data, deviation > _WIDEST, problem)
    narrow = (deviation < _NARROWEST) & (deviation > _ROUNDED * np.abs(mean))
    problem = f"spreads over less than {_NARROWEST:g}, so float32 cannot hold its squares. Store it in a smaller unit."
    check_none(data, narrow, problem)


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
