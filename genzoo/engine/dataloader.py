"""Batches and blocks of rows for training, from memory, the device or disk."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from genzoo.data.condition_transform import ConditionTransform
from genzoo.data.dataset import BLOCK, Dataset, Rows
from genzoo.data.dequantize import Dequantizer
from genzoo.data.transforms import Transform, observed, to_model_space
from genzoo.models.objective import Batch, in_parts
from genzoo.runtime.device import Runtime
from genzoo.runtime.seeding import derive
from genzoo.spec.events import DataSpec
from genzoo.typing import Array

ItemT = TypeVar("ItemT")


_RESIDENT_SHARE = 0.5
"""Largest share of the device's free memory that resident events may take."""


_AHEAD = 2
"""Number of batches that are prepared ahead of the one in use."""


@dataclass(frozen=True, slots=True)
class ProcessShare:
    """The share of one process in each step: the same slice of every part of the batch.

    Arguments:
        rank, count: rank of the process, and number of processes.
        events: number of events in that slice.
    """

    rank: int
    count: int
    events: int

    def of(self, rows: Rows) -> Rows:
        """Return this process's rows, given the rows of complete steps."""
        return rows.reshape(-1, self.count, self.events)[:, self.rank].reshape(-1)


@dataclass(frozen=True, slots=True)
class Sampler:
    """The rows of each step: every epoch is a new permutation, cut into complete batches.

    Arguments:
        rows: the training rows, increasing.
        events_per_step: number of events that a step consumes; an incomplete last step of an epoch is dropped.
        seed: seed of the run.
        block: number of neighboring rows that stay close together in the shuffle, so that reads from disk are mostly
            sequential. Defaults to 1: a free shuffle.
        share: share of this process. Defaults to `None`: it sees all rows.
    """

    rows: Rows
    events_per_step: int
    seed: int
    block: int = 1
    share: ProcessShare | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Number of complete steps in one epoch."""
        return len(self.rows) // self.events_per_step

    def epoch(self, number: int) -> Rows:
        """Return the rows of this process in the order of epoch `number`, from 0."""
        return self.rows[self.positions(number)]

    def positions(self, number: int) -> Rows:
        """Return the positions of these rows among all training rows."""
        order = self._shuffled(number)
        return order if self.share is None else self.share.of(order[: self.steps_per_epoch * self.events_per_step])

    def _shuffled(self, number: int) -> Rows:
        rng = np.random.default_rng(derive(self.seed, "order", number))
        if self.block == 1:
            return rng.permutation(len(self.rows))
        blocks = np.array_split(np.arange(len(self.rows)), range(self.block, len(self.rows), self.block))
        # Shuffle the blocks, and then the rows in windows of 16 blocks: a batch mixes rows from 16 places in the file,
        # and reads stay within these for the whole window.
        mixed = [blocks[i] for i in rng.permutation(len(blocks))]
        windows = [np.concatenate(mixed[i : i + 16]) for i in range(0, len(mixed), 16)]
        return np.concatenate([rng.permutation(window) for window in windows])

    def locate(self, step: int) -> tuple[int, slice]:
        """Return the epoch of `step` (from 1), and the slice of that epoch's rows that the step consumes."""
        epoch, place = divmod(step - 1, self.steps_per_epoch)
        events = self.events_per_step if self.share is None else self.events_per_step // self.share.count
        return epoch, slice(place * events, (place + 1) * events)


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


class DataLoader(ABC, Generic[ItemT]):
    """An endless stream of the items that training steps consume.

    Arguments:
        device: device of the events.
        steps_per_epoch: number of steps in an epoch.
        share: share of this process in a step. Defaults to `None`: all events.
    """

    def __init__(self, device: torch.device, steps_per_epoch: int, share: ProcessShare | None = None) -> None:
        self.device = device
        self.steps_per_epoch = steps_per_epoch
        self.share = share

    @abstractmethod
    def items(self, first: int) -> Generator[ItemT, None, None]:
        """Yield the items of step `first` and all later steps, without end."""


