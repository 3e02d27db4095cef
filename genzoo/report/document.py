"""A report as files: JSON for programs, Markdown and CSV for people."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

from genzoo.files import write_bytes, write_json
from genzoo.formula import guarded
from genzoo.printed import printable
from genzoo.report.figures import columns, reasons
from genzoo.report.record import as_dict
from genzoo.report.result import FIGURES, Report, Row

_ESCAPED = "\\`*_{}[]<>|#"


def write_report(folder: Path, report: Report) -> None:
    """Write `report.json`, `report.md` and `report.csv`, replacing those of an earlier attempt.

    Raises:
        GenzooError: the disk is full or read-only.
    """
    write_json(folder / "report.json", as_dict(report))
    write_bytes(folder / "report.md", markdown(report).encode(errors="replace"))
    write_bytes(folder / "report.csv", comma_separated(report).encode(errors="replace"))


def markdown(report: Report) -> str:
    """The table, the reasons and the notes as Markdown."""
    shown = columns(report)
    lines = [
        f"# Comparison on {_escape(str(report.data['name']))}",
        "",
        _escape(f"{report.data['events']} events: {report.data['event']}. SHA-256 {report.data['sha256']}."),
        "",
        f"| {' | '.join(_escape(column.title) for column in shown)} |",
        f"|{'---|' * len(shown)}",
        *(f"| {' | '.join(_escape(column.cell(row)) for column in shown)} |" for row in report.rows),
        "",
        *(f"- {_escape(line)}" for line in [*report.notes, *reasons(report)]),
    ]
    if report.conflict:
        lines.append(f"- {_escape(report.conflict)}")
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    flat = " ".join(printable(text).split())
    return "".join(f"\\{letter}" if letter in _ESCAPED else letter for letter in flat)


def comma_separated(report: Report) -> str:
    """Every figure of every row at full precision."""
    metrics = list(dict.fromkeys(name for row in report.rows for name in row.metrics))
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    gap = ("difference", "difference_se", "difference_low", "difference_high")
    titles = ["id", "model", "status", *FIGURES, "test_se", "cv_se", "bits_per_dim", "kind", "measure", *gap, *metrics]
    writer.writerow([*titles, "verdict"])
    for row in report.rows:
        writer.writerow([_plain(value) for value in _values(row, metrics)])
    return file.getvalue()


def _values(row: Row, metrics: list[str]) -> list[object]:
    told, gap = row.log_likelihood, row.difference
    apart = (None,) * 4 if gap is None else (gap.mean, gap.se, gap.low, gap.high)
    return [
        *(row.id, row.model, row.status),
        *(row.figure(name) for name in FIGURES),
        *(told.se, row.cv.se, told.bits_per_dim, told.kind, told.measure, *apart),
        *(row.figure(name) for name in metrics),
        row.verdict,
    ]


def _plain(value: object) -> str:
    """Text that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else ""
    return guarded(str(value))
