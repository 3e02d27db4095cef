"""Draw rows in a plane: the components of a model over its data, and real rows beside sampled ones."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genzoo.inference.trained_model import TrainedModel
from genzoo.models.base import Components, Outliers
from genzoo.reports.charts import COLORS, canvas, png_of, svg_of
from genzoo.reports.overview.drawing import FONT, MARKS, WIDTH, label, legend_look
from genzoo.reports.page import Picture
from genzoo.reports.sections import evenly
from genzoo.spec.events import DataSpec
from genzoo.text import counted
from genzoo.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SAMPLES, _LEAST_SAMPLES, _NUMBERS = 4_000, 200, 4_000_000
"""Samples of a model that show where its components lie: fewer of a wide table."""


_HUGE = 1e100
"""Values from here on cannot be drawn."""


_MOST_COMPONENTS = 14


_INSIDE = 0.95
"""Share of a component's samples inside its ellipse."""


_RARE = 0.001
"""A row is an outlier if it is less likely than all but this share of the model's samples."""


_MOST_PAIRED, _LETTERS = 4, 54
"""Largest number of columns whose pairs are drawn, and letters of all their names together."""


@dataclass(frozen=True, slots=True)
class Plane:
    """How the columns of numbers of a table are drawn in one or two dimensions.

    Arguments:
        columns: numbers of these columns.
        center, scale: mean and standard deviation of each, `(C,)`.
        axes: directions in scaled columns, `(C, 1 or 2)`.
        names: names of the axes.
        share: share of the spread of scaled columns that the axes show.
    """

    columns: tuple[int, ...]
    center: Array
    scale: Array
    axes: Array
    names: tuple[str, ...]
    share: float

    def project(self, rows: Array) -> Array:
        """Return the places of rows `(N, *)` in data units, `(N, 1 or 2)`."""
        places = ((rows[:, self.columns].astype(np.float64) - self.center) / self.scale) @ self.axes
        return np.asarray(places)


def number_columns(rows: Array, data: DataSpec) -> tuple[int, ...]:
    """Return the columns of numbers that vary, and whose spread can be computed."""
    known = []
    for column, feature in enumerate(data.features):
        values = rows[:, column].astype(np.float64)
        values = values[np.isfinite(values)]
        if feature.levels is None and len(values) > 1 and np.abs(values).max() < _HUGE and values.std() > 0:
            known.append(column)
    return tuple(known)


def complete(rows: Array, columns: Sequence[int]) -> Array:
    """Return the rows whose values in these columns are known and can be drawn."""
    return rows[(np.abs(rows[:, list(columns)].astype(np.float64)) < _HUGE).all(axis=1)]


def plane_of(rows: Array, data: DataSpec) -> Plane | None:
    """Return the plane of one or two columns of numbers, or of the two principal axes of more; `None` of none."""
    columns = number_columns(rows, data)
    known = complete(rows, columns)[:, columns].astype(np.float64) if columns else rows[:0]
    if len(known) < 2 or not (known.std(axis=0) > 0).all():
        return None
    names = tuple(data.features[column].name for column in columns)
    if len(columns) <= 2:
        return Plane(columns, np.zeros(len(columns)), np.ones(len(columns)), np.eye(len(columns)), names, 1.0)
    center, scale = known.mean(axis=0), known.std(axis=0)
    _, spread, axes = np.linalg.svd((known - center) / scale, full_matrices=False)
    share = spread**2 / (spread**2).sum()
    two = axes[:2].T * np.sign(axes[:2].sum(axis=1) + 1e-9)  # a fixed sign, so that a page stays the same
    titles = tuple(f"axis {k + 1} ({share[k]:.0%}): {_loaded(two[:, k], names)}" for k in range(2))
    return Plane(columns, center, scale, two, titles, float(share[:2].sum()))


def _loaded(axis: Array, names: Sequence[str]) -> str:
    """Name the columns that an axis consists of most, with a minus if they fall along it."""
    top = np.argsort(-np.abs(axis), kind="stable")[:2]
    return ", ".join(f"{'−' if axis[i] < 0 else ''}{label(names[i], 18)}" for i in top)


@dataclass(frozen=True, slots=True)
class Ellipse:
    """Where a component lies in a plane: center, and the half axes, `(2, 2)`, one in each row."""

    center: Array
    halves: Array


