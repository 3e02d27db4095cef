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

_COMPARED, _NOISY = 1024, 1.1
"""Number of events that show whether a model adds noise, and how much larger their variance then is.

So many events give the ratio of variances to a few percent.
"""


_FEW = 64
"""Number of events that show whether a model decodes to exactly what it samples."""


def sample(units: DataUnits, n: int, seed: int, *, mean: bool = False) -> Array:
    """See `TrainedModel.sample`.

    Events are drawn in groups, each in a random scope of its own. A group is always drawn whole and cut, because draws
    depend on how many are made at once.
    """
    group, options = units.sampling.group, units.sampling.options
    decoder = units.require(Decoder) if mean else None
    if not isinstance(n, int | np.integer) or n < 1:
        raise ConfigError(f"{n!r} events cannot be sampled; ask for a whole number of at least 1.")

    def draw(number: int, start: int) -> Array:
        with random_scope(seed, "sample", number):
            if decoder is None:
                y = units.generator.sample(group, **options)
            else:
                y = decoder.decode(decoder.prior_sample(group))
        return units.to_data(y[: n - start])

    return units.by_chunk("sampling", n, draw, group)


def adds_noise(units: DataUnits) -> bool:
    """Return whether samples vary clearly more than decoded latent vectors: the model adds noise to what it decodes."""
    if not isinstance(units.generator, Decoder):
        return False
    if np.array_equal(sample(units, _FEW, 0), sample(units, _FEW, 0, mean=True), equal_nan=True):
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

    return units.by_chunk("decoding", len(latent), compute)


def prior_sample(units: DataUnits, n: int, seed: int, first: int) -> Array:
    """See `TrainedModel.prior_sample`."""
    decoder, group = units.require(Decoder), units.sampling.group

    def draw(number: int) -> Array:
        with random_scope(seed, "sample", number):
            return to_host(decoder.prior_sample(group))

    start = first // group
    with blame_file(units.origin, units.model):
        groups = np.concatenate([draw(number) for number in range(start, (first + n - 1) // group + 1)])
    return np.asarray(groups[first - start * group :][:n])
