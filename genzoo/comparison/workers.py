"""Run fits one after another in this process, or several at a time in worker processes."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import tempfile
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import joblib
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError

from genzoo.comparison.fit import run_fit_job
from genzoo.comparison.fits.job import FitJob, FitResult
from genzoo.comparison.location import DataLocation, load_arrays, save_arrays
from genzoo.comparison.relay import read_lanes, relayed, report_file
from genzoo.comparison.signals import leave_signals_to
from genzoo.comparison.splits import SplitPlan
from genzoo.config.data import DataSettings
from genzoo.data.dataset import Dataset
from genzoo.errors import GenzooError
from genzoo.models.local import LocalModel, local_models, register_again
from genzoo.runtime.progress import Phase, is_observed
from genzoo.wording import FrontEnd, argument, front_end, speak


# A worker runs many fits of one comparison: it opens the data once.
@functools.lru_cache(maxsize=1)
def _open(place: DataLocation, folder: str) -> tuple[Dataset, SplitPlan]:
    opened = place.open(None if place.settings is not None else load_arrays(Path(folder)))
    gc.freeze()  # see `_modules_apart`; this process ends with the comparison
    return opened


def _work(
    place: DataLocation,
    folder: str,
    trial: FitJob,
    threads: int,
    parent: int,
    to: FrontEnd,
    reports: str | None,
    own: tuple[LocalModel, ...],
) -> FitResult:
    """Run one fit in a worker process.

    Arguments:
        folder: folder with the arrays of data that exist in memory only.
        to: what the messages of errors are written for.
        reports: folder to report progress into, or `None`.
        own: models that are classes of the user's.
    """
    leave_signals_to(parent)
    speak(to)
    torch.set_num_threads(threads)
    for model in own:
        register_again(model)
    with relayed(report_file(reports)):
        return run_fit_job(*_open(place, folder), trial)


@contextlib.contextmanager
def with_threads(count: int) -> Iterator[None]:
    """Use `count` CPU threads inside, and restore the former number afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def run_fit_jobs(
    dataset: Dataset,
    division: SplitPlan,
    trials: Iterable[FitJob],
    *,
    settings: DataSettings | None,
    jobs: int,
    threads: int,
    phase: Phase,
) -> Generator[FitResult]:
    """Run all fits, and yield each result when it is ready.

    The order of results depends on `jobs`; their numbers do not.

    Arguments:
        dataset: the data, already opened.
        division: which rows each fit uses.
        trials: the fits. An iterator is asked for the next one when there is a free process for it.
        settings: settings that any process can open the data from; `None` if they exist in memory only.
        jobs: number of fits at a time.
        threads: CPU threads of each fit.
        phase: shows the progress of the fits that go on; the caller counts those that have ended.

    Raises:
        GenzooError: a worker process died.
    """
    if jobs == 1 or (isinstance(trials, Sequence) and len(trials) <= 1):
        phase.part = 1
        yield from _in_turn(dataset, division, trials, threads)
        return
    with tempfile.TemporaryDirectory(prefix="genzoo-") as folder:
        place = DataLocation.of(dataset, division, settings)
        if settings is None:
            save_arrays(dataset, Path(folder))
        reports = Path(folder) / "progress" if is_observed() else None
        if reports is not None:
            reports.mkdir()
            phase.lanes = functools.partial(read_lanes, reports)
        yield from _at_once(place, folder, trials, jobs, threads, None if reports is None else str(reports))


def _in_turn(dataset: Dataset, division: SplitPlan, trials: Iterable[FitJob], threads: int) -> Iterator[FitResult]:
    """Run one fit after another. Skip a fit if an earlier failure makes it useless."""
    failed: list[FitResult] = []
    with _modules_apart():
        for trial in trials:
            outcome = spared_by(trial, failed)
            if outcome is None:
                with with_threads(threads):
                    outcome = run_fit_job(dataset, division, trial)
                if outcome.failure is not None:
                    failed.append(outcome)
            yield outcome


@contextlib.contextmanager
def _modules_apart() -> Iterator[None]:
    """Keep the garbage collector from looking through the objects of all imported modules.

    Memory is measured from a clean state, so each candidate needs a collection. With these objects, one takes longer
    than EM of a small table.
    """
    if gc.get_freeze_count():  # the caller has done so
        yield
        return
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def spared_by(trial: FitJob, failed: Sequence[FitResult]) -> FitResult | None:
    """Return the result of a fit that can be skipped because an earlier fit of its candidate failed, else `None`."""
    before = next((outcome for outcome in failed if outcome.trial.spares(trial)), None)
    return None if before is None else FitResult(trial, failure=before.failure, exit_code=before.exit_code)


def _at_once(
    place: DataLocation, folder: str, trials: Iterable[FitJob], jobs: int, threads: int, reports: str | None
) -> Iterator[FitResult]:
    """Run several fits at a time. Skip a fit if a failure makes it useless before it starts."""
    failed: list[FitResult] = []
    spared: deque[FitResult] = deque()
    to = front_end()  # joblib may ask for a task in a thread of its own

    # joblib asks this generator for the next task only when a worker is nearly free, so failures that arrive
    # meanwhile are known here. A list would fix all tasks at the start.
    def tasks() -> Iterator[Any]:
        for trial in trials:
            outcome = spared_by(trial, failed)
            if outcome is None:
                own = local_models(iter([trial.config.model]))
                yield joblib.delayed(_work)(place, folder, trial, threads, os.getpid(), to, reports, own)
            else:
                spared.append(outcome)

    known = isinstance(trials, Sequence)
    processes = min(jobs, len(trials)) if isinstance(trials, Sequence) else jobs
    # loky starts fresh processes. Forked ones would inherit this process's threads and GPU in an unusable state.
    with joblib.parallel_config(backend="loky", n_jobs=processes, inner_max_num_threads=threads):
        # Batches of several fits would start more of them before a failure is known.
        pool = joblib.Parallel(
            return_as="generator_unordered",
            max_nbytes=None,
            batch_size=1,
            pre_dispatch="2 * n_jobs" if known else "n_jobs",
        )
    try:
        for outcome in pool(tasks()):
            if outcome.failure is not None:
                failed.append(outcome)
            yield outcome
        yield from spared  # joblib yields only what workers returned
    except TerminatedWorkerError as error:
        raise GenzooError(
            f"One of {jobs} worker processes died, most likely because memory ran out. With {argument('out')}, "
            f"finished candidates "
            f"are kept. Run the same command with fewer {argument('jobs')}."
        ) from error
    except Exception as error:
        if type(error).__name__ != "PicklingError":
            raise
        raise GenzooError(
            f"A class of yours cannot be sent to other processes: {error.__cause__ or error}. Save it in a file of its "
            f"own, as my_model.py:MyModel, or use {argument('jobs', 1)}."
        ) from error
