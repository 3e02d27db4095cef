"""Evaluate validation rows during training, and stop early."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from genzoo.config.settings import GradientTraining
from genzoo.engine.dataloader import BlockLoader
from genzoo.engine.gradient import GradientEngine
from genzoo.engine.loop import Step
from genzoo.errors import DataError
from genzoo.metrics.evaluator import Reference, compute_metrics, make_reference
from genzoo.runs.checkpoint import MonitorState
from genzoo.runtime.seeding import random_scope
from genzoo.training.model_selection import OBJECTIVE
from genzoo.training.setup import TrainingSetup

_MOST_EVENTS = 2_000
"""Validation events that metrics of samples are computed from."""


class ValidationMonitor:
    """Watches the objective's monitor and metrics; remembers the best step and runs out of patience.

    Arguments:
        prepared: the training, which has something to watch.
        write: takes a line for the log of each evaluation.
        state: what `state` gave in an earlier attempt.
    """

    def __init__(
        self, prepared: TrainingSetup, state: MonitorState, write: Callable[[Mapping[str, Any]], None] | None = None
    ) -> None:
        assert prepared.watch is not None
        assert isinstance(prepared.engine, GradientEngine)
        training = prepared.config.training
        assert isinstance(training, GradientTraining)
        self.watch = prepared.watch
        epoch = prepared.feed.steps_per_epoch
        self.every = training.eval_steps or max(1, round((training.eval_every or 1.0) * epoch))
        self._prepared = prepared
        self._engine = prepared.engine
        self._write = write
        self._rows = BlockLoader(
            prepared.dataset,
            prepared.split.validation,
            training.batch_size,
            prepared.transform,
            prepared.runtime,
            prepared.dequantizer,
        )
        self._reference: Reference | None = None
        self._patience = training.patience
        self._seed = prepared.config.seed
        self.best = state.best
        self.best_step = state.best_step
        self.waited = state.waited
        self._former: MonitorState | None = None

    def __call__(self, step: Step) -> bool:
        """Evaluate if it is time; returns whether this step is the best so far.

        Raises:
            DataError: the first evaluation finds that what the best step goes by cannot be computed.
        """
        if step.number % self.every and not step.last:
            return False
        # What was asked for from the start with a larger budget would not be evaluated here.
        self._former = self.state() if step.number % self.every else None
        values, reasons = self._prepared.processes.of_first(self._values)
        if self._write is not None:
            self._write({"step": step.number, "epoch": step.epoch, **_line(values, reasons)})
        if step.fraction < self._engine.objective.settled and not step.last:
            return False
        value = values.get(self.watch.by)
        if value is None and self.best is None:
            reason = reasons.get(self.watch.by, "it gave no number")
            raise DataError(f"{self.watch.by!r} was to choose the best step, and cannot: {reason}. Watch another one.")
        if value is not None and math.isfinite(value) and self.watch.better(value, self.best):
            self.best, self.best_step, self.waited = value, step.number, 0
            return True
        self.waited += 1
        return False

    def rule(self) -> dict[str, Any]:
        """What is evaluated, and by what rule the best step is chosen, for the run's record."""
        watch = self.watch
        return {
            "by": watch.by,
            "direction": watch.direction,
            "metrics": [metric.name for metric in watch.metrics],
            "features": watch.extractor.entry.spec.name if watch.metrics else None,
            "every": self.every,
            "patience": self._patience,
            "keeps": "best" if watch.selects else "last",
        }

    @property
    def exhausted(self) -> bool:
        """Whether patience has run out."""
        return self._patience is not None and self.waited >= self._patience

    def state(self) -> MonitorState:
        """All that a resume needs."""
        return MonitorState(best=self.best, best_step=self.best_step, waited=self.waited, former=self._former)

    def _values(self) -> tuple[dict[str, float], Mapping[str, str]]:
        """What can be computed, by name, and why the rest cannot."""
        values = {OBJECTIVE: self._of_objective()} if self.watch.monitored else {}
        if not self.watch.metrics:
            return values, {}
        prepared, metrics = self._prepared, self.watch.metrics
        if self._reference is None:
            dataset, split = prepared.dataset, prepared.split
            self._reference = make_reference(
                dataset,
                split.validation,
                metrics,
                self.watch.extractor,
                trained_on=(dataset, split.train),
                split="validation",
                most=_MOST_EVENTS,
                device=prepared.fitted.device,
            )
        average = prepared.config.ema
        judged = compute_metrics(prepared.fitted, self._reference, metrics, seed=self._seed, average=average)
        return values | {name: score.value for name, score in judged.scores.items()}, judged.reasons

    def _of_objective(self) -> float:
        total, count = 0.0, 0
        with random_scope(self._seed, "validation"):
            for batch in self._rows:
                value = self._engine.monitor(batch)
                assert value is not None
                total += float(value) * len(batch)
                count += len(batch)
        return total / count


def _line(values: Mapping[str, float], reasons: Mapping[str, str]) -> dict[str, Any]:
    """One evaluation as a line of the log shows it."""
    metrics = {name: value for name, value in values.items() if name != OBJECTIVE}
    line: dict[str, Any] = {"validation": values[OBJECTIVE]} if OBJECTIVE in values else {}
    return line | ({"metrics": metrics | dict.fromkeys(reasons)} if metrics or reasons else {})
