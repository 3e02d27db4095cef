"""Choose bandwidths by the likelihood of rows that are left out."""

from __future__ import annotations

import math
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

_LEAST_STEP = 0.05
"""Change of the logarithm of widths at which the search ends."""


def fit(kernels: Kernels, rows: TrainingRows, options: BandwidthOptions) -> dict[str, Any]:
    """Keep rows in a model, choose its bandwidths, and return facts for the record of the run."""
    total = len(rows)
    if total > kernels.most_rows:
        rows = rows.take(torch.randperm(total)[: kernels.most_rows].sort().values)
    kernels.points = rows.x.to(kernels.points)
    kernels.absent = rows.missing.clone()
    kernels.log_weights = (rows.weights / rows.weights.sum()).log().to(kernels.log_weights)
    kernels.spread = kernels.spread.new_ones(len(rows))
    tried = rows.take(torch.randperm(len(rows))[: options.tried_rows])
    search = _Search(kernels, rows, tried)
    score = search.run()
    adaptive = options.adaptive and _widen(kernels, search, score)
    return {"kept_rows": len(rows), "of_rows": total, "adaptive": adaptive}


class _Search:
    """A search for the widths under which rows are most probable, if they and all equal rows are left out.

    Arguments:
        rows: the rows that the model keeps.
        tried: the rows that are left out.
    """

    def __init__(self, kernels: Kernels, rows: TrainingRows, tried: TrainingRows) -> None:
        self.kernels = kernels
        self.tried = tried
        both = torch.cat([torch.cat([part.x, part.missing.double()], 1) for part in (rows, tried)])
        _, which = torch.unique(both, dim=0, return_inverse=True)
        self.equal = which[len(rows) :, None] == which[: len(rows)]
        usual = torch.tensor([kernels.usual_width(i) for i in range(len(kernels.features))], dtype=torch.float64)
        self.least = torch.stack([self._least(rows, column) for column in range(len(usual))])
        self.most = torch.where(self._named(), usual, math.inf)
        kernels.widths.copy_((_START * usual).clamp(self.least, self.most))

    def _named(self) -> Tensor:
        return torch.tensor([feature.levels is not None for feature in self.kernels.features])

    def _least(self, rows: TrainingRows, column: int) -> Tensor:
        """Return the smallest width of a column."""
        feature = self.kernels.features[column]
        values, counts = torch.unique(rows.x[~rows.missing[:, column], column], return_counts=True)
        gaps = values.diff()
        if feature.levels is not None or feature.kind == "count" or not len(gaps):
            return torch.tensor(_NARROWEST_LEVEL if feature.levels is not None else 0.1, dtype=torch.float64)
        cells = (torch.cat([gaps[:1], gaps]) + torch.cat([gaps, gaps[-1:]])) / 2
        return _CELLS * cells.repeat_interleave(counts).median()

    def score(self, joint: Tensor) -> float:
        """Return the mean log-likelihood of the rows that are left out, given `joint` of the model, `(T, M)`."""
        logs = joint.masked_fill(self.equal, -math.inf).logsumexp(1)
        known = logs.isfinite()  # a row may have no other row than its copies
        weights = self.tried.weights * known
        return float(logs.masked_fill(~known, 0.0) @ weights / weights.sum().clamp_min(1e-300))

    def run(self) -> float:
        """Choose the widths, one column after the other, in steps that become smaller."""
        kernels, best, step = self.kernels, -math.inf, 1.0
        joint = kernels.log_joint(self.tried.x, self.tried.missing)
        best = self.score(joint)
        while step > _LEAST_STEP:
            before = best
            for column in range(len(kernels.features)):
                joint, best = self._improve(column, step, joint, best)
            if best < before + 1e-3:
                step /= 2
        return best

    def _improve(self, column: int, step: float, joint: Tensor, best: float) -> tuple[Tensor, float]:
        """Try a wider and a narrower kernel of a column; return the matrix and the score of the best one."""
        kernels = self.kernels
        own = kernels.log_column(column, self.tried.x, self.tried.missing)
        first = kernels.widths[column].clone()
        kept, found = first, joint
        for factor in (math.exp(step), math.exp(-step)):
            kernels.widths[column] = (first * factor).clamp(self.least[column], self.most[column])
            moved = joint - own + kernels.log_column(column, self.tried.x, self.tried.missing)
            score = self.score(moved)
            if score > best:
                best, kept, found = score, kernels.widths[column].clone(), moved
        kernels.widths[column] = kept
        return found, best


def _widen(kernels: Kernels, search: _Search, score: float) -> bool:
    """Widen kernels in sparse regions, and return whether rows that are left out are then more probable.

    References:
        "On Bandwidth Variation in Kernel Estimates: A Square Root Law" (Abramson, 1982), by the density per column.
    """
    numbers = sum(feature.levels is None for feature in kernels.features)
    if not numbers:
        return False
    pilot = kernels.log_prob(kernels.points.double(), kernels.absent)
    kernels.spread = (-(pilot - pilot.mean()) / (2 * numbers)).clamp(-1.5, 1.5).exp().clamp_min(1.0).to(kernels.spread)
    if search.score(kernels.log_joint(search.tried.x, search.tried.missing)) > score:
        return True
    kernels.spread.fill_(1.0)
    return False
