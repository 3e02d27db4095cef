"""The real data that models are compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from genzoo.data.dataset import BLOCK, Dataset, Rows
from genzoo.data.texts.flat import Texts
from genzoo.errors import ConfigError, did_you_mean
from genzoo.features.extractor import Extractor, Features
from genzoo.inference.row_likelihoods import observed_rows
from genzoo.metrics.evaluation.choice import Chosen
from genzoo.metrics.metric import Metric, Need
from genzoo.metrics.weighting import fractional, repeated
from genzoo.plugins.registry import blame
from genzoo.runtime.progress import Phase
from genzoo.spec.events import DataSpec
from genzoo.typing import Array
from genzoo.wording import argument

MOST_EVENTS = 10_000
"""Largest number of real events that samples are compared with; the time for distances is quadratic in it."""


MOST_TRAINING = 100_000
"""Largest number of training events that are searched for copies."""


@dataclass(frozen=True, slots=True)
class TargetTask:
    """Training rows from which a column is predicted.

    Arguments:
        target: name of the column.
        train: training events without missing values, `(T, *event)`.
        conditions, weights: their conditions, `(T, K)`, and weights, `(T,)`; `None` if there are none.
    """

    target: str
    train: Array
    conditions: Array | None
    weights: Array | None

    @staticmethod
    def of(target: str, dataset: Dataset, rows: Rows) -> TargetTask:
        """Return the task of a column for training rows without missing values.

        Raises:
            ConfigError: no column has that name.
        """
        check_target(target, dataset)
        return TargetTask(
            target,
            _events(dataset, rows),
            None if dataset.conditions is None else dataset.conditions[rows],
            fractional(dataset, rows),
        )


def check_target(target: str, dataset: Dataset) -> None:
    """Check that a column to predict is one that models learn: a column of a table, or of its conditions.

    Raises:
        ConfigError: it is not.
    """
    data, asked = dataset.spec, argument("target", target)
    if not data.form.columns:
        raise ConfigError(
            f"{asked} names a column of a table, and {dataset.name} holds {data.form.plural}. Leave it out."
        )
    names = [feature.name for feature in (*data.features, *data.condition)]
    if target in names:
        return
    if dataset.labels is not None or target in dataset.ignored:
        raise ConfigError(
            f"{asked}: the model learns no such column. {did_you_mean(target, names)} Samples have neither labels nor "
            f"columns that were left out. Train a model that learns it, as a column or as a condition."
        )
    raise ConfigError(f"{asked}: the data have no such column. {did_you_mean(target, names)}")


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
        members: dataset and training rows whose log-likelihoods are compared with evaluated rows, as often as their
            weights count them. `None` if they are unknown or no metric needs them.
        train: events that models were trained on; `None` if unknown, or no metric needs them.
        target: name of the column to predict; `None` if none is named.
        task: what is trained on to predict it; `None` if training rows are unknown or no metric needs them.
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
    members: tuple[Dataset, Rows] | None = None
    train: Array | None = None
    target: str | None = None
    task: TargetTask | None = None

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
    target: str | None = None,
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
        target: name of a column to predict from the others, for metrics that need one. Defaults to none.

    Raises:
        ConfigError: the target is not a column.
        GenzooError: the extractor cannot be built.
    """
    if target is not None:
        check_target(target, dataset)
    whole = _whole(dataset, rows)
    chosen = _thinned(repeated(dataset, whole), most)
    real = _events(dataset, chosen)
    needs: frozenset[Need] = frozenset().union(*(metric.needs for metric in metrics))
    built = real_features = train_features = looked_at = members = train = task = None
    if trained_on is not None and len(real) and target is not None and "target" in needs:
        searched = _thinned(repeated(trained_on[0], _whole(*trained_on)), MOST_TRAINING)
        task = TargetTask.of(target, trained_on[0], searched)
    if trained_on is not None and len(real) and "training-events" in needs:
        there = repeated(trained_on[0], _whole(*trained_on))
        known = _thinned(there, MOST_TRAINING)
        train, looked_at = _kept(trained_on[0], known), (len(known), len(there))
    if trained_on is not None and "training-likelihood" in needs:
        observed = observed_rows(*trained_on)
        members = trained_on[0], _thinned(repeated(trained_on[0], observed), most)
    if len(real) and needs & {"features", "training"}:
        built = extractor.build(dataset, real, str(device))
        real_features = _features(built, extractor, real)
        if trained_on is not None and "training" in needs:
            there = repeated(trained_on[0], _whole(*trained_on))
            searched = _thinned(there, MOST_TRAINING)
            train_features = _features(built, extractor, _events(trained_on[0], searched))
            looked_at = len(searched), len(there)
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
        members,
        train,
        target,
        task,
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


def _kept(dataset: Dataset, rows: Rows) -> Array:
    """Return events; texts stay texts, because a block of many would be as wide as the longest."""
    events = dataset.events
    return events.take(rows).as_array() if isinstance(events, Texts) else _events(dataset, rows)


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
