"""Whether a model copies its training set: how near its samples lie to it, beside events that it was not trained on.

The value is the probability that a sample lies nearer to the training events than a held-out event does: one half
where samples are as fresh as held-out events. Three tests, each at 1 %, look for copies: all samples are nearer (by
rank), some of them are far too near (by the smallest held-out distances), or more of them than of held-out events
equal a training event.

Reference:
    "A Non-Parametric Test to Detect Data-Copying in Generative Models" (Meehan et al., 2020).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.stats import fisher_exact, mannwhitneyu, nhypergeom

from genzoo.errors import DataError
from genzoo.metrics.distance import nearest
from genzoo.metrics.metric import Direction, Given, Metric, Need, Score, feature_pair, training_features

Distances = np.ndarray[Any, np.dtype[np.float64]]

LEVEL = 0.01
"""At which each test flags."""

_LEAST = 10
_NEAR = 0.05
"""The share of held-out events whose distances say what is far too near."""


class Memorisation(Metric):
    """Probability that a sample lies nearer to the training events than a held-out event does."""

    name = "memorisation"
    direction: Direction = "lower"
    needs: frozenset[Need] = frozenset({"features", "training"})

    def score(self, given: Given) -> Score:
        real, samples = feature_pair(given, _LEAST)
        train = training_features(given, _LEAST)
        mine, theirs = np.split(nearest(np.concatenate([samples, real]), train), [len(samples)])
        if (theirs == 0).mean() > 0.5:
            raise DataError(
                f"{int((theirs == 0).sum())} of {len(theirs)} real events equal a training event, so copies cannot be "
                f"told from fresh samples: {_why_equal(given)}."
            )
        value, error = nearer(mine, theirs)
        copies = int((mine == 0).sum())
        parts = {"copies": copies / len(mine), "real_copies": float((theirs == 0).mean())}
        return Score(self.name, value, self.direction, error, notes=_notes(mine, theirs), parts=parts)


def _why_equal(given: Given) -> str:
    """What makes most real events equal a training event."""
    data = given.data
    if data is not None and data.modality == "table" and len(data.discrete) == len(data.features):
        return "in such discrete data equality is no sign of copying"
    return "either the model was trained on them, or the data take few values, and equality is no sign of copying"


def nearer(mine: Distances, theirs: Distances) -> tuple[float, float]:
    """The probability that one of `mine` is less than one of `theirs`, ties by half, and its standard error."""
    wins = _greater(theirs, mine)
    losses = 1 - _greater(mine, theirs)
    error = math.sqrt(wins.var(ddof=1) / len(mine) + losses.var(ddof=1) / len(theirs))
    return float(wins.mean()), error


def _greater(values: Distances, of: Distances) -> Distances:
    """For each of `of`, the share of `values` that are greater, ties by half."""
    ordered = np.sort(values)
    left, right = (np.searchsorted(ordered, of, side) for side in ("left", "right"))
    found: Distances = 1 - (left + right) / (2 * len(values))
    return found


def _notes(mine: Distances, theirs: Distances) -> tuple[str, ...]:
    """What the three tests find."""
    notes = []
    copies, same = int((mine == 0).sum()), int((theirs == 0).sum())
    table = [[copies, len(mine) - copies], [same, len(theirs) - same]]
    if fisher_exact(table, alternative="greater").pvalue < LEVEL:
        notes.append(
            f"the model copies its training set: {copies} of {len(mine)} samples equal a training event, and {same} "
            f"of {len(theirs)} held-out events do."
        )
    if mannwhitneyu(mine, theirs, alternative="less", method="asymptotic").pvalue < LEVEL:
        notes.append(
            "the model copies its training set, or draws too close around it: its samples lie nearer to training "
            "events than held-out events do."
        )
    rank = max(1, round(_NEAR * len(theirs)))
    near = int((mine < np.sort(theirs)[rank - 1]).sum())
    if nhypergeom(len(mine) + len(theirs), len(mine), rank).sf(near - 1) < LEVEL and not notes:
        notes.append(
            f"the model copies parts of its training set: {near} of {len(mine)} samples lie nearer to a training event "
            f"than the nearest {_NEAR:.0%} of held-out events do."
        )
    return tuple(notes)


memorisation = Memorisation()
