"""What a metric is, and what it returns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from genzoo.errors import DataError

Features = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Score:
    """One number of one metric.

    Arguments:
        metric: its name.
        value: the number.
        direction: which way is better.
        error: its standard error, or `None` where none is known.
        protocol: all that must be equal for two scores to be compared.
    """

    metric: str
    value: float
    direction: Literal["higher", "lower"]
    error: float | None = None
    protocol: Mapping[str, Any] = field(default_factory=dict)


class Metric(ABC):
    """A number from the features of real events and of samples.

    `name` and `direction` are set by every metric.
    """

    name: str
    direction: Literal["higher", "lower"]

    @abstractmethod
    def score(self, real: Features, samples: Features) -> Score:
        """The score of `samples (M, F)` beside `real (N, F)`.

        Raises:
            DataError: too few events, or features that are not finite.
        """


def check_features(real: Features, samples: Features, least: int) -> tuple[Features, Features]:
    """Features as float64 matrices of one width.

    Raises:
        DataError: another shape, too few rows, or numbers that are not finite.
    """
    pair = []
    for name, rows in (("real events", real), ("samples", samples)):
        matrix = np.ascontiguousarray(rows, np.float64).reshape(len(rows), -1)
        if len(matrix) < least:
            raise DataError(f"This metric needs at least {least} {name}, and there are {len(matrix)}.")
        if bad := int((~np.isfinite(matrix)).any(axis=1).sum()):
            raise DataError(f"{bad} of {len(matrix)} {name} hold numbers that are not finite.")
        pair.append(matrix)
    if pair[0].shape[1] != pair[1].shape[1]:
        raise DataError(f"Real events have {pair[0].shape[1]} features and samples {pair[1].shape[1]}.")
    return pair[0], pair[1]
