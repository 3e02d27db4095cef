"""What a model costs: the time and memory of training, and the time of sampling."""

from __future__ import annotations

import time

from genzoo.inference.trained_model import TrainedModel
from genzoo.models.state_dict import learned_numbers
from genzoo.reports.result import Cost
from genzoo.runtime.memory import peak_memory
from genzoo.training.run_training import train_in_memory
from genzoo.training.setup import TrainingSetup

_SAMPLES = 1000

_LONG = 0.5
"""Seconds from which on one measurement of a duration is enough."""


def train_with_cost(setup: TrainingSetup) -> tuple[TrainedModel, Cost]:
    """Train a model, and measure what that and drawing 1,000 samples cost.

    Raises:
        DivergenceError: a number is not finite.
    """
    with peak_memory(setup.runtime.device) as memory:
        started = time.perf_counter()
        fitted = train_in_memory(setup)
        seconds = time.perf_counter() - started
    return fitted, Cost(seconds, _sampling_seconds(fitted), memory.bytes, learned_numbers(fitted.generator))


def _sampling_seconds(fitted: TrainedModel) -> float:
    """Return the duration of drawing samples, the shortest of three unless one takes long."""
    found: list[float] = []
    while len(found) < 3 and sum(found) < _LONG:
        started = time.perf_counter()
        fitted.sample(_SAMPLES, seed=0, output="array", condition=fitted.units.usual_conditions(_SAMPLES))
        found.append(time.perf_counter() - started)
    return min(found)
