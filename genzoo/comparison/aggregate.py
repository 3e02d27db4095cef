"""Combine the fits of one candidate into its row of the report."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from genzoo.comparison.candidate import Candidate
from genzoo.comparison.fits.em_figures import NO_MAXIMUM
from genzoo.comparison.fits.job import FitResult
from genzoo.comparison.splits import Folds, SplitPlan
from genzoo.data.dataset import Dataset, Rows
from genzoo.data.sounds.facts import samples_of
from genzoo.data.texts.flat import Texts
from genzoo.data.texts.symbols import of_bytes
from genzoo.inference.row_likelihoods import bits_per_dim
from genzoo.metrics.information_criteria import CRITERIA, no_criteria
from genzoo.metrics.likelihood_metrics import bits_per_size, is_mass
from genzoo.metrics.statistics import Estimate, are_frequencies, estimate, paired_difference
from genzoo.reports.result import CrossValidation, LogLikelihood, Row
from genzoo.text import about_starts
from genzoo.typing import Array
from genzoo.wording import argument


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known about the held-out rows, besides their log-likelihoods.

    Arguments:
        fold: for each row of cross-validation, the fold that held it out, `(N,)`; `None` without cross-validation.
        test_weights, cv_weights: weights of the test rows and of the rows of cross-validation; `None` if all count
            once.
        frequencies: whether weights are counts. All rows decide this together: test rows alone may be whole numbers
            by chance.
        events: number of rows behind the information criteria, or the sum of their weights.
        test_groups, cv_groups: numbers of the groups of the test rows and of the rows of cross-validation, which stay
            together; `None` if each row is on its own.
        test_sizes: number of bytes of each test row, or of samples of each sound; `None` if rows are neither.
        rate: name of the log-likelihood in bits by these sizes; empty if there are none.
    """

    fold: Folds | None = None
    test_weights: Array | None = None
    cv_weights: Array | None = None
    frequencies: bool = True
    events: float = 0.0
    test_groups: Folds | None = None
    cv_groups: Folds | None = None
    test_sizes: Array | None = None
    rate: str = ""

    @staticmethod
    def of(dataset: Dataset, division: SplitPlan) -> Evidence:
        """Collect weights and folds of a dataset under a split."""
        weights, groups = dataset.weights, division.divider.groups
        rate, sizes = _sizes(dataset, division.test_rows)
        own = None if weights is None else weights[division.rows]
        return Evidence(
            fold=division.fold,
            test_weights=None if weights is None else weights[division.test_rows],
            cv_weights=own,
            frequencies=weights is None or are_frequencies(weights),
            events=len(division.rows) if own is None else float(own.sum()),
            test_groups=None if groups is None else groups[division.test_rows],
            cv_groups=None if groups is None else groups[division.rows],
            test_sizes=sizes,
            rate=rate,
        )

    def bits(self, scores: Array) -> dict[str, float | None]:
        """Return the log-likelihoods `scores (R, N)` of the test rows in bits per byte or sample, and their error.

        They are fields of `LogLikelihood`. There are none if rows are neither texts nor sounds, or are all empty.
        """
        if self.test_sizes is None or not float(estimate(self.test_sizes[None], self.test_weights).mean):
            return {}
        value, error = bits_per_size(scores.mean(axis=0), self.test_sizes, self.test_weights)
        return {self.rate: value, f"{self.rate}_se": error}

    def mean(self, figure: str, scores: Array) -> Estimate:
        """Return the mean of the log-likelihoods `scores (R, N)` behind `test` or `cv`, with its standard error."""
        return estimate(scores, *self._about(figure), frequencies=self.frequencies, groups=self._groups(figure))

    def difference(self, figure: str, scores: Array, best: Array) -> Estimate:
        """Return the paired difference of the log-likelihoods behind `test` or `cv` from the best model's.

        It is the mean over rows of `scores - best`, with its standard error. Some rows are hard for every model, so
        most of the spread between rows is common to all of them. It cancels in the difference of the same row. Two
        separate standard errors would hide real differences. See "Likelihood Ratio Tests for Model Selection and
        Non-Nested Hypotheses" (Vuong, 1989).

        Rows of one fold share a fitted model, so their errors are not independent, and rows of one group are alike.
        `estimate` therefore also computes the spread between folds and between groups, and takes the largest error. No
        estimator is unbiased here: "No Unbiased Estimator of the Variance of K-Fold Cross-Validation" (Bengio and
        Grandvalet, 2004).

        Arguments:
            scores, best: log-likelihoods of the same rows, `(R, N)`, one row for each seed.
        """
        groups = self._groups(figure)
        return paired_difference(scores, best, *self._about(figure), frequencies=self.frequencies, groups=groups)

    def counts_nothing(self, figure: str) -> bool:
        """Return whether all rows behind `test` or `cv` have weight 0."""
        weights, _ = self._about(figure)
        return weights is not None and not weights.any()

    def _about(self, figure: str) -> tuple[Array | None, Folds | None]:
        return (self.cv_weights, self.fold) if figure == "cv" else (self.test_weights, None)

    def _groups(self, figure: str) -> Folds | None:
        return self.cv_groups if figure == "cv" else self.test_groups


