"""Columns over which there is no density: constants, and copies of one another."""

from __future__ import annotations

import shlex
from typing import Any

import numpy as np

from genzoo.data.dataset import Array, Dataset, Rows
from genzoo.errors import DataError


def refuse_degenerate(dataset: Dataset, rows: Rows) -> None:
    """Refuse training rows whose continuous columns have no density together.

    Their likelihood would grow without bound, or be what a regularisation makes of it; no comparison could use it.

    Arguments:
        rows: the training rows.

    Raises:
        DataError: there is one row only; a continuous column never changes in them; or two are equal throughout.
    """
    spec = dataset.spec
    columns = [place for place in range(spec.event_shape[0]) if place not in spec.discrete]
    if spec.modality != "table" or not columns:
        return
    if len(rows) < 2:
        raise DataError(f"{dataset.name} leaves {len(rows)} row to train on, and one row shows no spread. Bring more.")
    first: Array = np.full(len(columns), np.nan)
    constant = np.ones(len(columns), bool)
    pairs: list[tuple[int, int]] | None = None
    for events in dataset.blocks(rows):
        block = np.asarray(events[:, columns])
        unknown = np.isnan(first)
        if unknown.any():
            first = np.where(unknown, _first_observed(block), first)
        constant &= (np.isnan(block) | (block == first)).all(axis=0)
        pairs = _equal_pairs(block, pairs)
        if not constant.any() and not pairs:
            return
    names = [spec.features[place].name for place in columns]
    if constant.any():
        name = names[int(constant.argmax())]
        raise DataError(
            f"Column {name!r} of {dataset.name} never changes in the training rows, so it has no density. "
            f"Leave it out with --drop {shlex.quote(name)}."
        )
    one, two = (names[place] for place in (pairs or [(0, 0)])[0])
    raise DataError(
        f"Columns {one!r} and {two!r} of {dataset.name} are equal in every training row, so they have no density "
        f"together. Leave one out with --drop {shlex.quote(two)}."
    )


def _first_observed(block: Array) -> Array:
    """The first value of each column that is not missing; NaN where all are."""
    place = np.isnan(block).argmin(axis=0)
    found: Array = block[place, np.arange(block.shape[1])]
    return found


def _equal_pairs(block: Array, pairs: list[tuple[int, int]] | None) -> list[tuple[int, int]]:
    """Those of `pairs`, or of all pairs, whose columns are equal in a block; missing places count as equal."""
    if pairs is None:
        groups: dict[Any, list[int]] = {}
        for place in range(block.shape[1]):
            groups.setdefault(block[:, place].tobytes(), []).append(place)
        return [(group[0], other) for group in groups.values() for other in group[1:]]
    return [pair for pair in pairs if np.array_equal(block[:, pair[0]], block[:, pair[1]], equal_nan=True)]
