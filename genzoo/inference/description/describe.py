"""Describe what a trained model says about the data: components, dependencies, unlikely rows and latent space."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from genzoo.errors import ConfigError
from genzoo.inference.data_units import CheckedEvents
from genzoo.inference.description.components import (
    component_figures,
    latent_figures,
    mean_images,
    separation,
)
from genzoo.inference.description.contributions import no_contributions, unlikely_rows
from genzoo.inference.description.figures import (
    ColumnFigures,
    ColumnMatch,
    Dependency,
    Description,
    Drawn,
    UnlikelyRow,
)
from genzoo.inference.description.moments import ColumnCoding, measure_of_pair, pair_strengths
from genzoo.inference.description.sums import Describable, RowSums, check_scores, kind_of_scores, sum_rows
from genzoo.models.measure import measures_of
from genzoo.models.state_dict import learned_numbers
from genzoo.runtime.progress import Phase
from genzoo.spec.events import Feature
from genzoo.typing import Array

UNLIKELY = 5
"""Default number of least likely rows."""


_SHOWN = 10_000
"""Largest number of rows and samples for pictures, and of samples by which a model is measured."""


_NUMBERS = 20_000_000
"""Largest number of values in them."""


_IMAGES = 64


_MOST_PAIRS, _MOST_DISAGREEMENTS = 30, 10


_LEAST_STRENGTH = 0.05


def samples_for(model: Describable) -> int:
    """Return how many samples a description needs."""
    return _most(model.data.size) if model.data.form.columns else _IMAGES


def checked_weights(weights: Array | None, count: int) -> Array | None:
    """Return weights of `count` events, `(count,)`, after checking that they are usable.

    Raises:
        ConfigError: they are not one number of at least 0 for each event, or all 0.
    """
    if weights is None:
        return None
    try:
        found = np.asarray(weights, np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"weights must be numbers: {error}.") from error
    if not count or found.shape != (count,):
        raise ConfigError(f"weights of shape {found.shape} are not one weight for each event.")
    if not (np.isfinite(found) & (found >= 0)).all() or not found.any():
        raise ConfigError("weights must be finite and at least 0, and not all 0.")
    return found


def _most(size: int) -> int:
    """Return how many events of some size are kept."""
    return int(np.clip(_NUMBERS // size, _IMAGES, _SHOWN))


def describe(
    model: Describable,
    samples: CheckedEvents,
    rows: CheckedEvents | None,
    weights: Array | None,
    unlikely: int,
    seed: int,
) -> Description:
    """Describe a trained model; see `TrainedModel.describe`.

    Arguments:
        model: the trained model.
        samples: `samples_for(model)` samples, `(M, *event)`.
        rows: rows of data, or `None`: the samples are described instead.
        weights: weights of the rows, `(N,)`, or `None`.
        unlikely, seed: number of least likely rows, and seed of draws.
    """
    with Phase("describing"):
        return _described(model, samples, rows, weights, unlikely, seed)


def _described(
    model: Describable,
    drawn: CheckedEvents,
    rows: CheckedEvents | None,
    weights: Array | None,
    unlikely: int,
    seed: int,
) -> Description:
    finite = np.isfinite(drawn.events.reshape(len(drawn), -1)).all(axis=1)
    samples = drawn.events[finite]
    conditions = None if drawn.conditions is None else drawn.conditions[finite]
    described = CheckedEvents(samples, False, conditions) if rows is None else rows
    shown = None if rows is None else _some(rows.events)
    table = model.data.form.columns
    coding = ColumnCoding.of(model.data.features, _some(described.events)) if table else None
    sums = sum_rows(model, described, weights, coding, seed, scored=rows is not None)
    strengths = _strengths(samples, None if rows is None else sums, coding)
    pairs = _pairs(model.data.features, *strengths, 0 if rows is None else sums.product_rows, len(samples))
    scores = np.concatenate(sums.scores) if sums.scores else np.zeros(0)
    check_scores(model, scores)
    return Description(
        model=model.model,
        data=model.data,
        rows=0 if rows is None else len(rows),
        parameters=learned_numbers(model.generator),
        kind=kind_of_scores(model),
        log_likelihood=_mean(scores, weights),
        columns=() if coding is None else _matches(coding, samples, None if rows is None else sums),
        components=component_figures(model, sums, coding),
        separation=separation(sums, coding),
        dependencies=_strongest(pairs),
        pairs=len(pairs),
        disagreeing_pairs=sum(pair.doubtful for pair in pairs),
        disagreements=_disagreements(pairs),
        unlikely=_unlikely(model, rows, scores, unlikely, seed),
        latent=latent_figures(model, sums, coding, seed),
        tables=tuple(model.generator.tables()),
        notes=tuple(_notes(model, rows, strengths[1])),
        drawn=Drawn(shown, samples, *strengths, mean_images(sums)),
    )


def _some(events: Array) -> Array:
    """Return some of the events, evenly spaced."""
    most = _most(max(1, events[:1].size))
    if len(events) <= most:
        return np.asarray(events[:])
    return np.asarray(events[np.linspace(0, len(events) - 1, most).astype(np.int64)])


def _mean(scores: Array, weights: Array | None) -> float | None:
    known = ~np.isnan(scores)
    weight = known.astype(np.float64) if weights is None else np.where(known, weights[: len(known)], 0.0)
    return float(np.average(scores[known], weights=weight[known])) if weight.sum() > 0 else None


def _matches(coding: ColumnCoding, samples: Array, sums: RowSums | None) -> tuple[ColumnMatch, ...]:
    """Return each column in the data and in samples."""
    model = coding.figures(coding.encode(samples).sum(axis=0))
    if sums is None or sums.columns is None:
        return tuple(ColumnMatch(None, column, None) for column in model)
    data = coding.figures(sums.columns.sum(axis=0))
    return tuple(ColumnMatch(one, two, _distance(one, two)) for one, two in zip(data, model, strict=True))


def _distance(data: ColumnFigures, model: ColumnFigures) -> float | None:
    if data.levels and model.levels:
        return sum(abs(p - model.levels[level]) for level, p in data.levels.items()) / 2
    if data.mean is None or model.mean is None or not data.sd:
        return None
    return abs(model.mean - data.mean) / data.sd


def _strengths(samples: Array, sums: RowSums | None, coding: ColumnCoding | None) -> tuple[Array | None, Array | None]:
    """Return how strongly each pair of columns depends on each other in the data and in samples, `(C, C)` each."""
    if coding is None or (sums is not None and sums.products is None):
        return None, None
    coded = coding.encode(samples)
    model = pair_strengths(coding, coded.T @ coded, len(samples))
    if sums is None or sums.products is None:
        return None, model
    return pair_strengths(coding, sums.products, sums.product_rows), model


def _pairs(
    features: tuple[Feature, ...], data: Array | None, model: Array | None, rows: int, samples: int
) -> list[Dependency]:
    """Return all pairs of columns."""
    if model is None:
        return []
    # The standard error of a correlation of 0 is about 1 / sqrt(n), and the errors of data and samples add up.
    limit = 3 * (1 / max(rows, 1) + 1 / max(samples, 1)) ** 0.5
    found = []
    for i, j in zip(*np.triu_indices(len(features), 1), strict=True):
        value = None if data is None else float(data[i, j])
        doubtful = value is not None and bool(abs(value - model[i, j]) > limit)
        names = features[i].name, features[j].name
        found.append(Dependency(names, measure_of_pair(features[i], features[j]), value, float(model[i, j]), doubtful))
    return found


def _strongest(pairs: list[Dependency]) -> tuple[Dependency, ...]:
    strong = [pair for pair in pairs if abs(pair.model) >= _LEAST_STRENGTH]
    return tuple(sorted(strong, key=lambda pair: -abs(pair.model))[:_MOST_PAIRS])


def _disagreements(pairs: list[Dependency]) -> tuple[Dependency, ...]:
    def gap(pair: Dependency) -> float:
        return abs((pair.data or 0.0) - pair.model)

    return tuple(sorted((pair for pair in pairs if pair.doubtful), key=gap, reverse=True)[:_MOST_DISAGREEMENTS])


def _unlikely(
    model: Describable, rows: CheckedEvents | None, scores: Array, count: int, seed: int
) -> tuple[UnlikelyRow, ...]:
    if rows is None or not count or kind_of_scores(model) == "none":
        return ()
    events = rows.given(0, rows.events)
    return unlikely_rows(model, events, scores, count, measures_of(model.generator, model.data), seed)


def _notes(model: Describable, rows: CheckedEvents | None, strengths: Array | None) -> Iterator[str]:
    """Yield what the description does not contain, and why."""
    if rows is None:
        yield "There are no data, so the figures describe samples of the model."
    if "components" not in model.capabilities:
        yield "The model has no components, so it does not divide the rows into groups."
    if kind_of_scores(model) == "none":
        score = " genzoo score prints its anomaly score." if "anomaly-score" in model.capabilities else ""
        yield f"The model has no likelihood, so no row is more or less likely than another.{score}"
    elif rows is not None and (reason := no_contributions(model)) is not None:
        yield f"The least likely rows are not explained: {reason}."
    if model.data.form.columns and strengths is None:
        yield "There are too many columns and categories to compare all pairs of columns."
