"""A report as plain values for JSON; a figure that does not apply is `None`, and its reason stands beside it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

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
