"""Two arms of a spiral. Always the same rows."""

from __future__ import annotations

import numpy as np

from genzoo import Dataset, DataSpec, Feature

ROWS = 2_000
SEED = 2_026
TURNS = 1.5
NOISE = 0.05


def load() -> Dataset:
    """Points whose radius grows with the angle to 1, with Gaussian noise; labels say which arm."""
    rng = np.random.default_rng(SEED)
    labels = rng.integers(2, size=ROWS)
    radius = np.sqrt(rng.uniform(0.01, 1.0, ROWS))
    angle = 2 * np.pi * TURNS * radius + np.pi * labels
    events = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    events += rng.normal(0, NOISE, events.shape)
    spec = DataSpec((2,), "table", (Feature("x"), Feature("y")), storage="float64")
    return Dataset("first-dataset", spec, events, labels)
