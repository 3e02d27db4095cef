"""`TrainedModel`: what users hold after training, and every question they can ask it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from genzoo.data.frames import fill_frame, is_frame
from genzoo.data.transforms import AffineTransform, observed
from genzoo.errors import ConfigError
from genzoo.inference import floors, likelihood, sampling
from genzoo.inference.data_units import CHUNK, DataUnits, Events, pad, to_host
from genzoo.models.base import (
    Components,
    Encoder,
    Floor,
    Generator,
    Imputation,
    Outliers,
    Reconstruction,
    capabilities_of,
)
from genzoo.plugins.api1 import with_former_names
from genzoo.runtime.device import widest
from genzoo.runtime.seeding import random_scope
from genzoo.spec import DataSpec
from genzoo.typing import Array


@with_former_names
@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A trained generator. Methods take and return events in data units, and latent vectors, on the host.

    Events are arrays `(N, *event)`, with NaN for a missing value, or tables of pandas, polars or pyarrow. Columns of a
    table are found by name, in any order.

    Arguments:
        model: id of the zoo entry, `distribution/name`.
        generator: the trained generator.
        transform: maps data units to the generator's space.
        data: describes one event: a row of a table, or an image.
        missing: whether the generator accepts missing values, which are NaN. Defaults to false.
        validation_scores: log-likelihoods of validation rows in increasing order, or evenly spaced ones of them.
            Defaults to `None`.
        origin: path it was loaded from. Errors of the generator then name this file. Defaults to `None`.
    """

    model: str
    generator: Generator
    transform: AffineTransform
    data: DataSpec
    missing: bool = False
    validation_scores: Array | None = None
    origin: str | None = None

    @property
    def device(self) -> torch.device:
        """Where the generator computes."""
        return self._units.device

    @property
    def capabilities(self) -> frozenset[str]:
        """What the model can do besides sampling: `likelihood`, `decoder` ..."""
        found = capabilities_of(self.generator)
        if self.dequantized and "likelihood" in found:
            return found - {"likelihood"} | {"likelihood-bound"}
        return found

    @property
    def dequantized(self) -> bool:
        """Whether the data lie on a grid and the generator is a density, which bounds the probability of a point."""
        return likelihood.is_density_on_grid(self._units)

    def sample(self, n: int, *, seed: int = 0) -> Array:
        """Draw events.

        Arguments:
            n: number of events, at least 1.
            seed: the same seed gives the same events on the same machine; fewer events are the first of more.

        Returns:
            Events on the data's grid and of its type, `(n, *event)`.

        Raises:
            ConfigError: `n` is not a number of events.
        """
        return sampling.sample(self._units, n, seed)

    def decode(self, z: Events) -> Array:
        """Return the events of latent vectors `z (N, L)`, `(N, *event)`.

        Raises:
            ConfigError: the model has no decoder, or the vectors have another shape.
        """
        return sampling.decode(self._units, z)

    def prior_sample(self, n: int, *, seed: int = 0, first: int = 0) -> Array:
        """Draw latent vectors from the prior, `(n, L)`.

        Arguments:
            n: number of vectors.
            seed: with the seed of `sample`, a model that only decodes turns these vectors into its samples.
            first: number of the first vector. Each depends only on the seed and its number.

        Raises:
            ConfigError: the model has no decoder.
        """
        return sampling.prior_sample(self._units, n, seed, first)

    def encode(self, x: Events, *, seed: int = 0) -> Array:
        """Return the posterior means of the latent vectors of events `x (N, *event)`, `(N, L)`.

        Raises:
            ConfigError: the model has no encoder.
            DataError: the events do not fit the model.
        """
        encoder = self._units.require(Encoder)
        checked = self._units.check(x)

        def compute(number: int, start: int) -> Array:
            with random_scope(seed, "encode", number):
                return to_host(encoder.encode(*self._units.chunk_to_model(checked, start)))

        return self._units.by_chunk(len(checked), compute)

    def reconstruct(self, x: Events) -> Array:
        """Return the model's own version of events `x (N, *event)`.

        Raises:
            ConfigError: the model cannot reconstruct.
            DataError: the events do not fit the model.
        """
        module = self._units.require(Reconstruction)
        checked = self._units.check(x)

        def compute(_: int, start: int) -> Array:
            return self._units.to_data(module.reconstruct(*self._units.chunk_to_model(checked, start)))

        return self._units.by_chunk(len(checked), compute)

    def impute(self, x: Events, *, draw: bool = False, seed: int = 0) -> Any:
        """Fill in the missing values of events `x (N, *event)`; the others stay as they are.

        Missing values are NaN in an array, and also null in a table. A table of pandas, polars or pyarrow comes back as
        such a table, with all its columns, their types and a pandas index.

        Arguments:
            draw: draw from the distribution given the observed values, instead of its mean or most probable category.
            seed: seed of the draws. Those for an event depend on the seed and its position, not on later events.

        Raises:
            ConfigError: the model cannot impute.
            DataError: the events do not fit the model.
        """
        units = self._units
        module = units.require(Imputation)
        if self.data.modality == "image":
            raise ConfigError("Images have no missing values to fill in; only tables have.")
        checked = units.check(x)

        def compute(number: int, start: int) -> Array:
            events = checked.chunk(start)
            y, missing = observed(units.transform(pad(units.to_device(events), CHUNK)).to(units.dtype), missing=True)
            assert missing is not None
            with random_scope(seed, "impute", number):
                filled = units.to_data(module.impute(y, missing, draw=draw)[: len(events)])
            return np.where(np.isnan(events), filled.astype(events.dtype), events)

        events = units.by_chunk(len(checked), compute)
        return fill_frame(x, self.data, events) if is_frame(x) else events

    def log_prob(self, x: Events) -> Array:
        """Return the log-density of events `x (N, *event)` in nats, `(N,)` float64.

        Missing values are marginalized. Values that the model measures as probability masses count with their
        log-probability.

        Raises:
            ConfigError: the model has no likelihood, or is a density of data on a grid, which only bounds it.
            DataError: the events do not fit the model.
        """
        return likelihood.log_prob(self._units, x)

    def log_prob_bound(self, x: Events, *, draws: int = 1, seed: int = 0) -> Array:
        """Return a lower bound of the log-density of events `x (N, *event)` in nats, `(N,)` float64.

        If the model is a density and the data lie on a grid, the bound is for the log-probability of the grid point.
        Each draw is then one place in the cell around the point and, if the model itself draws, one draw there.

        Arguments:
            draws: number of draws, at least 1. The bound tightens as it grows.
            seed: seed of the draws. Those for an event depend on the seed and its position, not on later events.

        Raises:
            ConfigError: the model has no such bound, or `draws` is not a positive integer.
            DataError: the events do not fit the model.
        """
        return likelihood.log_prob_bound(self._units, x, draws, seed)

    def log_posterior(self, x: Events) -> Array:
        """Return the log-probability of each component given events `x (N, *event)`, `(N, K)`.

        Raises:
            ConfigError: the model has no components.
            DataError: the events do not fit the model.
        """
        module = self._units.require(Components)
        checked = self._units.check(x)

        def compute(_: int, start: int) -> Array:
            return to_host(module.log_posterior(*self._units.chunk_to_model(checked, start)))

        return self._units.by_chunk(len(checked), compute)

    def covers(self, x: Events) -> Array:
        """Return whether the component of outliers has any density at events `x (N, *event)`, `(N,)` bool.

        Raises:
            ConfigError: the model has no component of outliers.
            DataError: the events do not fit the model.
        """
        module = self._units.require(Outliers)
        checked = self._units.check(x)

        def compute(_: int, start: int) -> Array:
            return to_host(module.covers(*self._units.chunk_to_model(checked, start)))

        return self._units.by_chunk(len(checked), compute)

    def floors(self, x: Events) -> list[Floor]:
        """Return where the density of events rests on a setting, such as the variance that `reg_covar` adds.

        Directions are coefficients of the values in data units. The list is empty if the density rests on nothing but
        the data.

        Raises:
            DataError: the events do not fit the model.
        """
        return floors.floors(self._units, x)

    def to(self, device: torch.device) -> TrainedModel:
        """Move the model to a device, in place, and return it."""
        self.generator.to(device)
        self.transform.to(device, widest(device))
        return self

    @property
    def _units(self) -> DataUnits:
        return DataUnits(self.model, self.generator, self.transform, self.data, self.missing, self.origin)
