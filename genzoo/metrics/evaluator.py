"""Compute metrics on real rows and samples."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genzoo.config.settings import BOUND_DRAWS
from genzoo.data.dataset import BLOCK, Dataset, Rows
from genzoo.data.texts.flat import Texts
from genzoo.errors import ConfigError, DataError, PluginError, did_you_mean, explain_out_of_memory
from genzoo.features.extractor import Extractor, Features, Material
from genzoo.inference.row_likelihoods import kind_of, log_likelihoods, measure_of, observed_rows
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.metric import Metric, MetricInput, Need, Score
from genzoo.metrics.weighting import fractional, repeated
from genzoo.plugins.registry import Entry, Registry, blame, resolve
from genzoo.runtime.progress import Phase
from genzoo.spec.entries import ExtractorSpec, MetricSpec
from genzoo.spec.events import DataSpec
from genzoo.spec.modality import plurals
from genzoo.typing import Array
from genzoo.wording import argument

MOST_EVENTS = 10_000
"""Largest number of real events that samples are compared with; the time for distances is quadratic in it."""


MOST_TRAINING = 100_000
"""Largest number of training events that are searched for copies."""


_LIKELIHOOD: frozenset[Need] = frozenset({"likelihood"})


def find_metrics(registry: Registry, names: Iterable[str] | None = None) -> tuple[Metric, ...]:
    """Return the metrics of these names, or all registered metrics.

    If no names are given, a metric that cannot be loaded has a reason instead of a score.

    Raises:
        ConfigError: a name is not registered.
        PluginError: a named metric cannot be loaded, or is not a `Metric`.
    """
    if names is not None:
        return tuple(_metric(registry.metrics.get(name)) for name in names)
    shown = zip(registry.metrics.names(), registry.metrics, strict=True)
    return tuple(_any_metric(name, entry) for name, entry in shown)


def _metric(entry: Entry[MetricSpec]) -> Metric:
    metric = resolve(entry.spec.metric, entry.spec)
    if not isinstance(metric, Metric):
        raise PluginError(f"Metric {entry.id!r} is a {type(metric).__name__} and not a Metric.")
    return metric


def _any_metric(name: str, entry: Entry[MetricSpec]) -> Metric:
    """Return a metric under its unique name, or a placeholder if it cannot be loaded."""
    try:
        metric = _metric(entry)
    except PluginError as error:
        return _Missing(name, str(error))
    return metric if metric.name == name else _Named(name, metric)


class _Missing(Metric):
    """Placeholder for a plugin's metric that cannot be loaded."""

    direction = "higher"
    needs = frozenset()

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason

    def score(self, given: MetricInput) -> Score:
        raise PluginError(self.reason)


class _Named(Metric):
    """A metric under a different name."""

    def __init__(self, name: str, metric: Metric) -> None:
        self.name = name
        self.weighted = metric.weighted
        self.direction = metric.direction
        self.needs = metric.needs
        self.modalities = metric.modalities
        self._metric = metric

    def score(self, given: MetricInput) -> Score:
        return self._metric.score(given)


def _suits(spec: ExtractorSpec, data: DataSpec) -> bool:
    return data.modality in spec.modalities or spec.name == data.form.extractor


@dataclass(frozen=True, slots=True)
class Chosen:
    """An extractor that the user chose as `NAME` or `NAME=FILE`."""

    entry: Entry[ExtractorSpec]
    file: Path | None = None

    def build(self, dataset: Dataset, real: Array, device: str = "auto") -> Extractor:
        """Build the extractor.

        Arguments:
            real, device: as for `Material`.

        Raises:
            GenzooError: its weights cannot be found, or it cannot be built for these data.
        """
        spec = self.entry.spec
        with blame(f"Extractor {spec.name!r}"):
            extractor = resolve(spec.builder, spec)(Material(dataset.spec, real, dataset, self.file, device))
        if not isinstance(extractor, Extractor):
            raise PluginError(f"Extractor {self.entry.id!r} built a {type(extractor).__name__} and not an Extractor.")
        return extractor


def find_extractor(registry: Registry, text: str | None, data: DataSpec) -> Chosen:
    """Find an extractor by `NAME` or `NAME=FILE`; if `text` is `None`, use plain pixels or columns.

    Raises:
        ConfigError: the name is unknown, the extractor is for other data, or it takes no file.
    """
    name, named, file = (text or data.form.extractor).partition("=")
    entry = registry.extractors.get(name)
    if not _suits(entry.spec, data):
        fitting = [e.spec.name for e in registry.extractors if _suits(e.spec, data)]
        kinds = " and ".join(plurals(entry.spec.modalities))
        raise ConfigError(
            f"Features {name!r} are for {kinds}, and these data have modality {data.modality!r}. "
            f"{did_you_mean('', fitting)}"
        )
    if named and not (file and entry.spec.file):
        problem = "need the name of a file after the =" if entry.spec.file else "take no file"
        raise ConfigError(f"{argument('features', text)}: features {name!r} {problem}.")
    return Chosen(entry, Path(file).expanduser() if file else None)


