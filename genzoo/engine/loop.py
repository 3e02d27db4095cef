"""The only training loop: it yields one record per step."""

from __future__ import annotations

import time
from collections import abc
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from torch import Tensor

from genzoo.engine.dataloader import DataLoader
from genzoo.engine.distributed import SINGLE_PROCESS, Processes
from genzoo.engine.loss_buffer import LossBuffer, LossRecord
from genzoo.engine.schedule import Budget
from genzoo.models.base import Generator, Model

ItemT = TypeVar("ItemT")


ItemT_contra = TypeVar("ItemT_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Step:
    """One finished step.

    Arguments:
        number: from 1.
        epoch: the pass over the training rows it belongs to, from 1.
        fraction: share of the budget that is spent, 0 to 1.
        seconds: time since training began, over all resumes.
        ends_epoch: whether it is the last of its epoch.
        last: whether no step follows.
        losses: losses that reached the host by now, of this and earlier steps, each step's once.
    """

    number: int
    epoch: int
    fraction: float
    seconds: float
    ends_epoch: bool
    last: bool
    losses: tuple[LossRecord, ...] = ()


class Engine(Protocol[ItemT_contra]):
    """What `fit` asks of an engine."""

    model: Model

    @property
    def finished(self) -> bool:
        """Whether another step would change nothing."""

    @property
    def trained(self) -> Generator:
        """The generator to keep."""

    def update(self, item: ItemT_contra, step: int, fraction: float, /) -> dict[str, Tensor]:
        """Take one step; returns its losses by name, `()` each."""

    def tensors(self) -> dict[str, Tensor]:
        """All tensors that an exact resume needs."""

    def numbers(self) -> dict[str, Any]:
        """All other state that an exact resume needs."""

    def restore(self, tensors: abc.Mapping[str, Tensor], numbers: abc.Mapping[str, Any]) -> None:
        """Take up what `tensors` and `numbers` gave."""


def training_steps(
    engine: Engine[ItemT],
    feed: DataLoader[ItemT],
    budget: Budget,
    *,
    seed: int,
    done: int = 0,
    seconds: float = 0.0,
    buffer: LossBuffer | None = None,
    processes: Processes = SINGLE_PROCESS,
) -> abc.Generator[Step, None, None]:
    """Train until the budget is spent or the engine has finished.

    Arguments:
        engine: updates the model.
        feed: gives every step what it consumes.
        budget: when to end.
        seed: names the random scope of each step.
        done: steps that were taken before, by a run that is resumed.
        seconds: time those took.
        buffer: carries the losses to the host; whoever ends the loop early flushes it.
        processes: those that train together, of which each takes the same steps.

    Yields:
        A `Step` after every update; the generators of the caller are as they were.

    Raises:
        DivergenceError: a loss is not finite.
    """
    buffer = buffer or LossBuffer(feed.device, 1)
    begun = time.monotonic() - seconds
    fraction = budget.spent(done, seconds)
    events = None if feed.share is None else feed.share.events
    items = feed.items(done + 1)
    try:
        number, last = done, fraction >= 1.0 or engine.finished
        while not last:
            number += 1
            with processes.scope(seed, number, events):
                losses = engine.update(next(items), number, fraction)
            elapsed = processes.clock(time.monotonic() - begun)
            fraction = budget.spent(number, elapsed)
            last = fraction >= 1.0 or engine.finished
            arrived = buffer.add(number, losses)
            if last:
                arrived += buffer.flush()
            yield _step(number, feed, fraction, elapsed, last, arrived)
    finally:
        items.close()


def take(engine: Engine[ItemT], feed: DataLoader[ItemT], budget: Budget, number: int, seconds: float) -> Step:
    """Step `number` as `fit` yielded it, for whoever did not get to see it; its losses were told."""
    fraction = budget.spent(number, seconds)
    return _step(number, feed, fraction, seconds, fraction >= 1.0 or engine.finished, ())


def _step(
    number: int, feed: DataLoader[Any], fraction: float, seconds: float, last: bool, losses: abc.Iterable[LossRecord]
) -> Step:
    epoch, rest = divmod(number, feed.steps_per_epoch)
    return Step(number, epoch + (rest > 0), fraction, seconds, rest == 0, last, tuple(losses))