class BatchLoader(DataLoader[Batch]):
    """A loader whose steps consume one batch each."""

    def __init__(
        self,
        order: Sampler,
        events: Array,
        transform: Transform,
        runtime: Runtime,
        channels_last: bool = False,
        missing: bool = False,
        dequantizer: Dequantizer | None = None,
        conditions: Conditions | None = None,
        data: DataSpec | None = None,
    ) -> None:
        super().__init__(runtime.device, order.steps_per_epoch, order.share)
        self.order = order
        self._transform = transform
        self._dtype = runtime.dtype
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        self._missing = missing
        self._dequantizer = dequantizer
        self._conditions = conditions
        self._data = data
        self._keep(events)

    @abstractmethod
    def _keep(self, events: Array) -> None:
        """Store the events where the loader needs them."""

    def _batch(self, events: Tensor, index: Tensor, epoch: int) -> Batch:
        """Return a batch in model space, from events in data units on the device; epochs count from 0."""
        if self._dequantizer is not None:
            events = self._dequantizer(events, index, epoch)
        x, missing = observed(to_model_space(self._transform, events, self._dtype), self._missing)
        condition = None if self._conditions is None else self._conditions.of(index)
        batch = Batch(x.contiguous(memory_format=self._format), missing, index=index, condition=condition)
        return batch if self._data is None else in_parts(batch, self._data)


class ResidentLoader(BatchLoader):
    """A loader that keeps all events on the device; a batch is one gather there."""

    def _keep(self, events: Array) -> None:
        self._rows = torch.from_numpy(self.order.rows).to(self.device)
        self._events = torch.as_tensor(events[self.order.rows]).to(self.device)

    def items(self, first: int) -> Generator[Batch, None, None]:
        current = -1
        for step in itertools.count(first):
            epoch, place = self.order.locate(step)
            if epoch != current:
                shuffled = torch.from_numpy(self.order.positions(epoch)).to(self._events.device, non_blocking=True)
                current = epoch
            chosen = shuffled[place]
            # `index_select` copies whole rows, and is several times faster than indexing with a tensor.
            yield self._batch(self._events.index_select(0, chosen), self._rows.index_select(0, chosen), epoch)


class StreamingLoader(BatchLoader):
    """A loader of events that stay on the host or on disk.

    A worker thread reads batches ahead. It touches only the events, their order and the queue: no model, no global
    random generator and no GPU kernel. So batches do not depend on its timing, and only the main thread starts work on
    the device. With CUDA, it puts batches into pinned memory, because the GPU can copy only from pinned memory while
    it computes.
    """

    def _keep(self, events: Array) -> None:
        self._events = events
        self._pinned = self.device.type == "cuda"

    def items(self, first: int) -> Generator[Batch, None, None]:
        ready: queue.Queue[tuple[Tensor, Tensor] | BaseException] = queue.Queue(_AHEAD)
        stop = threading.Event()
        worker = threading.Thread(target=self._gather, args=(first, ready, stop), daemon=True)
        worker.start()
        try:
            yield from self._stream(ready, first) if self._pinned else self._hand_over(ready, first)
        finally:
            stop.set()
            with contextlib.suppress(queue.Empty):
                ready.get_nowait()  # makes room, if the worker is waiting to put a batch
            worker.join()  # the caller may close the file of the events next

    def _gather(self, first: int, ready: queue.Queue[Any], stop: threading.Event) -> None:
        """Read the rows of one step after the other, until `stop` is set."""
        current, rows = -1, self.order.rows
        try:
            for step in itertools.count(first):
                epoch, place = self.order.locate(step)
                if epoch != current:
                    rows, current = self.order.epoch(epoch), epoch
                index = rows[place]
                increasing = np.argsort(index)  # reading in order is faster from disk
                events = np.empty((len(index), *self._events.shape[1:]), self._events.dtype)
                events[increasing] = self._events[index[increasing]]
                item = (torch.from_numpy(events), torch.from_numpy(index))
                if not _put(ready, tuple(t.pin_memory() for t in item) if self._pinned else item, stop):
                    return
        except BaseException as error:  # `_take` raises it in the main thread, which would otherwise wait forever
            _put(ready, error, stop)

    def _hand_over(self, ready: queue.Queue[Any], first: int) -> Iterator[Batch]:
        for step in itertools.count(first):
            events, index = _take(ready)
            yield self._batch(events.to(self.device), index.to(self.device), self.order.locate(step)[0])

    def _stream(self, ready: queue.Queue[Any], first: int) -> Iterator[Batch]:
        """Copy the next batch on a separate CUDA stream while the current one is in use."""
        copies = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]

        def copy() -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
            pinned = _take(ready)
            with torch.cuda.stream(copies):
                return pinned, tuple(t.to(self.device, non_blocking=True) for t in pinned)

        ahead = copy()
        for step in itertools.count(first):
            now = torch.cuda.current_stream(self.device)
            now.wait_stream(copies)  # the copy of this batch must be complete before the step reads it
            kept, (events, index) = ahead
            for tensor in (events, index):
                tensor.record_stream(now)  # their memory is not reused for a copy before the step has finished
            ahead = copy()
            yield self._batch(events, index, self.order.locate(step)[0])
            del kept  # the pinned source must live until its copy is complete


