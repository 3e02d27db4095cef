"""Write the chart of one column's distribution as SVG. A page has many, and matplotlib takes 100 times as long."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape

import numpy as np

from genzoo.reports.charts import COLORS, Histogram, Marginal, Shares, short_label
from genzoo.typing import Array

_WIDTH = 259.2
"""Width of a chart, in points. So are all lengths here."""

_SIDE, _TOP, _BELOW = 9.0, 24.0, 24.0

_LETTER = 5.0
"""Width of an average letter of the labels."""

_TICKS = 7
"""Largest number of intervals between marks."""

_REAL, _SAMPLED = COLORS[0], COLORS[1]

_HATCHED_KEY = '<rect x="193" y="6" width="16" height="6" fill="url(#h)"'


def marginal(found: Marginal) -> bytes:
    """Draw one column: real rows filled, samples as a line or hatched."""
    parts = _histogram(found) if isinstance(found, Histogram) else _shares(found)
    height, body = next(parts), "\n".join(parts)
    line = '<path d="M193 9H209" stroke-width="1.6"' if isinstance(found, Histogram) else _HATCHED_KEY
    text = f"""<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}pt" height="{height}pt" \
viewBox="0 0 {_WIDTH} {height}" font-family="DejaVu Sans, Verdana, sans-serif" font-size="8">
<defs><pattern id="h" width="4" height="4" patternUnits="userSpaceOnUse">\
<path d="M-1 1 1 -1M0 4 4 0M3 5 5 3" stroke="{_SAMPLED}"/></pattern></defs>
<rect width="100%" height="100%" fill="#fff"/>
{body}
<rect x="145" y="6" width="16" height="6" fill="{_REAL}" fill-opacity=".5"/><text x="165" y="12">real</text>
{line} stroke="{_SAMPLED}"/><text x="213" y="12">sampled</text>
</svg>
"""
    return text.encode()


def _histogram(found: Histogram) -> Iterator[str]:
    """Yield the height of the chart, and its elements."""
    height = 151.2
    yield f"{height}"
    bottom = height - _BELOW
    low, high = float(found.edges[0]), float(found.edges[-1])
    across = _scale(low, high, _SIDE + 4, _WIDTH - _SIDE - 4)
    highest = max(float(np.max(found.real)), float(np.max(found.sampled)))
    up = _scale(0, highest if 0 < highest < math.inf else 1, bottom, _TOP)
    stairs = [_stairs(across(found.edges), up(values)) for values in (found.real, found.sampled)]
    ends = f"M{across(low):.2f} {bottom:.2f}", f"V{bottom:.2f}"
    real, sampled = (f"{ends[0]}{steps}{ends[1]}" for steps in stairs)
    yield f'<path d="{real}Z" fill="{_REAL}" fill-opacity=".45"/>'
    yield f'<path d="{sampled}" fill="none" stroke="{_SAMPLED}" stroke-width="1.6"/>'
    yield from _axes(_SIDE, bottom, marks(low, high, _WIDTH - 2 * _SIDE), across)


def _stairs(edges: Array, heights: Array) -> str:
    """Return the path along the tops of bars."""
    return "".join(f"V{top:.2f}H{right:.2f}" for top, right in zip(heights, edges[1:], strict=True))


def _shares(found: Shares) -> Iterator[str]:
    """Yield the height of the chart, and its elements."""
    slot, labels = 23.0, [short_label(level) for level in found.levels]
    bottom = _TOP + slot * len(labels) + 4
    yield f"{bottom + _BELOW + 11:.1f}"
    left = _SIDE + 6 + _LETTER * max(map(len, labels))
    highest = max(float(np.max(found.real)), float(np.max(found.sampled))) or 1.0
    across = _scale(0, highest * 1.05, left, _WIDTH - _SIDE)
    how = f'fill="{_REAL}" fill-opacity=".6"', f'fill="url(#h)" stroke="{_SAMPLED}"'
    for number, label in enumerate(labels):
        top = _TOP + slot * number + 3
        for place, (share, style) in enumerate(zip((found.real[number], found.sampled[number]), how, strict=True)):
            width = float(across(share)) - left
            yield f'<rect x="{left:.2f}" y="{top + 9 * place:.2f}" width="{width:.2f}" height="8.6" {style}/>'
        yield f'<text x="{left - 6:.2f}" y="{top + 12:.2f}" text-anchor="end">{escape(label)}</text>'
        yield f'<path d="M{left - 3:.2f} {top + 9:.2f}H{left:.2f}" stroke="#000" stroke-width=".8"/>'
    yield from _axes(left, bottom, marks(0, highest * 1.05, _WIDTH - left), across)
    middle = (left + _WIDTH - _SIDE) / 2
    yield f'<text x="{middle:.2f}" y="{bottom + 29:.2f}" text-anchor="middle" font-size="10">share</text>'


def _axes(
    left: float, bottom: float, ticks: Sequence[tuple[float, str]], across: Callable[[float], Array]
) -> Iterator[str]:
    """Yield the lines on the left and below, and the marks below with their numbers."""
    path = f"M{left:.2f} {_TOP:.2f}V{bottom:.2f}H{_WIDTH - _SIDE:.2f}"
    path += "".join(f"M{across(value):.2f} {bottom:.2f}v3" for value, _ in ticks)
    yield f'<path d="{path}" fill="none" stroke="#000" stroke-width=".8"/>'
    for value, label in ticks:
        half = _LETTER * len(label) / 2
        middle = min(max(float(across(value)), half), _WIDTH - half)
        yield f'<text x="{middle:.2f}" y="{bottom + 13:.2f}" text-anchor="middle">{label}</text>'


def _scale(low: float, high: float, start: float, end: float) -> Callable[[Array | float], Array]:
    """Return the function that maps values between `low` and `high` to lengths between `start` and `end`."""

    def place(values: Array | float) -> Array:
        # Halves, as the difference of the largest numbers is none.
        part = (np.asarray(values, np.float64) / 2 - low / 2) / (high / 2 - low / 2)
        return start + np.nan_to_num(part, posinf=1.0, neginf=0.0) * (end - start)

    return place


def marks(low: float, high: float, length: float) -> list[tuple[float, str]]:
    """Return round numbers from `low` to `high`, and their texts, which fit beside each other in `length` points.

    Numbers that differ in no digit, or whose texts are too long, have one mark, in the middle.

    Examples:
        >>> [text for _, text in marks(-1.3, 2.1, 240)]
        ['−1.0', '−0.5', '0.0', '0.5', '1.0', '1.5', '2.0']
        >>> [text for _, text in marks(0, 0.52, 240)]
        ['0.0', '0.1', '0.2', '0.3', '0.4', '0.5']
        >>> [text for _, text in marks(0, 1e12, 150)]
        ['0', '5e+11', '1e+12']
        >>> marks(7, 7, 240)
        [(7.0, '7')]
        >>> [text for _, text in marks(1.25e191, 4.25e191, 60)]
        ['2.75e+191']
    """
    for most in range(_TICKS, 0, -1):
        step = _step(low, high, most)
        if step is None:
            break
        values = [float(number * step) for number in range(math.ceil(low / step), math.floor(high / step) + 1)]
        found = [(value, _text(value, step, max(abs(low), abs(high)))) for value in values]
        if found and sum(_LETTER * len(text) + 9 for _, text in found) <= length:
            return found
    middle = low / 2 + high / 2
    return [(middle, f"{middle:.6g}".replace("-", "−", 1))]


def _step(low: float, high: float, most: int) -> float | None:
    """Return a round distance at which there are at most `most` intervals, or `None` if the numbers have none."""
    least = (high / 2 - low / 2) / most * 2
    if not (math.isfinite(least) and least > max(abs(low), abs(high)) * 1e-14 and least > 1e-300):
        return None
    power = 10.0 ** math.floor(math.log10(least))
    found = next(factor * power for factor in (1, 2, 2.5, 5, 10, 20) if factor * power >= least * (1 - 1e-9))
    return found if math.isfinite(found) else None


def _text(value: float, step: float, largest: float) -> str:
    """Return a number with the digits in which marks differ."""
    place = math.floor(math.log10(step))
    odd = round(step / 10.0**place, 6) == 2.5
    if step > 1e-5 and largest < 1e6:
        text = f"{value:.{max(0, odd - place)}f}"
    else:
        text = f"{value:.{max(1, math.floor(math.log10(largest)) - place + 1 + odd)}g}"
    return text.replace("-0", "0", 1).replace("-", "−", 1) if float(text) == 0 else text.replace("-", "−", 1)
