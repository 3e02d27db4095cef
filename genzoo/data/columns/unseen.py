"""Name the levels of categories that rows hold and no training row has.

A model has learned nothing about such a level. Its probability is what the model gives to levels it never saw: the
smallest one, such as 1e-12 in latent classes, or what a network extrapolates.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from genzoo.data.dataset import Dataset, Rows
from genzoo.spec.events import DataSpec
from genzoo.text import counted

NAMED = 5
"""Largest number of rows that a sentence lists."""


def unseen_levels(spec: DataSpec, dataset: Dataset, rows: Rows) -> dict[int, str]:
    """Return the columns and levels that no training row has, such as `color = red`, by the number of the row.

    Arguments:
        spec: describes the training data of the model.
        rows: increasing.
    """
    strange = {
        place: [(feature.levels or ()).index(level) for level in feature.unseen]
        for place, feature in enumerate(spec.features)
        if feature.unseen and spec.form.columns
    }
    found = {row: dataset.unknown[row] for row in map(int, rows) if row in dataset.unknown} if dataset.unknown else {}
    if not strange:
        return dict(sorted(found.items()))
    start = 0
    for block in dataset.blocks(rows):
        for place, codes in strange.items():
            feature = spec.features[place]
            for row in np.flatnonzero(np.isin(block[:, place], codes)):
                text = f"{feature.name} = {(feature.levels or ())[int(block[row, place])]}"
                number = int(rows[start + row])
                found[number] = f"{found[number]}, {text}" if number in found else text
        start += len(block)
    return dict(sorted(found.items()))


def about_unseen(found: Mapping[int, str], count: int | None = None) -> str:
    """Return a clause on the rows that `unseen_levels` found.

    Arguments:
        count: number of such rows, if only the first of them are in `found`. Defaults to all of them.
    """
    count = len(found) if count is None else count
    verb = "holds" if count == 1 else "hold"
    return (
        f"{counted(count, 'row')} {verb} a value that no training row has, so what the model says of it means "
        f"little ({_listed(found, count)})"
    )


def about_unknown(found: Mapping[int, str]) -> str:
    """Return a clause on the rows of `Dataset.unknown`, which scores leave out."""
    one = len(found) == 1
    return (
        f"{counted(len(found), 'row')} {'holds' if one else 'hold'} a value that the model does not know, so "
        f"{'it is' if one else 'they are'} impossible under it, and no score counts {'it' if one else 'them'} "
        f"({_listed(found, len(found))})"
    )


def _listed(found: Mapping[int, str], count: int) -> str:
    shown = "; ".join(f"row {row}: {text}" for row, text in list(found.items())[:NAMED])
    return shown + (f"; and {count - NAMED} more" if count > NAMED else "")
