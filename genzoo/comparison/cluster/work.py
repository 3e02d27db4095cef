"""What a worker of a cluster does: open the data once, check what it computes with, and run fits."""

from __future__ import annotations

import functools
import gc
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from genzoo.comparison.fit import run_fit_job
from genzoo.comparison.fits.job import FitJob, FitResult
from genzoo.comparison.location import DataLocation
from genzoo.comparison.relay import relayed
from genzoo.comparison.splits import SplitPlan
from genzoo.data.dataset import Dataset
from genzoo.errors import DataError, GenzooError
from genzoo.models.local import LocalModel, register_again
from genzoo.runtime.cluster import dask_library
from genzoo.runtime.cluster_versions import Versions, check_kind, check_same, device_kind, versions_here
from genzoo.runtime.memory import keep_freed_memory
from genzoo.typing import Array
from genzoo.wording import FrontEnd, speaking


class OtherDataError(DataError):
    """A worker cannot open the data, or finds others under the same path."""


@dataclass(frozen=True, slots=True)
class FitTerms:
    """What all fits of a comparison share.

    Arguments:
        place: where the data are.
        versions: the versions that a worker must have.
        device: the kind of device that it must compute on.
        threads: CPU threads of each fit.
        to: what the messages of errors are written for.
        topic: name under which workers report their progress; `None` if nobody looks.
        own: models that are classes of the user's.
    """

    place: DataLocation
    versions: Versions
    device: str
    threads: int
    to: FrontEnd
    topic: str | None
    own: tuple[LocalModel, ...]


class ReportedEvents:
    """Reports that travel through the scheduler, as events of a topic.

    Arguments:
        topic: the topic.
    """

    def __init__(self, topic: str) -> None:
        self._worker, self._topic = dask_library().get_worker(), topic
        self._lane = f"{self._worker.address}/{threading.get_ident()}"

    def write(self, report: str) -> None:
        self._worker.log_event(self._topic, {"lane": self._lane, "report": report})

    def close(self) -> None:
        self.write("[]")


_one_opens = threading.Lock()
_opened: dict[DataLocation, tuple[Dataset, SplitPlan]] = {}
"""The data of the comparison that this worker works for."""


def run_on_worker(trial: FitJob, terms: FitTerms, arrays: Mapping[str, Array] | None) -> FitResult:
    """Run one fit on a worker.

    Arguments:
        arrays: the data, if they were sent; `None` if the worker opens them.

    Raises:
        PluginError: the worker has other software.
        ConfigError: it computes on another kind of device.
        OtherDataError: it does not find the data.
    """
    with speaking(terms.to):
        check_same(versions_here(), f"Worker {_address()}", terms.versions)
        check_kind(device_kind(trial.config.device), _address(), terms.device)
        dataset, division = _data(terms.place, arrays)
        torch.set_num_threads(terms.threads)
        keep_freed_memory()
        for model in terms.own:
            register_again(model)
        with relayed(None if terms.topic is None else ReportedEvents(terms.topic)):
            return run_fit_job(dataset, division, trial)


def open_on_worker(place: DataLocation) -> str | None:
    """Open the data on a worker; return why that is not possible, or `None`."""
    try:
        _data(place, None)
    except (GenzooError, OSError) as error:
        return str(error)
    return None


def forget_data() -> None:
    """Let go of the data of the last comparison."""
    with _one_opens:
        _opened.clear()


def _data(place: DataLocation, arrays: Mapping[str, Array] | None) -> tuple[Dataset, SplitPlan]:
    with _one_opens:
        if place not in _opened:
            _opened.clear()
            _opened[place] = _open(place, arrays)
            _modules_apart()
        return _opened[place]


def _open(place: DataLocation, arrays: Mapping[str, Array] | None) -> tuple[Dataset, SplitPlan]:
    try:
        dataset, division = place.open(arrays)
    except (GenzooError, OSError) as error:
        raise OtherDataError(f"Worker {_address()} cannot open the data: {error}") from error
    if arrays is None and dataset.digest() != place.digest:
        raise OtherDataError(f"Worker {_address()} finds other data than this process under the same name or path.")
    return dataset, division


@functools.cache
def _modules_apart() -> None:
    """Keep the garbage collector from looking through the objects of imported modules, as each fit collects once."""
    gc.collect()
    gc.freeze()


def _address() -> str:
    """Return the address of this worker, which is known while it runs a fit."""
    try:
        return str(dask_library().get_worker().address)
    except ValueError:
        return "of the cluster"
