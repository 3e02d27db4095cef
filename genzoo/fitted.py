"""A trained generator with the transform and the DataSpec it was trained under: data units in, data units out."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from genzoo.data.dataset import check_values
from genzoo.device import widest
from genzoo.errors import ConfigError, DataError
from genzoo.model import (
    Components,
    Decoder,
    Encoder,
    Generator,
    Imputation,
    Likelihood,
    LikelihoodBound,
    Outliers,
    Reconstruction,
    capabilities_of,
    capability_name,
)
from genzoo.seeding import scope
from genzoo.spec import DataSpec
from genzoo.transform import Affine, observed, place_on_grid

Array = np.ndarray[Any, np.dtype[Any]]
Events = Array | Tensor
CapabilityT = TypeVar("CapabilityT")

CHUNK = 512
"""Events computed at a time; part of what a seed means, because a chunk is a random scope."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """Events in data units on the host, and whether any value of them is missing."""

    events: Array
    missing: bool

    def __len__(self) -> int:
        return len(self.events)

    def chunk(self, start: int) -> Array:
        return np.asarray(self.events[start : start + CHUNK])


@dataclass(frozen=True, slots=True)
class Fitted:
    """What users hold. Every method takes and returns data units, on the host.

    Arguments:
        model: the id of the zoo entry, `distribution/name`.
        generator: the trained generator.
        transform: what maps data units to the generator's space.
        data: what one event is.
        missing: whether the generator accepts missing values, which are NaN in events of data units.
        validation_scores: log-likelihoods of validation rows, increasing, or some of them, evenly spaced; `None`
            where there were none.
    """

    model: str
    generator: Generator
    transform: Affine
    data: DataSpec
    missing: bool = False
    validation_scores: Array | None = None

    @property
    def device(self) -> torch.device:
        """Where the generator computes."""
        return self.transform.shift.device

    @property
    def capabilities(self) -> frozenset[str]:
        """What can be done with this model besides sampling: `likelihood`, `decoder` ..."""
        return capabilities_of(self.generator)

    def sample(self, n: int, *, seed: int = 0) -> Array:
        """Draw events.

        Arguments:
            n: how many, at least 1.
            seed: the same seed gives the same events on the same machine.

        Returns:
            Events in data units, on the data's grid and of its type, `(n, *event)`.

        Raises:
            ConfigError: `n` is no number of events.
        """
        if not isinstance(n, int) or n < 1:
            raise ConfigError(f"{n!r} events cannot be sampled; ask for a whole number of at least 1.")

        def draw(index: int, start: int) -> Array:
            with scope(seed, "sample", index):
                y = self.generator.sample(min(CHUNK, n - start))
            return self._to_data(y)

        return self._chunks(n, draw)

    def decode(self, z: Events) -> Array:
        """The events of latent vectors `z (N, L)`, in data units, `(N, *event)`."""
        decoder = self._require(Decoder)
        latent = torch.as_tensor(z)
        if latent.ndim != 2 or latent.shape[1] != decoder.latent:
            raise ConfigError(f"Latent vectors have the shape (N, {decoder.latent}), not {tuple(latent.shape)}.")
        return self._chunks(
            len(latent), lambda _, start: self._to_data(decoder.decode(self._place(latent[start : start + CHUNK])))
        )

    def prior_sample(self, n: int, *, seed: int = 0, first: int = 0) -> Array:
        """Latent vectors as the prior draws them, `(n, L)`.

        Arguments:
            n: how many.
            seed: that of `sample`, whose events are decoded from these by models that only decode.
            first: number of the first; a vector depends on the seed and its number.
        """
        decoder = self._require(Decoder)

        def draw(index: int) -> Array:
            with scope(seed, "sample", index):
                return _to_host(decoder.prior_sample(CHUNK))

        start = first // CHUNK
        drawn = np.concatenate([draw(index) for index in range(start, (first + n - 1) // CHUNK + 1)])
        return np.asarray(drawn[first - start * CHUNK :][:n])

    def encode(self, x: Events, *, seed: int = 0) -> Array:
        """The posterior mean of the latent vector of events `x (N, *event)`, `(N, L)`."""
        encoder = self._require(Encoder)
        asked = self._ask(x)

        def work(index: int, start: int) -> Array:
            with scope(seed, "encode", index):
                return _to_host(encoder.encode(*self._to_model(asked, start)))

        return self._chunks(len(asked), work)

    def reconstruct(self, x: Events) -> Array:
        """The model's own version of events `x (N, *event)`, in data units."""
        module = self._require(Reconstruction)
        asked = self._ask(x)

        def work(_: int, start: int) -> Array:
            return self._to_data(module.reconstruct(*self._to_model(asked, start)))

        return self._chunks(len(asked), work)

    def impute(self, x: Events, *, draw: bool = False, seed: int = 0) -> Array:
        """Events `x (N, *event)` with what is missing (NaN) filled in and the rest as it was.

        Arguments:
            draw: draw from the distribution given the observed values, instead of taking its mean, or the most
                probable category.
            seed: of the draws.

        Raises:
            ConfigError: the model cannot impute.
            DataError: the events have another shape than the training data.
        """
        module = self._require(Imputation)
        asked = self._ask(x)

        def work(index: int, start: int) -> Array:
            events = asked.chunk(start)
            y, missing = observed(self._narrow(self.transform(self._widen(events))), missing=True)
            assert missing is not None
            with scope(seed, "impute", index):
                filled = self._to_data(module.impute(y, missing, draw=draw))
            return np.where(np.isnan(events), filled.astype(events.dtype), events)

        return self._chunks(len(asked), work)

    def log_prob(self, x: Events) -> Array:
        """Log-density of events `x (N, *event)` in nats, in data units, `(N,)` float64; of what of them was observed.

        Raises:
            ConfigError: the model has no likelihood.
            DataError: the events have another shape than the training data.
        """
        density = self._require(Likelihood)
        return self._densities(x, lambda _, given: density.log_prob(*given))

    def log_prob_bound(self, x: Events, *, draws: int = 1, seed: int = 0) -> Array:
        """A lower bound of the log-density of events `x (N, *event)` in nats, in data units, `(N,)` float64.

        Arguments:
            draws: the bound tightens as they grow.
            seed: of the draws.

        Raises:
            ConfigError: the model has no such bound.
            DataError: the events have another shape than the training data.
        """
        density = self._require(LikelihoodBound)

        def inside(index: int, given: tuple[Tensor, ...]) -> Tensor:
            with scope(seed, "bound", index):
                return density.log_prob_bound(*given, draws=draws)

        return self._densities(x, inside)

    def log_posterior(self, x: Events) -> Array:
        """Log-probability of each component given events `x (N, *event)`, `(N, K)`."""
        module = self._require(Components)
        asked = self._ask(x)

        def work(_: int, start: int) -> Array:
            return _to_host(module.log_posterior(*self._to_model(asked, start)))

        return self._chunks(len(asked), work)

    def covers(self, x: Events) -> Array:
        """Whether the component of outliers has any density at events `x (N, *event)`, `(N,)` bool."""
        module = self._require(Outliers)
        asked = self._ask(x)

        def work(_: int, start: int) -> Array:
            return _to_host(module.covers(*self._to_model(asked, start)))

        return self._chunks(len(asked), work)

    def to(self, device: torch.device) -> Fitted:
        """The same model on another device; this one moves along, since modules move in place."""
        self.generator.to(device)
        self.transform.to(device, widest(device))
        return self

    @torch.no_grad()
    def _chunks(self, n: int, work: Callable[[int, int], Array]) -> Array:
        training = self.generator.training
        self.generator.eval()
        try:
            return np.concatenate([work(index, start) for index, start in enumerate(range(0, n, CHUNK))])
        finally:
            self.generator.train(training)

    def _densities(self, x: Events, inside: Callable[[int, tuple[Tensor, ...]], Tensor]) -> Array:
        """Log-densities in data units, from those that `inside` finds in model space of chunks by their number."""
        asked = self._ask(x)

        def work(index: int, start: int) -> Array:
            wide = self._widen(asked.chunk(start))
            outside = self.transform.log_det(wide, wide.isnan() if asked.missing else None)
            return _to_host(inside(index, self._to_model(asked, start)).to(wide.dtype) + outside).astype(np.float64)

        return self._chunks(len(asked), work)

    def _require(self, capability: type[CapabilityT]) -> CapabilityT:
        if isinstance(self.generator, capability):
            return self.generator
        raise ConfigError(f"Model {self.model!r} cannot do this: it has no {capability_name(capability)!r}.")

    def _dtype(self) -> torch.dtype:
        tensors = itertools.chain(self.generator.parameters(), self.generator.buffers())
        return next((tensor.dtype for tensor in tensors if tensor.is_floating_point()), torch.float32)

    def _place(self, x: Tensor) -> Tensor:
        return x.to(self.device, self._dtype())

    def _narrow(self, x: Tensor) -> Tensor:
        return x.to(self._dtype())

    def _ask(self, x: Events) -> _Asked:
        """Events that the model can be asked about.

        Raises:
            DataError: they are no numbers, of another shape than the training data, or infinite; or some are
                missing, and the model does not accept that.
        """
        found = x.detach().cpu().numpy() if isinstance(x, Tensor) else x if hasattr(x, "dtype") else np.asarray(x)
        if found.dtype.kind not in "buif":
            raise DataError(f"Events are numbers, and these are of type {found.dtype}.")
        if found.shape[1:] != self.data.event_shape:
            raise DataError(
                f"The model was trained on events of shape {self.data.event_shape}, and these have "
                f"{found.shape[1:]}. Give it data of the same form."
            )
        names = [feature.name for feature in self.data.features] if self.data.modality == "table" else None
        missing = check_values("The data", found, names)
        if missing and not self.missing:
            raise DataError(
                f"These data have missing values and model {self.model!r} does not accept them. Use a model that "
                f"does, or leave such rows out of the data."
            )
        return _Asked(found, missing)

    def _widen(self, x: Array) -> Tensor:
        """Events on the device in the transform's own precision, so that large offsets do not round."""
        return torch.as_tensor(x).to(self.device, self.transform.shift.dtype)

    def _to_model(self, asked: _Asked, start: int) -> tuple[Tensor, ...]:
        """What the generator's methods take: a chunk in model space and, where values are missing, its mask."""
        y, missing = observed(self._narrow(self.transform(self._widen(asked.chunk(start)))), asked.missing)
        return (y,) if missing is None else (y, missing)

    def _to_data(self, y: Tensor) -> Array:
        x = self.transform.inverse(y.to(self.transform.shift.dtype))
        return _to_host(place_on_grid(x, self.data)).astype(self.data.storage)


def any_observed(events: Array) -> Array:
    """Which events `(N, *event)` have any value that is not missing, `(N,)` bool."""
    return np.asarray(~np.isnan(events.reshape(len(events), -1)).all(axis=1))


def _to_host(x: Tensor) -> Array:
    return np.asarray(x.detach().cpu().numpy())
