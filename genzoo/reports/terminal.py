"""Print reports and scores on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from genzoo.metrics.metric import Score
from genzoo.metrics.protocol import in_common
from genzoo.reports.columns import SPARE, ReportColumn, error_of_score, report_columns, report_reasons, score_text
from genzoo.reports.result import Report
from genzoo.reports.rounding import rounded
from genzoo.text import printable
from genzoo.wording import argument


def print_scores(scores: Mapping[str, Score], reasons: Mapping[str, str], width: int) -> None:
    """Print a table of scores, their notes, and why others are missing.

    Arguments:
        reasons: why scores are missing, by metric.
        width: characters per line.
    """
    console = Console(width=width, highlight=False, soft_wrap=False)
    common = in_common(scores.values())
    if scores:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        floors = floor_columns(scores)
        titles = ["metric", "value", *floors, "better", "settings"]
        for title, right in ((title, title in ("value", *floors)) for title in titles):
            table.add_column(title, justify="right" if right else "left", no_wrap=title != "settings")
        for name, score in scores.items():
            own = {key: value for key, value in score.protocol.items() if key not in common}
            cells = [name, score_text(score), *floor_texts(score, floors), score.better, _listed(own)]
            table.add_row(*(Text(printable(cell)) for cell in cells))
        console.print(table)
        console.print(Text(printable(f"protocol: {_listed(common)}")))
    for name, score in scores.items():
        for note in score.notes:
            console.print(Text(printable(f"{name}: {note}")))
    for reason, names in by_reason(reasons).items():
        console.print(Text(printable(f"no {', '.join(names)}: {reason}")))


def by_reason(reasons: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the names of the metrics that miss a score for each reason."""
    found: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        found.setdefault(reason, []).append(name)
    return found


_FLOORS = {"real": "real", "real halves": "real_halves"}
"""Columns with values of real events, and the fields of scores that they show."""


def floor_columns(scores: Mapping[str, Score]) -> list[str]:
    """Return the titles of columns with values of real events, as far as any score has one."""
    there = {field for score in scores.values() for field in _FLOORS.values() if getattr(score, field) is not None}
    return [title for title, field in _FLOORS.items() if field in there]


def floor_texts(score: Score, columns: Sequence[str]) -> list[str]:
    """Return the values of real events as texts, one for each column; empty if the metric does not need one."""
    values = [getattr(score, _FLOORS[column]) for column in columns]
    return ["" if value is None else rounded(value, error_of_score(score)) for value in values]


def _listed(protocol: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {_value(value)}" for key, value in protocol.items())


def _value(value: object) -> str:
    if value is None:
        return "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


_GAP = 2


def print_report(report: Report, console: Console) -> None:
    """Print a report as a table, with its notes and the reasons for missing figures."""
    shown, left_out = fitting_columns(report, console.width)
    print_ranking(report, shown, console)
    console.print()
    for line in [*report.sentences, *report_reasons(report)]:
        console.print(Text(printable(line)))
    if left_out:
        names = ", ".join(column.title for column in left_out)
        console.print(
            Text(f"Not shown: {names}. For all figures, use {argument('json')}, or {argument('out')} for a report.")
        )


def print_ranking(report: Report, shown: Sequence[ReportColumn], console: Console, *, most: int | None = None) -> None:
    """Print the table of a report.

    Arguments:
        most: largest number of candidates. Defaults to all.
    """
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for column in shown:
        right = column.name not in ("id", "verdict")
        table.add_column(column.title, justify="right" if right else "left", overflow="fold", no_wrap=right)
    for row in report.rows[:most]:
        style = "bold" if row.id == report.best else "dim" if row.status == "failed" else ""
        table.add_row(*(Text(printable(column.cell(row))) for column in shown), style=style)
    console.print(table)


def fitting_columns(report: Report, width: int) -> tuple[list[ReportColumn], list[ReportColumn]]:
    """Return the columns that fit the width, and the columns left out, each in the order of the report."""
    columns = report_columns(report)
    shown = [column for column in columns if column.rank < SPARE]
    while sum(_width(report, column) for column in shown) > width:
        least = max(shown, key=lambda column: column.rank)
        if least.rank == 0:
            break
        shown.remove(least)
    return shown, [column for column in columns if column not in shown]


def _width(report: Report, column: ReportColumn) -> int:
    widest = max(len(text) for text in [column.title, *(column.cell(row) for row in report.rows)])
    return min(widest, 40) + _GAP
