"""Scores that a comparison keeps with its best model, which may be trained on all rows and have none to test it on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from genzoo.errors import ArtifactError
from genzoo.metrics.metric import Score
from genzoo.persistence.run import Run
from genzoo.text import counted


@dataclass(frozen=True, slots=True)
class HeldOutScores:
    """Scores of fits with the same settings on rows that they were not trained on.

    Arguments:
        train_rows, rows: number of rows that the fit was trained on, and of rows that it was tested on.
        folds: number of folds behind the score `cross-validation`; 0 for none.
        kind, measure: kind and measure of the log-likelihoods.
        scores: scores by name.
        reasons: why other scores are missing, by name.
    """

    train_rows: int
    rows: int
    folds: int
    kind: str
    measure: str | None
    scores: Mapping[str, Score]
    reasons: Mapping[str, str]

    @staticmethod
    def of(run: Run) -> HeldOutScores | None:
        """Return the scores that a comparison kept with a run; `None` if there are none.

        Raises:
            ArtifactError: the record is damaged.
        """
        record = run.record.get("held_out")
        if record is None:
            return None
        try:
            return TypeAdapter(HeldOutScores).validate_python(record)
        except ValidationError as error:
            raise ArtifactError(f"{run.path / 'run.json'} holds damaged scores of held-out rows.") from error

    def as_record(self) -> dict[str, Any]:
        """Return the scores for the record of a run, without the parts of errors, which only a comparison needs."""
        record = dataclasses.asdict(self)
        for score in record["scores"].values():
            del score["shared"]
        return record

    def describe(self) -> str:
        """Return which rows the scores are from, as sentences."""
        text = (
            f"These are scores of the comparison's fit with the same settings to {counted(self.train_rows, 'row')}, on "
            f"{counted(self.rows, 'other')}."
        )
        return f"{text} Cross-validation has {self.folds} folds." if self.folds else text
