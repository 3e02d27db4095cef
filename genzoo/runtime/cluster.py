"""Connect to a Dask cluster: one that this process starts, one at an address, or one behind a client at hand.

Dask is an optional package, which is imported when it is first needed.
"""

from __future__ import annotations

import contextlib
import json
import logging
import multiprocessing
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from genzoo.errors import ConfigError, GenzooError, is_out_of_memory
from genzoo.plugins.registry import MissingExtraError
from genzoo.runtime import cluster_worker
from genzoo.runtime.progress import Phase
from genzoo.runtime.threads import available_cores
from genzoo.text import counted
from genzoo.wording import argument

if TYPE_CHECKING:
    from distributed import Client

AnyCluster: TypeAlias = "str | Client"
"""`"dask"`, the address of a scheduler, the path of a scheduler's file, or a client of `distributed`."""

LOCAL_CLUSTER = "dask"
"""Name of a cluster of this machine, which lasts as long as the work."""

_ADDRESS = re.compile(r"(tcp|tls|ws|wss|inproc)://\S+")

_PATIENCE = 10
"""Seconds within which a scheduler must answer."""

_NOTICE = 1.0
"""Seconds within which a client notices that its scheduler is gone."""

_GLANCE = 0.2
"""Seconds between two looks whether a worker has connected."""

_FOR_LONG_WORK = {
    "distributed.scheduler.worker-saturation": 1.0,  # by default, a second piece waits behind the one that is computed
    "distributed.worker.profile.interval": "1s",  # by default 10 ms, which takes 7 % of a core
    "distributed.admin.tick.interval": "1s",  # by default 20 ms, which takes 2 % of a core in each process
}
"""Settings of Dask for a cluster of this machine, whose workers compute few large pieces of work."""


