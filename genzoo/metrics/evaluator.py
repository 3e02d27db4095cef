"""Compute any set of metrics on real rows and samples."""

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

from genzoo.data.dataset import BLOCK, Dataset, Rows
from genzoo.errors import ConfigError, DataError, PluginError, did_you_mean
from genzoo.features.extractor import Extractor, Features, Material
from genzoo.inference.trained_model import TrainedModel
from genzoo.metrics.likelihood import DRAWS, kind_of, log_likelihoods, measure_of, observed_rows
from genzoo.metrics.metric import Metric, MetricInput, Need, Score
from genzoo.plugins.registry import Entry, Registry, blame, resolve
from genzoo.spec import DataSpec, ExtractorSpec, MetricSpec
from genzoo.typing import Array

MOST_EVENTS = 10_000
"""Real events that a metric of samples is computed from; distances are quadratic in them."""


MOST_TRAINING = 100_000
"""Training events that copies are looked for among; each sample only needs the nearest."""


_LIKELIHOOD: frozenset[Need] = frozenset({"likelihood"})


def find_metrics(registry: Registry, names: Iterable[str] | None = None) -> tuple[Metric, ...]:
    """The metrics of those names, or all; of all, one that cannot be had has its reason instead of a score.

    Raises:
        ConfigError: nobody registered one of them.
        PluginError: what is registered under one of those names is no metric.
    """
    if names is not None:
        return tuple(_metric(registry.metrics.get(name)) for name in names)
    shown = zip(registry.metrics.names(), registry.metrics, strict=True)
    return tuple(_any_metric(name, entry) for name, entry in shown)


def _metric(entry: Entry[MetricSpec]) -> Metric:
    metric = resolve(entry.spec.metric, entry.spec)
    if not isinstance(metric, Metric):
        raise PluginError(f"Metric {entry.id!r} is a {type(metric).__name__} and no Metric.")
    return metric


def _any_metric(name: str, entry: Entry[MetricSpec]) -> Metric:
    """A metric under the name that tells it from all others, or one that says why it cannot be had."""
    try:
        metric = _metric(entry)
    except PluginError as error:
        return _Missing(name, str(error))
    return metric if metric.name == name else _Named(name, metric)


class _Missing(Metric):
    """Stands where a plugin's metric cannot be had."""

    direction = "higher"
    needs = frozenset()

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason

    def score(self, given: MetricInput) -> Score:
        raise PluginError(self.reason)


class _Named(Metric):
    """A metric under another name than its own."""

    def __init__(self, name: str, metric: Metric) -> None:
        self.name = name
        self.direction = metric.direction
        self.needs = metric.needs
        self.modalities = metric.modalities
        self._metric = metric

    def score(self, given: MetricInput) -> Score:
        return self._metric.score(given)


@dataclass(frozen=True, slots=True)
class Chosen:
    """An extractor that was asked for, as `NAME` or `NAME=FILE`."""

    entry: Entry[ExtractorSpec]
    file: Path | None = None

    def build(self, dataset: Dataset, real: Array, device: str = "auto") -> Extractor:
        """The extractor itself.

        Arguments:
            real, device: as for `Material`.

        Raises:
            GenzooError: its weights cannot be had, or it cannot be built for these data.
        """
        spec = self.entry.spec
        with blame(f"Extractor {spec.name!r}"):
            found = resolve(spec.builder, spec)(Material(dataset.spec, real, dataset, self.file, device))
        if not isinstance(found, Extractor):
            raise PluginError(f"Extractor {self.entry.id!r} built a {type(found).__name__} and no Extractor.")
        return found


