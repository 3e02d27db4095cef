"""What scores say of rows, of each one and of all together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

import genzoo
from genzoo.data.dataset import Rows
from genzoo.data.frames.results import frame_of
from genzoo.errors import ConfigError
from genzoo.inference.description.figures import Contribution
from genzoo.inference.row_likelihoods import ScoreName
from genzoo.inference.rows.threshold import Threshold
from genzoo.inference.texts.lines import UnlikelyText
from genzoo.spec.events import Library
from genzoo.text import counted
from genzoo.typing import Array

SCORE_COLUMNS = (
    "log_likelihood",
    "standard_error",
    "anomaly_score",
    "nats_per_byte",
    "nats_per_symbol",
    "flagged",
    "because",
    "unseen",
)
"""Columns that the scores of rows may have."""


@dataclass(frozen=True, slots=True)
class ExplainedRow:
    """An unlikely row, and the columns that make it so.

    Arguments:
        row: its number, from 0.
        score: its log-likelihood, or its anomaly score.
        columns: the columns whose values are more surprising than usual given the rest of the row, the most surprising
            first; none if no column stands out, or the model cannot say.
        unseen: levels that no training row has, such as `color = red`. Defaults to `None`.
        text: what makes a text unlikely. Defaults to `None`: it is another row.
    """

    row: int
    score: float
    columns: tuple[Contribution, ...] = ()
    unseen: str | None = None
    text: UnlikelyText | None = None

    @property
    def because(self) -> str | None:
        """The names of the columns, or else the levels that no training row has; `None` if there are neither.

        For a text, its most surprising characters.
        """
        if self.text is not None:
            return self.text.because
        return "; ".join(one.column for one in self.columns) or self.unseen

    def as_dict(self, *, each: bool = False) -> dict[str, Any]:
        """Return plain values for JSON.

        Arguments:
            each: whether to list the characters of a text with their log-probabilities. Defaults to false.
        """
        if self.text is not None:
            because: Any = self.because
            return {"row": self.row, "score": self.score, "because": because, **self.text.as_dict(each=each)}
        because = [
            {"column": one.column, "value": one.value, "expected": one.expected, "surprise": one.surprise}
            for one in self.columns
        ]
        return {"row": self.row, "score": self.score, "because": because, "unseen": self.unseen}


@dataclass(frozen=True, slots=True)
class ScoreSummary:
    """What scores say of all rows together.

    Arguments:
        name, kind, threshold, uncovered, unlikely, unexplained: as for `ScoreResult`.
        rows: number of rows.
        mean, errors_of_mean: `mean` and `mean_errors` of `ScoreResult`.
        count_flagged: number of flagged rows; `None` if there is no threshold.
        impossible: rows with an infinite score.
        unobserved: rows without any value.
        unseen: columns and levels that no training row has, by row; not all of them, if there are many rows.
        count_unseen: number of rows with such levels.
        ranked_by: column that ranks the least likely texts; `None` for other rows.
    """

    name: ScoreName
    rows: int
    kind: str
    mean: float | None
    errors_of_mean: tuple[float, float] | None
    threshold: Threshold | None
    count_flagged: int | None
    impossible: Rows
    uncovered: Rows
    unobserved: Rows
    unseen: Mapping[int, str]
    count_unseen: int
    unlikely: tuple[ExplainedRow, ...]
    unexplained: str | None
    ranked_by: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        cut = self.threshold
        return {
            "rows": self.rows,
            "score": self.name,
            "mean": self.mean,
            "errors_of_mean": self.errors_of_mean,
            "kind": self.kind,
            "threshold": None if cut is None else cut.value,
            "calibration": None if cut is None else {"rows": cut.rows, "by": cut.calibration, "warning": cut.warning},
            "count_flagged": self.count_flagged,
            "uncovered": self.uncovered.tolist(),
            "unobserved": self.unobserved.tolist(),
            "count_unseen": self.count_unseen,
            "ranked_by": self.ranked_by,
            "least_likely": [one.as_dict() for one in self.unlikely],
        }


@dataclass(frozen=True, slots=True, repr=False)
class ScoreResult:
    """Scores of rows: log-likelihoods, or anomaly scores.

    Arguments:
        name: which of them.
        values: log-likelihoods in nats, in data units, or anomaly scores, `(N,)`. NaN for rows without any value. Rows
            that are impossible under the model or too far away to compute with, and rows with a category that the
            model does not know, have a log-likelihood of minus infinity, or an infinite anomaly score.
        kind: `exact`, `lower bound (N draws)`, `lower bound` or `estimate (N probes, M steps)`; or what the anomaly
            score is, with its unit.
        threshold: what rows are flagged by, or `None`.
        uncovered: rows outside the box of the model's outlier component.
        weights: weights of the rows, `(N,)`. Defaults to `None`: equal weights.
        unseen: columns and levels that no training row has, by row. Defaults to none.
        unlikely: the least likely rows, the least likely first; texts by `per_byte`. Defaults to none.
        unexplained: why no columns are named for them; `None` if they are.
        per_byte: minus log-likelihoods of texts divided by their bytes, `(N,)`, where the end counts as a byte.
            Defaults to `None`: the rows are no texts, or have no likelihood.
        rate: what this is called. Defaults to `nats_per_byte`.
        errors: standard errors of estimates over their probes, `(N,)`; 0 if divergences are exact. Defaults to `None`:
            the values are no estimates.
    """

    name: ScoreName
    values: Array
    kind: str
    threshold: Threshold | None
    uncovered: Rows
    weights: Array | None = None
    unseen: Mapping[int, str] = field(default_factory=dict)
    unlikely: tuple[ExplainedRow, ...] = ()
    unexplained: str | None = None
    per_byte: Array | None = None
    rate: str = "nats_per_byte"
    errors: Array | None = None

    @property
    def flagged(self) -> Array | None:
        """True for rows beyond the threshold, `(N,)` bool; rows without any value are not flagged."""
        return None if self.threshold is None else self.threshold.flags(self.values)

    @property
    def unobserved(self) -> Rows:
        """Rows without any value."""
        return np.flatnonzero(np.isnan(self.values))

    @property
    def impossible(self) -> Rows:
        """Rows with an infinite score."""
        return np.flatnonzero(np.isinf(self.values))

    @property
    def mean(self) -> float | None:
        """Mean score of the rows that have a value, by weight; `None` if there are none."""
        known = ~np.isnan(self.values)
        if self.weights is None:
            return float(self.values[known].mean()) if known.any() else None
        known &= self.weights > 0
        return float(np.average(self.values[known], weights=self.weights[known])) if known.any() else None

    @property
    def mean_errors(self) -> tuple[float, float] | None:
        """Standard errors of the mean of estimates: over rows and probes, and over probes alone.

        `None` if the values are no estimates, or there are fewer than two.
        """
        known = np.isfinite(self.values)
        if self.errors is None or known.sum() < 2:
            return None
        weights = np.ones(known.sum()) if self.weights is None else self.weights[known]
        share, values = weights / weights.sum(), self.values[known]
        count = len(values) / (len(values) - 1)
        over_rows = math.sqrt(count) * np.linalg.norm(share * (values - share @ values))
        return float(over_rows), float(np.linalg.norm(share * self.errors[known]))

    def columns(self) -> dict[str, Array]:
        """Return what there is to say about each row, by name: its score, and if known `flagged`, `because`, `unseen`.

        Texts are arrays of objects, with `None` for nothing.
        """
        found: dict[str, Array] = {self.name: self.values}
        if self.errors is not None:
            found["standard_error"] = self.errors
        if self.per_byte is not None:
            found[self.rate] = self.per_byte
        if self.flagged is not None:
            found["flagged"] = self.flagged
        if self.unexplained is None and (self.unlikely or not len(self.values)):
            found["because"] = _texts({one.row: one.because for one in self.unlikely}, len(self.values))
        if self.unseen:
            found["unseen"] = _texts(self.unseen, len(self.values))
        return found

    @property
    def summary(self) -> ScoreSummary:
        """What there is to say of all rows together."""
        flagged = self.flagged
        return ScoreSummary(
            self.name,
            len(self.values),
            self.kind,
            self.mean,
            self.mean_errors,
            self.threshold,
            None if flagged is None else int(flagged.sum()),
            self.impossible,
            self.uncovered,
            self.unobserved,
            self.unseen,
            len(self.unseen),
            self.unlikely,
            self.unexplained,
            None if self.per_byte is None else self.rate,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, without the columns."""
        return self.summary.as_dict()

    def order(self, by: Literal["score", "per-byte"]) -> Rows:
        """Return the numbers of the rows, the least likely first.

        Arguments:
            by: log-likelihoods or anomaly scores of rows, or log-likelihoods of texts divided by their bytes.

        Raises:
            ConfigError: the rows have no such figure.
        """
        if by == "per-byte" and self.per_byte is None:
            raise ConfigError("Only log-likelihoods of texts are also given per byte. Sort other rows by their score.")
        above = self.per_byte if by == "per-byte" else -self.values if self.name == "log_likelihood" else self.values
        assert above is not None
        return np.argsort(-np.nan_to_num(above, nan=-np.inf, posinf=np.inf), kind="stable")

    def to_frame(self, library: Library | None = None) -> Any:
        """Return the columns as a table with a row for each row.

        Arguments:
            library: `pandas | polars | pyarrow`. Defaults to the first of them that is installed.
        """
        return frame_of(self.columns(), library)

    def _repr_html_(self) -> str:
        return genzoo.view(self).html

    def __repr__(self) -> str:
        mean = "" if self.mean is None else f", {self.mean:.4g} on average"
        flagged = "" if self.flagged is None else f", {self.flagged.sum()} flagged"
        return f"<ScoreResult of {counted(len(self.values), 'row')}: {self.name} ({self.kind}){mean}{flagged}>"


def _texts(by_row: Mapping[int, str | None], count: int) -> Array:
    column = np.full(count, None, object)
    for row, text in by_row.items():
        column[row] = text
    return column
