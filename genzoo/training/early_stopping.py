"""Evaluate validation rows during training, remember the best step, and stop early."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from genzoo.config.training import GradientTraining
from genzoo.engine.blocks import BlockLoader
from genzoo.engine.distributed import Processes
from genzoo.engine.gradient import GradientEngine
from genzoo.errors import DataError
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.evaluation.reference import Reference, make_reference
from genzoo.metrics.evaluator import compute_metrics
from genzoo.persistence.checkpoint import MonitorState
from genzoo.runtime.progress import Phase
from genzoo.runtime.seeding import random_scope
from genzoo.training.model_selection import OBJECTIVE, SelectionRule
from genzoo.training.setup import TrainingSetup
from genzoo.training.trainer import Callback, Step

_MOST_ROWS = 2_000
"""Validation rows that metrics of samples are computed from."""

Evaluation = tuple[Mapping[str, float], Mapping[str, str]]
"""Values by name, and for each metric that could not be computed the reason."""


class EarlyStopping(Callback):
    """Evaluates validation rows every so many steps, and stops training when they no longer improve.

    Only training by gradients is stopped early. EM stops when its likelihood converges (`engine/em.py`).

    Arguments:
        rule: which value selects the best step.
        evaluate: computes the values.
        every: steps between evaluations.
        patience: evaluations without improvement after which training stops. `None` stands for never.
        warmup: share of the budget, 0 to 1, in which no step can be the best because the objective still changes.
        state: what an earlier attempt remembered.
        processes: processes that train together; the first one evaluates.
        write: takes a line for the log after each evaluation. Defaults to none.
        offset: what to add to the objective's value in the log, so that it is in the units of the data. Defaults to 0.
    """

    def __init__(
        self,
        rule: SelectionRule,
        evaluate: Callable[[], Evaluation],
        *,
        every: int,
        patience: int | None,
        warmup: float,
        state: MonitorState,
        processes: Processes,
        write: Callable[[Mapping[str, Any]], None] | None = None,
        offset: float = 0.0,
    ) -> None:
        self.offset = offset
        self.rule = rule
        self.every = every
        self.state = state.model_copy(update={"former": None})
        self.improved = False
        """Whether the last step is the best so far."""
        self._evaluate = evaluate
        self._patience = patience
        self._warmup = warmup
        self._processes = processes
        self._write = write
        self._before = self.state

    @property
    def stop(self) -> bool:  # type: ignore[override]
        """Whether patience has run out."""
        return self._patience is not None and self.state.waited >= self._patience

    def on_update(self, step: Step) -> None:
        """Remember the state before this step's evaluation."""
        self.improved, self._before = False, self.state

    def on_step(self, step: Step) -> None:
        """Evaluate if it is time.

        Raises:
            DataError: the first evaluation cannot compute the value that selects the best step.
        """
        if step.number % self.every and not step.last:
            return
        # The last step is always evaluated, also off schedule. A run with a larger budget would not evaluate here, so
        # resuming with one goes back to the state before.
        former = self.state.model_copy(update={"former": None}) if step.number % self.every else None
        with Phase("evaluating validation rows"):
            values, reasons = self._processes.of_first(self._evaluate)
        if self._write is not None:
            self._write({"step": step.number, "epoch": step.epoch, **_line(values, reasons, self.offset)})
        state = self.state.model_copy(update={"former": former})
        if step.fraction >= self._warmup or step.last:
            state = self._judged(state, step, values.get(self.rule.by), reasons)
        self.improved = state.best_step == step.number
        self.state = state

    def _judged(self, state: MonitorState, step: Step, value: float | None, reasons: Mapping[str, str]) -> MonitorState:
        """Return the state after an evaluation: either a new best step, or `waited` increased by one."""
        if value is None and state.best is None:
            reason = reasons.get(self.rule.by, "it gave no number")
            raise DataError(
                f"{self.rule.by!r} cannot be computed, so it cannot choose the best step: {reason}. "
                f"Monitor another metric."
            )
        if value is not None and math.isfinite(value) and self.rule.better(value, state.best):
            return state.model_copy(update={"best": value, "best_step": step.number, "waited": 0})
        return state.model_copy(update={"waited": state.waited + 1})

    @property
    def best(self) -> float | None:
        """The best value so far, in the units of the data; `None` if there is none."""
        value = self.state.best
        return value if value is None or self.rule.by != OBJECTIVE else value + self.offset

    def on_interrupt(self, step: Step, *, complete: bool) -> None:
        """Forget an evaluation whose step will be seen again."""
        if not complete:
            self.state = self._before

    def record(self) -> dict[str, Any]:
        """Return what is evaluated and how the best step is chosen, for `run.json`."""
        rule = self.rule
        return {
            "by": rule.by,
            "direction": rule.direction,
            "metrics": [metric.name for metric in rule.metrics],
            "features": rule.extractor.entry.spec.name if rule.metrics else None,
            "every": self.every,
            "patience": self._patience,
            "keeps": "best" if rule.selects else "last",
        }


