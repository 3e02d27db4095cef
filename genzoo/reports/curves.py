"""The curves of a training: losses and everything else that was logged."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from genzoo.persistence.format1 import current_line, former_metrics
from genzoo.persistence.run import Run
from genzoo.reports.charts import curves
from genzoo.reports.page import Picture, Pictures, Section, Text
from genzoo.storage.metrics_log import read_log
from genzoo.training.model_selection import OBJECTIVE

_PLACES = frozenset({"step", "epoch", "seconds"})


_MOST_POINTS = 1_000


_MOST_LINES, _MOST_PICTURES = 20, 20


class CurvePoints:
    """The points of one curve. Of many points it keeps evenly spaced ones, and always the first and the last."""

    def __init__(self) -> None:
        self._steps: list[int] = []
        self._values: list[float] = []
        self._stride = 1
        self._seen = 0
        self.last = (0, 0.0)

    def add(self, step: int, value: float) -> None:
        """Add a point."""
        self.last = (step, value)
        if self._seen % self._stride == 0:
            self._steps.append(step)
            self._values.append(value)
        self._seen += 1
        # A log may have millions of lines. Whenever too many points are kept, every second one is dropped, and only
        # half as many of the following ones are added: memory stays bounded, and the points stay evenly spaced.
        if len(self._steps) == 2 * _MOST_POINTS:
            self._steps, self._values = self._steps[::2], self._values[::2]
            self._stride *= 2

    @property
    def first(self) -> tuple[int, float]:
        """The step and value of the first point."""
        return self._steps[0], self._values[0]

    def shown(self) -> tuple[Any, Any]:
        """Return steps and values to draw, at most 1,000."""
        steps, values = list(self._steps), list(self._values)
        if steps[-1] != self.last[0]:
            steps.append(self.last[0])
            values.append(self.last[1])
        kept = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), _MOST_POINTS)).astype(np.int64))
        return np.asarray(steps, np.float64)[kept], np.asarray(values)[kept]


Series = dict[str, CurvePoints]


def about_best(record: Mapping[str, Any]) -> str | None:
    """Say which step a trained model is from, and why; `None` if it is simply the last one.

    Arguments:
        record: content of `run.json`.
    """
    best, steps = record.get("best"), record.get("steps")
    if not isinstance(best, Mapping) or not {"by", "value", "step"} <= best.keys():
        return None
    epoch = f" (epoch {best['epoch']:.3g})" if isinstance(best.get("epoch"), int | float) else ""
    value = f"{best['value']:.6g}" if isinstance(best["value"], int | float) else "unknown"
    of = f" of {steps}" if isinstance(steps, int) else ""
    what = "lowest validation loss" if best["by"] == OBJECTIVE else f"best {best['by']} on validation rows"
    return f"The {what}, {value}, was at step {best['step']}{of}{epoch}. The model is from that step."


def curve_section(run: Run) -> Section | None:
    """Return a section with a chart of the losses and of everything else that was logged, or `None`."""
    pictures = [_picture(title, series) for title, series in _logged(run).items()]
    best = about_best(run.record)
    about = () if best is None else (Text(best),)
    return Section("Training", (*about, Pictures(tuple(pictures)))) if pictures else None


def _logged(run: Run) -> dict[str, Series]:
    """Return the logged values by chart and by line of the chart."""
    found: dict[str, Series] = {}
    metrics = former_metrics()
    for _, line in read_log(run.log) if run.log.exists() else ():
        for title, name, value in _values(current_line(line, metrics)):
            if len(found.setdefault(title, {})) < _MOST_LINES or name in found[title]:
                found[title].setdefault(name, CurvePoints()).add(line["step"], value)
            if len(found) > _MOST_PICTURES:
                found.popitem()
    return found


def _values(line: Mapping[str, Any]) -> Iterator[tuple[str, str, float]]:
    """Yield the values of a log line: title of the chart, name of the line in it, and value."""
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
    text = "; ".join(
        ("" if name == title else f"{name} ")
        + ("" if points.first == points.last else f"from {points.first[1]:.4g} at step {points.first[0]} to ")
        + f"{points.last[1]:.4g} at step {points.last[0]}"
        for name, points in series.items()
    )
    return Picture(f"{title}: {text}", f"Curve of {title} over training steps: {text}", "svg+xml", curves(shown, title))
