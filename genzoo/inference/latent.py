"""Traverse a latent space: along one dimension at a time, or from one latent vector to another."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

import genzoo
from genzoo.config.counts import check_count
from genzoo.data.dataset import Dataset
from genzoo.data.frames.results import frame_of
from genzoo.errors import ConfigError
from genzoo.inference.image_grid import picture_of
from genzoo.inference.trained_model import TrainedModel
from genzoo.models.base import Decoder, Encoder
from genzoo.plugins.manager import get_registry
from genzoo.spec.events import DataSpec, Library
from genzoo.typing import Array

_DRAWS = 4_096
"""Latent vectors drawn to measure a prior."""


_DECODED = 256
"""How many of them are decoded to measure the spread of events."""


_ERRORS = 4.5
"""Standard errors by which moments may differ from a standard normal's."""


_BEYOND = 0.00135
"""Probability beyond either end of a traversal: three standard deviations of a normal."""


_BLOCK = 64


_LEAST_SINE = 1e-6


@dataclass(frozen=True, slots=True)
class PriorSummary:
    """Moments of a model's prior, from draws.

    Arguments:
        center, spread: mean and standard deviation of each dimension, `(L,)`.
        low, high: range that holds all but 0.3 % of each dimension, `(L,)`.
        normal: whether every dimension looks normal.
        draws: the draws, `(N, L)`.
    """

    center: Array
    spread: Array
    low: Array
    high: Array
    normal: bool
    draws: Array


@dataclass(frozen=True, slots=True, repr=False)
class Traversal:
    """Events along latent dimensions, with all other dimensions at the center of the prior.

    Arguments:
        dimensions: numbers of the dimensions, `(R,)`; events change most along the first.
        values: values of each dimension, increasing, `(R, S)`.
        events: events in data units, `(R, S, *event)`.
        data: describes one event.
    """

    dimensions: Array
    values: Array
    events: Array
    data: DataSpec

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, without the events."""
        return {"dimensions": self.dimensions.tolist(), "values": self.values.tolist()}

    def to_frame(self, library: Library | None = None) -> Any:
        """Return a table with a row for each event: its dimension and value, and the columns of a table.

        Arguments:
            library: `pandas | polars | pyarrow`. Defaults to the first of them that is installed.
        """
        rows, steps = self.values.shape
        place = {"dimension": self.dimensions.repeat(steps), "value": self.values.ravel()}
        return _placed(self.events.reshape(rows * steps, *self.data.event_shape), self.data, place, library)

    def picture(self) -> Image.Image:
        """Return the events of images as a grid: one row for each dimension.

        Raises:
            ConfigError: they are rows of a table.
        """
        events = self.events.reshape(-1, *self.data.event_shape)
        return _picture(events, self.data, self.values.shape[1])

    def _repr_html_(self) -> str:
        return genzoo.view(self).html

    def __repr__(self) -> str:
        numbers = ", ".join(map(str, self.dimensions))
        return f"<Traversal of latent dimensions {numbers}, most influential first: {self.values.shape[1]} events each>"


@dataclass(frozen=True, slots=True, repr=False)
class LatentPath:
    """Events from one latent vector to another, both included.

    Arguments:
        latent: latent vectors, `(N, L)`.
        events: events in data units, `(N, *event)`.
        spherical: whether the path is an arc, which stays where a normal prior has its mass, instead of a line.
        data: describes one event.
    """

    latent: Array
    events: Array
    spherical: bool
    data: DataSpec

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, without the events."""
        return {"latent": self.latent.tolist(), "path": "spherical" if self.spherical else "straight"}

    def to_frame(self, library: Library | None = None) -> Any:
        """Return a table with a row for each event: its number, and the columns of a table.

        Arguments:
            library: `pandas | polars | pyarrow`. Defaults to the first of them that is installed.
        """
        return _placed(self.events, self.data, {"step": np.arange(len(self.events))}, library)

    def picture(self) -> Image.Image:
        """Return the events of images side by side.

        Raises:
            ConfigError: they are rows of a table.
        """
        return _picture(self.events, self.data, len(self.events))

    def _repr_html_(self) -> str:
        return genzoo.view(self).html

    def __repr__(self) -> str:
        way = "an arc" if self.spherical else "a line"
        return f"<LatentPath of {len(self.events)} events ({self.data.describe()}) on {way}>"


