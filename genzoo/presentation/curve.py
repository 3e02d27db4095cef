"""Training curves, from the log of a run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from genzoo.log import read_log
from genzoo.report.drawing import curves
from genzoo.report.page import Picture, Pictures, Section
from genzoo.run import Run

_PLACES = frozenset({"step", "epoch", "seconds"})
_MOST_POINTS = 1_000
_MOST_LINES, _MOST_PICTURES = 20, 20


class Points:
    """What one line is drawn through: of many points some, evenly spaced, and the first and the last."""

    def __init__(self) -> None:
        self._steps: list[int] = []
        self._values: list[float] = []
        self._stride = 1
        self._seen = 0
        self.last = (0, 0.0)

    def add(self, step: int, value: float) -> None:
        """See one more point."""
        self.last = (step, value)
        if self._seen % self._stride == 0:
            self._steps.append(step)
            self._values.append(value)
        self._seen += 1
        if len(self._steps) == 2 * _MOST_POINTS:
            self._steps, self._values = self._steps[::2], self._values[::2]
            self._stride *= 2

    @property
    def first(self) -> tuple[int, float]:
        """The first point."""
        return self._steps[0], self._values[0]

    def shown(self) -> tuple[Any, Any]:
        """Steps and values, as many as can be told apart."""
        steps, values = list(self._steps), list(self._values)
        if steps[-1] != self.last[0]:
            steps.append(self.last[0])
            values.append(self.last[1])
        kept = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), _MOST_POINTS)).astype(np.int64))
        return np.asarray(steps, np.float64)[kept], np.asarray(values)[kept]


Series = dict[str, Points]


def curve_section(run: Run) -> Section | None:
    """One picture for the losses and one for everything else that was logged; `None` where nothing was."""
    pictures = [_picture(title, series) for title, series in _logged(run).items()]
    return Section("Training", (Pictures(tuple(pictures)),)) if pictures else None


def _logged(run: Run) -> dict[str, Series]:
    """By picture and line, steps and values."""
    found: dict[str, Series] = {}
    for _, line in read_log(run.log) if run.log.exists() else ():
        for title, name, value in _values(line):
            if len(found.setdefault(title, {})) < _MOST_LINES or name in found[title]:
                found[title].setdefault(name, Points()).add(line["step"], value)
            if len(found) > _MOST_PICTURES:
                found.popitem()
    return found


def _values(line: Mapping[str, Any]) -> Iterator[tuple[str, str, float]]:
    """What a line measures: the title of a picture, the name of a line in it, and the value."""
    for key, value in line.items():
        if key in _PLACES:
            continue
        parts = value.items() if isinstance(value, Mapping) else [(key, value)]
        for name, number in parts:
            if isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number):
                words = str(name).replace("_", " ")
                yield (key if key == "loss" else words), words, float(number)


def _picture(title: str, series: Series) -> Picture:
    shown = {name: points.shown() for name, points in series.items()}
    told = "; ".join(
        ("" if name == title else f"{name} ")
        + f"from {points.first[1]:.4g} at step {points.first[0]} to {points.last[1]:.4g} at step {points.last[0]}"
        for name, points in series.items()
    )
    return Picture(f"{title}: {told}", f"Curve of {title} over training steps: {told}", "svg+xml", curves(shown, title))