@dataclass(frozen=True, slots=True)
class Reference:
    """Real data that models are compared with; one reference serves any number of models.

    Arguments:
        dataset, rows: the dataset, and its evaluated rows that have any value.
        real: the real events that samples are compared with, `(N, *event)`.
        extractor: the extractor of features; `None` if no metric needs features, or there are no real events.
        real_features, train_features: features of real events and of training events.
        protocol: entries in the protocol of every score of features: split, features, their digest ...
        split: name of the rows.
        digest: digest of `real` and of the spec.
        looked_at: the number of training events with features, and the number of all complete training events.
        weights: weights of `real`, as in `MetricInput.real_weights`; `None` if all count once.
        complete, incomplete: numbers of evaluated rows without and with missing values; `real` has only the former.
        conditions: what the real events are conditional on, `(N, K)`; `None` if nothing. Samples are drawn given these.
    """

    dataset: Dataset
    rows: Rows
    real: Array
    extractor: Extractor | None
    real_features: Features | None
    train_features: Features | None
    protocol: Mapping[str, Any]
    split: str
    digest: str
    looked_at: tuple[int, int] | None = None
    weights: Array | None = None
    complete: int = 0
    incomplete: int = 0
    conditions: Array | None = None

    def conditions_of(self, count: int) -> Array | None:
        """Return the conditions of real events for `count` samples, repeated if there are fewer; `None` for none."""
        return None if self.conditions is None else self.conditions[np.arange(count) % len(self.conditions)]


def make_reference(
    dataset: Dataset,
    rows: Rows,
    metrics: Sequence[Metric],
    extractor: Chosen,
    *,
    trained_on: tuple[Dataset, Rows] | None = None,
    split: str = "test",
    most: int = MOST_EVENTS,
    device: torch.device | str = "auto",
) -> Reference:
    """Select the real events, and compute their features if a metric needs them.

    Arguments:
        rows: the rows to evaluate on. Samples are compared only with rows without missing values.
        metrics: the metrics to compute later.
        extractor: the extractor of features, from `find_extractor`.
        trained_on: dataset and training rows of the models, or `None` if unknown. If there are more than
            `MOST_TRAINING` rows, evenly spaced ones are used.
        split: name of the rows in protocols. Defaults to "test".
        most: largest number of rows that samples are compared with. Defaults to `MOST_EVENTS`. If there are more,
            evenly spaced ones are used.
        device: the device on which the extractor's networks run. Defaults to "auto".

    Raises:
        GenzooError: the extractor cannot be built.
    """
    whole = _whole(dataset, rows)
    chosen = _thinned(repeated(dataset, whole), most)
    real = _events(dataset, chosen)
    needs: frozenset[Need] = frozenset().union(*(metric.needs for metric in metrics))
    built = real_features = train_features = looked_at = None
    if len(real) and needs & {"features", "training"}:
        built = extractor.build(dataset, real, str(device))
        real_features = _features(built, extractor, real)
        if trained_on is not None and "training" in needs:
            known, train = trained_on[0], repeated(trained_on[0], _whole(*trained_on))
            searched = _thinned(train, MOST_TRAINING)
            train_features = _features(built, extractor, _events(known, searched))
            looked_at = len(searched), len(train)
    weights = fractional(dataset, chosen)
    protocol: dict[str, Any] = {"split": split}
    if built is not None:
        protocol |= {"features": extractor.entry.spec.name, **built.protocol}
    return Reference(
        dataset,
        observed_rows(dataset, rows),
        real,
        built,
        real_features,
        train_features,
        protocol,
        split,
        _digest(dataset.spec, real, weights),
        looked_at,
        weights,
        len(whole),
        len(rows) - len(whole),
        None if dataset.conditions is None else dataset.conditions[chosen],
    )


def _whole(dataset: Dataset, rows: Rows) -> Rows:
    """Return the rows without missing values."""
    if not dataset.spec.missing or not len(rows):
        return rows
    known = [np.isfinite(block).reshape(len(block), -1).all(axis=1) for block in dataset.blocks(rows)]
    complete: Rows = rows[np.concatenate(known)]
    return complete


def _thinned(rows: Rows, most: int) -> Rows:
    """Return the rows, or `most` evenly spaced ones if there are more."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def _events(dataset: Dataset, rows: Rows) -> Array:
    return np.asarray(dataset.events[rows])


def _digest(data: DataSpec, real: Array, weights: Array | None) -> str:
    """Return a short digest of the spec, of events in data units and of weights; the stored type does not matter."""
    digest = hashlib.sha256(f"{data.modality}{data.features}{data.event_shape}{data.bounds}{data.quantum}".encode())
    for start in range(0, len(real), BLOCK):
        digest.update(np.ascontiguousarray(real[start : start + BLOCK], np.float64).data)
    if weights is not None:
        digest.update(weights.data)
    return digest.hexdigest()[:16]


def _features(extractor: Extractor, chosen: Chosen, events: Array) -> Features:
    """Compute the features of events in blocks, to save memory."""
    name = chosen.entry.spec.name
    with blame(f"Extractor {name!r}"), Phase(f"computing features {name}", len(events), "rows") as phase:
        blocks = (events[i : i + BLOCK] for i in range(0, max(len(events), 1), BLOCK))
        return np.concatenate([extractor(block) for block in phase.over(blocks, len)])


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
    drawn = features = values = weights = lengths = None
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
        events = reference.dataset.events
        lengths = events.lengths[reference.rows] if isinstance(events, Texts) else None
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
        lengths,
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
