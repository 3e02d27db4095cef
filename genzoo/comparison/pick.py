"""Pick a model for synthetic rows from the report of a comparison.

Cross-validated log-likelihoods pick the best of models whose likelihoods measure the same. Models with another measure,
or with none, cannot be ranked by it. So the best of each measure, and all models without a likelihood, are compared by
their samples: the smallest mean rank wins. If ranks tie, a model whose likelihood was cross-validated wins, then one
with fewer parameters. A model that keeps or copies training rows is never picked if there is another.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from genzoo.errors import DataError
from genzoo.metrics.memorization import PARTLY
from genzoo.reports.result import Report, Row

_OF_SAMPLES = ("column-shapes", "pair-trends", "classifier-two-sample", "tstr")
"""Metrics that decide between models whose likelihoods cannot be compared."""


_REASONS = 3
"""Number of different reasons that are printed if no candidate could be fitted."""


@dataclass(frozen=True, slots=True)
class Pick:
    """The candidate that a comparison picks for synthetic rows.

    Arguments:
        id: its id.
        reason: why, as a sentence.
        ranks: mean rank by samples of each candidate that was compared by them. Empty if likelihoods decided.
        left_out: why other candidates could not be picked, by id.
    """

    id: str
    reason: str
    ranks: Mapping[str, float] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)


def pick_of(report: Report, keeping: Collection[str] = ()) -> Pick:
    """Pick the candidate to draw synthetic rows from.

    Arguments:
        keeping: ids of the candidates that keep training rows by their own account. Defaults to none.

    Raises:
        DataError: no candidate could be fitted, or none has any score.
    """
    fitted = [row for row in report.rows if row.status == "ok"]
    if not fitted:
        first = {row.reasons["status"]: row.id for row in reversed(report.rows)}
        why = [f"{name}: {reason}" for reason, name in first.items()][: -_REASONS - 1 : -1]
        raise DataError(" ".join(["No candidate could be fitted.", *why]))
    copies = {row.id: reason for row in fitted if (reason := _copies(row)) is not None}
    copies |= {row.id: "it keeps training rows" for row in fitted if row.id in keeping}
    usable = [row for row in fitted if row.id not in copies] or fitted
    finalists = _best_of_each_measure(usable)
    if len(finalists) == 1:
        only = finalists[0]
        if only.cv.mean is None or len(usable) == 1:
            return Pick(only.id, f"{only.id} is picked: it is the only candidate that can be picked.", left_out=copies)
        among = " of the candidates that can be picked" if len(usable) < len(fitted) else ""
        reason = f"it has the highest cross-validated log-likelihood{among}, {only.cv.mean:.4g} nats per row"
        return Pick(only.id, f"{only.id} is picked: {reason}.", left_out=copies)
    metrics = _shared_metrics(finalists)
    ranks = _mean_ranks(finalists, metrics)
    if not ranks:
        raise DataError("No candidate has a score of samples, so none can be picked. Name one, and train it.")
    by_id = {row.id: row for row in finalists}
    best = min(ranks, key=lambda name: (ranks[name], *_preference(by_id[name])))
    others = ", ".join(f"{name} {rank:.3g}" for name, rank in ranks.items() if name != best)
    reason = (
        f"{best} is picked by its samples, because not all candidates can be ranked by likelihood: its mean rank by "
        f"{' and '.join(filter(None, [', '.join(metrics[:-1]), metrics[-1]]))} is {ranks[best]:.3g} ({others})."
    )
    tied = [row for row in finalists if row.id != best and ranks[row.id] == ranks[best]]
    return Pick(best, " ".join([reason, *_about_tie(by_id[best], tied)]), ranks, copies)


def _preference(row: Row) -> tuple[bool, float]:
    """Return what decides between equal mean ranks, the smallest first.

    The likelihoods of these candidates differ in measure, so that the higher one says nothing. But one that was
    cross-validated is evidence that other candidates lack. After it, the smallest number of parameters wins.
    """
    count = row.cost.parameters
    return row.ranked_by("cv") is None, math.inf if count is None else count


def _about_tie(best: Row, tied: Sequence[Row]) -> list[str]:
    """Return a sentence about what decided between candidates of equal mean rank; none if there was one."""
    if not tied:
        return []
    names = ", ".join(row.id for row in tied)
    if all(_preference(row)[0] > _preference(best)[0] for row in tied):
        why = "it alone has a cross-validated likelihood"
    elif all(_preference(row) > _preference(best) for row in tied):
        why = "it has fewer parameters" if len(tied) == 1 else "it has a cross-validated likelihood or fewer parameters"
    else:
        why = "it comes first in the list of candidates"
    return [f"{names} {'ties' if len(tied) == 1 else 'tie'} with it, and {why}."]


def _copies(row: Row) -> str | None:
    """Return why a candidate copies training rows; `None` if it does not, or if nothing is known."""
    score = row.metrics.get("memorization")
    if score is None or score.error is None:
        return None
    low = 2 * (score.value - 1.96 * score.error) - 1
    equal = score.parts.get("copies", 0.0) - score.parts.get("real_copies", 0.0)
    if max(low, equal) < PARTLY:
        return None
    return f"it copies training rows: memorization is {score.value:.2f}, and {equal:.0%} of its samples equal one"


def _best_of_each_measure(rows: Sequence[Row]) -> list[Row]:
    """Return the row with the best cross-validated likelihood of each measure, and all rows that have none."""
    best: dict[str | None, Row] = {}
    others = []
    for row in rows:
        value, measure = row.ranked_by("cv"), row.log_likelihood.measure
        if value is None:
            others.append(row)
        elif measure not in best or value > (best[measure].cv.mean or 0.0):
            best[measure] = row
    return [*best.values(), *others]


def _shared_metrics(rows: Sequence[Row]) -> list[str]:
    """Return the names of the metrics of samples that all candidates have."""
    return [name for name in _OF_SAMPLES if all(name in row.metrics for row in rows)]


def _mean_ranks(rows: Sequence[Row], metrics: Sequence[str]) -> dict[str, float]:
    """Return the mean rank of each candidate by metrics that all of them have, by id; empty if there are none."""
    from scipy.stats import rankdata  # takes a third of a second, and the processes of trials read this file, too

    ranks = []
    for name in metrics:
        scores = [row.metrics[name] for row in rows]
        sign = -1 if scores[0].direction == "higher" else 1
        ranks.append(rankdata([sign * score.value for score in scores]))
    if not ranks:
        return {}
    return dict(zip((row.id for row in rows), np.mean(ranks, axis=0).tolist(), strict=True))
