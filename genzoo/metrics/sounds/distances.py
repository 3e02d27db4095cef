"""Distances between real and sampled sounds: how long they last, and how loud they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from genzoo.data.sounds.facts import loudness, seconds_of
from genzoo.metrics.halves.half_samples import between_halves
from genzoo.metrics.metric import Direction, Metric, MetricInput, Need, Score, check_events
from genzoo.metrics.tables.marginals import area_between
from genzoo.metrics.tables.multipliers import spread_of_mean
from genzoo.spec.events import DataSpec
from genzoo.spec.modality import Modality
from genzoo.text import counted
from genzoo.typing import Array

_LEAST = 20
"""Smallest number of sounds."""


class SoundDistance(Metric):
    """Wasserstein distance of order 1 between one fact about real sounds and the same about samples, in its unit.

    Even between samples of the same distribution it is above 0, so `real_halves` is the value between two halves of
    the real sounds.

    Arguments:
        name: name of the metric.
        of: returns the fact about sounds `(N, T)`, `(N,)`.
        unit: its unit.
    """

    direction: Direction = "lower"
    needs: frozenset[Need] = frozenset({"samples"})
    modalities: tuple[Modality, ...] = ("audio",)
    weighted = True

    def __init__(self, name: str, of: Callable[[Array, DataSpec], Array], unit: str) -> None:
        self.name = name
        self._of = of
        self._unit = unit

    def score(self, given: MetricInput) -> Score:
        assert given.data is not None
        assert given.real is not None
        assert given.samples is not None
        check_events("real sounds", given.real, _LEAST)
        check_events("sampled sounds", given.samples, _LEAST)
        real, samples = (self._of(events, given.data) for events in (given.real, given.samples))
        weights, drawn = given.weights_of_real, np.ones(len(samples))
        apart, among = area_between(real, samples), area_between(real, real)
        spread = spread_of_mean([apart], weights, drawn, given.seed)
        silent = int((given.samples == 0).all(1).sum())
        return Score(
            self.name,
            apart(weights, drawn),
            self.direction,
            spread.error,
            {"unit": self._unit},
            notes=(f"{counted(silent, 'sample')} of {len(samples)} silent.",) if silent else (),
            parts={"real_mean": float(np.average(real, weights=weights)), "sampled_mean": float(samples.mean())},
            real_halves=between_halves(among, weights, given.seed),
            shared=spread.shared,
        )


length_distance = SoundDistance("length-distance", seconds_of, "seconds until silence")


loudness_distance = SoundDistance("loudness-distance", loudness, "decibels")
