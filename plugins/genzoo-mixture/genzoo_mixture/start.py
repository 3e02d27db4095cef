"""Starts of EM: functions that return the first shares `(K, N)` of the components in every event.

EM finds a local optimum that depends on its start. `several` tries many starts in short runs of EM and takes the best;
the others are single starts. Starts by distance work on `Points`, whose scales do not depend on units.

References:
    "k-means++: The Advantages of Careful Seeding" (Arthur and Vassilvitskii, 2007).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from genzoo import Batch
from genzoo_mixture.class_search import ClassSearch, can_search_classes
from genzoo_mixture.kmeans import distances, draw, lloyd, seeds
from genzoo_mixture.mixture import Mixture, NoisyMixture
from genzoo_mixture.points import ExaminedBlocks, Points, skip
from genzoo_mixture.search import SAMPLE, Search, can_search
from genzoo_mixture.trials import can_try, try_starts

Shares = Iterator[tuple[Batch, Tensor]]


@dataclass(frozen=True, slots=True)
class Start:
    """Where EM starts.

    Arguments:
        shares: blocks of events, each with the first shares of the components, `(K, N)`.
        facts: facts for the run's record. Defaults to none.
        mixture: a mixture with the first parameters. Defaults to `None`: they follow from the shares.
    """

    shares: Shares
    facts: Mapping[str, Any] = field(default_factory=dict)
    mixture: Mixture | None = None


def _nearest(mixture: Mixture, points: Points, blocks: Iterable[Batch], centers: Tensor) -> Shares:
    """Assign every event to its nearest center."""
    for batch in blocks:
        labels = distances(points.of(batch), centers).argmin(1)
        yield batch, _with_noise(mixture, one_hot(labels, mixture.components).T.to(batch.x.dtype))


def _with_noise(mixture: Mixture, share: Tensor) -> Tensor:
    """Add the noise's first share to shares `(K, N)`, if the mixture has noise."""
    if not isinstance(mixture, NoisyMixture):
        return share
    noise = torch.full_like(share[:1], mixture.first_share)
    return torch.cat([share * (1 - mixture.first_share), noise])


def k_means(mixture: Mixture, blocks: Iterable[Batch]) -> Start:
    """Assign events to the nearest center of k-means."""
    points = Points(mixture, blocks)
    first = seeds(points.sample, points.weight, mixture.components)
    return Start(_nearest(mixture, points, blocks, lloyd(points.sample, points.weight, first)))


def k_means_plus_plus(mixture: Mixture, blocks: Iterable[Batch]) -> Start:
    """Assign events to the nearest seed of k-means++."""
    points = Points(mixture, blocks)
    return Start(_nearest(mixture, points, blocks, seeds(points.sample, points.weight, mixture.components)))


def from_data(mixture: Mixture, blocks: Iterable[Batch]) -> Start:
    """Assign events to the nearest of K random events."""
    points = Points(mixture, blocks)
    chosen = draw(points.weight, mixture.components)
    return Start(_nearest(mixture, points, blocks, points.sample[chosen]))


def random(mixture: Mixture, blocks: Iterable[Batch]) -> Start:
    """Give every component a random share of every event."""

    def shares() -> Shares:
        if isinstance(blocks, ExaminedBlocks):
            skip(blocks.shared.before * mixture.components, torch.float64)
        for batch in blocks:
            # Drawn event by event on the host, so that the blocks and the processes do not change them.
            share = torch.rand(len(batch), mixture.components, dtype=torch.float64).T.to(batch.x)
            yield batch, _with_noise(mixture, share / share.sum(0))

    return Start(shares())


def several(mixture: Mixture, blocks: Iterable[Batch]) -> Start:
    """Try many starts in short runs of EM on a sample of the events, and continue from the end of the best one.

    One component, or events too wide for such a search, start from k-means.
    """
    if can_try(mixture):
        best, facts = try_starts(mixture, blocks)
        return Start(iter(()), facts, best)
    if can_search_classes(mixture):
        found = ClassSearch(mixture, blocks)
        return Start(((batch, found.shares(batch).to(batch.x.dtype)) for batch in blocks), found.facts)
    if not can_search(mixture):
        return k_means(mixture, blocks)
    points = Points(mixture, blocks, SAMPLE)
    search = Search(mixture, points)

    def shares() -> Shares:
        for batch in blocks:
            yield batch, search.shares(points.of(batch)).to(batch.x.dtype)

    return Start(shares(), search.facts)


STARTS: dict[str, Callable[[Mixture, Iterable[Batch]], Start]] = {
    "several": several,
    "kmeans": k_means,
    "k-means++": k_means_plus_plus,
    "random_from_data": from_data,
    "random": random,
}
