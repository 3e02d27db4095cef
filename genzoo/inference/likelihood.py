"""Log-likelihoods in data units: what the generator computes in its own space, and the terms that change units.

For a transform `y = f(x)`, a density of the data is `log p(x) = log p(y) + log |det dy/dx|`. Values that
a model measures as probability masses have no such term. If data lie on a grid and the model is a density, the
probability of a grid point is the integral of the density over its cell. Jensen's inequality
bounds it from below ("A note on the evaluation of generative models", Theis, van den Oord and Bethge, 2016).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genzoo.data.dataset import rows_at_once
from genzoo.data.dequantize import Dequantizer
from genzoo.data.transforms.ended import lengths_in
from genzoo.errors import ConfigError, DataError
from genzoo.inference.data_units import DataUnits, Events, pad, padded, to_host
from genzoo.models.base import Likelihood, LikelihoodBound, LikelihoodEstimate, scores_whole_only
from genzoo.models.measure import cell_sides, measures_of, on_grid, one_each, places_of
from genzoo.runtime.seeding import random_scope
from genzoo.spec.events import DataSpec
from genzoo.text import counted
from genzoo.typing import Array

GROUP = 64
"""Events whose bounds are drawn at a time. Another number would change the bounds of a seed."""

ESTIMATE_STEPS = 50
"""Default number of steps of the solver behind an estimate."""

_PROBES, _SMALL = 16, 16
"""Default number of probes of an estimate, and largest size of an event that needs none."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some of the events, in data units, on the device in its widest type.

    Arguments:
        number: number of the chunk.
        x: `(n, *event)`, NaN if a value is missing.
        start: position of the first of them among all.
        missing: whether any value of all events is missing.
        conditions: what they are conditional on, `(n, K)` in data units, or `None`.
    """

    number: int
    x: Tensor
    start: int
    missing: bool
    conditions: Array | None

    @property
    def index(self) -> Tensor:
        """Positions of the events among all, `(n,)`."""
        return torch.arange(self.start, self.start + len(self.x), device=self.x.device)


def is_density_on_grid(units: DataUnits) -> bool:
    """Return whether the data lie on a grid and the generator is a density."""
    return units.known("on grid", lambda: any(on_grid(units.generator, units.inner)))


def is_certain_bound(units: DataUnits) -> bool:
    """Return whether the likelihood is a lower bound without draws: exact for what the transform makes of events."""
    return bool(units.transform.bound) and isinstance(units.generator, Likelihood) and not is_density_on_grid(units)


def symbol_counts(units: DataUnits, x: Events) -> Array:
    """Return how many symbols the model gives a probability for each of texts, with the end if it has one, `(N,)`."""
    units = dataclasses.replace(units, condition=None)  # symbols do not depend on it
    checked, data = units.check(x), units.inner
    assert data.end is not None
    longest, end = data.event_shape[0], data.end

    def work(_: int, start: int) -> Array:
        y = units.chunk_to_model(checked, start).x
        assert isinstance(y, Tensor)
        return to_host((lengths_in(y, end) + 1).clamp(max=longest))

    return units.by_chunk("counting symbols", len(checked), work, checked.size)


def log_prob(units: DataUnits, x: Events) -> Array:
    """See `TrainedModel.log_prob`."""
    generator = units.require(Likelihood)
    if units.transform.bound:
        raise ConfigError(
            f"Model {units.model!r} gives only a lower bound for the probability of an event: {units.transform.bound}. "
            f"Ask for log_prob_bound."
        )
    flags = on_grid(units.generator, units.inner)
    if any(flags):
        step = float(cell_sides(flags, units.data).max())
        raise ConfigError(
            f"The data lie on a grid of step {step:g} and model {units.model!r} is a density, which "
            f"gives only a lower bound for the probability of a point. Ask for log_prob_bound."
        )
    size = rows_at_once(units.data)
    return _in_data_units(units, x, lambda chunk: _density(units, generator, chunk, chunk.x), size)


def log_prob_bound(units: DataUnits, x: Events, draws: int, seed: int) -> Array:
    """See `TrainedModel.log_prob_bound`."""
    if not isinstance(draws, int) or draws < 1:
        raise ConfigError(f"A bound of {draws!r} draws cannot be computed; ask for a whole number of at least 1.")
    dequantizer = Dequantizer.of(units.generator, units.inner, seed)
    if is_certain_bound(units):
        generator = units.require(Likelihood)
        return _in_data_units(units, x, lambda chunk: _density(units, generator, chunk, chunk.x))
    if dequantizer is None:
        units.require(LikelihoodBound)
        return _in_data_units(units, x, lambda chunk: _own_bound(units, chunk, chunk.x, draws, seed), GROUP, draws)
    size = None if isinstance(units.generator, Likelihood) else GROUP
    return _in_data_units(units, x, lambda chunk: _bound_of_cells(units, chunk, dequantizer, draws), size, draws)


def default_probes(data: DataSpec) -> int:
    """Return the default number of probes of an estimate; 0 for small events, whose divergences are cheap."""
    return 0 if data.size <= _SMALL else _PROBES


def log_prob_estimate(units: DataUnits, x: Events, probes: int | None, steps: int, seed: int) -> tuple[Array, Array]:
    """See `TrainedModel.log_prob_estimate`."""
    generator = units.require(LikelihoodEstimate)
    if is_density_on_grid(units) or units.transform.bound:
        raise ConfigError(
            f"Model {units.model!r} estimates a density, and such data have a probability instead. Ask for "
            f"log_prob_bound."
        )
    probes = default_probes(units.data) if probes is None else probes
    if not isinstance(probes, int) or probes < 0 or probes == 1:
        raise ConfigError(f"An estimate by {probes!r} probes has no standard error; ask for 0, or for 2 or more.")
    if not isinstance(steps, int) or steps < 1:
        raise ConfigError(f"An estimate of {steps!r} steps cannot be computed; ask for a whole number of at least 1.")
    checked = units.check(x)

    def work(number: int, start: int) -> Array:
        wide = units.to_device(checked.chunk(start, GROUP))
        conditions = padded(checked.chunk_conditions(start, GROUP), GROUP)
        given = units.to_model(pad(wide, GROUP), checked.missing, conditions)
        with random_scope(seed, "estimate", number):
            value, error = given.ask(generator.log_prob_estimate, probes=probes, steps=steps)
        value, error = (
            one_each("log_prob_estimate", part, GROUP)[: len(wide)].to(wide.dtype) for part in (value, error)
        )
        return to_host(torch.stack([value + _log_det(units, wide), error], 1)).astype(np.float64)

    found = units.by_chunk(
        f"estimating likelihoods in {counted(steps, 'step')}", len(checked), work, GROUP, lambda: np.empty((0, 2))
    )
    return found[:, 0], found[:, 1]


def _density(units: DataUnits, generator: Likelihood, chunk: _Chunk, x: Tensor) -> Tensor:
    """Return the log-density in data units of events `x (n, *event)`, at or near the chunk's, `(n,)`.

    Raises:
        DataError: values are missing, and the model only approximates the density of the others.
    """
    if chunk.missing and scores_whole_only(generator):
        raise DataError(
            f"Model {units.model!r} has an exact likelihood of whole rows only, and these have missing values. Fill "
            f"them in first (genzoo impute), leave such rows out, or train it on data with missing values."
        )
    asked = units.to_model(x, chunk.missing, chunk.conditions)
    inner = one_each("log_prob", asked.ask(generator.log_prob), len(x)).to(x.dtype)
    return inner + (_log_det(units, x) if chunk.missing else _whole_log_det(units, x))


def _own_bound(units: DataUnits, chunk: _Chunk, x: Tensor, draws: int, seed: int, *place: int) -> Tensor:
    """Return the generator's own bound in data units for events `x (n, *event)` of a group, `(n,)`."""
    given = units.to_model(pad(x, GROUP), chunk.missing, padded(chunk.conditions, GROUP))
    with random_scope(seed, "bound", chunk.number, *place):
        bound = given.ask(units.require(LikelihoodBound).log_prob_bound, draws=draws)
    return one_each("log_prob_bound", bound, GROUP)[: len(x)].to(x.dtype) + _log_det(units, x)


