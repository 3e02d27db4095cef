"""Missing values of a copula, given the observed ones: draws and means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from genzoo_tabular.copula.patterns import patterns
from genzoo_tabular.copula.rectangles import draw_interval, log_interval, redraw

if TYPE_CHECKING:
    from genzoo_tabular.copula.model import Copula

COMPLETIONS = 64
"""Draws of the scores that counts and categories leave open, over which means are taken."""

_SWEEPS = 30
"""Sweeps of Gibbs sampling before the first draw."""

_NODES = 40
"""Points of the quadrature over a missing number."""


@dataclass(frozen=True, slots=True)
class _Conditional:
    """The distribution of missing normal scores given draws of the known ones, for events with the same missing values.

    Arguments:
        rows: numbers of the events, `(n,)`.
        columns: the missing columns, `(M,)`.
        means: their means, one tensor `(n, M)` for each draw.
        covariance: `(M, M)`.
    """

    rows: Tensor
    columns: Tensor
    means: tuple[Tensor, ...]
    covariance: Tensor


def drawn(copula: Copula, x: Tensor, missing: Tensor, posterior: Tensor) -> Tensor:
    """Return events with missing values drawn, `(N, C)`; `posterior (G, N)` are the probabilities of groups."""
    group = torch.multinomial(posterior.mT, 1).squeeze(1)
    filled = x.double()
    for number in range(len(posterior)):
        mine = (group == number).nonzero().flatten()
        for found in _conditionals(copula, x[mine], missing[mine], number, 1):
            noise = torch.randn_like(found.means[0]) @ torch.linalg.cholesky(found.covariance).mT
            z = noise.new_zeros(len(found.rows), x.shape[1])
            z[:, found.columns] = found.means[0] + noise
            values = copula.events(z, number)
            filled[mine[found.rows][:, None], found.columns] = values[:, found.columns]
    return _with_groups(copula, filled, group)


def expected(copula: Copula, x: Tensor, missing: Tensor, posterior: Tensor) -> Tensor:
    """Return events with the means of missing numbers and the most probable levels, `(N, C)`."""
    numbers = torch.zeros(x.shape, dtype=torch.float64, device=x.device)
    shares = {c: numbers.new_zeros(len(x), len(copula.features[c].levels or ())) for c in copula.named}
    for group, weight in enumerate(posterior):
        mine = (weight > 0).nonzero().flatten()
        for found in _conditionals(copula, x[mine], missing[mine], group, COMPLETIONS):
            rows, deviations = mine[found.rows], found.covariance.diagonal().sqrt()
            for place, column in enumerate(found.columns.tolist()):
                means = torch.stack([mean[:, place] for mean in found.means])  # (S, n)
                if column in shares:
                    probable = _level_shares(copula, column, group, means, deviations[place])
                    shares[column][rows] += weight[rows, None] * probable
                else:
                    numbers[rows, column] += weight[rows] * _mean_value(copula, column, group, means, deviations[place])
    for column, share in shares.items():
        numbers[:, column] = share.argmax(1).to(numbers)
    return _with_groups(copula, numbers, posterior.argmax(0))


def _with_groups(copula: Copula, filled: Tensor, group: Tensor) -> Tensor:
    if copula.by >= 0:
        filled[:, int(copula.by)] = group.to(filled)
    return filled


def _conditionals(copula: Copula, x: Tensor, missing: Tensor, group: int, draws: int) -> Iterator[_Conditional]:
    """Yield the distribution of missing scores for events of a group, by their missing values."""
    low, high, _ = copula.intervals(x, group)
    correlation = copula.correlations[group].double()
    for pattern, rows in patterns(missing):
        points, boxes = copula.places(~pattern)
        gone = pattern.clone()
        if copula.by >= 0:
            gone[int(copula.by)] = False
        columns, known = gone.nonzero().flatten(), torch.cat([points, boxes])
        if not len(columns):
            continue
        weights = torch.linalg.solve(correlation[known][:, known], correlation[known][:, columns])
        rest = correlation[columns][:, columns] - correlation[columns][:, known] @ weights
        exact = low[rows][:, points]
        scores = _open_scores(exact, low[rows][:, boxes], high[rows][:, boxes], correlation, (points, boxes), draws)
        means = tuple(torch.cat([exact, z], 1) @ weights for z in scores)
        yield _Conditional(rows, columns, means, (rest + rest.mT) / 2)


def _open_scores(
    exact: Tensor, low: Tensor, high: Tensor, correlation: Tensor, places: tuple[Tensor, Tensor], draws: int
) -> Iterator[Tensor]:
    """Yield draws of the scores inside of intervals `low` to `high (n, B)`, given exact ones `(n, P)`."""
    points, boxes = places
    if not len(boxes):
        yield low
        return
    weights = torch.linalg.solve(correlation[points][:, points], correlation[points][:, boxes])
    rest = correlation[boxes][:, boxes] - correlation[boxes][:, points] @ weights
    mean, precision = exact @ weights, torch.linalg.inv(rest)
    low, high = low - mean, high - mean
    deviation = rest.diagonal().sqrt()
    z = deviation * draw_interval(low / deviation, high / deviation, torch.rand_like(low))
    inside = torch.ones_like(z, dtype=torch.bool)
    for number in range(_SWEEPS + draws):
        z = redraw(z, low, high, inside, precision)
        if number >= _SWEEPS:
            yield z + mean


def _mean_value(copula: Copula, column: int, group: int, means: Tensor, deviation: Tensor) -> Tensor:
    """Return the mean of a number whose score is normal, with `means (S, n)` of equal weight, `(n,)`."""
    nodes, shares = np.polynomial.hermite_e.hermegauss(_NODES)
    z = means[..., None] + deviation * torch.as_tensor(nodes, device=means.device)
    here = torch.tensor([copula.numbers.index(column)], device=means.device)
    values = copula.marginals.values(z.reshape(-1, 1), group, here).view(z.shape)
    if copula.features[column].kind == "count":
        values = values.round().clamp_min(0)
    weights = torch.as_tensor(shares / shares.sum(), device=means.device)
    return (values @ weights).mean(0)


def _level_shares(copula: Copula, column: int, group: int, means: Tensor, deviation: Tensor) -> Tensor:
    """Return the probabilities of the levels of a column, `(n, L)`; arguments as for `_mean_value`."""
    place = copula.named.index(column)
    levels = len(copula.features[column].levels or ())
    cuts = copula.cuts[group, place, : levels + 1].double()
    low, high = ((cuts[part] - means[..., None]) / deviation for part in (slice(None, -1), slice(1, None)))
    return log_interval(low, high).exp().mean(0)[:, copula.ranks[place, :levels]]
