"""Draw and decode events, in data units."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from torch import Tensor

from genzoo.data.transforms import AffineTransform
from genzoo.data.transforms.ended import is_block
from genzoo.errors import ConfigError, PluginError
from genzoo.inference.blame import blame_file
from genzoo.inference.data_units import CHUNK, DataUnits, Events, ModelInput, padded, to_host
from genzoo.inference.texts.prompts import Beginning
from genzoo.models.base import Decoder, latent_vectors
from genzoo.models.events import EventTensors, map_events, shapes_for, shapes_of
from genzoo.runtime.seeding import random_scope
from genzoo.typing import Array
from genzoo.wording import shown_given

_FEW = 64
"""Number of events that show whether a model decodes to exactly what it samples."""

_COMPARED = ((_FEW, 1.7), (256, 1.3), (1024, 1.1))
"""Numbers of events that show whether a model adds noise, and how much larger their variance then is.

The largest number gives the ratio of variances to a few percent. Most models need only the smallest one: training asks
each time that it saves images.
"""


def check_number(n: object) -> None:
    """Check that `n` events can be sampled.

    Raises:
        ConfigError: it is not a whole number of at least 1.
    """
    if not isinstance(n, int | np.integer) or n < 1:
        raise ConfigError(f"{n!r} events cannot be sampled; ask for a whole number of at least 1.")


def draw_conditions(units: DataUnits, n: int, seed: int, first: int = 0) -> Array | None:
    """Draw conditions in data units, `(n, K)`, given the fixed ones; `None` if the model is not conditional.

    Arguments:
        first: as for `sample`. Defaults to 0.
    """
    if units.condition is None:
        return None
    group, groups = units.sampling.group, []
    for number in range((n + group - 1) // group):
        with random_scope(seed, "condition", first // group + number):
            groups.append(units.condition.draw(group, units.fixed))
    return np.concatenate(groups)[:n]


def sample(
    units: DataUnits,
    n: int,
    seed: int,
    *,
    mean: bool = False,
    conditions: Array | None = None,
    beginning: Beginning | None = None,
    first: int = 0,
) -> Array:
    """See `TrainedModel.sample`.

    Events are drawn in groups, each in a random scope of its own. A group is always drawn whole and cut, because draws
    depend on how many are made at once.

    Arguments:
        conditions: what to draw the events given, `(n, K)` in data units. Defaults to drawn ones.
        beginning: what texts begin with, and who watches the first one. Defaults to `None`: nothing, and nobody.
        first: number of the first event, if they are a part of more; a multiple of the group. Defaults to 0.
    """
    group, options = units.sampling.group, units.sampling.options
    decoder = units.require(Decoder) if mean else None
    check_number(n)

    conditions = draw_conditions(units, n, seed, first) if conditions is None else conditions

    def draw(number: int, start: int) -> Array:
        condition = units.to_condition(None if conditions is None else padded(conditions[start : start + group], group))
        with random_scope(seed, "sample", first // group + number):
            if decoder is not None:
                y = ModelInput(latent_vectors(decoder, group, condition), None, condition).ask(decoder.decode)
            elif beginning is not None:
                y = (beginning if start == 0 else beginning.unwatched).continued(units, group, n - start, condition)
            elif condition is None:
                y = units.generator.sample(group, **options)
            else:
                y = units.generator.sample(group, condition=condition, **options)
        _check_drawn(units, y, group)
        return units.to_data(map_events(lambda part: part[: n - start], y))

    return units.by_chunk("sampling", n, draw, group)


def _check_drawn(units: DataUnits, y: EventTensors, group: int) -> None:
    """Check the shape of drawn events, and the codes of texts.

    Raises:
        PluginError: the model draws something else.
    """
    if units.inner.form.ended:
        if not is_block(y, group, units.inner):
            raise PluginError(
                f"Model {units.model!r} draws samples of shape {tuple(y.shape)} from {y.min():g} to {y.max():g}. "
                f"Texts are codes from 0 to {units.inner.end}, their end, of shape ({group}, L), L at most "
                f"{units.inner.event_shape[0]}."
            )
    elif shapes_of(y) != (wanted := shapes_for(group, units.inner)):
        raise PluginError(f"Model {units.model!r} draws samples of shape {shapes_of(y)}, not {wanted}.")


def adds_noise(units: DataUnits) -> bool:
    """Return whether samples vary clearly more than decoded latent vectors: the model adds noise to what it decodes."""
    if not isinstance(units.generator, Decoder):
        return False
    if units.transform.lossy:  # sounds of spectra are costly, and the noise is in the spectra
        identity = AffineTransform(torch.zeros(()), torch.ones(())).to(units.device)
        units = dataclasses.replace(units, transform=identity, data=units.inner)
    usual = units.usual_conditions(_COMPARED[-1][0])

    def drawn(n: int, mean: bool) -> Array:
        return sample(units, n, 0, mean=mean, conditions=None if usual is None else usual[:n])

    for n, larger in _COMPARED:
        draws, means = drawn(n, False), drawn(n, True)
        if n == _FEW and np.array_equal(draws, means, equal_nan=True):
            return False
        # A model may draw the same distribution with other random numbers, as `gaussian` does.
        spread, least = (np.nansum(np.nanvar(events.astype(np.float64), axis=0)) for events in (draws, means))
        if spread > larger * least:
            return True
    return False


def decode(units: DataUnits, z: Events, conditions: Array | None = None) -> Array:
    """See `TrainedModel.decode`.

    Arguments:
        conditions: what to decode the vectors given, `(N, K)` in data units. Defaults to the fixed ones.

    Raises:
        ConfigError: a condition is not known.
    """
    decoder = units.require(Decoder)
    latent = z if isinstance(z, Tensor) else torch.as_tensor(np.require(z, requirements=("C", "W")))
    if latent.ndim != 2 or latent.shape[1] != decoder.latent:
        raise ConfigError(f"Latent vectors have the shape (N, {decoder.latent}), not {tuple(latent.shape)}.")

    if units.condition is not None and conditions is None:
        names = [f.name for place, f in enumerate(units.condition.features) if place not in units.fixed]
        if names:
            raise ConfigError(
                f"Model {units.model!r} decodes latent vectors given {', '.join(names)}. Say which: "
                f"{shown_given(names[0], 'VALUE')}."
            )
        conditions = units.condition.draw(len(latent), units.fixed)

    def compute(_: int, start: int) -> Array:
        z = latent[start : start + CHUNK].to(units.device, units.dtype)
        own = None if conditions is None else conditions[start : start + CHUNK]
        return units.to_data(ModelInput(z, None, units.to_condition(own)).ask(decoder.decode))

    return units.by_chunk("decoding", len(latent), compute, empty=units.no_events)


def prior_sample(units: DataUnits, n: int, seed: int, first: int) -> Array:
    """See `TrainedModel.prior_sample`."""
    decoder, group = units.require(Decoder), units.sampling.group
    start = first // group
    usual = dataclasses.replace(units, fixed=units.usually_fixed)

    def draw(number: int) -> Array:
        drawn = draw_conditions(usual, group, seed, number * group) if decoder.prior_given else None
        with random_scope(seed, "sample", number):
            return to_host(latent_vectors(decoder, group, units.to_condition(drawn)))

    if not n:
        return np.empty((0, decoder.latent))
    with blame_file(units.origin, units.model):
        groups = np.concatenate([draw(number) for number in range(start, (first + n - 1) // group + 1)])
    return np.asarray(groups[first - start * group :][:n])
