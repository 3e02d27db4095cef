"""The only training loop. It yields; whoever consumes its steps logs, samples, saves, or stops."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass

from genzoo.engine.feed import Feed
from genzoo.engine.gradient import GradientEngine
from genzoo.engine.losses import LossBuffer, LossRecord
from genzoo.engine.schedule import Budget
from genzoo.seeding import scope


@dataclass(frozen=True, slots=True)
class Step:
    """One finished step.

    Arguments:
        number: from 1.
        epoch: the pass over the training rows it belongs to, from 1.
        fraction: share of the budget that is spent, 0 to 1.
        seconds: time since training began, over all resumes.
        ends_epoch: whether it is the last of its epoch.
        last: whether the budget is spent.
        losses: losses that reached the host by now, of this and earlier steps, each step's once.
    """

    number: int
    epoch: int
    fraction: float
    seconds: float
    ends_epoch: bool
    last: bool
    losses: tuple[LossRecord, ...] = ()


def fit(
    engine: GradientEngine,
    feed: Feed,
    budget: Budget,
    *,
    seed: int,
    done: int = 0,
    seconds: float = 0.0,
    block: int = 1,
) -> Generator[Step, None, None]:
    """Train until the budget is spent.

    Arguments:
        engine: updates the model.
        feed: gives every step its batch.
        budget: when to end.
        seed: names the random scope of each step.
        done: steps that were taken before, by a run that is resumed.
        seconds: time those took.
        block: steps whose losses travel to the host together.

    Yields:
        A `Step` after every update; the generators of the caller are as they were.

    Raises:
        DivergenceError: a loss is not finite.
    """
    buffer = LossBuffer(feed.device, block)
    begun = time.monotonic() - seconds
    fraction = budget.spent(done, seconds)
    batches = feed.batches(done + 1)
    try:
        number = done
        while fraction < 1.0:
            number += 1
            with scope(seed, "step", number):
                losses = engine.update(next(batches), number, fraction)
            elapsed = time.monotonic() - begun
            fraction = budget.spent(number, elapsed)
            arrived = buffer.add(number, losses)
            if fraction >= 1.0:
                arrived += buffer.flush()
            epoch, rest = divmod(number, feed.order.steps_per_epoch)
            yield Step(number, epoch + (rest > 0), fraction, elapsed, rest == 0, fraction >= 1.0, tuple(arrived))
    finally:
        batches.close()
