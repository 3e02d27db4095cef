"""What an error on a cluster means: the scheduler is gone, or workers cannot run a fit."""

from __future__ import annotations

from typing import Any

from genzoo.errors import GenzooError
from genzoo.text import counted
from genzoo.wording import argument

_KEPT = "all that was finished is kept"


def lost_scheduler() -> GenzooError:
    """Return the error that ends the comparison if the scheduler is gone."""
    return GenzooError(
        f"The scheduler of the cluster is gone, or cannot be reached any more. With {argument('out')}, {_KEPT}. "
        f"Start the cluster, and run the same command to continue with the others."
    )


def broken_cluster(what: str, cause: BaseException) -> GenzooError:
    """Return the error that ends the comparison if the cluster fails in another way.

    Arguments:
        what: what does not work, as a sentence without its full stop.
        cause: the error behind it. Its text is part of the message.
    """
    return GenzooError(
        f"{what}: {_named(cause)}. With {argument('out')}, {_KEPT}. Mend the cluster, and run the same "
        f"command to continue with the others."
    )


def failed_on(key: str, dask_scheduler: Any) -> tuple[str, ...]:
    """Return the addresses of the workers on which a fit raised an error. It runs on the scheduler."""
    task = dask_scheduler.tasks.get(key)
    return () if task is None else tuple(task.erred_on or ())


def about_workers(error: Exception, count: int) -> str:
    """Return why a fit failed that `count` workers could not run, the last because of `error`."""
    return (
        f"{counted(count, 'worker')} could not run this fit: {_named(error)}. Mend the workers, and run the same "
        f"command again"
    )


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".rstrip(". \n")


def about_killed(error: Any) -> str:
    """Return why a fit failed whose workers died, from Dask's `KilledWorker`."""
    return (
        f"{error.allowed_failures + 1} workers died while they ran this fit, most likely because memory ran out. Give "
        f"workers more memory, or lower the size of the model"
    )
