"""What the training rows of a table show of each column: its range, its steps, and its moments."""

from __future__ import annotations

from typing import Any

import numpy as np

from genzoo.data.columns.decimals import DecimalPlaces, decimal_places
from genzoo.data.columns.moments import ColumnMoments
from genzoo.data.columns.survey import Surveyed
from genzoo.data.dataset import Dataset, Rows
from genzoo.data.splits.large import share_of
from genzoo.runtime.dividing import divided
from genzoo.typing import Array

_STEPS = (86_400.0, 3600.0, 60.0, 1.0)
"""Steps of times, in seconds, that are looked for: days, hours, minutes and seconds."""


class Observed:
    """Facts about the columns of some rows, which add up over rows.

    Arguments:
        dataset: the rows; its events are not read here.
        measured: whether moments are added up, too. Defaults to false.

    Attributes:
        low, high: the smallest and the largest value of each column, `(C,)`; infinite if it has none.
        moments: moments of each column; `None` unless `measured`.
    """

    def __init__(self, dataset: Dataset, *, measured: bool = False) -> None:
        features = dataset.spec.features
        self.low, self.high = np.full(len(features), np.inf), np.full(len(features), -np.inf)
        self._whole = np.ones(len(features), bool)
        times = [place for place, feature in enumerate(features) if feature.temporal and feature.stored != "date"]
        self._coarse = {place: len(_STEPS) * [True] for place in times}
        self._places: dict[int, DecimalPlaces] = decimal_places(dataset)
        self.moments = ColumnMoments(0, missing=dataset.spec.missing) if measured else None

    def add(self, block: Array) -> None:
        """Take in rows, `(n, C)`, NaN for missing values."""
        values = np.asarray(block, np.float64)
        self.low = np.fmin(self.low, np.fmin.reduce(values))
        self.high = np.fmax(self.high, np.fmax.reduce(values))
        if self._whole.any():
            here = values[:, self._whole]
            self._whole[self._whole] = (np.isnan(here) | (here == np.floor(here))).all(axis=0)
        for place, fits in self._coarse.items():
            column = values[~np.isnan(values[:, place]), place]
            pairs = zip(fits, _STEPS, strict=True)
            self._coarse[place] = [fit and bool((column % step == 0).all()) for fit, step in pairs]
        for place, found in self._places.items():
            found.add(values[:, place])
        if self.moments is not None:
            self.moments.add(values)

    @property
    def steps(self) -> tuple[Array, Array]:
        """Steps of whole numbers and times, and of decimals, `(C,)` each; 0 if there is none."""
        whole = np.where(self._whole, 1.0, 0.0)
        for place, fits in self._coarse.items():
            whole[place] = next((step for fit, step in zip(fits, _STEPS, strict=True) if fit), 0.0)
        decimal = [self._places[place].step if place in self._places else None for place in range(len(whole))]
        return whole, np.array([step or 0.0 for step in decimal])

    def plain(self) -> dict[str, Any]:
        """Return what was found as plain values for JSON."""
        moments = self.moments
        sums = [] if moments is None else [moments.count, moments.mean, moments.squares]
        return {
            "ends": [self.low.tolist(), self.high.tolist()],
            "whole": self._whole.tolist(),
            "coarse": list(self._coarse.values()),
            "places": [place.plain() for place in self._places.values()],
            "moments": [np.asarray(one).tolist() for one in sums],
        }

    def merge(self, plain: dict[str, Any]) -> None:
        """Take in what `plain` returned for further rows."""
        low, high = plain["ends"]
        self.low, self.high = np.fmin(self.low, low), np.fmax(self.high, high)
        self._whole &= np.array(plain["whole"])
        for place, fits in zip(self._coarse, plain["coarse"], strict=True):
            self._coarse[place] = [one and other for one, other in zip(self._coarse[place], fits, strict=True)]
        for own, other in zip(self._places.values(), plain["places"], strict=True):
            own.merge(*other)
        if self.moments is not None:
            self.moments.merge(*map(np.asarray, plain["moments"]))


def observe(dataset: Dataset, rows: Rows) -> Observed:
    """Return what rows of a table show, in one pass; the processes of a training divide rows on disk.

    ColumnMoments are added up for rows on disk only, where a pass takes long.
    """
    surveyed: Any = dataset.events
    if not isinstance(surveyed, Surveyed):
        return _seen(dataset, rows, measured=False)
    parts = divided(lambda rank, count: _seen(dataset, share_of(rows, rank, count), measured=True).plain())
    observed = Observed(dataset, measured=True)
    for part in parts:
        observed.merge(part)
    return observed


def _seen(dataset: Dataset, rows: Rows, *, measured: bool) -> Observed:
    observed = Observed(dataset, measured=measured)
    for block in dataset.blocks(rows):
        observed.add(block)
    return observed
