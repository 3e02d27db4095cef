"""Training events that processes divide among themselves, for what EM computes from all of them at its start."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
from torch import Tensor

from genzoo.models.objective import Batch

Add = Callable[[dict[str, Tensor]], dict[str, Tensor]]
"""Returns the sums of tensors over all processes, by name."""


class SharedBlocks(Iterable[Batch]):
    """All training events in blocks; each process that trains can read its `share` instead.

    Iterating yields all events in order, the same in every process. The shares of all processes, by rank, are all
    events in the same order. An objective that reads its share combines the findings by `sums` and `gather`. All
    processes must call these equally often, in the same order.

    Arguments:
        events: all events.
        share: the events of this process. Defaults to all.
        rank, count: rank of the process, and number of processes. Default to a single process.
        before, after: number of events in the shares of lower and of higher ranks. Default to 0.
        add: adds up tensors over all processes. Defaults to what a single process needs.

    Attributes:
        share, rank, before, after: as above.
    """

    def __init__(
        self,
        events: Iterable[Batch],
        share: Iterable[Batch] | None = None,
        *,
        rank: int = 0,
        count: int = 1,
        before: int = 0,
        after: int = 0,
        add: Add = dict,
    ) -> None:
        self._events = events
        self.share = events if share is None else share
        self.before, self.after = before, after
        self.rank, self._count = rank, count
        self._add = add

    @staticmethod
    def of(blocks: Iterable[Batch]) -> SharedBlocks:
        """Return blocks of one process as its share; what is shared already stays as it is."""
        return blocks if isinstance(blocks, SharedBlocks) else SharedBlocks(blocks)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self._events)

    def sums(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the sums of tensors over all processes.

        Arguments:
            tensors: tensors by name; all of one number type and device, with the same names and shapes in each process.
        """
        return self._add(dict(tensors))

    def gather(self, x: Tensor) -> Tensor:
        """Return the rows `(n, ...)` of all processes one after another, by rank.

        Arguments:
            x: rows of this process. Their number may differ between processes, and their shape may not.
        """
        if self._count == 1:
            return x
        sizes = torch.zeros(self._count, dtype=torch.int64, device=x.device)
        sizes[self.rank] = len(x)
        sizes = self._add({"sizes": sizes})["sizes"]
        first = int(sizes[: self.rank].sum())
        return self.place(x, torch.arange(first, first + len(x), device=x.device), int(sizes.sum()))

    def place(self, x: Tensor, places: Tensor, count: int) -> Tensor:
        """Return rows `(count, ...)` that all processes put together.

        Arguments:
            x: rows of this process, `(n, ...)`.
            places: where they belong, `(n,)`. Each place belongs to one row of one process.
            count: number of places.
        """
        if x.dtype == torch.bool:  # processes add numbers
            return self.place(x.byte(), places, count).bool()
        rows = x.new_zeros(count, *x.shape[1:])
        rows[places] = x
        return self._add({"rows": rows})["rows"]
