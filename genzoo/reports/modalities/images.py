"""Show images: as grids, before all scores."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from genzoo.inference.description.figures import Description
from genzoo.inference.image_grid import picture_of, png
from genzoo.inference.latent import Traversal
from genzoo.reports.modalities.report import ModalityReport
from genzoo.reports.page import Block, Picture, Pictures, Table
from genzoo.spec.events import DataSpec
from genzoo.typing import Array


def _grid(events: Array, data: DataSpec, caption: str, columns: int | None = None) -> Picture:
    about = f"{len(events)} images of {'×'.join(map(str, data.event_shape[1:]))} pixels in a grid: {caption}"
    return Picture(caption, about, "png", png(picture_of(events, data, columns=columns)))


def _grids(sets: Mapping[str, Array], data: DataSpec) -> list[Block]:
    return [Pictures(tuple(_grid(events, data, caption) for caption, events in sets.items()))]


def _reconstructions(real: Array, again: Array, data: DataSpec) -> list[Block]:
    pairs = np.concatenate([real.astype(again.dtype), again])
    return [Pictures((_grid(pairs, data, "real images above, their reconstructions below", len(real)),))]


def _traversal(found: Traversal) -> list[Block]:
    flat = found.events.reshape(-1, *found.data.event_shape)
    steps = found.events.shape[1]
    return [Pictures((_grid(flat, found.data, "latent traversal, one row per dimension", steps),))]


def _mean_images(table: Table, real: Array, posterior: Array, data: DataSpec) -> list[Block]:
    """Return the table of components, and the mean image of each."""
    weights = posterior / np.maximum(posterior.sum(axis=0), 1e-12)  # (N, K)
    means = np.tensordot(weights.T, real.astype(np.float64), 1)  # (K, *event)
    return [table, Pictures((_grid(means, data, "mean image of each component, in this order"),))]


def _description(found: Description) -> bytes:
    """Draw the mean image of each component, or samples of the model."""
    return png(picture_of(found.drawn.samples if found.drawn.means is None else found.drawn.means, found.data))


IMAGES = ModalityReport(
    _grids, _reconstructions, _traversal, components=_mean_images, description=_description, leads=True
)
