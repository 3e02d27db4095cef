"""Features that a network finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from genzoo.device import resolve_device
from genzoo.errors import ArtifactError
from genzoo.features.extractor import Array, Extractor, Features
from genzoo.files import digest, read_tensors
from genzoo.weights import load_tensors

_BATCH = 64


class Network(Extractor):
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