def _put(ready: queue.Queue[Any], item: object, stop: threading.Event) -> bool:
    while not stop.is_set():
        with contextlib.suppress(queue.Full):
            ready.put(item, timeout=0.1)
            return True
    return False


def _take(ready: queue.Queue[Any]) -> Any:
    item = ready.get()
    if isinstance(item, BaseException):
        raise item
    return item


def read_rows(events: Array, rows: Rows) -> Array:
    """Return the events of `rows`; a contiguous range is returned as a view if it is writable."""
    first, last = int(rows[0]), int(rows[-1])
    if last - first + 1 != len(rows) or not (rows[1:] > rows[:-1]).all():
        return np.asarray(events[rows])
    block = np.asarray(events[first : last + 1])
    return block if block.flags.writeable else block.copy()  # PyTorch warns about read-only memory


def make_loader(
    dataset: Dataset,
    rows: Rows,
    events_per_step: int,
    seed: int,
    transform: Transform,
    runtime: Runtime,
    *,
    channels_last: bool = False,
    dequantizer: Dequantizer | None = None,
    share: ProcessShare | None = None,
    condition: ConditionTransform | None = None,
) -> BatchLoader:
    """Return the fastest loader for the data and the device: resident if the rows fit, else streaming."""
    # The order of rows must not depend on the loader: the same run gives the same bits, however much memory is free.
    order = Sampler(rows, events_per_step, seed, BLOCK // 16 if _on_disk(dataset.events) else 1, share)
    needed = len(rows) * dataset.events[:1].nbytes
    fits = needed <= _RESIDENT_SHARE * _free_bytes(runtime.device)
    loader = ResidentLoader if fits else StreamingLoader
    conditions = Conditions.of_dataset(dataset, condition, runtime)
    missing, data = dataset.spec.missing, dataset.spec
    return loader(order, dataset.events, transform, runtime, channels_last, missing, dequantizer, conditions, data)


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
            events = torch.from_numpy(read_rows(data.events, rows)).to(device)
            if self._dequantizer is not None:
                events = self._dequantizer(events, index)
            x, missing = observed(to_model_space(self._transform, events, dtype), data.spec.missing)
            weight = None if data.weights is None else torch.from_numpy(data.weights[rows]).to(device, dtype)
            condition = None if self._conditions is None else self._conditions.of(index)
            yield in_parts(Batch(x, missing, weight, index, condition), data.spec)


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
    on_disk = _on_disk(dataset.events)
    if dataset.spec.missing and not on_disk:
        patterns = np.packbits(np.isnan(dataset.events[rows]), axis=1)
        rows = rows[np.lexsort(patterns.T)]
    rows = np.array_split(rows, count)[rank]
    blocks = BlockLoader(dataset, rows, size, transform, runtime, dequantizer, condition)
    needed = len(rows) * dataset.spec.size * runtime.dtype.itemsize
    fits = not (on_disk or once) and needed <= _RESIDENT_SHARE * _free_bytes(runtime.device)
    return ResidentBlockLoader(blocks) if fits else blocks


def _on_disk(events: Array) -> bool:
    return isinstance(events, np.memmap) or not isinstance(events, np.ndarray)


class PassLoader(DataLoader[Iterable[Batch]]):
    """A loader whose steps consume one pass over all training rows each."""

    def __init__(self, blocks: Iterable[Batch], runtime: Runtime) -> None:
        super().__init__(runtime.device, 1)
        self._blocks = blocks

    def items(self, first: int) -> Generator[Iterable[Batch], None, None]:
        while True:
            yield self._blocks


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text("ascii").splitlines())
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return 2**32