class Validation:
    """Computes the objective's monitor and the metrics of a rule on validation rows.

    Arguments:
        rule: what to compute.
        engine: trains the model.
        model: the same model, in data units.
        rows: validation rows, on the device.
        reference: prepares the validation rows for metrics of samples; called once.
        seed: names the random scopes.
        average: decay of the weights' moving average, or `None`; part of each score's protocol.
    """

    def __init__(
        self,
        rule: SelectionRule,
        engine: GradientEngine,
        model: TrainedModel,
        rows: BlockLoader,
        reference: Callable[[], Reference],
        *,
        seed: int,
        average: float | None,
    ) -> None:
        self._rule = rule
        self._engine = engine
        self._model = model
        self._rows = rows
        self._make_reference = reference
        self._reference: Reference | None = None
        self._seed = seed
        self._average = average

    def __call__(self) -> Evaluation:
        """Return values by name, and why the others could not be computed."""
        values = {OBJECTIVE: self.objective()} if self._rule.monitored else {}
        if not self._rule.metrics:
            return values, {}
        self._reference = self._reference or self._make_reference()
        scores = compute_metrics(
            self._model, self._reference, self._rule.metrics, seed=self._seed, average=self._average
        )
        return values | {name: score.value for name, score in scores.scores.items()}, scores.reasons

    def objective(self) -> float:
        """Return the mean of the objective's monitor over the validation rows."""
        total, count = 0.0, 0
        with random_scope(self._seed, "validation"):
            for batch in self._rows:
                value = self._engine.monitor(batch)
                assert value is not None
                total += float(value) * len(batch)
                count += len(batch)
        return total / count


def make_early_stopping(
    setup: TrainingSetup, state: MonitorState, write: Callable[[Mapping[str, Any]], None] | None = None
) -> EarlyStopping | None:
    """Return the early stopping that a training asks for, or `None` if nothing is evaluated during it."""
    training, engine, rule = setup.config.training, setup.engine, setup.rule
    if rule is None or not isinstance(training, GradientTraining) or not isinstance(engine, GradientEngine):
        return None
    dataset, split, source = setup.dataset, setup.split, setup.source
    rows = BlockLoader(
        source.dataset,
        split.validation,
        training.batch_size,
        source.transform,
        source.runtime,
        source.dequantizer,
        source.condition,
    )

    def reference() -> Reference:
        return make_reference(
            dataset,
            split.validation,
            rule.metrics,
            rule.extractor,
            trained_on=(dataset, split.train),
            split="validation",
            most=_MOST_ROWS,
            device=setup.runtime.device,
        )

    seed = setup.config.seed
    return EarlyStopping(
        rule,
        Validation(rule, engine, setup.trained_model, rows, reference, seed=seed, average=setup.config.ema),
        every=training.eval_steps or max(1, round((training.eval_every or 1.0) * setup.loader.steps_per_epoch)),
        patience=training.patience,
        warmup=engine.objective.settled,
        state=state,
        processes=setup.processes,
        write=write,
        offset=setup.offset,
    )


def _line(values: Mapping[str, float], reasons: Mapping[str, str], offset: float) -> dict[str, Any]:
    """Return one evaluation as a line of the log."""
    metrics = {name: value for name, value in values.items() if name != OBJECTIVE}
    line: dict[str, Any] = {"validation": values[OBJECTIVE] + offset} if OBJECTIVE in values else {}
    return line | ({"metrics": metrics | dict.fromkeys(reasons)} if metrics or reasons else {})
