"""The score beyond which a row is unusual, calibrated on rows that the model was not trained on.

A row is unusual if its log-likelihood is low, or if its anomaly score is high.

The threshold is conformal: among held-out rows and one new row like them, every rank of the new one is equally likely.
So the probability that it scores below the k-th smallest of n held-out scores is at most k / (n + 1), for any model and
any n. The same holds above the k-th largest. It holds only about for rows that chose the model, and for rows of a
comparison, whose scores come from other fits than the one that scores new rows.

References:
    "Algorithmic Learning in a Random World" (Vovk, Gammerman and Shafer, 2005).
    "Testing for Outliers with Conformal p-values" (Bates, Candès, Lei, Romano and Sesia, 2023).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from genzoo.text import counted
from genzoo.typing import Array

Calibration = Literal["validation", "selection", "comparison"]
"""Rows whose scores are kept with a model: validation rows; validation rows that chose the best step, too; or rows that
fits of a comparison held out."""


_ROWS: dict[Calibration, str] = {
    "validation": "the validation rows, which the model was not trained on",
    "selection": "the validation rows, which also chose the model's best step and so look a little too usual",
    "comparison": "rows that fits of a comparison held out",
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """A score beyond which a row is flagged.

    Arguments:
        value: in units of the score; infinite if there are too few rows to flag any.
        quantile: largest share of new rows, like those that calibrate it, that score beyond it on average.
        place: which of the scores it is, counted from the most unusual, from 1; 0 for none.
        rows: number of rows that calibrate it.
        calibration: which rows these are.
        above: whether rows above it are flagged, rather than rows below it. Defaults to False.
    """

    value: float
    quantile: float
    place: int
    rows: int
    calibration: Calibration
    above: bool = False

    def flags(self, scores: Array) -> Array:
        """Return which scores `(N,)` are beyond the threshold, `(N,)` bool; NaN is not."""
        flagged: Array = scores > self.value if self.above else scores < self.value
        return flagged

    @property
    def side(self) -> str:
        """The side on which rows are flagged, `above` or `below`."""
        return "above" if self.above else "below"

    def describe(self) -> str:
        """Return how the threshold was found, as a sentence without its end."""
        source = f"{counted(self.rows, 'row')}: {_ROWS[self.calibration]}"
        if not self.place:
            return f"calibrated on {source}"
        # The guarantee is for rows that had no part in the model, scored by this model and not by other fits.
        share = f"{'at most' if self.calibration == 'validation' else 'about'} {self.quantile:g}"
        return f"calibrated on {source}; of new rows like them, {share} score {self.side} it on average"

    @property
    def warning(self) -> str | None:
        """Why there are too few rows for the quantile, or `None`."""
        needed = math.ceil(1 / _exactly(self.quantile))
        if self.rows >= needed:
            return None
        extreme = "largest" if self.above else "smallest"
        outcome = "no row is flagged" if not self.place else f"the threshold is the {extreme} score of all"
        more = "compare with cross-validation, which holds out every row"
        remedy = more if self.calibration == "comparison" else "hold out more rows"
        return (
            f"{counted(self.rows, 'row')} are too few for a threshold of {self.quantile:g}, which needs {needed}, so "
            f"{outcome}; {remedy}, or use a larger one"
        )


def conformal_threshold(scores: Array, quantile: float, calibration: Calibration, *, above: bool = False) -> Threshold:
    """Return the threshold beyond which a new row scores with a probability of at most `quantile`.

    It is the largest such threshold for log-likelihoods, and the smallest for anomaly scores.

    It is the score at place floor(q (n + 1)) from the most unusual. In increasing order of surprise, this is the place
    ceil((n + 1) (1 - q)).

    Arguments:
        scores: scores of held-out rows, `(n,)`.
        quantile: between 0 and 1.
        calibration: which rows these are.
        above: whether high scores are unusual, as anomaly scores are. Defaults to False, as for log-likelihoods.
    """
    place = math.floor(_exactly(quantile) * (len(scores) + 1))
    sign = -1.0 if above else 1.0
    value = float(np.sort(sign * scores)[place - 1]) if place else -math.inf
    if value <= np.finfo(np.float64).min:  # it stands for a density of 0, and no row scores below that
        value = -math.inf
    return Threshold(sign * value, quantile, place, len(scores), calibration, above)


def _exactly(quantile: float) -> Fraction:
    """Return the decimal number that was written: 0.29 times 100 is 29, and not a little less."""
    return Fraction(repr(float(quantile)))
