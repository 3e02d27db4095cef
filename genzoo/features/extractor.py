"""The interface of feature extractors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genzoo.data.dataset import Dataset
from genzoo.spec.events import DataSpec
from genzoo.typing import Array

Features = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Material:
    """The input of an extractor's builder; it has no samples, so that all models share the same features.

    Arguments:
        data: spec of one event.
        real: the real events that samples are compared with, `(N, *event)`, without missing values.
        dataset: the dataset they come from, with its labels.
        file: the file that the user named with `--features NAME=FILE`. Defaults to `None`.
        device: device for networks, as in `--device`. Defaults to "auto".
    """

    data: DataSpec
    real: Array
    dataset: Dataset
    file: Path | None = None
    device: str = "auto"


class Extractor(ABC):
    """A function that computes features of events.

    Arguments:
        protocol: everything that must be equal for two scores to be comparable: digest of the weights, resizer ...
    """

    protocol: Mapping[str, Any] = {}

    @abstractmethod
    def __call__(self, events: Array) -> Features:
        """Return the features of `events (N, *event)` in data units, `(N, F)` float64.

        Infinite and NaN values must stay in the features; metrics count them.
        """


class Standardizer:
    """Shifts and scales columns so that real events have a mean of 0 and a standard deviation of 1.

    Constant columns are only shifted.

    Arguments:
        real: features of the real events, `(N, F)`.
    """

    def __init__(self, real: Features) -> None:
        deviation = real.std(axis=0)
        self._shift, self._scale = real.mean(axis=0), np.where(deviation > 0, deviation, 1.0)

    def __call__(self, features: Features) -> Features:
        """Return `features (N, F)`, shifted and scaled."""
        scaled: Features = (features - self._shift) / self._scale
        return scaled
