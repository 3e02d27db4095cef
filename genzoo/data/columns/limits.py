"""Limits of samples: they have the decimal places of the training rows, and do not lie outside their range.

Levels of categories that no training row has are noted with them. Limits are part of the spec of a trained model. They
place its samples, and have no influence on likelihoods.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Sequence

import numpy as np

from genzoo.config.data import DataSettings
from genzoo.data.columns.dates import parse_time
from genzoo.data.columns.decimals import on_grid
from genzoo.data.columns.observed import Observed, observe
from genzoo.data.dataset import Dataset, Rows, parts_of
from genzoo.errors import ConfigError, did_you_mean
from genzoo.spec.events import Feature
from genzoo.typing import Array
from genzoo.wording import argument

_SAME = 1e-9
"""Share of a step up to which a stated bound counts as a multiple of it."""

Ends = tuple[float | None, float | None]


def stated_bounds(texts: Sequence[str], features: Sequence[Feature]) -> tuple[bool, dict[str, Ends]]:
    """Return whether columns without bounds of their own have none, and the bounds that the user states by column.

    Arguments:
        texts: the values of `--bounds`; a later one wins.
        features: the columns.

    Raises:
        ConfigError: there is no such column, it has no numbers, or an end is none.
    """
    known = {feature.name: feature for feature in features}
    found: dict[str, Ends] = {}
    for text in texts:
        name, _, ends = text.rpartition("=")
        if text == "none":
            continue
        if name not in known:
            raise ConfigError(f"{argument('bounds', text)} is for column {name!r}. {did_you_mean(name, known)}")
        if known[name].levels is not None:
            raise ConfigError(f"{argument('bounds', text)}: column {name!r} holds categories, which have no bounds.")
        low, _, high = ("" if ends == "none" else ends).partition("..")
        found[name] = _end(text, low, known[name]), _end(text, high, known[name])
        if _inverted(*found[name]):
            raise ConfigError(f"{argument('bounds', text)}: the first end is above the second.")
    return "none" in texts, found


def _inverted(low: float | None, high: float | None) -> bool:
    return low is not None and high is not None and low > high


def _end(option: str, text: str, feature: Feature) -> float | None:
    if not text.strip():
        return None
    if feature.temporal and math.isfinite(number := parse_time(text.strip(), feature)):
        return number
    try:
        number = math.nan if feature.temporal else float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        what = feature.stored if feature.temporal else "number"
        raise ConfigError(
            f"{argument('bounds', option)}: {text!r} is not a {what}, and column {feature.name!r} holds {what}s."
        )
    return number


def with_limits(dataset: Dataset, rows: Rows, settings: DataSettings, observed: Observed | None = None) -> Dataset:
    """Return a dataset whose spec limits samples, by its training rows and by what the user states.

    Arguments:
        rows: the training rows.
        observed: what `observe` found in them, if they have no parts. Defaults to `None`: they are looked at.

    Raises:
        ConfigError: as `stated_bounds`; or bounds are stated for images.
    """
    specs = [_with_limits(part, own, settings, observed).spec for part, own in parts_of(dataset, rows)]
    return dataclasses.replace(dataset, spec=dataset.spec.of_parts(specs))


def _with_limits(dataset: Dataset, rows: Rows, settings: DataSettings, observed: Observed | None) -> Dataset:
    spec = dataset.spec
    if not spec.form.columns:
        if settings.bounds:
            raise ConfigError(
                f"{argument('bounds')} is for tables, and {dataset.name!r} {spec.form.dataset}. Leave it out."
            )
        return dataset
    free, stated = stated_bounds(settings.bounds, spec.features)
    observed = observed or observe(dataset, rows)
    low, high, (whole, decimal) = observed.low, observed.high, observed.steps
    step = np.where(whole > 0, whole if settings.whole else 0.0, decimal if settings.round else 0.0)
    unseen = _unseen(dataset, rows)
    features = []
    for place, feature in enumerate(spec.features):
        feature = dataclasses.replace(feature, unseen=unseen.get(place, ()))
        ends: Ends = (None, None) if free or feature.discrete else (_known(low[place]), _known(high[place]))
        own = float(step[place]) if step[place] and not feature.discrete else None
        features.append(_limited(feature, stated.get(feature.name, ends), own))
    return dataclasses.replace(dataset, spec=dataclasses.replace(spec, features=tuple(features)))


def _known(end: float) -> float | None:
    return float(end) if math.isfinite(end) else None


def _limited(feature: Feature, ends: Ends, step: float | None) -> Feature:
    """Return a feature with limits; the ends move inward to multiples of the step."""
    low, high = ends
    if step is not None:
        inner = _inward(low, step, 1), _inward(high, step, -1)
        (low, high), step = (ends, None) if _inverted(*inner) else (inner, step)
    return dataclasses.replace(feature, low=low, high=high, step=step)


def _inward(end: float | None, step: float, side: int) -> float | None:
    """Return the multiple of `step` at an end, or the next one on a side of it: 1 for above, -1 for below."""
    if end is None:
        return None
    near = _rounded(end, step)
    outside = side * (end - near) > step * _SAME
    return _rounded(near + side * step, step) if outside else near


def _rounded(x: float, step: float) -> float:
    return float(on_grid(np.array(x), np.array(step)))


def _unseen(dataset: Dataset, rows: Rows) -> dict[int, tuple[str, ...]]:
    """Return the levels that no row has, by the number of the column; rows of weight 0 do not count."""
    levels = {place: feature.levels for place, feature in enumerate(dataset.spec.features) if feature.levels}
    if not levels:
        return {}
    if dataset.weights is not None:
        rows = rows[dataset.weights[rows] > 0]
    count = {place: np.zeros(len(own), np.int64) for place, own in levels.items()}
    for block in dataset.blocks(rows):
        for place, own in count.items():
            codes = block[:, place]
            own += np.bincount(codes[~np.isnan(codes)].astype(np.int64), minlength=len(own))
    return {
        place: tuple(level for level, seen in zip(levels[place], own, strict=True) if not seen)
        for place, own in count.items()
    }


def within_limits(events: Array, features: Sequence[Feature]) -> Array:
    """Return events of a table within the limits of their columns: rounded to the step, then clipped to the range.

    Values that are not finite stay as they are, so that they can be counted.

    Arguments:
        events: `(N, C)`, floating point.
        features: one for each column.
    """
    step = _array([feature.step for feature in features], 0.0)
    low = _array([feature.low for feature in features], -np.inf)
    high = _array([feature.high for feature in features], np.inf)
    if not step.any() and np.isinf(low).all() and np.isinf(high).all():
        return events
    with np.errstate(invalid="ignore"):  # what is not finite stays as it is
        placed = np.where(step > 0, on_grid(events, np.where(step > 0, step, 1.0)), events)
    return np.where(np.isfinite(events), placed.clip(low, high), events)


def _array(values: Collection[float | None], absent: float) -> Array:
    return np.array([absent if value is None else value for value in values])
