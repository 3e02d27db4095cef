"""Arrange images side by side, and encode them."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image

from genzoo.plugins.registry import resolve
from genzoo.spec.events import DataSpec
from genzoo.typing import Array

_SMALLEST_SIDE = 48
"""Pixels to which small images are enlarged in a grid, by whole factors, so that you can see them."""


def to_bytes(events: Array, data: DataSpec) -> Array:
    """Convert images `(N, C, H, W)` in data units to 8 bits, `(N, H, W, 1 or 3)`.

    If the data have no bounds, the images' own extremes become black and white. Of two channels only the first is
    shown, of more than three the first three.
    """
    low, high = data.bounds or (float(events.min()), float(events.max()))
    scaled = (events.astype(np.float64) - low) / max(high - low, 1e-12) * 255
    shown = scaled[:, : 3 if scaled.shape[1] >= 3 else 1]
    return shown.clip(0, 255).round().astype(np.uint8).transpose(0, 2, 3, 1)


def grid(events: Array, data: DataSpec, *, columns: int | None = None, gap: int = 2) -> Image.Image:
    """Arrange images side by side on light gray, in rows of `columns`. By default, the grid is about square."""
    pixels = to_bytes(events, data)
    factor = max(1, math.ceil(_SMALLEST_SIDE / max(pixels.shape[1:3])))
    pixels = pixels.repeat(factor, axis=1).repeat(factor, axis=2)
    n, height, width, channels = pixels.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    canvas = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, channels), 224, np.uint8)
    for i, image in enumerate(pixels):
        top, left = gap + i // columns * (height + gap), gap + i % columns * (width + gap)
        canvas[top : top + height, left : left + width] = image
    return Image.fromarray(canvas[:, :, 0] if channels == 1 else canvas)


def picture_of(events: Array, data: DataSpec, *, columns: int | None = None) -> Image.Image:
    """Draw events side by side, as their modality does it. By default, they are arranged about square."""
    drawn: Image.Image = resolve(data.form.picture, data.form)(events, data, columns=columns)
    return drawn


def png(image: Image.Image) -> bytes:
    """Encode an image as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
