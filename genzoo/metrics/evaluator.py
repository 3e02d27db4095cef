"""Compute the metrics of a model, given real data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genzoo.config.training import BOUND_DRAWS
from genzoo.errors import DataError, PluginError, explain_out_of_memory
from genzoo.inference.row_likelihoods import kind_of, log_likelihoods, measure_of
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.evaluation.reference import Reference
from genzoo.metrics.metric import Metric, MetricInput, Need, Score
from genzoo.plugins.registry import blame
from genzoo.runtime.progress import Phase
from genzoo.spec.modality import plurals

_LIKELIHOOD: frozenset[Need] = frozenset({"likelihood"})


@dataclass(frozen=True, slots=True)
class MetricResults:
    """Scores by metric, and the reasons for missing scores."""

    scores: Mapping[str, Score]
    reasons: Mapping[str, str]


def compute_metrics(
    fitted: TrainedModel,
    reference: Reference,
    metrics: Sequence[Metric],
    *,
    seed: int,
    samples: int | None = None,
    draws: int = BOUND_DRAWS,
    average: float | None = None,
) -> MetricResults:
    """Compute the metrics of one model.

    Arguments:
        reference: the real data to compare with.
        metrics: the metrics to compute.
        seed: seed of the samples and of all other random numbers.
        samples: number of samples. Defaults to the number of real events.
        draws: number of draws for a likelihood bound. Defaults to `BOUND_DRAWS`.
        average: decay of the moving average, if the model's weights are one. Defaults to `None`: none, or unknown.

    Raises:
        DivergenceError: a log-likelihood is NaN or plus infinity.
    """
    scores: dict[str, Score] = {}
    reasons: dict[str, str] = {}
    usable = []
    for metric in metrics:
        reason = _reason(metric, fitted, reference)
        if reason is None:
            usable.append(metric)
        else:
            reasons[metric.name] = reason
    if not usable:
        return MetricResults(scores, reasons)
    with Phase("preparing metrics"):
        given = _metric_input(fitted, reference, usable, seed, samples, draws)
    with Phase("computing metrics", len(usable), "metrics") as phase:
        for metric in phase.over(usable, lambda _: 1):
            phase.describe(metric.name)
            try:
                score = _score(metric, given)
            except (DataError, PluginError) as error:
                reasons[metric.name] = str(error).rstrip(".")
                continue
            if math.isfinite(score.value):
                about = _protocol(metric, given, reference, average, fitted.sampling.stored)
                notes = (*score.notes, *_notes(metric, reference))
                scores[metric.name] = dataclasses.replace(score, protocol={**about, **score.protocol}, notes=notes)
            else:
                reasons[metric.name] = f"its value is {score.value}"
    return MetricResults(scores, reasons)


def _score(metric: Metric, given: MetricInput) -> Score:
    """Compute one metric.

    Raises:
        DataError, PluginError: it cannot be computed.
    """
    remedy = "leave it out, or evaluate fewer rows or samples"
    with explain_out_of_memory(f"metric {metric.name!r} was computed", remedy), blame(f"Metric {metric.name!r}"):
        return metric.score(given)


def _reason(metric: Metric, fitted: TrainedModel, reference: Reference) -> str | None:
    """Return why a metric does not apply to the model, or `None`; nothing is sampled yet."""
    if not metric.takes(fitted.data.modality):
        return f"it is for {' and '.join(plurals(metric.modalities))}"
    if "likelihood" in metric.needs:
        if kind_of(fitted) == "none":
            return "the model has no likelihood"
        if not len(reference.rows):
            return f"there are no {reference.split} rows"
    if metric.needs - _LIKELIHOOD and not len(reference.real):
        some = len(reference.rows)
        if some > reference.incomplete:
            return f"every {reference.split} row without missing values has weight 0"
        return f"every {reference.split} row has missing values" if some else f"there are no {reference.split} rows"
    if metric.needs - _LIKELIHOOD and reference.weights is not None and not metric.weighted:
        return "it cannot use weights, and the rows have weights that are not whole numbers"
    if "training" in metric.needs and reference.train_features is None:
        return "the model's training data are not known here"
    return None


def _metric_input(
    fitted: TrainedModel, reference: Reference, metrics: Sequence[Metric], seed: int, samples: int | None, draws: int
) -> MetricInput:
    needs: frozenset[Need] = frozenset().union(*(metric.needs for metric in metrics))
    drawn = features = values = weights = None
    if needs - _LIKELIHOOD:
        count = samples or len(reference.real)
        drawn = fitted.sample(count, seed=seed, output="array", condition=reference.conditions_of(count))
        if reference.extractor is not None:
            with blame("The extractor of features"), np.errstate(invalid="ignore"):
                features = reference.extractor(drawn)
    if "likelihood" in needs:
        values = log_likelihoods(fitted, reference.dataset, reference.rows, seed, draws)
        weights = reference.dataset.weights
        weights = None if weights is None else weights[reference.rows]
    return MetricInput(
        fitted.data,
        reference.real,
        drawn,
        reference.real_features,
        features,
        reference.train_features,
        values,
        weights,
        measure_of(fitted),
        kind_of(fitted, draws),
        seed,
        reference.weights,
    )


def _notes(metric: Metric, reference: Reference) -> tuple[str, ...]:
    """Return notes if only some of the rows were compared with samples, or searched for copies."""
    notes = []
    if metric.needs - _LIKELIHOOD and reference.incomplete:
        rows = reference.incomplete + reference.complete
        notes.append(
            f"compares samples only with the {reference.complete} of {rows} {reference.split} rows that have no "
            f"missing values; the others may differ."
        )
    if "training" in metric.needs and reference.looked_at is not None:
        looked, there = reference.looked_at
        if looked != there:
            notes.append(f"only {looked} of {there} training events ({looked / there:.0%}) were searched for copies.")
    return tuple(notes)


def _protocol(
    metric: Metric, given: MetricInput, reference: Reference, average: float | None, sampling: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the protocol of a score: everything that must be equal for scores to be comparable.

    Arguments:
        sampling: values of the model's sampling options; empty if it has none.
    """
    about: dict[str, Any] = {"split": reference.split}
    if metric.needs - _LIKELIHOOD:
        assert given.real is not None
        assert given.samples is not None
        about = {"real": len(given.real), "samples": len(given.samples), **about, "data": reference.digest}
        about |= {"sampling": dict(sampling)} if sampling else {}
    if metric.needs & {"features", "training"}:
        about |= reference.protocol
    if "training" in metric.needs:
        assert given.train_features is not None
        about["train"] = len(given.train_features)
    if "likelihood" in metric.needs:
        about |= {"events": len(reference.rows), "likelihood": given.kind, "measure": given.measure}
    return {**about, "average": average, "seed": given.seed}
