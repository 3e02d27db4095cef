"""Draw a search for the report: its values by trial, and each setting against the value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from genzoo.metrics.metric import Direction
from genzoo.reports.charts import COLORS, canvas, short_label, svg_of
from genzoo.reports.page import Block, Picture, Pictures, Section, Table, Text
from genzoo.tuning.result import TuningTrial, ranked
from genzoo.tuning.space import SearchAxis, Space

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_AXES = 12

_SIZE = 5.2, 3.0
"""Width and height of a chart, in inches."""

_MOST_TICKS = 8
"""Largest number of labels along a logarithmic axis."""

_SHOWN = 10
"""Number of trials in the table."""


def search_section(trials: tuple[TuningTrial, ...], space: Space, by: str, direction: Direction) -> Section:
    """Return the section of a report on a search.

    Arguments:
        by: figure that ranks the trials.
        direction: whether higher or lower values are better.
    """
    best = ranked(trials, direction)
    pictures = [_by_trial(trials, best, by, direction)]
    pictures += [_by_setting(axis, best, by) for axis in space.axes[:_MOST_AXES]]
    words = "All values are of validation rows, which chose the settings; the table above has figures of test rows."
    blocks: list[Block] = [Text(words), Pictures(tuple(pictures)), _table(best[:_SHOWN], space.axes, by)]
    failed = [trial for trial in trials if trial.status == "failed"][:_SHOWN]
    if failed:
        rows = tuple((str(trial.number), trial.reason or "") for trial in failed)
        blocks.append(Table("Trials that failed", ("trial", "reason"), rows, words=frozenset({1})))
    return Section("Search", tuple(blocks))


def _by_trial(trials: Sequence[TuningTrial], best: Sequence[TuningTrial], by: str, direction: Direction) -> Picture:
    """Draw the value of each trial, and the best value so far."""
    figure, axes = canvas(*_SIZE)
    known = [trial for trial in trials if trial.value is not None]
    numbers, values = [trial.number for trial in known], np.array([trial.value for trial in known], float)
    so_far = np.maximum.accumulate(values) if direction == "higher" else np.minimum.accumulate(values)
    axes.plot(numbers, values, "o", color=COLORS[0], markersize=4)
    axes.step(numbers, so_far, where="post", color=COLORS[1], linewidth=1.4)
    for trial in trials:
        if trial.status != "complete":
            axes.axvline(trial.number, color="0.85", linewidth=1.0, zorder=0)
    _shown_range(axes, values)
    axes.set_xlabel("trial")
    axes.set_ylabel(short_label(by), parse_math=False)
    caption = "Value of each trial, and the best so far. Gray lines: pruned or failed."
    alt = f"{by} by trial; the best is {best[0].value:.4g} at trial {best[0].number}."
    return Picture(caption, alt, "svg+xml", svg_of(figure))


def _by_setting(axis: SearchAxis, best: Sequence[TuningTrial], by: str) -> Picture:
    """Draw the value against one setting."""
    figure, axes = canvas(*_SIZE)
    values = np.array([trial.value for trial in best], float)
    if axis.choices:
        texts = list(axis.choices)
        places = [texts.index(axis.place(trial.settings[axis.name])) for trial in best]
        axes.plot(places, values, "o", color=COLORS[0], markersize=4)
        axes.set_xticks(range(len(texts)), [short_label(text) for text in texts], parse_math=False, rotation=30)
    else:
        tried = [float(trial.settings[axis.name]) for trial in best]
        axes.plot(tried, values, "o", color=COLORS[0], markersize=4)
        if axis.log:
            axes.set_xscale("log")
            ticks = log_ticks(min(tried), max(tried))
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
            axes.set_xticks([], minor=True)
    _shown_range(axes, values)
    axes.set_xlabel(axis.name, parse_math=False)
    axes.set_ylabel(short_label(by), parse_math=False)
    return Picture(axis.name, f"{by} against {axis.name}.", "svg+xml", svg_of(figure))


def log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers from `low` to `high`, in about equal ratios: powers of 10, or 1, 2 and 5 times these.

    If there are none, return both ends.
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    round_numbers = [float(f"{digit}e{power}") for power in range(first, last + 1) for digit in (1, 2, 5)]
    inside = [number for number in round_numbers if 0.99 * low <= number <= 1.01 * high]
    powers = inside if len(inside) <= _MOST_TICKS else [number for number in inside if f"{number:e}".startswith("1.0")]
    found = powers[:: max(1, math.ceil(len(powers) / _MOST_TICKS))]
    return found if len(found) > 1 else sorted({low, high})


def _shown_range(axes: Axes, values: np.ndarray) -> None:
    """Show the better and usual values, as a few very bad ones would leave no room for them."""
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
    wide = 2 * max(high - low, 1e-9 * max(1.0, abs(middle)))
    axes.set_ylim(max(values.min(), low - wide) - 0.1 * wide, min(values.max(), high + wide) + 0.1 * wide)


def _table(best: Sequence[TuningTrial], axes: Sequence[SearchAxis], by: str) -> Table:
    header = ("trial", *(axis.name for axis in axes), by, "± SE", "seconds")
    rows = tuple(
        (
            str(trial.number),
            *(str(trial.settings[axis.name]) for axis in axes),
            f"{trial.value:.5g}",
            "–" if trial.error is None else f"{trial.error:.2g}",
            "–" if trial.seconds is None else f"{trial.seconds:.3g}",
        )
        for trial in best
    )
    return Table("The best trials on validation rows", header, rows)
