"""Compute the metrics of a model, given real data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genzoo.config.training import BOUND_DRAWS
from genzoo.data.sounds.facts import samples_of
from genzoo.data.texts.flat import Texts
from genzoo.errors import DataError, PluginError, explain_out_of_memory
from genzoo.inference.joint import draw_rows_given
from genzoo.inference.likelihood import symbol_counts
from genzoo.inference.row_likelihoods import kind_of, log_likelihoods, measure_of, solver_error
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.evaluation.reference import Reference
from genzoo.metrics.metric import Metric, MetricInput, Need, Score
from genzoo.metrics.strided import strided
from genzoo.models.base import Imputation
from genzoo.plugins.registry import blame
from genzoo.runtime.progress import Phase
from genzoo.spec.modality import plurals
from genzoo.typing import Array
from genzoo.wording import argument

_LIKELIHOOD: frozenset[Need] = frozenset({"likelihood", "training-likelihood"})
"""Needs that need no samples."""


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
    stride: int | None = None,
) -> MetricResults:
    """Compute the metrics of one model.

    Arguments:
        reference: the real data to compare with.
        metrics: the metrics to compute.
        seed: seed of the samples and of all other random numbers.
        samples: number of samples. Defaults to the number of real events.
        draws: number of draws for a likelihood bound. Defaults to `BOUND_DRAWS`.
        average: decay of the moving average, if the model's weights are one. Defaults to `None`: none, or unknown.
        stride: number of new bytes of each window for `bits-per-byte`, as `check_stride` accepts it. Defaults to
            `None`: windows do not overlap.

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
        if stride is not None and "bits-per-byte" in {metric.name for metric in usable}:
            overlapping = strided(fitted, reference.dataset, reference.rows, stride)
            given = dataclasses.replace(given, strided=overlapping)
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
                scores[metric.name] = dataclasses.replace(
                    score, protocol={**about, **score.protocol}, beside=metric.beside
                )
            else:
                reasons[metric.name] = f"its value is {score.value}"
    about_rows = {metric.name: _notes(metric, reference) for metric in metrics}
    noted = {
        name: dataclasses.replace(score, notes=(*_verdicts(score, scores, reasons), *score.notes, *about_rows[name]))
        for name, score in scores.items()
    }
    return MetricResults(noted, reasons)


def _verdicts(score: Score, scores: Mapping[str, Score], reasons: Mapping[str, str]) -> Iterator[str]:
    """Yield what the metrics beside a score say, without which it misleads."""
    for name in score.beside:
        other = scores.get(name)
        if other is None:
            yield f"read it with {name}, which has no score here: {reasons.get(name, 'it was not computed')}."
        else:
            error = "" if other.error is None else f" ± {other.error:.2g}"
            verdict = f"flagged: {' '.join(other.notes)}" if other.notes else "nothing was flagged."
            yield f"read it with {name}, {other.value:.3g}{error}: {verdict}"


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
    if metric.needs & _LIKELIHOOD:
        if kind_of(fitted) == "none":
            return "the model has no likelihood"
        if not len(reference.rows):
            return f"there are no {reference.split} rows"
    if "filled-parts" in metric.needs and not (fitted.units.missing and isinstance(fitted.generator, Imputation)):
        return "the model does not fill in missing parts"
    if metric.needs - _LIKELIHOOD and not len(reference.real):
        some = len(reference.rows)
        if some > reference.incomplete:
            return f"every {reference.split} row without missing values has weight 0"
        return f"every {reference.split} row has missing values" if some else f"there are no {reference.split} rows"
    if metric.needs - _LIKELIHOOD and reference.weights is not None and not metric.weighted:
        return "it cannot use weights, and the rows have weights that are not whole numbers"
    return _lack_of_training(metric, reference)


