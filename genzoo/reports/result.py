"""What a comparison found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from genzoo.metrics.metric import Score

SCHEMA = 1
"""Version of the JSON form."""


Status = Literal["ok", "failed"]


@dataclass(frozen=True, slots=True)
class LogLikelihood:
    """Mean log-likelihoods in nats per event and in data units, of the fit without the test rows.

    Arguments:
        train: of the rows it was fitted to.
        test: of the test rows, with its standard error.
        kind: `exact`, `lower bound (N draws)` or `none`.
        measure: what it measures, such as `density`, or `density of a; mass of b`.
        spread: standard deviation of the test figure over seeds, where several were asked for.
        bits_per_dim: the test figure in bits per number of an event, of images whose probability mass it is.
    """

    train: float | None = None
    test: float | None = None
    se: float | None = None
    kind: str = "none"
    measure: str | None = None
    spread: float | None = None
    bits_per_dim: float | None = None

    @property
    def exact(self) -> bool:
        """Whether the values are the log-likelihood itself, and no bound of it."""
        return self.kind == "exact"


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """Mean held-out log-likelihood over all folds, nats per event, and its standard error."""

    mean: float | None = None
    se: float | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much a model exceeds the best one, event by event.

    Arguments:
        figure: what differs: `cv`, `test`, or the name of a metric.
        mean: nats per event, or the metric's own unit; below 0 where the model is worse.
        se: standard error of the paired difference; not a number where there are too few events for one.
        low, high: its interval at 95 %, as far as there is one.
    """

    figure: str
    mean: float
    se: float
    low: float
    high: float

    @property
    def has_interval(self) -> bool:
        """Whether there were enough events for an interval."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def undecided(self) -> bool:
        """Whether the interval leaves open which of the two is better."""
        return self.low <= 0.0 <= self.high


@dataclass(frozen=True, slots=True)
class Row:
    """One candidate.

    Arguments:
        id: its name in this report, such as `gmm:n_components=3`.
        model: the id of the zoo entry.
        options: the options that were given, by name.
        reasons: under the name of each figure that is `None`, why; under `status`, why it failed; under `uncovered`,
            the test rows where its component of outliers has no density.
        run: the run directory of this candidate, if it was kept.
        exit_code: what the failure of a failed candidate means for a command line.
    """

    id: str
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    status: Status = "ok"
    degrees_of_freedom: int | None = None
    log_likelihood: LogLikelihood = LogLikelihood()
    aic: float | None = None
    aicc: float | None = None
    bic: float | None = None
    icl: float | None = None
    akaike_weight: float | None = None
    cv: CrossValidation = CrossValidation()
    difference: Difference | None = None
    metrics: Mapping[str, Score] = field(default_factory=dict)
    seconds: float | None = None
    verdict: str = ""
    run: str | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    exit_code: int = 0

    def figure(self, name: str) -> float | None:
        """The number of that name: a criterion, `train`, `test`, `cv`, `seconds`, `degrees_of_freedom` or a metric."""
        if name in ("train", "test"):
            return self.log_likelihood.train if name == "train" else self.log_likelihood.test
        if name == "cv":
            return self.cv.mean
        if name in FIGURES:
            found = getattr(self, name)
            return None if found is None else float(found)
        score = self.metrics.get(name)
        return None if score is None else score.value


FIGURES = ("bic", "aic", "aicc", "icl", "test", "cv", "train", "akaike_weight", "degrees_of_freedom", "seconds")
"""The names that `Row.figure` knows, besides metrics."""


@dataclass(frozen=True, slots=True)
class Report:
    """The whole comparison; rows stand in the order of their rank.

    Arguments:
        data: name, rows, form and digest of the data, and how the rows were divided.
        by: the figure that ranks.
        best: id of the best candidate, or `None` where nothing could be ranked.
        simplest: id of the simplest candidate within one paired standard error of the best.
        rows: the candidates.
        notes: sentences about what was chosen and why.
        conflict: why the candidates cannot all be ranked together, where their likelihoods measure different things.
    """

    data: Mapping[str, Any]
    by: str
    best: str | None
    simplest: str | None
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    conflict: str | None = None

    def __getitem__(self, name: str) -> Row:
        """The row of an id."""
        return next(row for row in self.rows if row.id == name)
