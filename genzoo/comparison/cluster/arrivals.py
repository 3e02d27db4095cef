"""Wait for the results of work on a cluster."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distributed import Client, Future


class TransportError(Exception):
    """A result cannot be fetched, as the scheduler or all workers that have it are gone."""


class Arrivals:
    """Results and errors of futures, in the order in which they arrive.

    `distributed.as_completed` never returns a future whose result is lost on its way, so that its reader waits forever.

    Arguments:
        client: connection to the cluster.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._queue: queue.SimpleQueue[tuple[Future, Any]] = queue.SimpleQueue()

    def follow(self, futures: Iterable[Future]) -> None:
        """Wait for these, too."""
        for future in futures:
            self._client.loop.add_callback(self._follow, future)

    def next(self, seconds: float) -> tuple[Future, Any]:
        """Return a future that has ended, and its result or its error.

        Raises:
            queue.Empty: none has ended within these seconds.
        """
        return self._queue.get(timeout=seconds)

    async def _follow(self, future: Future) -> None:
        found: Any
        try:
            found = await future
        except (Exception, asyncio.CancelledError) as error:
            ran = future.status in ("error", "cancelled") and isinstance(error, Exception)
            found = error if ran else TransportError(f"{type(error).__name__}: {error}")  # the error is of the way here
        self._queue.put((future, found))
