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

from genzoo.data.dataset import BLOCK, Dataset, Rows
from genzoo.data.dequantize import Dequantizer
from genzoo.data.transforms import AffineTransform, observed, to_model_space
from genzoo.models.objective import Batch
from genzoo.runtime.device import Runtime
from genzoo.runtime.seeding import derive
from genzoo.typing import Array

ItemT = TypeVar("ItemT")


_RESIDENT_SHARE = 0.5
"""Share of the device's free memory that resident events may take."""


_AHEAD = 2
"""Batches prepared ahead of the one in use, each in a buffer of its own."""


@dataclass(frozen=True, slots=True)
class ProcessShare:
    """What one of several processes sees of each step: the same stretch of every part that is computed at a time.

    Arguments:
        rank, count: of the processes.
        events: in that stretch.
    """

    rank: int
    count: int
    events: int

    def of(self, rows: Rows) -> Rows:
        """Its rows of whole steps."""
        return rows.reshape(-1, self.count, self.events)[:, self.rank].reshape(-1)


@dataclass(frozen=True, slots=True)
class Sampler:
    """Which rows each step sees: every epoch a new permutation, cut into whole batches.

    Arguments:
        rows: the training rows, increasing.
        events_per_step: how many a step consumes; the rest of an epoch that fills no step is left out.
        seed: of the run.
        block: rows that stay together while shuffling, so that a disk is read in stretches; 1 shuffles freely.
        share: what this process sees of a step; `None` where it sees everything.
    """

    rows: Rows
    events_per_step: int
    seed: int
    block: int = 1
    share: ProcessShare | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Whole steps in one pass."""
        return len(self.rows) // self.events_per_step

    def epoch(self, number: int) -> Rows:
        """All rows in the order of epoch `number`, from 0; of several processes, those of this one."""
        rows = self._shuffled(number)
        return rows if self.share is None else self.share.of(rows[: self.steps_per_epoch * self.events_per_step])

    def _shuffled(self, number: int) -> Rows:
        rng = np.random.default_rng(derive(self.seed, "order", number))
        if self.block == 1:
            return self.rows[rng.permutation(len(self.rows))]
        blocks = np.array_split(self.rows, range(self.block, len(self.rows), self.block))
        mixed = [blocks[i] for i in rng.permutation(len(blocks))]
        windows = [np.concatenate(mixed[i : i + 16]) for i in range(0, len(mixed), 16)]
        return np.concatenate([rng.permutation(window) for window in windows])

    def locate(self, step: int) -> tuple[int, slice]:
        """The epoch of `step` (from 1), and which part of that epoch's order it sees."""
        epoch, place = divmod(step - 1, self.steps_per_epoch)
        events = self.events_per_step if self.share is None else self.events_per_step // self.share.count
        return epoch, slice(place * events, (place + 1) * events)


class DataLoader(ABC, Generic[ItemT]):
    """What each step of a training consumes.

    Arguments:
        device: where the events arrive.
        steps_per_epoch: after how many steps every training row was offered once.
        share: which of the events of a step arrive in this one of several processes.
    """

    def __init__(self, device: torch.device, steps_per_epoch: int, share: ProcessShare | None = None) -> None:
        self.device = device
        self.steps_per_epoch = steps_per_epoch
        self.share = share

    @abstractmethod
    def items(self, first: int) -> Generator[ItemT, None, None]:
        """What step `first` and every later one consumes, without end."""


class BatchLoader(DataLoader[Batch]):
    """A feed whose steps consume one batch each."""

    def __init__(
        self,
        order: Sampler,
        events: Array,
        transform: AffineTransform,
        runtime: Runtime,
        channels_last: bool = False,
        missing: bool = False,
        dequantizer: Dequantizer | None = None,
    ) -> None:
        super().__init__(runtime.device, order.steps_per_epoch, order.share)
        self.order = order
        self._transform = transform
        self._dtype = runtime.dtype
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        self._missing = missing
        self._dequantizer = dequantizer
        self._keep(events)

    @abstractmethod
    def _keep(self, events: Array) -> None:
        """Put the events where batches are made of them."""

    def _batch(self, events: Tensor, index: Tensor, epoch: int) -> Batch:
        """Events in data units, on the device, as the model wants them in an epoch, from 0."""
        if self._dequantizer is not None:
            events = self._dequantizer(events, index, epoch)
        x, missing = observed(to_model_space(self._transform, events, self._dtype), self._missing)
        return Batch(x.contiguous(memory_format=self._format), missing, index=index)


class ResidentLoader(BatchLoader):
    """Events that lie on the device as a whole; a batch is one gather there."""

    def _keep(self, events: Array) -> None:
        self._rows = torch.from_numpy(self.order.rows).to(self.device)
        self._events = torch.as_tensor(events[self.order.rows]).to(self.device)

    def items(self, first: int) -> Generator[Batch, None, None]:
        current = -1
        for step in itertools.count(first):
            epoch, place = self.order.locate(step)
            if epoch != current:
                positions = np.searchsorted(self.order.rows, self.order.epoch(epoch))
                shuffled = torch.from_numpy(positions).to(self._events.device, non_blocking=True)
                current = epoch
            chosen = shuffled[place]
            # Whole rows at a time, several times as fast as indexing by a tensor.
            yield self._batch(self._events.index_select(0, chosen), self._rows.index_select(0, chosen), epoch)


