"""Components of a mixture and latent dimensions, described by the columns of the rows that belong to them."""

from __future__ import annotations

import numpy as np

from genzoo.inference.description.figures import ColumnFigures, ComponentFigures, Distinction, LatentFigures
from genzoo.inference.description.moments import ColumnCoding
from genzoo.inference.description.sums import Describable, LatentSums, RowSums
from genzoo.models.base import Outliers
from genzoo.typing import Array

_LEAST_EFFECT = 0.25
"""Smallest difference worth mentioning, in standard deviations."""


_ACTIVE = 0.01
"""Smallest share of a latent dimension's variance that rows determine if the model uses it.

"Importance Weighted Autoencoders" (Burda, Grosse and Salakhutdinov, 2015) call such dimensions active.
"""


_MOST_CORRELATES, _LEAST_CORRELATE = 3, 0.3


def component_figures(model: Describable, sums: RowSums, coding: ColumnCoding | None) -> tuple[ComponentFigures, ...]:
    """Return the components by decreasing share; none if the model has none."""
    if "components" not in model.capabilities:
        return ()
    outlier = model.generator.outlier if isinstance(model.generator, Outliers) else None
    columns: list[tuple[ColumnFigures, ...]] = [()] * len(sums.share)
    overall: tuple[ColumnFigures, ...] = ()
    if coding is not None and sums.columns is not None:
        columns, overall = [coding.figures(own) for own in sums.columns], coding.figures(sums.columns.sum(axis=0))
    return tuple(
        ComponentFigures(
            component,
            component == outlier,
            float(sums.share[component] / sums.weight),
            int(sums.assigned[component]),
            columns[component],
            _distinctions(columns[component], overall),
        )
        for component in by_share(sums)
    )


def by_share(sums: RowSums) -> list[int]:
    """Return the numbers of the components, the largest share first."""
    return [int(component) for component in np.argsort(-sums.share, kind="stable")]


def _distinctions(columns: tuple[ColumnFigures, ...], overall: tuple[ColumnFigures, ...]) -> tuple[Distinction, ...]:
    """Return how a component differs from all rows: in each column of numbers, and in one category of the others."""
    found = []
    for here, everywhere in zip(columns, overall, strict=True):
        options = _options(here, everywhere)
        if options:
            found.append(max(options, key=lambda option: abs(option.effect)))
    large = [one for one in found if abs(one.effect) >= _LEAST_EFFECT]
    return tuple(sorted(large, key=lambda one: -abs(one.effect)))


def _options(here: ColumnFigures, everywhere: ColumnFigures) -> list[Distinction]:
    if here.mean is not None and everywhere.mean is not None and everywhere.sd:
        effect = (here.mean - everywhere.mean) / everywhere.sd
        return [Distinction(here.name, effect, None, here.mean, everywhere.mean)]
    return [
        Distinction(here.name, (here.levels[level] - p) / (p * (1 - p)) ** 0.5, level, here.levels[level], p)
        for level, p in everywhere.levels.items()
        if 1e-12 < p < 1 - 1e-12 and level in here.levels
    ]


def separation(sums: RowSums, coding: ColumnCoding | None) -> tuple[tuple[str, float], ...]:
    """Return η² between components for each column, the largest first; none if there are not two components."""
    if coding is None or sums.columns is None or len(sums.columns) < 2:
        return ()
    values = coding.separation(sums.columns)
    return tuple((coding.features[i].name, float(values[i])) for i in np.argsort(-values, kind="stable"))


def mean_images(sums: RowSums) -> Array | None:
    """Return the mean image of each component, the largest component first; `None` for tables."""
    if sums.images is None:
        return None
    order = by_share(sums)
    share = np.maximum(sums.share[order], 1e-12)
    means: Array = sums.images[order] / share.reshape(-1, *[1] * (sums.images.ndim - 1))
    return means


def latent_figures(model: Describable, sums: RowSums, coding: ColumnCoding | None, seed: int) -> LatentFigures | None:
    """Return how the rows use the latent dimensions; `None` if the model has no encoder and decoder."""
    found = sums.latent
    if found is None:
        return None
    mean = found.total / sums.weight
    variance = np.maximum(found.square / sums.weight - mean**2, 0.0)
    prior = model.prior_sample(4_096, seed=seed).astype(np.float64).var(axis=0)
    determined = variance / np.where(prior > 0, prior, 1.0)
    active = [int(i) for i in np.argsort(-determined, kind="stable") if determined[i] > _ACTIVE]
    named: list[tuple[tuple[str, float], ...]] = [()] * len(active)
    if coding is not None and sums.columns is not None:
        names, values = _correlations(found, np.sqrt(variance), coding, sums.columns.sum(axis=0))
        named = [_strongest(names, values[i]) for i in active]
    return LatentFigures(tuple(map(float, determined)), tuple(active), tuple(named))


def _strongest(names: list[str], values: Array) -> tuple[tuple[str, float], ...]:
    order = np.argsort(-np.abs(values), kind="stable")[:_MOST_CORRELATES]
    return tuple((names[i], float(values[i])) for i in order if abs(values[i]) >= _LEAST_CORRELATE)


def _correlations(latent: LatentSums, sd: Array, coding: ColumnCoding, sums: Array) -> tuple[list[str], Array]:
    """Return names of columns and categories, and their correlations with each latent dimension, `(L, names)`."""
    names, found = [], []
    for feature, start in zip(coding.features, coding.starts, strict=True):
        count = max(sums[start], 1e-300)
        center = latent.products[:, start] / count
        for place in range(1, 2 if feature.levels is None else 1 + len(feature.levels)):
            mean = sums[start + place] / count
            square = sums[start + 2] / count if feature.levels is None else mean
            spread = sd * np.sqrt(max(square - mean**2, 0.0))
            covariance = latent.products[:, start + place] / count - center * mean
            found.append(np.where(spread > 1e-9, covariance / np.maximum(spread, 1e-9), 0.0).clip(-1, 1))
            names.append(feature.name if feature.levels is None else f"{feature.name} {feature.levels[place - 1]}")
    return names, np.stack(found, axis=1)
