"""What is kept on the device, and whether events fit there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from genzoo.data.condition_transform import ConditionTransform
from genzoo.data.dataset import Dataset
from genzoo.data.texts.flat import Texts
from genzoo.runtime.device import Runtime
from genzoo.typing import Array

_RESIDENT_SHARE = 0.5
"""Largest share of the device's free memory that resident events may take."""


def fits_on(device: torch.device, size: int) -> bool:
    """Return whether so many bytes of events may stay on a device."""
    return size <= _RESIDENT_SHARE * _free_bytes(device)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text("ascii").splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return 2**32


def is_on_disk(events: Array) -> bool:
    """Return whether events are read from a file when they are needed."""
    return isinstance(events, np.memmap) or not isinstance(events, np.ndarray | Texts)


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of all rows, on the device: few numbers for each row, wherever its event is kept.

    Arguments:
        values: `(N, K)`, in data units.
        transform: maps them to model space.
        dtype: their type there.
    """

    values: Tensor
    transform: ConditionTransform
    dtype: torch.dtype

    @staticmethod
    def of_dataset(dataset: Dataset, transform: ConditionTransform | None, runtime: Runtime) -> Conditions | None:
        """Return the conditions of a dataset; `None` if it has none."""
        if dataset.conditions is None or transform is None:
            return None
        values = torch.as_tensor(dataset.conditions).to(runtime.device, runtime.wide)
        return Conditions(values, transform, runtime.dtype)

    def of(self, index: Tensor) -> Tensor:
        """Return the conditions of rows in model space, `(n, D)`."""
        chosen: Tensor = self.transform(self.values.index_select(0, index))
        return chosen.to(self.dtype)


class ResidentTexts:
    """Texts on the device, no larger than their symbols.

    Arguments:
        texts: the texts, on the host.
        device: where batches are needed.
    """

    def __init__(self, texts: Texts, device: torch.device) -> None:
        self._end = texts.end
        self._device = device
        self.place(texts.offsets[:-1], texts.lengths)
        self._codes = torch.from_numpy(np.append(texts.codes, texts.codes.dtype.type(0))).to(device)

    def place(self, starts: Array, lengths: Array) -> None:
        """Set where texts begin among the codes, and how long they are, each `(N,)`."""
        self._starts = torch.from_numpy(starts).to(self._device)
        self._lengths = torch.from_numpy(lengths).to(self._device)

    def block(self, index: Tensor, width: int) -> Tensor:
        """Return texts as a block `(n, width)`."""
        places = torch.arange(width, device=index.device)
        inside = places < self._lengths.index_select(0, index)[:, None]
        own = torch.where(inside, self._starts.index_select(0, index)[:, None] + places, 0)
        return torch.where(inside, self._codes[own].long(), self._end)
