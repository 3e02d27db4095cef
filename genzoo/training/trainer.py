"""The training loop: `Trainer.fit` takes one step after another and runs the callbacks."""

from __future__ import annotations

import contextlib
import time
from collections import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeVar

from torch import Tensor

from genzoo.engine.dataloader import DataLoader
from genzoo.engine.distributed import SINGLE_PROCESS, Processes
from genzoo.engine.loss_buffer import LossBuffer, LossRecord
from genzoo.engine.schedule import Budget
from genzoo.engine.signals import Abandoned, Signals
from genzoo.errors import ConfigError
from genzoo.models.base import Generator, Model
from genzoo.runtime.device import Runtime
from genzoo.wording import argument

ItemT = TypeVar("ItemT")


ItemT_contra = TypeVar("ItemT_contra", contravariant=True)


Outcome = Literal["finished", "interrupted"]
"""How a training ends if nothing fails."""


@dataclass(frozen=True, slots=True)
class Step:
    """One finished step.

    Arguments:
        number: counts from 1.
        epoch: pass over the training rows that the step belongs to; counts from 1.
        fraction: share of the budget that is spent, 0 to 1.
        seconds: time since training began, summed over all resumes.
        ends_epoch: whether this is the last step of its epoch.
        last: whether the budget ends with this step.
        losses: losses that have reached the host since the step before. On a GPU they arrive in blocks, so they may
            belong to earlier steps. Each step's losses arrive once.
    """

    number: int
    epoch: int
    fraction: float
    seconds: float
    ends_epoch: bool
    last: bool
    losses: tuple[LossRecord, ...] = ()


class Callback:
    """Watches a training. Derive from it and override the hooks you need.

    Hooks run in this order: `on_start`; then `on_update`, `on_step` and `on_step_end` for each step; then `on_end`.
    All callbacks run one hook before any runs the next, genzoo's own first: when yours run, the checkpoint or the model
    is saved. A plain function of a `Step` serves as a callback, too: it is called as `on_step`.
    """

    stop: bool = False
    """Set it to true in `on_step` to end the training after this step. `fit` sets it back at the beginning.

    The step is saved, but as it is not the last of the budget, it is evaluated and sampled only if it is time.
    """

    def on_start(self) -> None:
        """Run before the first step."""

    def on_update(self, step: Step) -> None:
        """Run right after the model is updated. Ctrl-C waits for it, so keep it short.

        If `on_step` was cut short, a resumed training runs this again as well, with no losses.
        """

    def on_step(self, step: Step) -> None:
        """Run after each step. Ctrl-C cuts it short; a resumed training then runs it again for the same step.

        With several processes Ctrl-C waits for it, because the others would wait for this one.
        """

    def on_step_end(self, step: Step, *, stopping: bool) -> None:
        """Run after every callback's `on_step`.

        Arguments:
            stopping: whether training stops here before its budget is used up.
        """

    def on_interrupt(self, step: Step, *, complete: bool) -> None:
        """Run after Ctrl-C, if `on_step` or the next step was cut short.

        Arguments:
            step: the last step that was taken.
            complete: whether every callback's `on_step` has run for it.
        """

    def on_end(self, outcome: Outcome, losses: Sequence[LossRecord]) -> None:
        """Run when training has finished, or was interrupted. Ctrl-C cuts it short if training has finished.

        Arguments:
            outcome: how training ended.
            losses: losses that had not reached the host before.
        """


class FunctionCallback(Callback):
    """A plain function of a `Step`, as a callback."""

    def __init__(self, function: Callable[[Step], object]) -> None:
        self._function = function

    def on_step(self, step: Step) -> None:
        """Call the function."""
        self._function(step)


AnyCallback = Callback | Callable[[Step], object]
"""A callback, or a plain function that is called after each step."""


