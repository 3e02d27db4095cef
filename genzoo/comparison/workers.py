"""Run fits one after another in this process, or several at a time in worker processes."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError

from genzoo.comparison.fit import run_fit_job
from genzoo.comparison.fits.job import FitJob, FitResult
from genzoo.comparison.relay import read_lanes, relayed
from genzoo.comparison.signals import leave_signals_to
from genzoo.comparison.splits import SplitPlan
from genzoo.config.data import DataSettings, SplitSettings
from genzoo.data.dataset import Dataset
from genzoo.data.loading import open_dataset
from genzoo.data.texts.flat import Texts
from genzoo.data.texts.windows import Windows
from genzoo.errors import GenzooError
from genzoo.models.local import LocalModel, local_models, register_again
from genzoo.plugins.manager import get_registry
from genzoo.runtime.progress import Phase, is_observed
from genzoo.spec.events import DataSpec
from genzoo.wording import FrontEnd, argument, front_end, speak


@dataclass(frozen=True, slots=True)
class DataLocation:
    """Where a worker process finds the data, and how it divides them.

    Arguments:
        settings: JSON of the data settings, if any process can open the data from them; otherwise `None`.
        folder: folder with arrays from memory as `.npy` files; `None` if `settings` is given.
        name, spec, test_rows: of a dataset in memory.
        mapped: whether its rows are memory-mapped.
        split: JSON of the split settings.
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


_BESIDE = ("weights", "groups", "times", "conditions")
"""Arrays of a dataset in memory, besides its events, that a worker needs."""


_PIECES = "pieces.npy"
"""File of the long texts that windows belong to."""


# A worker runs many fits of one comparison: it opens the data once.
@functools.lru_cache(maxsize=1)
def _open(place: DataLocation) -> tuple[Dataset, SplitPlan]:
    split = SplitSettings.model_validate_json(place.split)
    if place.settings is not None:
        dataset = open_dataset(DataSettings.model_validate_json(place.settings), get_registry(), split)
    else:
        assert place.folder is not None
        events = np.load(Path(place.folder) / "events.npy", mmap_mode="r")
        pieces = Path(place.folder) / _PIECES
        if pieces.exists() and place.spec.end is not None:
            events = Windows.of_texts(Texts.of(events, place.spec.end, place.name), np.load(pieces)).as_array()
        found = {name: Path(place.folder) / f"{name}.npy" for name in _BESIDE}
        dataset = Dataset(
            place.name,
            place.spec,
            events if place.mapped else np.asarray(events),
            test_rows=place.test_rows,
            **{name: np.load(path) for name, path in found.items() if path.exists()},
        )
    gc.freeze()  # see `_modules_apart`; this process ends with the comparison
    return dataset, SplitPlan.of(dataset, split, place.seed, place.folds)


def _work(
    place: DataLocation,
    trial: FitJob,
    threads: int,
    parent: int,
    to: FrontEnd,
    reports: str | None,
    own: tuple[LocalModel, ...],
) -> FitResult:
    """Run one fit in a worker process.

    Arguments:
        to: what the messages of errors are written for.
        reports: folder to report progress into, or `None`.
        own: models that are classes of the user's.
    """
    leave_signals_to(parent)
    speak(to)
    torch.set_num_threads(threads)
    for model in own:
        register_again(model)
    with relayed(reports):
        return run_fit_job(*_open(place), trial)


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
    trials: Sequence[FitJob],
    *,
    settings: DataSettings | None,
    jobs: int,
    threads: int,
    phase: Phase,
) -> Iterator[FitResult]:
    """Run all fits, and yield each result when it is ready.

    The order of results depends on `jobs`; their numbers do not.

    Arguments:
        dataset: the data, already opened.
        division: which rows each fit uses.
        trials: the fits.
        settings: settings that any process can open the data from; `None` if they exist in memory only.
        jobs: number of fits at a time.
        threads: CPU threads of each fit.
        phase: shows the progress of the fits that go on; the caller counts those that have ended.

    Raises:
        GenzooError: a worker process died.
    """
    if jobs == 1 or len(trials) <= 1:
        phase.part = 1
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
            if isinstance(dataset.events, Windows):
                np.save(Path(folder) / _PIECES, dataset.events.pieces)
            for name in _BESIDE:
                if (values := getattr(dataset, name)) is not None:
                    np.save(Path(folder) / f"{name}.npy", values)
        reports = Path(folder) / "progress" if is_observed() else None
        if reports is not None:
            reports.mkdir()
            phase.lanes = functools.partial(read_lanes, reports)
        yield from _at_once(place, trials, jobs, threads, None if reports is None else str(reports))


def _in_turn(dataset: Dataset, division: SplitPlan, trials: Sequence[FitJob], threads: int) -> Iterator[FitResult]:
    """Run one fit after another. Skip a fit if an earlier failure makes it useless."""
    failed: list[FitResult] = []
    with _modules_apart():
        for trial in trials:
            outcome = _spared(trial, failed)
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


def _spared(trial: FitJob, failed: Sequence[FitResult]) -> FitResult | None:
    """Return the result of a fit that can be skipped because an earlier fit of its candidate failed, else `None`."""
    before = next((outcome for outcome in failed if outcome.trial.spares(trial)), None)
    return None if before is None else FitResult(trial, failure=before.failure, exit_code=before.exit_code)


def _at_once(
    place: DataLocation, trials: Sequence[FitJob], jobs: int, threads: int, reports: str | None
) -> Iterator[FitResult]:
    """Run several fits at a time. Skip a fit if a failure makes it useless before it starts."""
    own = local_models(trial.config.model for trial in trials)
    failed: list[FitResult] = []
    spared: deque[FitResult] = deque()

    # joblib asks this generator for the next task only when a worker is nearly free, so failures that arrive
    # meanwhile are known here. A list would fix all tasks at the start.
    def tasks() -> Iterator[Any]:
        for trial in trials:
            outcome = _spared(trial, failed)
            if outcome is None:
                yield joblib.delayed(_work)(place, trial, threads, os.getpid(), front_end(), reports, own)
            else:
                spared.append(outcome)

    processes = min(jobs, len(trials))
    # loky starts fresh processes. Forked ones would inherit this process's threads and GPU in an unusable state.
    with joblib.parallel_config(backend="loky", n_jobs=processes, inner_max_num_threads=threads):
        # Batches of several fits would start more of them before a failure is known.
        pool = joblib.Parallel(return_as="generator_unordered", max_nbytes=None, batch_size=1)
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
