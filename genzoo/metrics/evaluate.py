"""Embed, reconstruct and evaluate rows with a trained model."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import genzoo
from genzoo.config.training import BOUND_DRAWS
from genzoo.data.columns.unseen import about_unknown, unseen_levels
from genzoo.data.dataset import Dataset, ModelEvents, Rows
from genzoo.data.frames.results import frame_of
from genzoo.errors import ConfigError
from genzoo.inference.row_likelihoods import (
    about_uncovered,
    kind_of,
    measure_of,
    uncovered,
)
from genzoo.inference.trained_model import TrainedModel
from genzoo.inference.usable import check_usable
from genzoo.metrics.evaluation.choice import Chosen, find_extractor
from genzoo.metrics.evaluation.reference import MOST_EVENTS, make_reference
from genzoo.metrics.evaluator import compute_metrics
from genzoo.metrics.metric import Metric, Score
from genzoo.metrics.rounding import unfounded
from genzoo.metrics.strided import check_stride
from genzoo.plugins.manager import get_registry
from genzoo.runtime.progress import Phase, in_phase
from genzoo.spec.events import Library
from genzoo.typing import Array
from genzoo.wording import argument


def embed(fitted: TrainedModel, dataset: Dataset) -> Array:
    """Return the latent vector of every row, a posterior mean or a code, `(N, L)`.

    Raises:
        ArtifactError, DivergenceError: the weights are unusable.
        ConfigError: the model has no encoder.
        DataError: the rows do not match the model's training data.
    """
    return _usable(fitted, dataset, fitted.encode, "latent vector")


def reconstruct(fitted: TrainedModel, dataset: Dataset) -> Array:
    """Return the reconstruction of every row, `(N, *event)`.

    Raises:
        ArtifactError, DivergenceError: the weights are unusable.
        ConfigError: the model cannot reconstruct.
        DataError: the rows do not match the model's training data.
    """
    return _usable(fitted, dataset, fitted.reconstruct, "reconstruction")


def _usable(fitted: TrainedModel, dataset: Dataset, compute: Callable[[ModelEvents], Array], name: str) -> Array:
    """Compute an answer for every row, and check that it does not fail for all because of the weights."""

    def bad(answers: Array) -> Array:
        return np.asarray(~np.isfinite(answers.reshape(len(answers), -1)).all(axis=1))

    with Phase(f"computing each {name}", len(dataset), "rows") as phase:
        blocks = phase.over(dataset.given_blocks(np.arange(len(dataset))), len)
        answers = np.concatenate([compute(block) for block in blocks])
    check_usable(fitted, bad(answers), name, lambda events: bad(compute(events)))
    return answers


@dataclass(frozen=True, slots=True, repr=False)
class Evaluation:
    """Scores of a model on rows of a dataset.

    Arguments:
        events: number of rows.
        kind, measure: kind and measure of their log-likelihoods.
        scores: scores by the name of the metric.
        reasons: why other scores are missing, by the name of the metric. The key `uncovered` lists rows outside the
            box of the model's outlier component, which has no density there.
        unobserved: rows without any value, which were left out.
        density_rests_on: why the log-likelihood says nothing about the data; `None` if it does.
        unseen: columns and levels that no training row has, by row. Defaults to none.
        unknown: columns and levels that the model does not know, by row: these rows are impossible under it, and were
            left out. Defaults to none.
        model: id of the model.
        split: what the rows are: "test", or the name of a dataset.
        fit: which fit the scores are of, if a comparison kept them: `by`, `train_rows` and `folds`. Defaults to `None`:
            the model itself.
        about: the same as sentences. Defaults to an empty text.
    """

    events: int
    kind: str
    measure: str | None
    scores: Mapping[str, Score]
    reasons: Mapping[str, str]
    unobserved: Rows
    density_rests_on: str | None = None
    unseen: Mapping[int, str] = field(default_factory=dict)
    unknown: Mapping[int, str] = field(default_factory=dict)
    model: str = ""
    split: str = "test"
    fit: Mapping[str, Any] | None = None
    about: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        likelihood = self.scores.get("log-likelihood")
        return {
            "model": self.model,
            "events": self.events,
            "log_likelihood": {
                "test": None if likelihood is None else likelihood.value,
                "se": None if likelihood is None else likelihood.error,
                "kind": self.kind,
                "measure": self.measure,
            },
            "metrics": {name: _score(score) for name, score in self.scores.items()},
            "reasons": dict(self.reasons),
            "unobserved": self.unobserved.tolist(),
            "density_rests_on": self.density_rests_on,
            "unseen": {str(row): text for row, text in self.unseen.items()},
            "unknown": {str(row): text for row, text in self.unknown.items()},
            "fit": None if self.fit is None else dict(self.fit),
        }

    def to_frame(self, library: Library | None = None) -> Any:
        """Return a table with a row for each metric: its name, value, standard error and better direction.

        Arguments:
            library: `pandas | polars | pyarrow`. Defaults to the first of them that is installed.
        """
        found = self.scores.values()
        columns = {
            "metric": list(self.scores),
            "value": [score.value for score in found],
            "error": [math.nan if score.error is None else score.error for score in found],
            "better": [score.better for score in found],
        }
        return frame_of(columns, library)

    def _repr_html_(self) -> str:
        return genzoo.view(self).html

    def __repr__(self) -> str:
        rows = "test rows" if self.split == "test" else self.split
        lines = [f"Evaluation of {self.model} on {self.events} events ({rows})"]
        lines += [f"  {about_unknown(self.unknown)}"] if self.unknown else []
        width = max(map(len, self.scores), default=0)
        for name, score in self.scores.items():
            error = "" if score.error is None else f" ± {score.error:.2g}"
            lines.append(f"  {name:{width}}  {score.value:.4g}{error}")
        return "\n".join(lines)


def _score(score: Score) -> dict[str, Any]:
    """Return a score for JSON, without the parts of its error, which only a comparison needs."""
    plain = dataclasses.asdict(score)
    del plain["shared"]
    return plain


@in_phase("evaluating")
def evaluate(
    fitted: TrainedModel,
    dataset: Dataset,
    rows: Rows,
    metrics: Sequence[Metric],
    *,
    seed: int,
    features: Chosen | None = None,
    trained_on: tuple[Dataset, Rows] | None = None,
    split: str = "test",
    samples: int | None = None,
    draws: int = BOUND_DRAWS,
    average: float | None = None,
    target: str | None = None,
    stride: int | None = None,
) -> Evaluation:
    """Compute metrics of a model on rows of a dataset.

    Arguments:
        rows: the rows to evaluate on; rows the model was trained on give scores that are too good. Rows with a level
            that the model does not know are left out.
        metrics: the metrics to compute.
        seed: seed of the samples.
        features: the extractor of features. Defaults to plain pixels or columns.
        trained_on: dataset and rows that the model was trained on, or `None` if unknown.
        split: name of `rows` in protocols. Defaults to "test".
        samples: number of samples, and largest number of real rows to compare them with. Defaults to the number of
            real rows, at most `MOST_EVENTS`.
        draws: number of draws for a likelihood bound. Defaults to `BOUND_DRAWS`.
        average: as for `compute_metrics`.
        target: name of the column that `tstr` predicts. Defaults to none.
        stride: as for `compute_metrics`.

    Raises:
        ConfigError: there are no such rows or no such column, or texts cannot be scored with a stride.
        DataError: the rows do not match the model's training data.
        GenzooError: the extractor cannot be built.
    """
    unknown = {int(row): dataset.unknown[int(row)] for row in rows if int(row) in dataset.unknown}
    rows = rows[~np.isin(rows, list(unknown))]
    chosen = features or find_extractor(get_registry(), None, dataset.spec)
    if stride is not None:
        check_stride(fitted, dataset, stride, metrics)
    most = samples or MOST_EVENTS
    reference = make_reference(
        dataset,
        rows,
        metrics,
        chosen,
        trained_on=trained_on,
        split=split,
        most=most,
        device=fitted.device,
        target=target,
    )
    observed = reference.rows
    if not len(observed):
        if unknown:
            raise ConfigError(
                f"There are no rows to evaluate on: {about_unknown(unknown)}. Use other data with {argument('data')}."
            )
        if len(rows):
            raise ConfigError(
                f"There are no rows to evaluate on: none has any value. Use other data with {argument('data')}."
            )
        raise ConfigError(
            f"There are no rows to evaluate on: the run's split has no test rows. Use other data with "
            f"{argument('data')}."
        )
    results = compute_metrics(
        fitted, reference, metrics, seed=seed, samples=samples, draws=draws, average=average, stride=stride
    )
    reasons = {**results.reasons, **about_uncovered(uncovered(fitted, dataset, observed))}
    unobserved = np.setdiff1d(rows, observed)
    resting = unfounded(fitted, dataset, observed)
    return Evaluation(
        len(observed),
        kind_of(fitted, draws),
        measure_of(fitted),
        results.scores,
        reasons,
        unobserved,
        None if resting is None or not resting.material else resting.reason,
        unseen_levels(fitted.data, dataset, observed),
        unknown,
        fitted.model,
        split,
    )
