"""Load pretrained networks, resize images for them, and cache their features."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from genzoo.errors import ArtifactError, DataError, GenzooError
from genzoo.features.extractor import Extractor, Features
from genzoo.models.state_dict import load_tensors
from genzoo.runtime.device import resolve_device
from genzoo.spec import DataSpec
from genzoo.storage.tensors import digest, read_tensors
from genzoo.typing import Array


def cached(name: str) -> Path:
    """The place of a file of that name in the user's cache: below GENZOO_CACHE, or where the system keeps caches.

    Raises:
        GenzooError: its folder cannot be made.
    """
    import pooch  # slow to import

    folder = Path(os.environ.get("GENZOO_CACHE") or pooch.os_cache("genzoo")).expanduser() / "features"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GenzooError(f"{folder} could not be made: {error.strerror}. Name a folder in GENZOO_CACHE.") from error
    return folder / name


_BATCH = 64


class NetworkExtractor(Extractor):
    """What a network makes of events; NaN of those that are not finite, which a layer such as ReLU6 would hide.

    Arguments:
        network: from what `prepare` gives to `(N, F)`.
        prepare: from events in data units.
        protocol: as for any extractor.
        device: where it runs, as in `Material`.
    """

    def __init__(
        self, network: nn.Module, prepare: Callable[[Array], Tensor], protocol: Mapping[str, Any], device: str = "auto"
    ) -> None:
        self.protocol = protocol
        self._device = resolve_device(device)
        self._network = network.eval().requires_grad_(False).to(self._device)
        self._prepare = prepare

    def __call__(self, events: Array) -> Features:
        parts = []
        for start in range(0, len(events), _BATCH):
            x = self._prepare(events[start : start + _BATCH]).to(self._device)
            finite = x.flatten(1).isfinite().all(dim=1, keepdim=True)
            with torch.no_grad():
                found = torch.where(finite, self._network(x), torch.nan)
            parts.append(found.cpu().numpy().astype(np.float64))
        return np.concatenate(parts)


def load_network(name: str, network: nn.Module, path: Path, *, ignored: tuple[str, ...] = ()) -> str:
    """Load a safetensors file into a network.

    Arguments:
        name: of the features, for messages.
        ignored: beginnings of the names of tensors that may be there and are not used.

    Returns:
        The SHA-256 of the file.

    Raises:
        ArtifactError: it is missing or damaged, or holds other tensors than the network's.
    """
    if not path.is_file():
        raise ArtifactError(f"Features {name!r} need the file {path}, and there is none.")
    read = read_tensors(path.resolve(), {})  # whoever named the file may have named a link
    tensors = {key: value for key, value in read.items() if not key.startswith(ignored or ("\0",))}
    for key, value in network.state_dict().items():
        if key.endswith("num_batches_tracked"):  # older files leave it out, and nothing depends on it
            tensors.setdefault(key, value)
    try:
        load_tensors(network, tensors)
    except ArtifactError as error:
        raise ArtifactError(f"{path} does not hold the weights of {name!r}. {error}") from error
    return digest(path)


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
