"""Ask a model about parts of rows on the workers of a Dask cluster, and take the answers in order."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from genzoo.errors import GenzooError
from genzoo.inference.trained_model import TrainedModel
from genzoo.models.local import LocalModel, local_models, register_again
from genzoo.persistence.open_run import load
from genzoo.runtime.cluster import AnyCluster, await_worker, connect, dask_library, is_lost, waiting_for_worker
from genzoo.runtime.cluster_versions import check_same, check_workers, versions_here
from genzoo.runtime.memory import keep_freed_memory
from genzoo.runtime.progress import Phase
from genzoo.wording import FrontEnd, argument, front_end, speaking

if TYPE_CHECKING:
    from distributed import Client

_GLANCE = 2.0
"""Seconds between two looks whether there is a worker at all."""

_ALONE = 600.0
"""Seconds after which nobody waits any longer for a worker to come back."""

AnswerT = TypeVar("AnswerT", covariant=True)


class AboutRows(Protocol[AnswerT]):
    """What a model is asked about consecutive rows. It has a hash, and can be sent to other processes."""

    def opened(self, fitted: TrainedModel) -> Callable[[int, int], Iterable[AnswerT]]:
        """Return a function that takes the numbers of the first row and of the row to stop before."""


@dataclass(frozen=True, slots=True)
class OnCluster:
    """Where answers are computed, if not in this process.

    Arguments:
        run: path of the run or model folder, which all workers can read, as they can read the table.
        on: the cluster, as for `connect`.
    """

    run: Path
    on: AnyCluster


@dataclass(frozen=True, slots=True)
class _Work(Generic[AnswerT]):
    """What a worker needs to answer for a part of the rows.

    Arguments:
        run: path of the run or model folder.
        device: kind of device that answers.
        versions: versions that a worker must have.
        own: the model, if it is a class of the user's.
        question: what is asked.
        reader: whom messages are for.
        command: different for each command, as a later one may find another model under the same path.
    """

    run: str
    device: str
    versions: frozenset[tuple[str, str]]
    own: tuple[LocalModel, ...]
    question: AboutRows[AnswerT]
    reader: FrontEnd
    command: str = field(default_factory=lambda: uuid.uuid4().hex)


def answers_on_cluster(
    question: AboutRows[AnswerT], fitted: TrainedModel, count: int, step: int, cluster: OnCluster, phase: Phase
) -> Iterator[AnswerT]:
    """Yield the answers for all rows, in their order.

    Arguments:
        count: number of rows.
        step: rows of a part that a worker answers for at a time.
        phase: shows the progress.

    Raises:
        ConfigError, DataError: as without a cluster.
        GenzooError: the cluster cannot be reached, or is gone.
    """
    device, own = fitted.device.type, local_models(iter([fitted.model]))
    terms = (device, frozenset(versions_here().items()), own)
    work = _Work(str(cluster.run.absolute()), *terms, question, front_end())
    with connect(cluster.on) as client, _explained(client):
        await_worker(client, phase, _load_this)
        check_workers(client, device)
        ahead = 2 * max(1, sum(client.nthreads().values()))  # bounds the answers that wait in memory
        phase.describe(f"dashboard {client.dashboard_link}")
        waiting: deque[tuple[Any, int]] = deque()
        try:
            for first in range(0, count, step):
                last = min(first + step, count)
                waiting.append((client.submit(_answer_part, work, first, last, pure=False), last - first))
                if len(waiting) >= ahead:
                    yield from _taken(client, waiting, phase)
            while waiting:
                yield from _taken(client, waiting, phase)
        finally:
            with contextlib.suppress(Exception):  # the scheduler may be gone
                client.cancel([future for future, _ in waiting])


def _taken(client: Client, waiting: deque[tuple[Any, int]], phase: Phase) -> Iterator[Any]:
    """Yield the answers of the part that has waited longest."""
    future, rows = waiting.popleft()
    _await(client, future, phase)
    found = future.result()
    if isinstance(found, GenzooError):
        raise found
    yield from found
    phase.advance(rows)


def _await(client: Client, future: Any, phase: Phase) -> None:
    """Wait until a part has ended. If there is no worker, show it, and give up after a while.

    Raises:
        GenzooError: there was no worker for long.
    """
    alone = 0.0
    while True:
        with contextlib.suppress(dask_library().TimeoutError):
            future.exception(_GLANCE)
            return
        if client.nthreads():
            if alone:
                phase.describe(f"dashboard {client.dashboard_link}")
            alone = 0.0
            continue
        if not alone:
            alone = time.monotonic()
            phase.describe(waiting_for_worker(client))
        elif time.monotonic() - alone > _ALONE:
            raise GenzooError(
                f"All workers of the cluster are gone, and none has come back within {_ALONE:g} seconds. Nothing was "
                f"written. Start workers that stay, or leave out {argument('on')}."
            )


_ONE_AT_A_TIME = threading.Lock()
"""Torch's random numbers are shared by all threads of a worker."""


def _load_this() -> None:
    """Do nothing. A worker that runs this imports what it needs."""


def _answer_part(work: _Work[AnswerT], first: int, last: int) -> list[AnswerT] | GenzooError:
    """Return the answers for a part of the rows. It runs on a worker.

    An error that is for the reader is returned. Dask would print one that is raised, with its traceback.
    """
    try:
        with _ONE_AT_A_TIME, speaking(work.reader):
            return list(_opened(work)(first, last))
    except GenzooError as error:
        return error


@functools.lru_cache(maxsize=1)
def _opened(work: _Work[Any]) -> Callable[[int, int], Iterable[Any]]:
    keep_freed_memory()
    # A worker that has joined meanwhile was not checked before.
    check_same(versions_here(), "A worker", dict(work.versions))
    for model in work.own:
        register_again(model)
    return work.question.opened(load(work.run, work.device))


@contextlib.contextmanager
def _explained(client: Client) -> Iterator[None]:
    """Turn errors of the cluster into ones that say what to do. Errors of the work itself stay as they are."""
    try:
        yield
    except GenzooError:
        raise
    except dask_library().KilledWorker as error:
        raise GenzooError(
            "Several workers died while they computed the same rows, most likely because memory ran out. Nothing was "
            "written. Give the workers more memory."
        ) from error
    except Exception as error:  # each call to a scheduler that is gone has an error of its own
        if is_lost(client):
            raise GenzooError(
                f"The scheduler is gone, and nothing was written. Start it again, or leave out {argument('on')}."
            ) from error
        if not isinstance(error, CancelledError):
            raise
        raise GenzooError(
            f"The cluster gave up some of the rows, and nothing was written: {str(error).rstrip('.')}. Run the same "
            f"command again, or leave out {argument('on')}."
        ) from error
