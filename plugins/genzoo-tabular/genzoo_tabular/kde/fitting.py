"""Choose bandwidths by the likelihood of rows that are left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from genzoo_tabular.kde.model import Kernels
from genzoo_tabular.kde.options import BandwidthOptions
from genzoo_tabular.rows import TrainingRows

_START, _NARROWEST_LEVEL = 0.3, 1e-4
"""First width of all kernels, as a share of the usual one, and the least width of kernels of levels."""

_CELLS = 0.5
"""Smallest width of a number, in cells between different values: narrower kernels would profit from rounding."""

_LEAST_GAIN = 1e-3
"""Gain in mean log-likelihood from which on a step is tried again."""

_WIDEST = (1.5, 4.0)
"""Largest logarithms that are tried of the factor by which kernels are widened."""

_BLOCK = 500
"""Rows that are left out at a time."""

_STEPS, _FINE_STEPS = (1.0, 0.5, 0.25, 0.125, 0.0625), (0.125,)
"""Changes of the logarithm of widths that are tried, and the ones after a first search among few rows."""


def fit(kernels: Kernels, rows: TrainingRows, options: BandwidthOptions) -> dict[str, Any]:
    """Keep rows in a model, choose its bandwidths, and return facts for the record of the run."""
    total = len(rows)
    if total > kernels.most_rows:
        rows = rows.take(torch.randperm(total)[: kernels.most_rows].sort().values)
    few = rows.take(torch.randperm(len(rows))[: options.search_rows]) if len(rows) > options.search_rows else rows
    tried = rows.take(torch.randperm(len(rows))[: options.tried_rows])
    _keep(kernels, few)
    search = _Search(kernels, few, tried)
    score = search.run(search.usual * _START, _STEPS)
    pilot = _left_out(kernels, few, rows)
    if len(few) < len(rows):
        _keep(kernels, rows)
        search = _Search(kernels, rows, tried)
        score = search.run(kernels.widths * _narrower(kernels, len(rows) / len(few)), _FINE_STEPS)
    adaptive = options.adaptive and _widen(kernels, pilot, search, score)
    return {"kept_rows": len(rows), "of_rows": total, "adaptive": adaptive}


def _keep(kernels: Kernels, rows: TrainingRows) -> None:
    kernels.points = rows.x.to(kernels.points)
    kernels.absent = rows.missing.clone()
    kernels.log_weights = (rows.weights / rows.weights.sum()).log().to(kernels.log_weights)
    kernels.spread = kernels.spread.new_ones(len(rows))


def _equal(first: TrainingRows, second: TrainingRows) -> Tensor:
    """Return which rows are equal, `(N, M)`."""
    both = torch.cat([torch.cat([part.x, part.missing.double()], 1) for part in (first, second)])
    _, which = torch.unique(both, dim=0, return_inverse=True)
    same: Tensor = which[: len(first), None] == which[len(first) :]
    return same


def _left_out(kernels: Kernels, kept: TrainingRows, rows: TrainingRows) -> Tensor:
    """Return the log-densities of rows if they and all equal rows are left out, `(N,)`."""
    parts = []
    for start in range(0, len(rows), _BLOCK):
        part = rows.take(torch.arange(start, min(start + _BLOCK, len(rows))))
        joint = kernels.log_joint(part.x, part.missing).masked_fill_(_equal(part, kept), -math.inf)
        parts.append(joint.logsumexp(1))
    logs = torch.cat(parts)
    known = logs[logs.isfinite()]  # a row may have no other row than its copies
    return logs.clamp_min(known.min()) if len(known) else torch.zeros_like(logs)


def _narrower(kernels: Kernels, times: float) -> Tensor:
    """Return by what to multiply the widths if there are so many times as many rows, `(C,)`.

    References:
        "Density Estimation for Statistics and Data Analysis" (Silverman, 1986).
    """
    named = torch.tensor([feature.levels is not None for feature in kernels.features])
    numbers = int((~named).sum())
    return torch.where(named, times ** (-2 / (4 + numbers)), times ** (-1 / (4 + numbers)))


class _Search:
    """A search for the widths under which rows are most probable, if they and all equal rows are left out.

    Arguments:
        rows: the rows that the model keeps.
        tried: the rows that are left out.
    """

    def __init__(self, kernels: Kernels, rows: TrainingRows, tried: TrainingRows) -> None:
        self.kernels = kernels
        self.tried = tried
        self.equal = _equal(tried, rows)
        self.usual = torch.tensor([kernels.usual_width(i) for i in range(len(kernels.features))], dtype=torch.float64)
        self.least = torch.stack([self._least(rows, column) for column in range(len(self.usual))])
        named = torch.tensor([feature.levels is not None for feature in kernels.features])
        self.most = torch.where(named, self.usual, math.inf)

    def _least(self, rows: TrainingRows, column: int) -> Tensor:
        """Return the smallest width of a column."""
        feature = self.kernels.features[column]
        seen = ~rows.missing[:, column]
        values, which = torch.unique(rows.x[seen, column], return_inverse=True)
        gaps = values.diff()
        if feature.levels is not None or feature.kind == "count" or not len(gaps):
            return torch.tensor(_NARROWEST_LEVEL if feature.levels is not None else 0.1, dtype=torch.float64)
        cells = (torch.cat([gaps[:1], gaps]) + torch.cat([gaps, gaps[-1:]])) / 2
        below = torch.zeros_like(cells).index_add(0, which, rows.weights[seen])[cells.argsort()].cumsum(0)
        return _CELLS * cells.sort().values[torch.searchsorted(below, below[-1] / 2)]

    def joint(self) -> Tensor:
        """Return the log-density of rows that are left out and of points, `(T, M)`; -inf if both are equal."""
        return self.kernels.log_joint(self.tried.x, self.tried.missing).masked_fill_(self.equal, -math.inf)

    def score(self, joint: Tensor) -> float:
        """Return the mean log-likelihood of the rows that are left out, given `joint`."""
        logs = joint.logsumexp(1)
        known = logs.isfinite()  # a row may have no other row than its copies
        weights = self.tried.weights * known
        return float(logs.masked_fill(~known, 0.0) @ weights / weights.sum().clamp_min(1e-300))

    def run(self, widths: Tensor, steps: Sequence[float]) -> float:
        """Choose the widths, from these on: one column after the other, in steps that become smaller."""
        kernels = self.kernels
        kernels.widths.copy_(widths.clamp(self.least, self.most))
        joint = self.joint()
        best = self.score(joint)
        for step in steps:
            before = -math.inf
            while best >= before + _LEAST_GAIN:
                before = best
                for column in range(len(kernels.features)):
                    joint, best = self._improve(column, step, joint, best)
        return best

    def _improve(self, column: int, step: float, joint: Tensor, best: float) -> tuple[Tensor, float]:
        """Try a wider kernel of a column, then a narrower one; return the matrix and the score of the best one."""
        kernels = self.kernels
        first = kernels.widths[column].clone()
        others = joint - kernels.log_column(column, self.tried.x, self.tried.missing)
        for factor in (math.exp(step), math.exp(-step)):
            kernels.widths[column] = (first * factor).clamp(self.least[column], self.most[column])
            if kernels.widths[column] == first:
                continue
            moved = others + kernels.log_column(column, self.tried.x, self.tried.missing)
            score = self.score(moved)
            if score > best:
                return moved, score
        kernels.widths[column] = first
        return joint, best


def _widen(kernels: Kernels, pilot: Tensor, search: _Search, score: float) -> bool:
    """Widen kernels in sparse regions, and return whether rows that are left out are then more probable.

    Arguments:
        pilot: log-densities at the points under kernels of one width, `(M,)`.
        score: mean log-likelihood of the rows that are left out under such kernels.

    References:
        "On Bandwidth Variation in Kernel Estimates: A Square Root Law" (Abramson, 1982), by the density per column.
    """
    numbers = sum(feature.levels is None for feature in kernels.features)
    if not numbers:
        return False
    usual = kernels.log_weights.double().exp() @ pilot
    wider = -(pilot - usual) / (2 * numbers)
    best = kernels.spread
    for most in _WIDEST:
        kernels.spread = wider.clamp(0.0, most).exp().to(best)
        found = search.score(search.joint())
        if found > score:
            best, score = kernels.spread, found
    kernels.spread = best
    return bool((best > 1).any())
