"""Extract features with pretrained networks: load their weights, and resize images for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from genzoo.errors import ArtifactError, DataError
from genzoo.features.extractor import Extractor, Features
from genzoo.models.state_dict import load_tensors
from genzoo.runtime.device import resolve_device
from genzoo.runtime.progress import Phase
from genzoo.spec.events import DataSpec
from genzoo.storage.cache import cache_folder
from genzoo.storage.tensors import digest, read_tensors
from genzoo.typing import Array


def cached(name: str) -> Path:
    """Return the path of a file in the user's cache, in GENZOO_CACHE or the system's folder for caches.

    Raises:
        GenzooError: the folder cannot be created.
    """
    return cache_folder("features") / name


_BATCH = 64

_NUMBERS = 600_000
"""Number of input values that a network on a CPU sees at a time, four images of 224 pixels. Results of layers that are
larger than 32 MB are new memory each time, which takes longer to get than to fill."""


class NetworkExtractor(Extractor):
    """Features from a network.

    The features of events that are not finite are NaN. A layer such as ReLU6 would otherwise hide them.

    Arguments:
        network: computes features `(N, F)` from the output of `prepare`.
        prepare: computes the network's input from events in data units.
        protocol: as for `Extractor`.
        device: the device on which it runs, as in `Material`.
        channels_last: whether images and weights of convolutions have their channels last in memory, with which
            convolutions take about two thirds of the time. Defaults to false.
    """

    def __init__(
        self,
        network: nn.Module,
        prepare: Callable[[Array], Tensor],
        protocol: Mapping[str, Any],
        device: str = "auto",
        *,
        channels_last: bool = False,
    ) -> None:
        self.protocol = protocol
        self._device = resolve_device(device)
        self._format = torch.channels_last if channels_last else torch.preserve_format
        network = network.eval().requires_grad_(False).to(self._device)
        self._network: nn.Module = network.to(memory_format=self._format)  # type: ignore[call-overload]
        self._prepare = prepare

    def __call__(self, events: Array) -> Features:
        parts = []
        with Phase("running the network of features", len(events), "rows") as phase:
            for start in range(0, len(events), _BATCH):
                x = self._prepare(events[start : start + _BATCH]).to(self._device)
                finite = x.flatten(1).isfinite().all(dim=1, keepdim=True)
                with torch.no_grad():
                    features = torch.where(finite, self._features(x), torch.nan)
                parts.append(features.cpu().numpy().astype(np.float64))
                phase.advance(len(x))
        return np.concatenate(parts)

    def _features(self, x: Tensor) -> Tensor:
        """Return the features `(N, F)` of the network's inputs `x (N, ...)`."""
        x = x.to(memory_format=self._format)
        if x.device.type != "cpu":
            found: Tensor = self._network(x)
            return found
        some = max(1, _NUMBERS // x[0].numel())
        return torch.cat([self._network(part) for part in torch.split(x, some)])


def load_network(name: str, network: nn.Module, path: Path, *, ignored: tuple[str, ...] = ()) -> str:
    """Load a safetensors file into a network.

    Arguments:
        name: name of the features, for messages.
        network: the network to load into.
        path: the file.
        ignored: prefixes of tensors in the file that are not used. Defaults to none.

    Returns:
        The SHA-256 digest of the file.

    Raises:
        ArtifactError: the file is missing or damaged, or its tensors do not match the network.
    """
    if not path.is_file():
        raise ArtifactError(f"Features {name!r} need the file {path}, which does not exist.")
    read = read_tensors(path.resolve(), {})  # the path may be a link
    tensors = {key: value for key, value in read.items() if not key.startswith(ignored or ("\0",))}
    for key, value in network.state_dict().items():
        if key.endswith("num_batches_tracked"):  # absent from older files, and not used in evaluation
            tensors.setdefault(key, value)
    try:
        load_tensors(network, tensors)
    except ArtifactError as error:
        raise ArtifactError(f"{path} does not hold the weights of {name!r}. {error}") from error
    return digest(path)


RESIZER = "PIL bicubic, antialiased, float32"
"""Part of each protocol, because the resizer alone changes a Fréchet distance.

References:
    "On Aliased Resizing and Surprising Subtleties in GAN Evaluation" (Parmar et al., 2022).
"""


def check_images(name: str, data: DataSpec) -> None:
    """Check that a network for photographs can process the images.

    Raises:
        DataError: the images have no range, or neither 1 nor 3 channels.
    """
    if data.bounds is None:
        raise DataError(f"Features {name!r} need images with a known range, and these have none. Use pixels.")
    if data.event_shape[0] not in (1, 3):
        raise DataError(f"Features {name!r} need images with 1 or 3 channels, and these have {data.event_shape[0]}.")


def resized(events: Array, data: DataSpec, side: int) -> Tensor:
    """Resize images `(N, C, H, W)` in data units to `(N, 3, side, side)` in 0..1; images with NaN become all NaN."""
    unit = in_unit_range(events, data)
    images = np.stack([[_resized(channel, side) for channel in event] for event in unit])
    images[~np.isfinite(unit).reshape(len(unit), -1).all(axis=1)] = np.nan
    return torch.from_numpy(images).expand(-1, 3, -1, -1)


def in_unit_range(events: Array, data: DataSpec) -> Array:
    """Return images `(N, C, H, W)` in data units as float32 in 0..1."""
    assert data.bounds is not None
    low, high = data.bounds
    unit: Array = ((np.asarray(events, np.float64) - low) / (high - low)).astype(np.float32)
    return unit


def _resized(channel: Array, side: int) -> Array:
    image = Image.fromarray(channel)
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC)).clip(0, 1)
