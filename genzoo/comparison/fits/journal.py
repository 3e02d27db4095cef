"""Keep finished fits of candidates that have others to come, so that an interruption costs only unfinished fits.

A line is a digest and the JSON of one fit. A line that was cut off or changed is passed over, and its fit runs again.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from genzoo.comparison.fits.job import FitJob, FitResult
from genzoo.errors import GenzooError
from genzoo.metrics.information_criteria import Criteria
from genzoo.metrics.metric import Score
from genzoo.reports.result import Cost
from genzoo.typing import Array

_ARRAYS = ("scores", "held_out", "samples")

_PARTS: dict[str, TypeAdapter[Any]] = {
    "criteria": TypeAdapter(Criteria | None),
    "metrics": TypeAdapter(dict[str, Score]),
    "cost": TypeAdapter(Cost),
}


class FitJournal:
    """A file of finished fits.

    Arguments:
        path: the file. It is created by the first fit.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, key: str, result: FitResult) -> None:
        """Append a fit.

        Arguments:
            key: text that names everything that the fit depends on.

        Raises:
            GenzooError: the disk is full or read-only.
        """
        content = json.dumps({"key": key, **_record_of(result)})
        try:
            # It begins with a line end, as a killed process may have left half a line.
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"\n{_digest(content)} {content}\n")
        except OSError as error:
            raise GenzooError(f"Cannot write {self._path}: {error.strerror}.") from error

    def read(self, wanted: Mapping[str, FitJob]) -> list[FitResult]:
        """Return the fits that are kept.

        Arguments:
            wanted: the fits that are looked for, by key.
        """
        found: dict[str, FitResult] = {}
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        for line in lines:
            digest, _, content = line.partition(" ")
            if content and digest == _digest(content):
                record = json.loads(content)
                if (trial := wanted.get(record.pop("key", ""))) is not None:
                    result = _result_of(trial, record)
                    found |= {} if result is None else {trial_key(trial): result}
        return list(found.values())

    def remove(self) -> None:
        """Remove the file, once no fit is missing."""
        self._path.unlink(missing_ok=True)


def trial_key(trial: FitJob) -> str:
    """Return a text that no other fit of the comparison has."""
    return f"{trial.candidate}/{trial.purpose}/{trial.repeat}/{trial.fold}"


def _digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def _record_of(result: FitResult) -> dict[str, Any]:
    """Return a result, without the fit that it is of, as JSON can hold it."""
    content = {field.name: getattr(result, field.name) for field in dataclasses.fields(result) if field.name != "trial"}
    for name, adapter in _PARTS.items():
        content[name] = adapter.dump_python(content[name])
    return content | {name: _packed(content[name]) for name in _ARRAYS}


def _result_of(trial: FitJob, record: Mapping[str, Any]) -> FitResult | None:
    """Return the result in a record, or `None` if another version of genzoo wrote it."""
    try:
        parts = {name: adapter.validate_python(record[name]) for name, adapter in _PARTS.items()}
        arrays = {name: _unpacked(record[name]) for name in _ARRAYS}
        return FitResult(trial, **{**record, **parts, **arrays})
    except (KeyError, TypeError, ValueError, ValidationError):
        return None


def _packed(values: Array | None) -> list[Any] | None:
    if values is None:
        return None
    return [values.dtype.str, values.shape, base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()]


def _unpacked(packed: list[Any] | None) -> Array | None:
    if packed is None:
        return None
    kind, shape, content = packed
    if np.dtype(kind).kind not in "biuf":
        raise ValueError(f"{kind} is no type of numbers.")
    return np.frombuffer(base64.b64decode(content), kind).reshape(shape).copy()
