"""Send the fits of a comparison to the workers of a cluster, and collect their results."""

from __future__ import annotations

import contextlib
import itertools
import time
import uuid
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

from genzoo.comparison.cluster.failures import broken_cluster, lost_scheduler
from genzoo.comparison.cluster.sending import Dispatch, send_data
from genzoo.comparison.cluster.work import FitTerms, forget_data, open_on_worker
from genzoo.comparison.fits.job import FitJob, FitResult
from genzoo.comparison.location import DataLocation
from genzoo.comparison.relay import lane_of
from genzoo.comparison.splits import SplitPlan
from genzoo.comparison.workers import with_threads
from genzoo.config.data import DataSettings
from genzoo.data.dataset import Dataset
from genzoo.errors import ConfigError, GenzooError
from genzoo.models.local import local_models
from genzoo.runtime.cluster import (
    LOCAL_CLUSTER,
    AnyCluster,
    ask_workers,
    await_worker,
    connect,
    dask_library,
    is_lost,
)
from genzoo.runtime.cluster_versions import check_workers, versions_here
from genzoo.runtime.device import resolve_device
from genzoo.runtime.progress import Phase, PhaseView, is_observed
from genzoo.wording import argument, front_end

if TYPE_CHECKING:
    from distributed import Client, Future

_SILENT = 3.0
"""Seconds after which a worker that reports nothing is no longer shown."""


def check_cluster(on: AnyCluster, jobs: int | None, device: str) -> None:
    """Check, before anything slow is done, that a cluster can be used.

    Arguments:
        on: the cluster, as for `connect`.
        jobs: number of fits at a time, if it was given.
        device: name of the device that the fits compute on.

    Raises:
        ConfigError: `on` names no cluster, has workers of its own while `jobs` was given, or workers that compute on
            another kind of device.
        PluginError: its workers have other software.
        GenzooError: no scheduler answers, or it is gone before its workers have answered.
    """
    if on == LOCAL_CLUSTER:
        dask_library()
        return
    if jobs is not None:
        raise ConfigError(
            f"{argument('jobs', jobs)} counts processes of this machine, and a cluster has workers of its own. Leave "
            f"it out, or start {jobs} workers."
        )
    with connect(on) as client, _explained(client):
        check_workers(client, device)


def run_on_cluster(
    dataset: Dataset,
    division: SplitPlan,
    trials: Iterable[FitJob],
    *,
    on: AnyCluster,
    settings: DataSettings | None,
    workers: int | None,
    threads: int,
    phase: Phase,
) -> Generator[FitResult]:
    """Run all fits on a cluster, and yield each result when it is ready.

    Arguments:
        dataset: the data, already opened.
        division: which rows each fit uses.
        trials: the fits. An iterator is asked for the next one when there is a free worker for it, and its fits are of
            one model.
        on: the cluster, as for `connect`.
        settings: settings that any process can open the data from; `None` if they exist in memory only.
        workers: number of workers of a cluster of this machine; `None` for as many as the cores allow.
        threads: CPU threads of each fit.
        phase: shows the progress of the fits that go on; the caller counts those that have ended.

    Raises:
        PluginError: workers have other software.
        GenzooError: the scheduler cannot be reached, or is gone.
    """
    waiting = iter(trials)
    first = next(waiting, None)
    if first is None:
        return
    device = first.config.device  # all have the same
    with connect(on, workers=workers, threads=threads) as client, with_threads(threads), _explained(client):
        await_worker(client, phase, forget_data)
        check_workers(client, device)
        phase.describe(f"dashboard {client.dashboard_link}")
        with _lanes(client, phase) as topic:
            place, arrays = _send_data(client, dataset, division, settings, phase)
            known = trials if isinstance(trials, Sequence) else (first,)
            own = local_models(trial.config.model for trial in known)
            kind = resolve_device(device).type
            terms = FitTerms(place, versions_here(), kind, threads, front_end(), topic, own)
            dispatch = Dispatch(client, terms, arrays, dataset, phase, one_by_one=not isinstance(trials, Sequence))
            yield from dispatch.results(itertools.chain([first], waiting))


def _send_data(
    client: Client, dataset: Dataset, division: SplitPlan, settings: DataSettings | None, phase: Phase
) -> tuple[DataLocation, Future | None]:
    """Let workers open the data if all of them find the same, or else send the data to each worker once."""
    if settings is not None:
        place = DataLocation.of(dataset, division, settings, dataset.digest())
        if all(reason is None for reason in ask_workers(client, open_on_worker, place).values()):
            return place, None
    return DataLocation.of(dataset, division, None, dataset.digest()), send_data(client, dataset, phase)


@contextlib.contextmanager
def _lanes(client: Client, phase: Phase) -> Iterator[str | None]:
    """Show what the workers do as lanes of a phase; return the topic for their reports, or `None` if nobody looks."""
    if not is_observed():
        yield None
        return
    topic, known = f"genzoo-{uuid.uuid4().hex}", dict[str, tuple[float, list[PhaseView]]]()

    def note(event: tuple[float, Any]) -> None:
        known[event[1]["lane"]] = time.monotonic(), lane_of(event[1]["report"])

    def lanes() -> list[list[PhaseView]]:
        oldest = time.monotonic() - _SILENT
        return [lane for heard, lane in list(known.values()) if lane and heard > oldest]

    client.subscribe_topic(topic, note)
    phase.lanes = lanes
    try:
        yield topic
    finally:
        phase.lanes = tuple
        with contextlib.suppress(Exception):  # the scheduler may be gone
            client.unsubscribe_topic(topic)


@contextlib.contextmanager
def _explained(client: Client) -> Iterator[None]:
    """Turn the errors of a lost connection into one that says what is kept."""
    try:
        yield
    except GenzooError:
        raise
    except Exception as error:  # a client whose scheduler is gone has several of its own
        if is_lost(client):
            raise lost_scheduler() from error
        if isinstance(error, OSError | CancelledError):
            raise broken_cluster("The cluster does not answer", error) from error
        raise
