"""Find out whether a log-likelihood rests on a setting of the model instead of the data.

A component that lies on a line, a plane or a repeated value has a density there of any height: its width in the other
directions is what a setting makes it. If the smallest variance were a hundredth, the log-density of each event there
would rise by ln(100) / 2 nats in each such direction.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from genzoo.data.columns.survey import spaced_rows
from genzoo.data.dataset import Dataset, Rows
from genzoo.data.degenerate.relation import Relation, digits_of, forms, short_number
from genzoo.inference.trained_model import TrainedModel
from genzoo.typing import Array

MATERIAL = 0.01
"""Gain of a mean log-likelihood, in nats per row, from which it rests on the setting. Comparisons of a few thousand
rows show no smaller differences."""


_GAIN = 0.5 * math.log(100.0)
"""What a hundredth of the smallest variance adds to a log-density, in nats for each direction."""


_ROWS = 4096
"""Largest number of rows that are examined."""


_SHARE = 1e-3
"""Number of rows below which a part of the density does not count."""


_NOTHING = 1e-3
"""Share of a direction's largest term below which a column does not belong to it."""


_MOST = 3
"""Largest number of relations that a sentence lists."""


@dataclass(frozen=True, slots=True)
class Resting:
    """What a fitted density rests on.

    Arguments:
        reason: the setting, the columns and what to do, as a clause.
        gain: nats per row that the mean log-likelihood gains if the smallest variance is a hundredth.
    """

    reason: str
    gain: float

    @property
    def material(self) -> bool:
        """Whether the mean log-likelihood is not comparable."""
        return self.gain >= MATERIAL


def resting_on(fitted: TrainedModel, dataset: Dataset, rows: Rows) -> Resting | None:
    """Return what the density of rows rests on; `None` if it rests on nothing but the data.

    Arguments:
        rows: at most 4096 of them, evenly spaced, are examined.
    """
    if not len(rows):
        return None
    if len(rows) > _ROWS:
        rows = spaced_rows(dataset.events, _ROWS, rows)
    events = np.asarray(dataset.events[rows])
    touched = [(floor, floor.share.numpy()) for floor in fitted.floors(dataset.given(rows))]
    touched = [(floor, share) for floor, share in touched if share.sum() > _SHARE]
    gain = _GAIN * sum(len(floor.directions) * float(share.sum()) for floor, share in touched) / len(events)
    if not touched:
        return None
    touched.sort(key=lambda pair: -float(pair[1].sum()))
    flat = events.reshape(len(events), -1).astype(np.float64)
    names = _names(dataset)
    relations: dict[str, str] = {}
    for floor, share in touched[: 4 * _MOST]:
        directions = floor.directions.flatten(1).cpu().numpy()
        if 1 < len(directions) == flat.shape[1]:
            relations.setdefault("a row that repeats", "leave out repeated rows")
            continue
        for relation in _relations(directions, flat, share, names):
            relations.setdefault(relation.formula, relation.advice)
    setting = ", ".join(dict.fromkeys(floor.setting for floor, _ in touched))
    resting = np.minimum(sum(share for _, share in touched), 1.0).sum()
    return Resting(_reason(setting, relations, float(resting), len(events)), gain)


def _names(dataset: Dataset) -> list[str]:
    features = dataset.spec.features
    if dataset.spec.form.columns:
        return [feature.name for feature in features]
    return [f"{dataset.spec.form.value} {tuple(map(int, place))}" for place in np.ndindex(dataset.spec.event_shape)]


def _reason(setting: str, relations: Mapping[str, str], resting: float, rows: int) -> str:
    """Return the reason as a clause.

    Arguments:
        relations: formulas, each with its advice.
        resting: number of rows at which the density rests on the setting.
    """
    shown = ", ".join(list(relations)[:_MOST])
    more = f" and {len(relations) - _MOST} more" if len(relations) > _MOST else ""
    where = "" if resting > 0.99 * rows else f" in {max(resting, 1.0):.0f} of {rows} rows"
    return f"its density rests on {setting}: {shown}{more}{where}; {next(iter(relations.values()))}"


def _relations(directions: Array, events: Array, share: Array, names: Sequence[str]) -> list[Relation]:
    """Return directions as relations between few columns each, which hold where the density rests on the setting.

    Arguments:
        directions: `(D, C)`, in data units.
        events: `(N, C)`, NaN if a value is missing.
        share: share of each event's density that rests there, `(N,)`.
    """
    known = ~np.isnan(events)
    total = np.maximum((known * share[:, None]).sum(axis=0), 1e-300)
    mean = np.where(known, events * share[:, None], 0.0).sum(axis=0) / total
    with np.errstate(invalid="ignore"):
        spread = np.nan_to_num(np.nanstd(events, axis=0)) + 1e-300
    found = []
    for row in _reduced(directions * spread):
        places = np.flatnonzero(row)
        coefficients = row[places] / spread[places]
        best = min(_written(coefficients, places, mean, spread, names), key=lambda pair: pair[0])
        found.append(best[1])
    return found


def _written(
    coefficients: Array, places: Array, mean: Array, spread: Array, names: Sequence[str]
) -> list[tuple[tuple[int, int, int], Relation]]:
    """Return the ways to write a relation, with a sort key that puts the shortest first."""
    constant = float(coefficients @ mean[places])
    if len(places) == 1:
        value = short_number(float(mean[places[0]]), 1e-6 * float(spread[places[0]]))
        return [((0, 0, 0), Relation((names[places[0]],), (1.0,), value))]
    found = []
    for first, values, level in forms(coefficients, constant):
        size = float(np.abs(values * spread[places]).max())
        short = [short_number(v, 1e-3 * size / s) for v, s in zip(values, spread[places], strict=True)]
        exact = short_number(level + float((np.array(short) - values) @ mean[places]), 1e-3 * size)
        order = [first, *(place for place in range(len(places)) if place != first)]
        ordered = tuple(short[place] for place in order)
        relation = Relation(tuple(names[places[place]] for place in order), ordered, exact)
        found.append(((*digits_of(ordered, exact), -first), relation))
    return found


def _reduced(directions: Array) -> Array:
    """Return directions `(D, C)` that span the same space with as many zeros as row reduction gives."""
    rows = np.array(directions, np.float64)
    free = np.ones(len(rows), bool)
    for _ in range(len(rows)):
        size = np.abs(rows) * free[:, None]
        place, column = np.unravel_index(int(size.argmax()), rows.shape)
        pivot = rows[place] / rows[place, column]
        rows -= np.outer(rows[:, column], pivot)
        rows[place], free[place] = pivot, False
    rows[np.abs(rows) < _NOTHING * np.abs(rows).max(axis=1, keepdims=True)] = 0.0
    return rows
