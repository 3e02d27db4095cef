"""Encode, reconstruct, impute and assign events, and score how unusual they are, in data units."""

from __future__ import annotations

import numpy as np

from genzoo.data.transforms import observed
from genzoo.errors import ConfigError
from genzoo.inference.data_units import CHUNK, DataUnits, Events, pad, to_host
from genzoo.models.base import AnomalyScore, Components, Encoder, Imputation, Outliers, Reconstruction
from genzoo.runtime.seeding import random_scope
from genzoo.typing import Array


def encode(units: DataUnits, x: Events, seed: int) -> Array:
    """See `TrainedModel.encode`."""
    encoder = units.require(Encoder)
    checked = units.check(x)

    def compute(number: int, start: int) -> Array:
        with random_scope(seed, "encode", number):
            return to_host(encoder.encode(*units.chunk_to_model(checked, start)))

    return units.by_chunk("encoding", len(checked), compute)


def reconstruct(units: DataUnits, x: Events) -> Array:
    """See `TrainedModel.reconstruct`."""
    module = units.require(Reconstruction)
    checked = units.check(x)

    def compute(_: int, start: int) -> Array:
        return units.to_data(module.reconstruct(*units.chunk_to_model(checked, start)))

    return units.by_chunk("reconstructing", len(checked), compute)


def anomaly_score(units: DataUnits, x: Events) -> Array:
    """See `TrainedModel.anomaly_score`."""
    module = units.require(AnomalyScore)
    checked = units.check(x)

    def compute(_: int, start: int) -> Array:
        return to_host(module.anomaly_score(*units.chunk_to_model(checked, start))).astype(np.float64)

    return units.by_chunk("computing anomaly scores", len(checked), compute)


def impute(units: DataUnits, x: Events, draw: bool, seed: int) -> Array:
    """See `TrainedModel.impute`."""
    module = units.require(Imputation)
    if not units.data.form.missing:
        raise ConfigError(f"{units.data.form.events.capitalize()} have no missing values to fill in; only tables have.")
    checked = units.check(x)

    def compute(number: int, start: int) -> Array:
        events = checked.chunk(start)
        y, missing = observed(units.transform(pad(units.to_device(events), CHUNK)).to(units.dtype), missing=True)
        assert missing is not None
        with random_scope(seed, "impute", number):
            filled = units.to_data(module.impute(y, missing, draw=draw)[: len(events)], whole_counts=draw)
        return np.where(np.isnan(events), filled.astype(events.dtype), events)

    return units.by_chunk("filling in values", len(checked), compute)


def log_posterior(units: DataUnits, x: Events) -> Array:
    """See `TrainedModel.log_posterior`."""
    module = units.require(Components)
    checked = units.check(x)

    def compute(_: int, start: int) -> Array:
        return to_host(module.log_posterior(*units.chunk_to_model(checked, start)))

    return units.by_chunk("finding components", len(checked), compute)


def covers(units: DataUnits, x: Events) -> Array:
    """See `TrainedModel.covers`."""
    module = units.require(Outliers)
    checked = units.check(x)

    def compute(_: int, start: int) -> Array:
        return to_host(module.covers(*units.chunk_to_model(checked, start)))

    return units.by_chunk("looking for outliers", len(checked), compute)
