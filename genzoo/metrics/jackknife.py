"""Standard errors of statistics of two samples, by leaving groups of events out.

Reference:
    "The Jackknife and the Bootstrap" (Shao and Tu, 1995).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from genzoo.seeding import derive

Array = np.ndarray[Any, np.dtype[Any]]

GROUPS = 20


def standard_error(statistic: Callable[[Array, Array], float], x: Array, y: Array, seed: int) -> float:
    """The standard error of `statistic(x, y)` of independent events `x (N, ...)` and `y (M, ...)`.

    Arguments:
        seed: of the groups.
    """
    variance = _variance(lambda part: statistic(part, y), x, derive(seed, "jackknife", 0))
    variance += _variance(lambda part: statistic(x, part), y, derive(seed, "jackknife", 1))
    return math.sqrt(variance)


def _variance(statistic: Callable[[Array], float], events: Array, seed: int) -> float:
    groups = min(GROUPS, len(events))
    group = np.random.default_rng(seed).permutation(len(events)) % groups
    values = np.array([statistic(events[group != left_out]) for left_out in range(groups)])
    return float((groups - 1) * values.var())
