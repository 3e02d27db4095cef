"""Write a report as JSON, Markdown and CSV, and read it from JSON."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from genzoo.errors import ArtifactError
from genzoo.reports.columns import report_columns, report_reasons
from genzoo.reports.former import current_report
from genzoo.reports.overview.finding import finding
from genzoo.reports.result import SCHEMA, Report, Row
from genzoo.storage.atomic import write_bytes
from genzoo.storage.json_files import read_json, refuse_crowded, write_json
from genzoo.text import guarded, printable

_FACTOR = 32
"""How many times larger than other files a report may be: it may have a row for each of 10,000 candidates."""


_ESCAPED = "\\`*_{}[]<>|#"


def write_report(folder: Path, report: Report) -> None:
    """Write `report.json`, `report.md` and `report.csv`, and replace earlier ones.

    Raises:
        GenzooError: the disk is full or read-only.
    """
    write_json(folder / "report.json", report.as_dict())
    write_bytes(folder / "report.md", report_as_markdown(report).encode(errors="replace"))
    write_bytes(folder / "report.csv", report_as_csv(report).encode(errors="replace"))


def report_as_markdown(report: Report) -> str:
    """Return the table, the notes and the reasons for missing figures as Markdown."""
    shown = report_columns(report)
    lines = [
        f"# Comparison on {_escape(str(report.data['name']))}",
        "",
        _escape(" ".join(finding(report))),
        "",
        _escape(f"{report.data['events']} rows ({report.data['event']}). SHA-256 {report.data['sha256']}."),
        "",
        f"| {' | '.join(_escape(column.title) for column in shown)} |",
        f"|{'---|' * len(shown)}",
        *(f"| {' | '.join(_escape(column.cell(row)) for column in shown)} |" for row in report.rows),
        "",
        *(f"- {_escape(line)}" for line in [*report.sentences, *report_reasons(report)]),
    ]
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    flat = " ".join(printable(text).split())
    return "".join(f"\\{letter}" if letter in _ESCAPED else letter for letter in flat)


def report_as_csv(report: Report) -> str:
    """Return every figure of every row as CSV, at full precision."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    columns = report.columns()
    writer.writerow(columns)
    writer.writerows([_plain(value) for value in row] for row in zip(*columns.values(), strict=True))
    return file.getvalue()


def _plain(value: object) -> str:
    """Return a value as text that no spreadsheet executes as a formula."""
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else ""
    return guarded(printable(str(value)))


def read_report(path: Path) -> Report:
    """Read a report from the JSON file that `write_report` writes.

    Reports of earlier versions are returned with the current names of settings and metrics.

    Raises:
        ArtifactError: the file is missing, damaged or of another version.
    """
    content = read_plain_report(path)
    if content.get("schema") != SCHEMA:
        raise ArtifactError(f"{path} is not a report of schema {SCHEMA}, which this genzoo reads. Compare again.")
    try:
        current = current_report(content)
        one = TypeAdapter(Row)  # a wrong row ends it, where all at once would build errors for each wrong one
        rows = [one.validate_python(_with_nan(row)) for row in current["rows"]]
        return TypeAdapter(Report).validate_python({**current, "rows": rows})
    except (ValidationError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path} is damaged. Compare again.") from error


def read_plain_report(path: Path) -> dict[str, Any]:
    """Read the content of a report's JSON file, which may have many rows.

    Raises:
        ArtifactError: the file is missing or damaged, or holds more than any report.
    """
    content = read_json(path, SCHEMA, "schema", factor=_FACTOR)
    rows = content.get("rows")
    refuse_crowded(path, {**content, "rows": []})
    for row in rows if isinstance(rows, list) else ():
        refuse_crowded(path, {"row": row})
    return content


def _with_nan(content: Any) -> Any:
    """Return a row with NaN for the nulls in its difference and in parts of scores: JSON has no NaN."""
    if not isinstance(content, Mapping):
        return content
    row = dict(content)
    row["difference"] = _filled(row.get("difference"))
    metrics = row.get("metrics")
    if isinstance(metrics, Mapping):
        row["metrics"] = {name: _with_fields(score) for name, score in metrics.items()}
    return row


def _with_fields(score: Any) -> Any:
    return {**score, "parts": _filled(score.get("parts", {}))} if isinstance(score, Mapping) else score


def _filled(numbers: Any) -> Any:
    if not isinstance(numbers, Mapping):
        return numbers
    return {name: math.nan if value is None else value for name, value in numbers.items()}
