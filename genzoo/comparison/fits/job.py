"""One fit of a comparison: what it is, and its figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from genzoo.config.run_config import RunConfig
from genzoo.metrics.information_criteria import Criteria
from genzoo.metrics.metric import Score
from genzoo.reports.result import Cost
from genzoo.typing import Array

Purpose = Literal["criteria", "held-out", "fold", "validation"]


@dataclass(frozen=True, slots=True)
class TrialJudge:
    """How the fits of a search are judged on validation rows.

    Arguments:
        metric: name of the metric that judges. Defaults to `None`: the mean log-likelihood.
        bars: for each evaluation during training, the loss that a fit must have reached by then to go on: the median of
            fits that have ended. Defaults to none: every fit is trained to its end.
    """

    metric: str | None = None
    bars: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgment:
    """What a fit of a search is worth.

    Arguments:
        value: mean log-likelihood of the validation rows, nats per row, or the value of the metric; `None` if it has
            none.
        error: standard error of the value. Defaults to `None`: unknown.
        losses: the loss of each evaluation during training, lower is better. Defaults to none.
        pruned: whether training was ended because its losses were worse than the bars. Defaults to false.
        reason: why there is no value. Defaults to `None`.
    """

    value: float | None = None
    error: float | None = None
    losses: tuple[float, ...] = ()
    pruned: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class FitJob:
    """One fit to run.

    Arguments:
        candidate: number of the candidate.
        config: its settings.
        purpose: `criteria` (information criteria from all rows), `held-out` (test figures), `fold` (one fold of
            cross-validation) or `validation` (a fit of a search, which never sees the test rows).
        fold: number of the fold.
        repeat: number of the repetition, from 0. Each uses the next seed.
        features: feature extractor of sample metrics, `NAME` or `NAME=FILE`. Defaults to rows as they are.
        name: id of the candidate, for the display of progress. Defaults to none.
        target: name of the column that metrics predict. Defaults to none.
        judge: how a fit of a search is judged. Defaults to the mean log-likelihood.
    """

    candidate: int
    config: RunConfig
    purpose: Purpose
    fold: int = 0
    repeat: int = 0
    features: str | None = None
    name: str = ""
    target: str | None = None
    judge: TrialJudge = TrialJudge()

    @property
    def label(self) -> str:
        """What is fitted, as text."""
        which = {"fold": f", fold {self.fold + 1}", "criteria": " on all rows"}.get(self.purpose, "")
        return f"{self.name or self.config.model}{which}{f', seed {self.repeat + 1}' if self.repeat else ''}"

    def spares(self, other: FitJob) -> bool:
        """Return whether a failure of this fit makes `other` useless.

        A candidate whose fit to all rows failed has no figure at all. Without a held-out fit it has neither test
        figures nor cross-validation, and without one fold no cross-validation.
        """
        order = ("criteria", "held-out", "fold", "validation")
        return self.candidate == other.candidate and order.index(self.purpose) <= order.index(other.purpose)


@dataclass(frozen=True, slots=True)
class FitResult:
    """The figures of one fit.

    Arguments:
        trial: the fit.
        seconds: duration of training and evaluation.
        kind: kind of its log-likelihoods: `exact`, `lower bound (N draws)`, `estimate (M steps)` ... or `none`.
        measure: what they measure, such as `density`; `None` if there are none.
        dimensions: numbers per image, if the log-likelihood is a probability mass of images; otherwise `None`.
        degrees_of_freedom: free parameters of the fitted model, if they are defined.
        criteria: information criteria, from a fit for that purpose.
        resolution: smallest meaningful difference of log-likelihoods, nats per row. Smaller ones depend on when EM
            stopped, or on the error of the solver behind an estimate. 0 for other models.
        train: mean log-likelihood of the training rows, nats per row.
        scores: log-likelihoods of the test rows, `(N,)`.
        held_out: the same or, for a model without a likelihood, anomaly scores, `(N,)`; `None` if it has neither.
        metrics: scores of sample metrics, by name.
        samples: a few samples for the report, `(M, *event)`; `None` if any is not finite.
        means: whether these are means, without the noise that the model adds to images. Defaults to false.
        reasons: why other figures are missing, by name.
        cost: what the fit cost; only known of the first held-out fit.
        starts: how many starts of EM were `tried`, and how many `agreed` on the best maximum; `None` if there was one.
        fault: why the fit is no proper maximum of the likelihood, such as a component that collapsed; `None` if it is.
        resting: why the log-likelihood of the rows it is evaluated on says nothing about the data; `None` if it does.
        judgment: what a fit of a search is worth; `None` for other fits.
        failure: error message, if the fit failed.
        exit_code: exit code for the failure on a command line.
    """

    trial: FitJob
    seconds: float = 0.0
    kind: str = "none"
    measure: str | None = None
    dimensions: int | None = None
    degrees_of_freedom: int | None = None
    criteria: Criteria | None = None
    resolution: float = 0.0
    train: float | None = None
    scores: Array | None = None
    held_out: Array | None = None
    metrics: Mapping[str, Score] = field(default_factory=dict)
    samples: Array | None = None
    means: bool = False
    reasons: Mapping[str, str] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    starts: Mapping[str, int] | None = None
    fault: str | None = None
    resting: str | None = None
    judgment: Judgment | None = None
    failure: str | None = None
    exit_code: int = 0
