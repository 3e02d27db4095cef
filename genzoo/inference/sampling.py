"""Draw and decode events, in data units."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from genzoo.errors import ConfigError
from genzoo.inference.blame import blame_file
from genzoo.inference.data_units import CHUNK, DataUnits, Events, to_host
from genzoo.models.base import Decoder
from genzoo.runtime.seeding import random_scope
from genzoo.typing import Array

GROUP = 64
"""Events drawn at a time, each group in its own random scope. Another number would change what a seed draws.

A group is always drawn whole and cut, because draws depend on how many are made at once.
"""


_COMPARED, _NOISY = 16 * GROUP, 1.1
"""Number of events that show whether a model adds noise, and how much larger their variance then is.

So many events give the ratio of variances to a few percent.
"""


def sample(units: DataUnits, n: int, seed: int, *, mean: bool = False) -> Array:
    """See `TrainedModel.sample`."""
    decoder = units.require(Decoder) if mean else None
    if not isinstance(n, int | np.integer) or n < 1:
        raise ConfigError(f"{n!r} events cannot be sampled; ask for a whole number of at least 1.")

    def draw(number: int, start: int) -> Array:
        with random_scope(seed, "sample", number):
            y = units.generator.sample(GROUP) if decoder is None else decoder.decode(decoder.prior_sample(GROUP))
        return units.to_data(y[: n - start])

    return units.by_chunk("sampling", n, draw, GROUP)


def adds_noise(units: DataUnits) -> bool:
    """Return whether samples vary clearly more than decoded latent vectors: the model adds noise to what it decodes."""
    if not isinstance(units.generator, Decoder):
        return False
    if np.array_equal(sample(units, GROUP, 0), sample(units, GROUP, 0, mean=True), equal_nan=True):
        return False
    # A model may draw the same distribution with other random numbers, as `gaussian` does.
    draws, means = (sample(units, _COMPARED, 0, mean=mean).astype(np.float64) for mean in (False, True))
    return bool(np.nansum(np.nanvar(draws, axis=0)) > _NOISY * np.nansum(np.nanvar(means, axis=0)))


def decode(units: DataUnits, z: Events) -> Array:
    """See `TrainedModel.decode`."""
    decoder = units.require(Decoder)
    latent = z if isinstance(z, Tensor) else torch.as_tensor(np.require(z, requirements=("C", "W")))
    if latent.ndim != 2 or latent.shape[1] != decoder.latent:
        raise ConfigError(f"Latent vectors have the shape (N, {decoder.latent}), not {tuple(latent.shape)}.")

    def compute(_: int, start: int) -> Array:
        return units.to_data(decoder.decode(latent[start : start + CHUNK].to(units.device, units.dtype)))

    return units.by_chunk("decoding", len(latent), compute, empty=units.no_events)


def prior_sample(units: DataUnits, n: int, seed: int, first: int) -> Array:
    """See `TrainedModel.prior_sample`."""
    decoder = units.require(Decoder)

    def draw(number: int) -> Array:
        with random_scope(seed, "sample", number):
            return to_host(decoder.prior_sample(GROUP))

    if not n:
        return np.empty((0, decoder.latent))
    start = first // GROUP
    with blame_file(units.origin, units.model):
        groups = np.concatenate([draw(number) for number in range(start, (first + n - 1) // GROUP + 1)])
    return np.asarray(groups[first - start * GROUP :][:n])