def ellipse(places: Array, weights: Array) -> Ellipse | None:
    """Return the ellipse that holds 95 % of a component, or `None` if too few samples belong to it.

    Samples of the whole model, weighted by the posterior probability of a component, have the distribution of that
    component. This needs no parameters of the model. The size comes from a quantile, so heavy tails do not inflate it.

    Arguments:
        places: samples of the model in the plane, `(N, 2)`.
        weights: their posterior probabilities, `(N,)`.
    """
    total = float(weights.sum())
    if total < 20:
        return None
    center = weights @ places / total
    apart = places - center
    values, vectors = np.linalg.eigh((apart * weights[:, None]).T @ apart / total)
    if not values[0] > 1e-12 * values[1]:
        return None
    distances = ((apart @ vectors) ** 2 / values).sum(axis=1)
    order = np.argsort(distances)
    reached = np.searchsorted(np.cumsum(weights[order]), _INSIDE * total)
    radius = np.sqrt(distances[order[min(int(reached), len(order) - 1)]])
    return Ellipse(center, radius * (np.sqrt(values)[:, None] * vectors.T))


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Rows and samples of a mixture in a plane, with their most probable components and posterior probabilities."""

    plane: Plane
    rows: Array
    owner: Array
    outliers: Array
    samples: Array
    posterior: Array
    shown: tuple[int, ...]


def components_picture(fitted: TrainedModel, real: Array, seed: int, what: str) -> Picture | None:
    """Draw the components of a model over rows of a table; `None` if it has none, or the rows have no numbers.

    Arguments:
        real: rows in data units.
        what: what these rows are, such as `test rows`.
    """
    plane = plane_of(real, fitted.data)
    if plane is None or not isinstance(fitted.generator, Components):
        return None
    drawn = _drawn(fitted, complete(real, plane.columns), plane, seed)
    figure, axes = canvas(WIDTH, 4.2 if drawn.rows.shape[1] == 2 else 3.0)
    (_draw_scatter if drawn.rows.shape[1] == 2 else _draw_line)(axes, drawn)
    axes.set_xlabel(label(plane.names[0], 60), fontsize=FONT, parse_math=False)
    if drawn.rows.shape[1] == 2:
        axes.set_ylabel(label(plane.names[1], 54), fontsize=FONT, parse_math=False)
    _, entries = axes.get_legend_handles_labels()
    if entries:
        parent = axes.get_figure()
        assert parent is not None
        parent.legend(loc="outside lower center", **legend_look(entries))
    caption = _about_components(drawn, what, len(real) - len(drawn.rows))
    sizes = ", ".join(f"component {k}: {int((drawn.owner == k).sum())} rows" for k in drawn.shown)
    alt = f"{caption} {sizes}."
    return Picture(caption, alt, "svg+xml", svg_of(figure), "components", png_of(figure))


def _drawn(fitted: TrainedModel, rows: Array, plane: Plane, seed: int) -> _Drawn:
    count = max(_LEAST_SAMPLES, min(_SAMPLES, _NUMBERS // fitted.data.size))
    samples = complete(fitted.sample(count, seed=seed, output="array"), plane.columns)
    posterior = np.exp(fitted.log_posterior(samples).astype(np.float64))  # (N, K)
    owner = fitted.log_posterior(rows).argmax(axis=1)
    generator = fitted.generator
    if isinstance(generator, Outliers):
        outliers = owner == generator.outlier
        order = [k for k in np.argsort(-posterior.sum(axis=0), kind="stable") if k != generator.outlier]
    else:
        outliers = _unlikely(fitted, rows, samples)
        order = list(np.argsort(-posterior.sum(axis=0), kind="stable"))
    shown = tuple(int(k) for k in order[:_MOST_COMPONENTS])
    return _Drawn(plane, plane.project(rows), owner, outliers, plane.project(samples), posterior, shown)


def _unlikely(fitted: TrainedModel, rows: Array, samples: Array) -> Array:
    """Return which rows are less likely than 99.9 % of the model's own samples."""
    if "likelihood" not in fitted.capabilities or not len(samples):
        return np.zeros(len(rows), bool)
    scores = fitted.log_prob(samples)
    scores = scores[~np.isnan(scores)]
    least = np.quantile(scores, _RARE, method="lower") if len(scores) else -np.inf
    return np.asarray(fitted.log_prob(rows) < least)


