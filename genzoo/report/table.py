"""A report on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from genzoo.printed import printable
from genzoo.report.figures import SPARE, Column, columns, reasons
from genzoo.report.result import Report

_GAP = 2


def show(report: Report, console: Console) -> None:
    """Print the table, what its dashes mean, and how it came about."""
    found, left_out = _fitting(report, console.width)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for column in found:
        right = column.name not in ("id", "verdict")
        table.add_column(column.title, justify="right" if right else "left", overflow="fold", no_wrap=right)
    for row in report.rows:
        style = "bold" if row.id == report.best else "dim" if row.status == "failed" else ""
        table.add_row(*(Text(printable(column.cell(row))) for column in found), style=style)
    console.print(table)
    console.print()
    for line in [*report.notes, *([report.conflict] if report.conflict else []), *reasons(report)]:
        console.print(Text(printable(line)))
    if left_out:
        names = ", ".join(column.title for column in left_out)
        console.print(Text(f"Not shown here: {names}. All figures: --json, or the report with --out."))


def _fitting(report: Report, width: int) -> tuple[list[Column], list[Column]]:
    """The columns that fit, and those left out for it, the least important first."""
    shown = columns(report)
    left_out = [column for column in shown if column.rank >= SPARE]
    shown = [column for column in shown if column.rank < SPARE]
    while sum(_width(report, column) for column in shown) > width:
        least = max(shown, key=lambda column: column.rank)
        if least.rank == 0:
            break
        shown.remove(least)
        left_out.append(least)
    return shown, left_out


def _width(report: Report, column: Column) -> int:
    widest = max(len(text) for text in [column.title, *(column.cell(row) for row in report.rows)])
    return min(widest, 40) + _GAP
