"""The least likely rows, and what each column adds to their log-likelihood.

The contribution of column j to row x is log p(x_j | x_rest) = log p(x) − log p(x_rest). A model that marginalizes
missing values gives log p(x_rest) as the log-likelihood of the row without x_j. For other exact likelihoods,
p(x_rest) is the integral of p(x) over x_j, or a sum over its categories, computed on a grid of values.

If the model is conditional, all of these are given the row's conditions. For a model without a likelihood, minus
its anomaly score takes the place of log p.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from genzoo.data.dataset import Conditioned, ModelEvents
from genzoo.inference.description.figures import Contribution, UnlikelyRow, shown_value
from genzoo.inference.likelihood import ESTIMATE_STEPS
from genzoo.models.base import Measure
from genzoo.spec.events import DataSpec, Feature
from genzoo.typing import Array

_DRAWS, _USUAL_DRAWS = 1024, 128
"""Draws of a lower bound for contributions to the least likely rows, and to the rows that say what is usual."""


_VARIANT_NUMBERS = 4_000_000
"""Largest number of values in rows that each leave out one value, at a time."""


_GRID = 1025
"""Values of a column of numbers over which a density is integrated."""


_COARSE = 0.5
"""Largest share of an integral that one value of the grid may have."""


_USUAL, _LEAST_USUAL, _USUAL_NUMBERS, _SLOW_USUAL = 200, 20, 20_000, 50
"""Most and fewest rows that say what is usual, about how many of their values are left out in turn, and most rows of
a model with a lower bound or without missing values, which is slow."""


class RowModel(Protocol):
    """What contributions need of a trained model."""

    @property
    def data(self) -> DataSpec: ...
    @property
    def leaves_out(self) -> bool: ...
    @property
    def capabilities(self) -> frozenset[str]: ...
    def log_prob(self, x: ModelEvents) -> Array: ...
    def log_prob_bound(self, x: ModelEvents, *, draws: int = 1, seed: int = 0) -> Array: ...
    def log_prob_estimate(
        self, x: ModelEvents, *, probes: int | None = None, steps: int = ESTIMATE_STEPS, seed: int = 0
    ) -> tuple[Array, Array]: ...
    def anomaly_score(self, x: ModelEvents) -> Array: ...
    def impute(self, x: ModelEvents, *, draw: bool = False, seed: int = 0) -> Array: ...


def log_likelihoods_of(model: RowModel, x: ModelEvents, *, draws: int, seed: int) -> Array:
    """Return the log-likelihoods of events by which a model is judged, `(N,)`: exact, a bound, or else an estimate.

    Arguments:
        draws, seed: number of draws of a bound, and seed of draws and probes.
    """
    able = model.capabilities
    if "likelihood" in able:
        return model.log_prob(x)
    if "likelihood-bound" in able:
        return model.log_prob_bound(x, draws=draws, seed=seed)
    return model.log_prob_estimate(x, seed=seed)[0]


@dataclass(frozen=True, slots=True)
class _Conditional:
    """Every value given the rest of its row: log-densities and expected values, `(n, C)`; NaN if unknown."""

    log_prob: Array
    expected: Array


@dataclass(frozen=True, slots=True)
class _Values:
    """Values of a column to sum over, and the step between them."""

    values: Array
    step: float


def no_contributions(model: RowModel) -> str | None:
    """Return why contributions of columns cannot be computed for a model, or `None` if they can."""
    if not model.data.form.columns:
        return f"contributions are for columns of tables, and these are {model.data.form.events}"
    if "likelihood" in model.capabilities or model.leaves_out:
        return None
    return "the model has no exact likelihood, and scores no rows without one of their values"


def usual_count(model: RowModel) -> int:
    """Return the largest number of rows that say what is usual."""
    limit = _USUAL if model.leaves_out and "likelihood" in model.capabilities else _SLOW_USUAL
    return int(np.clip(_USUAL_NUMBERS // model.data.size, _LEAST_USUAL, limit))


def unlikely_rows(
    model: RowModel,
    events: ModelEvents,
    scores: Array,
    count: int,
    measures: tuple[Measure, ...],
    seed: int,
    usual: ModelEvents | None = None,
) -> tuple[UnlikelyRow, ...]:
    """Return the rows with the lowest log-likelihoods.

    Arguments:
        events: all rows, `(N, *event)`, with their conditions if there are any; read only at the rows that are needed.
        scores: their log-likelihoods, `(N,)`; NaN for rows without any value, which are left out.
        count: number of rows to return.
        measures: what the likelihood measures in each column.
        seed: seed of the draws of a lower bound.
        usual: rows that say what is usual, `(M, *event)`. Defaults to `None`: evenly spaced ones of `events`.
    """
    known = np.flatnonzero(~np.isnan(scores))
    lowest = known[np.argsort(scores[known], kind="stable")[:count]]
    if no_contributions(model) is not None:
        return tuple(UnlikelyRow(int(row), float(scores[row]), ()) for row in lowest)
    if usual is None:
        most = min(usual_count(model), len(known))
        others = known[np.unique(np.linspace(0, len(known) - 1, most).astype(np.int64))]
        usual = _as_numbers(events[others])
    given = _as_numbers(events[np.sort(lowest)])[np.argsort(np.argsort(lowest))]  # files are read in increasing order
    rows = _alone(given)
    values = _values_of(model.data, np.concatenate([rows, _alone(usual)]), measures)
    conditional = _condition(model, given, values, seed, _DRAWS)
    typical = _medians(_condition(model, usual, values, seed, _USUAL_DRAWS).log_prob)
    return tuple(
        UnlikelyRow(int(row), float(scores[row]), _contributions(model.data, rows[i], conditional, i, typical))
        for i, row in enumerate(lowest)
    )


def _alone(rows: ModelEvents) -> Array:
    """Return rows without their conditions."""
    return rows.events if isinstance(rows, Conditioned) else rows


def _as_numbers(rows: ModelEvents) -> ModelEvents:
    if isinstance(rows, Conditioned):
        return Conditioned(np.asarray(rows.events, np.float64), rows.conditions)
    return np.asarray(rows, np.float64)


def _variants(changed: Array, rows: ModelEvents) -> ModelEvents:
    """Return changed rows `(n * K, C)`, K in turn for each of `rows`, with the conditions of these."""
    if not isinstance(rows, Conditioned):
        return changed
    return Conditioned(changed, np.repeat(rows.conditions, len(changed) // len(rows), axis=0))


def _medians(values: Array) -> Array:
    """Return the median of the known values of each column, `(C,)`; NaN if none is known."""
    known = [column[~np.isnan(column)] for column in values.T]
    return np.array([np.median(column) if len(column) else np.nan for column in known])


def _contributions(
    data: DataSpec, row: Array, conditional: _Conditional, place: int, typical: Array
) -> tuple[Contribution, ...]:
    found = []
    for column, feature in enumerate(data.features):
        if np.isnan(row[column]) or np.isnan(conditional.log_prob[place, column]):
            continue
        expected = conditional.expected[place, column]
        found.append(
            Contribution(
                feature.name,
                shown_value(row[column], feature),
                float(conditional.log_prob[place, column]),
                float(typical[column]),
                None if np.isnan(expected) else shown_value(expected, feature),
            )
        )
    return tuple(sorted(found, key=lambda one: -one.surprise))


def _condition(
    model: RowModel, rows: ModelEvents, values: Sequence[_Values | None], seed: int, draws: int
) -> _Conditional:
    """Return the distribution of every value of rows `(n, C)` given the rest of its row."""
    able = model.capabilities

    def score(x: ModelEvents) -> Array:
        likely = able & {"likelihood", "likelihood-bound", "likelihood-estimate"}
        return log_likelihoods_of(model, x, draws=draws, seed=seed) if likely else -model.anomaly_score(x)

    with np.errstate(invalid="ignore"):  # the contribution to a row of density 0 may be unknown
        return _marginalized(model, score, rows) if model.leaves_out else _integrated(score, model.data, rows, values)


def _marginalized(model: RowModel, score: Callable[[ModelEvents], Array], given: ModelEvents) -> _Conditional:
    """Leave out one value at a time."""
    rows = _alone(given)
    count, width = rows.shape
    found = _Conditional(np.full(rows.shape, np.nan), np.full(rows.shape, np.nan))
    whole = score(given)
    alone = (~np.isnan(rows)).sum(axis=1) == 1  # nothing remains if the only value is left out
    for columns in np.array_split(np.arange(width), int(np.ceil(count * width**2 / _VARIANT_NUMBERS))):
        rest = np.repeat(rows[:, None], len(columns), axis=1)  # (n, some of C, C)
        rest[:, np.arange(len(columns)), columns] = np.nan
        flat = _variants(rest.reshape(-1, width), given)
        found.log_prob[:, columns] = whole[:, None] - np.where(alone[:, None], 0.0, score(flat).reshape(count, -1))
        if "imputation" in model.capabilities:
            filled = model.impute(flat).reshape(rest.shape)
            found.expected[:, columns] = filled[:, np.arange(len(columns)), columns]
    found.log_prob[np.isnan(rows)] = np.nan
    return found


def _integrated(
    score: Callable[[ModelEvents], Array], data: DataSpec, given: ModelEvents, values: Sequence[_Values | None]
) -> _Conditional:
    """Sum over the values of one column at a time."""
    rows = _alone(given)
    found = _Conditional(np.full(rows.shape, np.nan), np.full(rows.shape, np.nan))
    whole = score(given)
    for column, (feature, grid) in enumerate(zip(data.features, values, strict=True)):
        if grid is None:
            continue
        varied = np.repeat(rows, len(grid.values), axis=0)
        varied[:, column] = np.tile(grid.values, len(rows))
        scores = score(_variants(varied, given)).reshape(len(rows), -1)
        total = np.logaddexp.reduce(scores, axis=1)
        found.log_prob[:, column] = whole - total - np.log(grid.step)
        shares = np.exp(scores - total[:, None])
        best = grid.values[scores.argmax(axis=1)]
        found.expected[:, column] = best if feature.levels is not None else shares @ grid.values
        if feature.kind == "continuous":  # a density that fits between two values of the grid has no integral on it
            found.log_prob[shares.max(axis=1) > _COARSE, column] = np.nan
    return found


def _values_of(data: DataSpec, rows: Array, measures: tuple[Measure, ...]) -> list[_Values | None]:
    """Return the values of each column to sum a density or mass over, from the range of some rows."""
    found: list[_Values | None] = []
    for column, feature, measure in zip(rows.T, data.features, measures, strict=True):
        own_grid = feature.kind == "continuous" and measure == "mass"  # only the model knows its values
        found.append(None if own_grid or np.isnan(column).all() else _values(column, feature))
    return found


def _values(column: Array, feature: Feature) -> _Values:
    if feature.levels is not None:
        return _Values(np.arange(len(feature.levels), dtype=np.float64), 1.0)
    low, high = float(np.nanmin(column)), float(np.nanmax(column))
    reach = high - low or max(abs(high), 1.0)
    if feature.kind == "count":
        step = max(1.0, np.ceil((high + reach) / _GRID))  # counts beyond the grid's number of values are thinned out
        return _Values(np.arange(0.0, high + reach + 1, step), float(step))
    values = np.linspace(low - reach, high + reach, _GRID)
    return _Values(values, float(values[1] - values[0]))
