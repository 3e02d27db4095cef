"""Events as points in space, for the starts of EM, on scales that do not depend on units."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor

from genzoo import Batch, SharedBlocks
from genzoo_mixture.mixture import Mixture
from genzoo_mixture.scale import robust_deviation

SAMPLE = 20_000
"""Largest number of events for scales, seeding and k-means; of more events, a uniform random sample is used."""

_GRID = 2.0**20
"""Points are rounded to this part of a deviation. The same data in other units then have exactly the same points, and
ties between distances are broken alike."""

_MANY = 50
"""Multiple of the size of a sample from which on few of the events that come are kept."""

_FORGOTTEN = 2**20
"""Random numbers that are drawn at a time to be forgotten."""

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


def draw_events(read: Callable[[Batch], Tensor], blocks: Iterable[Batch], most: int) -> tuple[Tensor, Tensor]:
    """Draw at most `most` events in one pass over the blocks, all equally likely, by torch's own generator.

    Every event has a uniform random key, and the events with the smallest keys are kept: a uniform sample, however many
    events there are. Events of weight 0 have the key infinity.

    Arguments:
        read: returns the numbers of a block, `(N, D)` float64.

    Returns:
        The numbers, `(n, D)`, and weights, `(n,)`, of the sample, in float64.
    """
    if isinstance(blocks, ExaminedBlocks):
        return blocks.drawn(read, most, own=True)
    drawn = _Draw(most, None)
    for batch in blocks:
        drawn.add([read(batch)], batch)
    return drawn.kept[0], drawn.weight


class _Draw:
    """A uniform sample of events that is drawn block by block.

    Arguments:
        most: largest number of events of the sample.
        generator: draws the keys; `None` for torch's own.

    Attributes:
        kept: rows of the sample, in several tensors side by side.
        weight: their weights, `(n,)` float64.
        keys: their keys, `(n,)`.
    """

    def __init__(self, most: int, generator: torch.Generator | None) -> None:
        self._most, self._generator = most, generator
        self.kept: list[Tensor] = []
        self.keys, self.weight = torch.empty(0), torch.empty(0)
        self._seen = 0

    def add(self, rows: Sequence[Tensor], batch: Batch) -> None:
        """Draw from the rows of a block."""
        weight = rows[0].new_ones(len(batch)) if batch.weight is None else batch.weight
        keys = torch.rand(len(batch), generator=self._generator)
        new = [*rows, weight.double()]
        keys = keys.masked_fill((weight == 0).cpu(), torch.inf)
        if self._seen > _MANY * self._most:  # hardly any of them is kept
            few = (keys < self.keys.max()).nonzero()[:, 0]
            keys, new = keys[few], [part[few.to(part.device)] for part in new]
        self._seen += len(batch)
        if not len(keys):
            return
        held = [*self.kept, self.weight]
        new = [torch.cat(pair) for pair in zip(held, new, strict=True)] if self.kept else new
        keys = torch.cat([self.keys, keys])
        if len(keys) > self._most:
            order = _smallest(keys, self._most)
            keys, new = keys[order], [part[order.to(part.device)] for part in new]
        self.keys, self.weight, self.kept = keys, new[-1], new[:-1]

    def pass_over(self, events: int) -> None:
        """Draw the keys of events that another process reads."""
        skip(events, torch.float32, self._generator)

    def join(self, blocks: SharedBlocks) -> None:
        """Draw from the samples of all processes, each from its share: the sample of one that reads all events."""
        keys = blocks.gather(self.keys)
        first = int(blocks.gather(torch.tensor([len(self.keys)]))[: blocks.rank].sum())
        order = _smallest(keys, self._most)
        here = (order >= first) & (order < first + len(self.keys))
        places, rows = here.nonzero()[:, 0], order[here] - first
        joined = [
            blocks.place(part[rows.to(part.device)], places.to(part.device), len(order))
            for part in [*self.kept, self.weight]
        ]
        self.keys, self.weight, self.kept = keys[order], joined[-1], joined[:-1]


def _smallest(keys: Tensor, count: int) -> Tensor:
    """Return the places of the `count` smallest keys in increasing order; of equal keys, the first ones."""
    if len(keys) <= count:
        return torch.arange(len(keys))
    last = keys.kthvalue(count).values
    below, equal = keys < last, (keys == last).nonzero()[:, 0]
    below[equal[: count - int(below.sum())]] = True
    return below.nonzero()[:, 0]


def skip(count: int, dtype: torch.dtype, generator: torch.Generator | None = None) -> None:
    """Draw uniform random numbers and forget them.

    Arguments:
        count: how many.
        dtype: their number type, as numbers of other types take other draws.
        generator: draws them. Defaults to `None`: torch's own.
    """
    for first in range(0, count, _FORGOTTEN):
        torch.rand(min(_FORGOTTEN, count - first), dtype=dtype, generator=generator)


class ExaminedBlocks(Iterable[Batch]):
    """Blocks of events, with what one pass over them finds, so that a start does not read them again for each.

    Several processes each read their share. An iteration yields the events of this process. What is found is about all
    events, and the samples are the same for any number of processes.

    Arguments:
        shared: the events, at least one for each process.
        free: whether a sample by torch's own generator is drawn, too.

    Attributes:
        shared: the events, with the means to add up what processes find.
        low, high: the smallest and the largest observed value of each column, `(C,)` each. Values of weight 0 do not
            count.
    """

    def __init__(self, shared: SharedBlocks, *, free: bool) -> None:
        self.shared = shared
        keys = torch.Generator().manual_seed(0)  # the same rows for every restart
        self._draws = [_Draw(SAMPLE, keys), *([_Draw(SAMPLE, None)] if free else [])]
        self.low = self.high = torch.zeros(0)
        for draw in self._draws:
            draw.pass_over(shared.before)
        for batch in shared.share:
            self._look(batch)
            for draw in self._draws:
                draw.add([batch.x] if batch.missing is None else [batch.x, batch.missing], batch)
        for draw in self._draws:
            draw.pass_over(shared.after)
            draw.join(shared)
        self.low, self.high = shared.gather(self.low[None]).amin(0), shared.gather(self.high[None]).amax(0)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.shared.share)

    def drawn(self, read: Callable[[Batch], Tensor], most: int, *, own: bool) -> tuple[Tensor, Tensor]:
        """Return a sample as `draw_events` does.

        Arguments:
            own: whether torch's own generator drew it.
        """
        draw = self._draws[int(own)]
        numbers = read(Batch(*draw.kept))
        if len(numbers) <= most:
            return numbers, draw.weight
        order = draw.keys.topk(most, largest=False, sorted=False).indices.to(numbers.device)
        return numbers[order], draw.weight[order]

    def _look(self, batch: Batch) -> None:
        lowest = highest = batch.x.flatten(1)
        hidden = _hidden(batch)
        if hidden is not None:
            lowest = lowest.masked_fill(hidden, torch.inf)
            highest = highest.masked_fill(hidden, -torch.inf)
        self.low = torch.minimum(self.low, lowest.amin(0)) if len(self.low) else lowest.amin(0)
        self.high = torch.maximum(self.high, highest.amax(0)) if len(self.high) else highest.amax(0)


def _hidden(batch: Batch) -> Tensor | None:
    """Return a mask of the values that do not count, missing or of weight 0, `(N, C)` or `(N, 1)`; `None` if all do."""
    missing = None if batch.missing is None else batch.missing.flatten(1)
    if batch.weight is None:
        return missing
    weightless = (batch.weight == 0)[:, None]
    return weightless if missing is None else missing | weightless
