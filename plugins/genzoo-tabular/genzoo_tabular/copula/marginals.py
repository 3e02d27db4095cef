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
"""Least distance of knots relative to their size, which float32 can tell apart."""


class Marginals(nn.Module, ABC):
    """Increasing maps of `C` columns to normal scores, for `G` groups of rows. They compute in float64."""

    @abstractmethod
    def resize(self, groups: int) -> None:
        """Make room for `groups` groups."""

    @abstractmethod
    def fit(self, group: int, column: int, x: Array, weights: Array, smallest: float) -> None:
        """Fit the marginal of one column in one group to values `x (n,)`; `smallest` is the width of equal values."""

    @abstractmethod
    def scores(self, x: Tensor, group: int, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Return the normal scores of `x (N, C')` and the logarithms of their slopes, for the `columns (C',)`."""

    @abstractmethod
    def values(self, z: Tensor, group: int, columns: Tensor) -> Tensor:
        """Return the values with normal scores `z (N, C')`."""


class Quantiles(Marginals):
    """Smoothed quantiles, with normal tails."""

    names = ("knots", "knot_scores")

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.knots: Tensor
        self.knot_scores: Tensor
        line = torch.linspace(-3, 3, KNOTS).expand(1, columns, KNOTS).clone()
        self.register_buffer("knots", line)
        self.register_buffer("knot_scores", line.clone())

    def resize(self, groups: int) -> None:
        for name in self.names:
            setattr(self, name, getattr(self, name)[:1].repeat(groups, 1, 1))

    def fit(self, group: int, column: int, x: Array, weights: Array, smallest: float) -> None:
        knots, scores = fit_quantiles(x, weights, smallest)
        gap = _CLOSEST * (1 + np.abs(knots).max())
        knots = knots[0] + np.concatenate([[0.0], np.maximum(np.diff(knots), gap).cumsum()])
        self.knots[group, column] = torch.from_numpy(knots).to(self.knots)
        self.knot_scores[group, column] = torch.from_numpy(scores).to(self.knot_scores)

    def scores(self, x: Tensor, group: int, columns: Tensor) -> tuple[Tensor, Tensor]:
        z, slope = splines.evaluate(x.double(), *self._splines(group, columns))
        return z, slope.log()

    def values(self, z: Tensor, group: int, columns: Tensor) -> Tensor:
        return splines.invert(z.double(), *self._splines(group, columns))

    def _splines(self, group: int, columns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        knots, scores = (part[group][columns].double() for part in (self.knots, self.knot_scores))
        return knots, scores, splines.increasing_slopes(knots, scores)


class Parametric(Marginals):
    """Normals, or the better fitting of normal and Johnson's SU.

    Arguments:
        columns: number of columns.
        only_normal: whether all are normal.
    """

    names = ("parameters_of",)

    def __init__(self, columns: int, only_normal: bool) -> None:
        super().__init__()
        self.only_normal = only_normal
        self.parameters_of: Tensor
        self.register_buffer("parameters_of", torch.tensor([0.0, 0.0, 1.0, 0.0, 1.0]).expand(1, columns, 5).clone())

    def resize(self, groups: int) -> None:
        self.parameters_of = self.parameters_of[:1].repeat(groups, 1, 1)

    def fit(self, group: int, column: int, x: Array, weights: Array, smallest: float) -> None:
        find = johnson.fit_normal if self.only_normal else johnson.fit_johnson
        self.parameters_of[group, column] = torch.tensor(find(x, weights, smallest)).to(self.parameters_of)

    def scores(self, x: Tensor, group: int, columns: Tensor) -> tuple[Tensor, Tensor]:
        family, shape, scale, place, width = self.parameters_of[group][columns].double().unbind(1)
        y = (x.double() - place) / width
        normal = family == johnson.NORMAL
        slope = (scale / width).log() - torch.where(normal, 0.0, y.square().log1p() / 2)
        return shape + scale * torch.where(normal, y, y.asinh()), slope

    def values(self, z: Tensor, group: int, columns: Tensor) -> Tensor:
        family, shape, scale, place, width = self.parameters_of[group][columns].double().unbind(1)
        y = (z.double() - shape) / scale
        return place + width * torch.where(family == johnson.NORMAL, y, y.sinh())
