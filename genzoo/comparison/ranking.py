"""Rank candidates, and give each a verdict relative to the best.

A verdict comes from the paired difference of held-out log-likelihoods, because information criteria have no standard
error. A candidate is "worse" if the 95 % interval of its difference from the best excludes 0. Without such a
difference, a gap between criteria decides, or the verdict says that there is no interval.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from genzoo.comparison.aggregate import CandidateResult, Evidence
from genzoo.metrics.information_criteria import CRITERIA, akaike_weights
from genzoo.metrics.metric import error_of_difference
from genzoo.metrics.protocol import differing
from genzoo.metrics.statistics import Estimate, chance_of_a_false_difference
from genzoo.reports.result import CHEAPEST, UNSUITED, Difference, LogLikelihood, Row
from genzoo.wording import argument

LIKELIHOOD_FIGURES = (*CRITERIA, "test", "cv")
"""Figures that are comparable only among likelihoods of the same measure, such as two densities."""


NOT_TOLD_APART = "not told apart"
"""The verdict on a candidate whose difference from the best may be chance."""


_CLOSE = 2.0
"""Smallest difference of information criteria that makes a candidate "worse" if there are no held-out rows.

Raftery ("Bayesian Model Selection in Social Research", 1995) calls a BIC difference below 2 "not worth more than a bare
mention". The other criteria have no such scale, and use the same value.
"""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Rows in the order of their rank, with verdicts.

    Arguments:
        rows: ranked candidates first, then those with another measure, the best of each first, and failed ones last.
        best, simplest: ids, as in a `Report`.
        notes: sentences about the ranking.
        conflict: why some candidates are not ranked, or `None`.
    """

    rows: tuple[Row, ...]
    best: str | None
    simplest: str | None
    notes: tuple[str, ...]
    conflict: str | None


def default_figure(results: Sequence[CandidateResult], *, folds: bool) -> tuple[str, str]:
    """Choose the figure to rank by, and return it with a sentence that says why."""
    rows = [result.row for result in results if result.row.status == "ok"]
    known = [row for row in rows if row.log_likelihood.kind != "none"]
    figure = "cv" if folds else "test"
    if not rows:
        return "bic", "Nothing is ranked: no candidate could be fitted."
    if not known:
        return "coverage", "Ranked by coverage: no candidate has a likelihood."
    known = [row for row in known if row.figure(figure) is None or row.ranked_by(figure) is not None]
    if not known:
        return "coverage", "Ranked by coverage: no candidate has a likelihood that says something about the data."
    judged = {row.model for row in known if row.ranked_by("bic") is not None}
    # A model counts as having BIC if any of its candidates has it: one fit that did not converge changes nothing.
    without = next((row for row in known if row.model not in judged), None)
    if without is None:
        return "bic", "Ranked by bic, which every model with a likelihood has; lower is better."
    return figure, f"Ranked by {figure}, because {without.id} has no bic: {without.reasons['bic']}."


def rank(results: Sequence[CandidateResult], by: str, evidence: Evidence, *, cheapest: bool = False) -> Ranking:
    """Rank candidates by a figure, and compare each with the best.

    Arguments:
        results: results of all candidates, in the order they were named.
        by: `bic | aic | aicc | icl | test | cv` or the name of a metric.
        evidence: weights and folds of the held-out rows.
        cheapest: whether, of the candidates that are not told apart from the best by the figure, the cheapest one is
            the best. Defaults to `False`.
    """
    alike, conflict = _of_one_measure(results, by)
    ordered = sorted(
        (result for result in alike if result.row.ranked_by(by) is not None), key=lambda r: _order(r.row, by)
    )
    if not ordered:
        return Ranking(_ordered([_unranked(result, by, None) for result in results], []), None, None, (), conflict)
    best = _best(ordered, by, evidence)
    together = {result.row.id for result in alike if not _rests(result.row, by)}
    ranked = [best.row.id, *(result.row.id for result in ordered if result is not best)]
    rows = []
    for result in results:
        apart = result is not best and result.row.id in together
        gap = _difference(result, best, by, evidence) if apart else None
        if result.row.id in ranked:
            verdict = _verdict(result, best, gap, by)
            rows.append(dataclasses.replace(result.row, difference=gap, verdict=verdict))
        else:
            rows.append(_unranked(result, by, gap))
    comparable = alike if by in LIKELIHOOD_FIGURES else _of_one_measure(results, "test")[0]
    simplest, note = _simplest(comparable, best, evidence)
    notes = tuple(filter(None, [_how(best, rows), _one_by_one(rows), note]))
    chosen = best.row.id
    if cheapest:
        chosen, rows, about = _cheapest(rows, best.row, by)
        ranked = [chosen, *(name for name in ranked if name != chosen)]
        notes = (*notes, about)
    return Ranking(
        _ordered(
            _weighted(rows, {result.row.id for result in comparable}), [*ranked, *_by_measure(results, alike, by)]
        ),
        chosen,
        simplest,
        notes,
        conflict,
    )


