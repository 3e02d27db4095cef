"""Open a study of Optuna, and say in its words what is searched."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genzoo.errors import ArtifactError, GenzooError
from genzoo.metrics.metric import Direction
from genzoo.plugins.registry import MissingExtraError
from genzoo.tuning.space import SearchAxis

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution


_NAME = "genzoo"


def optuna_library() -> Any:
    """Return the package `optuna`.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError(
            "A search of settings needs the package optuna, which is not installed: pip install 'genzoo[tune]'."
        ) from error
    return optuna


def open_study(file: Path | None, direction: Direction) -> Study:
    """Open a study, or create one."""
    optuna = optuna_library()
    storage = optuna.storages.InMemoryStorage()
    try:
        if file is not None:
            _cut_torn_line(file)
            journal = optuna.storages.journal
            # The folder is locked by this process, so the lock of another one was left by a kill.
            lock = journal.JournalFileOpenLock(str(file))
            file.with_name(file.name + ".lock").unlink(missing_ok=True)
            storage = optuna.storages.JournalStorage(journal.JournalFileBackend(str(file), lock_obj=lock))
        study: Study = optuna.create_study(
            storage=storage,
            study_name=_NAME,
            load_if_exists=True,
            direction="maximize" if direction == "higher" else "minimize",
            pruner=optuna.pruners.NopPruner(),
        )
    except OSError as error:
        raise GenzooError(f"{file} cannot be opened: {error.strerror}.") from error
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{file} is damaged: {error}. Delete its folder, and search again.") from error
    return study


def _cut_torn_line(file: Path) -> None:
    """Remove half a line at the end of a journal, which a killed process may have left and Optuna cannot read."""
    if file.exists() and (content := file.read_bytes()) and not content.endswith(b"\n"):
        with file.open("r+b") as opened:
            opened.truncate(content.rfind(b"\n") + 1)


def distribution_of(axis: SearchAxis) -> BaseDistribution:
    """Return an axis in Optuna's words."""
    known: Any = optuna_library().distributions
    found: BaseDistribution
    if axis.choices:
        found = known.CategoricalDistribution(list(axis.choices))
    elif axis.whole:
        step = 1 if axis.step is None else int(axis.step)
        found = known.IntDistribution(int(axis.low), _last(axis, step), log=axis.log, step=step)
    else:
        high = axis.high if axis.step is None else _last(axis, axis.step)
        found = known.FloatDistribution(axis.low, high, log=axis.log, step=axis.step)
    return found


def _last(axis: SearchAxis, step: Any) -> Any:
    """Return the last value of a range of steps, which Optuna wants as its end."""
    last = axis.low + (int(axis.count) - 1) * step
    return int(last) if axis.whole else last


def state_of(name: str) -> Any:
    """Return the state of a trial by its name in Optuna."""
    return optuna_library().trial.TrialState[name]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what Optuna logs about every trial, and its warnings about features that may change."""
    logging = optuna_library().logging
    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"optuna\b")
            warnings.filterwarnings("ignore", category=optuna_library().exceptions.ExperimentalWarning)
            yield
    finally:
        logging.set_verbosity(before)
