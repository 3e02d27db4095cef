"""Forward a training's log to other tools."""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from genzoo.config.training import LoggerName
from genzoo.engine.loss_buffer import LossRecord
from genzoo.errors import LoggerWarning
from genzoo.persistence.run import Run
from genzoo.plugins.registry import MissingExtraError
from genzoo.storage.json_files import read_json, write_json
from genzoo.storage.metrics_log import read_log
from genzoo.storage.paths import check_inside
from genzoo.training.loggers.logger import Logged, Logger, Opening
from genzoo.training.trainer import Callback, Outcome, Step
from genzoo.wording import argument

_PLACES = ("metrics.csv", "tensorboard", "wandb")
"""What loggers write in a run."""


def logger_class(name: LoggerName) -> Callable[[Opening], Logger]:
    """Return the class of a logger.

    Raises:
        MissingExtraError: its package is not installed.
    """
    try:
        match name:
            case "csv":
                from genzoo.training.loggers.csv import CSVLogger

                return CSVLogger
            case "tensorboard":
                from genzoo.training.loggers.tensorboard import TensorBoardLogger

                return TensorBoardLogger
            case "mlflow":
                from genzoo.training.loggers.mlflow import MLflowLogger

                return MLflowLogger
            case "wandb":
                from genzoo.training.loggers.wandb import WandbLogger

                return WandbLogger
    except ImportError as error:
        raise MissingExtraError(
            f"{argument('log', name)} needs a package that is not installed ({error}): pip install 'genzoo[{name}]'. "
            f"Every run has its log in metrics.jsonl in any case."
        ) from error


class LogForwarder(Callback):
    """Forwards the lines of `metrics.jsonl` and the files of samples to one tool, when a checkpoint covers them.

    A resumed training starts from a checkpoint, so that it forwards no step a second time. A tool that fails, because
    its server is gone or its disk full, ends no training: it is left alone, and gets the rest if the run is resumed.

    Use it as a context, within which training takes place.

    Arguments:
        name: the tool, for messages and for the file that remembers what was sent, `loggers/NAME.json` in the run.
        make: connects to the tool.
        run: run that is trained.
        saved: returns the step of the last checkpoint.
    """

    def __init__(self, name: LoggerName, make: Callable[[Opening], Logger], run: Run, saved: Callable[[], int]) -> None:
        self._name = name
        self._make = make
        self._run = run
        self._saved = saved
        self._path = run.path / "loggers" / f"{name}.json"
        for place in (self._path, *(run.path / own for own in _PLACES)):
            check_inside(place, run.path)  # the run may be from a stranger
        remembered = read_json(self._path) if self._path.exists() else {}
        # Also steps after the one that training continues after: it takes them again, with the same values.
        self._sent = int(remembered.get("sent", 0))
        self._state: dict[str, Any] = dict(remembered.get("state", {}))
        self._new = not remembered
        self._logger: Logger | None = None
        self._last: int | None = None
        self._finished = False

    def __enter__(self) -> Self:
        self._try(lambda: self._open(Opening(self._run, self._sent, self._state)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._logger is not None:
            logger = self._logger
            self._try(lambda: logger.close(finished=self._finished))

    def on_step_end(self, step: Step, *, stopping: bool) -> None:
        """Forward what a new checkpoint covers."""
        if self._saved() == step.number:
            self._forward(step.number)

    def on_interrupt(self, step: Step, *, complete: bool) -> None:
        """Leave out a step that a resumed training logs again."""
        self._last = step.number if complete else step.number - 1

    def on_end(self, outcome: Outcome, losses: Sequence[LossRecord]) -> None:
        """Forward the rest."""
        self._forward(self._saved() if self._last is None else min(self._last, self._saved()))
        self._finished = outcome == "finished"

    def _open(self, opening: Opening) -> None:
        self._logger = self._make(opening)
        self._remember(self._logger)
        if self._new:
            self._logger.start(dict(_flat(self._run.config.model_dump(mode="json"))))

    def _forward(self, last: int) -> None:
        """Forward all steps that were not sent, up to `last`."""
        if self._logger is None or last <= self._sent:
            return
        logger, first = self._logger, self._sent
        # Remembered before it is sent: after a crash in between, these steps are missing there, but none comes twice.
        self._sent = last
        self._try(lambda: self._remember(logger))
        self._try(lambda: logger.log(logged_between(self._run, first, last)))

    def _remember(self, logger: Logger) -> None:
        self._path.parent.mkdir(exist_ok=True)
        write_json(self._path, {"sent": self._sent, "state": logger.state()})

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # of any library
            self._logger = None
            warnings.warn(
                f"{argument('log', self._name)} failed: {error}. Training goes on, and the whole log is in "
                f"{self._run.log}.",
                LoggerWarning,
                stacklevel=2,
            )


def logged_between(run: Run, first: int, last: int) -> list[Logged]:
    """Return what a run logged after step `first`, up to step `last`."""
    values: dict[int, dict[str, float]] = defaultdict(dict)
    for _, line in read_log(run.log):
        if first < line["step"] <= last:
            values[line["step"]].update(_values(line))
    samples: dict[int, list[Path]] = defaultdict(list)
    for path in run.pictures():
        step = int(path.stem.removeprefix("step-"))
        if first < step <= last:
            samples[step].append(path)
    steps = sorted(values.keys() | samples.keys())
    return [Logged(step, values.get(step, {}), tuple(samples.get(step, ()))) for step in steps]


def _values(line: Mapping[str, Any]) -> Iterable[tuple[str, float]]:
    """Yield the numbers of a line of the log; values that could not be computed, or are not finite, are left out."""
    named = {f"loss/{name}": value for name, value in line.get("loss", {}).items()}
    named |= {f"validation/{name}": value for name, value in line.get("metrics", {}).items()}
    named["validation/objective"] = line.get("validation")
    for name, value in named.items():
        if isinstance(value, int | float) and math.isfinite(value):
            yield name, float(value)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Yield settings under names such as `training.optimizer.lr`, without those that are not set."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value