def _cheapest(rows: Sequence[Row], first: Row, by: str) -> tuple[str, list[Row], str]:
    """Choose the cheapest of the candidates that are not told apart from the best by the figure.

    If an information criterion ranks, their criterion must be close to the best one, too.

    Arguments:
        rows: rows with verdicts.
        first: the best by the figure.
        by: the figure.

    Returns:
        Its id, the rows with their new verdicts, and a sentence.
    """
    best = first.id
    like = [row for row in rows if row.verdict.startswith(NOT_TOLD_APART) and _is_close(row, first, by)]
    tied = [row for row in rows if row.id == best or row in like]
    found = min(tied, key=lambda row: (row.cost.seconds, row.id != best))
    if found.id == best:
        others = "all others differ from it" if len(tied) == 1 else "no candidate like it is cheaper"
        return best, list(rows), f"{best} is the best by {by}, and {others}."
    verdicts = {found.id: CHEAPEST, best: NOT_TOLD_APART}
    changed = [dataclasses.replace(row, verdict=verdicts.get(row.id, row.verdict)) for row in rows]
    return (
        found.id,
        changed,
        (
            f"{found.id} is the cheapest of {len(tied)} candidates: {best}, the best by {by}, and those like it. "
            f"Training it and drawing 1,000 samples took {found.cost.seconds:.2g} s, and {first.cost.seconds:.2g} s "
            f"with {best}."
        ),
    )


def _is_close(row: Row, first: Row, by: str) -> bool:
    """Return whether a figure is close to the best one, if it is an information criterion."""
    mine, least = row.figure(by), first.figure(by)
    return by not in CRITERIA or (mine is not None and least is not None and mine - least < _CLOSE)


def _rests(row: Row, by: str) -> bool:
    """Return whether a figure is shown, but says nothing about the data."""
    return row.figure(by) is not None and row.ranked_by(by) is None


def _of_one_measure(results: Sequence[CandidateResult], by: str) -> tuple[list[CandidateResult], str | None]:
    """Return the candidates that can be ranked together, and a sentence if others cannot."""
    whole = [result for result in results if result.row.status == "ok"]
    known = [result for result in whole if result.row.log_likelihood.measure is not None]
    counted = Counter(result.row.log_likelihood.measure for result in known)
    if len(counted) < 2 or by not in LIKELIHOOD_FIGURES:
        return whole, None
    common = counted.most_common(1)[0][0]
    alike = [result for result in whole if result.row.log_likelihood.measure in (common, None)]
    parts = []
    for measure in counted:
        names = [result.row.id for result in known if result.row.log_likelihood.measure == measure]
        parts.append(f"{measure} for {', '.join(names)}")
    return alike, (
        f"Log-likelihoods of different measures cannot be ranked together: {'; '.join(parts)}. Ranked by them are only "
        f"candidates with {common}.{remedy()}"
    )


def remedy(asked: str = "by") -> str:
    """Return the end of `Ranking.conflict`, which says what to do about it.

    Arguments:
        asked: the argument that names the figure. Defaults to `by`, as for `compare`.
    """
    return f" To rank all, use a metric of samples, such as {argument(asked, 'coverage')}."


def _by_measure(results: Sequence[CandidateResult], alike: Sequence[CandidateResult], by: str) -> list[str]:
    """Return the ids of the candidates with another measure, each measure on its own, the best first."""
    together = {result.row.id for result in alike}
    rows = [result.row for result in results if result.row.id not in together]
    known = [row for row in rows if row.ranked_by(by) is not None]
    return [row.id for row in sorted(known, key=lambda row: (row.log_likelihood.measure or "", _order(row, by)))]


def _order(row: Row, by: str) -> tuple[float, float]:
    """Return a sort key that puts the best first, and among equals the one with fewer parameters."""
    value = row.figure(by)
    assert value is not None
    score = row.metrics.get(by)
    lower = by in CRITERIA or (score is not None and score.direction == "lower")
    return (value if lower else -value), (math.inf if row.degrees_of_freedom is None else row.degrees_of_freedom)


