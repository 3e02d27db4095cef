"""The columns of a report, and how each figure is written."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass

from genzoo.metrics.metric import Score
from genzoo.reports.result import CHEAPEST, UNSUITED, Report, Row
from genzoo.reports.rounding import error_of_interval, rounded, with_error, with_interval, without_error
from genzoo.text import seconds_text, size_text

_RANKS = {
    "exact-copies": 6,
    "coverage": 7,
    "frechet-distance": 8,
    "classifier-two-sample": 9,
    "memorization": 10,
}


_OF_TARGET = {"memorization": 3, "tstr": 4}
"""Ranks if a target is named: `tstr` is then wanted, and leaves first, because it misleads without `memorization`."""


SPARE = 11
"""Columns of this rank or more are never printed on a terminal. Files have all columns."""


_USUAL = 0.1
"""Largest error of a training figure, nats: a few test rows far from all others enlarge the error of a test figure."""


DASH = "–"
"""Text of a figure that does not apply."""


@dataclass(frozen=True, slots=True)
class ReportColumn:
    """One column.

    Arguments:
        name: name of the figure, as in `Row.reasons`.
        title: title of the column.
        text: returns the text of a row, or `None`.
        rank: columns with the largest rank are left out first if the terminal is narrow.
    """

    name: str
    title: str
    text: Callable[[Row], str | None]
    rank: int

    def cell(self, row: Row) -> str:
        """Return the figure of a row as text."""
        return self.text(row) or DASH


def report_columns(report: Report) -> list[ReportColumn]:
    """Return the columns that have a figure in any row. The one that ranks comes second, after the names."""
    shown = [column for column in _all(report) if any(column.text(row) for row in report.rows)]
    if any(row.verdict == CHEAPEST for row in report.rows):
        first_two = ("training_seconds", "sampling_seconds")
        shown = [dataclasses.replace(column, rank=1) if column.name in first_two else column for column in shown]
    first = next((column for column in shown if column.name == report.by), None)
    if first is not None:
        shown.remove(first)
        beside = {name for row in report.rows if report.by in row.metrics for name in row.metrics[report.by].beside}
        shown = [dataclasses.replace(column, rank=0) if column.name in beside else column for column in shown]
        shown.insert(1, ReportColumn(first.name, first.title, first.text, 0))
    return shown


def _all(report: Report) -> list[ReportColumn]:
    names = metric_names(report)
    ranks = _RANKS | (_OF_TARGET if "tstr" in names else {})
    return [
        ReportColumn("id", "candidate", lambda row: row.id, 0),
        ReportColumn("parameters", "params", _parameters, 3),
        ReportColumn("train", "train", _train, 8),
        ReportColumn("test", "test", lambda row: figure_text(row, "test"), 4),
        ReportColumn("bits_per_dim", "bits/dim", _bits, 6),
        ReportColumn("bits_per_byte", "bits/byte", _bits_per_byte, 4),
        ReportColumn("bits_per_sample", "bits/sample", _bits_per_sample, 4),
        ReportColumn("cv", "cv", lambda row: figure_text(row, "cv"), 2),
        ReportColumn("bic", "BIC", lambda row: figure_text(row, "bic"), 1),
        ReportColumn("aic", "AIC", lambda row: figure_text(row, "aic"), 6),
        ReportColumn("aicc", "AICc", lambda row: figure_text(row, "aicc"), 9),
        ReportColumn("icl", "ICL", lambda row: figure_text(row, "icl"), 5),
        ReportColumn("akaike_weight", "Akaike weight", lambda row: _short(row.akaike_weight), 10),
        ReportColumn("difference", "vs best [95 %]", difference_text, 2),
        *(_metric(name, ranks.get(name, SPARE)) for name in names),
        ReportColumn("training_seconds", "training", lambda row: _seconds(row.cost.training_seconds), 7),
        ReportColumn("sampling_seconds", "1,000 samples", lambda row: _seconds(row.cost.sampling_seconds), 7),
        ReportColumn("peak_memory", "memory", lambda row: _memory(row.cost.peak_memory), 8),
        ReportColumn("seconds", "all fits", lambda row: _seconds(row.seconds), 10),
        ReportColumn("verdict", "verdict", lambda row: row.verdict, 0),
    ]


def report_reasons(report: Report) -> list[str]:
    """Return why figures are missing or doubtful: one sentence per reason, with the candidates it concerns."""
    found: dict[tuple[str, str], list[str]] = {}
    names = [column.name for column in _all(report) if column.name != "cv" or report.data.get("folds")]
    for name in [*names, "uncovered", "unseen", "starts"]:
        for row in report.rows:
            if row.status == "ok" and name in row.reasons and not _reassuring(name, row.reasons[name]):
                found.setdefault((name, row.reasons[name]), []).append(row.id)
    merged: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (name, reason), ids in found.items():
        merged.setdefault((reason, tuple(ids)), []).append(name)
    whole = [f"{', '.join(names)}: {reason} ({_few(ids)})" for (reason, ids), names in merged.items()]
    return whole + report_refusals(report)


_OWN = re.compile(r"'[^']*'|\d+")
"""What differs between the errors of candidates that fail in the same way: names and numbers."""


def report_refusals(report: Report) -> list[str]:
    """Return why candidates could not be fitted, one sentence for all that end in the same way."""
    alike: dict[tuple[bool, str], list[Row]] = {}
    for row in report.rows:
        if row.status == "failed":
            alike.setdefault((row.unsuited, _OWN.sub("", row.reasons.get("status", ""))), []).append(row)
    found = []
    for (unsuited, _), rows in alike.items():
        reasons = [row.reasons.get("status", "") for row in rows]
        ended = f"{'is' if len(rows) == 1 else 'are'} {UNSUITED}" if unsuited else "failed"
        of_first = "" if len(set(reasons)) == 1 else f" in the same way. {rows[0].id}"
        found.append(f"{_few(tuple(row.id for row in rows))} {ended}{of_first}: {reasons[0]}")
    return found


def _reassuring(name: str, reason: str) -> bool:
    """Return whether a reason says that several starts of EM agreed."""
    return name == "starts" and not reason.startswith("only")


def _few(ids: tuple[str, ...]) -> str:
    return ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")


def metric_names(report: Report) -> list[str]:
    """Return the metrics that any row has a score of."""
    return list(dict.fromkeys(name for row in report.rows for name in row.metrics))


def figure_text(row: Row, name: str) -> str | None:
    """Return a figure that ranks as text, with its error if it has one; `None` if it has no value."""
    if name in row.metrics:
        return score_text(row.metrics[name])
    value = row.figure(name)
    if value is None:
        return None
    if name in ("test", "cv"):
        return with_error(value, row.log_likelihood.se if name == "test" else row.cv.se)
    return f"{value:.2f}"


def score_text(score: Score) -> str:
    """Return a score as text, with its standard error or its interval if it has one."""
    if score.error is None and score.low is not None and score.high is not None:
        return with_interval(score.value, score.low, score.high)
    return with_error(score.value, score.error)


def error_of_score(score: Score) -> float | None:
    """Return the standard error of a score, or the one that its interval stands for; `None` if it has neither."""
    return error_of_interval(score.low, score.high) if score.error is None else score.error


def difference_text(row: Row) -> str | None:
    """Return the difference from the best with its interval, or `None`."""
    gap = row.difference
    if gap is None:
        return None
    if not gap.has_interval:
        return f"{gap.mean:+.4g}"
    return with_interval(gap.mean, gap.low, gap.high, gap.se, signed=True)


def _metric(name: str, rank: int) -> ReportColumn:
    def text(row: Row) -> str | None:
        score = row.metrics.get(name)
        return None if score is None else rounded(score.value, error_of_score(score))

    return ReportColumn(name, name, text, rank)


def _parameters(row: Row) -> str | None:
    found = row.degrees_of_freedom if row.cost.parameters is None else row.cost.parameters
    return None if found is None else f"{found:,}" if found >= 10_000 else str(found)


def _train(row: Row) -> str | None:
    """Return the training figure to the digits of the test figure: two or more, as its own error is no larger."""
    found = row.log_likelihood
    return None if found.train is None else rounded(found.train, found.se and min(found.se, _USUAL))


def _bits(row: Row) -> str | None:
    found = row.log_likelihood
    if found.bits_per_dim is None:
        return None
    if not found.test or found.se is None:
        return without_error(found.bits_per_dim)
    return rounded(found.bits_per_dim, abs(found.se * found.bits_per_dim / found.test))


def _bits_per_byte(row: Row) -> str | None:
    found = row.log_likelihood
    if found.bits_per_byte is None:
        return None
    return with_error(found.bits_per_byte, found.bits_per_byte_se)


def _bits_per_sample(row: Row) -> str | None:
    found = row.log_likelihood
    if found.bits_per_sample is None:
        return None
    return with_error(found.bits_per_sample, found.bits_per_sample_se)


def _short(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"


def _seconds(value: float | None) -> str | None:
    return None if value is None else seconds_text(value)


def _memory(value: int | None) -> str | None:
    return None if value is None else size_text(value)
