"""What is done with every step of a training until it ends: told, judged, saved."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Protocol

from torch import Tensor

from genzoo.checkpoint import MonitorState
from genzoo.engine.abandon import Abandoned
from genzoo.engine.em import EMEngine
from genzoo.engine.fit import Step, fit, taken
from genzoo.engine.losses import LossBuffer
from genzoo.monitor import Monitor
from genzoo.preparation import Prepared
from genzoo.resumption import Start
from genzoo.signals import Signals
from genzoo.weights import load_tensors

Watcher = Callable[[Step], None]
"""Sees every step of a training; a progress display, for instance."""

LOSS_BLOCK = 25
"""Steps whose losses leave the device together."""


class Saver(Protocol):
    """What keeps the state of a training as its loop goes on."""

    def due(self, step: Step) -> bool:
        """Whether it is time to save."""

    def save(self, step: int, seconds: float, monitor: MonitorState | None, *, pending: bool = False) -> None:
        """Save the state after `step`."""


class InMemory:
    """Keeps the best state of a training that has no run directory."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._selects = prepared.watch is not None and prepared.watch.selects
        self._kept: dict[str, Tensor] = {}

    def due(self, step: Step) -> bool:
        """Never of itself: only a best step is worth a copy."""
        return False

    def save(self, step: int, seconds: float, monitor: MonitorState | None, *, pending: bool = False) -> None:
        """Copy the generator if `step` is the best so far."""
        if self._selects and monitor is not None and monitor.best_step == step:
            self._kept = {name: value.clone() for name, value in self._prepared.engine.trained.state_dict().items()}

    def restore(self) -> None:
        """Go back to the best step, where one was watched for."""
        if self._kept:
            load_tensors(self._prepared.engine.trained, self._kept)


class Nothing:
    """Saves nothing, as the first process does it."""

    def due(self, step: Step) -> bool:
        """Never."""
        return False

    def save(self, step: int, seconds: float, monitor: MonitorState | None, *, pending: bool = False) -> None:
        """Leave it to the first process."""


def steps_of(prepared: Prepared, start: Start, buffer: LossBuffer) -> Generator[Step, None, None]:
    """The steps of a training from where it starts."""
    return fit(
        prepared.engine,
        prepared.feed,
        prepared.budget,
        seed=prepared.config.seed,
        done=start.step,
        seconds=start.seconds,
        buffer=buffer,
        processes=prepared.processes,
    )


def told(prepared: Prepared, start: Start, steps: Iterator[Step], monitor: Monitor | None) -> Iterator[Step]:
    """All steps that are to be told of: also the one that was taken when a signal came, where it was not seen out.

    That one brings no losses, as they were logged.
    """
    if not start.pending:
        return iter(()) if monitor is not None and monitor.exhausted else steps
    seen = taken(prepared.engine, prepared.feed, prepared.budget, start.step, start.seconds)
    return itertools.chain([seen], steps)


def stoppable(prepared: Prepared, steps: Iterator[Step], signals: Signals) -> Iterator[Step]:
    """Steps, which a signal lets finish; but a pass of EM, which may be long, is abandoned and undone.

    Raises:
        Abandoned: one was.
    """
    engine = prepared.engine
    if not isinstance(engine, EMEngine):
        yield from steps
        return
    if prepared.processes.count > 1:
        engine.told = signals.told
    while True:
        tensors = {name: value.clone() for name, value in engine.tensors().items()}
        numbers = engine.numbers()
        try:
            with signals.abandonable:
                step = next(steps, None)
        except Abandoned:
            engine.restore(tensors, numbers)
            signals.pending()  # which tells the others of it
            raise
        if step is None:
            return
        yield step


def unlogged(_: Step) -> None:
    """The log of a training that keeps none."""


def consume(
    steps: Iterator[Step],
    log: Watcher,
    watching: Sequence[Watcher],
    saver: Saver,
    monitor: Monitor | None,
    signals: Signals,
) -> tuple[str, Step | None]:
    """Hand every step to those who watch; returns how the training ended, and its last step.

    A signal ends it after the step, which is logged in any case: its losses are brought but once. What those who watch
    had not done by then is saved as pending.
    """
    step, saved = None, True
    try:
        for step in steps:
            saved = False
            log(step)
            before = None if monitor is None else monitor.state()
            try:
                with signals.abandonable:
                    for watcher in watching:
                        watcher(step)
                    better = monitor is not None and monitor(step)
            except Abandoned:
                saver.save(step.number, step.seconds, before, pending=True)
                return "interrupted", step
            exhausted = monitor is not None and monitor.exhausted
            stopping = signals.pending()
            if saver.due(step) or better or exhausted or stopping:
                saver.save(step.number, step.seconds, None if monitor is None else monitor.state())
                saved = True
            if exhausted or stopping:
                return "finished" if exhausted else "interrupted", step
    except Abandoned:  # a pass of EM, after the step
        if step is not None and not saved:
            saver.save(step.number, step.seconds, None)
        return "interrupted", step
    return "finished", step
