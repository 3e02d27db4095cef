"""Blocks of rows in order, for passes over all of them and for validation."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator

import numpy as np
import torch

from genzoo.data.condition_transform import ConditionTransform
from genzoo.data.dataset import Dataset, Rows
from genzoo.data.dequantize import Dequantizer
from genzoo.data.splits.large import share_of
from genzoo.data.transforms import Transform, observed, to_model_space
from genzoo.data.transforms.ended import lengths_in, shortened
from genzoo.engine.dataloader import DataLoader
from genzoo.engine.resident import Conditions, fits_on, is_on_disk
from genzoo.models.objective import Batch, in_parts
from genzoo.runtime.device import Runtime
from genzoo.typing import Array


def read_rows(events: Array, rows: Rows) -> Array:
    """Return the events of `rows`; a contiguous range is returned as a view if it is writable."""
    first, last = int(rows[0]), int(rows[-1])
    if last - first + 1 != len(rows) or not (rows[1:] > rows[:-1]).all():
        return np.asarray(events[rows])
    block = np.asarray(events[first : last + 1])
    return block if block.flags.writeable else block.copy()  # PyTorch warns about read-only memory


class BlockLoader:
    """An iterable over rows in order, in blocks; each iteration is one pass.

    Arguments:
        dataset: the dataset, in memory or on disk.
        rows: the rows to load.
        size: number of events in a block.
        transform: transform to model space.
        runtime: device and number type.
        dequantizer: adds noise to values on a grid. Defaults to `None`: no noise.
        condition: transform of the conditions to model space. Defaults to `None`: there are none.
    """

    def __init__(
        self,
        dataset: Dataset,
        rows: Rows,
        size: int,
        transform: Transform,
        runtime: Runtime,
        dequantizer: Dequantizer | None = None,
        condition: ConditionTransform | None = None,
    ) -> None:
        self._dataset = dataset
        self._rows = rows
        self._size = size
        self._transform = transform
        self._runtime = runtime
        self._dequantizer = dequantizer
        self._conditions = Conditions.of_dataset(dataset, condition, runtime)

    def __iter__(self) -> Iterator[Batch]:
        device = self._runtime.device
        data, dtype = self._dataset, self._runtime.dtype
        for start in range(0, len(self._rows), self._size):
            rows = self._rows[start : start + self._size]
            index = torch.from_numpy(rows).to(device)
            events = shortened(torch.from_numpy(read_rows(data.events, rows)).to(device), data.spec.end)
            if self._dequantizer is not None:
                events = self._dequantizer(events, index)
            x, missing = observed(to_model_space(self._transform, events, dtype), data.spec.missing)
            inner = self._transform.spec_after(data.spec)
            weight = None if data.weights is None else torch.from_numpy(data.weights[rows]).to(device, dtype)
            condition = None if self._conditions is None else self._conditions.of(index)
            x = shortened(x, inner.end)
            length = None if inner.end is None else lengths_in(x, inner.end)
            yield in_parts(Batch(x, missing, weight, index, condition, length), inner)


class ResidentBlockLoader:
    """Blocks that are transformed once, in the first pass, and kept on the device."""

    def __init__(self, blocks: BlockLoader) -> None:
        self._blocks = blocks
        self._kept: list[Batch] | None = None

    def __iter__(self) -> Iterator[Batch]:
        if self._kept is None:  # not in `__init__`, because a resumed run restores its transform after that
            self._kept = list(self._blocks)
        return iter(self._kept)


def make_block_loader(
    dataset: Dataset,
    rows: Rows,
    size: int,
    transform: Transform,
    runtime: Runtime,
    dequantizer: Dequantizer | None = None,
    condition: ConditionTransform | None = None,
    *,
    rank: int = 0,
    count: int = 1,
    once: bool = False,
) -> BlockLoader | ResidentBlockLoader:
    """Return blocks for many passes over the same rows, kept on the device if they fit.

    Events with the same pattern of missing values are grouped, because models process one pattern at a time. Data on
    disk keep their order. Each process gets a contiguous part of the rows.

    Arguments:
        rank, count: rank of the process, and number of processes. Default to a single process.
        once: the blocks are for few passes, so do not keep them. Defaults to false.
    """
    on_disk = is_on_disk(dataset.events)
    if dataset.spec.missing and not on_disk:
        patterns = np.packbits(np.isnan(dataset.events[rows]), axis=1)
        rows = rows[np.lexsort(patterns.T)]
    rows = share_of(rows, rank, count)
    blocks = BlockLoader(dataset, rows, size, transform, runtime, dequantizer, condition)
    needed = len(rows) * dataset.spec.size * runtime.dtype.itemsize
    fits = not (on_disk or once) and fits_on(runtime.device, needed)
    return ResidentBlockLoader(blocks) if fits else blocks


class PassLoader(DataLoader[Iterable[Batch]]):
    """A loader whose steps consume one pass over all training rows each."""

    def __init__(self, blocks: Iterable[Batch], runtime: Runtime) -> None:
        super().__init__(runtime.device, 1)
        self._blocks = blocks

    def items(self, first: int) -> Generator[Iterable[Batch], None, None]:
        while True:
            yield self._blocks
