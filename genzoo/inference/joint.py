"""Models of all columns jointly, asked about some columns given the others.

A model of columns x and c that accepts missing values draws x given c by filling it in, and log p(x | c) is
log p(x, c) - log p(c). Both are exact if its likelihood is.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from genzoo.errors import ConfigError
from genzoo.inference.data_units import DataUnits
from genzoo.inference.encoding import impute
from genzoo.inference.sampling import check_number
from genzoo.models.base import Imputation, Likelihood
from genzoo.plugins.manager import models_that
from genzoo.spec.events import DataSpec
from genzoo.typing import Array
from genzoo.wording import argument, shown_given


def draw_given(
    units: DataUnits, n: int, seed: int, known: Mapping[int, float], conditions: Array | None, first: int = 0
) -> Array:
    """Draw events with some columns known, `(n, C)`.

    Arguments:
        known: values of columns, by number of their feature.
        conditions: what to draw the events given, `(n, K)`, if the model is conditional.
        first: as for `impute`. Defaults to 0.

    Raises:
        ConfigError: the model does not fill in missing values.
    """
    check_number(n)
    name = units.data.features[next(iter(known))].name
    if not (units.missing and isinstance(units.generator, Imputation)):
        holey = replace(units.data, missing=True)
        raise ConfigError(
            f"Model {units.model!r} does not fill in missing values, so it cannot draw rows given their {name!r}. Use "
            f"{models_that('does', lambda spec: 'imputation' in spec.capabilities and spec.takes(holey))}, or train "
            f"{models_that('learns given conditions', lambda spec: spec.conditional and spec.takes(units.data))} with "
            f"{argument('condition', [name])}."
        )
    events = np.full((n, *units.data.event_shape), np.nan)
    places = _places_of_columns(units.data)
    for number, value in known.items():
        events[:, places[units.data.features[number].name]] = value
    drawn = impute(units, events, True, seed, conditions, first)
    return drawn.astype(units.data.storage)


def draw_rows_given(units: DataUnits, rows: Array, seed: int) -> Array:
    """Draw the missing values of rows given the others, `(N, C)` float64."""
    return impute(units, rows, True, seed)


def check_conditions_known(units: DataUnits, column: str) -> None:
    """Check that all conditions are given beside a column of events.

    Drawn as often as training rows have them, they would not follow the column.

    Raises:
        ConfigError: one is not.
    """
    for place, feature in enumerate(units.data.condition):
        if place not in units.fixed:
            value = "NUMBER" if feature.levels is None else "LEVEL"
            raise ConfigError(
                f"Model {units.model!r} does not know how {feature.name!r} depends on {column!r}. Give it, too: "
                f"{shown_given(feature.name, value)}."
            )


def how_drawn(units: DataUnits, given: Mapping[str, object]) -> str:
    """Return how rows with these columns given are drawn; an empty text if all of them are conditions."""
    conditions = {feature.name for feature in units.data.condition}
    if set(given) <= conditions:
        return ""
    generator = units.generator
    if isinstance(generator, Imputation) and generator.approximate:
        return "approximate draws from the model's conditional distribution"
    if isinstance(generator, Likelihood):
        return "exact draws from the model's conditional distribution"
    return "approximate draws from the model's conditional distribution, as its likelihood is a bound"


def _places_of_columns(data: DataSpec) -> dict[str, int]:
    """Return where the columns of events, or of parts of events, stand in a row of all values, by name."""
    found: dict[str, int] = {}
    features = iter(data.features)
    for piece in data.pieces:
        for place, feature in enumerate(itertools.islice(features, len(piece.spec.features))):
            if piece.spec.form.columns:
                found[feature.name] = (piece.places.start or 0) + place
    return found


def known_columns(units: DataUnits, given: Mapping[str, object]) -> list[str]:
    """Return the names of `given` that are columns of events, and not conditions."""
    conditions = {feature.name for feature in units.data.condition}
    names = _places_of_columns(units.data)
    return [name for name in given if name in names and name not in conditions]
