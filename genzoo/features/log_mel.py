"""Features of sounds without a network: their levels in bands of the mel scale over time."""

from __future__ import annotations

import numpy as np
import torch

from genzoo.data.transforms.log_mel import LogMelOptions, LogMelTransform
from genzoo.features.extractor import Extractor, Features, Material
from genzoo.spec.events import DataSpec
from genzoo.typing import Array


class LogMelExtractor(Extractor):
    """Levels of sounds, from 0 to 1 for the loudest of the real ones, as `log-mel` computes them.

    Arguments:
        data: spec of one sound.
        real: the real sounds, `(N, T)`.
    """

    def __init__(self, data: DataSpec, real: Array) -> None:
        self._levels = LogMelTransform.fit_any(LogMelOptions(), data, torch.from_numpy(real.astype("float32")))
        self.protocol = {"log-mel": LogMelOptions().model_dump()}

    def __call__(self, events: Array) -> Features:
        x = torch.from_numpy(events.astype("float32"))
        with torch.no_grad():
            levels = self._levels(x).flatten(1).double()
        levels[~x.isfinite().all(1)] = torch.nan
        return np.asarray(levels.numpy())


def build_log_mel(material: Material) -> Extractor:
    """Build the extractor of sounds."""
    return LogMelExtractor(material.data, material.real)
