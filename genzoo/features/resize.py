"""Images as networks want them: three channels in 0..1, of one size."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from genzoo.errors import DataError
from genzoo.features.extractor import Array
from genzoo.spec import DataSpec

RESIZER = "PIL bicubic, antialiased, float32"
"""Named in protocols: the resizer alone moves a Fréchet distance (Parmar et al., 2022)."""


def check_images(name: str, data: DataSpec) -> None:
    """Refuse images that no network for photographs could look at.

    Raises:
        DataError: they have no range, or neither one channel nor three.
    """
    if data.bounds is None:
        raise DataError(f"Features {name!r} need images whose range is known, and these have none. Use pixels.")
    if data.event_shape[0] not in (1, 3):
        raise DataError(f"Features {name!r} need images of 1 or 3 channels, and these have {data.event_shape[0]}.")


def resized(events: Array, data: DataSpec, side: int) -> Tensor:
    """Images `(N, C, H, W)` in data units as `(N, 3, side, side)` in 0..1; those not finite all over are NaN."""
    assert data.bounds is not None
    low, high = data.bounds
    unit = ((np.asarray(events, np.float64) - low) / (high - low)).astype(np.float32)
    found = np.stack([[_resized(channel, side) for channel in event] for event in unit])
    found[~np.isfinite(unit).reshape(len(unit), -1).all(axis=1)] = np.nan
    return torch.from_numpy(found).expand(-1, 3, -1, -1)


def _resized(channel: Array, side: int) -> Array:
    image = Image.fromarray(channel)
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC)).clip(0, 1)
