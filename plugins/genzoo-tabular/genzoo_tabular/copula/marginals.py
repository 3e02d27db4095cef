"""Marginals of columns: increasing maps to standard normal scores, for each group of rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from genzoo_tabular.copula import johnson, splines
from genzoo_tabular.copula.quantiles import KNOTS, fit_quantiles

Array = np.ndarray[Any, np.dtype[Any]]

_CLOSEST = 4e-7
"""Least distance of knots relative to their size, which differ in float32."""


class Marginals(nn.Module, ABC):
    """Increasing maps of `C` columns to normal scores, for `G` groups of rows. They compute in float64.

    Arguments:
        table: parameters of the standard normal, `(C, ...)`.
    """

    table: Tensor
    """Parameters, `(G, C, ...)`."""

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.register_buffer("table", table[None].clone())

    def resize(self, groups: int) -> None:
        """Make room for `groups` groups."""
        self.table = self.table[:1].repeat(groups, *(1 for _ in self.table.shape[1:]))

    def fit(self, group: int, column: int, x: Array, weights: Array, smallest: float) -> None:
        """Fit the marginal of one column in one group.

        Arguments:
            x: values, `(n,)`.
            weights: their weights, `(n,)`.
            smallest: width of the cell around values that are all equal.
        """
        self.table[group, column] = torch.as_tensor(self.parameters_for(x, weights, smallest), dtype=torch.float64).to(
            self.table
        )

    @abstractmethod
    def parameters_for(self, x: Array, weights: Array, smallest: float) -> Any:
        """Return the parameters that fit values; arguments as for `fit`."""

    @abstractmethod
    def scores(self, x: Tensor, group: int, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Return the normal scores of `x (N, C')` and the logarithms of their slopes, for the `columns (C',)`."""

    @abstractmethod
    def values(self, z: Tensor, group: int, columns: Tensor) -> Tensor:
        """Return the values with normal scores `z (N, C')`."""


class Quantiles(Marginals):
    """Smoothed quantiles, with normal tails. Their table holds a `Curve` for each group and column."""

    def __init__(self, columns: int) -> None:
        line, none = torch.linspace(-3, 3, KNOTS), torch.zeros(KNOTS)
        super().__init__(torch.stack([line, line, none, none]).expand(columns, 4, KNOTS))

    def parameters_for(self, x: Array, weights: Array, smallest: float) -> Array:
        curve = fit_quantiles(x, weights, smallest)
        gap = _CLOSEST * (1 + np.abs(curve.knots).max())
        knots = curve.knots[0] + np.concatenate([[0.0], np.maximum(np.diff(curve.knots), gap).cumsum()])
        return np.stack([knots, curve.scores, curve.shared, curve.steps])

    def scores(self, x: Tensor, group: int, columns: Tensor) -> tuple[Tensor, Tensor]:
        knots, scores, _, steps = self._curves(group, columns)
        z, slope = splines.evaluate(x.double(), knots, scores, splines.increasing_slopes(knots, scores), steps > 0)
        return z, slope.log()

    def values(self, z: Tensor, group: int, columns: Tensor) -> Tensor:
        """Return the values with normal scores `z (N, C')`. On a step, it is the value that many rows share."""
        knots, scores, shared, steps = self._curves(group, columns)
        x = splines.invert(z.double(), knots, scores, splines.increasing_slopes(knots, scores), steps > 0)
        place, _, _ = splines.interval(z.double(), scores)
        on_step = splines.at(steps, place) > 0
        on_step &= (z >= splines.at(scores, place)) & (z <= splines.at(scores, place + 1))
        return torch.where(on_step, splines.at(shared, place), x)

    def _curves(self, group: int, columns: Tensor) -> tuple[Tensor, ...]:
        return tuple(part.contiguous() for part in self.table[group][columns].double().unbind(1))


class Parametric(Marginals):
    """Normals, or the better fitting of normal and Johnson's SU.

    Arguments:
        columns: number of columns.
        only_normal: whether all are normal.
    """

    def __init__(self, columns: int, only_normal: bool) -> None:
        super().__init__(torch.tensor([johnson.NORMAL, 0.0, 1.0, 0.0, 1.0]).expand(columns, 5))
        self.only_normal = only_normal

    def parameters_for(self, x: Array, weights: Array, smallest: float) -> tuple[float, ...]:
        return (johnson.fit_normal if self.only_normal else johnson.fit_johnson)(x, weights, smallest)

    def scores(self, x: Tensor, group: int, columns: Tensor) -> tuple[Tensor, Tensor]:
        family, shape, scale, place, width = self.table[group][columns].double().unbind(1)
        y = (x.double() - place) / width
        normal = family == johnson.NORMAL
        slope = (scale / width).log() - torch.where(normal, 0.0, y.square().log1p() / 2)
        return shape + scale * torch.where(normal, y, y.asinh()), slope

    def values(self, z: Tensor, group: int, columns: Tensor) -> Tensor:
        family, shape, scale, place, width = self.table[group][columns].double().unbind(1)
        y = (z.double() - shape) / scale
        return place + width * torch.where(family == johnson.NORMAL, y, y.sinh())
