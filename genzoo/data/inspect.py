"""What a dataset holds, and what in it looks wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from genzoo.data.dataset import Dataset

_SAMPLE = 20_000
"""Rows looked at; a first impression of larger data."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Facts about a dataset, and remarks on what looks wrong."""

    facts: dict[str, Any]
    remarks: list[str]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**self.facts, "remarks": self.remarks}


def inspect(dataset: Dataset) -> Findings:
    """Look at the first rows of a dataset."""
    rows = np.asarray(dataset.events[:_SAMPLE])
    facts: dict[str, Any] = {"name": dataset.name, "events": len(dataset), "event": dataset.spec.describe()}
    if dataset.test_rows:
        facts["own test rows"] = dataset.test_rows
    if dataset.labels is not None:
        facts["labels"] = len(np.unique(dataset.labels))
    if dataset.skipped:
        facts["unreadable files left out"] = dataset.skipped
    facts["values"] = f"{rows.min():g} to {rows.max():g}, mean {rows.mean(dtype=np.float64):.4g}"
    if dataset.spec.modality == "table":
        facts["columns"] = ", ".join(feature.name for feature in dataset.spec.features)
    facts["sha256"] = dataset.digest()
    return Findings(facts, _remarks(dataset, rows))


def _remarks(dataset: Dataset, rows: np.ndarray[Any, np.dtype[Any]]) -> list[str]:
    found = []
    distinct = len({row.tobytes() for row in rows})
    if distinct < len(rows):
        found.append(f"{len(rows) - distinct} of the first {len(rows)} events repeat another exactly")
    if len(dataset) < 100:
        found.append(f"{len(dataset)} events are few to learn a distribution from")
    spread = rows.reshape(len(rows), -1)
    constant = np.flatnonzero(spread.min(axis=0) == spread.max(axis=0))
    if dataset.spec.modality == "table":
        found += [f"column {dataset.spec.features[i].name!r} never changes" for i in constant]
    elif len(constant):
        found.append(f"{len(constant)} of {spread.shape[1]} pixels never change")
    return found
