"""Events as points in space, for the starts of EM, on scales that do not depend on units."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from genzoo import Batch
from genzoo_mixture.mixture import Mixture
from genzoo_mixture.scale import robust_deviation

SAMPLE = 20_000
"""Largest number of events for scales, seeding and k-means; of more events, a uniform random sample is used."""

_GRID = 2.0**20
"""Points are rounded to this part of a deviation. The same data in other units then have exactly the same points, and
ties between distances are broken alike."""

_FLAT = 1e-6
"""Smallest deviation of a principal component, as a share of the largest, that is scaled to 1."""


class Points:
    """Events as points: `Mixture.embed`, with every column centered and scaled by its robust deviation.

    Missing values are at the mean of their column. All pixels of images share one scale. Columns that have no unit, if
    there are no others, keep theirs.

    Attributes:
        sample: points of a random sample of events, `(n, D)`.
        weight: their weights, `(n,)`.
        scale: what each column was divided by, `(D,)`.
    """

    def __init__(self, mixture: Mixture, blocks: Iterable[Batch], most: int = SAMPLE) -> None:
        self._mixture = mixture
        kept, self.weight = draw_events(lambda batch: mixture.embed(batch.x, batch.missing), blocks, most)
        deviation = robust_deviation(kept, self.weight)
        if len(mixture.event_shape) > 1:
            deviation = deviation.square().mean().sqrt().expand_as(deviation)
        if not mixture.has_units:
            deviation = torch.ones_like(deviation)
        self.scale = torch.where(deviation > 0, deviation, 1.0)
        self._mean = _middle(kept, self.scale)
        self.sample = self._place(kept)

    def of(self, batch: Batch) -> Tensor:
        """Return the points of a block, `(N, D)` float64."""
        return self._place(self._mixture.embed(batch.x, batch.missing))

    def _place(self, points: Tensor) -> Tensor:
        centered = (torch.where(points.isnan(), self._mean, points) - self._mean) / self.scale
        return (centered * _GRID).round() / _GRID

    def views(self) -> Tensor:
        """Return the sample as it is, with columns decorrelated, and decorrelated half the way, `(3, n, D)`.

        Half the way, principal components are divided by the root of their deviation, as mclust does (Scrucca and
        Raftery, 2015).
        """
        turned, deviations = principal_axes(self.sample, self.weight)
        return torch.stack([self.sample, turned / deviations, turned / deviations.sqrt()])


def principal_axes(points: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return points turned to their principal components, `(n, D)`, and the deviation along each, `(D,)`.

    Where points hardly vary, the deviation is 1.

    Arguments:
        points: the points, `(n, D)`.
        weight: their weights, `(n,)`.
    """
    mean = (weight @ points) / weight.sum()
    around = (points - mean) * (weight / weight.sum()).sqrt()[:, None]
    axes, deviations, _ = torch.linalg.svd(around.T @ around)
    deviations = deviations.sqrt()
    deviations = torch.where(deviations > _FLAT * deviations.max(), deviations, 1.0)
    return (points - mean) @ axes, deviations


def _middle(kept: Tensor, scale: Tensor) -> Tensor:
    """Return the mean of every column `(D,)`, computed so that units do not change its last digits in points."""
    return ((kept / scale).nanmean(0).nan_to_num() * scale).to(kept.dtype)


def observed_values(batch: Batch) -> Tensor:
    """Return the values of events, `(N, C)` float64; NaN if they are missing."""
    x: Tensor = batch.x.flatten(1).double()
    return x if batch.missing is None else x.masked_fill(batch.missing.flatten(1), torch.nan)


def draw_events(
    read: Callable[[Batch], Tensor], blocks: Iterable[Batch], most: int, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Draw at most `most` events in one pass over the blocks, all equally likely.

    Every event has a uniform random key, and the events with the smallest keys are kept: a uniform sample, however many
    events there are. Events of weight 0 have the key infinity.

    Arguments:
        read: returns the numbers of a block, `(N, D)` float64.
        generator: draws the keys. Defaults to torch's own.

    Returns:
        The numbers, `(n, D)`, and weights, `(n,)`, of the sample, in float64.
    """
    kept: Tensor | None = None
    keys = torch.empty(0)
    for batch in blocks:
        numbers = read(batch)
        weight = torch.ones_like(numbers[:, 0]) if batch.weight is None else batch.weight.to(numbers.dtype)
        new = torch.cat([numbers, weight[:, None]], 1)
        kept = new if kept is None else torch.cat([kept, new])
        drawn = torch.rand(len(batch), generator=generator)
        keys = torch.cat([keys, drawn.masked_fill((weight == 0).cpu(), torch.inf)])
        if len(keys) > most:
            keys, order = keys.topk(most, largest=False, sorted=False)
            kept = kept[order.to(kept.device)]
    assert kept is not None, "there are training rows"
    return kept[:, :-1], kept[:, -1]
