"""Where EM begins: for every event, the share that each component gets of it at first.

References:
    "k-means++: The Advantages of Careful Seeding" (Arthur and Vassilvitskii, 2007).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from genzoo import Batch
from genzoo_mixture.mixture import GaussianMixture

Shares = Iterator[tuple[Batch, Tensor]]

_SAMPLE = 20_000
"""Events that seeding and k-means look at; of more, an even random sample."""

_LLOYD = 100
"""Largest number of k-means iterations."""


def _sample(blocks: Iterable[Batch]) -> Tensor:
    """At most `_SAMPLE` events, each as likely as any other, float64 `(n, C)`: those with the smallest random keys."""
    kept, keys = None, torch.empty(0)
    for batch in blocks:
        new = torch.rand(len(batch))
        kept = batch.x.double() if kept is None else torch.cat([kept, batch.x.double()])
        keys = torch.cat([keys, new])
        if len(keys) > _SAMPLE:
            keys, order = keys.topk(_SAMPLE, largest=False, sorted=False)
            kept = kept[order.to(kept.device)]
    assert kept is not None, "there are training rows"
    return kept


def _squares(x: Tensor, centres: Tensor) -> Tensor:
    return torch.cdist(x, centres, compute_mode="donot_use_mm_for_euclid_dist").square()


def _seeds(x: Tensor, count: int) -> Tensor:
    """k-means++: each next centre with probability proportional to the squared distance to the nearest so far."""
    centres = x[torch.randint(len(x), (1,))]
    nearest = _squares(x, centres)[:, 0]
    for _ in range(count - 1):
        weights = nearest if nearest.sum() > 0 else torch.ones_like(nearest)
        chosen = x[torch.multinomial(weights.cpu(), 1)]
        centres = torch.cat([centres, chosen])
        nearest = torch.minimum(nearest, _squares(x, chosen)[:, 0])
    return centres


def _lloyd(x: Tensor, centres: Tensor) -> Tensor:
    labels = torch.full((len(x),), -1, device=x.device)
    for _ in range(_LLOYD):
        new = _squares(x, centres).argmin(1)
        if torch.equal(new, labels):
            break
        labels = new
        counts = torch.bincount(labels, minlength=len(centres)).to(x.dtype)
        sums = torch.zeros_like(centres).index_add_(0, labels, x)
        centres = torch.where(counts[:, None] > 0, sums / counts.clamp_min(1)[:, None], centres)
    return centres


def _nearest(blocks: Iterable[Batch], centres: Tensor) -> Shares:
    """Every event as a whole to its nearest centre."""
    for batch in blocks:
        labels = _squares(batch.x.double(), centres).argmin(1)
        yield batch, torch.nn.functional.one_hot(labels, len(centres)).to(batch.x.dtype)


def k_means(generator: GaussianMixture, blocks: Iterable[Batch]) -> Shares:
    """To the nearest centre of k-means."""
    x = _sample(blocks)
    return _nearest(blocks, _lloyd(x, _seeds(x, len(generator.means))))


def k_means_plus_plus(generator: GaussianMixture, blocks: Iterable[Batch]) -> Shares:
    """To the nearest seed of k-means++."""
    return _nearest(blocks, _seeds(_sample(blocks), len(generator.means)))


def from_data(generator: GaussianMixture, blocks: Iterable[Batch]) -> Shares:
    """To the nearest of random events."""
    x = _sample(blocks)
    return _nearest(blocks, x[torch.randperm(len(x))[: len(generator.means)]])


def random(generator: GaussianMixture, blocks: Iterable[Batch]) -> Shares:
    """Random shares of every event."""
    for batch in blocks:
        share = torch.rand(len(batch), len(generator.means), device=batch.x.device, dtype=batch.x.dtype)
        yield batch, share / share.sum(1, keepdim=True)


STARTS: dict[str, Callable[[GaussianMixture, Iterable[Batch]], Shares]] = {
    "k-means": k_means,
    "k-means++": k_means_plus_plus,
    "from-data": from_data,
    "random": random,
}
