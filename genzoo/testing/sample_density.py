"""Test whether samples follow a density: a walk under the density must not move them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from genzoo.runtime.seeding import random_scope
from genzoo.testing.event_values import EventValue, event_values_of
from genzoo.testing.subject import Case

Density = Callable[[Tensor], Tensor]


FALSE_ALARMS = 1e-6
"""Probability that samples which are of the density are said not to be, for one toy."""


_SAMPLES = 10_000


_STEPS = 40


_DIRECTIONS = 4


def disagreement(case: Case, log_prob: Density) -> str | None:
    """What says that the model's samples are not of a density; `None` where nothing does.

    Arguments:
        log_prob: of events `(N, *event)`, `(N,)`; a constant may be missing.
    """
    places = event_values_of(case)
    with torch.no_grad(), random_scope(0, "walk"):
        start = case.wide.sample(_SAMPLES).double()
        end = _walk(places, start, log_prob)
        pairs = list(_statistics(places, start, end, log_prob))
    limit = math.sqrt(2 * math.log(2 * len(pairs) / FALSE_ALARMS))
    for name, before, after in pairs:
        change = after - before
        if not change.any():
            continue
        drift = (change.sum() / change.square().sum().sqrt()).item()
        if abs(drift) > limit:
            return (
                f"walking under the density, {_SAMPLES} of them change their {name} from {before.mean():.4g} to "
                f"{after.mean():.4g} on average, {abs(drift):.1f} standard errors"
            )
    return None


def _walk(places: tuple[EventValue, ...], x: Tensor, log_prob: Density) -> Tensor:
    here = log_prob(x)
    kernels: list[Callable[[tuple[EventValue, ...], Tensor], tuple[Tensor, Tensor]]] = [_one_place]
    if any(_is_number(place) for place in places):
        kernels.append(_all_numbers)
    for _ in range(_STEPS):
        proposal, correction = torch.empty_like(x), torch.empty_like(here)
        chosen = torch.randint(len(kernels), (len(x),))
        for number, kernel in enumerate(kernels):
            rows = (chosen == number).nonzero()[:, 0]
            proposal[rows], correction[rows] = kernel(places, x[rows])
        there = log_prob(proposal)
        accepted = torch.rand(len(x), dtype=torch.float64).log() < there - here + correction
        x = torch.where(accepted.view(-1, *[1] * (x.ndim - 1)), proposal, x)
        here = torch.where(accepted, there, here)
    return x


def _is_number(place: EventValue) -> bool:
    return place.levels is None and not place.count


def _all_numbers(places: tuple[EventValue, ...], x: Tensor) -> tuple[Tensor, Tensor]:
    """A step of all numbers at once, of random size; and the correction of its probability, none."""
    flat = x.flatten(1)
    numbers = torch.tensor([_is_number(place) for place in places])
    deviations = torch.tensor([place.deviation for place in places], dtype=torch.float64)
    size = 2.4 / numbers.sum().sqrt() * torch.randn(len(x), 1, dtype=torch.float64).exp()
    step = size * deviations * numbers * torch.randn(flat.shape, dtype=torch.float64)
    return (flat + step).view(x.shape), torch.zeros(len(x), dtype=torch.float64)


def _one_place(places: tuple[EventValue, ...], x: Tensor) -> tuple[Tensor, Tensor]:
    """One place drawn anew, whatever it held; and the correction of its probability."""
    flat = x.flatten(1).clone()
    correction = torch.zeros(len(x), dtype=torch.float64)
    chosen = torch.randint(len(places), (len(x),))
    for number, place in enumerate(places):
        rows = (chosen == number).nonzero()[:, 0]
        if not len(rows):
            continue
        old = flat[rows, number]
        new = _drawn(place, old)
        flat[rows, number] = new
        if _is_number(place):  # drawn from a wide normal, whatever the old value was
            wide = 2 * place.deviation
            correction[rows] = 0.5 * (((new - place.mean) / wide).square() - ((old - place.mean) / wide).square())
    return flat.view(x.shape), correction


def _drawn(place: EventValue, old: Tensor) -> Tensor:
    if place.levels is not None:
        return place.levels[torch.randint(len(place.levels), old.shape)]
    if place.count:  # below 0 it has no probability, and is mirrored there to be asked about what exists
        moved = old + torch.randint(-3, 4, old.shape)
        return torch.where(moved < 0, -1 - moved, moved)
    return place.mean + 2 * place.deviation * torch.randn(old.shape, dtype=torch.float64)


def _statistics(
    places: tuple[EventValue, ...], start: Tensor, end: Tensor, log_prob: Density
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """What is compared: a name, and its values before and after, `(N,)` each."""
    mean = torch.tensor([place.mean for place in places], dtype=torch.float64)
    deviation = torch.tensor([place.deviation for place in places], dtype=torch.float64)
    before, after = ((x.flatten(1) - mean) / deviation for x in (start, end))
    yield "log-density", log_prob(start), log_prob(end)
    yield "squared length", before.square().sum(1), after.square().sum(1)
    for number, place in list(enumerate(places))[:_DIRECTIONS]:
        one, two = before[:, number], after[:, number]
        yield f"mean of {place.name}", one, two
        yield f"square of {place.name}", one.square(), two.square()
        yield f"side of {place.name}", one.sign(), two.sign()
    for _ in range(_DIRECTIONS):
        way = torch.randn(len(places), dtype=torch.float64)
        way /= way.norm()
        one, two = before @ way, after @ way
        yield "mean in a random direction", one, two
        yield "square in a random direction", one.square(), two.square()
        yield "bend in a random direction", one.cos(), two.cos()