def find_extractor(registry: Registry, text: str | None, data: DataSpec) -> Chosen:
    """The extractor that `NAME` or `NAME=FILE` names; without one, that of events as they are.

    Raises:
        ConfigError: there is none of that name, or it is for other data, or takes no file.
    """
    name, named, file = (text or {"image": "pixels", "table": "columns"}[data.modality]).partition("=")
    entry = registry.extractors.get(name)
    if data.modality not in entry.spec.modalities:
        fitting = [e.spec.name for e in registry.extractors if data.modality in e.spec.modalities]
        kinds = " and ".join(f"{modality}s" for modality in entry.spec.modalities)
        raise ConfigError(
            f"Features {name!r} are for {kinds}, and these data are of modality {data.modality!r}. "
            f"{did_you_mean('', fitting)}"
        )
    if named and not (file and entry.spec.file):
        what = "name one after the =" if entry.spec.file else "they take none"
        raise ConfigError(f"--features {text}: no file of features {name!r} can be read; {what}.")
    return Chosen(entry, Path(file).expanduser() if file else None)


@dataclass(frozen=True, slots=True)
class Reference:
    """What a model is held against; one reference serves any number of models of the same data.

    Arguments:
        dataset, rows: the real events, and which of them have any value.
        real: those that samples are held against, `(N, *event)`.
        extractor: of features; `None` where no metric needs them, or nothing is left to compute them from.
        real_features, train_features: of real events and of those trained on.
        protocol: what every score of features says: split, features, their digest ...
        split: what the rows are called.
        digest: of the real events that samples are held against, and of what they are.
        looked_at: how many training events there are features of, and of how many.
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
    """Take real events, and their features where a metric needs them.

    Arguments:
        rows: of the real events; those with a missing value are left out of what samples are held against, and of
            more than `most` evenly spaced ones are used.
        extractor: of features, as `find_extractor` gives it.
        trained_on: the events that the models were trained on, where they are known; all of them, as a copy of any is
            one, and evenly spaced ones of more than `MOST_TRAINING`.
        split: what the rows are called in protocols.
        device: where networks of the extractor run.

    Raises:
        GenzooError: the extractor cannot be built.
    """
    real = _events(dataset, _thinned(_whole(dataset, rows), most))
    needs: frozenset[Need] = frozenset().union(*(metric.needs for metric in metrics))
    built = real_features = train_features = looked_at = None
    if len(real) and needs & {"features", "training"}:
        built = extractor.build(dataset, real, str(device))
        real_features = _features(built, extractor, real)
        if trained_on is not None and "training" in needs:
            known, train = trained_on[0], _whole(*trained_on)
            chosen = _thinned(train, MOST_TRAINING)
            train_features = _features(built, extractor, _events(known, chosen))
            looked_at = len(chosen), len(train)
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
        _digest(dataset.spec, real),
        looked_at,
    )


def _whole(dataset: Dataset, rows: Rows) -> Rows:
    """Those of some rows that have no missing values."""
    if not dataset.spec.missing or not len(rows):
        return rows
    known = [np.isfinite(block).reshape(len(block), -1).all(axis=1) for block in dataset.blocks(rows)]
    found: Rows = rows[np.concatenate(known)]
    return found


def _thinned(rows: Rows, most: int) -> Rows:
    """Rows, or evenly spaced ones of more than `most`."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def _events(dataset: Dataset, rows: Rows) -> Array:
    return np.asarray(dataset.events[rows])


def _digest(data: DataSpec, real: Array) -> str:
    """A short digest of events in data units and of what they are, whatever type they are stored as."""
    found = hashlib.sha256(f"{data.modality}{data.features}{data.event_shape}{data.bounds}{data.quantum}".encode())
    for start in range(0, len(real), BLOCK):
        found.update(np.ascontiguousarray(real[start : start + BLOCK], np.float64).data)
    return found.hexdigest()[:16]


def _features(extractor: Extractor, chosen: Chosen, events: Array) -> Features:
    """The features of events, block by block: of many training events at once they would take much memory."""
    with blame(f"Extractor {chosen.entry.spec.name!r}"):
        return np.concatenate([extractor(events[i : i + BLOCK]) for i in range(0, max(len(events), 1), BLOCK)])


@dataclass(frozen=True, slots=True)
class MetricResults:
    """Scores by metric, and why others are missing."""

    scores: Mapping[str, Score]
    reasons: Mapping[str, str]


