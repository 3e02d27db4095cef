"""Draw the overview of a comparison on a terminal, with letters."""

from __future__ import annotations

import math
import string
from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from genzoo.reports.overview.figures import CHEAPEST_WORD, CriterionLines, Forest, ForestLine, criterion_lines, forest
from genzoo.reports.overview.finding import figure_name, finding
from genzoo.reports.result import Report
from genzoo.text import counted, printable, shortened

_HEIGHT, _MARGIN, _MOST_NAME, _LEAST_BAR = 14, 11, 44, 16
"""Lines of a picture of criteria, letters left of it, letters of a name, and letters of an interval at least."""


_LETTERS = string.ascii_uppercase + string.ascii_lowercase


def print_overview(report: Report, console: Console) -> None:
    """Print what was found, the differences from the best, and a criterion by number of components."""
    first, *more = finding(report)
    console.print(Text(printable(first), style="bold"))
    for line in more:
        console.print(Text(printable(line)))
    plain = console.options.ascii_only
    differences, lines = forest(report), criterion_lines(report)
    parts = [] if differences is None else [forest_text(differences, console.width, plain=plain)]
    parts += [] if lines is None else [criterion_text(lines, console.width)]
    for part in parts:
        console.print()
        for line in part:
            console.print(Text(printable(line)), no_wrap=True, overflow="ignore", crop=False)
    console.print()


def forest_text(found: Forest, width: int, *, plain: bool = False) -> Iterator[str]:
    """Yield the lines of a forest plot: name, interval and figures of each candidate.

    Arguments:
        width: letters in a line.
        plain: use ASCII only. Defaults to `False`.
    """
    lines = [found.reference, *found.lines]
    texts = max(len(line.text) for line in found.lines)
    shown = [f"{'':{texts}}  best", *(f"{line.text:>{texts}}  {line.verdict}" for line in found.lines)]
    right = max(map(len, shown))
    names = min(max(len(line.id) for line in lines), _MOST_NAME, max(12, width - right - _LEAST_BAR - 4))
    bar = max(_LEAST_BAR, width - names - right - 4)
    yield f"Difference in {found.figure}, from the best, with 95 % intervals ({found.direction})"
    for line, text in zip(lines, shown, strict=True):
        name = shortened(printable(line.id), names).ljust(names)
        yield f"{name}  {_bar(line, found.limits, bar, plain)}  {text}".rstrip()
    low, high = (f"{end:+.3g}" for end in found.limits)
    yield f"{'':{names}}  {low}{high:>{max(bar - len(low), 0)}}"
    if found.left_out:
        yield f"Only the table has {counted(found.left_out, 'more candidate')}."


def _bar(line: ForestLine, limits: tuple[float, float], width: int, plain: bool) -> str:
    """Return an interval on an axis, with 0 as a vertical line, and arrows for ends beyond the axis."""
    left, right, middle, zero = "[]-|" if plain else "├┤─│"
    marks = {"best": "*◆", "worse": "x■", CHEAPEST_WORD: "$✚"}
    point = marks.get(line.verdict, "o●")[0 if plain else 1]
    cells = [" "] * width
    cells[_cell(0.0, limits, width)] = zero
    low, high = (_cell(end, limits, width) for end in line.ends)
    if high > low:
        cells[low : high + 1] = [middle] * (high + 1 - low)
        cells[low] = left if line.ends[0] >= limits[0] else "<"
        cells[high] = right if line.ends[1] <= limits[1] else ">"
    if limits[0] <= line.mean <= limits[1]:
        cells[_cell(line.mean, limits, width)] = point
    elif high == low:
        cells[low] = "<" if line.mean < limits[0] else ">"
    return "".join(cells)


def _cell(value: float, limits: tuple[float, float], width: int) -> int:
    share = (value - limits[0]) / (limits[1] - limits[0])
    return round(min(max(share, 0.0), 1.0) * (width - 1))


def criterion_text(found: CriterionLines, width: int) -> Iterator[str]:
    """Yield the lines of a picture of a criterion: a letter for each choice of the other options.

    Arguments:
        width: letters in a line.
    """
    xs = sorted({point.x for point in found.points})
    step = max(1, min(10, (width - _MARGIN) // len(xs)))
    values = [point.value for point in found.points] + [value for _, value in found.references]
    low, high = min(values), min(max(values), found.top)
    cells = [[" "] * (step * len(xs)) for _ in range(_HEIGHT)]
    letters = dict(zip(found.lines, (_LETTERS * (1 + len(found.lines) // len(_LETTERS))), strict=False))
    for name, points in found.lines.items():
        for point in points:
            _put(cells, _row(point.value, low, high), step * xs.index(point.x), letters[name], step)
    yield f"{figure_name(found.criterion)} against {printable(found.option)}, lower is better"
    for place, line in enumerate(cells):
        value = high - (high - low) * place / (_HEIGHT - 1)
        side = f"{value:>{_MARGIN - 2}.2f}" if place % 3 == 0 or place == _HEIGHT - 1 else " " * (_MARGIN - 2)
        yield f"{side} |{''.join(line)}".rstrip()
    yield " " * _MARGIN + _numbers(xs, step)
    title = "" if found.title is None else f"{found.title}: "
    yield title + "  ".join(f"{letters[name]} {name}" for name in found.lines)
    for name, value in found.references:
        yield f"without {found.option}: {name} {value:.2f}"
    if found.left_out:
        yield f"Only the table has {counted(found.left_out, 'more candidate')} without {found.option}."
    if any(point.value > high for point in found.points):
        yield "The top line holds all that is higher, too."
    if found.best is not None:
        yield f"lowest: {found.best}"


def _row(value: float, low: float, high: float) -> int:
    if not high > low or not math.isfinite(value):
        return _HEIGHT - 1
    return round((high - min(value, high)) / (high - low) * (_HEIGHT - 1))


def _numbers(xs: list[int], step: int) -> str:
    """Return the numbers below the columns of a picture, without those that have no room."""
    line = ""
    for place, x in enumerate(xs):
        if len(line) < step * place or not line:
            line = line.ljust(step * place) + str(x)
    return line


def _put(cells: list[list[str]], row: int, start: int, letter: str, step: int) -> None:
    """Put a letter at its place, or right of letters that fall together with it; `+` stands for those with no room."""
    room = max(1, step - 1)
    for place in range(start, start + room):
        if cells[row][place] == " ":
            cells[row][place] = letter
            return
    cells[row][start + room - 1] = "+"