def _bound_of_cells(units: DataUnits, chunk: _Chunk, dequantizer: Dequantizer, draws: int) -> Tensor:
    """Return the log-mean of densities at places drawn in the cells of a grid, `(n,)`.

    It is a mean of logarithms if the model's bounds are: a single one may lie above the density, and only their mean is
    a bound.
    """
    densities = []
    for number in range(draws):
        x = dequantizer(chunk.x, chunk.index, number)
        if isinstance(units.generator, Likelihood):
            densities.append(_density(units, units.generator, chunk, x))
        else:
            densities.append(_own_bound(units, chunk, x, 1, dequantizer.seed, number))
    if not getattr(units.generator, "draws_tighten", True):
        return torch.stack(densities).mean(0)
    return torch.stack(densities).logsumexp(0) - math.log(draws)


def _in_data_units(
    units: DataUnits, x: Events, compute: Callable[[_Chunk], Tensor], size: int | None = None, draws: int | None = None
) -> Array:
    """Return log-likelihoods in data units: the log-densities that `compute` finds, and the log-sizes of cells.

    Arguments:
        size: number of events computed at a time. Defaults to as many as for all other results.
        draws: number of draws, if they are bounds.
    """
    checked = units.check(x)
    size = size or checked.size

    def work(number: int, start: int) -> Array:
        wide = units.to_device(checked.chunk(start, size))
        conditions = checked.chunk_conditions(start, size)
        inner = compute(_Chunk(number, wide, start, checked.missing, conditions)).to(wide.dtype)
        return to_host(inner + _log_cells(units, wide)).astype(np.float64)

    name = "computing likelihoods" if draws is None else f"computing likelihood bounds of {counted(draws, 'draw')}"
    return units.by_chunk(name, len(checked), work, size)