def compute_metrics(
    fitted: TrainedModel,
    reference: Reference,
    metrics: Sequence[Metric],
    *,
    seed: int,
    samples: int | None = None,
    draws: int = DRAWS,
    average: float | None = None,
) -> MetricResults:
    """All metrics of one model.

    Arguments:
        reference: what it is held against.
        seed: of the samples, and of whatever else is drawn.
        samples: how many; by default as many as real events.
        draws: of a bound of the likelihood.
        average: decay of the moving average of weights that the model is; `None` where it is none, or not known.

    Raises:
        DivergenceError: a log-likelihood is not a number.
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
    given = _metric_input(fitted, reference, usable, seed, samples, draws)
    for metric in usable:
        try:
            with blame(f"Metric {metric.name!r}"):
                score = metric.score(given)
        except (DataError, PluginError) as error:
            reasons[metric.name] = str(error).rstrip(".")
            continue
        if math.isfinite(score.value):
            about = _protocol(metric, given, reference, average)
            notes = (*score.notes, *_notes(metric, reference))
            scores[metric.name] = dataclasses.replace(score, protocol={**about, **score.protocol}, notes=notes)
        else:
            reasons[metric.name] = f"it came out as {score.value}"
    return MetricResults(scores, reasons)


def _reason(metric: Metric, fitted: TrainedModel, reference: Reference) -> str | None:
    """Why a metric does not apply, as far as that is known before anything is drawn."""
    if fitted.data.modality not in metric.modalities:
        return f"it is for {' and '.join(f'{modality}s' for modality in metric.modalities)}"
    if "likelihood" in metric.needs:
        if kind_of(fitted) == "none":
            return "the model has no likelihood"
        if not len(reference.rows):
            return f"there are no {reference.split} rows"
    if metric.needs - _LIKELIHOOD and not len(reference.real):
        some = len(reference.rows)
        return f"no {reference.split} row is without missing values" if some else f"there are no {reference.split} rows"
    if "training" in metric.needs and reference.train_features is None:
        return "the events that the model was trained on are not known here"
    return None


def _metric_input(
    fitted: TrainedModel, reference: Reference, metrics: Sequence[Metric], seed: int, samples: int | None, draws: int
) -> MetricInput:
    needs: frozenset[Need] = frozenset().union(*(metric.needs for metric in metrics))
    drawn = features = found = weights = None
    if needs - _LIKELIHOOD:
        drawn = fitted.sample(samples or len(reference.real), seed=seed)
        if reference.extractor is not None:
            with blame("The extractor of features"), np.errstate(invalid="ignore"):
                features = reference.extractor(drawn)
    if "likelihood" in needs:
        found = log_likelihoods(fitted, reference.dataset, reference.rows, seed, draws)
        weights = reference.dataset.weights
        weights = None if weights is None else weights[reference.rows]
    return MetricInput(
        fitted.data,
        reference.real,
        drawn,
        reference.real_features,
        features,
        reference.train_features,
        found,
        weights,
        measure_of(fitted),
        kind_of(fitted, draws),
        seed,
    )


def _notes(metric: Metric, reference: Reference) -> tuple[str, ...]:
    """What limits a score, as far as it is a matter of what there was to look at."""
    if "training" not in metric.needs or reference.looked_at is None:
        return ()
    looked, there = reference.looked_at
    if looked == there:
        return ()
    return (f"copies were looked for among {looked} of {there} training events ({looked / there:.0%}).",)


def _protocol(metric: Metric, given: MetricInput, reference: Reference, average: float | None) -> dict[str, Any]:
    """What is told with every score of a metric."""
    about: dict[str, Any] = {"split": reference.split}
    if metric.needs - _LIKELIHOOD:
        assert given.real is not None
        assert given.samples is not None
        about = {"real": len(given.real), "samples": len(given.samples), **about, "data": reference.digest}
    if metric.needs & {"features", "training"}:
        about |= reference.protocol
    if "training" in metric.needs:
        assert given.train_features is not None
        about["train"] = len(given.train_features)
    if "likelihood" in metric.needs:
        about |= {"events": len(reference.rows), "likelihood": given.kind, "measure": given.measure}
    return {**about, "average": average, "seed": given.seed}
