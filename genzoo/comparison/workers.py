"""Run fits in this process or in several worker processes."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError

from genzoo.comparison.fit import FitJob, FitResult, run_fit_job
from genzoo.comparison.splits import SplitPlan
from genzoo.config.settings import DataSettings, SplitSettings
from genzoo.data.dataset import Dataset
from genzoo.data.loading import open_dataset
from genzoo.errors import GenzooError
from genzoo.plugins.manager import get_registry
from genzoo.spec import DataSpec

_EVERY = 0.5
"""Seconds between looks at the parent."""


@functools.cache
def exit_with_parent(parent: int) -> None:
    """Have this process end soon after the one of a number, which started it, is gone; killed, it could not say so.

    Arguments:
        parent: its number; it may be gone already.
    """
    threading.Thread(target=_watch, args=(parent,), name="end-with-parent", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_EVERY)
    os._exit(1)


@dataclass(frozen=True, slots=True)
class DataLocation:
    """Where a process finds the data and how it divides them.

    Arguments:
        settings: JSON of the settings of data that any process can open, or `None`.
        folder: where arrays in memory were put as `.npy`, or `None`.
        name, spec, test_rows, mapped: of a dataset in memory.
        split: JSON of the settings of the split.
        seed, folds: of the comparison.
    """

    settings: str | None
    folder: str | None
    name: str
    spec: DataSpec
    test_rows: int
    mapped: bool
    split: str
    seed: int
    folds: int


@functools.lru_cache(maxsize=1)
def _open(place: DataLocation) -> tuple[Dataset, SplitPlan]:
    if place.settings is not None:
        dataset = open_dataset(DataSettings.model_validate_json(place.settings), get_registry())
    else:
        assert place.folder is not None
        events = np.load(Path(place.folder) / "events.npy", mmap_mode="r")
        weights = Path(place.folder) / "weights.npy"
        dataset = Dataset(
            place.name,
            place.spec,
            events if place.mapped else np.asarray(events),
            test_rows=place.test_rows,
            weights=np.load(weights) if weights.exists() else None,
        )
    return dataset, SplitPlan.of(dataset, SplitSettings.model_validate_json(place.split), place.seed, place.folds)


def _work(place: DataLocation, trial: FitJob, threads: int, parent: int) -> FitResult:
    """One fit in a process of its own, which leaves interrupts to the one that started it, and ends with it."""
    exit_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    return run_fit_job(*_open(place), trial)


@contextlib.contextmanager
def with_threads(count: int) -> Iterator[None]:
    """Compute on `count` threads, and on as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def run_fit_jobs(
    dataset: Dataset,
    division: SplitPlan,
    trials: Sequence[FitJob],
    *,
    settings: DataSettings | None,
    jobs: int,
    threads: int,
) -> Iterator[FitResult]:
    """Make all fits; yields each as it is done.

    Arguments:
        settings: from which any process can open the dataset; `None` where it exists in memory alone.
        jobs: fits at a time.
        threads: of each fit.

    Raises:
        GenzooError: a process died.
    """
    if jobs == 1 or len(trials) == 1:
        yield from _in_turn(dataset, division, trials, threads)
        return
    with tempfile.TemporaryDirectory(prefix="genzoo-") as folder:
        place = DataLocation(
            None if settings is None else settings.model_dump_json(),
            None if settings is not None else folder,
            dataset.name,
            dataset.spec,
            dataset.test_rows,
            type(dataset.events) is not np.ndarray,
            division.settings.model_dump_json(),
            division.seed,
            0 if division.fold is None else int(division.fold.max()) + 1,
        )
        if settings is None:
            np.save(Path(folder) / "events.npy", dataset.events[:])
            if dataset.weights is not None:
                np.save(Path(folder) / "weights.npy", dataset.weights)
        yield from _at_once(place, trials, jobs, threads)


def _in_turn(dataset: Dataset, division: SplitPlan, trials: Sequence[FitJob], threads: int) -> Iterator[FitResult]:
    """One fit after the other; none that a failure has spared."""
    failed: list[FitResult] = []
    for trial in trials:
        outcome = _spared(trial, failed)
        if outcome is None:
            with with_threads(threads):
                outcome = run_fit_job(dataset, division, trial)
            if outcome.failure is not None:
                failed.append(outcome)
        yield outcome


def _spared(trial: FitJob, failed: Sequence[FitResult]) -> FitResult | None:
    """The outcome of a fit that need not be made, as one before it failed."""
    before = next((outcome for outcome in failed if outcome.trial.spares(trial)), None)
    return None if before is None else FitResult(trial, failure=before.failure, exit_code=before.exit_code)


def _at_once(place: DataLocation, trials: Sequence[FitJob], jobs: int, threads: int) -> Iterator[FitResult]:
    """Several fits at a time; none that a failure has spared before it began."""
    failed: list[FitResult] = []
    spared: deque[FitResult] = deque()

    def tasks() -> Iterator[Any]:
        for trial in trials:
            outcome = _spared(trial, failed)
            if outcome is None:
                yield joblib.delayed(_work)(place, trial, threads, os.getpid())
            else:
                spared.append(outcome)

    processes = min(jobs, len(trials))
    with joblib.parallel_config(backend="loky", n_jobs=processes, inner_max_num_threads=threads):
        pool = joblib.Parallel(return_as="generator_unordered", max_nbytes=None)
    try:
        for outcome in pool(tasks()):
            if outcome.failure is not None:
                failed.append(outcome)
            yield outcome
        yield from spared
    except TerminatedWorkerError as error:
        raise GenzooError(
            f"One of {jobs} processes that fitted models died, most likely for want of memory. What was finished is "
            f"kept where --out was given; try fewer --jobs."
        ) from error


def available_cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
