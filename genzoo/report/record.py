"""A report as plain values for JSON; a figure that does not apply is `None`, and its reason stands beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from genzoo.errors import ArtifactError
from genzoo.files import read_json, refuse_crowded
from genzoo.report.result import SCHEMA, Report, Row


def as_dict(report: Report) -> dict[str, Any]:
    """The whole report."""
    return {
        "schema": SCHEMA,
        "data": dict(report.data),
        "by": report.by,
        "best": report.best,
        "simplest": report.simplest,
        "notes": list(report.notes),
        "conflict": report.conflict,
        "rows": [_row(row) for row in report.rows],
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "model": row.model,
        "options": dict(row.options),
        "status": row.status,
        "degrees_of_freedom": row.degrees_of_freedom,
        "log_likelihood": asdict(row.log_likelihood),
        "aic": row.aic,
        "aicc": row.aicc,
        "bic": row.bic,
        "icl": row.icl,
        "akaike_weight": row.akaike_weight,
        "cv": asdict(row.cv),
        "difference": None if row.difference is None else asdict(row.difference),
        "metrics": {name: asdict(score) for name, score in row.metrics.items()},
        "seconds": row.seconds,
        "verdict": row.verdict,
        "run": row.run,
        "reasons": dict(row.reasons),
    }


def read_report(path: Path) -> Report:
    """The report in a file that holds what `as_dict` gave.

    Raises:
        ArtifactError: it is missing, damaged or of another version.
    """
    content = read_json(path, SCHEMA, "schema")
    refuse_crowded(path, content)
    if content.get("schema") != SCHEMA:
        raise ArtifactError(f"{path} is no report of schema {SCHEMA}, which is what this genzoo reads. Compare again.")
    try:
        plain = {**content, "rows": [_with_nan(row) for row in content["rows"]]}
        return TypeAdapter(Report).validate_python(plain)
    except (ValidationError, KeyError, TypeError) as error:
        raise ArtifactError(f"{path} does not hold what genzoo writes there. Compare again.") from error


def _with_nan(content: Any) -> Any:
    """A row with what is not a number where JSON had to leave it out: in its difference and in parts of scores."""
    if not isinstance(content, Mapping):
        return content
    row = dict(content)
    row["difference"] = _filled(row.get("difference"))
    metrics = row.get("metrics")
    if isinstance(metrics, Mapping):
        row["metrics"] = {name: _with_parts(score) for name, score in metrics.items()}
    return row


def _with_parts(score: Any) -> Any:
    return {**score, "parts": _filled(score.get("parts", {}))} if isinstance(score, Mapping) else score


def _filled(numbers: Any) -> Any:
    if not isinstance(numbers, Mapping):
        return numbers
    return {name: math.nan if value is None else value for name, value in numbers.items()}
