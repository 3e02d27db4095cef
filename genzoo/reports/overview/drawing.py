"""Draw the overview of a comparison: differences from the best, and a criterion by number of components."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from genzoo.reports.charts import COLORS, canvas, png_of, svg_of
from genzoo.reports.overview.figures import CHEAPEST_WORD, CriterionLines, CriterionPoint, Forest, ForestLine
from genzoo.reports.overview.finding import figure_name
from genzoo.reports.page import Picture
from genzoo.text import counted, printable, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, _LINE, _FRAME = 5.0, 0.42, 1.1
"""Inches: width of a picture, height of one line of a forest, and height of its axis and legend."""


_LONGEST = 40
"""Characters of a name that are shown."""


_LETTERS = 64
"""Characters that fit a line of a forest plot."""


FONT = 9


_LETTER, _SPACES, _EMS = 0.62, (1.5, 0.5, 1.0), 38.0
"""Ems: width of a letter, of the symbol of a legend's entry and the spaces after it and its name, and of a legend."""


_LOOKS = {
    "best": ("D", COLORS[6], True),
    "not told apart": ("o", COLORS[0], True),
    "worse": ("s", COLORS[1], True),
    "better held out": ("^", COLORS[2], True),
    "undecided": ("o", COLORS[0], False),
    CHEAPEST_WORD: ("P", COLORS[6], True),
}
"""Marker, color and whether it is filled, by verdict: neither color nor shape alone carries the meaning."""


_OTHER = ("x", "#666666", True)


MARKS = ("o", "s", "^", "D", "v", "P", "X")


_STYLES = ("-", "--", ":")


def label(text: str, longest: int = _LONGEST) -> str:
    """Return a name as a picture can show it."""
    return shortened(printable(text), longest)


def legend_look(names: Sequence[str]) -> dict[str, Any]:
    """Return how a legend with these names looks: it has as many columns as fit the width of a picture."""
    entry = _LETTER * max(map(len, names)) + sum(_SPACES)
    symbol, gap, space = _SPACES
    return {
        "ncols": max(1, min(4, len(names), int(_EMS / entry))),
        "fontsize": FONT,
        "frameon": False,
        "handlelength": symbol,
        "handletextpad": gap,
        "columnspacing": space,
    }


def forest_figure(found: Forest) -> Figure:
    """Draw each candidate's paired difference from the best as a point with its 95 % interval."""
    lines = (found.reference, *found.lines)
    figure, axes = canvas(WIDTH, _FRAME + _LINE * len(lines))
    axes.axvline(0.0, color="#888888", linewidth=1.0, zorder=0)
    for place, line in enumerate(lines):
        _draw_line(axes, place, line, found.limits)
    axes.set_xlim(*found.limits)
    axes.set_ylim(len(lines) - 0.4, -0.75)
    axes.set_yticks([])
    axes.locator_params(axis="x", nbins=6)
    axes.ticklabel_format(axis="x", useOffset=False, scilimits=(-3, 5))
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"difference in {found.figure}", fontsize=FONT, parse_math=False)
    _forest_legend(axes, {line.verdict for line in lines})
    return figure


def forest_picture(found: Forest) -> Picture:
    """Return the forest plot as a picture of a page."""
    figure = forest_figure(found)
    more = f" Only the table has {counted(found.left_out, 'more candidate')}." if found.left_out else ""
    caption = (
        f"Difference of each candidate from {found.best} with its 95 % interval, paired row by row; "
        f"{found.direction}. An interval that holds 0 leaves open which of the two is better.{more}"
    )
    text = "; ".join(f"{line.id} {line.text}, {line.verdict}" for line in found.lines)
    return Picture(
        caption, f"Forest plot of differences: {text}", "svg+xml", svg_of(figure), "differences", png_of(figure)
    )