class Engine(Protocol[ItemT_contra]):
    """Updates a model: `GradientEngine`, `EMEngine` for expectation-maximization, or `DirectEngine`."""

    model: Model

    @property
    def finished(self) -> bool:
        """Whether another step would change nothing."""

    @property
    def trained(self) -> Generator:
        """The generator to keep."""

    def update(self, item: ItemT_contra, step: int, fraction: float, /) -> dict[str, Tensor]:
        """Take one step. Return its losses by name, each of shape `()`."""

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors that an exact resume needs."""

    def numbers(self) -> dict[str, Any]:
        """Return all other state that an exact resume needs."""

    def restore(self, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
        """Load what `tensors` and `numbers` returned."""


class Trainer(Generic[ItemT]):
    """Trains a model: one loop for every engine, with callbacks for everything besides the updates.

    Arguments:
        engine: updates the model.
        loader: yields what each step consumes, a batch or all blocks of a pass.
        budget: when training ends.
        seed: names the random scope of each step.
        steps_before: number of steps taken before, by a run that is resumed. Defaults to 0.
        seconds: time that those steps took. Defaults to 0.
        incomplete: whether the callbacks of the last of those steps are still to run. Defaults to false.
        losses: carries losses from the device to the host. Defaults to a buffer that reads each step's losses at once.
        processes: processes that train together and take the same steps. Defaults to this one alone.
        runtime: the precision of matrix products in a step. Defaults to the process's own.
        signals: says whether SIGINT or SIGTERM has come. Defaults to never.
        stop_together: whether callbacks set `stop` in all processes alike, so that these need not ask each other after
            every step. Defaults to false.

    Examples:
        >>> steps = []
        >>> Trainer(engine, loader, Budget(100, None), seed=0).fit([steps.append])  # doctest: +SKIP
        'finished'
    """

    def __init__(
        self,
        engine: Engine[ItemT],
        loader: DataLoader[ItemT],
        budget: Budget,
        *,
        seed: int,
        steps_before: int = 0,
        seconds: float = 0.0,
        incomplete: bool = False,
        losses: LossBuffer | None = None,
        processes: Processes = SINGLE_PROCESS,
        runtime: Runtime | None = None,
        signals: Signals | None = None,
        stop_together: bool = False,
    ) -> None:
        self._engine = engine
        self._loader = loader
        self._budget = budget
        self._seed = seed
        self._number = steps_before
        self._seconds = seconds
        self._incomplete = incomplete
        self._losses = losses or LossBuffer(loader.device, 1)
        self._processes = processes
        self._matmul = contextlib.nullcontext if runtime is None else runtime.matmul
        self._signals = signals or Signals(processes)
        self._stop_together = stop_together
        self._events = loader.share.events if loader.share is not None and loader.share.slices_noise else None
        self._items: abc.Generator[ItemT, None, None] | None = None
        self._began = 0.0
        self._stopped = False

    @property
    def fraction(self) -> float:
        """Share of the budget that is spent, 0 to 1."""
        return self._budget.spent(self._number, self._seconds)

    @property
    def done(self) -> bool:
        """Whether the budget is spent, or another step would change nothing."""
        return self.fraction >= 1.0 or self._engine.finished

    def fit(self, callbacks: Iterable[AnyCallback] = ()) -> Outcome:
        """Train until the budget is spent, a callback stops it, or SIGINT or SIGTERM comes.

        Global random generators are left as they were.

        Raises:
            ConfigError: a callback is neither a `Callback` nor a function.
            DivergenceError: a loss is not finite.
        """
        watching = as_callbacks(callbacks)
        for callback in watching:
            vars(callback).pop("stop", None)  # set in an earlier training
            callback.on_start()
        last, interrupted = None, False
        _, self._stopped = self._signals.pending(stop=_wants_to_stop(watching))
        try:
            while (self._incomplete or not self.done) and not (interrupted or self._stopped):
                last = self._current_step() if self._incomplete else self.train_step()
                self._incomplete = False
                interrupted = self._run_callbacks(last, watching)
        except Abandoned:  # a pass of EM or a direct fit was cut short, and the engine has undone it
            self._signals.pending()  # with several processes, here each learns which signal came
            interrupted = True
            if last is not None:
                for callback in watching:
                    callback.on_interrupt(last, complete=True)
        finally:
            self.close()
        return self._end(watching, "interrupted" if interrupted and not self._stopped else "finished")

    def train_step(self) -> Step:
        """Take one step.

        Raises:
            DivergenceError: a loss is not finite.
        """
        if self._items is None:
            self._items = self._loader.items(self._number + 1)
            self._began = time.monotonic() - self._seconds
        number = self._number + 1
        # The precision of matrix products belongs to the whole process, as its random numbers do, so it is set in the
        # scope: trainings in two threads may differ in it.
        with self._processes.scope(self._seed, number, self._events), self._matmul():
            losses = self._engine.update(next(self._items), number, self.fraction)
        self._number = number
        self._seconds = time.monotonic() - self._began
        if self._budget.seconds is not None:  # processes must agree on the end, and without it need not talk
            self._seconds = self._processes.clock(self._seconds)
        arrived = self._losses.add(number, losses)
        return self._current_step(arrived + self._losses.flush() if self.done else arrived)

    def close(self) -> None:
        """Close the loader. `fit` does so itself."""
        if self._items is not None:
            self._items.close()
            self._items = None

    def _current_step(self, losses: Iterable[LossRecord] = ()) -> Step:
        """Describe the last step that was taken."""
        epoch, rest = divmod(self._number, self._loader.steps_per_epoch)
        return Step(self._number, epoch + (rest > 0), self.fraction, self._seconds, rest == 0, self.done, tuple(losses))

    def _run_callbacks(self, step: Step, callbacks: Sequence[Callback]) -> bool:
        """Run the callbacks after a step. Return whether a signal ends the training."""
        for callback in callbacks:
            callback.on_update(step)
        try:
            with self._signals.abandonable:
                for callback in callbacks:
                    callback.on_step(step)
        except Abandoned:
            for callback in callbacks:
                callback.on_interrupt(step, complete=False)
            return True
        # Processes must agree: only the first runs the callbacks of users, and if it stopped alone, the others would
        # wait for its gradients.
        interrupted, self._stopped = self._signals.pending(stop=_wants_to_stop(callbacks), together=self._stop_together)
        for callback in callbacks:
            callback.on_step_end(step, stopping=interrupted or self._stopped)
        return interrupted

    def _end(self, callbacks: Sequence[Callback], outcome: Outcome) -> Outcome:
        """Run `on_end`. Return how the training has ended after it."""
        losses = self._losses.flush()
        try:
            # A signal that has ended the training does not end this, too.
            with self._signals.abandonable if outcome == "finished" else contextlib.nullcontext():
                for callback in callbacks:
                    callback.on_end(outcome, losses)
        except Abandoned:
            return "interrupted"
        return outcome


def as_callbacks(callbacks: Iterable[AnyCallback]) -> list[Callback]:
    """Return callbacks, with each plain function turned into one.

    Raises:
        ConfigError: one is neither a `Callback` nor a function.
    """
    if not isinstance(callbacks, Iterable):
        raise ConfigError(f"{argument('callbacks')} is a list, such as [watch]; put {callbacks!r} into one.")
    found = []
    for callback in callbacks:
        if isinstance(callback, type) or not (isinstance(callback, Callback) or callable(callback)):
            raise ConfigError(f"{callback!r} is neither a genzoo.Callback nor a function of a Step.")
        found.append(callback if isinstance(callback, Callback) else FunctionCallback(callback))
    return found


def _wants_to_stop(callbacks: Iterable[Callback]) -> bool:
    return any(callback.stop for callback in callbacks)