def _best(ordered: Sequence[CandidateResult], by: str, evidence: Evidence) -> CandidateResult:
    """Return the first candidate. A bound or an estimate comes before an exact value only if it is clearly above it."""
    exact = next((result for result in ordered if result.row.log_likelihood.exact), None)
    if by not in ("test", "cv") or exact is None:
        return ordered[0]
    # A bound above an exact value can win: the model's true value is even higher. A bound below it shows nothing:
    # the true value may be anywhere above the bound.
    for result in ordered:
        if result is exact:
            break
        gap = _difference(result, exact, by, evidence)
        if gap is not None and gap.low > 0:
            return result
    return exact


def _difference(result: CandidateResult, best: CandidateResult, by: str, evidence: Evidence) -> Difference | None:
    """Return the difference of a candidate from the best, by the figure with the most evidence."""
    if by not in LIKELIHOOD_FIGURES:
        return _difference_of_metric(result.row, best.row, by)
    # Cross-validation scores every row once, and the test set only a part of them.
    for figure in ("test",) if by == "test" else ("cv", "test"):
        scores, others = result.scores(figure), best.scores(figure)
        rests = _rests(result.row, figure) or _rests(best.row, figure)
        if scores is not None and others is not None and not rests:
            found = evidence.difference(figure, scores, others)
            return _as_difference(figure, found, _resolution(result, best))
    return None


def _resolution(result: CandidateResult, best: CandidateResult) -> float:
    """Return the smallest meaningful difference of two candidates; errors of two solvers may add up."""
    if result.row.log_likelihood.estimated or best.row.log_likelihood.estimated:
        return result.resolution + best.resolution
    return max(result.resolution, best.resolution)


def _as_difference(figure: str, found: Estimate, resolution: float) -> Difference:
    """Build a `Difference` whose interval is never narrower than the resolution of the fits.

    It has no interval if there is no standard error.
    """
    low, high = found.interval
    if math.isnan(found.se):
        return Difference(figure, found.mean, found.se, low, high)
    return Difference(
        figure, found.mean, found.se, min(low, found.mean - resolution), max(high, found.mean + resolution)
    )


def _difference_of_metric(row: Row, best: Row, by: str) -> Difference | None:
    """Return the difference of two scores on the same real rows, with its standard error."""
    one, other = row.metrics.get(by), best.metrics.get(by)
    if one is None or other is None or differing(one, other) is not None:
        return None
    error = error_of_difference(one, other)
    if error is None:
        return None
    found = Estimate(one.value - other.value, error, math.inf)
    return Difference(by, found.mean, found.se, *found.interval)


def _verdict(result: CandidateResult, best: CandidateResult, gap: Difference | None, by: str) -> str:
    mine, top = result.row.log_likelihood, best.row.log_likelihood
    likely = by in ("test", "cv")
    if result is best:
        return "best" + (_of_kind(mine) if likely else "")
    # A lower bound cannot lose to an exact value or an estimate, and these lose to a bound only if clearly below.
    if likely and mine.bounded != top.bounded and (mine.bounded or not _below(gap)):
        return "undecided: lower bound"
    # The interval of a difference from an estimate is at least as wide as the error of the solver.
    estimated = likely and (mine.estimated or top.estimated)
    if estimated and (gap is None or not gap.has_interval or gap.undecided):
        return "undecided: estimate"
    bounds = ": lower bounds" if likely and mine.bounded else ""
    return _compared(result, best, gap, by) + (": estimate" if estimated else bounds)


def _of_kind(likelihood: LogLikelihood) -> str:
    return ": lower bound" if likelihood.bounded else ": estimate" if likelihood.estimated else ""


def _below(gap: Difference | None) -> bool:
    """Return whether a figure is significantly below the best candidate's."""
    return gap is not None and gap.high < 0


def _compared(result: CandidateResult, best: CandidateResult, gap: Difference | None, by: str) -> str:
    row = result.row
    if gap is not None and gap.has_interval:
        if gap.undecided:
            return NOT_TOLD_APART
        score = row.metrics.get(by)
        lower = by not in LIKELIHOOD_FIGURES and score is not None and score.direction == "lower"
        return "better held out" if (gap.low > 0) != lower else "worse"
    if by in CRITERIA:
        mine, least = row.figure(by), best.row.figure(by)
        assert mine is not None
        assert least is not None
        return "worse" if mine - least >= max(_CLOSE, result.slack, best.slack) else NOT_TOLD_APART
    return "worse: no interval"


def _unranked(result: CandidateResult, by: str, gap: Difference | None) -> Row:
    """Return a row that cannot be ranked by this figure. It may still have a paired difference."""
    row = result.row
    if row.status == "failed":
        return dataclasses.replace(row, verdict=UNSUITED if row.unsuited else "failed")
    if row.figure(by) is None:
        lacks = f"no {by}"
    elif _rests(row, by):
        lacks = row.reasons[by].partition(":")[0]
    else:
        lacks = f"its likelihood is a {row.log_likelihood.measure}"
    return dataclasses.replace(row, difference=gap, verdict=f"not ranked: {lacks}")


