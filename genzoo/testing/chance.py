"""The global generators of NumPy and Python, from which no model draws."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np


@contextlib.contextmanager
def chance(seed: int) -> Iterator[None]:
    """Begin with the state that a seed gives them, and restore what was there."""
    numbers, python = np.random.get_state(), random.getstate()
    np.random.seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(numbers)
        random.setstate(python)
