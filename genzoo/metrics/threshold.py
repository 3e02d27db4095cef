"""The log-likelihood below which a row is unusual, calibrated on rows that the model was not trained on.

The threshold is conformal: among held-out rows and one new row like them, every rank of the new one is equally likely.
So the probability that it scores below the k-th smallest of n held-out scores is at most k / (n + 1), for any model and
any n.

References:
    "Algorithmic Learning in a Random World" (Vovk, Gammerman and Shafer, 2005).
    "Testing for Outliers with Conformal p-values" (Bates, Candès, Lei, Romano and Sesia, 2023).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from genzoo.inference.trained_model import Calibration
from genzoo.text import counted
from genzoo.typing import Array

_ROWS: dict[Calibration, str] = {
    "validation": "the validation rows, which the model was not trained on",
    "selection": "the validation rows, which also chose the model's best step and so score a little too high",
    "comparison": "rows that fits of a comparison held out",
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """A log-likelihood below which a row is flagged.

    Arguments:
        value: nats; minus infinity if there are too few rows to flag any.
        quantile: largest share of new rows, like those that calibrate it, that score below it on average.
        place: which of the scores it is, counted from the smallest, from 1; 0 for none.
        rows: number of rows that calibrate it.
        calibration: which rows these are.
    """

    value: float
    quantile: float
    place: int
    rows: int
    calibration: Calibration

    def describe(self) -> str:
        """Return how the threshold was found, as a sentence without its end."""
        source = f"{counted(self.rows, 'row')}: {_ROWS[self.calibration]}"
        if not self.place:
            return f"calibrated on {source}"
        return f"calibrated on {source}; of new rows like them, at most {self.quantile:g} score below it on average"

    @property
    def warning(self) -> str | None:
        """Why there are too few rows for the quantile, or `None`."""
        needed = math.ceil(1 / _exactly(self.quantile))
        if self.rows >= needed:
            return None
        outcome = "no row is flagged" if not self.place else "the threshold is the smallest score of all"
        return (
            f"{counted(self.rows, 'row')} are too few for a threshold of {self.quantile:g}, which needs {needed}, so "
            f"{outcome}; hold out more rows, or use a larger one"
        )


def conformal_threshold(scores: Array, quantile: float, calibration: Calibration) -> Threshold:
    """Return the largest threshold below which a new row scores with a probability of at most `quantile`.

    It is the score at place floor(q (n + 1)) from the smallest. In terms of surprise, minus the log-likelihood, this is
    the place ceil((n + 1) (1 - q)).

    Arguments:
        scores: log-likelihoods of held-out rows, `(n,)`.
        quantile: between 0 and 1.
        calibration: which rows these are.
    """
    place = math.floor(_exactly(quantile) * (len(scores) + 1))
    value = float(np.sort(scores)[place - 1]) if place else -math.inf
    if value <= np.finfo(np.float64).min:  # it stands for a density of 0, and no row scores below that
        value = -math.inf
    return Threshold(value, quantile, place, len(scores), calibration)


def _exactly(quantile: float) -> Fraction:
    """Return the decimal number that was written: 0.29 times 100 is 29, and not a little less."""
    return Fraction(repr(float(quantile)))
