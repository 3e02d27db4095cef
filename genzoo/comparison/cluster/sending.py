"""Send fits to the workers of a cluster, send those again that were lost, and yield their results."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import queue
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genzoo.comparison.cluster.arrivals import Arrivals, TransportError
from genzoo.comparison.cluster.failures import (
    about_killed,
    about_workers,
    broken_cluster,
    failed_on,
    lost_scheduler,
)
from genzoo.comparison.cluster.work import FitTerms, OtherDataError, forget_data, run_on_worker
from genzoo.comparison.fits.job import FitJob, FitResult
from genzoo.comparison.location import arrays_of
from genzoo.comparison.workers import spared_by
from genzoo.data.dataset import Dataset
from genzoo.runtime.cluster import await_worker, dask_library, is_lost, waiting_for_worker
from genzoo.runtime.progress import Phase

if TYPE_CHECKING:
    from distributed import Client, Future

_AHEAD = 2000
"""Largest number of fits that wait on the cluster. More of them would only make the scheduler slower."""

_QUIET = 2.0
"""Seconds without a result after which the number of workers is looked at."""

_TRIES = 20
"""How often the data or a fit are sent before their loss is an error, if no fit ends meanwhile."""

_WORKERS = 3
"""Number of workers that a fit is given to if they fail for a reason outside the model, such as a full disk."""

_PARTING = 2.0
"""Seconds that workers have to let go of the data."""


def send_data(client: Client, dataset: Dataset, phase: Phase) -> Future:
    """Send the data to a worker. Others fetch them from one that has them, before their first fit.

    Dask's own broadcast waits forever if a worker dies meanwhile.

    Raises:
        GenzooError: the scheduler is gone, or worker after worker dies.
    """
    arrays = arrays_of(dataset)
    for tries in itertools.count(1):
        await_worker(client, phase, forget_data)
        try:
            found: list[Future] = client.scatter([arrays], hash=False)
            return found[0]
        except OSError as error:  # the worker is gone
            if is_lost(client):
                raise lost_scheduler() from error
            if tries >= _TRIES:
                raise broken_cluster("The data cannot be sent to any worker", error) from error
    raise AssertionError


class Dispatch:
    """Sends fits to a cluster, and yields their results.

    A fit whose worker died, or could not run it, is run by another worker. Fits of a candidate that has failed are not
    begun.

    Arguments:
        client: connection to the cluster.
        terms: what all fits share.
        arrays: the data on the cluster, if they were sent there.
        dataset: the data, to send them again if the cluster loses them.
        phase: says what is waited for.
        one_by_one: whether a fit is chosen only when a worker is free for it. Defaults to false.
    """

    def __init__(
        self,
        client: Client,
        terms: FitTerms,
        arrays: Future | None,
        dataset: Dataset,
        phase: Phase,
        *,
        one_by_one: bool = False,
    ) -> None:
        self._one_by_one = one_by_one
        self._client, self._terms, self._arrays, self._dataset = client, terms, arrays, dataset
        self._sent: dict[Future, _Errand] = {}
        self._failed: list[FitResult] = []
        self._count = 0  # of fits that have ended
        self._arrivals, self._phase = Arrivals(client), phase

    def results(self, trials: Iterable[FitJob]) -> Iterator[FitResult]:
        """Yield the result of each fit, in the order in which they end.

        Raises:
            GenzooError: the scheduler is gone, or a worker has other software.
        """
        waiting = map(_Errand, trials)
        complete = False
        try:
            yield from self._send(itertools.islice(waiting, self._room()))
            while self._sent:
                future, found = self._arrived()
                errand = self._sent.pop(future, None)
                if errand is not None:  # it was not spared meanwhile
                    yield from self._received(errand, future, found)
                yield from self._send(itertools.islice(waiting, self._room()))
            complete = True
        finally:
            self._end(complete)

    def _room(self) -> int:
        """Return how many more fits to send now."""
        if self._one_by_one:
            free = sum(self._client.nthreads().values()) - len(self._sent)
            return max(int(free), 0 if self._sent else 1)
        return _AHEAD - len(self._sent) if len(self._sent) <= _AHEAD // 2 else 0

    def _send(self, errands: Iterable[_Errand]) -> Iterator[FitResult]:
        """Send fits, and yield results of those that need not run."""
        wanted = []
        for errand in errands:
            spared = spared_by(errand.trial, self._failed)
            if spared is not None:
                yield spared
            else:
                wanted.append(errand.sent(self._arrays, self._count))
        if wanted:
            failed = {worker for errand in wanted for worker in errand.failed}
            others = sorted(set(self._client.nthreads()) - failed) if failed else []
            futures = self._client.map(
                run_on_worker,
                [errand.trial for errand in wanted],
                terms=self._terms,
                arrays=self._arrays,
                key="fit",
                pure=False,
                workers=others or None,
                allow_other_workers=bool(others),  # these may die
            )
            self._sent.update(zip(futures, wanted, strict=True))
            self._arrivals.follow(futures)

    def _arrived(self) -> tuple[Future, FitResult | BaseException]:
        """Wait for what arrives next. If that takes long, show whether there is a worker at all.

        Raises:
            GenzooError: the scheduler is gone.
        """
        while True:
            with contextlib.suppress(queue.Empty):
                return self._arrivals.next(_QUIET)
            if self._client.status == "closed":
                raise lost_scheduler()
            if self._client.status == "running":
                alone = not self._client.nthreads()
                text = waiting_for_worker(self._client) if alone else f"dashboard {self._client.dashboard_link}"
                self._phase.describe(text)

    def _received(self, errand: _Errand, future: Future, found: FitResult | BaseException) -> Iterator[FitResult]:
        """Yield the results that follow from what arrived."""
        if isinstance(found, FitResult):  # the worker that ran it may be gone since
            yield from self._ended(found)
        elif isinstance(found, dask_library().KilledWorker):
            yield from self._ended(FitResult(errand.trial, failure=about_killed(found), exit_code=1))
        elif isinstance(found, OSError | ImportError):
            yield from self._elsewhere(errand, future, found)
        else:
            self._mend(errand, found)
            yield from self._send([errand])

    def _elsewhere(self, errand: _Errand, future: Future, error: Exception) -> Iterator[FitResult]:
        """Send a fit to another worker, as one could not run it, or yield its failure if several could not."""
        # Without a name of its worker, it would go to the same one, which has the least to do.
        there = self._client.run_on_scheduler(failed_on, future.key)
        errand = dataclasses.replace(errand, failed=(*errand.failed, *there))
        failed = set(errand.failed)
        if there and len(failed) < _WORKERS and len(errand.failed) < _TRIES and set(self._client.nthreads()) - failed:
            yield from self._send([errand])
        else:
            failure = about_workers(error, max(1, len(failed)))
            yield from self._ended(FitResult(errand.trial, failure=failure, exit_code=1))

    def _ended(self, result: FitResult) -> Iterator[FitResult]:
        """Yield a result, and the results of fits that are useless now, if it is a failure."""
        self._count += 1
        yield result
        if result.failure is None:
            return
        self._failed.append(result)
        useless = [future for future, errand in self._sent.items() if result.trial.spares(errand.trial)]
        self._client.cancel(useless)
        for future in useless:
            spared = spared_by(self._sent.pop(future).trial, self._failed)
            assert spared is not None
            yield spared

    def _mend(self, errand: _Errand, error: BaseException) -> None:
        """Do what makes sending a fit again promising.

        Raises:
            GenzooError: nothing does.
        """
        if isinstance(error, TransportError | CancelledError) and self._is_lost(error):
            raise lost_scheduler() from error
        mendable = isinstance(error, OtherDataError | TransportError | CancelledError)
        if not mendable or (errand.tries >= _TRIES and errand.count == self._count):
            raise _of_worker(error, errand)
        # A worker that joined late does not see the path, or the last worker that had the data died.
        lost = errand.arrays is not None or isinstance(error, OtherDataError)
        if lost and errand.arrays is self._arrays:
            place = dataclasses.replace(self._terms.place, settings=None)
            self._terms = dataclasses.replace(self._terms, place=place)
            self._arrays = send_data(self._client, self._dataset, self._phase)

    def _is_lost(self, error: BaseException) -> bool:
        """Return whether an error means that the scheduler, or another one at its address, does not know the fits."""
        return self._client.status != "running" or getattr(error, "reason", "") == "scheduler-connection-lost"

    def _end(self, complete: bool) -> None:
        """Withdraw the fits that have not ended, and let workers let go of the data if none is left."""
        if self._client.status != "running":  # the scheduler is gone
            return
        with contextlib.suppress(Exception):
            self._client.cancel(list(self._sent))
            if complete:  # an interruption does not wait for a worker that has just died
                self._client.run(forget_data, on_error="ignore", callback_timeout=_PARTING)


@dataclass(frozen=True, slots=True)
class _Errand:
    """A fit on its way.

    Arguments:
        trial: the fit.
        arrays: the data that were sent for it.
        tries: how often it was sent while no fit ended. A fit is also lost with the data, through no fault of its own.
        count: number of fits that had ended when it was sent.
        failed: addresses of workers that could not run it.
    """

    trial: FitJob
    arrays: Future | None = None
    tries: int = 0
    count: int = 0
    failed: tuple[str, ...] = ()

    def sent(self, arrays: Future | None, count: int) -> _Errand:
        """Return it as it is sent now; `count` fits have ended."""
        tries = self.tries + 1 if self.count == count else 1
        return dataclasses.replace(self, arrays=arrays, tries=tries, count=count)


def _of_worker(error: BaseException, errand: _Errand) -> BaseException:
    """Return the error that ends the comparison, if a worker raised one that is no failure of a model."""
    if not isinstance(error, TransportError | CancelledError):
        return error
    lost = f"The cluster lost a fit {errand.tries} times while no other ended, {errand.trial.label}"
    found = broken_cluster(lost, error)
    found.__cause__ = error
    return found
