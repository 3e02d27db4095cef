"""One pass over rows of data: what a trained model says about each of them, summed up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from genzoo.data.dataset import Conditioned, ModelEvents
from genzoo.inference.data_units import CheckedEvents, any_observed
from genzoo.inference.description.contributions import RowModel, log_likelihoods_of
from genzoo.inference.description.moments import ColumnCoding
from genzoo.inference.usable import Usable, check_usable, impossible
from genzoo.runtime.progress import Phase
from genzoo.runtime.seeding import derive
from genzoo.typing import Array

_BLOCK, _BLOCK_NUMBERS = 4096, 4_000_000
"""Largest number of rows in a block, and of numbers that they become."""


_WIDEST, _PRODUCTS = 3_000, 2e12
"""Largest number of coded columns with dependencies, and of multiplications to compute them."""


DESCRIBED_DRAWS = 16
"""Draws of a lower bound that rank rows."""


class Describable(RowModel, Usable, Protocol):
    """What a description needs of a trained model; `TrainedModel` has it all."""

    def log_posterior(self, x: ModelEvents) -> Array: ...
    def encode(self, x: ModelEvents, *, seed: int = 0) -> Array: ...
    def prior_sample(self, n: int, *, seed: int = 0, first: int = 0) -> Array: ...


@dataclass
class LatentSums:
    """Sums over rows of the latent vector, of its squares, `(L,)`, and of products with coded columns, `(L, D)`."""

    total: Array
    square: Array
    products: Array


@dataclass
class RowSums:
    """Sums over rows, each row counted by its weight.

    Arguments:
        weight: sum of the weights.
        share: of the posterior probabilities, `(K,)`; K is 1 for a model without components.
        assigned: number of rows by their most probable component, `(K,)`.
        columns: of the numbers of `ColumnCoding`, by component, `(K, D)`; `None` for images.
        products: of products of these numbers, `(D, D)`; `None` for images, and if there are too many numbers.
        product_rows: number of rows in `products`.
        images: of the images, by component, `(K, *event)`; `None` for tables.
        latent: sums of the latent vectors, or `None` if the model has no encoder.
        scores: log-likelihoods of all rows, by block; NaN for rows without any value.
    """

    weight: float = 0.0
    share: Array = field(default_factory=lambda: np.zeros(1))
    assigned: Array = field(default_factory=lambda: np.zeros(1, np.int64))
    columns: Array | None = None
    products: Array | None = None
    product_rows: int = 0
    images: Array | None = None
    latent: LatentSums | None = None
    scores: list[Array] = field(default_factory=list)


def sum_rows(
    model: Describable,
    rows: CheckedEvents,
    weights: Array | None,
    coding: ColumnCoding | None,
    seed: int,
    *,
    scored: bool,
) -> RowSums:
    """Sum over all rows, block by block.

    Arguments:
        weights: weights of the rows, `(N,)`, or `None`.
        coding: coding of the columns; `None` for images.
        seed: seed of the model's draws.
        scored: whether to compute log-likelihoods.
    """
    sums = RowSums()
    stride = 1
    if coding is not None and coding.width <= _WIDEST:
        sums.products = np.zeros((coding.width, coding.width))
        stride = int(np.ceil(len(rows) * coding.width**2 / _PRODUCTS))
    encodes = {"encoder", "decoder"} <= model.capabilities
    with Phase("summing up", len(rows), "rows") as phase:
        for number, (start, events) in enumerate(phase.over(_blocks(rows, coding), lambda block: len(block[1]))):
            weight = np.ones(len(events)) if weights is None else weights[start : start + len(events)]
            given = rows.given(start, events)
            posterior = _posterior(model, given)
            coded = np.zeros((len(events), 0)) if coding is None else coding.encode(events)
            _add_components(sums, posterior, weight)
            _add_events(sums, events, None if coding is None else coded, posterior * weight[:, None])
            if sums.products is not None and number % stride == 0:
                sums.products += coded.T @ (coded * weight[:, None])
                sums.product_rows += len(events)
            if encodes:
                _add_latent(sums, model.encode(given, seed=derive(seed, "describe", number)), coded, weight)
            if scored:
                sums.scores.append(_scores(model, given, derive(seed, "block", number)))
    return sums


def _blocks(rows: CheckedEvents, coding: ColumnCoding | None) -> Iterator[tuple[int, Array]]:
    """Yield the first row and the events of blocks."""
    numbers = rows.events[:1].size if coding is None else coding.width
    size = int(np.clip(_BLOCK_NUMBERS // numbers, 64, _BLOCK))
    for start in range(0, len(rows), size):
        yield start, np.array(rows.chunk(start, size))  # a copy: torch warns of arrays that are mapped for reading


def _posterior(model: Describable, events: ModelEvents) -> Array:
    """Return the probabilities of components, `(n, K)`; a column of ones for a model without components."""
    if "components" not in model.capabilities:
        return np.ones((len(events), 1))
    return np.exp(model.log_posterior(events).astype(np.float64))


def _add_components(sums: RowSums, posterior: Array, weight: Array) -> None:
    sums.weight += float(weight.sum())
    sums.share = sums.share + weight @ posterior
    sums.assigned = sums.assigned + np.bincount(posterior.argmax(axis=1), minlength=posterior.shape[1])


def _add_events(sums: RowSums, events: Array, coded: Array | None, weighted: Array) -> None:
    """Add events to each component, by the weights `(n, K)`: coded columns of a table, or else images."""
    if coded is not None:
        found = weighted.T @ coded
        sums.columns = found if sums.columns is None else sums.columns + found
    else:
        found = np.tensordot(weighted.T, events.astype(np.float64), 1)
        sums.images = found if sums.images is None else sums.images + found


def _add_latent(sums: RowSums, latent: Array, coded: Array, weight: Array) -> None:
    z = latent.astype(np.float64)
    weighted = z * weight[:, None]
    with np.errstate(all="ignore"):  # `check_scores` judges what is not finite
        found = LatentSums(weighted.sum(axis=0), (weighted * z).sum(axis=0), weighted.T @ coded)
    if sums.latent is not None:
        before = sums.latent
        found = LatentSums(before.total + found.total, before.square + found.square, before.products + found.products)
    sums.latent = found


def kind_of_scores(model: RowModel) -> str:
    """Return the kind of a model's log-likelihoods: `exact`, `lower bound`, `estimate` or `none`."""
    kinds = {"likelihood": "exact", "likelihood-bound": "lower bound", "likelihood-estimate": "estimate"}
    return next((kind for capability, kind in kinds.items() if capability in model.capabilities), "none")


def _scores(model: Describable, events: ModelEvents, seed: int) -> Array:
    """Return log-likelihoods of rows, `(n,)`; NaN for rows without any value, and for all if the model has none."""
    if kind_of_scores(model) == "none":
        return np.full(len(events), np.nan)
    scores = log_likelihoods_of(model, events, draws=DESCRIBED_DRAWS, seed=seed)
    plain = events.events if isinstance(events, Conditioned) else events
    return np.where(any_observed(plain), scores, np.nan)


def check_scores(model: Describable, scores: Array) -> None:
    """Check that log-likelihoods of rows, `(N,)`, are not all impossible because of the weights.

    Raises:
        ArtifactError, DivergenceError: they are.
    """
    if kind_of_scores(model) != "none":
        bad = impossible(scores)
        check_usable(model, bad, "log-likelihood", lambda events: impossible(_scores(model, events, 0)))
