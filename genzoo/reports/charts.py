"""Draw charts as SVG."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genzoo.typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Colors that color-blind readers can distinguish (Okabe and Ito, 2008), the darker ones first."""


_STYLES = ("-", "--", "-.", ":")


_LONGEST_LABEL = 18


_DPI = 150
"""Pixels per inch of PNG files, and of dense points in SVG."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Distributions of real rows and samples over one column of numbers: densities between edges, `(B + 1,)`."""

    edges: Array
    real: Array
    sampled: Array


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of real rows and samples with each level of one column."""

    levels: tuple[str, ...]
    real: Array
    sampled: Array


Marginal = Histogram | Shares


def curves(series: Mapping[str, tuple[Array, Array]], title: str) -> bytes:
    """Draw lines over training steps.

    Arguments:
        series: steps and values, by name.
        title: name of the values.
    """
    figure, axes = canvas(5.2, 3.0)
    for place, (name, (steps, values)) in enumerate(series.items()):
        color, style = COLORS[place % len(COLORS)], _STYLES[place // len(COLORS) % len(_STYLES)]
        mark = "o" if len(steps) == 1 else ""
        axes.plot(steps, values, color=color, linestyle=style, marker=mark, linewidth=1.4, label=short_label(name))
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.set_xlabel("step")
    axes.set_ylabel(short_label(title), parse_math=False)
    if len(series) > 1:
        legend = axes.legend(frameon=False)
        for text in legend.get_texts():
            text.set_parse_math(False)
    return svg_of(figure)


def draw_marginal(axes: Axes, found: Marginal) -> None:
    """Draw one column into axes, with labels for a legend."""
    if isinstance(found, Histogram):
        axes.stairs(found.real, found.edges, fill=True, color=COLORS[0], alpha=0.45, label="real")
        axes.stairs(found.sampled, found.edges, color=COLORS[1], linewidth=1.6, label="sampled")
        axes.set_yticks([])
    else:
        place = np.arange(len(found.levels))
        axes.barh(place - 0.2, found.real, 0.38, color=COLORS[0], alpha=0.6, label="real")
        axes.barh(
            place + 0.2, found.sampled, 0.38, label="sampled", edgecolor=COLORS[1], facecolor="none", hatch="////"
        )
        axes.set_yticks(place, [short_label(level) for level in found.levels], parse_math=False)
        axes.invert_yaxis()
        axes.set_xlabel("share")


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure of this size in inches, with axes."""
    # Imported here because it is slow, and fits of a comparison and pages of images do not need it.
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    from genzoo.reports.drawn_figure import DrawnFigure

    figure = DrawnFigure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    return figure, axes


def short_label(text: str) -> str:
    """Shorten a text to fit beside an axis, and replace characters that XML does not allow."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return shown if len(shown) <= _LONGEST_LABEL else f"{shown[: _LONGEST_LABEL - 1]}…"


def svg_of(figure: Figure) -> bytes:
    """Return a figure as SVG, whose letters stay text."""
    import matplotlib as mpl

    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "genzoo"}):
        return _saved(figure, "svg", {"Date": None, "Creator": None})


def png_of(figure: Figure) -> bytes:
    """Return a figure as PNG."""
    return _saved(figure, "png", {"Software": None})


def _saved(figure: Figure, form: str, metadata: dict[str, str | None]) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a browser's fonts have letters that are missing here
        figure.savefig(buffer, format=form, dpi=_DPI, metadata=metadata)
    return buffer.getvalue()
