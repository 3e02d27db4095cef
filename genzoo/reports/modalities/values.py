"""Show events by their first values, as rows of a table. A modality is shown so unless it says otherwise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from genzoo.inference.latent import Traversal
from genzoo.reports.modalities.report import ModalityReport
from genzoo.reports.page import Block, Table, Text
from genzoo.spec.events import DataSpec, Feature
from genzoo.typing import Array

WIDEST = 8
"""Largest number of columns in a table of values."""


_MOST_ROWS = 6


def rows_of(sets: Mapping[str, Array], data: DataSpec) -> list[Block]:
    """Return the first events of each set as a table, with as many columns as fit."""
    features = first_features(data)
    words = frozenset(place for place, feature in enumerate(features, 1) if feature.levels is not None)
    tables = [
        Table(
            caption,
            ("row", *(feature.name for feature in features)),
            tuple((str(number), *_cells(event, features)) for number, event in enumerate(events[:_MOST_ROWS])),
            words=words,
        )
        for caption, events in sets.items()
    ]
    return [*tables, *about_width(data, WIDEST)]


def first_features(data: DataSpec) -> tuple[Feature, ...]:
    """Return the features of the first values of an event, which fit a table, each under a name of its own."""
    if data.form.columns:
        return data.features[:WIDEST]
    features = data.places if len(data.features) > 1 else data.features * min(data.size, WIDEST)
    return tuple(replace(one, name=data.value_name(place)) for place, one in enumerate(features[:WIDEST]))


def cell(value: float, feature: Feature) -> str:
    """Return a value as text."""
    if math.isnan(value):
        return ""
    if feature.levels is not None:
        return feature.levels[int(value)]
    return f"{value:.0f}" if feature.kind == "count" else f"{value:.4g}"


def _cells(event: Array, features: tuple[Feature, ...]) -> list[str]:
    return [cell(value, feature) for value, feature in zip(event.ravel(), features, strict=False)]


def about_width(data: DataSpec, most: int) -> list[Block]:
    """Return a sentence if not all values of an event are shown."""
    return [Text(f"The first {most} of {data.size} {data.form.values} are shown.")] if data.size > most else []


def reconstructed_rows(real: Array, again: Array, data: DataSpec) -> list[Block]:
    """Return a table of events, each with its reconstruction below it."""
    features = first_features(data)
    rows = [
        (f"{number} {name}", *_cells(event, features))
        for number, pair in enumerate(zip(real, again, strict=True))
        for name, event in zip(("real", "reconstructed"), pair, strict=True)
    ]
    header = ("row", *(feature.name for feature in features))
    table = Table(f"Real {data.form.events} and their reconstructions", header, tuple(rows))
    return [table, *about_width(data, WIDEST)]


def traversed_rows(found: Traversal) -> list[Block]:
    """Return a table of how each value changes from one end of a latent dimension to the other."""
    features = first_features(found.data)
    rows = tuple(
        (
            str(dimension),
            *(
                f"{first} → {last}"
                for first, last in zip(_cells(row[0], features), _cells(row[-1], features), strict=True)
            ),
        )
        for dimension, row in zip(found.dimensions, found.events, strict=True)
    )
    header = ("dimension", *(feature.name for feature in features))
    return [Table("From one end of each dimension to the other", header, rows), *about_width(found.data, WIDEST)]


VALUES = ModalityReport(rows_of, reconstructed_rows, traversed_rows)