def _lack_of_training(metric: Metric, reference: Reference) -> str | None:
    """Return which training rows or target a metric lacks; `None` if it has what it needs."""
    if "target" in metric.needs:
        if reference.target is None:
            return f"no column to predict is named with {argument('target')}"
        if reference.task is not None and not len(reference.task.train):
            return "every training row has missing values"
    lacks = {
        "training": reference.train_features,
        "training-events": reference.train,
        "target": reference.task,
        "training-likelihood": reference.members,
    }
    if any(need in metric.needs and found is None for need, found in lacks.items()):
        return "the model's training data are not known here"
    return None


def _metric_input(
    fitted: TrainedModel, reference: Reference, metrics: Sequence[Metric], seed: int, samples: int | None, draws: int
) -> MetricInput:
    needs: frozenset[Need] = frozenset().union(*(metric.needs for metric in metrics))
    drawn = features = values = weights = lengths = symbols = None
    if needs - _LIKELIHOOD:
        count = samples or len(reference.real)
        drawn = fitted.sample(count, seed=seed, output="array", condition=reference.conditions_of(count))
        if reference.extractor is not None:
            with blame("The extractor of features"), np.errstate(invalid="ignore"):
                features = reference.extractor(drawn)
    known = synthetic = None
    task = reference.task if "target" in needs else None
    if task is not None:
        synthetic = fitted.sample(len(task.train), seed=seed, output="array", condition=task.conditions)
    if "training-likelihood" in needs and reference.members is not None:
        known = log_likelihoods(fitted, reference.members[0], reference.members[1], seed, draws)
    if needs & _LIKELIHOOD:
        values = log_likelihoods(fitted, reference.dataset, reference.rows, seed, draws)
        weights = reference.dataset.weights
        weights = None if weights is None else weights[reference.rows]
        events = reference.dataset.events
        if isinstance(events, Texts):
            lengths = events.lengths[reference.rows]
            symbols = symbol_counts(fitted.units, events.take(reference.rows))
        elif reference.dataset.spec.form.timed:
            lengths = samples_of(events[reference.rows])
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
        lengths=lengths,
        symbols=symbols,
        model_data=fitted.units.inner,
        target=None if task is None else task.target,
        train=reference.train if task is None else task.train,
        synthetic=synthetic,
        conditions=reference.conditions,
        train_conditions=None if task is None else task.conditions,
        train_weights=None if task is None else task.weights,
        train_log_likelihoods=known,
        solver_error=solver_error(fitted, reference.dataset, reference.rows, seed) if needs & _LIKELIHOOD else 0.0,
        filled=_filled(fitted, reference.real, seed) if "filled-parts" in needs else None,
    )


def _filled(fitted: TrainedModel, real: Array, seed: int) -> dict[str, Array]:
    """Return real events with all parts but one drawn given it, by the name of this part."""
    found = {}
    for piece in fitted.data.pieces:
        rows = np.full(real.shape, np.nan)
        rows[:, piece.places] = real[:, piece.places]
        found[piece.name] = draw_rows_given(fitted.units, rows, seed)
    return found


def _notes(metric: Metric, reference: Reference) -> tuple[str, ...]:
    """Return notes if only some of the rows were compared with samples, or searched for copies."""
    notes = []
    if metric.needs - _LIKELIHOOD and reference.incomplete:
        rows = reference.incomplete + reference.complete
        notes.append(
            f"compares samples only with the {reference.complete} of {rows} {reference.split} rows that have no "
            f"missing values; the others may differ."
        )
    if metric.needs & {"training", "training-events"} and reference.looked_at is not None:
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
    if metric.needs & _LIKELIHOOD:
        about |= {"events": len(reference.rows), "likelihood": given.kind}
    if "likelihood" in metric.needs:
        about["measure"] = given.measure
    if "training-events" in metric.needs:
        assert given.train is not None
        about["train"] = len(given.train)
    if "training-likelihood" in metric.needs and given.train_log_likelihoods is not None:
        about["train"] = len(given.train_log_likelihoods)
    if "target" in metric.needs and given.train is not None:
        about |= {"target": given.target, "train": len(given.train)}
    return {**about, "average": average, "seed": given.seed}
