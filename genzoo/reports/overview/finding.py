"""Say in a few sentences what a comparison found, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence

from genzoo.inference.row_likelihoods import is_estimate
from genzoo.metrics.evaluate import Evaluation
from genzoo.metrics.information_criteria import CRITERIA
from genzoo.reports.columns import figure_text, score_text
from genzoo.reports.result import CHEAPEST, UNSUITED, Report, Row
from genzoo.text import counted, with_period

_NAMED = 3
"""Largest number of candidates that a sentence names."""


_LONGEST_REASON = 300


_FIGURES = {
    "bic": "BIC",
    "aic": "AIC",
    "aicc": "AICc",
    "icl": "ICL",
    "test": "test log-likelihood",
    "cv": "cross-validated log-likelihood",
}


def figure_name(name: str) -> str:
    """Return the words for a figure that ranks.

    Examples:
        >>> figure_name("bic"), figure_name("coverage")
        ('BIC', 'coverage')
    """
    return _FIGURES.get(name, name)


def finding(report: Report) -> tuple[str, ...]:
    """Return sentences: which candidate is the best, and how sure that is; then what else matters.

    Examples:
        >>> best, other = Row("a", "zoo/a", bic=5.0, verdict="best"), Row("b", "zoo/b", bic=9.0, verdict="worse")
        >>> finding(Report({}, "bic", "a", None, (best, other)))[0]
        'a is the best of 2 candidates by BIC (5.00); the other one is worse, but there is no interval.'
    """
    best = best_row(report)
    if best is None:
        return (_nothing(report),)
    others = [row for row in report.rows if row is not best]
    if report.reason is not None:
        return (report.reason, *_more(report, others))
    if not others:
        value = figure_text(best, report.by)
        return (f"{best.id} is the only candidate, so nothing was compared. Its {figure_name(report.by)} is {value}.",)
    if best.verdict == CHEAPEST and (reference := reference_row(report)) is not None:
        chosen = f"{best.id} is the cheapest of the candidates that are not told apart from {reference.id}"
        first = f"{chosen}, the best of {len(report.rows)}{_by_figure(report, reference)}."
        return (first, *_more(report, [row for row in others if row is not reference]))
    first = f"{best.id} is the best of {len(report.rows)} candidates{_by_figure(report, best)}"
    return (first + _how_sure(others, report.by), *_more(report, others))


def _by_figure(report: Report, row: Row) -> str:
    value = figure_text(row, report.by)
    return f" by {figure_name(report.by)}" + (f" ({value})" if value else "")


def best_row(report: Report) -> Row | None:
    """Return the row of the best candidate; `None` if there is none, or a damaged report lacks it."""
    return next((row for row in report.rows if row.id == report.best), None)


def reference_row(report: Report) -> Row | None:
    """Return the row that differences are from: the best by the figure, even if a cheaper one is chosen."""
    best = best_row(report)
    if best is None or best.verdict != CHEAPEST:
        return best
    return next((row for row in report.rows if row.difference is None and row.verdict == "not told apart"), None)


_CHANCE = 0.5
"""Accuracy of a classifier to which samples look like real rows."""


_REACH = 1.96


def finding_of_scores(found: Evaluation, where: str) -> str:
    """Say in one sentence how good a model is, and how sure that is; empty if it has no score.

    Arguments:
        where: what the rows are, such as `test rows`.
    """
    scores = found.scores
    parts = []
    if (likelihood := scores.get("log-likelihood")) is not None:
        of = "" if found.kind == "exact" else ", an estimate" if is_estimate(found.kind) else ", a lower bound"
        rates = ((scores.get(f"bits-per-{one}"), one) for one in ("byte", "sample"))
        bits = "".join(f" ({score_text(rate)} bits per {one})" for rate, one in rates if rate is not None)
        parts.append(f"the log-likelihood is {score_text(likelihood)} nats per row{bits}{of}")
    if (two := scores.get("classifier-two-sample")) is not None:
        sure = two.error is not None and two.value - _REACH * two.error > _CHANCE
        verb = "separates" if sure else "cannot separate"
        parts.append(f"a classifier {verb} its samples from real rows (accuracy {score_text(two)}; 0.5 is chance)")
    if not parts and scores:
        name, score = next(iter(scores.items()))
        parts.append(f"{name} is {score_text(score)}; {score.better} is better")
    beginning = f"On {found.events} {where}" if found.events else "In cross-validation"
    return f"{beginning}, {', and '.join(parts)}." if parts else ""


def _nothing(report: Report) -> str:
    failed = [row for row in report.rows if row.status == "failed"]
    if failed and len(failed) == len(report.rows):
        who = "The candidate" if len(failed) == 1 else f"All {len(failed)} candidates"
        ended = f"{_are(failed)} {UNSUITED}" if all(row.unsuited for row in failed) else "failed"
        return f"{who} {ended}, so nothing was found. {failed[0].id}: {_reason(failed[0])}"
    verdict = next((row.verdict for row in report.rows if row.verdict.startswith("not ranked: ")), "")
    why = f": {verdict.removeprefix('not ranked: ')}" if verdict else ""
    return with_period(f"No candidate could be ranked by {figure_name(report.by)}{why}")


def _how_sure(others: Sequence[Row], by: str) -> str:
    """Return the end of the sentence that names the best: what the intervals say about the others."""
    ranked = [row for row in others if row.status == "ok" and not row.verdict.startswith("not ranked")]
    if not ranked:
        return "; no other candidate could be ranked."
    like, better = _with(ranked, "not told apart"), _with(ranked, "better held out")
    undecided, worse = _with(ranked, "undecided"), _with(ranked, "worse")
    if better:
        return f", but held-out rows do not confirm it: {_of(better, ranked)} {_do(better, 'score')} higher there."
    if like:
        apart = f"{_of(like, ranked)} {_are(like)} not told apart from it"
        return f", but this is not certain: {apart}{_and_rest(worse, undecided)}."
    if undecided:
        return f", but {_of(undecided, ranked)} {_are(undecided)} undecided: a likelihood is only {_known(undecided)}."
    all_of_them = "the other one is" if len(ranked) == 1 else f"{_all(ranked)} are"
    if _bounded(worse):
        return f"; {all_of_them} worse by lower bounds, so the true order may differ."
    if any(row.verdict.endswith("estimate") for row in worse):
        return f"; {all_of_them} worse by an estimate, by more than the error of its solver."
    unsure = [row for row in worse if row.difference is None or not row.difference.has_interval]
    if not unsure:
        where = " on held-out rows, too" if by in CRITERIA else ""
        return f", and this is clear: {all_of_them} worse{where}, with a 95 % interval that excludes 0."
    if len(unsure) == len(worse):
        return f"; {all_of_them} worse, but there is no interval."
    return f"; {all_of_them} worse, but {len(unsure)} of them without an interval."


def _known(undecided: Sequence[Row]) -> str:
    """Return how much is known of the likelihoods of undecided rows."""
    estimates = {row.verdict.endswith("estimate") for row in undecided}
    return "bounded or estimated" if len(estimates) > 1 else "estimated" if True in estimates else "bounded"


def _bounded(rows: Sequence[Row]) -> bool:
    return any(row.verdict.endswith("lower bounds") for row in rows)


def _with(rows: Sequence[Row], verdict: str) -> list[Row]:
    return [row for row in rows if row.verdict.startswith(verdict)]


def _of(rows: Sequence[Row], ranked: Sequence[Row]) -> str:
    if len(ranked) == 1:
        return "the other one"
    return _all(rows) if len(rows) == len(ranked) else f"{len(rows)} of {len(ranked)} others"


def _all(rows: Sequence[Row]) -> str:
    return "both others" if len(rows) == 2 else f"all {len(rows)} others"


def _are(rows: Sequence[Row]) -> str:
    return "is" if len(rows) == 1 else "are"


def _do(rows: Sequence[Row], verb: str) -> str:
    return f"{verb}s" if len(rows) == 1 else verb


def _and_rest(worse: Sequence[Row], undecided: Sequence[Row]) -> str:
    parts = [(worse, "worse"), (undecided, "undecided")]
    rest = " and ".join(f"{len(rows)} {_are(rows)} {word}" for rows, word in parts if rows)
    return f", {'and ' if ' and ' not in rest else ''}{rest}" if rest else ""


def _more(report: Report, others: Sequence[Row]) -> list[str]:
    """Return sentences on close candidates, the simplest one, and candidates with no rank."""
    found = []
    for verdict, words in (("better held out", "Better on held-out rows"), ("not told apart", "Not told apart")):
        if rows := _with(others, verdict):
            found.append(f"{words}: {_names(rows)}.")
    if report.simplest is not None and report.simplest != report.best:
        found.append(f"The simplest candidate within one standard error of the best score is {report.simplest}.")
    if unranked := _with(others, "not ranked"):
        found.append(f"{counted(len(unranked), 'candidate')} could not be ranked: {_names(unranked)}.")
    if unsuited := [row for row in others if row.unsuited]:
        found.append(f"{counted(len(unsuited), 'candidate')} {_are(unsuited)} {UNSUITED}: {_names(unsuited)}.")
    if failed := [row for row in others if row.status == "failed" and not row.unsuited]:
        found.append(f"{counted(len(failed), 'candidate')} failed: {_names(failed)}.")
    return found


def _names(rows: Sequence[Row]) -> str:
    rest = len(rows) - _NAMED
    return ", ".join(row.id for row in rows[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _reason(row: Row) -> str:
    reason = row.reasons.get("status", "")
    return reason if len(reason) <= _LONGEST_REASON else f"{reason[:_LONGEST_REASON]}…"
