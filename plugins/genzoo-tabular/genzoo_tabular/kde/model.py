"""A kernel density estimate for tables of numbers, counts and categories."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from genzoo import Feature, Generator, Imputation, Likelihood
from genzoo_tabular.copula.rectangles import draw_interval
from genzoo_tabular.kde.kernels import log_count, log_level, log_normal

_PAIRS = 2**21
"""Largest number of pairs of rows and points that are computed at a time."""

_STRATA = 128
"""Quantiles over which the mean of a count is taken."""


class Kernels(Generator, Likelihood, Imputation):
    """A mixture of a kernel around each training row: a product of kernels of the columns.

    Columns that a training row lacks have the distribution that they have among the other rows, as a mixture of kernels
    around all values.

    References:
        "Nonparametric Estimation of Distributions with Categorical and Continuous Data" (Li and Racine, 2003).

    Arguments:
        features: the columns.
        most_rows: largest number of training rows that a fit keeps.
    """

    needs_float64 = True
    grows = ("points", "absent", "log_weights", "spread")

    def __init__(self, features: Sequence[Feature], most_rows: int) -> None:
        super().__init__()
        self.features = tuple(features)
        self.most_rows = most_rows
        size = len(self.features)
        self.points: Tensor
        self.absent: Tensor
        self.log_weights: Tensor
        self.spread: Tensor
        self.widths: Tensor
        self.register_buffer("points", torch.zeros(1, size))
        self.register_buffer("absent", torch.zeros(1, size, dtype=torch.bool))
        self.register_buffer("log_weights", torch.zeros(1))
        self.register_buffer("spread", torch.ones(1))  # factor of the widths of numbers around each point
        self.register_buffer("widths", torch.tensor([self.usual_width(i) for i in range(size)]))

    def usual_width(self, column: int) -> float:
        """Return the width of a kernel that says nothing: all levels are equally probable."""
        levels = len(self.features[column].levels or ())
        return 1.0 if levels == 0 else max(1 - 1 / levels, 0.5)

    @property
    def degrees_of_freedom(self) -> int | None:
        """None: there is a kernel around each row, and no maximum of the likelihood."""
        return None

    def log_kernel(self, column: int, x: Tensor, points: Tensor, width: Tensor) -> Tensor:
        """Return log-kernels of one column, of values `x (N, 1)` around `points (M,)`, `(N, M)`."""
        levels = self.features[column].levels
        if levels is not None:
            return log_level(x, points, width, len(levels))
        kernel: Callable[[Tensor, Tensor, Tensor], Tensor] = (
            log_count if self.features[column].kind == "count" else log_normal
        )
        return kernel(x, points, width)

    def width(self, column: int) -> Tensor:
        """Return the width of the kernel of a column around each point, `(M,)` or `()`."""
        width = self.widths[column].double()
        return width if self.features[column].levels is not None else width * self.spread.double()

    def log_joint(self, x: Tensor, missing: Tensor | None) -> Tensor:
        """Return the log-density of the observed values of rows and of the point, `(N, M)`."""
        total = self.log_weights.double().expand(len(x), -1).clone()
        for column in range(len(self.features)):
            total += self.log_column(column, x, missing)
        return total

    def log_column(self, column: int, x: Tensor, missing: Tensor | None) -> Tensor:
        """Return the log-kernels of one column of rows around all points, `(N, M)`; 0 if the row lacks it."""
        # Rows share values of most columns of a table, and then also share the kernels.
        values, which = torch.unique(x[:, column].double(), return_inverse=True)
        part = self.log_kernel(column, values[:, None], self.points[:, column].double(), self.width(column))
        absent = self.absent[:, column]
        if absent.any():
            known = self.log_weights.double()[~absent].log_softmax(0)
            part = torch.where(absent, (part[:, ~absent] + known).logsumexp(1, keepdim=True), part)
        part = part[which]
        return part if missing is None else part.masked_fill(missing[:, column, None], 0.0)

    def log_prob(self, x: Tensor, missing: Tensor | None = None) -> Tensor:
        logs = x.new_empty(len(x))
        for start in range(0, len(x), self._block()):
            part = slice(start, start + self._block())
            logs[part] = self.log_joint(x[part], None if missing is None else missing[part]).logsumexp(1).to(x)
        return logs

    def sample(self, n: int, *, condition: Tensor | None = None, **options: object) -> Tensor:
        below = self.log_weights.double().softmax(0).cumsum(0)
        u = torch.rand(n, dtype=torch.float64, device=below.device) * below[-1]
        point = torch.searchsorted(below, u, right=True).clamp_max(len(below) - 1)
        return self._around(point).to(self.points.dtype)

    def impute(self, x: Tensor, missing: Tensor, *, draw: bool = False) -> Tensor:
        """Fill in missing values by their means and most probable levels, or by draws, given the observed ones.

        Both are exact: the observed values give the probabilities of the points.
        """
        filled = x.double().clone()
        for start in range(0, len(x), self._block()):
            part = slice(start, start + self._block())
            joint = self.log_joint(x[part], missing[part])
            impossible = joint.amax(1, keepdim=True) == -torch.inf  # such a row says nothing about the others
            weights = torch.where(impossible, self.log_weights.double(), joint).softmax(1)
            if draw:
                filled[part] = self._around(torch.multinomial(weights, 1).squeeze(1))
            else:
                filled[part] = self._expected(weights)
        return torch.where(missing, filled.to(x), x)

    def _block(self) -> int:
        return max(1, _PAIRS // len(self.points))

    def _present(self, column: int, point: Tensor) -> Tensor:
        """Return points that have a value in a column: the same ones, or others if they lack it."""
        absent = self.absent[:, column]
        lacking = absent[point]
        weights = self.log_weights.double().softmax(0).masked_fill(absent, 0.0)
        others = torch.multinomial(weights, max(len(point), 1), replacement=True)[: len(point)]
        return torch.where(lacking, others, point)

    def _around(self, point: Tensor) -> Tensor:
        """Return rows drawn around points, `(N, C)` float64."""
        x = torch.empty(len(point), len(self.features), dtype=torch.float64, device=point.device)
        for column, feature in enumerate(self.features):
            own = self._present(column, point)
            center, width = self.points[own, column].double(), self.width(column)
            width = width[own] if width.ndim else width
            u = torch.rand_like(center)
            if feature.levels is not None:
                other = (center + 1 + torch.floor(torch.rand_like(u) * (len(feature.levels) - 1))) % len(feature.levels)
                x[:, column] = torch.where(u < width, other, center)
            elif feature.kind == "count":
                low = (-0.5 - center) / width
                z = draw_interval(low, torch.full_like(low, 40.0), u)
                x[:, column] = (center + width * z).round().clamp_min(0)
            else:
                x[:, column] = center + width * torch.special.ndtri(u.clamp(1e-16, 1 - 1e-16))
        return x

    def _expected(self, weights: Tensor) -> Tensor:
        """Return means and most probable levels under `weights (N, M)` of points, `(N, C)`."""
        x = torch.empty(len(weights), len(self.features), dtype=torch.float64, device=weights.device)
        usual = self.log_weights.double().softmax(0)
        for column, feature in enumerate(self.features):
            absent = self.absent[:, column]
            points = self.points[:, column].double()
            if feature.levels is None:
                centers = self._count_means(points, self.width(column)) if feature.kind == "count" else points
                mean = (usual * ~absent) @ centers / (usual * ~absent).sum()
                x[:, column] = weights @ torch.where(absent, mean, centers)
                continue
            codes = torch.nn.functional.one_hot(points.long(), len(feature.levels)).double()
            share = (usual * ~absent) @ codes / (usual * ~absent).sum()
            near = weights @ torch.where(absent[:, None], share, codes)
            width, others = self.width(column), max(len(feature.levels) - 1, 1)
            x[:, column] = ((1 - width) * near + width * (1 - near) / others).argmax(1).to(x)
        return x

    def _count_means(self, points: Tensor, width: Tensor) -> Tensor:
        """Return the means of counts around points, by quantiles."""
        u = (torch.arange(_STRATA, dtype=torch.float64, device=points.device)[:, None] + 0.5) / _STRATA
        low = ((-0.5 - points) / width).expand(_STRATA, -1)
        z = draw_interval(low, torch.full_like(low, 40.0), u.expand_as(low))
        return (points + width * z).round().clamp_min(0).mean(0)
