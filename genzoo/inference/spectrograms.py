"""Draw sounds as spectrograms side by side: time to the right, frequency up."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from genzoo.data.transforms.log_mel import LogMelOptions, LogMelTransform, after_log_mel
from genzoo.inference.image_grid import grid
from genzoo.spec.events import DataSpec
from genzoo.typing import Array


def levels_of(events: Array, data: DataSpec) -> Array:
    """Return the levels of sounds `(N, T)` on the mel scale, 1 for the loudest of all, `(N, 1, bands, F)` float32."""
    with torch.no_grad():
        x = torch.from_numpy(np.asarray(events, np.float32))
        found = LogMelTransform.fit_any(LogMelOptions(), data, x)
        return np.asarray(found(x).numpy())


def spectrograms(events: Array, data: DataSpec, *, columns: int | None = None) -> Image.Image:
    """Arrange the spectrograms of sounds side by side, in rows of `columns`; by default about square."""
    return grid(levels_of(events, data), after_log_mel(LogMelOptions(), data), columns=columns)
