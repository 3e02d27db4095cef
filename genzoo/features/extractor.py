"""What an extractor of features is, and what it is built from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genzoo.data.dataset import Dataset
from genzoo.spec import DataSpec
from genzoo.typing import Array

Features = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Material:
    """What the builder of an extractor may look at; never samples, so that all models are seen alike.

    Arguments:
        data: what one event is.
        real: the real events that samples are held against, `(N, *event)`, none of their values missing.
        dataset: where they come from, with its labels.
        file: what the user named behind `--features NAME=`, or `None`.
        device: where a network is to run, as `--device` names it.
    """

    data: DataSpec
    real: Array
    dataset: Dataset
    file: Path | None = None
    device: str = "auto"


class Extractor(ABC):
    """Features of events.

    Arguments:
        protocol: all that must be equal for two scores to be compared: the digest of its weights, its resizer ...
    """

    protocol: Mapping[str, Any] = {}

    @abstractmethod
    def __call__(self, events: Array) -> Features:
        """The features of `events (N, *event)` in data units, `(N, F)` float64.

        Numbers that are not finite stay so: those who ask count them.
        """
