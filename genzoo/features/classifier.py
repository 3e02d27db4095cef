"""Features from a small classifier of the dataset's own labels: the outputs of its last hidden layer.

The classifier is trained once per dataset, on all rows except the dataset's own test set, and cached under a digest of
these rows and of this code. All models of a dataset are therefore compared by the same features.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from genzoo.data.dataset import Dataset
from genzoo.data.transforms.log_mel import LogMelOptions, after_log_mel
from genzoo.errors import ArtifactError, DataError
from genzoo.features import identity, log_mel
from genzoo.features.extractor import Extractor, Material
from genzoo.features.identity import ColumnExtractor, PixelExtractor
from genzoo.features.log_mel import LogMelExtractor
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


_UPDATES_ON_SOUNDS = 500
"""The network for levels of sounds learns faster."""


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
    inputs = _inputs(dataset.spec, events)
    path = cached(f"{NAME}-{_key(dataset, rows, classes)}.safetensors")
    features: Any = _features(inputs)
    try:
        digest = load_network(NAME, features, path)
    except ArtifactError:  # not cached yet, or damaged
        features = _trained(inputs, events, classes)[0]
        _standardize(features, inputs, events)
        write_tensors(path, features.state_dict())
        digest = load_network(NAME, features, path)
    return NetworkExtractor(features, inputs.of, {"digest": digest}, material.device)


def fit_classifier(data: DataSpec, events: Array, classes: Array) -> Callable[[Array], Array]:
    """Train a classifier of events, or take it from the cache. Return what predicts the class of N events, `(N,)`.

    Arguments:
        data: describes an event.
        events: the training events, without missing values.
        classes: their classes, whole numbers.
    """
    inputs = _inputs(data, events)
    levels, numbers = np.unique(classes, return_inverse=True)
    path = cached(f"judge-{_digest(repr(data.as_dict()), events, numbers)}.safetensors")
    with random_scope(0, "classifier"):
        network: Any = nn.Sequential(_features(inputs), nn.Linear(WIDTH, len(levels)))
    try:
        load_network(NAME, network, path)
    except ArtifactError:  # not cached yet, or damaged
        network = _trained(inputs, events, numbers)
        write_tensors(path, network.state_dict())
    network.eval()

    @torch.no_grad()
    def predict(some: Array) -> Array:
        starts = range(0, len(some), _BATCH)
        found = [network(inputs.of(some[start : start + _BATCH])).argmax(1).numpy() for start in starts]
        return np.asarray(levels[np.concatenate(found)])

    return predict


@dataclass(frozen=True, slots=True)
class _Inputs:
    """Inputs of a network.

    Arguments:
        of: makes inputs from events, `(N, D)` float32.
        shape: the shape of one: `(C, H, W)`, or `(D,)` for a table.
        levels: whether they are levels of sounds. Computing these takes longer than a step of training.
    """

    of: Callable[[Array], Tensor]
    shape: tuple[int, ...]
    levels: bool

    def training(self, events: Array) -> Callable[[Array], Tensor]:
        """Return what gives the inputs of some rows of the training events."""
        if not self.levels:
            return lambda rows: self.of(events[rows])
        every = torch.cat([self.of(events[start : start + _BATCH]) for start in range(0, len(events), _BATCH)])
        return lambda rows: every[torch.from_numpy(rows)]


def _inputs(data: DataSpec, events: Array) -> _Inputs:
    raw: Extractor
    if data.form.timed:
        raw, shape = LogMelExtractor(data, events), after_log_mel(LogMelOptions(), data).event_shape
    elif data.form.ranged:
        raw, shape = _scaled(data, events), data.event_shape
    else:
        raw = ColumnExtractor(data, events)
        shape = raw(events[:1]).shape[1:]
    return _Inputs(lambda some: torch.from_numpy(raw(some)).to(torch.float32), shape, data.form.timed)


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
    for place in (__file__, identity.__file__, log_mel.__file__):
        digest.update(Path(place).read_bytes())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


def _features(inputs: _Inputs) -> nn.Sequential:
    """Return the untrained network from inputs to features."""
    if len(inputs.shape) != 3:
        first = nn.Linear(inputs.shape[0], WIDTH)
        return nn.Sequential(first, nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), Standardized())
    if inputs.levels:
        return _features_of_levels(inputs.shape)
    return nn.Sequential(
        nn.Unflatten(1, inputs.shape),
        nn.Conv2d(inputs.shape[0], 16, 3, padding=1),
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


def _features_of_levels(shape: tuple[int, ...]) -> nn.Sequential:
    """Return the network for levels of sounds, which are larger than most images of labeled data, and not centered."""
    layers: list[nn.Module] = [nn.Unflatten(1, shape)]
    for before, after, kernel in ((shape[0], 16, 5), (16, 32, 3), (32, 64, 3), (64, 64, 3)):
        layers += [nn.Conv2d(before, after, kernel, stride=2, padding=kernel // 2), nn.GroupNorm(4, after), nn.ReLU()]
    layers += [nn.AdaptiveAvgPool2d((4, 2)), nn.Flatten(), nn.Linear(64 * 8, WIDTH), nn.ReLU(), Standardized()]
    return nn.Sequential(*layers)


def _standardize(features: nn.Sequential, inputs: _Inputs, events: Array) -> None:
    """Set the last layer so that features have mean 0 and a deviation of at most 1 on the training rows."""
    chosen = events[np.linspace(0, len(events) - 1, min(len(events), _FOR_SCALE)).astype(np.int64)]
    with torch.no_grad():
        starts = range(0, len(chosen), _BATCH)
        values = torch.cat([features(inputs.of(chosen[i : i + _BATCH])).double() for i in starts])
    deviation = values.std(dim=0, correction=0)
    last = features[-1]
    assert isinstance(last, Standardized)
    last.shift.copy_(values.mean(dim=0))
    least = _RARE * deviation.square().mean().sqrt()
    last.scale.copy_(deviation.clamp_min(least) if least > 0 else torch.ones(WIDTH))


@torch.enable_grad()
def _trained(inputs: _Inputs, events: Array, classes: Array) -> nn.Sequential:
    """Train a network to classify events, and return it: up to its last hidden layer, and the rest."""
    target, chosen = torch.from_numpy(classes), inputs.training(events)
    updates = min(_UPDATES, _UPDATES_ON_SOUNDS) if inputs.levels else _UPDATES
    with random_scope(0, "classifier"):
        features = _features(inputs)
        network: Any = nn.Sequential(features, nn.Linear(WIDTH, int(classes.max()) + 1))
        optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
        with Phase("training the classifier of features", updates, "steps") as phase:
            for _ in range(updates):
                rows = torch.randint(len(events), (min(_BATCH, len(events)),))
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(network(chosen(rows.numpy())), target[rows])
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                phase.advance()
    assert isinstance(network, nn.Sequential)
    return network
