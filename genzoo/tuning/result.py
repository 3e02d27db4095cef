"""The result of a search: its trials, and the comparison of the best of them with the default settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from genzoo.metrics.metric import Direction
from genzoo.reports.result import Report

SCHEMA = 1
"""Version of what `genzoo tune --json` prints."""


@dataclass(frozen=True, slots=True)
class TuningTrial:
    """One trial of a search.

    Arguments:
        number: counts from 1.
        settings: the values of the settings that were searched, by full name.
        status: `complete`; `pruned`, if its training was ended early because others were better; or `failed`.
        value: mean log-likelihood of the validation rows, nats per row, or the value of the metric; `None` if it was
            pruned or failed.
        error: standard error of the value; `None` if it is not known.
        reason: why there is no value; `None` if there is one.
        seconds: duration of training and judging.
        exit_code: exit code of a failed trial's error on a command line.
    """

    number: int
    settings: Mapping[str, Any]
    status: Literal["complete", "pruned", "failed"]
    value: float | None = None
    error: float | None = None
    reason: str | None = None
    seconds: float | None = None
    exit_code: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class Tuning:
    """A finished search.

    Arguments:
        model: id of the model.
        by: figure that ranks the trials: `log-likelihood`, or the name of a metric.
        direction: whether `higher` or `lower` values are better.
        search: what was tried of each setting, by full name.
        combinations: number of different settings that the search reaches; `None` if there is no end to them.
        trials: the trials, in the order in which they began.
        report: the comparison of the best trials and the default settings on test rows, which the search never saw.
        out: folder of the search; `None` if it was not kept.
    """

    model: str
    by: str
    direction: Direction
    search: Mapping[str, str]
    combinations: int | None
    trials: tuple[TuningTrial, ...]
    report: Report
    out: Path | None = None

    @property
    def ranked(self) -> tuple[TuningTrial, ...]:
        """The complete trials, the best on validation rows first."""
        return ranked(self.trials, self.direction)

    def as_dict(self) -> dict[str, Any]:
        """Return what `genzoo tune --json` prints."""
        return {
            "schema": SCHEMA,
            "model": self.model,
            "by": self.by,
            "direction": self.direction,
            "search": dict(self.search),
            "combinations": self.combinations,
            "trials": [_plain(trial) for trial in self.trials],
            "out": None if self.out is None else str(self.out),
            "comparison": self.report.as_dict(),
        }

    def __repr__(self) -> str:
        best = self.ranked[0]
        settings = ", ".join(f"{name} {value}" for name, value in best.settings.items())
        return (
            f"{len(self.trials)} trials of {self.model}; best {self.by} {best.value:.4g} with {settings}\n{self.report}"
        )


def ranked(trials: tuple[TuningTrial, ...], direction: Direction) -> tuple[TuningTrial, ...]:
    """Return the complete trials, the best first; of equal ones, the earlier first."""
    sign = -1.0 if direction == "higher" else 1.0
    complete = [(sign * trial.value, trial.number, trial) for trial in trials if trial.value is not None]
    return tuple(trial for *_, trial in sorted(complete, key=lambda one: one[:2]))


def _plain(trial: TuningTrial) -> dict[str, Any]:
    content = asdict(trial)
    del content["exit_code"]
    return {**content, "settings": dict(trial.settings)}
