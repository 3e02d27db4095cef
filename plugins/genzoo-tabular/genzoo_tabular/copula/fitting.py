"""Fit a copula: marginals of each group, the correlations of normal scores, and the column that groups the rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genzoo import DataError, Feature
from genzoo_tabular.copula.model import Copula
from genzoo_tabular.copula.rectangles import FAR, draw_interval, redraw
from genzoo_tabular.rows import TrainingRows

Array = np.ndarray[Any, np.dtype[Any]]

_LEAST_ROWS, _MOST_GROUPS = 10, 50
"""Rows that each level of a column needs, and the number of levels it may have, for `auto` to group rows by it."""

_FEWEST = 5
"""Values of a column in a group from which on the group has a marginal of its own: from fewer, it would be a spike."""

_FOLDS, _TRIED_ROWS, _TRIED_SWEEPS, _TRIED_DRAWS = 3, 3_000, 40, 16
"""Folds, rows, sweeps and draws by which `auto` compares columns."""

_SMALLEST_EIGENVALUE = 1e-7


def fit(copula: Copula, rows: TrainingRows, sweeps: int) -> dict[str, Any]:
    """Fit a copula to rows, in place, and return facts for the record of the run.

    Arguments:
        sweeps: draws of the scores that values leave open, over which correlations are averaged.

    Raises:
        DataError: two columns determine each other.
    """
    by = _best_column(copula, rows) if copula.chooses else int(copula.by)
    _fit_by(copula, by, rows, sweeps)
    facts: dict[str, Any] = {"groups": len(copula.log_weights)}
    return facts | ({"by": copula.features[by].name} if by >= 0 else {})


def _best_column(copula: Copula, rows: TrainingRows) -> int:
    """Return the column by which groups predict held-out rows best, -1 for none."""
    usable = [column for column in copula.named if _large_groups(copula.features[column], rows, column)]
    if not usable:
        return -1
    if len(rows) > _TRIED_ROWS:
        rows = rows.take(torch.randperm(len(rows))[:_TRIED_ROWS])
    fold = torch.randperm(len(rows)) % _FOLDS
    scores = {column: _held_out(copula, column, rows, fold) for column in (-1, *usable)}
    return max(scores, key=lambda column: scores[column])


def _large_groups(feature: Feature, rows: TrainingRows, column: int) -> bool:
    levels = len(feature.levels or ())
    counts = rows.x[~rows.missing[:, column], column].long().bincount(minlength=levels)
    return levels <= _MOST_GROUPS and int(counts.min()) >= _LEAST_ROWS


def _held_out(copula: Copula, column: int, rows: TrainingRows, fold: Tensor) -> float:
    """Return the log-likelihood of rows that the fit has not seen."""
    total = 0.0
    for number in range(_FOLDS):
        try:
            _fit_by(copula, column, rows.take(fold != number), _TRIED_SWEEPS)
        except DataError:
            return -math.inf
        held = rows.take(fold == number)
        joint = copula.log_joint(held.x, held.missing, _TRIED_DRAWS).logsumexp(0)
        total += float(joint @ held.weights)
    return total


def _fit_by(copula: Copula, by: int, rows: TrainingRows, sweeps: int) -> None:
    copula.resize(by)
    _order_levels(copula, rows)
    known = rows if by < 0 else rows.take(~rows.missing[:, by])
    group = known.x[:, by].long() if by >= 0 else torch.zeros(len(known), dtype=torch.int64)
    count = torch.zeros(len(copula.log_weights), dtype=torch.float64).index_add_(0, group, known.weights)
    copula.log_weights.copy_(((count + 0.5) / (count + 0.5).sum()).log())
    sums = torch.zeros(copula.correlations.shape, dtype=torch.float64)
    for number in range(len(count)):
        mine = known.take(group == number)
        _fit_marginals(copula, number, mine if len(mine) else rows, rows)
        if len(mine):
            sums[number] = count[number] * _correlation(copula, mine, number, sweeps)
    # A group's correlations are a mean of its own and of all rows', which count as one more row than columns.
    prior = sums.shape[1] + 1.0 if len(count) > 1 else 0.0
    pooled = sums.sum(0) / count.sum()
    mean = (sums + prior * pooled) / (count + prior).clamp_min(1e-12)[:, None, None]
    _check_full_rank(copula, mean)
    copula.correlations.copy_(mean)


def _order_levels(copula: Copula, rows: TrainingRows) -> None:
    """Order the levels of each column along the first principal component of all others.

    A normal score can then rise with what the level goes along with.
    """
    coded = dict(_coded(copula, rows))
    for place, column in enumerate(copula.named):
        levels = len(copula.features[column].levels or ())
        others = [part for other, part in coded.items() if other != column]
        order = torch.arange(levels)
        if levels > 2 and others:
            component = _first_component(torch.cat(others, 1), rows.weights)
            order = _mean_by(component, rows, column, levels).argsort()
        copula.ranks[place, :levels] = order.argsort().to(copula.ranks)


def _coded(copula: Copula, rows: TrainingRows) -> Iterator[tuple[int, Tensor]]:
    """Yield each column as columns of mean 0: standardized ranks, or one column for each level."""
    for column, feature in enumerate(copula.features):
        seen = ~rows.missing[:, column]
        values = rows.x[:, column]
        if feature.levels is None:
            rank = values.argsort().argsort().double()
            part = (rank - rank[seen].mean())[:, None] / rank[seen].std().clamp_min(1e-12)
        else:
            codes = torch.nn.functional.one_hot(values.long(), len(feature.levels)).double()
            share = codes[seen].mean(0)
            part = (codes - share) / share.clamp_min(1e-12).sqrt() / math.sqrt(len(feature.levels))
        yield column, part.masked_fill(~seen[:, None], 0.0)


def _first_component(x: Tensor, weights: Tensor) -> Tensor:
    _, vectors = torch.linalg.eigh(x.mT @ (weights[:, None] * x))
    vector: Tensor = vectors[:, -1]
    return x @ (vector * vector.sum().sign())


def _mean_by(values: Tensor, rows: TrainingRows, column: int, levels: int) -> Tensor:
    seen = ~rows.missing[:, column]
    code, weight = rows.x[seen, column].long(), rows.weights[seen]
    total = torch.zeros(levels, dtype=torch.float64).index_add_(0, code, weight * values[seen])
    return total / torch.zeros(levels, dtype=torch.float64).index_add_(0, code, weight).clamp_min(1e-12)


def _fit_marginals(copula: Copula, group: int, rows: TrainingRows, everything: TrainingRows) -> None:
    for place, column in enumerate(copula.numbers):
        own = rows if int((~rows.missing[:, column]).sum()) >= _FEWEST else everything
        seen = ~own.missing[:, column]
        x, weights = (part[seen].numpy() for part in (own.x[:, column], own.weights))
        smallest = _smallest_gap(everything.x[~everything.missing[:, column], column])
        copula.marginals.fit(group, place, x, weights, smallest)
    for place, column in enumerate(copula.named):
        levels = len(copula.features[column].levels or ())
        seen = ~rows.missing[:, column]
        count = torch.zeros(levels, dtype=torch.float64).index_add_(0, rows.x[seen, column].long(), rows.weights[seen])
        ordered = (count + 0.5)[copula.ranks[place, :levels].argsort()]
        below = torch.cat([torch.zeros(1, dtype=torch.float64), ordered.cumsum(0) / ordered.sum()])
        cuts = torch.special.ndtri(below).clamp(-FAR, FAR)
        copula.cuts[group, place] = FAR
        copula.cuts[group, place, : levels + 1] = cuts.to(copula.cuts)


def _smallest_gap(x: Tensor) -> float:
    """Return the smallest distance of different values."""
    gaps = np.diff(np.unique(x.numpy()))
    return float(gaps.min()) if len(gaps) else 1e-3


def _correlation(copula: Copula, rows: TrainingRows, group: int, sweeps: int) -> Tensor:
    """Return the correlations of normal scores, `(C, C)`.

    Scores that values leave open are drawn given the others, and correlations are the running mean over these draws:
    a stochastic approximation of EM.

    References:
        "Convergence of a Stochastic Approximation Version of the EM Algorithm" (Delyon, Lavielle and Moulines, 1999).
    """
    low, high, _ = copula.intervals(rows.x, group)
    low, high = low.masked_fill(rows.missing, -FAR), high.masked_fill(rows.missing, FAR)
    if copula.by >= 0:
        low[:, int(copula.by)], high[:, int(copula.by)] = 0.0, 0.0
    hidden = low < high
    z = draw_interval(low, high, torch.rand_like(low))
    correlation = _correlated(z, rows.weights)
    if not hidden.any():
        return correlation
    for sweep in range(sweeps):
        floor = 1e-6 * torch.eye(len(correlation), dtype=torch.float64)
        z = redraw(z, low, high, hidden, torch.linalg.inv(correlation + floor))
        share = 1.0 if sweep < sweeps // 4 else 1 / (sweep - sweeps // 4 + 1)
        correlation = (1 - share) * correlation + share * _correlated(z, rows.weights)
    return correlation


def _correlated(z: Tensor, weights: Tensor) -> Tensor:
    """Return the correlations of scores around 0; a column that is always 0 has none."""
    moments = z.mT @ (weights[:, None] * z)
    scale = moments.diagonal().sqrt()
    correlation = moments / torch.where(scale > 0, scale, 1.0).outer(torch.where(scale > 0, scale, 1.0))
    return correlation.fill_diagonal_(1.0)


def _check_full_rank(copula: Copula, correlations: Tensor) -> None:
    for correlation in correlations:
        values, vectors = torch.linalg.eigh(correlation)
        if values[0] < _SMALLEST_EIGENVALUE:
            first, second = vectors[:, 0].abs().topk(2).indices.tolist()
            names = [copula.features[column].name for column in (first, second)]
            raise DataError(
                f"The normal scores of columns {names[0]!r} and {names[1]!r} determine each other, alone or with "
                f"further columns, so the density has no bound. Leave one of them out."
            )
