"""Search the continuous columns of a table for linear relations that hold in every row.

Such columns have no joint density: in one direction they do not vary, and a model can make the likelihood as large as
its smallest variance allows. A relation is accepted in two cases.

- Its residual is at most `EXACT` of the spread of the columns. No measurement has as many digits.
- Its residual is what rounding explains. If every value is rounded to a step q, an exact relation with coefficients c
  has residuals with variance sum(c² q²) / 12, and none above sum(|c| q) / 2. The residual must also be at most `ROUGH`
  of the spread, because coarse steps such as 0 and 1 explain everything.

Columns with a correlation of 0.9999 have a residual of 1.4 % of their spread. If they are not rounded as coarsely, they
are no relation.

The search looks at some rows, evenly spaced, and adds column after column to a Cholesky factor of their correlation
matrix: C³ / 3 operations. What it finds is checked in all rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genzoo.data.columns.survey import spaced_rows
from genzoo.data.dataset import BLOCK, Dataset
from genzoo.data.degenerate.relation import Relation, digits_of, forms, short_number
from genzoo.text import counted
from genzoo.typing import Array

EXACT = 1e-5
"""Residual of an exact relation, as a share of the spread of its columns."""


ROUGH = 0.1
"""Largest residual of a relation between rounded values, as a share of the spread of its columns."""


MOST_COLUMNS = 1000
"""Largest number of columns that are searched."""


MOST_RELATIONS = 20
"""Largest number of relations that are listed."""


_ROWS = 20_000
"""Rows that are searched, if there are few columns."""


_WORK = 4e9
"""Largest number of operations for the correlation matrix."""


_SPARE = 10
"""Smallest number of rows beyond the columns of a relation: with fewer, any columns are nearly dependent."""


_SEEN = 1000
"""Rows that show to which step a column is rounded."""


_UNSURE = 1e-12
"""Squared residual, for coefficients of size 1, below which correlations may hold too few digits."""


_TERMS = 40
"""Largest number of columns of a relation that is made shorter one by one."""


@dataclass(frozen=True, slots=True)
class Dependence:
    """The linear relations between continuous columns, and a sentence on what was not searched, or `None`."""

    relations: tuple[Relation, ...] = ()
    unsearched: str | None = None


@dataclass(frozen=True, slots=True)
class _Columns:
    """Columns to search, standardized, in rows without missing values.

    Arguments:
        places: their places in the table.
        mean, deviation, step: moments of each, and the step of its rounding, `(C,)`.
        unit: the standardized values, `(n, C)`.
        correlation: `(C, C)`.
    """

    places: Array
    mean: Array
    deviation: Array
    step: Array
    unit: Array
    correlation: Array

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.unit)


def find_dependence(dataset: Dataset) -> Dependence:
    """Find the linear relations between the continuous columns of a table; images have none."""
    features = dataset.spec.features
    if not dataset.spec.form.columns:
        return Dependence()
    places = np.array([place for place, feature in enumerate(features) if not feature.discrete], np.int64)
    if len(places) < 2:
        return Dependence()
    if len(places) > MOST_COLUMNS:
        return Dependence(
            unsearched=f"{len(places)} continuous columns are more than {MOST_COLUMNS}, so they were not searched for "
            f"linear relations"
        )
    sample = _sample(dataset, places)
    found: dict[frozenset[int], tuple[Array, Array]] = {}
    for chosen, rows in _subsets(sample):
        columns = _columns(sample[np.ix_(rows, chosen)], chosen, _precision(dataset))
        for picked, weights in _relations(columns):
            own = columns.places[picked]
            found.setdefault(frozenset(own.tolist()), (places[own], weights / columns.deviation[picked]))
    steps = np.ones(len(features))
    steps[places] = [_step(column[~np.isnan(column)], _precision(dataset)) for column in sample.T]
    names = [feature.name for feature in features]
    some = list(found.values())[:MOST_RELATIONS]
    checked = (_checked(dataset, own, weights, steps[own], names) for own, weights in some)
    relations = tuple(relation for relation in checked if relation is not None)
    return Dependence(relations, _unsearched(len(sample), len(places), len(found)))


def _unsearched(rows: int, columns: int, found: int) -> str | None:
    if rows <= columns:
        return (
            f"{counted(rows, 'row')} cannot determine the covariance of {columns} continuous columns, "
            f"and not all were searched for linear relations"
        )
    return f"there are more than {MOST_RELATIONS} linear relations" if found > MOST_RELATIONS else None


def _sample(dataset: Dataset, places: Array) -> Array:
    """Return evenly spaced rows of the continuous columns, `(n, C)` float64."""
    size = len(places)
    most = int(min(_ROWS, max(_WORK / size**2, 4 * size)))
    rows = spaced_rows(dataset.events, most)
    return np.asarray(dataset.events[rows])[:, places].astype(np.float64)


def _precision(dataset: Dataset) -> float:
    """Return the relative precision of the stored numbers."""
    return float(np.finfo(np.float32 if dataset.spec.storage == "float32" else np.float64).eps)


def _subsets(sample: Array) -> Iterator[tuple[Array, Array]]:
    """Yield columns and the rows in which all of them have a value.

    Without missing values, these are all columns and rows. Otherwise columns with few missing values come first, as
    many as leave enough rows; then each other column with the ones that are known together with it.
    """
    gone = np.isnan(sample)
    chosen = _known_together(gone, np.arange(0))
    yield chosen, _whole(gone, chosen)
    for column in np.setdiff1d(np.arange(sample.shape[1]), chosen)[:_TERMS]:
        chosen = _known_together(gone, np.array([column]))
        yield chosen, _whole(gone, chosen)


def _whole(gone: Array, columns: Array) -> Array:
    """Return the rows in which none of some columns is missing, `(n,)` bool."""
    return np.asarray(~gone[:, columns].any(axis=1))


def _known_together(gone: Array, first: Array) -> Array:
    """Return columns, beginning with `first`, that leave enough rows without missing values; sorted.

    Arguments:
        gone: mask of missing values, `(n, C)`.
    """
    whole = _whole(gone, first)
    order = [column for column in np.argsort(gone[whole].sum(axis=0), kind="stable") if column not in first]
    chosen = list(first)
    for column in order:
        left = whole & ~gone[:, column]
        if left.sum() < min(3 * (len(chosen) + 1) + 50, len(gone)):
            break
        whole = left
        chosen.append(column)
    return np.sort(np.array(chosen, np.int64))


def _columns(values: Array, places: Array, precision: float) -> _Columns:
    """Standardize columns `(n, C)`; leave out the ones that never change."""
    mean = values.mean(axis=0)
    centered = values - mean
    centered -= centered.mean(axis=0)  # the first mean of large values is rounded
    with np.errstate(over="ignore"):
        deviation = np.sqrt(np.square(centered).mean(axis=0))
    largest = np.abs(values).max(axis=0, initial=0.0)
    varied = (deviation > 4 * precision * largest) & np.isfinite(deviation)
    unit = centered[:, varied] / deviation[varied]
    steps = np.array([_step(column, precision) for column in values[:, varied].T])
    return _Columns(places[varied], mean[varied], deviation[varied], steps, unit, unit.T @ unit / max(len(unit), 1))


def _step(values: Array, precision: float) -> float:
    """Return the step to which values are rounded: a power of ten, or the precision of their storage."""
    if not len(values):
        return 0.0
    some = values[:: max(1, len(values) // _SEEN)]
    size = float(np.abs(values).max())
    for digits in range(-3, 13):
        scaled = some * 10.0**digits
        slack = np.maximum(4 * precision * np.abs(scaled), 1e-9)
        if slack.max() > 0.25:
            break
        if (np.abs(scaled - np.rint(scaled)) <= slack).all():
            return max(10.0**-digits, size * precision)
    return size * precision


def _relations(columns: _Columns) -> Iterator[tuple[Array, Array]]:
    """Yield relations between standardized columns: their numbers, and coefficients whose last one is -1.

    Each column is regressed on the ones before it that are independent. `inverse` is the inverse of the Cholesky factor
    of their correlation matrix, and grows by one row with each of them.
    """
    size = len(columns.places)
    inverse = np.zeros((size, size))
    basis: list[int] = []
    rounding = columns.step / columns.deviation
    for column in range(size):
        count = len(basis)
        spare = columns.rows - count - 1
        if spare < max(1, min(_SPARE, columns.rows - 3)):
            return
        root = inverse[:count, :count]
        projected = root @ columns.correlation[basis, column]
        left = max(1.0 - float(projected @ projected), 0.0)
        if left * columns.rows <= ROUGH**2 * spare:
            weights = projected @ root
            if left <= _UNSURE * (1.0 + float(weights @ weights)):
                weights, left = _refined(columns, basis, column, weights, root.T @ root)
            if _explained(weights, left * columns.rows / spare, rounding[basis], rounding[column]):
                kept = _shortest(columns, basis, weights, column, rounding)
                if kept is not None:
                    yield kept
                    continue
            if left <= EXACT**2:  # it would make the factor singular
                continue
        inverse[count, :count] = -(projected @ root) / np.sqrt(left)
        inverse[count, count] = 1.0 / np.sqrt(left)
        basis.append(column)


def _refined(
    columns: _Columns, others: Sequence[int], column: int, weights: Array, inverse: Array
) -> tuple[Array, float]:
    """Return the coefficients of a column, and its mean squared residual, to more digits than correlations hold.

    Arguments:
        others: the columns that it is regressed on.
        weights: first coefficients.
        inverse: inverse of the correlations of `others`.
    """
    known = columns.unit[:, others]
    for _ in range(2):
        residual = columns.unit[:, column] - known @ weights
        weights = weights + inverse @ (known.T @ residual) / columns.rows
    residual = columns.unit[:, column] - known @ weights
    return weights, float(residual @ residual) / columns.rows


def _explained(weights: Array, residual: float, rounding: Array, own: float) -> bool:
    """Return whether a mean squared residual, in units of the column's variance, is exact or explained by rounding."""
    with np.errstate(over="ignore"):
        allowed = (float(np.square(weights * rounding).sum()) + own**2) / 12
    return residual <= EXACT**2 or residual <= min(1.5 * allowed, ROUGH**2)


