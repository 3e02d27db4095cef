"""Linear relations between columns, written as people write them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genzoo.typing import Array
from genzoo.wording import argument

_PLAIN = re.compile(r"[^\W\d][\w.]*")
"""Names that need no quotes in a formula."""


_TERMS = 6
"""Largest number of terms on one side of a formula."""


_MOST_FORMS = 12
"""Largest number of columns for which every one is tried as the left-hand side."""


_DIGITS = 4
"""Significant digits of a coefficient that is no short number."""


@dataclass(frozen=True, slots=True)
class Relation:
    """A linear relation: `sum of coefficients * columns = constant`.

    Arguments:
        columns: names. The first is the one to leave out: `a` in a formula `a = ...`, and the last of a sum.
        coefficients: as many numbers. The first is -1 in a formula `a = ...`, and all are 1 in a sum.
        constant: the right-hand side.
        rounded: whether it holds only up to the rounding of the values. Defaults to false.
    """

    columns: tuple[str, ...]
    coefficients: tuple[float, ...]
    constant: float
    rounded: bool = False

    @property
    def formula(self) -> str:
        """The relation in words, such as `total = a + b`, `F = 1.8 C + 32` or `a + b + c = 100`."""
        names = [_shown(name) for name in self.columns]
        if len(names) == 1 or all(value == 1.0 for value in self.coefficients):
            terms = [*zip(self.coefficients[1:], names[1:], strict=True), (self.coefficients[0], names[0])]
            return f"{_sum(terms)} = {_number(self.constant)}"
        terms = list(zip(self.coefficients[1:], names[1:], strict=True))
        return f"{names[0]} = {_sum(terms, -self.constant)}"

    @property
    def advice(self) -> str:
        """What to do, such as `leave out one of a, b, total: --drop total`."""
        drop = argument("drop", [self.columns[0]])
        if len(self.columns) == 1:
            return f"leave it out with {drop}"
        names = [*map(_shown, self.columns[1 : _TERMS + 1]), _shown(self.columns[0])]
        return f"leave out one of {', '.join(names)}: {drop}"


def _shown(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else repr(name)


def _number(value: float) -> str:
    return f"{value:.{_DIGITS}g}" if value != float(f"{value:.12g}") else f"{value:.12g}"


def _sum(terms: Sequence[tuple[float, str]], constant: float = 0.0) -> str:
    """Write `2 a - b + 3`; the middle of a long sum is left out."""
    parts = [(value < 0, f"{_number(abs(value))} {name}" if abs(value) != 1.0 else name) for value, name in terms]
    if len(parts) > _TERMS:
        left_out = len(parts) - _TERMS + 1
        parts = [*parts[: _TERMS - 2], (False, f"... ({left_out} more)"), parts[-1]]
    if constant or not parts:
        parts.append((constant < 0, _number(abs(constant))))
    first = ("-" if parts[0][0] else "") + parts[0][1]
    return first + "".join(f" {'-' if minus else '+'} {text}" for minus, text in parts[1:])


def short_number(value: float, tolerance: float) -> float:
    """Return the number with the fewest digits within `tolerance` of `value`.

    Examples:
        >>> short_number(1.7999999, 1e-5), short_number(99.98, 0.1), short_number(0.3333333, 1e-9)
        (1.8, 100.0, 0.3333333)
    """
    if abs(value) <= tolerance:
        return 0.0
    for digits in range(1, 13):
        near = float(f"{value:.{digits}g}")
        if abs(near - value) <= tolerance:
            return near
    return value


def forms(coefficients: Array, constant: float) -> list[tuple[int, Array, float]]:
    """Return every way to write a relation: the place of its first column, the coefficients and the constant.

    A column is solved for, so that its coefficient is -1. If all coefficients are about equal, the sum comes first.

    Arguments:
        coefficients: `(C,)`, none of them 0.
    """
    last = len(coefficients) - 1
    found = []
    if constant != 0.0 and np.ptp(coefficients) <= 1e-3 * abs(coefficients[0]):
        scale = coefficients.mean()
        found.append((last, coefficients / scale, constant / scale))
    places = range(last + 1) if last < _MOST_FORMS else [last]
    return found + [(i, -coefficients / coefficients[i], -constant / coefficients[i]) for i in places]


def digits_of(coefficients: Sequence[float], constant: float) -> tuple[int, int]:
    """Return how long a formula is and how many minus signs it has: of two formulas, the smaller one reads better."""
    lengths = (len(f"{abs(value):.12g}".replace(".", "").strip("0")) for value in (*coefficients, constant))
    signs = sum(value < 0 for value in itertools.islice(coefficients, 1, None))
    signs += constant > 0 if coefficients[0] < 0 else constant < 0
    return sum(lengths), signs