@dataclass(frozen=True, slots=True)
class CandidateResult:
    """The figures of one candidate, before candidates are compared.

    Arguments:
        row: row of the report, without a verdict.
        resolution: smallest meaningful difference of its log-likelihoods, nats per row. Smaller ones depend on when
            training stopped.
        test, cv: log-likelihoods of held-out rows, `(R, N)`, one row for each seed; `None` if there are none or one is
            infinite.
        slack: smallest meaningful difference of its information criteria, for the same reason.
        whole: whether no fit failed.
        samples: a few samples of the held-out fit, for the report, `(M, *event)`.
        means: whether these are means, as in `FitResult`. Defaults to false.
        held_out: scores of held-out rows of the first seed, by `test` or `cv`, `(N,)` each: log-likelihoods, which may
            be minus infinity, or anomaly scores. Thresholds of unusual rows come from them. Defaults to none.
    """

    row: Row
    resolution: float = 0.0
    test: Array | None = None
    cv: Array | None = None
    slack: float = 0.0
    whole: bool = True
    samples: Array | None = None
    means: bool = False
    held_out: Mapping[str, Array] = field(default_factory=dict)

    def held_out_scores(self, figure: str) -> Array | None:
        """Return scores of the rows held out for `test` or `cv`, of the first seed, `(N,)`."""
        ranked = self.scores(figure)  # all that former versions stored
        return self.held_out.get(figure, None if ranked is None else ranked[0])

    def scores(self, figure: str) -> Array | None:
        """Return the log-likelihoods behind `test` or `cv`."""
        return self.cv if figure == "cv" else self.test


def aggregate_results(candidate: Candidate, outcomes: Sequence[FitResult], evidence: Evidence) -> CandidateResult:
    """Combine the results of all fits of a candidate."""
    seconds = sum(outcome.seconds for outcome in outcomes)
    whole, held_out, folds = _by_purpose(outcomes)
    # A candidate with information criteria stays in the report even if its held-out fit failed.
    failed = _failed(whole) or (None if _has_values(whole) else _failed(held_out))
    if failed is not None:
        return _failed_result(candidate, failed, seconds)
    first = whole[0] if held_out[0].failure is not None else held_out[0]
    found = whole[0].criteria or no_criteria("not computed")
    broken = _broken(held_out, folds)
    reasons = {**_reasons(first, whole[0], folds), **found.reasons}
    test = None if "test" in broken else _scores("test", [o.scores for o in held_out], first.kind, evidence, reasons)
    folded = [_of_all_folds(folds, [fit.scores for fit in folds], evidence.fold, o.trial.repeat) for o in held_out]
    cv = None if "cv" in broken else _scores("cv", folded, first.kind, evidence, reasons)
    row = Row(
        candidate.id,
        candidate.config.model,
        dict(candidate.assigned),
        degrees_of_freedom=first.degrees_of_freedom,
        log_likelihood=_log_likelihood(first, _mean_train(held_out), test, evidence),
        **{name: getattr(found, name) for name in CRITERIA},
        cv=CrossValidation() if cv is None else _cross_validation(evidence.mean("cv", cv)),
        metrics=first.metrics,
        seconds=seconds,
        cost=held_out[0].cost,
        reasons=reasons | broken,
    )
    kept = {
        "test": None if "test" in broken else held_out[0].held_out,
        "cv": None if "cv" in broken else _of_all_folds(folds, [fit.held_out for fit in folds], evidence.fold, 0),
    }
    return CandidateResult(
        not_ranked(row, _resting(whole, held_out, folds)),
        first.resolution,
        test,
        cv,
        slack=2 * evidence.events * whole[0].resolution,  # criteria are -2 log L, summed over rows
        whole=not broken,
        samples=first.samples,
        means=first.means,
        held_out={figure: scores for figure, scores in kept.items() if scores is not None},
    )


