"""Find out whether a log-likelihood profits from the rounding of the data.

A recorded value stands for all values that round to it. A density with a spike at each recorded value can be as high
there as it likes, and yet integrates to 1. So a fair density, times the sizes of the cells of all possible values, must
have a sum over these values that is its integral. Smooth densities have it, also if they are as narrow as a cell.

Here, the sum and the integral are compared along one column at a time: over some cells around a recorded value, with
the other values of the row as they are. The logarithm of their ratio is what the row gains by the rounding of that
column. Only the density is needed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from genzoo.data.columns.rounding import RoundedColumn, rounded_columns
from genzoo.data.columns.survey import rows_at_hand
from genzoo.data.dataset import Conditioned, Dataset, Rows
from genzoo.inference.description.contributions import log_likelihoods_of
from genzoo.inference.row_likelihoods import kind_of, observed_rows, scored_as_density
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.resting import Resting, resting_on
from genzoo.runtime.progress import Phase
from genzoo.runtime.seeding import derive
from genzoo.typing import Array

_PAIRS = 512
"""Largest number of rows and columns that are examined."""

_NEAR, _PLACES = 4, 4
"""Cells on either side of a value, and places in each cell."""

_SURE = 3.0
"""Number of standard errors by which a gain must exceed `_MATERIAL`."""

_BOUND_DRAWS = 2
"""Largest number of draws of a lower bound. Those at a value and around it are the same."""

_MATERIAL = 0.1
"""Smallest gain that matters, in nats per row. A normal distribution gains a quarter of it on two columns that are as
coarse as their standard deviation."""

_MOST = 100.0
"""Largest gain of a row by one column, in nats; a density may be 0 around a value."""


def unfounded(
    fitted: TrainedModel, dataset: Dataset, rows: Rows, *, trained: tuple[TrainedModel, Dataset] | None = None
) -> Resting | None:
    """Return what the density of rows rests on, or gains by the rounding of the data; `None` if it is neither.

    Arguments:
        rows: some of them, evenly spaced, are examined.
        trained: the model as it was trained and the columns that it learned, if it is scored given some of them.
            Defaults to `fitted` and `dataset`.
    """
    resting = resting_on(*(trained or (fitted, dataset)), rows)
    if resting is not None and resting.material:
        return resting
    return profit_from_rounding(fitted, dataset, rows) or resting


def profit_from_rounding(fitted: TrainedModel, dataset: Dataset, rows: Rows) -> Resting | None:
    """Return what a mean log-likelihood of rows gains by the rounding of the data; `None` if it is nothing material.

    Only continuous columns count whose density is scored. Missing values stay missing, and conditions as they are.

    Arguments:
        rows: at most 512 of their values, evenly spaced, are examined.
    """
    dense = scored_as_density(fitted)
    columns = {place: column for place, column in rounded_columns(dataset).items() if place in dense} if dense else {}
    if len(rows) > _PAIRS:
        rows = rows_at_hand(dataset.events, rows)
    rows = observed_rows(dataset, rows)
    if dataset.weights is not None:
        rows = rows[dataset.weights[rows] > 0]
    if not columns or not len(rows):
        return None
    count = min(_PAIRS, len(rows) * len(columns))
    pairs = np.arange(count)
    chosen, column = rows[pairs * len(rows) // count], np.array(list(columns))[pairs % len(columns)]
    gains = len(columns) * _Pairs.of(dataset, chosen, column, columns).gains(fitted, dataset)
    weights = np.ones(count) if dataset.weights is None else dataset.weights[chosen]
    share = weights / weights.sum()
    if not _pays(gains, share):
        return None
    gain = float(share @ gains)
    most = max(columns, key=lambda place: float((share * gains)[column == place].sum()))
    return Resting(
        f"its density profits from rounding: it is {gain:.2g} nats higher at recorded values than around them, most of "
        f"all in {dataset.spec.features[most].name!r}",
        gain,
    )


def _pays(gains: Array, share: Array) -> bool:
    """Return whether gains `(n,)` are more than chance, if each counts by its share.

    A fair density loses at some rows what it gains at others, so the losses show what is chance.
    """
    error = math.sqrt(float(share**2 @ np.minimum(gains, 0.0) ** 2))
    return float(share @ gains) > _MATERIAL + _SURE * error


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Pairs of a row and a column, with the cells along the column around the value of the row.

    Arguments:
        rows, column: numbers of the row and the column of each, `(n,)`.
        events: the rows, `(n, C)`.
        values: the middles of the cells, `(n, cells)`.
        below, above: how far each cell reaches, `(n, cells)`; NaN if the row has no value there.
    """

    rows: Rows
    column: Array
    events: Array
    values: Array
    below: Array
    above: Array

    @staticmethod
    def of(dataset: Dataset, rows: Rows, column: Array, columns: Mapping[int, RoundedColumn]) -> _Pairs:
        """Find the cells of rows along columns."""
        events = np.asarray(dataset.events[rows], np.float64)
        cells = np.empty((3, len(rows), 2 * _NEAR + 1))
        for place, rounded in columns.items():
            own = column == place
            cells[:, own] = rounded.cells_near(events[own, place], _NEAR)
        return _Pairs(rows, column, events, *cells)

    def gains(self, fitted: TrainedModel, dataset: Dataset) -> Array:
        """Return what each row gains by the rounding of its column, `(n,)` nats; 0 if it has no value there."""
        start = np.random.default_rng(derive(0, "places in cells")).random((len(self.rows), 1))
        low, size = self.values - self.below, self.below + self.above
        within = [low + (start + place) / _PLACES * size for place in range(_PLACES)]
        with Phase("looking for a profit from rounding", 1 + _PLACES, "places") as phase:
            points = phase.over([self.values, *within], lambda _: 1)
            at, *around = [self._log_sum(fitted, dataset, own, size) for own in points]
        with np.errstate(invalid="ignore"):  # rows with density 0 gain nothing
            gains = at - (np.logaddexp.reduce(around) - math.log(_PLACES))
        return np.where(np.isfinite(at), np.minimum(gains, _MOST), 0.0)

    def _log_sum(self, fitted: TrainedModel, dataset: Dataset, points: Array, size: Array) -> Array:
        """Return the logarithm of the sum over cells of the density at a point in each, times its size, `(n,)`.

        Arguments:
            points, size: a point in each cell and the cell's size, `(n, cells)`.
        """
        cells = np.flatnonzero((size > 0).any(axis=0))
        if not len(cells):
            return np.full(len(points), -np.inf)
        each, points, size = np.arange(len(points)), points.T[cells], size.T[cells]
        moved = np.repeat(self.events[None], len(cells), axis=0)  # (cells, n, C)
        moved[:, each, self.column] = np.where(size > 0, points, self.events[each, self.column])
        logs = _log_likelihoods(fitted, dataset, self.rows, moved)
        with np.errstate(divide="ignore", invalid="ignore"):  # empty cells, and rows with no value
            total: Array = np.logaddexp.reduce(logs + np.log(size))
        return total


def _log_likelihoods(fitted: TrainedModel, dataset: Dataset, rows: Rows, events: Array) -> Array:
    """Return log-likelihoods `(versions, n)` of several versions of rows, `(versions, n, C)`."""

    def given(rows: Rows, events: Array) -> Any:
        return events if dataset.conditions is None else Conditioned(events, dataset.conditions[rows])

    if not kind_of(fitted).startswith("lower bound"):
        versions, n, columns = events.shape
        together = given(np.tile(rows, versions), events.reshape(-1, columns))
        return np.asarray(log_likelihoods_of(fitted, together, draws=1, seed=0)).reshape(versions, n)
    draws = min(fitted.bound_draws, _BOUND_DRAWS)  # each call has the same noise, which cancels
    return np.stack([fitted.log_prob_bound(given(rows, version), draws=draws, seed=0) for version in events])
