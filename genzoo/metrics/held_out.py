"""Scores that a comparison keeps with its best model, which may be trained on all rows and have none to test it on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from genzoo.errors import ArtifactError, GenzooError
from genzoo.metrics.evaluate import Evaluation
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

    @staticmethod
    def instead_of_test_rows(run: Run) -> HeldOutScores | None:
        """Return the scores that a comparison kept with a run, if there are any and the run itself has no test rows.

        Raises:
            ArtifactError: the record is damaged.
        """
        kept = HeldOutScores.of(run)
        if kept is None or not kept.scores:
            return None
        try:
            test = run.open_data().split(run.config.split, run.config.seed).test
        except GenzooError:  # the data are gone, or were in memory
            return kept
        return None if len(test) else kept

    def evaluation(self, model: str, metrics: Sequence[str] = ()) -> Evaluation:
        """Return the scores as an evaluation of the rows that were held out.

        Arguments:
            model: id of the model.
            metrics: names of the scores to return. Defaults to all.
        """
        scores = {name: score for name, score in self.scores.items() if not metrics or name in metrics}
        absent = dict.fromkeys(metrics, "the comparison did not compute it")
        reasons = {name: why for name, why in {**absent, **self.reasons}.items() if not metrics or name in metrics}
        reasons = {name: why for name, why in reasons.items() if name not in scores}
        fit = {"by": "comparison", "train_rows": self.train_rows, "folds": self.folds}
        none = np.zeros(0, np.int64)
        return Evaluation(
            self.rows, self.kind, self.measure, scores, reasons, none, model=model, fit=fit, about=self.describe()
        )

    def as_record(self) -> dict[str, Any]:
        """Return the scores for the record of a run, without the parts of errors, which only a comparison needs."""
        record = dataclasses.asdict(self)
        for score in record["scores"].values():
            del score["shared"]
        return record

    def describe(self) -> str:
        """Return which rows the scores are from, as sentences."""
        fits = "These are scores of the comparison's fits with the same settings"
        if not self.rows:
            return f"{fits}: {self.folds} folds of cross-validation."
        text = f"{fits}: to {counted(self.train_rows, 'row')}, on {counted(self.rows, 'other')}"
        return f"{text}; and {self.folds} folds of cross-validation." if self.folds else f"{text}."