def _failed_result(candidate: Candidate, failed: FitResult, seconds: float) -> CandidateResult:
    reasons = {"status": failed.failure or ""}
    row = Row(
        candidate.id,
        candidate.config.model,
        dict(candidate.assigned),
        "failed",
        seconds=seconds,
        reasons=reasons,
        exit_code=failed.exit_code,
    )
    return CandidateResult(row)


def _reasons(first: FitResult, whole: FitResult, folds: Sequence[FitResult]) -> dict[str, str]:
    """Return why figures are missing or doubtful, apart from criteria and from fits that failed.

    Arguments:
        first: the fit whose figures are printed.
        whole: the fit to all rows.
    """
    strange = next((fit.reasons for fit in folds if "unseen" in fit.reasons), {})
    reasons = {**strange, **first.reasons}
    if (starts := first.starts if whole.starts is None else whole.starts) is not None:
        reasons["starts"] = about_starts(**starts)
    if first.kind == "none":
        reasons["train"] = "no likelihood"
    if first.degrees_of_freedom is None:
        reasons["degrees_of_freedom"] = "not defined" if first.kind == "exact" else "no exact likelihood"
    return reasons


def not_ranked(row: Row, reasons: Mapping[str, str]) -> Row:
    """Note why figures of a row, which are shown, are not ranked; figures without a value keep their reason.

    Arguments:
        reasons: reasons by figure.
    """
    own = {name: reason for name, reason in reasons.items() if row.figure(name) is not None}
    return dataclasses.replace(row, reasons={**own, **row.reasons})


def _resting(whole: Sequence[FitResult], held_out: Sequence[FitResult], folds: Sequence[FitResult]) -> dict[str, str]:
    """Return by figure why the likelihood behind it is not ranked: the fit degenerated, or rests on a setting.

    A candidate whose fit to all rows degenerated is not ranked by any likelihood. That fit is the one to be used.
    """
    found: dict[str, str] = {}
    for names, fits in ((CRITERIA, whole), (("test",), held_out), (("cv",), folds)):
        reason = next((_no_maximum(fit) for fit in fits if fit.fault is not None), None)
        reason = reason or next((fit.resting for fit in fits if fit.resting is not None), None)
        if reason is not None:
            found |= dict.fromkeys(names, reason)
    if (degenerate := next((fit for fit in whole if fit.fault is not None), None)) is not None:
        found = dict.fromkeys(("test", "cv"), _no_maximum(degenerate)) | found
    return found


_FITS = {"criteria": "the fit to all rows", "held-out": "the fit without the test rows"}


def _no_maximum(fit: FitResult) -> str:
    """Return why the likelihood of a degenerate fit is not ranked."""
    return f"{NO_MAXIMUM}: in {_FITS.get(fit.trial.purpose, f'the fit without fold {fit.trial.fold}')}, {fit.fault}"


def _by_purpose(outcomes: Sequence[FitResult]) -> tuple[list[FitResult], list[FitResult], list[FitResult]]:
    """Return the results of the fit to all rows, of held-out fits and of folds.

    Results arrive in any order. They are sorted by repetition and fold, so the same failure is always reported first.
    """
    found: dict[str, list[FitResult]] = {"criteria": [], "held-out": [], "fold": []}
    for outcome in sorted(outcomes, key=lambda o: (o.trial.repeat, o.trial.fold)):
        found[outcome.trial.purpose].append(outcome)
    return found["criteria"], found["held-out"], found["fold"]


