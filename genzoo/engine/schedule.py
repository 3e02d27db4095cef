"""Budget of a training, and schedule of its learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

from genzoo.config.training import ScheduleConfig, StepSettings


@dataclass(frozen=True, slots=True)
class Budget:
    """The end of training: after `steps` or after `seconds`, if both are set at the earlier of the two."""

    steps: int | None
    seconds: float | None

    @staticmethod
    def of(training: StepSettings, steps_per_epoch: int, *, steps: int | None = None) -> Budget:
        """Return the budget of settings.

        Arguments:
            training: the settings.
            steps_per_epoch: number of steps in an epoch.
            steps: a further limit of the steps. Defaults to `None`.
        """
        limits = [limit for limit in (steps, training.steps) if limit is not None]
        if training.epochs is not None:
            limits.append(max(1, math.ceil(training.epochs * steps_per_epoch)))
        return Budget(min(limits, default=None), None if training.minutes is None else training.minutes * 60)

    def spent(self, steps: int, seconds: float) -> float:
        """Return the spent share of the budget, 0 to 1."""
        shares = [0.0]
        if self.steps is not None:
            shares.append(steps / self.steps)
        if self.seconds is not None:
            shares.append(seconds / self.seconds)
        return min(1.0, max(shares))


def lr_factor(schedule: ScheduleConfig, step: int, fraction: float) -> float:
    """Return the factor of the learning rate at `step` (from 1), after `fraction` of the budget is spent.

    `ParameterGroup.step` in `optim.py` applies it. It is not a torch scheduler, because it depends on the budget.
    """
    rise = min(1.0, step / schedule.warmup) if schedule.warmup else 1.0
    fall = {
        "constant": 1.0,
        "linear": 1.0 - fraction,
        "quadratic": (1.0 - fraction) ** 2,
        "cosine": 0.5 * (1.0 + math.cos(math.pi * fraction)),
    }[schedule.name]
    return rise * (schedule.floor + (1.0 - schedule.floor) * fall)
