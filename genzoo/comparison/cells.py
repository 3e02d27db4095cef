"""Count what a table of categories can determine: a model with more free parameters has no information criteria.

Every row of such a table falls into one of finitely many cells. The counts of the cells are all that a likelihood
depends on, so no more parameters can be estimated than cells are free.

References:
    "Exploratory Latent Structure Analysis Using Both Identifiable and Unidentifiable Models" (Goodman, 1974).
    "poLCA: An R Package for Polytomous Variable Latent Class Analysis" (Linzer and Lewis, 2011).
"""

from __future__ import annotations

import math

import numpy as np

from genzoo.data.dataset import Dataset, Rows
from genzoo.models.base import Generator
from genzoo.models.measure import measures_of
from genzoo.spec.events import DataSpec


def too_many_parameters(generator: Generator, degrees_of_freedom: int, dataset: Dataset, rows: Rows) -> str | None:
    """Return why a model has more free parameters than a table of categories determines, as a clause; else `None`.

    Columns of numbers or counts have no finite number of cells, and determine any number of parameters.

    Arguments:
        rows: the rows that it is fitted to; rows of weight 0 do not count.
    """
    cells = _cells(dataset.spec)
    if cells is None or set(measures_of(generator, dataset.spec)) != {"mass"}:
        return None
    if degrees_of_freedom > cells - 1:
        return (
            f"its {degrees_of_freedom} free parameters are more than the {cells - 1} free cells of the table, so data "
            f"cannot determine them"
        )
    if dataset.weights is not None:
        rows = rows[dataset.weights[rows] > 0]
    different = _different(dataset, rows, degrees_of_freedom + 1)
    if degrees_of_freedom > different - 1:
        return (
            f"its {degrees_of_freedom} free parameters are more than {different} different rows determine, which is "
            f"{different - 1}"
        )
    return None


def _cells(spec: DataSpec) -> int | None:
    """Return the number of possible events, or `None` if it is not finite."""
    if any(feature.levels is None for feature in spec.features):
        return None
    return math.prod(len(feature.levels or ()) for feature in spec.places)


def _different(dataset: Dataset, rows: Rows, enough: int) -> int:
    """Return the number of different rows, but stop counting at `enough`. Missing values are a value of their own."""
    found: set[bytes] = set()
    for block in dataset.blocks(rows):
        events = np.asarray(block, np.float64).reshape(len(block), -1)
        events = np.where(np.isnan(events), -1.0, events)
        found.update(row.tobytes() for row in events)
        if len(found) >= enough:
            return enough
    return len(found)