def _draw_line(axes: Axes, place: int, line: ForestLine, limits: tuple[float, float]) -> None:
    """Draw a name above an interval; an arrow stands for an end beyond the axis."""
    mark, color, filled = _LOOKS.get(line.verdict, _OTHER)
    low, high = (min(max(end, limits[0]), limits[1]) for end in line.ends)
    bold = "bold" if line.verdict in ("best", CHEAPEST_WORD) else "normal"
    where = {
        "transform": axes.get_yaxis_transform(),
        "fontsize": FONT,
        "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        "va": "bottom",
        "parse_math": False,
    }
    shown = line.shown
    longest = max(_LONGEST // 2, min(_LONGEST, _LETTERS - len(shown)))
    axes.text(0.0, place - 0.14, label(line.id, longest), fontweight=bold, **where)  # type: ignore[arg-type]
    axes.text(1.0, place - 0.14, shown, ha="right", **where)  # type: ignore[arg-type]
    axes.plot([low, high], [place + 0.14] * 2, color=color, linewidth=1.8, solid_capstyle="butt")
    for end, edge, arrow in ((line.ends[0], limits[0], "<"), (line.ends[1], limits[1], ">")):
        beyond = end < edge if arrow == "<" else end > edge
        if beyond:
            axes.plot([edge], [place + 0.14], marker=arrow, color=color, markersize=5, clip_on=False)
    if limits[0] <= line.mean <= limits[1]:
        face = color if filled else "white"
        axes.plot([line.mean], [place + 0.14], mark, color=color, markerfacecolor=face, markersize=5)


def _forest_legend(axes: Axes, verdicts: set[str]) -> None:
    from matplotlib.lines import Line2D

    names = [name for name in _LOOKS if name in verdicts]
    looks = [(name, _LOOKS[name]) for name in names]
    if verdicts - set(_LOOKS):
        looks.append(("not ranked", _OTHER))
    handles = [
        Line2D([], [], marker=mark, color=color, markerfacecolor=color if filled else "white", markersize=5, label=name)
        for name, (mark, color, filled) in looks
    ]
    figure = axes.get_figure()
    assert figure is not None
    shown = [str(handle.get_label()) for handle in handles]
    figure.legend(handles=handles, loc="outside upper center", **legend_look(shown))


def criterion_figure(found: CriterionLines) -> Figure:
    """Draw a criterion against the number of components, a line for each choice of the other options."""
    names = list(found.lines)
    entries = [label(name) for name in (*names, *(name for name, _ in found.references))]
    look = legend_look(entries)
    figure, axes = canvas(WIDTH, 3.3 + 0.22 * math.ceil(len(entries) / look["ncols"]))
    for place, points in enumerate(found.lines.values()):
        _draw_points(axes, points, place, label(names[place]))
    for place, (name, value) in enumerate(found.references):
        axes.axhline(value, color="#555555", linestyle=_STYLES[place % 3], linewidth=1.0, label=label(name))
    best = next((point for point in found.points if point.id == found.best), None)
    if best is not None:
        axes.plot(
            [best.x], [best.value], "o", color="black", markersize=12, markerfacecolor="none", markeredgewidth=1.3
        )
    every = sorted({point.x for point in found.points})
    axes.set_xticks(every if len(every) <= 15 else every[:: math.ceil(len(every) / 15)])
    axes.ticklabel_format(axis="y", useOffset=False, style="plain")
    axes.set_xlabel(label(found.option), fontsize=FONT, parse_math=False)
    axes.set_ylabel(f"{figure_name(found.criterion)}, lower is better", fontsize=FONT)
    if _above(found):
        axes.set_ylim(top=found.top)
    _criterion_legend(axes, found.title, look)
    return figure


def _above(found: CriterionLines) -> int:
    """Return how many values lie above the picture."""
    cut = found.top
    return sum(point.value > cut for point in found.points) + sum(value > cut for _, value in found.references)


def criterion_picture(found: CriterionLines) -> Picture:
    """Return the lines of a criterion as a picture of a page."""
    figure, title, above = criterion_figure(found), figure_name(found.criterion), _above(found)
    best = "" if found.best is None else f" The circle marks the lowest: {found.best}."
    if all(point.id != found.best for point in found.points):
        best = "" if found.best is None else f" The lowest is {found.best}, a level."
    caption = f"{title} against {found.option}, a line for each choice of the other options; lower is better.{best}"
    if any(not point.ranked for point in found.points):
        caption += " Hollow marks are values that are not ranked."
    if found.references:
        caption += f" Levels are candidates without {found.option}."
    if found.left_out:
        caption += f" Only the table has {counted(found.left_out, 'more level')}."
    if above:
        caption += f" Not shown: {counted(above, 'value')} above the picture."
    text = "; ".join(
        f"{name}: {', '.join(f'{point.value:.2f} at {point.x}' for point in points)}"
        for name, points in found.lines.items()
    )
    return Picture(caption, f"Lines of {title}: {text}", "svg+xml", svg_of(figure), found.criterion, png_of(figure))


def _draw_points(axes: Axes, points: tuple[CriterionPoint, ...], place: int, name: str) -> None:
    color, mark = COLORS[place % len(COLORS)], MARKS[(place + place // len(COLORS)) % len(MARKS)]
    style = _STYLES[place // len(COLORS) % len(_STYLES)]
    xs, ys = [point.x for point in points], [point.value for point in points]
    axes.plot(xs, ys, color=color, linestyle=style, marker=mark, markersize=4.5, linewidth=1.3, label=name)
    hollow = [point for point in points if not point.ranked]
    axes.plot(
        [point.x for point in hollow],
        [point.value for point in hollow],
        mark,
        color=color,
        markerfacecolor="white",
        markersize=4.5,
    )


def _criterion_legend(axes: Axes, title: str | None, look: dict[str, Any]) -> None:
    figure = axes.get_figure()
    assert figure is not None
    shown = None if title is None else label(title)
    legend = figure.legend(loc="outside lower center", title=shown, **look)
    for text in [*legend.get_texts(), legend.get_title()]:
        text.set_parse_math(False)
        text.set_fontsize(FONT)
