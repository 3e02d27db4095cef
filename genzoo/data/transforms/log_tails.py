"""Numbers with heavy tails: a scale in the middle, a logarithm beyond.

The middle of each column keeps its shape, and few values decide nothing: shift and scale are quantiles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from genzoo.config.settings import Settings
from genzoo.data.transforms.marginal import kept_rows
from genzoo.data.transforms.transform import NumberArray, Transform, check_none, summed
from genzoo.spec.events import DataSpec

_MIDDLE = 2.0
"""Number of scales from the median at which the logarithm begins."""

_LEVELS = (0.16, 0.5, 0.84)
"""Levels of quantiles: a standard deviation below the mean of a normal distribution, the median, and one above."""


class LogTailsTransform(Transform):
    """`y = u` for `|u| <= 2` and `y = ±(2 + log(|u| - 1))` beyond, for `u = (x - shift) / scale`.

    The slope is continuous, so densities are, too.

    Arguments:
        shift: median of each column, `(C,)`, or `(1,)` for images.
        scale: half of the distance of the quantiles at 16 % and 84 %, in the same shape. If these are equal, it is the
            standard deviation.
    """

    degrees_of_freedom = None
    shift: Tensor
    scale: Tensor

    def __init__(self, shift: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("shift", shift.double())
        self.register_buffer("scale", scale.double())

    @classmethod
    def outlines(cls, _: Settings, data: DataSpec) -> dict[str, tuple[int, ...]]:
        return dict.fromkeys(("shift", "scale"), (len(data.features),))

    @classmethod
    def fit(cls, _: Settings, data: DataSpec, blocks: Iterable[NumberArray]) -> LogTailsTransform:
        rows = kept_rows(blocks, len(data.features))
        gone = np.isnan(rows)
        check_none(data, np.asarray(gone.all(0)), "has no value in the training rows.")
        with np.errstate(over="ignore", invalid="ignore"):
            low, middle, high = np.nanquantile(rows, _LEVELS, axis=0)
            deviation = np.nanstd(rows, axis=0)
            scale = np.where(high > low, (high - low) / 2, deviation)
        problem = "never changes in the training rows, or spreads so widely that its squares overflow."
        check_none(data, np.asarray(~((scale > 0) & np.isfinite(scale))), problem)
        return cls(torch.from_numpy(middle), torch.from_numpy(scale))

    @classmethod
    def restore(cls, _: Settings, data: DataSpec, tensors: Mapping[str, Tensor]) -> LogTailsTransform:
        shift, scale = tensors["shift"], tensors["scale"]
        if any(part.shape != (len(data.features),) for part in (shift, scale)) or not (scale > 0).all():
            raise ValueError("a shift and a positive scale for each column are needed")
        return cls(shift, scale)

    def forward(self, x: Tensor) -> Tensor:
        u = self._scaled(x)
        return torch.where(u.abs() <= _MIDDLE, u, u.sign() * (_MIDDLE + _beyond(u).log1p())).to(x.dtype)

    def inverse(self, y: Tensor) -> Tensor:
        wide = y.to(self.dtype)
        u = torch.where(wide.abs() <= _MIDDLE, wide, wide.sign() * (_MIDDLE + _beyond(wide).expm1()))
        return (self.shift + u * self.scale).to(y.dtype)

    def log_det(self, x: Tensor, without: Tensor | None = None) -> Tensor:
        slopes = -_beyond(self._scaled(x)).log1p() - self.scale.log()
        return summed(slopes.to(x.dtype), without)

    def _scaled(self, x: Tensor) -> Tensor:
        return (x.to(self.dtype) - self.shift) / self.scale


def _beyond(u: Tensor) -> Tensor:
    """Return how far each number is beyond the middle, 0 inside."""
    return (u.abs() - _MIDDLE).clamp_min(0.0)
