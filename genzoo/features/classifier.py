"""Features from a small classifier of the dataset's own labels: the outputs of its last hidden layer.

The classifier is trained once per dataset, on all rows except the dataset's own test set, and cached under a digest of
these rows and of this code. All models of a dataset are therefore compared by the same features.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from genzoo.data.dataset import Dataset
from genzoo.errors import ArtifactError, DataError
from genzoo.features import identity
from genzoo.features.extractor import Extractor, Material
from genzoo.features.identity import ColumnExtractor, PixelExtractor
from genzoo.features.networks import NetworkExtractor, cached, load_network
from genzoo.runtime.progress import Phase
from genzoo.runtime.seeding import random_scope
from genzoo.spec.events import DataSpec
from genzoo.storage.tensors import write_tensors
from genzoo.typing import Array
from genzoo.wording import argument

NAME = "classifier"


WIDTH = 64


_BATCH = 128


_UPDATES = 1_500


_MOST = 100_000
"""Largest number of rows to train on."""


_FOR_SCALE = 10_000
"""Largest number of rows from which the scale of the features is measured."""


_RARE = 0.1
"""Smallest deviation that a feature is divided by, relative to the root mean square of all deviations.

Otherwise, a feature with a tiny deviation would outweigh all others in the few samples that activate it.
"""


class Standardized(nn.Module):
    """Standardizes features, so that kernels do not depend on how large the network's outputs happen to be."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(WIDTH))
        self.register_buffer("scale", torch.ones(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.shift) / self.scale


def build_classifier(material: Material) -> Extractor:
    """Build the extractor from the cache, or train it.

    Raises:
        DataError: the data have no labels, or only one class.
    """
    dataset = material.dataset
    rows, classes = _labeled(dataset)
    events = np.asarray(dataset.events[rows])
    prepare, width = _preparation(dataset.spec, events)
    path = cached(f"{NAME}-{_key(dataset, rows, classes)}.safetensors")
    features: Any = _features(dataset.spec, width)
    try:
        digest = load_network(NAME, features, path)
    except ArtifactError:  # not cached yet, or damaged
        features = _trained(dataset.spec, width, prepare, events, classes)[0]
        _standardize(features, prepare, events)
        write_tensors(path, features.state_dict())
        digest = load_network(NAME, features, path)
    return NetworkExtractor(features, prepare, {"digest": digest}, material.device)


def fit_classifier(data: DataSpec, events: Array, classes: Array) -> Callable[[Array], Array]:
    """Train a classifier of events, or take it from the cache. Return what predicts the class of N events, `(N,)`.

    Arguments:
        data: describes an event.
        events: the training events, without missing values.
        classes: their classes, whole numbers.
    """
    prepare, width = _preparation(data, events)
    levels, numbers = np.unique(classes, return_inverse=True)
    path = cached(f"judge-{_digest(repr(data.as_dict()), events, numbers)}.safetensors")
    with random_scope(0, "classifier"):
        network: Any = nn.Sequential(_features(data, width), nn.Linear(WIDTH, len(levels)))
    try:
        load_network(NAME, network, path)
    except ArtifactError:  # not cached yet, or damaged
        network = _trained(data, width, prepare, events, numbers)
        write_tensors(path, network.state_dict())
    network.eval()

    @torch.no_grad()
    def predict(some: Array) -> Array:
        starts = range(0, len(some), _BATCH)
        found = [network(prepare(some[start : start + _BATCH])).argmax(1).numpy() for start in starts]
        return np.asarray(levels[np.concatenate(found)])

    return predict


def _preparation(data: DataSpec, events: Array) -> tuple[Callable[[Array], Tensor], int]:
    """Return what makes inputs of a network from events, and their width."""
    raw: Extractor = _scaled(data, events) if data.form.ranged else ColumnExtractor(data, events)

    def prepare(some: Array) -> Tensor:
        return torch.from_numpy(raw(some)).to(torch.float32)

    return prepare, raw(events[:1]).shape[1]


def _labeled(dataset: Dataset) -> tuple[Array, Array]:
    """Return the rows to train on, and the class number of each.

    Raises:
        DataError: there are fewer than two classes.
    """
    if dataset.labels is None:
        raise DataError(
            f"Features {NAME!r} need labels, and {dataset.name} has none. Name a column of labels with "
            f"{argument('label')}, or "
            f"use other features."
        )
    rows = np.arange(len(dataset) - dataset.test_rows)
    if dataset.spec.missing:
        rows = rows[np.concatenate([np.isfinite(block).all(axis=1) for block in dataset.blocks(rows)])]
    if len(rows) > _MOST:
        rows = rows[np.linspace(0, len(rows) - 1, _MOST).astype(np.int64)]
    names, classes = np.unique(np.asarray(dataset.labels)[rows].astype(str), return_inverse=True)
    if len(names) < 2:
        raise DataError(f"Features {NAME!r} need labels of at least two classes, and {dataset.name} has {len(names)}.")
    return rows, classes


def _scaled(data: DataSpec, events: Array) -> PixelExtractor:
    low, high = data.bounds or (float(events.min()), float(events.max()))
    return PixelExtractor(low, high)


def _key(dataset: Dataset, rows: Array, classes: Array) -> str:
    """Return a digest of everything the weights depend on: the code, the libraries' versions and the data."""
    return _digest(dataset.digest(), rows, classes)


def _digest(about: str, *arrays: Array) -> str:
    """Return a digest of a text, of arrays, and of the code and the libraries' versions."""
    versions = f"{torch.__version__} {np.__version__}"
    digest = hashlib.sha256(f"{versions} {about}".encode())
    for place in (__file__, identity.__file__):
        digest.update(Path(place).read_bytes())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


def _features(data: DataSpec, width: int) -> nn.Sequential:
    """Return the untrained network from prepared events to features."""
    if len(data.event_shape) != 3:
        return nn.Sequential(nn.Linear(width, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), Standardized())
    return nn.Sequential(
        nn.Unflatten(1, data.event_shape),
        nn.Conv2d(data.event_shape[0], 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(3),
        nn.Flatten(),
        nn.Linear(64 * 9, WIDTH),
        nn.ReLU(),
        Standardized(),
    )


def _standardize(features: nn.Sequential, prepare: Callable[[Array], Tensor], events: Array) -> None:
    """Set the last layer so that features have mean 0 and a deviation of at most 1 on the training rows."""
    chosen = events[np.linspace(0, len(events) - 1, min(len(events), _FOR_SCALE)).astype(np.int64)]
    with torch.no_grad():
        starts = range(0, len(chosen), _BATCH)
        values = torch.cat([features(prepare(chosen[i : i + _BATCH])).double() for i in starts])
    deviation = values.std(dim=0, correction=0)
    last = features[-1]
    assert isinstance(last, Standardized)
    last.shift.copy_(values.mean(dim=0))
    least = _RARE * deviation.square().mean().sqrt()
    last.scale.copy_(deviation.clamp_min(least) if least > 0 else torch.ones(WIDTH))


@torch.enable_grad()
def _trained(
    data: DataSpec, width: int, prepare: Callable[[Array], Tensor], events: Array, classes: Array
) -> nn.Sequential:
    """Train a network to classify events, and return it: up to its last hidden layer, and the rest."""
    target = torch.from_numpy(classes)
    with random_scope(0, "classifier"):
        features = _features(data, width)
        network: Any = nn.Sequential(features, nn.Linear(WIDTH, int(classes.max()) + 1))
        optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
        with Phase("training the classifier of features", _UPDATES, "steps") as phase:
            for _ in range(_UPDATES):
                rows = torch.randint(len(events), (min(_BATCH, len(events)),))
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(network(prepare(events[rows.numpy()])), target[rows])
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                phase.advance()
    assert isinstance(network, nn.Sequential)
    return network