def _picture(events: Array, data: DataSpec, columns: int) -> Image.Image:
    if not data.form.pictured:
        raise ConfigError(f"{data.form.events.capitalize()} have no picture. Look at them as a table, with to_frame().")
    return picture_of(events, data, columns=columns)


def _placed(events: Array, data: DataSpec, place: Mapping[str, Array], library: Library | None) -> Any:
    """Return a table of where events lie, followed by their own columns if they are rows of a table."""
    columns: dict[str, Any] = dict(place)
    if data.form.columns:
        from genzoo.data.table import table_of  # images need no pyarrow

        table = table_of(events, data)
        columns |= {name: table.column(name).to_numpy() for name in table.column_names}
    return frame_of(columns, library)


def check_decoder(fitted: TrainedModel) -> None:
    """Check that a model has a latent space.

    Raises:
        ConfigError: it has none; the message names models that have one.
    """
    if isinstance(fitted.generator, Decoder):
        return
    names = ", ".join(get_registry().models.names(lambda spec: "decoder" in spec.capabilities))
    raise ConfigError(
        f"Model {fitted.model!r} has no latent space to traverse: it has no 'decoder'. Models that have one: "
        f"{names or 'none is installed'}."
    )


def find_prior(fitted: TrainedModel, *, seed: int = 0) -> PriorSummary:
    """Measure a model's prior from draws.

    If center and spread are within sampling error of a standard normal's, they are set to exactly 0 and 1.

    Raises:
        ConfigError: the model has no latent space.
    """
    check_decoder(fitted)
    draws = fitted.prior_sample(_DRAWS, seed=seed).astype(np.float64)
    center, spread = draws.mean(axis=0), draws.std(axis=0)
    scaled = (draws - center) / np.where(spread > 0, spread, 1.0)
    unit = _ERRORS / np.sqrt(_DRAWS)
    skew, tails = (scaled**3).mean(axis=0), (scaled**4).mean(axis=0) - 3
    # The standard errors of skewness and excess kurtosis of a normal sample are sqrt(6 / N) and sqrt(24 / N).
    normal = bool((np.abs(skew) < unit * np.sqrt(6)).all() and (np.abs(tails) < 1.5 * unit * np.sqrt(24)).all())
    if not normal:
        low, high = np.quantile(draws, [_BEYOND, 1 - _BEYOND], axis=0)
        return PriorSummary(center, spread, low, high, normal, draws)
    if (np.abs(center) < unit).all() and (np.abs(spread - 1) < unit / np.sqrt(2)).all():
        center, spread = np.zeros_like(center), np.ones_like(spread)
    return PriorSummary(center, spread, center - 3 * spread, center + 3 * spread, normal, draws)


def traverse(fitted: TrainedModel, *, steps: int = 7, most: int = 16, seed: int = 0) -> Traversal:
    """Decode events along single latent dimensions, from one end of the prior to the other.

    Arguments:
        steps: number of events along each dimension, at least 2. Defaults to 7.
        most: largest number of dimensions. If the model has more, those with the largest change are taken. Defaults
            to 16.
        seed: random seed for the draws that measure the prior. Defaults to 0.

    Raises:
        ConfigError: the model has no latent space, or there are too few steps.
    """
    _check_steps(steps)
    check_count("most", most)
    prior = find_prior(fitted, seed=seed)
    chosen = np.argsort(-_movement(fitted, prior), kind="stable")[:most]
    values = np.linspace(prior.low[chosen], prior.high[chosen], steps, axis=1)  # (R, S)
    z = np.tile(prior.center, (len(chosen), steps, 1))  # (R, S, L)
    z[np.arange(len(chosen))[:, None], np.arange(steps), chosen[:, None]] = values
    events = fitted.decode(z.reshape(len(chosen) * steps, -1), output="array")
    return Traversal(chosen, values, events.reshape(len(chosen), steps, *events.shape[1:]), fitted.data)


def _check_steps(steps: object) -> None:
    if not isinstance(steps, numbers.Integral) or steps < 2:
        raise ConfigError(f"{steps!r} events cannot show a change; ask for a whole number of at least 2.")


