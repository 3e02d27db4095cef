"""Draw a description of a trained model as one picture.

For a table: shares of the components and their means, the dependencies between columns in the data and in the model,
and the distributions of the columns that separate the components most. For images: the mean image of each component,
or samples of the model.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genzoo.errors import ConfigError
from genzoo.inference.description.figures import ColumnFigures, ComponentFigures, Description
from genzoo.reports.charts import COLORS, Shares, draw_marginal
from genzoo.reports.modalities.marginals import MOST_LEVELS, marginal_of
from genzoo.reports.modalities.report import report_of
from genzoo.storage.atomic import write_bytes
from genzoo.text import printable, shortened
from genzoo.typing import Array
from genzoo.wording import argument

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

_MOST_COLUMNS, _MOST_COMPONENTS, _MARGINALS, _ACROSS = 30, 12, 6, 3


_LONGEST = 50
"""Characters of the name of a column that are shown."""


_LINE, _MARGIN, _LETTER, _WIDTH = 0.22, 0.9, 0.07, 9.0
"""Inches per column of a matrix, around a panel, per letter of a name, and of the figure beside names."""


def write_picture(path: Path, found: Description) -> None:
    """Draw a description to a `.png` file.

    Raises:
        ConfigError: such events have no picture.
        GenzooError: the disk is full or read-only.
    """
    form = found.data.form
    draw = report_of(form).description
    if draw is None:
        raise ConfigError(f"The description of a model of {form.plural} has no picture. Leave {argument('out')} out.")
    write_bytes(path, draw(found))


def table_picture(found: Description) -> bytes:
    """Draw the description of a model of a table as a PNG."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # letters that the font does not have become boxes
        table_figure(found).savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def table_figure(found: Description) -> Figure:
    """Draw the panels of a table below each other."""
    # Imported here because it is slow.
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from genzoo.reports.drawn_figure import DrawnFigure

    columns = min(len(found.columns), _MOST_COLUMNS)
    width = _WIDTH + _LETTER * max(map(len, _names(found)))
    panels = []
    if len(found.components) > 1:
        panels.append((_MARGIN + _LINE * columns, _draw_components))
    if columns > 1 and found.drawn.model_strength is not None:
        panels.append((_MARGIN + min(max(_LINE * columns, 2.0), _WIDTH / 2 - _MARGIN), _draw_strengths))
    panels.append((sum(_row_heights(found)) + 0.3, _draw_marginals))
    heights = [max(height, 2.2) for height, _ in panels]
    figure = DrawnFigure(figsize=(width, sum(heights)), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    parts = figure.subfigures(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for part, (_, draw) in zip(parts, panels, strict=True):
        draw(part, found)
    return figure


def _shown_columns(found: Description) -> list[int]:
    """Return the numbers of the columns to draw: the most separating ones first, or else in their order."""
    place = {match.model.name: number for number, match in enumerate(found.columns)}
    order = [place[name] for name, _ in found.separation] or list(place.values())
    return order[:_MOST_COLUMNS]


def _label(text: str) -> str:
    return shortened(printable(text), _LONGEST)


def _names(found: Description) -> list[str]:
    """Return the names of the columns that are drawn, in the order of the table."""
    return [_label(found.columns[number].model.name) for number in sorted(_shown_columns(found))]


def _draw_components(part: SubFigure, found: Description) -> None:
    """Draw the share of each component, and a matrix of how its columns differ from all rows."""
    shown = found.components[:_MOST_COMPONENTS]
    columns = _shown_columns(found)
    shares, matrix = part.subplots(1, 2, width_ratios=[1, 2.2])
    names = ["outliers" if one.outliers else str(one.component) for one in shown]
    place = np.arange(len(shown))
    shares.barh(place, [one.share for one in shown], color=COLORS[0])
    shares.set_yticks(place, names)
    shares.invert_yaxis()
    shares.set_ylabel("component")
    shares.set_title("Share of each component", fontsize=10)
    shares.spines[["top", "right"]].set_visible(False)
    labels, values = _effects(found, shown, columns)
    image = matrix.imshow(values, cmap="RdBu_r", vmin=-2, vmax=2, aspect="auto")
    matrix.set_yticks(np.arange(len(labels)), labels, parse_math=False)
    matrix.set_xticks(place, names)
    matrix.set_xlabel("component")
    matrix.set_title("Difference from all rows, in standard deviations", fontsize=10)
    part.colorbar(image, ax=matrix, shrink=0.8).ax.tick_params(labelsize=8)
    _small(shares, matrix)


def _effects(found: Description, shown: tuple[ComponentFigures, ...], columns: list[int]) -> tuple[list[str], Array]:
    """Return a label for each column, and its difference from all rows in each component, `(columns, components)`.

    A column of categories is drawn by the category whose probability differs most.
    """
    labels, lines = [], []
    for number in columns:
        match = found.columns[number]
        level, values = _effect(match.data or match.model, [one.columns[number] for one in shown])
        name = match.model.name if level is None else f"{match.model.name} {level}"
        labels.append(_label(name))
        lines.append(values)
    return labels, np.array(lines)


def _effect(overall: ColumnFigures, parts: list[ColumnFigures]) -> tuple[str | None, list[float]]:
    if not overall.levels:
        sd = overall.sd or 1.0
        return None, [0.0 if part.mean is None else (part.mean - (overall.mean or 0.0)) / sd for part in parts]
    options = {
        level: [(part.levels.get(level, p) - p) / max(p * (1 - p), 1e-12) ** 0.5 for part in parts]
        for level, p in overall.levels.items()
    }
    best = max(options, key=lambda level: max(map(abs, options[level])))
    return best, options[best]


def _draw_strengths(part: SubFigure, found: Description) -> None:
    """Draw the matrices of dependencies in the data and in the model beside each other."""
    columns = sorted(_shown_columns(found))
    labels = [f"{name} ({number})" for name, number in zip(_names(found), columns, strict=True)]
    pairs = [("data", found.drawn.data_strength), ("model", found.drawn.model_strength)]
    known = [(title, values) for title, values in pairs if values is not None]
    axes = np.atleast_1d(part.subplots(1, len(known), sharey=True))
    for one, (title, values) in zip(axes, known, strict=True):
        image = one.imshow(values[np.ix_(columns, columns)], cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
        one.set_xticks(np.arange(len(labels)), list(map(str, columns)))
        one.set_yticks(np.arange(len(labels)), labels, parse_math=False)
        one.set_title(f"Dependencies in the {title}", fontsize=10)
    part.colorbar(image, ax=list(axes), shrink=0.8).ax.tick_params(labelsize=8)
    _small(*axes)
    for one in axes:
        one.tick_params(axis="x", labelsize=6 if len(columns) > _MOST_COLUMNS / 2 else 8)


def _draw_marginals(part: SubFigure, found: Description) -> None:
    """Draw the distributions of the first columns in the data and in samples."""
    columns = _shown_columns(found)[:_MARGINALS]
    heights = _row_heights(found)
    axes = part.subplots(len(heights), _ACROSS, squeeze=False, height_ratios=heights).flatten()
    for one, number in zip(axes, columns, strict=False):
        _draw_marginal(one, found, number)
    for one in axes[len(columns) :]:
        one.set_axis_off()
    handles, labels = axes[0].get_legend_handles_labels()
    part.legend(handles, labels, loc="outside upper right", ncols=2, frameon=False, fontsize=8)
    _small(*axes)


def _row_heights(found: Description) -> list[float]:
    """Return the height of each row of distributions, in inches: categories need a line each."""
    columns = _shown_columns(found)[:_MARGINALS]
    lines = [min(len(found.data.features[number].levels or ()), MOST_LEVELS) for number in columns]
    return [1.0 + _LINE * max(5, *lines[start : start + _ACROSS]) for start in range(0, len(lines), _ACROSS)]


def _draw_marginal(axes: Axes, found: Description, number: int) -> None:
    sampled = found.drawn.samples[:, number].astype(np.float64)
    real = sampled if found.drawn.rows is None else found.drawn.rows[:, number].astype(np.float64)
    real = real[np.isfinite(real)]
    axes.set_title(_label(found.columns[number].model.name), fontsize=9, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    if len(real):
        drawn = marginal_of(real, sampled, found.data.features[number])
        draw_marginal(axes, drawn)
        if isinstance(drawn, Shares):
            axes.set_ylim(max(len(drawn.levels), 5) - 0.5, -0.5)  # two bars would fill the panel


def _small(*axes: Axes) -> None:
    for one in axes:
        one.tick_params(labelsize=8)
        one.xaxis.label.set_fontsize(8)
        one.yaxis.label.set_fontsize(8)
