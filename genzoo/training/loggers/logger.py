"""What a tool for experiments has to do to receive what a training logs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genzoo.persistence.run import Run

Values = Mapping[str, float]
"""Numbers by name: `loss/NAME`, `validation/objective` and `validation/METRIC`."""


@dataclass(frozen=True)
class Logged:
    """What a training logged after one step.

    Arguments:
        step: number of the step.
        values: numbers by name.
        samples: files of samples, whose names end in `.png`, `.csv`, `.txt`, `.wav` and the like.
    """

    step: int
    values: Values
    samples: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Opening:
    """What a logger is opened with.

    Arguments:
        run: run that is trained.
        sent: the last step whose values were sent before; 0 for a new run. None of them comes again.
        state: what `Logger.state` returned before; empty for a new run.
    """

    run: Run
    sent: int
    state: Mapping[str, Any]


class Logger(ABC):
    """Receives the log of a training, each step once, also if the training is killed and resumed.

    A subclass connects to its tool in its constructor, which takes an `Opening`.
    """

    def state(self) -> dict[str, Any]:
        """Return what finds the same entry of the tool again after a resume, as JSON. Defaults to nothing."""
        return {}

    def start(self, settings: Mapping[str, Any]) -> None:  # noqa: B027 - not every tool keeps them
        """Take the settings of a new run, flat: `training.epochs` and the like. Defaults to ignoring them."""

    @abstractmethod
    def log(self, logged: Sequence[Logged]) -> None:
        """Take what was logged since the last call, by increasing step."""

    def close(self, *, finished: bool) -> None:  # noqa: B027 - not every tool has something to close
        """End the entry.

        Arguments:
            finished: whether training has finished; if not, it may be resumed.
        """


def is_picture(path: Path) -> bool:
    """Return whether a file of samples is an image."""
    return path.suffix == ".png"


def is_text(path: Path) -> bool:
    """Return whether a file of samples can be read as text."""
    return path.suffix in (".csv", ".txt", ".jsonl")


def text_of(path: Path) -> str:
    """Return the first 10,000 characters of a file of samples."""
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.read(10_000)
