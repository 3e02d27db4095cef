"""Batches for training steps, from memory, the device or disk."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor

from genzoo.data.condition_transform import ConditionTransform
from genzoo.data.dataset import BLOCK, Dataset, Rows
from genzoo.data.dequantize import Dequantizer
from genzoo.data.partitions.stretches import bounds_among, buffer_note, buffered_groups
from genzoo.data.redraw import Redraw
from genzoo.data.row_groups import RowGroupEvents
from genzoo.data.texts.flat import Texts
from genzoo.data.texts.windows import MovingWindows, Windows
from genzoo.data.transforms import Transform, observed, to_model_space
from genzoo.data.transforms.ended import lengths_in
from genzoo.engine.augmentation import Flip
from genzoo.engine.buckets import Buckets
from genzoo.engine.resident import Conditions, ResidentTexts, fits_on, is_on_disk
from genzoo.engine.sampler import ProcessShare, Sampler
from genzoo.models.objective import Batch, in_parts
from genzoo.runtime.device import Runtime
from genzoo.spec.events import DataSpec
from genzoo.typing import Array

ItemT = TypeVar("ItemT")


_AT_ONCE = 256
"""Events that are transformed at a time before training."""


_AHEAD = 2
"""Number of batches that are prepared ahead of the one in use."""


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

    @property
    def about_order(self) -> tuple[str, ...]:
        """What the user should know about the order of events, as sentences."""
        return ()

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
        flip: Flip | None = None,
        redraw: Redraw | None = None,
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
        self._flip = flip
        self._redraw = redraw
        self._seen = False
        """Whether the stored events are already as the model sees them."""
        source: Any = events
        grouped = isinstance(source, RowGroupEvents) and order.stretches is not None
        self._about_order = (buffer_note(source),) if grouped else ()
        self._moving = MovingWindows(events, order.rows) if isinstance(events, Windows) else None
        self._keep(events)

    @property
    def about_order(self) -> tuple[str, ...]:
        return self._about_order

    @abstractmethod
    def _keep(self, events: Array) -> None:
        """Store the events where the loader needs them."""

    def _batch(self, events: Tensor, index: Tensor, epoch: int) -> Batch:
        """Return a batch in model space, from events in data units on the device; epochs count from 0."""
        if self._redraw is not None:
            events = self._redraw(events, index, epoch)
        if self._flip is not None:
            events = self._flip(events, index, epoch)
        if self._dequantizer is not None:
            events = self._dequantizer(events, index, epoch)
        seen = events if self._seen else to_model_space(self._transform, events, self._dtype)
        x, missing = observed(seen, self._missing)
        condition = None if self._conditions is None else self._conditions.of(index)
        x = x.contiguous(memory_format=self._format)
        if self._data is None:
            return Batch(x, missing, index=index, condition=condition)
        inner = self._transform.spec_after(self._data)
        length = None if inner.end is None else lengths_in(x, inner.end)
        return in_parts(Batch(x, missing, index=index, condition=condition, length=length), inner)


class ResidentLoader(BatchLoader):
    """A loader that keeps all events on the device; a batch is one gather there."""

    _texts: ResidentTexts
    _events: Tensor

    def _keep(self, events: Array) -> None:
        self._rows = torch.from_numpy(np.asarray(self.order.rows)).to(self.device)
        if isinstance(events, Texts):
            own = events if isinstance(events, Windows) else events.take(self.order.rows)
            self._texts = ResidentTexts(own, self.device)
        else:
            self._events = torch.as_tensor(events[self.order.rows]).to(self.device)

    def _see(self) -> None:
        """Transform all events once, if that is costly: spectra are. A resumed run has its transform only now."""
        if self._transform.lossy and not self._seen and not (self._dequantizer or self._flip or self._redraw):
            parts = torch.split(self._events, _AT_ONCE)
            self._events = torch.cat([to_model_space(self._transform, part, self._dtype) for part in parts])
            self._seen = True

    def items(self, first: int) -> Generator[Batch, None, None]:
        self._see()
        current, widths = -1, None
        for step in itertools.count(first):
            epoch, place = self.order.locate(step)
            if epoch != current:
                order = np.asarray(self.order.positions(epoch))  # of row groups, it is computed as it is asked for
                shuffled = torch.from_numpy(order).to(self._rows.device, non_blocking=True)
                current, widths = epoch, self.order.widths(epoch)
                if self._moving is not None:
                    self._moving.move(self.order.shift(epoch))
                    self._texts.place(self._moving.starts, self._moving.lengths)
            chosen = shuffled[place]
            if widths is not None:
                events = self._texts.block(chosen, widths[self.order.place(step)])
            else:
                # `index_select` copies whole rows, and is several times faster than indexing with a tensor.
                events = self._events.index_select(0, chosen)
            yield self._batch(events, self._rows.index_select(0, chosen), epoch)


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
        current, shuffled, widths = -1, self.order.rows, None
        try:
            for step in itertools.count(first):
                epoch, place = self.order.locate(step)
                if epoch != current:
                    shuffled, widths, current = self.order.positions(epoch), self.order.widths(epoch), epoch
                    if self._moving is not None:
                        self._moving.move(self.order.shift(epoch))
                index = self.order.rows[shuffled[place]]
                width = None if widths is None else widths[self.order.place(step)]
                events = self._rows_of(index, shuffled[place], width)
                item = (torch.from_numpy(events), torch.from_numpy(index))
                if not _put(ready, tuple(t.pin_memory() for t in item) if self._pinned else item, stop):
                    return
        except BaseException as error:  # `_take` raises it in the main thread, which would otherwise wait forever
            _put(ready, error, stop)

    def _rows_of(self, index: Rows, positions: Rows, width: int | None) -> Array:
        """Return the events of rows; texts as a block of some width.

        Arguments:
            positions: their positions among the training rows.
        """
        if self._moving is not None:
            return self._moving.block(positions, self._moving.width if width is None else width)
        if isinstance(self._events, Texts):
            return self._events.block(index, width)
        increasing = np.argsort(index)  # reading in order is faster from disk
        events = np.empty((len(index), *self._events.shape[1:]), self._events.dtype)
        events[increasing] = self._events[index[increasing]]
        return events

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


def _stretches(dataset: Dataset, rows: Rows, processes: int) -> tuple[Rows, int] | None:
    """Return the row groups that rows are in, and how many are a buffer; `None` if rows can be read one by one."""
    events: Any = dataset.events
    if not isinstance(events, RowGroupEvents):
        return None
    bounds = bounds_among(rows, events)
    return (bounds, buffered_groups(events)) if len(bounds) > processes else None


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
    flip: Flip | None = None,
) -> BatchLoader:
    """Return the fastest loader for the data and the device: resident if the rows fit, else streaming.

    Images that are drawn from gray ones are drawn anew in each epoch.
    """
    events = dataset.events if dataset.gray is None else dataset.gray
    # The order of rows must not depend on the loader: the same run gives the same bits, however much memory is free.
    texts = isinstance(dataset.events, Texts)
    buckets = Buckets.of(dataset.events, rows, events_per_step) if isinstance(dataset.events, Texts) else None
    block = BLOCK // 16 if is_on_disk(dataset.events) else 1
    window = dataset.spec.event_shape[0] if isinstance(dataset.events, Windows) else 1
    stretches = _stretches(dataset, rows, 1 if share is None else share.count)
    order = Sampler(rows, events_per_step, seed, block, share, buckets, window, stretches)
    needed = events.nbytes if texts else len(rows) * events[:1].nbytes
    fits = fits_on(runtime.device, needed) and (stretches is None or runtime.device.type != "cpu")
    loader = ResidentLoader if fits else StreamingLoader
    conditions = Conditions.of_dataset(dataset, condition, runtime)
    missing, data = dataset.spec.missing, dataset.spec
    redraw = Redraw.of(dataset, seed)
    return loader(
        order, events, transform, runtime, channels_last, missing, dequantizer, conditions, data, flip, redraw
    )