def _about_components(drawn: _Drawn, what: str, lacking: int) -> str:
    where = "in their two columns of numbers"
    if len(drawn.plane.columns) > 2:
        where = f"on their two principal axes, which hold {drawn.plane.share:.0%} of the spread"
    marked = f"{where}, marked by their most probable component. Each ellipse holds 95 % of a component."
    one_column = "by their only column of numbers, with the share of each component as a line."
    text = f"{counted(len(drawn.rows), what)} {one_column if len(drawn.plane.columns) == 1 else marked}"
    count = int(drawn.outliers.sum())
    text += f" Crosses mark {counted(count, 'outlier')}." if count else " No row is an outlier."
    hidden = drawn.posterior.shape[1] - len(drawn.shown)
    if hidden > 1:
        text += f" The {len(drawn.shown)} largest components are shown."
    return text + (f" {counted(lacking, 'row')} with missing values are not drawn." if lacking else "")


def _draw_scatter(axes: Axes, drawn: _Drawn) -> None:
    from matplotlib import patheffects
    from matplotlib.patches import Ellipse as Patch

    many = len(drawn.shown) > 1
    for place, k in enumerate(drawn.shown):
        color, own = COLORS[place % len(COLORS)], (drawn.owner == k) & ~drawn.outliers
        mark = MARKS[(place + place // len(COLORS)) % len(MARKS)]
        name = f"component {k}" if many else None
        axes.plot(*drawn.rows[own].T, mark, color=color, markersize=3.6, alpha=0.65, markeredgewidth=0, label=name)
        found = ellipse(drawn.samples, drawn.posterior[:, k])
        if found is None:
            continue
        width, height = 2 * np.linalg.norm(found.halves, axis=1)
        angle = float(np.degrees(np.arctan2(found.halves[0, 1], found.halves[0, 0])))
        axes.add_patch(
            Patch(tuple(found.center), width, height, angle=angle, fill=False, edgecolor=color, linewidth=1.6)
        )
        if many:
            x, y = map(float, found.center)
            text = axes.text(x, y, str(k), color=color, fontsize=11, fontweight="bold", ha="center", va="center")
            text.set_path_effects([patheffects.withStroke(linewidth=3, foreground="white")])
    rest = ~np.isin(drawn.owner, drawn.shown) & ~drawn.outliers
    if rest.any():
        axes.plot(*drawn.rows[rest].T, ".", color="#888888", markersize=3, label="other components")
    if drawn.outliers.any():
        axes.plot(*drawn.rows[drawn.outliers].T, "x", color="black", markersize=6, markeredgewidth=1.4, label="outlier")


def _draw_line(axes: Axes, drawn: _Drawn) -> None:
    """Draw a histogram of one column with the density of each component, weighted by its share."""
    rows, samples = drawn.rows[:, 0], drawn.samples[:, 0]
    edges = np.linspace(rows.min(), rows.max(), max(10, min(40, round(len(rows) ** 0.5 * 2))) + 1)
    width = edges[1] - edges[0]
    axes.hist(rows, edges.tolist(), color="#BBBBBB", label="rows")
    for place, k in enumerate(drawn.shown):
        height = np.histogram(samples, edges, weights=drawn.posterior[:, k])[0] * len(rows) / max(len(samples), 1)
        color = COLORS[place % len(COLORS)]
        axes.plot(edges[:-1] + width / 2, height, color=color, linewidth=1.6, label=f"component {k}")
    if drawn.outliers.any():
        axes.plot(rows[drawn.outliers], np.zeros(drawn.outliers.sum()), "x", color="black", label="outlier")
    axes.set_ylabel("rows", fontsize=FONT)


def pairs_picture(real: Array, sampled: Array, data: DataSpec, what: str) -> Picture | None:
    """Draw pairs of columns of real rows below the diagonal, and of samples above it; `None` for fewer than two."""
    columns = _most_dependent(real, number_columns(real, data))
    parts = tuple(_drawable(rows[:, columns]) for rows in (real, sampled))
    if len(columns) < 2 or np.isnan(parts[1]).all(axis=0).any():
        return None
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    count = len(columns)
    figure = Figure(figsize=(WIDTH, 1.25 * count + 0.5), layout="constrained")
    FigureCanvasSVG(figure)
    grid = figure.subplots(count, count, squeeze=False)
    # As many points of each kind, so that their densities look alike if they are.
    least = min(map(len, parts))
    limits = [_limits(column) for column in parts[0].T]
    for i in range(count):
        for j in range(count):
            _draw_pair(grid[i, j], parts, (i, j), limits, least)
    for place, column in enumerate(columns):
        lines = textwrap.wrap(label(data.features[column].name), _LETTERS // count)
        name = "\n".join(lines[:2]) + ("…" if len(lines) > 2 else "")
        grid[-1, place].set_xlabel(name, fontsize=FONT, parse_math=False)
        grid[place, 0].set_ylabel(name, fontsize=FONT, parse_math=False)
    handles, _ = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles=handles, loc="outside upper center", ncols=2, frameon=False, fontsize=FONT)
    names = ", ".join(data.features[column].name for column in columns)
    several = f", the {count} columns that depend on each other most" if count < len(number_columns(real, data)) else ""
    caption = (
        f"{len(parts[0])} real {what} below the diagonal, {len(parts[1])} samples above it, and both distributions on "
        f"it: {names}{several}. A good model's samples look like the real rows."
    )
    if np.isnan(parts[0]).any():
        caption += " Missing values are not drawn."
    return Picture(caption, caption, "svg+xml", svg_of(figure), "real-and-sampled", png_of(figure))


def _drawable(values: Array) -> Array:
    """Return values as floats, with NaN for those that cannot be drawn."""
    known = values.astype(np.float64)
    return np.where(np.abs(known) < _HUGE, known, np.nan)


def _limits(values: Array) -> tuple[float, float]:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return low - 0.05 * (high - low), high + 0.05 * (high - low)


def _most_dependent(rows: Array, columns: tuple[int, ...]) -> tuple[int, ...]:
    """Return up to four columns in their order: those with the largest sums of absolute correlations."""
    if len(columns) <= _MOST_PAIRED:
        return columns
    values = _drawable(rows[:, columns])
    known = ~np.isnan(values)
    scaled = np.where(known, (values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0), 0.0)
    both = known.T.astype(np.float64) @ known  # rows that have both columns
    strength = np.abs(scaled.T @ scaled / np.maximum(both, 1.0)).sum(axis=0)
    return tuple(columns[i] for i in np.sort(np.argsort(-strength, kind="stable")[:_MOST_PAIRED]))


def _draw_pair(
    axes: Axes, parts: tuple[Array, ...], place: tuple[int, int], limits: Sequence[tuple[float, float]], most: int
) -> None:
    """Draw one cell of the matrix: row `place[0]`, column `place[1]`."""
    i, j = place
    axes.tick_params(labelsize=8, length=2)
    axes.set_xlim(*limits[j])
    axes.locator_params(axis="x", nbins=2)
    if i == j:
        edges = np.linspace(*limits[i], 21)
        known = [part[~np.isnan(part[:, i]), i] for part in parts]
        real, sampled = (np.histogram(values, edges)[0] / max(len(values), 1) for values in known)
        axes.stairs(real, edges, fill=True, color=COLORS[0], alpha=0.45, label="real")
        axes.stairs(sampled, edges, color=COLORS[1], linewidth=1.4, label="sampled")
        axes.set_yticks([])
    else:
        color, part = (COLORS[0], parts[0]) if i > j else (COLORS[1], parts[1])
        axes.set_ylim(*limits[i])
        axes.locator_params(axis="y", nbins=3)
        # A vector for each of thousands of points would make a page of megabytes.
        part = part[~np.isnan(part[:, [i, j]]).any(axis=1)]
        part = part[evenly(np.arange(len(part)), most)]
        axes.plot(part[:, j], part[:, i], ".", color=color, markersize=2.5, alpha=0.6, rasterized=True)
    if i < len(limits) - 1:
        axes.set_xticklabels([])
    if i == 0 and j == len(limits) - 1:
        axes.yaxis.tick_right()
    elif j > 0:
        axes.set_yticklabels([])