def _simplest(
    results: Sequence[CandidateResult], best: CandidateResult, evidence: Evidence
) -> tuple[str | None, str | None]:
    """Apply the one-standard-error rule, with the paired error, to exact log-likelihoods.

    The rule takes the simplest model whose figure is within one standard error of the best ("Classification and
    Regression Trees", Breiman et al., 1984). The error used here belongs to the paired difference, and not to the best
    figure. It never takes a model with more parameters than the best of the comparison.

    Arguments:
        best: the best candidate of the comparison, perhaps by another figure.
    """
    exact = [result for result in results if result.row.log_likelihood.exact]
    for figure in ("cv", "test"):
        known = [result for result in exact if result.scores(figure) is not None and not _rests(result.row, figure)]
        if not known:
            continue
        first = max(known, key=lambda result: _value(result.row, figure))
        near = [result for result in known if _within_one_error(result, first, figure, evidence)]
        counted = [result for result in near if result.row.degrees_of_freedom is not None]
        if not counted:
            return None, f"No model within one standard error of {first.row.id} has a known number of free parameters."
        found = min(counted, key=lambda result: _parameters(result.row, figure)).row
        own = best.row.degrees_of_freedom
        if own is not None and own < (found.degrees_of_freedom or 0):
            found = best.row
        if found.id not in (first.row.id, best.row.id):
            return found.id, (
                f"Simplest within one paired standard error of the best by {figure} ({first.row.id}): {found.id}, with "
                f"{found.degrees_of_freedom} free parameters."
            )
        if len(known) == 1:
            return found.id, None
        count = f"with {found.degrees_of_freedom} free parameters"
        best_of = f"is within one standard error of {first.row.id}, the best by {figure}"
        if found.id == first.row.id:
            return found.id, f"No simpler model {best_of}, {count}."
        return found.id, f"No simpler model than {found.id}, {count}, {best_of}."
    return None, None


def _within_one_error(result: CandidateResult, best: CandidateResult, figure: str, evidence: Evidence) -> bool:
    if result is best:
        return True
    scores, others = result.scores(figure), best.scores(figure)
    assert scores is not None
    assert others is not None
    gap = evidence.difference(figure, scores, others)
    return not math.isnan(gap.se) and gap.mean >= -max(gap.se, result.resolution, best.resolution)


def _value(row: Row, figure: str) -> float:
    value = row.figure(figure)
    return -math.inf if value is None else value


def _parameters(row: Row, figure: str) -> tuple[float, float]:
    """Return a sort key that puts the fewest free parameters first, and among equals the higher figure."""
    return row.degrees_of_freedom or 0, -_value(row, figure)


def _weighted(rows: Sequence[Row], together: set[str]) -> list[Row]:
    """Add Akaike weights (Burnham and Anderson, 2002) to the rows that can be ranked together."""
    values = {row.id: row.ranked_by("aic") for row in rows if row.id in together}
    values = {name: value for name, value in values.items() if value is not None}
    if not values:
        return list(rows)
    weights = dict(zip(values, akaike_weights([value for value in values.values() if value is not None]), strict=True))
    return [dataclasses.replace(row, akaike_weight=weights.get(row.id)) for row in rows]


def _how(best: CandidateResult, rows: Sequence[Row]) -> str | None:
    figures = {row.difference.figure for row in rows if row.difference is not None}
    if not figures:
        return None
    return (
        f"Verdicts use the paired difference of {' or '.join(sorted(figures))} from {best.row.id} and its 95 % "
        f"interval."
    )


def _one_by_one(rows: Sequence[Row]) -> str | None:
    """Warn about multiple comparisons, if there are at least three candidates with an interval."""
    count = 1 + sum(row.difference is not None and row.difference.has_interval for row in rows)
    if count < 3:
        return None
    return (
        f"Each interval holds on its own. Even if all {count} candidates were equally good, up to "
        f"{chance_of_a_false_difference(count):.0%} of such comparisons would call at least one of them worse."
    )


def _ordered(rows: Sequence[Row], ranked: Sequence[str]) -> tuple[Row, ...]:
    """Sort rows by rank. Rows without a rank follow, then rows that failed."""

    def place(row: Row) -> tuple[bool, int]:
        return row.status == "failed", ranked.index(row.id) if row.id in ranked else len(ranked)

    return tuple(sorted(rows, key=place))
