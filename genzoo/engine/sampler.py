"""The rows that each training step consumes, in the order of a seed, and the share of each process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from genzoo.data.dataset import Rows
from genzoo.data.partitions.stretches import StretchOrder
from genzoo.engine.buckets import Buckets
from genzoo.runtime.seeding import derive


@dataclass(frozen=True, slots=True)
class ProcessShare:
    """The share of one process in each step: the same slice of every part of the batch.

    Arguments:
        rank, count: rank of the process, and number of processes.
        events: number of events in that slice.
        slices_noise: whether this process uses its slice of the noise that a single process draws for the whole batch.
            Compiled code draws noise of its own in each process. Defaults to true.
    """

    rank: int
    count: int
    events: int
    slices_noise: bool = True

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
        buckets: widths of batches of texts. Defaults to `None`: all events have the same shape.
        window: size of windows of long texts. Defaults to 1: there are none.
        stretches: where row groups begin among the rows, `(G + 1,)`, and how many are a buffer. Defaults to `None`:
            rows can be read one by one.
    """

    rows: Rows
    events_per_step: int
    seed: int
    block: int = 1
    share: ProcessShare | None = None
    buckets: Buckets | None = None
    window: int = 1
    stretches: tuple[Rows, int] | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Number of complete steps in one epoch."""
        return len(self.rows) // self.events_per_step

    def epoch(self, number: int) -> Rows:
        """Return the rows of this process in the order of epoch `number`, from 0."""
        return self.rows[self.positions(number)]

    def positions(self, number: int) -> Rows:
        """Return the positions of these rows among all training rows; of row groups, as they are indexed."""
        if self.stretches is not None:
            return self._of_stretches(number, *self.stretches)
        order = self._ordered(number)
        return order if self.share is None else self.share.of(order[: self.steps_per_epoch * self.events_per_step])

    def _of_stretches(self, number: int, bounds: Rows, together: int) -> Rows:
        rank, count = (0, 1) if self.share is None else (self.share.rank, self.share.count)
        length = self.steps_per_epoch * self.events_per_step // count
        order = StretchOrder(bounds, together, self.seed, number, length=length, rank=rank, count=count)
        return cast("Rows", order)

    def widths(self, number: int) -> list[int] | None:
        """Return the width of the texts of each step of epoch `number`, which all processes share.

        Returns `None` if all events have one shape.
        """
        if self.buckets is None:
            return None
        return self.buckets.widths_of(self._ordered(number), self.events_per_step)

    def shift(self, number: int) -> int:
        """Return by how many bytes windows begin later in epoch `number`, the same in all processes."""
        return int(np.random.default_rng(derive(self.seed, "windows", number)).integers(self.window))

    def _ordered(self, number: int) -> Rows:
        """Return the positions of the rows of all processes in epoch `number`."""
        order = self._shuffled(number)
        if self.buckets is None:
            return order
        rng = np.random.default_rng(derive(self.seed, "buckets", number))
        return self.buckets.grouped(order, self.events_per_step, rng)

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

    def place(self, step: int) -> int:
        """Return the number of `step` (from 1) within its epoch, from 0."""
        return (step - 1) % self.steps_per_epoch

    def locate(self, step: int) -> tuple[int, slice]:
        """Return the epoch of `step` (from 1), and the slice of that epoch's rows that the step consumes."""
        epoch, place = (step - 1) // self.steps_per_epoch, self.place(step)
        events = self.events_per_step if self.share is None else self.events_per_step // self.share.count
        return epoch, slice(place * events, (place + 1) * events)
