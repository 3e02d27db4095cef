"""Log-likelihoods of events, and what they are: exact or a bound, of a density or of a probability mass."""

from __future__ import annotations

import math

import numpy as np

from genzoo.data.dataset import Dataset, Rows
from genzoo.errors import ArtifactError, DivergenceError
from genzoo.inference.trained_model import TrainedModel
from genzoo.inference.units import any_observed
from genzoo.models.base import Generator, Likelihood, Outliers
from genzoo.models.measure import measures_of, on_grid
from genzoo.runtime.seeding import derive
from genzoo.typing import Array

_NAMED = 10
"""Rows that are named one by one."""


DRAWS = 64
"""Draws of a lower bound."""


def kind_of(fitted: TrainedModel, draws: int = DRAWS) -> str:
    """What a model's log-likelihoods are: `exact`, `lower bound (N draws)` or `none`.

    That of a density is a lower bound where the data lie on a grid.
    """
    able = fitted.capabilities
    if "likelihood" in able:
        return "exact"
    return f"lower bound ({draws} draw{'s'[: draws != 1]})" if "likelihood-bound" in able else "none"


def measure_of(fitted: TrainedModel) -> str | None:
    """What a model's log-likelihoods measure, column by column, such as `density of a; mass of b, c`."""
    if kind_of(fitted) == "none":
        return None
    data, measures = fitted.data, _measured(fitted)
    if len(set(measures)) == 1:
        return measures[0]
    names = [feature.name for feature in data.features]
    parts = []
    for measure in ("density", "mass"):
        columns = [name for name, found in zip(names, measures, strict=True) if found == measure]
        parts.append(f"{measure} of {', '.join(columns)}")
    return "; ".join(parts)


def _measured(fitted: TrainedModel) -> tuple[str, ...]:
    """What a model's log-likelihoods measure, feature by feature: on a grid the mass of a point, whatever the model."""
    pairs = zip(measures_of(fitted.generator, fitted.data), on_grid(fitted.generator, fitted.data), strict=True)
    return tuple("mass" if spread else measure for measure, spread in pairs)


def dimensions_of(fitted: TrainedModel) -> int | None:
    """How many numbers an event has, of a model of images whose log-likelihoods are those of a probability mass.

    Those are told in bits per dimension, too; `None` of all others.
    """
    image = fitted.data.modality == "image" and kind_of(fitted) != "none"
    return fitted.data.size if image and set(_measured(fitted)) == {"mass"} else None


def bits_per_dim(log_likelihood: float, dimensions: int) -> float:
    """Nats per event as bits per number of it, lower is better.

    Examples:
        >>> round(bits_per_dim(-8 * math.log(2) * 64, 64), 9)  # 64 pixels of 256 levels, all as probable
        8.0
    """
    return -log_likelihood / (dimensions * math.log(2.0))


def degrees_of_freedom(generator: Generator) -> int | None:
    """How many free parameters a generator has, where it says so."""
    return generator.degrees_of_freedom if isinstance(generator, Likelihood) else None


def log_likelihoods(fitted: TrainedModel, dataset: Dataset, rows: Rows, seed: int, draws: int = DRAWS) -> Array:
    """Log-likelihoods, or their lower bounds, of some rows, `(n,)` nats; NaN of rows that have no value at all.

    Arguments:
        seed, draws: of a bound.

    Raises:
        DivergenceError: one of them is not a number, or infinite above.
        ArtifactError: the same of a model from a file.
    """
    exact = kind_of(fitted) == "exact"
    found = np.concatenate(
        [
            fitted.log_prob(block)
            if exact
            else fitted.log_prob_bound(block, draws=draws, seed=derive(seed, "block", place))
            for place, block in enumerate(dataset.blocks(rows))
        ]
    )
    bad = np.isnan(found) | np.isposinf(found)
    if bad.any():
        what = f"The log-likelihood of {bad.sum()} of {len(found)} rows is not a finite number"
        if fitted.origin is not None:
            raise ArtifactError(f"{what} with the weights in {fitted.origin}, which are of no use.")
        raise DivergenceError(f"{what}.")
    found[~np.isin(rows, observed_rows(dataset, rows))] = np.nan
    return found


def observed_rows(dataset: Dataset, rows: Rows) -> Rows:
    """Those of some rows that have any value at all."""
    if not dataset.spec.missing or not len(rows):
        return rows
    found: Rows = rows[np.concatenate([any_observed(block) for block in dataset.blocks(rows)])]
    return found


def uncovered(fitted: TrainedModel, dataset: Dataset, rows: Rows) -> Rows:
    """Those of some rows that lie outside the box of a model with a component of outliers; none of other models."""
    if not isinstance(fitted.generator, Outliers):
        return rows[:0]
    covered = np.concatenate([fitted.covers(block) for block in dataset.blocks(rows)])
    found: Rows = rows[~covered]
    return found


def named_rows(rows: Rows) -> str:
    """How many rows there are, and the numbers of the first.

    Examples:
        >>> named_rows(np.array([3, 5]))
        '2 rows (3, 5)'
    """
    shown = ", ".join(map(str, rows[:_NAMED])) + (" ..." if len(rows) > _NAMED else "")
    return f"{len(rows)} row{'s'[: len(rows) != 1]} ({shown})"
