"""Training curves, from the log of a run."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from genzoo.report.drawing import curves
from genzoo.report.page import Picture, Pictures, Section
from genzoo.run import Run

_PLACES = frozenset({"step", "epoch", "seconds"})
_MOST_POINTS = 1_000

Series = dict[str, tuple[list[int], list[float]]]


def curve_section(run: Run) -> Section | None:
    """One picture for the losses and one for everything else that was logged; `None` where nothing was."""
    pictures = [_picture(title, series) for title, series in _logged(run).items()]
    return Section("Training", (Pictures(tuple(pictures)),)) if pictures else None


def _logged(run: Run) -> dict[str, Series]:
    """By picture and line, steps and values."""
    found: dict[str, Series] = {}
    for line in _lines(run):
        for title, name, value in _values(line):
            steps, values = found.setdefault(title, {}).setdefault(name, ([], []))
            steps.append(int(line["step"]))
            values.append(value)
    return found


def _lines(run: Run) -> Iterator[dict[str, Any]]:
    """Lines that are whole; the last may be cut short in a run that is at work."""
    if not run.log.exists():
        return
    for text in run.log.read_bytes().splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and isinstance(line.get("step"), int):
            yield line


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
    shown = {name: _thinned(*points) for name, points in series.items()}
    told = "; ".join(
        ("" if name == title else f"{name} ")
        + f"from {values[0]:.4g} at step {steps[0]} to {values[-1]:.4g} at step {steps[-1]}"
        for name, (steps, values) in series.items()
    )
    return Picture(f"{title}: {told}", f"Curve of {title} over training steps: {told}", "svg+xml", curves(shown, title))


def _thinned(steps: list[int], values: list[float]) -> tuple[Any, Any]:
    """Points evenly spaced, as many as can be told apart."""
    kept = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), _MOST_POINTS)).astype(np.int64))
    return np.asarray(steps)[kept], np.asarray(values)[kept]
