"""A trained generator with the transform and the DataSpec it was trained under: data units in, data units out."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from genzoo.data.dataset import check_values
from genzoo.data.dequantize import Dequantizer
from genzoo.data.transforms import AffineTransform, observed, place_on_grid
from genzoo.errors import ArtifactError, ConfigError, DataError, GenzooError
from genzoo.models.base import (
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
from genzoo.models.measure import measures_of, on_grid, places_of
from genzoo.plugins.api1 import with_former_names
from genzoo.runtime.device import widest
from genzoo.runtime.seeding import random_scope
from genzoo.spec import DataSpec
from genzoo.typing import Array

Events = Array | Tensor


CapabilityT = TypeVar("CapabilityT")


CHUNK = 512
"""Events computed at a time."""


GROUP = 64
"""Events drawn at a time; part of what a seed means, because a group is a random scope.

Fewer are never drawn: what is left over is cut off, since draws depend on how many there are.
"""


@dataclass(frozen=True, slots=True)
class _Asked:
    """Events in data units on the host, and whether any value of them is missing."""

    events: Array
    missing: bool

    def __len__(self) -> int:
        return len(self.events)

    def chunk(self, start: int, size: int = CHUNK) -> Array:
        return np.asarray(self.events[start : start + size])


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some of the events that were asked about, in data units, on the device in its widest type.

    Arguments:
        number: of the chunk.
        x: `(n, *event)`, NaN where a value is missing.
        index: the places of the events among all, `(n,)`.
        missing: whether any value of all events is missing.
    """

    number: int
    x: Tensor
    index: Tensor
    missing: bool


