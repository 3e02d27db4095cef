"""Evaluate a run or a trained model: its log-likelihood and its sample metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from genzoo.config.counts import check_count
from genzoo.data.dataset import Dataset, Rows
from genzoo.data.opening.given import AnyData
from genzoo.errors import ConfigError
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.evaluate import Evaluation
from genzoo.metrics.evaluate import evaluate as evaluate_model
from genzoo.metrics.evaluation.choice import find_extractor, find_metrics
from genzoo.metrics.held_out import HeldOutScores
from genzoo.persistence.run import Run
from genzoo.plugins.manager import get_registry
from genzoo.reports.run_page import EvaluationTerms
from genzoo.verbs.given import Asked, open_asked, own_rows, read_for, training_rows
from genzoo.wording import argument


def evaluate(
    asked: Asked,
    data: AnyData | None = None,
    *,
    metrics: str | Sequence[str] | None = None,
    features: str | None = None,
    samples: int | None = None,
    draws: int | None = None,
    target: str | None = None,
    stride: int | None = None,
    seed: int = 0,
    sampling: Mapping[str, Any] | None = None,
    device: str | None = None,
) -> Evaluation:
    """Compute the log-likelihood and the sample metrics of a model.

    Arguments:
        asked: a run, a trained model, or the path of a run or model folder.
        data: evaluate on all rows of these, given as for `train`. Defaults to the run's test rows. The best model of a
            comparison may have none; the scores of its fits that the comparison kept are then returned.
        metrics: names of metrics. Defaults to all.
        features: feature extractor of the metrics, `NAME` or `NAME=FILE`. Defaults to pixels or columns.
        samples: number of samples, and largest number of real rows to compare with. Defaults to one per row, at most
            10,000.
        draws: number of draws for the likelihood bound. Defaults to the model's own, `training.bound_draws`.
        target: name of the column that `tstr` predicts. Defaults to none: it has no score.
        stride: for a model of windows of long texts: `bits-per-byte` in windows that overlap, each with so many new
            bytes after its context, 1 to the size of a window. Defaults to none: each window is scored from nothing.
        seed: seed of the samples.
        sampling: values of the model's sampling options, such as `{"steps": 20}`. Defaults to the run's own.
        device: where the model computes. Defaults to the host.

    Raises:
        ConfigError: an unknown metric; there are no rows to evaluate on; or a stride for what has none.
        DataError: the rows do not fit the model. Rows with a category that it does not know are left out of all scores,
            and listed in `Evaluation.unknown`.

    Examples:
        >>> evaluate("runs/faithful").scores["log-likelihood"].value  # doctest: +SKIP
        -4.0726
    """
    run, fitted = open_asked(asked, device)
    fitted = fitted.with_sampling(sampling)
    terms = find_terms(fitted, metrics, features, samples, draws, seed, target, stride)
    if data is None:
        choices = {"features": features, "samples": samples, "draws": draws, "target": target, "stride": stride}
        kept = kept_scores(run, metrics, **choices, sampling=sampling)
        return evaluate_rows(run, fitted, None, terms) if kept is None else kept
    return evaluate_rows(run, fitted, read_for(run, fitted, data, keep_unknown=True), terms)


def kept_scores(run: Run | None, metrics: str | Sequence[str] | None, **choices: object) -> Evaluation | None:
    """Return the scores that a comparison kept with its best model, if the model itself has no test rows.

    Arguments:
        metrics: names of the scores to return. Defaults to all.
        choices: how to evaluate rows; none may be given, because kept scores cannot be computed in another way.

    Raises:
        ArtifactError: the record of the run is damaged.
        ConfigError: a choice was given.
    """
    kept = None if run is None else HeldOutScores.instead_of_test_rows(run)
    if run is None or kept is None:
        return None
    for name, value in choices.items():
        if value is not None:
            raise ConfigError(
                f"{argument(name)} says how to evaluate rows, and the run has no test rows of its own. Name other rows "
                f"with {argument('data')}, or leave it out for the scores that its comparison kept."
            )
    return kept.evaluation(run.config.model, [metrics] if isinstance(metrics, str) else metrics or ())


def find_terms(
    fitted: TrainedModel,
    metrics: str | Sequence[str] | None,
    features: str | None,
    samples: int | None,
    draws: int | None,
    seed: int,
    target: str | None = None,
    stride: int | None = None,
) -> EvaluationTerms:
    """Find metrics and features by their names, which are arguments of `evaluate`.

    Raises:
        ConfigError: an unknown name, or a number that is none.
    """
    for name, value in (("samples", samples), ("draws", draws)):
        if value is not None:
            check_count(name, value)
    zoo = get_registry()
    extractor = find_extractor(zoo, features, fitted.data)
    named = ([metrics] if isinstance(metrics, str) else metrics) or None
    chosen = find_metrics(zoo, named, extractor.entry.spec.name)
    return EvaluationTerms(chosen, extractor, samples, draws or fitted.bound_draws, seed, target, stride)


def evaluate_rows(
    run: Run | None, fitted: TrainedModel, dataset: Dataset | None, terms: EvaluationTerms, name: str | None = None
) -> Evaluation:
    """Evaluate a model on all rows of a dataset, or else on the run's test rows.

    Arguments:
        name: what protocols call the dataset. Defaults to its own name.

    Raises:
        ArtifactError: the data of the run have changed.
        ConfigError: there are no rows to evaluate on.
    """
    if dataset is None:
        if run is None:
            raise ConfigError("A model folder does not name its data. Give the data to evaluate on.")
        dataset, train, rows = own_rows(run)
        trained_on: tuple[Dataset, Rows] | None = (dataset, train)
        split = "test"
    else:
        trained_on, rows = training_rows(run), np.arange(len(dataset))
        split = f"all rows of {name or dataset.name}"
    return evaluate_model(
        fitted,
        dataset,
        rows,
        terms.metrics,
        seed=terms.seed,
        features=terms.features,
        trained_on=trained_on,
        split=split,
        samples=terms.samples,
        draws=terms.draws,
        average=None if run is None else run.config.ema,
        target=terms.target,
        stride=terms.stride,
    )