def mean_change_of_units(units: DataUnits, blocks: Iterable[Array], weights: Array | None) -> float:
    """Return what a mean log-likelihood in data units adds to one in the generator's space, nats per event.

    Arguments:
        blocks: events in data units, `(n, *event)` each.
        weights: weights of all events, `(N,)`; `None` if all count once.
    """
    device = (units.to_device(np.asarray(block)) for block in blocks)
    changes = [to_host(change_of_units(units, x)) for x in device]
    return float(np.average(np.concatenate(changes).astype(np.float64), weights=weights))


def change_of_units(units: DataUnits, x: Tensor) -> Tensor:
    """Return what a log-likelihood in data units adds to one in the generator's space, nats for each event, `(n,)`.

    Arguments:
        x: events in data units, `(n, *event)`.
    """
    return _log_det(units, x) + _log_cells(units, x)


def _log_det(units: DataUnits, x: Tensor) -> Tensor:
    """Return the log-determinant of the transform at events `x (n, *event)`, for values measured as a density, `(n,)`.

    Add it to a log-density in the generator's space to get one in data units.
    """
    if units.inner.form.ended or units.transform.lossy:  # no density of a value is left out
        return units.transform.log_det(x)
    dense = units.known("dense", lambda: _dense_places(units)).to(x.device)
    return units.transform.log_det(x, ~(dense & ~x.isnan()))


def _whole_log_det(units: DataUnits, x: Tensor) -> Tensor:
    """Return `_log_det` of events that have all values. It is the same for all of them if the transform is affine."""
    if not units.transform.affine:
        return _log_det(units, x)
    return _log_det(units, x[:1]).expand(len(x))


def _dense_places(units: DataUnits) -> Tensor:
    """Return which values of an event are measured by a density, `(*event)` bool."""
    return places_of(tuple(measure == "density" for measure in measures_of(units.generator, units.data)), units.data)


def _log_cells(units: DataUnits, x: Tensor) -> Tensor:
    """Return the log-size of the cell of events `x (n, *event)`, along values that lie on a grid, `(n,)`."""
    if not is_density_on_grid(units):
        return x.new_zeros(len(x))
    sides = cell_sides(on_grid(units.generator, units.data), units.data).to(x.device, x.dtype)
    return torch.where((sides > 0) & ~x.isnan(), sides, 1.0).log().flatten(1).sum(1)