@contextlib.contextmanager
def connect(on: AnyCluster, *, workers: int | None = None, threads: int = 1) -> Iterator[Client]:
    """Connect to a cluster. One that this call starts ends with the context, and a client at hand stays connected.

    Arguments:
        on: `"dask"` for a cluster of this machine, the address of a scheduler such as `"tcp://10.0.0.5:8786"`, the path
            of the file that `dask scheduler --scheduler-file` writes, or a `distributed.Client`.
        workers: number of worker processes of a cluster of this machine. Defaults to as many as the cores allow.
        threads: CPU threads that each of them computes with. Defaults to 1.

    Raises:
        ConfigError: `on` names no cluster, or lacks certificates, or the client is asynchronous.
        GenzooError: no scheduler answers, or no worker process can be started.
        MissingExtraError: `distributed` is not installed.
    """
    library = dask_library()
    if isinstance(on, library.Client):
        _check_client(on)
        with _quiet():
            yield on
    elif check_cluster_name(on) == LOCAL_CLUSTER:
        with _quiet(), _local_cluster(library, workers or max(1, available_cores() // threads)) as client:
            yield client
    else:
        with _quiet(), contextlib.closing(_connected(library, on)) as client:
            yield client


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep tracebacks of a lost connection off the terminal. The error of the call says what happened."""
    log = logging.getLogger("distributed.client")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def await_worker(client: Client, phase: Phase, first: Callable[[], object]) -> None:
    """Wait until a cluster has a worker, and let the display of a phase say so.

    Arguments:
        first: what the first worker does. Its module imports what the work needs.

    Raises:
        OSError: the scheduler is gone.
    """
    if client.nthreads():
        return
    phase.describe(waiting_for_worker(client))
    # A cluster that grows by itself starts a worker only for work that waits, and ends it while nothing but questions
    # arrives. So the slow imports are work, too.
    begun = client.submit(first, pure=False)
    while not (client.nthreads() and begun.done()):
        time.sleep(_GLANCE)
    begun.release()


def is_lost(client: Client) -> bool:
    """Return whether the scheduler is gone, after an error that may come from this."""
    end = time.monotonic() + _NOTICE
    while (status := str(client.status)) == "running" and time.monotonic() < end:
        time.sleep(_NOTICE / 20)
    return status != "running"


def waiting_for_worker(client: Client) -> str:
    """Return what a display says of a cluster that has no worker."""
    return f"waiting for a worker to connect to {client.scheduler.address}"


def ask_workers(client: Client, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """Run a function on every worker, and return the results, or the errors that it raised, by address.

    A worker that is lost meanwhile has no part in the answer.

    Raises:
        OSError: the scheduler is gone.
    """
    found = client.run(function, *arguments, on_error="return")
    return {worker: answer for worker, answer in found.items() if not isinstance(answer, OSError)}


def dask_library() -> Any:
    """Return the package `distributed`.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import distributed
    except ImportError as error:
        raise MissingExtraError(
            f"{argument('on')} needs the package distributed, which is not installed: pip install 'genzoo[dask]'. Or "
            f"use the cores of this machine: {argument('jobs', 2)}."
        ) from error
    return distributed


def check_cluster_name(on: Any) -> str:
    """Return a text that names a cluster.

    Raises:
        ConfigError: it names none.
    """
    if isinstance(on, str) and (on == LOCAL_CLUSTER or _ADDRESS.fullmatch(on) or on.endswith(".json")):
        return on
    hint = ""
    if isinstance(on, str) and re.fullmatch(r"[\w.-]+:\d+", on):
        hint = f" Did you mean {'tcp://' + on!r}?"
    raise ConfigError(
        f"{argument('on')} takes 'dask' for this machine, the address of a scheduler such as 'tcp://10.0.0.5:8786', or "
        f"the path of a scheduler file that ends in .json, not {on!r}.{hint}"
    )


def _check_client(client: Client) -> None:
    if client.asynchronous:
        raise ConfigError(f"{argument('on')} takes a client that is not asynchronous: Client(..., asynchronous=False).")
    if client.status != "running":
        raise ConfigError(
            f"The client in {argument('on')} is {client.status}. Give one that is connected to a scheduler."
        )


@contextlib.contextmanager
def _local_cluster(library: Any, workers: int) -> Iterator[Client]:
    """Start worker processes of this machine, each for one piece of work at a time."""
    from dask import config

    if getattr(multiprocessing.current_process(), "_inheriting", False) or _runs_again(sys.modules["__main__"]):
        raise ConfigError(
            "A script that starts worker processes is imported by each of them, and would start workers of its own "
            "without end. Put its calls below the line if __name__ == '__main__':."
        )
    try:
        with config.set(_FOR_LONG_WORK):
            cluster = library.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                memory_limit=0,  # as for processes of genzoo's own, the machine sets the limit
                dashboard_address="127.0.0.1:0",
                preload=[cluster_worker.__name__],
                silence_logs=logging.ERROR,
            )
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise GenzooError(
            f"{counted(workers, 'worker process')} cannot be started on this machine: "
            f"{str(error).rstrip('.')}. Use fewer {argument('jobs')}."
        ) from error
    with cluster, library.Client(cluster, set_as_default=False) as client:
        yield client


def _runs_again(main: ModuleType) -> bool:
    """Return whether fresh processes would run the calls of a script again, as no line of it looks at `__name__`."""
    # Of a package that was started with -m, nothing is run again; a notebook has no file.
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name.endswith("__main__"):
        return False
    try:
        return "__name__" not in Path(main.__file__ or "").read_text(encoding="utf-8")
    except (AttributeError, OSError, ValueError):
        return False


def _connected(library: Any, on: str) -> Any:
    """Connect to a scheduler that runs already."""
    address = _address_in(on) if on.endswith(".json") else on
    if address.startswith("tls://") and library.Security().get_connection_args("client")["ssl_context"] is None:
        raise ConfigError(
            f"{address} needs certificates, and Dask's configuration names none. Set distributed.comm.tls in "
            f"~/.config/dask/distributed.yaml, or use an address that begins with tcp://."
        )
    try:
        return library.Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:  # a time limit that passed is an OSError, too
        raise GenzooError(
            f"No scheduler answers at {address} within {_PATIENCE} seconds. Start one with 'dask scheduler', check the "
            f"address and the firewall, or use this machine: {argument('on', LOCAL_CLUSTER)}."
        ) from error


def _address_in(path: str) -> str:
    """Return the address that a scheduler wrote into its file.

    Raises:
        GenzooError: the file does not exist, or holds no address.
    """
    try:
        return str(json.loads(Path(path).expanduser().read_text(encoding="utf-8"))["address"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GenzooError(
            f"{path} is no scheduler file that can be read. Start a scheduler with 'dask scheduler --scheduler-file "
            f"{path}', in a folder that this machine sees."
        ) from error
