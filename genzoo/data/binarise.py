"""Images in black and white: 1 above the middle of the range of values, 0 elsewhere."""

from __future__ import annotations

import dataclasses

import numpy as np

from genzoo.data.dataset import BLOCK, Dataset
from genzoo.data.image import binary_spec
from genzoo.errors import ConfigError


def binarise(dataset: Dataset) -> Dataset:
    """The same images with 1 where a value lies above the middle of their range, and 0 elsewhere, one byte each.

    The range is that of the bounds, where they are declared, else that of the values themselves. Images of two levels
    stay as they are.

    Raises:
        ConfigError: the events are no images.
    """
    spec = dataset.spec
    if spec.modality != "image":
        raise ConfigError(f"--binarise is for images, and {dataset.name!r} holds none. Leave it out.")
    if spec.features[0].kind == "binary":
        return dataset
    low, high = spec.bounds or _range(dataset)
    events = np.empty(dataset.events.shape, np.uint8)
    for start in range(0, len(dataset), BLOCK):
        np.greater(dataset.events[start : start + BLOCK], (low + high) / 2, out=events[start : start + BLOCK])
    return dataclasses.replace(dataset, spec=binary_spec(events), events=events)


def _range(dataset: Dataset) -> tuple[float, float]:
    """The smallest and the largest value."""
    blocks = [dataset.events[start : start + BLOCK] for start in range(0, len(dataset), BLOCK)]
    return min(float(block.min()) for block in blocks), max(float(block.max()) for block in blocks)