def _movement(fitted: TrainedModel, prior: PriorSummary) -> Array:
    """Return how much events change between the ends of each dimension, in units of their own spread, `(L,)`."""
    spread = _spread(fitted, prior)
    found = []
    for start in range(0, len(prior.center), _BLOCK):
        dimensions = np.arange(start, min(start + _BLOCK, len(prior.center)))
        ends = []
        for end in (prior.low, prior.high):
            z = np.tile(prior.center, (len(dimensions), 1))
            z[np.arange(len(dimensions)), dimensions] = end[dimensions]
            ends.append(fitted.decode(z, output="array").astype(np.float64).reshape(len(z), -1))
        with np.errstate(over="ignore", invalid="ignore"):  # events may be absurdly far away
            change = np.abs(ends[1] - ends[0]) / spread
        found.append(np.nan_to_num(change).mean(axis=1))
    return np.concatenate(found)


def _spread(fitted: TrainedModel, prior: PriorSummary) -> Array:
    """Return the standard deviation of decoded events: for each column of a table, or for all pixels together."""
    events = fitted.decode(prior.draws[:_DECODED], output="array").astype(np.float64).reshape(_DECODED, -1)
    axis = 0 if fitted.data.form.columns else None
    with np.errstate(over="ignore", invalid="ignore"):
        spread = np.nan_to_num(events.std(axis=axis))
    return np.where(spread > 0, spread, 1.0)


def interpolate(fitted: TrainedModel, ends: Array, *, steps: int = 10, seed: int = 0) -> LatentPath:
    """Decode events on a path between two latent vectors: an arc if the prior is normal, else a line.

    The mass of a normal prior in many dimensions lies near a sphere, which a straight line leaves ("Sampling Generative
    Networks", White, 2016).

    Arguments:
        ends: the two latent vectors, `(2, L)`.
        steps: number of events, both ends included; at least 2. Defaults to 10.
        seed: random seed for the draws that measure the prior. Defaults to 0.

    Raises:
        ConfigError: the model has no latent space, or there are too few steps.
    """
    _check_steps(steps)
    prior = find_prior(fitted, seed=seed)
    ends = np.asarray(ends, np.float64)
    if ends.shape != (2, len(prior.center)):
        raise ConfigError(
            f"Two latent vectors of this model have the shape (2, {len(prior.center)}), not {ends.shape}."
        )
    share = np.linspace(0.0, 1.0, steps)[:, None]
    scale = np.where(prior.spread > 0, prior.spread, 1.0)
    first, last = (ends - prior.center) / scale
    lengths = np.linalg.norm(first) * np.linalg.norm(last)
    angle = np.arccos(np.clip(first @ last / lengths, -1, 1)) if lengths > 0 else 0.0
    spherical = prior.normal and np.sin(angle) > _LEAST_SINE  # neither parallel nor opposite
    if spherical:
        walked = (np.sin((1 - share) * angle) * first + np.sin(share * angle) * last) / np.sin(angle)
    else:
        walked = (1 - share) * first + share * last
    z = walked * scale + prior.center
    return LatentPath(z, fitted.decode(z, output="array"), bool(spherical), fitted.data)


def latent_of_rows(fitted: TrainedModel, dataset: Dataset, rows: tuple[int, int]) -> Array:
    """Encode two rows of a dataset, `(2, L)`.

    Raises:
        ConfigError: there is no such row, or the model has no encoder.
    """
    for row in rows:
        if not 0 <= row < len(dataset):
            raise ConfigError(f"{dataset.name} has no row {row}; its rows are 0 to {len(dataset) - 1}.")
    found: Array = fitted.encode(dataset.given(np.array(rows)))
    return found


def latent_of_samples(fitted: TrainedModel, numbers: tuple[int, int], *, seed: int) -> Array:
    """Return the latent vectors of two of a model's own samples, `(2, L)`.

    Arguments:
        numbers: numbers of the samples, from 0.
        seed: seed of the samples.

    Raises:
        ConfigError: a number is negative, or the model has no latent space.
    """
    check_decoder(fitted)
    if min(numbers) < 0:
        raise ConfigError(f"There is no sample {min(numbers)}; samples are numbered from 0.")
    return np.stack([fitted.prior_sample(1, seed=seed, first=number)[0] for number in numbers])


def has_encoder(fitted: TrainedModel) -> bool:
    """Return whether the model can encode data. If not, only its own samples have known latent vectors."""
    return isinstance(fitted.generator, Encoder)
