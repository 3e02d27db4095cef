"""Test whether samples follow a density: a random walk under the density must not change their distribution.

Each sample x takes 40 Metropolis-Hastings steps under the density p, which leave p invariant, and ends at y. If x is
drawn from p, so is y, and no statistic f changes on average: E[f(y) - f(x)] = 0. If x is drawn from another
distribution, the walk moves it towards p, and a statistic that sees the difference drifts. The test needs no
normalizing constant of p, no integral, and only the model's own samples.

It misses differences that 40 steps do not undo, such as wrong weights of modes that the walk never crosses between. It
also misses differences that none of the statistics sees.

The rate of false alarms has a bound that holds for any number of samples. Every step chooses at random among reversible
kernels, so the whole walk is reversible. Under p, the pairs (x, y) and (y, x) are then equally likely, and each
difference d = f(y) - f(x) is symmetric around 0. Given their sizes, the signs of the differences of N independent
samples are fair coins, and Hoeffding's inequality gives P(|sum d| > t sqrt(sum d²)) <= 2 exp(-t²/2). The limit t shares
`FALSE_ALARMS` equally among the statistics.

References:
    "Monte Carlo Sampling Methods Using Markov Chains and Their Applications" (Hastings, 1970);
    "Unit Testing for MCMC and other Monte Carlo Methods" (Gandy and Scott, 2020), which tests walks on known samples;
    "Probability Inequalities for Sums of Bounded Random Variables" (Hoeffding, 1963).
"""

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
"""Largest probability that the test rejects samples that do follow the density, for one toy dataset."""


_SAMPLES = 10_000


_STEPS = 40
"""Steps of the walk of each sample."""


_DIRECTIONS = 4
"""Random directions, and numbers of an event, whose statistics are compared."""


def disagreement(case: Case, log_prob: Density) -> str | None:
    """Test whether the model's samples follow a density.

    Arguments:
        log_prob: takes events `(N, *event)` to their log-densities `(N,)`, up to a constant.

    Returns:
        What differs, in words, or `None` if the samples pass.
    """
    places = event_values_of(case)
    with torch.no_grad(), random_scope(0, "walk"):
        start = case.sample(_SAMPLES).double()
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
                f"a random walk under the density moves the {name} of {_SAMPLES} samples from {before.mean():.4g} to "
                f"{after.mean():.4g} on average, {abs(drift):.1f} standard errors"
            )
    return None


def _walk(places: tuple[EventValue, ...], x: Tensor, log_prob: Density) -> Tensor:
    """Walk from samples `x (N, *event)` by Metropolis-Hastings steps."""
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
    """Propose a normal step of all continuous numbers; return it with its log Hastings correction, which is 0."""
    flat = x.flatten(1)
    numbers = torch.tensor([_is_number(place) for place in places])
    deviations = torch.tensor([place.deviation for place in places], dtype=torch.float64)
    # 2.4 / sqrt(D) is the best size for a normal p of D dimensions. A random factor also gives steps for other sizes.
    size = 2.4 / numbers.sum().sqrt() * torch.randn(len(x), 1, dtype=torch.float64).exp()
    step = size * deviations * numbers * torch.randn(flat.shape, dtype=torch.float64)
    return (flat + step).view(x.shape), torch.zeros(len(x), dtype=torch.float64)


def _one_place(places: tuple[EventValue, ...], x: Tensor) -> tuple[Tensor, Tensor]:
    """Propose a new value of one number; return it with its log Hastings correction, log q(old) - log q(new)."""
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
        if _is_number(place):  # the normal that it is drawn from does not depend on the old value
            wide = 2 * place.deviation
            correction[rows] = 0.5 * (((new - place.mean) / wide).square() - ((old - place.mean) / wide).square())
    return flat.view(x.shape), correction


def _drawn(place: EventValue, old: Tensor) -> Tensor:
    if place.levels is not None:
        return place.levels[torch.randint(len(place.levels), old.shape)]
    if place.count:  # -1 becomes 0, -2 becomes 1: the proposal stays symmetric and asks only about counts that exist
        moved = old + torch.randint(-3, 4, old.shape)
        return torch.where(moved < 0, -1 - moved, moved)
    return place.mean + 2 * place.deviation * torch.randn(old.shape, dtype=torch.float64)


def _statistics(
    places: tuple[EventValue, ...], start: Tensor, end: Tensor, log_prob: Density
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield the statistics to compare: a name, and the values before and after the walk, `(N,)` each."""
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