class StreamingLoader(BatchLoader):
    """Events that stay on the host or on disk; a thread gathers ahead, and CUDA copies while the step computes."""

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
                ready.get_nowait()
            worker.join()

    def _gather(self, first: int, ready: queue.Queue[Any], stop: threading.Event) -> None:
        """Read the rows of one step after the other, until told to stop."""
        current, rows = -1, self.order.rows
        try:
            for step in itertools.count(first):
                epoch, place = self.order.locate(step)
                if epoch != current:
                    rows, current = self.order.epoch(epoch), epoch
                index = rows[place]
                increasing = np.argsort(index)  # a disk likes them in order
                events = np.empty((len(index), *self._events.shape[1:]), self._events.dtype)
                events[increasing] = self._events[index[increasing]]
                item = (torch.from_numpy(events), torch.from_numpy(index))
                if not _put(ready, tuple(t.pin_memory() for t in item) if self._pinned else item, stop):
                    return
        except BaseException as error:  # handed to the thread that waits for batches
            _put(ready, error, stop)

    def _hand_over(self, ready: queue.Queue[Any], first: int) -> Iterator[Batch]:
        for step in itertools.count(first):
            events, index = _take(ready)
            yield self._batch(events.to(self.device), index.to(self.device), self.order.locate(step)[0])

    def _stream(self, ready: queue.Queue[Any], first: int) -> Iterator[Batch]:
        """Copy the next batch on a stream of its own while the current one is in use."""
        copies = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]

        def copy() -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
            pinned = _take(ready)
            with torch.cuda.stream(copies):
                return pinned, tuple(t.to(self.device, non_blocking=True) for t in pinned)

        ahead = copy()
        for step in itertools.count(first):
            now = torch.cuda.current_stream(self.device)
            now.wait_stream(copies)
            kept, (events, index) = ahead
            for tensor in (events, index):
                tensor.record_stream(now)
            ahead = copy()
            yield self._batch(events, index, self.order.locate(step)[0])
            del kept  # the pinned source outlives its copy


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
    """The events of `rows`, of which no more is copied than needs to be."""
    first, last = int(rows[0]), int(rows[-1])
    if last - first + 1 != len(rows) or not (rows[1:] > rows[:-1]).all():
        return np.asarray(events[rows])
    found = np.asarray(events[first : last + 1])
    return found if found.flags.writeable else found.copy()  # PyTorch warns of memory that is not


def make_loader(
    dataset: Dataset,
    rows: Rows,
    events_per_step: int,
    seed: int,
    transform: AffineTransform,
    runtime: Runtime,
    *,
    channels_last: bool = False,
    dequantizer: Dequantizer | None = None,
    share: ProcessShare | None = None,
) -> BatchLoader:
    """The fastest feed that the data and the device allow: resident where the rows fit, else streaming."""
    # The order depends on the data alone: a run repeats its bits however much memory happens to be free.
    order = Sampler(rows, events_per_step, seed, BLOCK // 16 if _on_disk(dataset.events) else 1, share)
    needed = len(rows) * dataset.events[:1].nbytes
    fits = needed <= _RESIDENT_SHARE * _free_bytes(runtime.device)
    feed = ResidentLoader if fits else StreamingLoader
    return feed(order, dataset.events, transform, runtime, channels_last, dataset.spec.missing, dequantizer)


class BlockLoader:
    """All of some rows once, in order, as often as it is iterated.

    Arguments:
        dataset: where the events come from, resident or on disk.
        rows: which of them.
        size: events in a block.
        transform: to model space.
        runtime: device and type.
        dequantiser: spreads values over the cells of a grid first; `None` leaves them as they are.
    """

    def __init__(
        self,
        dataset: Dataset,
        rows: Rows,
        size: int,
        transform: AffineTransform,
        runtime: Runtime,
        dequantizer: Dequantizer | None = None,
    ) -> None:
        self._dataset = dataset
        self._rows = rows
        self._size = size
        self._transform = transform
        self._runtime = runtime
        self._dequantizer = dequantizer

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
            yield Batch(x, missing, weight, index)


class ResidentBlockLoader:
    """Blocks that are brought to model space once, and kept on the device."""

    def __init__(self, blocks: BlockLoader) -> None:
        self._blocks = blocks
        self._kept: list[Batch] | None = None

    def __iter__(self) -> Iterator[Batch]:
        if self._kept is None:  # not before the first pass: a resumed run restores its transform first
            self._kept = list(self._blocks)
        return iter(self._kept)


def make_block_loader(
    dataset: Dataset,
    rows: Rows,
    size: int,
    transform: AffineTransform,
    runtime: Runtime,
    dequantizer: Dequantizer | None = None,
    *,
    rank: int = 0,
    count: int = 1,
    once: bool = False,
) -> BlockLoader | ResidentBlockLoader:
    """Blocks for many passes over the same rows, kept on the device where they fit.

    Where values are missing, events with the same places missing stand together, since models work pattern by
    pattern. Data on disk are read in their own order. Of several processes, each gets a stretch of that order.

    Arguments:
        rank, count: of the processes.
        once: that they are for few passes, and not worth being kept.
    """
    on_disk = _on_disk(dataset.events)
    if dataset.spec.missing and not on_disk:
        patterns = np.packbits(np.isnan(dataset.events[rows]), axis=1)
        rows = rows[np.lexsort(patterns.T)]
    rows = np.array_split(rows, count)[rank]
    blocks = BlockLoader(dataset, rows, size, transform, runtime, dequantizer)
    needed = len(rows) * dataset.spec.size * runtime.dtype.itemsize
    fits = not (on_disk or once) and needed <= _RESIDENT_SHARE * _free_bytes(runtime.device)
    return ResidentBlockLoader(blocks) if fits else blocks


def _on_disk(events: Array) -> bool:
    return isinstance(events, np.memmap) or not isinstance(events, np.ndarray)


class PassLoader(DataLoader[Iterable[Batch]]):
    """A feed whose steps consume a pass over all training rows each."""

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
