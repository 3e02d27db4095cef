"""Find out that a process of a training is frozen: stopped, or on a machine that hangs.

A killed process closes its connections, and the others notice at once. A frozen one keeps them open. So a thread in
each process writes to the shared store every few seconds, and reads what the process of the next rank wrote. The thread
also runs while its process compiles or evaluates for minutes, so these do not count as frozen.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.distributed.distributed_c10d import Store

_EVERY = 5.0
"""Seconds between two beats."""

_LIMIT = 30.0
"""Seconds without a beat after which a process counts as frozen."""

_GRACE = 10.0
"""Seconds after which a process that knows of a frozen one ends, if it cannot leave an operation by itself."""

_FROZEN = "genzoo/frozen"


_LEFT = "left"
"""Last beat of a process that is done."""


class Heartbeat:
    """The beats of one process, and its watch over the process of the next rank.

    Arguments:
        store: the store that all processes share.
        rank, count: rank of this process, and number of processes.
    """

    def __init__(self, store: Store, rank: int, count: int) -> None:
        self._store = store
        self._rank = rank
        self._next = (rank + 1) % count
        self._ended = threading.Event()
        self._found: str | None = None
        self._known_since = 0.0
        self._last_round = self._last_look = self._stuck_since = time.monotonic()

    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """Beat and watch inside."""
        thread = threading.Thread(target=self._run, name="genzoo-heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join(_EVERY)
            if not thread.is_alive():  # else the store does not answer
                with contextlib.suppress(RuntimeError):
                    self._store.set(f"genzoo/beat/{self._rank}", _LEFT)

    @property
    def frozen(self) -> str | None:
        """A sentence about a frozen process, or `None` if all are alive.

        It comes when the other processes have had the time to read it, too: this one may hold the store.
        """
        found = self.found
        return found if time.monotonic() - self._known_since > 2 * _EVERY else None

    @property
    def found(self) -> str | None:
        """The same, at once."""
        now = time.monotonic()
        awake, self._last_look = now - self._last_look < 3 * _EVERY, now
        if now - self._last_round <= _LIMIT or not awake:
            self._stuck_since = now
        elif self._found is None and not self._ended.is_set() and now - self._stuck_since > 2 * _EVERY:
            # The thread itself waits for the store, which lives in the process of rank 0 or in its launcher.
            self._find(f"Rank 0 or its launcher has not answered for {_LIMIT:.0f} s. It is stopped, or hangs.")
        return self._found

    def _find(self, sentence: str) -> None:
        self._found, self._known_since = sentence, time.monotonic()
        # The communication that never ends would also hold up the end of this process.
        atexit.register(_leave)

    def _run(self) -> None:
        beat, since, seen = 0, time.monotonic(), b""
        with contextlib.suppress(RuntimeError):  # the store is gone, so its process has ended, and all will notice
            while not self._ended.is_set() and self._found is None:
                now = time.monotonic()
                slept, self._last_round = now - self._last_round, now
                beat += 1
                own = {"beat": beat, "process": os.getpid(), "host": socket.gethostname()}
                self._store.set(f"genzoo/beat/{self._rank}", json.dumps(own))
                if self._store.check([_FROZEN]):
                    self._find(str(self._store.get(_FROZEN), "utf-8"))
                    break
                name = f"genzoo/beat/{self._next}"
                found = self._store.get(name) if self._store.check([name]) else b""
                # After a sleep of its own, this process knows nothing of the others. One that has left is no longer
                # needed, even if this one still saves or evaluates for long.
                if found != seen or found == _LEFT.encode() or slept > 3 * _EVERY:
                    since, seen = now, found
                elif now - since > _LIMIT:
                    sentence = self._sentence(found)
                    self._store.set(_FROZEN, sentence)
                    self._find(sentence)
                self._ended.wait(_EVERY)
        if self._found is not None and not self._ended.wait(2 * _EVERY + _GRACE):
            # The main thread is inside an operation, such as one on a GPU, that waits for the frozen process.
            print(f"Error: {self._found}", file=sys.stderr, flush=True)
            os._exit(1)

    def _sentence(self, beat: bytes) -> str:
        known = json.loads(beat) if beat else {}
        where = f" (process {known['process']} on {known['host']})" if known else ""
        return f"Rank {self._next}{where} has not answered for {_LIMIT:.0f} s. It is stopped, or its machine hangs."


def connect(address: str, port: int) -> Store:
    """Connect to the store that all processes share.

    The connection of torch's process group will not do: it is blocked while one of its operations waits.
    """
    return TCPStore(address, port, is_master=False, timeout=timedelta(seconds=_LIMIT), wait_for_workers=False)


def _leave() -> None:
    """End this process at once."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
