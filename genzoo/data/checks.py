"""Checks of training data: columns without a density, and changes since a run began."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from genzoo.data.dataset import Dataset, Rows
from genzoo.errors import DataError
from genzoo.spec.events import DataSpec
from genzoo.spec.modality import ModalitySpec
from genzoo.text import counted
from genzoo.typing import Array
from genzoo.wording import argument


def _whole(form: ModalitySpec) -> str:
    return f"Store the {form.events} as whole numbers, such as 8-bit levels: values on a known grid have probabilities."


def refuse_degenerate(dataset: Dataset, rows: Rows) -> None:
    """Check that the continuous columns, or pixels, of the training rows have a joint density.

    On degenerate data the likelihood grows without bound, or depends only on the regularization, so likelihoods could
    not be compared.

    Arguments:
        rows: the training rows.

    Raises:
        DataError: there are fewer than two rows; a continuous column is constant; or two are equal in every row.
    """
    names = _continuous(dataset.spec)
    if not names:
        return
    columns = list(names)
    if len(rows) < 2:
        raise DataError(
            f"Only {counted(len(rows), 'row')} of {dataset.name} can be trained on, and a spread needs two. Add more."
        )
    first: Array = np.full(len(columns), np.nan)
    constant = np.ones(len(columns), bool)
    pairs: list[tuple[int, int]] | None = None
    for events in dataset.blocks(rows):
        block = np.asarray(events).reshape(len(events), -1)[:, columns]
        unknown = np.isnan(first)
        if unknown.any():
            first = np.where(unknown, _first_observed(block), first)
        constant &= (np.isnan(block) | (block == first)).all(axis=0)
        pairs = _equal_pairs(block, pairs)
        if not constant.any() and not pairs:
            return
    form = dataset.spec.form
    if constant.any():
        name = names[columns[int(constant.argmax())]]
        cure = f"Leave it out with {argument('drop', [name])}." if form.columns else _whole(form)
        raise DataError(
            f"{form.value.capitalize()} {name!r} of {dataset.name} never changes in the training rows, so it "
            f"has no density. {cure}"
        )
    one, two = (names[columns[place]] for place in (pairs or [(0, 0)])[0])
    cure = f"Leave one out with {argument('drop', [two])}." if form.columns else _whole(form)
    raise DataError(
        f"{form.values.capitalize()} {one!r} and {two!r} of {dataset.name} are equal in every training row, "
        f"so they have no density together. {cure}"
    )


def _continuous(spec: DataSpec) -> dict[int, str]:
    """Return the positions of continuous values in a flattened event, with their names."""
    if spec.form.columns:
        return {place: feature.name for place, feature in enumerate(spec.features) if not feature.discrete}
    if spec.features[0].discrete:
        return {}
    return {place: str(tuple(map(int, index))) for place, index in enumerate(np.ndindex(spec.event_shape))}


def _first_observed(block: Array) -> Array:
    """Return the first observed value of each column; NaN if all are missing."""
    row = np.isnan(block).argmin(axis=0)
    values: Array = block[row, np.arange(block.shape[1])]
    return values


def _equal_pairs(block: Array, pairs: list[tuple[int, int]] | None) -> list[tuple[int, int]]:
    """Return the pairs of columns that are equal in a block; missing values count as equal.

    Arguments:
        pairs: the candidates. Defaults to all pairs.
    """
    if pairs is None:
        groups: dict[Any, list[int]] = {}
        for place in range(block.shape[1]):
            groups.setdefault(block[:, place].tobytes(), []).append(place)
        return [(group[0], other) for group in groups.values() for other in group[1:]]
    return [pair for pair in pairs if np.array_equal(block[:, pair[0]], block[:, pair[1]], equal_nan=True)]


def data_difference(before: DataSpec | None, now: DataSpec | None, *, rows_before: object, rows: int | None) -> str:
    """Return a clause that describes how two datasets with different digests differ.

    Arguments:
        before, now: the specs of one event; `None` if not recorded.
        rows_before, rows: the numbers of rows; `None` if not recorded.
    """
    if before is None or now is None:
        return "they have another digest"
    columns, own = ([feature.name for feature in spec.features] for spec in (before, now))
    if lost := sorted(set(columns) - set(own), key=columns.index):
        return f"column {lost[0]!r} is missing"
    if new := sorted(set(own) - set(columns), key=own.index):
        return f"column {new[0]!r} is new"
    if before != now:
        return f"one event was {before.describe()}, and is now {now.describe()}, or the kinds of columns differ"
    if rows_before is not None and rows_before != rows:
        return f"there were {rows_before} rows, and there are {rows}"
    return f"the number of rows is the same, {rows}, and some values differ"


def with_former_range(dataset: Dataset, before: DataSpec) -> Dataset:
    """Return images with the range of an earlier spec, if they are of its form; other datasets are unchanged.

    Gray images become color images if they were read as such before.
    """
    shape, former = dataset.spec.event_shape, before.event_shape
    if not dataset.spec.form.ranged or dataset.spec.modality != before.modality or shape[1:] != former[1:]:
        return dataset
    events = dataset.events
    if shape[0] != former[0]:
        if (shape[0], former[0]) != (1, 3):
            return dataset
        events = events.repeat(3, axis=1)
    if events.dtype.name != before.storage:
        return dataset
    return dataclasses.replace(dataset, spec=before, events=events, range_from="declared")