def _shortest(
    columns: _Columns, basis: Sequence[int], weights: Array, column: int, rounding: Array
) -> tuple[Array, Array] | None:
    """Return the relation with the fewest columns: those with the largest coefficients, without the ones not needed."""
    order = [basis[place] for place in np.argsort(-np.abs(weights), kind="stable")]
    for count in _counts(len(order)):
        found = _regression(columns, order[:count], column, rounding)
        if found is not None:
            break
    else:
        return None
    assert found is not None
    kept = [one for one, weight in zip(order, found, strict=False) if abs(weight) > EXACT**2]
    if len(kept) < count:
        found = _regression(columns, kept, column, rounding)
    for other in reversed(order[:count]):
        fewer = [one for one in kept if one != other]
        shorter = _regression(columns, fewer, column, rounding) if fewer and count <= _TERMS else None
        if shorter is not None:
            kept, found = fewer, shorter
    if found is None:
        return None
    places = np.argsort([*kept, column])
    return np.array([*kept, column])[places], np.append(found, -1.0)[places]


def _counts(most: int) -> list[int]:
    """Return the numbers of columns to try: each small one, and then one by a tenth larger than the last."""
    found = list(range(1, min(most, _TERMS) + 1))
    while found and found[-1] < most:
        found.append(min(found[-1] + found[-1] // 10, most))
    return found


def _regression(columns: _Columns, others: Sequence[int], column: int, rounding: Array) -> Array | None:
    """Return the coefficients of a column given others; `None` if the residual is not explained."""
    matrix, own = columns.correlation[np.ix_(others, others)], columns.correlation[others, column]
    weights: Array = np.linalg.solve(matrix, own)
    residual = max(1.0 - float(weights @ own), 0.0)
    if residual <= _UNSURE * (1.0 + float(weights @ weights)):
        weights, residual = _refined(columns, others, column, weights, np.linalg.inv(matrix))
    residual *= columns.rows / max(columns.rows - len(others) - 1, 1)
    return weights if _explained(weights, residual, rounding[others], rounding[column]) else None


@dataclass(frozen=True, slots=True)
class _Residual:
    """Facts about `sum of coefficients * columns` over all rows where the columns have values."""

    mean: float
    deviation: float
    low: float
    high: float


def _checked(dataset: Dataset, places: Array, weights: Array, steps: Array, names: Sequence[str]) -> Relation | None:
    """Return the relation with short coefficients, if it holds in all rows; otherwise `None`.

    Arguments:
        places: its columns.
        weights: their coefficients in data units.
        steps: the steps to which they are rounded.
    """
    residual, deviations, center = _residual(dataset, places, weights)
    if not _holds(residual, weights, steps, deviations):
        return None
    rounded = residual.deviation > EXACT * float(np.abs(weights * deviations).max())
    constant = float(weights @ center) + residual.mean
    named = [names[place] for place in places]
    best: tuple[tuple[Any, ...], Relation] | None = None
    for first, coefficients, level in forms(weights, constant):
        short = _shortened(dataset, places, coefficients, level, steps, (deviations, center, residual, weights))
        order = [first, *(place for place in range(len(places)) if place != first)]
        values = tuple(float(short[0][place]) for place in order)
        rank = (digits_of(values, short[1]), -float(deviations[first]), -first)
        if best is None or rank < best[0]:
            best = rank, Relation(tuple(named[place] for place in order), values, short[1], rounded)
    return None if best is None else best[1]


def _shortened(
    dataset: Dataset,
    places: Array,
    coefficients: Array,
    constant: float,
    steps: Array,
    known: tuple[Array, Array, _Residual, Array],
) -> tuple[Array, float]:
    """Return coefficients and constant with as few digits as the data allow.

    Arguments:
        known: deviations and means of the columns, the residual of the relation, and its coefficients.
    """
    deviations, center, residual, weights = known
    scale = abs(float(coefficients[0] / weights[0]))
    error = max(residual.deviation * scale, 1e-7 * float(np.abs(coefficients * deviations).max()))
    short = np.array(
        [
            short_number(value, max(error / spread, 1e-9 * abs(value)))
            for value, spread in zip(coefficients, deviations, strict=True)
        ]
    )
    if (short == 0).any():
        return coefficients, constant
    found, _, _ = _residual(dataset, places, short)
    if not _holds(found, short, steps, deviations):
        return coefficients, constant
    level = float(short @ center) + found.mean
    return short, short_number(level, max(found.deviation, 1e-9 * float(np.abs(short * center).max())))


def _holds(residual: _Residual, weights: Array, steps: Array, deviations: Array) -> bool:
    spread = float(np.abs(weights * deviations).max())
    if residual.deviation <= EXACT * spread:
        return True
    allowed = np.sqrt(1.5 * np.square(weights * steps).sum() / 12)
    bound = 1.1 * np.abs(weights * steps).sum()  # both ends of the range of errors, which has no known middle
    return bool(residual.deviation <= min(allowed, ROUGH * spread) and residual.high - residual.low <= bound)


def _residual(dataset: Dataset, places: Array, weights: Array) -> tuple[_Residual, Array, Array]:
    """Return the residuals of centered columns, and deviations and centers of the columns."""
    center = np.zeros(len(places))
    first = True
    count, sums, squares = 0, np.zeros(len(places) + 1), np.zeros(len(places) + 1)
    low, high = np.inf, -np.inf
    for start in range(0, len(dataset), 16 * BLOCK):
        block = np.asarray(dataset.events[start : start + 16 * BLOCK])[:, places].astype(np.float64)
        if dataset.spec.missing:
            block = block[~np.isnan(block).any(axis=1)]
        if not len(block):
            continue
        if first:
            center, first = block.mean(axis=0), False
        block -= center
        total = block @ weights
        low, high = min(low, float(total.min())), max(high, float(total.max()))
        extended = np.column_stack([block, total])
        count, sums = count + len(block), sums + extended.sum(axis=0)
        squares = squares + np.square(extended).sum(axis=0)
    mean = sums / max(count, 1)
    deviation = np.sqrt(np.maximum(squares / max(count, 1) - mean**2, 0.0))
    return _Residual(float(mean[-1]), float(deviation[-1]), low, high), deviation[:-1], center