@with_former_names
@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What users hold. Every method takes and returns data units, on the host.

    Arguments:
        model: the id of the zoo entry, `distribution/name`.
        generator: the trained generator.
        transform: what maps data units to the generator's space.
        data: what one event is.
        missing: whether the generator accepts missing values, which are NaN in events of data units.
        validation_scores: log-likelihoods of validation rows, increasing, or some of them, evenly spaced; `None`
            where there were none.
        origin: where it was loaded from, if it was; what its weights make it do is then their fault.
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
        return self.transform.shift.device

    @property
    def capabilities(self) -> frozenset[str]:
        """What can be done with this model besides sampling: `likelihood`, `decoder` ..."""
        found = capabilities_of(self.generator)
        if self.dequantized and "likelihood" in found:
            return found - {"likelihood"} | {"likelihood-bound"}
        return found

    @property
    def dequantized(self) -> bool:
        """Whether the data lie on a grid and the generator is a density, which bounds the probability of a point."""
        return any(on_grid(self.generator, self.data))

    def sample(self, n: int, *, seed: int = 0) -> Array:
        """Draw events.

        Arguments:
            n: how many, at least 1.
            seed: the same seed gives the same events on the same machine, of which fewer are the first.

        Returns:
            Events in data units, on the data's grid and of its type, `(n, *event)`.

        Raises:
            ConfigError: `n` is no number of events.
        """
        if not isinstance(n, int) or n < 1:
            raise ConfigError(f"{n!r} events cannot be sampled; ask for a whole number of at least 1.")

        def draw(index: int, start: int) -> Array:
            with random_scope(seed, "sample", index):
                y = self.generator.sample(GROUP)
            return self._to_data(y[: n - start])

        return self._chunks(n, draw, GROUP)

    def decode(self, z: Events) -> Array:
        """The events of latent vectors `z (N, L)`, in data units, `(N, *event)`."""
        decoder = self._require(Decoder)
        latent = z if isinstance(z, Tensor) else torch.as_tensor(np.ascontiguousarray(z))
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
            with random_scope(seed, "sample", index):
                return _to_host(decoder.prior_sample(GROUP))

        start = first // GROUP
        with self._blamed():
            drawn = np.concatenate([draw(index) for index in range(start, (first + n - 1) // GROUP + 1)])
        return np.asarray(drawn[first - start * GROUP :][:n])

    def encode(self, x: Events, *, seed: int = 0) -> Array:
        """The posterior mean of the latent vector of events `x (N, *event)`, `(N, L)`."""
        encoder = self._require(Encoder)
        asked = self._ask(x)

        def work(index: int, start: int) -> Array:
            with random_scope(seed, "encode", index):
                return _to_host(encoder.encode(*self._given(asked, start)))

        return self._chunks(len(asked), work)

    def reconstruct(self, x: Events) -> Array:
        """The model's own version of events `x (N, *event)`, in data units."""
        module = self._require(Reconstruction)
        asked = self._ask(x)

        def work(_: int, start: int) -> Array:
            return self._to_data(module.reconstruct(*self._given(asked, start)))

        return self._chunks(len(asked), work)

    def impute(self, x: Events, *, draw: bool = False, seed: int = 0) -> Array:
        """Events `x (N, *event)` with what is missing (NaN) filled in and the rest as it was.

        Arguments:
            draw: draw from the distribution given the observed values, instead of taking its mean, or the most
                probable category.
            seed: of the draws; those for an event depend on it and the event's place, not on what comes after.

        Raises:
            ConfigError: the model cannot impute.
            DataError: the events have another shape than the training data.
        """
        module = self._require(Imputation)
        if self.data.modality == "image":
            raise ConfigError("Images have no missing values to be filled in; that is for tables.")
        asked = self._ask(x)

        def work(index: int, start: int) -> Array:
            events = asked.chunk(start)
            y, missing = observed(self._narrow(self.transform(_filled(self._widen(events), CHUNK))), missing=True)
            assert missing is not None
            with random_scope(seed, "impute", index):
                filled = self._to_data(module.impute(y, missing, draw=draw)[: len(events)])
            return np.where(np.isnan(events), filled.astype(events.dtype), events)

        return self._chunks(len(asked), work)

    def log_prob(self, x: Events) -> Array:
        """Log-density of events `x (N, *event)` in nats, in data units, `(N,)` float64; of what of them was observed.

        Of values that the model measures as probability masses, their log-probability.

        Raises:
            ConfigError: the model has no likelihood, or is a density of data on a grid, which only bounds it.
            DataError: the events have another shape than the training data.
        """
        density = self._require(Likelihood)
        if self.dequantized:
            raise ConfigError(
                f"The data lie on a grid of step {self.data.quantum:g}, and model {self.model!r} is a density: of the "
                f"probability of a point it knows a lower bound only. Ask for log_prob_bound."
            )
        return self._densities(x, lambda chunk: density.log_prob(*self._to_model(chunk.x, chunk.missing)))

    def log_prob_bound(self, x: Events, *, draws: int = 1, seed: int = 0) -> Array:
        """A lower bound of the log-density of events `x (N, *event)` in nats, in data units, `(N,)` float64.

        Where a density is asked about data on a grid, of the log-probability of the grid's point: each draw is one
        place in the cell about it, and of a model that draws itself, one draw of the model there.

        Arguments:
            draws: the bound tightens as they grow; at least 1.
            seed: of the draws; those for an event depend on it and the event's place, not on what comes after.

        Raises:
            ConfigError: the model has no such bound, or `draws` is no number of them.
            DataError: the events have another shape than the training data.
        """
        if not isinstance(draws, int) or draws < 1:
            raise ConfigError(f"A bound of {draws!r} draws cannot be computed; ask for a whole number of at least 1.")
        spread = Dequantizer.of(self.generator, self.data, seed)
        if spread is None:
            self._require(LikelihoodBound)
            return self._densities(x, lambda chunk: self._bound(chunk, chunk.x, draws, seed), GROUP)
        size = CHUNK if isinstance(self.generator, Likelihood) else GROUP
        return self._densities(x, lambda chunk: self._within_cells(chunk, spread, draws), size)

    def _bound(self, chunk: _Chunk, x: Tensor, draws: int, seed: int, *place: int) -> Tensor:
        """The model's own bound in model space of events `x (n, *event)` of a group, `(n,)`."""
        given = self._to_model(_filled(x, GROUP), chunk.missing)
        with random_scope(seed, "bound", chunk.number, *place):
            found = self._require(LikelihoodBound).log_prob_bound(*given, draws=draws)
        return found[: len(x)].to(x.dtype)

    def _within_cells(self, chunk: _Chunk, spread: Dequantizer, draws: int) -> Tensor:
        """Log-mean of densities in model space at places drawn within the cells of a grid, `(n,)`."""
        found = []
        for number in range(draws):
            x = spread(chunk.x, chunk.index, number)
            if isinstance(self.generator, Likelihood):
                found.append(self.generator.log_prob(*self._to_model(x, chunk.missing)).to(x.dtype))
            else:
                found.append(self._bound(chunk, x, 1, spread.seed, number))
        return torch.stack(found).logsumexp(0) - math.log(draws)

    def log_posterior(self, x: Events) -> Array:
        """Log-probability of each component given events `x (N, *event)`, `(N, K)`."""
        module = self._require(Components)
        asked = self._ask(x)

        def work(_: int, start: int) -> Array:
            return _to_host(module.log_posterior(*self._given(asked, start)))

        return self._chunks(len(asked), work)

    def covers(self, x: Events) -> Array:
        """Whether the component of outliers has any density at events `x (N, *event)`, `(N,)` bool."""
        module = self._require(Outliers)
        asked = self._ask(x)

        def work(_: int, start: int) -> Array:
            return _to_host(module.covers(*self._given(asked, start)))

        return self._chunks(len(asked), work)

    def to(self, device: torch.device) -> TrainedModel:
        """The same model on another device; this one moves along, since modules move in place."""
        self.generator.to(device)
        self.transform.to(device, widest(device))
        return self

    @torch.no_grad()
    def _chunks(self, n: int, work: Callable[[int, int], Array], size: int = CHUNK) -> Array:
        training = self.generator.training
        self.generator.eval()
        try:
            with self._blamed():
                return np.concatenate([work(index, start) for index, start in enumerate(range(0, n, size))])
        finally:
            self.generator.train(training)

    @contextlib.contextmanager
    def _blamed(self) -> Iterator[None]:
        """Tell what goes wrong within a model from a file as the file's fault: its weights may be anybody's."""
        try:
            yield
        except Exception as error:
            if self.origin is None or isinstance(error, GenzooError | MemoryError):
                raise
            what = str(error).partition("\n")[0]
            raise ArtifactError(
                f"{self.origin} cannot be used: with these weights model {self.model!r} fails, {type(error).__name__}: "
                f"{what}."
            ) from error

    def _densities(self, x: Events, inside: Callable[[_Chunk], Tensor], size: int = CHUNK) -> Array:
        """Log-likelihoods in data units, from those that `inside` finds in model space of chunks."""
        asked = self._ask(x)

        def work(number: int, start: int) -> Array:
            wide = self._widen(asked.chunk(start, size))
            index = torch.arange(start, start + len(wide), device=wide.device)
            found = inside(_Chunk(number, wide, index, asked.missing)).to(wide.dtype)
            return _to_host(found + self._outside(wide)).astype(np.float64)

        return self._chunks(len(asked), work, size)

    def _outside(self, x: Tensor) -> Tensor:
        """What log-likelihoods in data units have besides those in model space, `(n,)`, of `x (n, *event)`.

        Of each value measured as a density, the log-determinant of the transform; on a grid, the size of its cell.
        """
        known = ~x.isnan()
        dense = tuple(measure == "density" for measure in measures_of(self.generator, self.data))
        found = self.transform.log_det(x, ~(places_of(dense, self.data).to(x.device) & known))
        if self.data.quantum is None:
            return found
        cells = places_of(on_grid(self.generator, self.data), self.data).to(x.device) & known
        return found + cells.flatten(1).sum(1, dtype=x.dtype) * math.log(self.data.quantum)

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
        if self.data.modality == "image" and self.data.features[0].kind == "binary":
            _refuse_gray(self.model, found)
        return _Asked(found, missing)

    def _widen(self, x: Array) -> Tensor:
        """Events on the device in the transform's own precision, so that large offsets do not round."""
        return torch.as_tensor(np.ascontiguousarray(x)).to(self.device, self.transform.shift.dtype)

    def _to_model(self, x: Tensor, missing: bool) -> tuple[Tensor, ...]:
        """What the generator's methods take: events in model space and, where values are missing, their mask."""
        y, gone = observed(self._narrow(self.transform(x)), missing)
        return (y,) if gone is None else (y, gone)

    def _given(self, asked: _Asked, start: int) -> tuple[Tensor, ...]:
        """What the generator's methods take of a chunk."""
        return self._to_model(self._widen(asked.chunk(start)), asked.missing)

    def _to_data(self, y: Tensor) -> Array:
        x = self.transform.inverse(y.to(self.transform.shift.dtype))
        finite = x.isfinite()
        if finite.all():
            return _stored(_to_host(place_on_grid(x, self.data)), self.data.storage)
        # Neither a bound nor an integer may hide what is not finite: whoever asks can count it.
        return _to_host(torch.where(finite, place_on_grid(x, self.data), x))


def _stored(x: Array, storage: str) -> Array:
    """Values in the type that the data are stored in; the nearest it has, where that is one of whole numbers."""
    if np.issubdtype(storage, np.integer):
        ends = np.iinfo(storage)
        x = x.clip(float(ends.min), np.nextafter(float(ends.max), 0) if ends.max > 2**53 else float(ends.max))
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite there
        return x.astype(storage)


def _refuse_gray(model: str, events: Array) -> None:
    for start in range(0, len(events), CHUNK):
        block = np.asarray(events[start : start + CHUNK])
        bad = (block != 0) & (block != 1)
        if bad.any():
            raise DataError(
                f"Model {model!r} was trained on images of 0 and 1, and these hold {block[bad][0]:g}. Turn them into "
                f"such first; --binarize does it where data are read."
            )


def _filled(x: Tensor, size: int) -> Tensor:
    """Events `x (n, *event)` and the last of them again and again, `(size, *event)`."""
    return torch.cat([x, x[-1:].expand(size - len(x), *x.shape[1:])])


def any_observed(events: Array) -> Array:
    """Which events `(N, *event)` have any value that is not missing, `(N,)` bool."""
    return np.asarray(~np.isnan(events.reshape(len(events), -1)).all(axis=1))


def _to_host(x: Tensor) -> Array:
    return np.asarray(x.detach().cpu().numpy())
