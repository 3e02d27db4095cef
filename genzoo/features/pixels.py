"""Images as they are."""

from __future__ import annotations

import numpy as np

from genzoo.features.extractor import Array, Extractor, Features, Material


class Pixels(Extractor):
    """Values of all places in units of their range; of data without one, as they are."""

    def __init__(self, low: float = 0.0, high: float = 1.0) -> None:
        self._low = low
        self._range = high - low

    def __call__(self, events: Array) -> Features:
        flat = np.asarray(events, np.float64).reshape(len(events), -1)
        return (flat - self._low) / self._range


def build(material: Material) -> Extractor:
    """The pixels of images."""
    return Pixels(*(material.data.bounds or ()))
