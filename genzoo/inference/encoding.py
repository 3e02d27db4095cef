"""Encode, reconstruct, impute and assign events, and score how unusual they are, in data units."""

from __future__ import annotations

import numpy as np

from genzoo.data.dataset import Conditioned
from genzoo.errors import ConfigError
from genzoo.inference.data_units import CHUNK, DataUnits, Events, pad, padded, to_host
from genzoo.models.base import AnomalyScore, Components, Encoder, Imputation, Outliers, Reconstruction
from genzoo.models.events import map_events
from genzoo.runtime.seeding import random_scope
from genzoo.typing import Array


def encode(units: DataUnits, x: Events, seed: int) -> Array:
    """See `TrainedModel.encode`."""
    encoder = units.require(Encoder)
    checked = units.check(x)

    def compute(number: int, start: int) -> Array:
        with random_scope(seed, "encode", number):
            return to_host(units.chunk_to_model(checked, start).ask(encoder.encode))

    def empty() -> Array:
        with random_scope(seed, "encode"):
            return to_host(units.one_event().ask(encoder.encode))[:0]

    return units.by_chunk("encoding", len(checked), compute, checked.size, empty)


def reconstruct(units: DataUnits, x: Events) -> Array:
    """See `TrainedModel.reconstruct`."""
    module = units.require(Reconstruction)
    checked = units.check(x)

    def compute(_: int, start: int) -> Array:
        return units.to_data(units.chunk_to_model(checked, start).ask(module.reconstruct))

    return units.by_chunk("reconstructing", len(checked), compute, checked.size, units.no_events)


def anomaly_score(units: DataUnits, x: Events) -> Array:
    """See `TrainedModel.anomaly_score`."""
    module = units.require(AnomalyScore)
    checked = units.check(x)

    def compute(_: int, start: int) -> Array:
        return to_host(units.chunk_to_model(checked, start).ask(module.anomaly_score)).astype(np.float64)

    return units.by_chunk("computing anomaly scores", len(checked), compute, checked.size)


def impute(
    units: DataUnits, x: Events, draw: bool, seed: int, conditions: Array | None = None, first: int = 0
) -> Array:
    """See `TrainedModel.impute`.

    Arguments:
        conditions: what an array of events is conditional on, `(N, K)` in data units. Defaults to `None`.
        first: number of the first event, if they are a part of more; a multiple of `CHUNK`. Defaults to 0.
    """
    module = units.require(Imputation)
    if not units.data.form.missing:
        raise ConfigError(f"{units.data.form.events.capitalize()} have no missing values to fill in; only tables have.")
    checked = units.check(x if conditions is None else Conditioned(np.asarray(x), conditions))

    def compute(number: int, start: int) -> Array:
        events = checked.chunk(start)
        condition = units.to_condition(padded(checked.chunk_conditions(start), CHUNK))
        given = units.observed_input(pad(units.to_device(events), CHUNK), True, condition)
        with random_scope(seed, "impute", first // CHUNK + number):
            whole = given.ask(module.impute, draw=draw)
        wanted = [piece.name for piece in units.data.pieces if np.isnan(piece.take(events)).any()]
        filled = units.to_data(map_events(lambda part: part[: len(events)], whole), whole_counts=draw, wanted=wanted)
        return np.where(np.isnan(events), filled.astype(events.dtype), events)

    return units.by_chunk("filling in values", len(checked), compute, empty=lambda: checked.events)


def log_posterior(units: DataUnits, x: Events) -> Array:
    """See `TrainedModel.log_posterior`."""
    module = units.require(Components)
    checked = units.check(x)

    def compute(_: int, start: int) -> Array:
        return to_host(units.chunk_to_model(checked, start).ask(module.log_posterior))

    def empty() -> Array:
        return to_host(units.one_event().ask(module.log_posterior))[:0]

    return units.by_chunk("finding components", len(checked), compute, checked.size, empty)


def covers(units: DataUnits, x: Events) -> Array:
    """See `TrainedModel.covers`."""
    module = units.require(Outliers)
    checked = units.check(x)

    def compute(_: int, start: int) -> Array:
        return to_host(units.chunk_to_model(checked, start).ask(module.covers))

    return units.by_chunk("looking for outliers", len(checked), compute, checked.size, lambda: np.empty(0, bool))