def _failed(outcomes: Sequence[FitResult]) -> FitResult | None:
    return next((outcome for outcome in outcomes if outcome.failure is not None), None)


def _has_values(whole: Sequence[FitResult]) -> bool:
    found = whole[0].criteria
    return found is not None and any(getattr(found, name) is not None for name in CRITERIA)


def _broken(held_out: Sequence[FitResult], folds: Sequence[FitResult]) -> dict[str, str]:
    """Return why figures are missing if some fits of a candidate failed, by name of the figure."""
    failed = _failed(held_out)
    if failed is not None:
        reason = f"the fit without the test rows failed: {failed.failure}"
        return dict.fromkeys(("train", "test", "cv") if failed is held_out[0] else ("test", "cv"), reason)
    failed = _failed(folds)
    return {} if failed is None else {"cv": f"fold {failed.trial.fold} failed: {failed.failure}"}


def _of_all_folds(
    folds: Sequence[FitResult], found: Sequence[Array | None], fold: Folds | None, repeat: int
) -> Array | None:
    """Return the scores of all rows under one seed, each from the fit that held the row out, `(N,)`.

    Arguments:
        found: the scores of the rows that each of `folds` held out.
    """
    if fold is None:
        return None
    scores = np.empty(len(fold))
    for fit, own in zip(folds, found, strict=True):
        if fit.trial.repeat == repeat:
            if own is None:
                return None
            scores[fold == fit.trial.fold] = own
    return scores


def _scores(
    figure: str, repeats: Sequence[Array | None], kind: str, evidence: Evidence, reasons: dict[str, str]
) -> Array | None:
    """Return log-likelihoods under all seeds, `(R, N)`; or add a reason to `reasons` and return `None`."""
    if kind == "none":
        reasons[figure] = "no likelihood"
        return None
    known = [scores for scores in repeats if scores is not None]
    if len(known) < len(repeats):
        reasons[figure] = (
            f"no cross-validation (see {argument('folds')})" if figure == "cv" else "there are no test rows"
        )
        return None
    if evidence.counts_nothing(figure):
        reasons[figure] = "all held-out rows have weight 0"
        return None
    scores = np.stack(known).astype(np.float64)
    impossible = int(np.isneginf(scores).any(axis=0).sum())
    if impossible:
        reasons[figure] = f"{impossible} of {scores.shape[1]} held-out rows have density 0 under this model"
        return None
    return scores


def _sizes(dataset: Dataset, rows: Rows) -> tuple[str, Array | None]:
    """Return the name of the rate of bytes or samples, and how many each of some rows has, `(N,)`."""
    events: object = dataset.events
    if isinstance(events, Texts):
        return ("bits_per_byte", events.lengths[rows]) if of_bytes(dataset.spec) else ("", None)
    return ("bits_per_sample", samples_of(dataset.events[rows])) if dataset.spec.form.timed else ("", None)


def _mean_train(held_out: Sequence[FitResult]) -> float | None:
    """Average over the seeds whose fit succeeded."""
    known = [outcome.train for outcome in held_out if outcome.train is not None]
    return sum(known) / len(known) if known else None


def _log_likelihood(first: FitResult, train: float | None, test: Array | None, evidence: Evidence) -> LogLikelihood:
    if test is None:
        return LogLikelihood(train, kind=first.kind, measure=first.measure)
    mean = evidence.mean("test", test)
    bits = None if first.dimensions is None else bits_per_dim(mean.mean, first.dimensions)
    each = [evidence.mean("test", scores[None]).mean for scores in test]
    spread = float(np.std(each, ddof=1)) if len(each) > 1 else None
    rates = evidence.bits(test) if is_mass(first.measure or "") else {}
    return LogLikelihood(train, mean.mean, _known(mean.se), first.kind, first.measure, spread, bits, **rates)


def _cross_validation(mean: Estimate) -> CrossValidation:
    return CrossValidation(mean.mean, _known(mean.se))


def _known(error: float) -> float | None:
    """Return a standard error, or `None` if there are too few rows for one."""
    return error if math.isfinite(error) else None
