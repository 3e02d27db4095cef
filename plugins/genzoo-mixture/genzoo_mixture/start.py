"""Starts of EM: functions that yield the first shares `(K, N)` of the components in every event.

EM finds a local optimum that depends on its start. The starts by distance work on points from `Mixture.embed`, with
missing values at the mean of their column. If the mixture has several kinds of columns, each column is scaled to unit
standard deviation, so that none dominates the distances.

References:
    "k-means++: The Advantages of Careful Seeding" (Arthur and Vassilvitskii, 2007).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from genzoo import Batch
from genzoo_mixture.mixture import Mixture, NoisyMixture

Shares = Iterator[tuple[Batch, Tensor]]

_SAMPLE = 20_000
"""Largest number of events for seeding and k-means; of more events, a uniform random sample is used."""

_LLOYD = 100
"""Largest number of k-means iterations."""


class _Points:
    """Events as points, on the same scale in all blocks.

    Attributes:
        sample: points of a random sample of events, `(n, D)`.
        weight: their weights, `(n,)`.
    """

    def __init__(self, mixture: Mixture, blocks: Iterable[Batch]) -> None:
        self._mixture = mixture
        kept, self.weight = _sample(mixture, blocks)
        self._mean = kept.nanmean(0).nan_to_num()
        self._scale = torch.ones_like(self._mean)
        if len(mixture.parts) > 1:
            spread = (kept - self._mean).square().nanmean(0).sqrt()
            self._scale = torch.where(spread > 0, spread, self._scale)
        self.sample = self._place(kept)

    def of(self, batch: Batch) -> Tensor:
        """Return the points of a block, `(N, D)` float64."""
        return self._place(self._mixture.embed(batch.x, batch.missing))

    def _place(self, points: Tensor) -> Tensor:
        return torch.where(points.isnan(), self._mean, points) / self._scale


def _sample(mixture: Mixture, blocks: Iterable[Batch]) -> tuple[Tensor, Tensor]:
    """Draw at most `_SAMPLE` events in one pass over the blocks, all equally likely.

    Every event has a uniform random key, and the events with the smallest keys are kept: a uniform sample, however many
    events there are. Events of weight 0 have the key infinity.

    Returns:
        The points, `(n, D)`, and weights, `(n,)`, of the sample, in float64.
    """
    kept: Tensor | None = None
    keys = torch.empty(0)
    for batch in blocks:
        points = mixture.embed(batch.x, batch.missing)
        weight = torch.ones_like(points[:, 0]) if batch.weight is None else batch.weight.to(points.dtype)
        new = torch.cat([points, weight[:, None]], 1)
        kept = new if kept is None else torch.cat([kept, new])
        keys = torch.cat([keys, torch.rand(len(batch)).masked_fill((weight == 0).cpu(), torch.inf)])
        if len(keys) > _SAMPLE:
            keys, order = keys.topk(_SAMPLE, largest=False, sorted=False)
            kept = kept[order.to(kept.device)]
    assert kept is not None, "there are training rows"
    return kept[:, :-1], kept[:, -1]


def _squares(x: Tensor, centers: Tensor) -> Tensor:
    return torch.cdist(x, centers, compute_mode="donot_use_mm_for_euclid_dist").square()


def _draw(weight: Tensor, count: int) -> Tensor:
    """Draw `count` different indices in proportion to `weight (n,)`; fewer if fewer weights are positive."""
    return torch.multinomial(weight, min(count, int(weight.count_nonzero())))


def _seeds(x: Tensor, weight: Tensor, count: int) -> Tensor:
    """Choose centers by k-means++: each with probability proportional to the squared distance to the nearest so far."""
    centers = x[_draw(weight, 1)]
    nearest = _squares(x, centers)[:, 0]
    for _ in range(count - 1):
        far = weight * nearest
        chosen = x[_draw(far if far.sum() > 0 else weight, 1)]
        centers = torch.cat([centers, chosen])
        nearest = torch.minimum(nearest, _squares(x, chosen)[:, 0])
    return centers


def _lloyd(x: Tensor, weight: Tensor, centers: Tensor) -> Tensor:
    """Run k-means (Lloyd's algorithm) from some centers until no label changes, at most `_LLOYD` times."""
    labels = torch.full((len(x),), -1, device=x.device)
    for _ in range(_LLOYD):
        new = _squares(x, centers).argmin(1)
        if torch.equal(new, labels):
            break
        labels = new
        # A matrix product, as index_add_ adds in a random order on a GPU.
        share = one_hot(labels, len(centers)).to(x.dtype) * weight[:, None]
        counts, sums = share.sum(0), share.T @ x
        centers = torch.where(counts[:, None] > 0, sums / counts[:, None], centers)
    return centers


def _nearest(mixture: Mixture, points: _Points, blocks: Iterable[Batch], centers: Tensor) -> Shares:
    """Assign every event to its nearest center."""
    for batch in blocks:
        labels = _squares(points.of(batch), centers).argmin(1)
        yield batch, _with_noise(mixture, one_hot(labels, mixture.components).T.to(batch.x.dtype))


def _with_noise(mixture: Mixture, share: Tensor) -> Tensor:
    """Add the noise's first share to shares `(K, N)`, if the mixture has noise."""
    if not isinstance(mixture, NoisyMixture):
        return share
    noise = torch.full_like(share[:1], mixture.first_share)
    return torch.cat([share * (1 - mixture.first_share), noise])


def k_means(mixture: Mixture, blocks: Iterable[Batch]) -> Shares:
    """Assign events to the nearest center of k-means."""
    points = _Points(mixture, blocks)
    seeds = _seeds(points.sample, points.weight, mixture.components)
    return _nearest(mixture, points, blocks, _lloyd(points.sample, points.weight, seeds))


def k_means_plus_plus(mixture: Mixture, blocks: Iterable[Batch]) -> Shares:
    """Assign events to the nearest seed of k-means++."""
    points = _Points(mixture, blocks)
    return _nearest(mixture, points, blocks, _seeds(points.sample, points.weight, mixture.components))


def from_data(mixture: Mixture, blocks: Iterable[Batch]) -> Shares:
    """Assign events to the nearest of K random events."""
    points = _Points(mixture, blocks)
    chosen = _draw(points.weight, mixture.components)
    return _nearest(mixture, points, blocks, points.sample[chosen])


def random(mixture: Mixture, blocks: Iterable[Batch]) -> Shares:
    """Give every component a random share of every event."""
    for batch in blocks:
        share = torch.rand(mixture.components, len(batch), device=batch.x.device, dtype=batch.x.dtype)
        yield batch, _with_noise(mixture, share / share.sum(0))


STARTS: dict[str, Callable[[Mixture, Iterable[Batch]], Shares]] = {
    "kmeans": k_means,
    "k-means++": k_means_plus_plus,
    "random_from_data": from_data,
    "random": random,
}
