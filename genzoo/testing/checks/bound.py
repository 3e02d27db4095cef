"""Promises of models whose density is known from below.

What lies below a density integrates to no more than it, over all events and over every part of them. So a bound is
integrated over cells, and none may hold more than the share of the model's own samples that lie there allows: a test
that needs no exact value, and whose rate of false alarms is that of the binomial distribution.
"""

from __future__ import annotations

import torch
from scipy import stats
from torch import Tensor

from genzoo.models.base import Generator, LikelihoodBound
from genzoo.testing.checks.capabilities import Given, take_part
from genzoo.testing.promise import DoesNotApply, Promise, expect
from genzoo.testing.quadrature import Grid, grid_of
from genzoo.testing.subject import Case, Subject, copied, scoped

FALSE_ALARMS = 1e-6
"""Probability that a bound which lies below is said not to, for one toy."""


_SAMPLES = 20_000


_NUMBERS = 3_000
"""Bounds that an integral is taken from at least."""


_FEW = 4
"""Draws of a bound that is integrated."""


_SLACK = 0.97
"""Share of a cell's integral that the quadrature is sure of."""


_DRAWS = 16


_REPEATS = 64


_EVENTS = 60


def bound(generator: Generator, given: Given, draws: int, seed: int = 0) -> Tensor:
    """Bounds under a model, of chance as a seed has it."""
    assert isinstance(generator, LikelihoodBound)
    return scoped(lambda: generator.log_prob_bound(*copied(given), draws=draws), seed)


def bound_shape(subject: Subject) -> None:
    """`log_prob_bound` gives one finite number for each event, of any number of draws."""
    for case in subject.having(LikelihoodBound):
        for count, draws in ((37, 1), (1, 3), (37, 3)):
            found = bound(case.wide, case.given(count), draws)
            expect(
                tuple(found.shape) == (count,),
                f"On {case.name}, log_prob_bound of {count} events has the shape {tuple(found.shape)}.",
            )
            expect(bool(found.isfinite().all()), f"On {case.name}, log_prob_bound is not finite for some events.")


def bound_lies_below(subject: Subject) -> None:
    """The bound promises no region more probability than the model's own samples show there, nor more than 1 to all."""
    judged = 0
    for case in subject.having(LikelihoodBound):
        grid = None if case.data.missing else grid_of(case, 10_000, 400, 50)
        if grid is None:
            continue
        judged += 1
        repeats = max(4, _NUMBERS // len(grid.events))
        found = torch.stack([bound(case.wide, (grid.events,), _FEW, seed) for seed in range(repeats)])
        logs, variance = found.mean(0), found.var(0) / repeats
        total, coarse = grid.integral(logs)
        expect(
            total < 1.01 + 3 * abs(total - coarse),
            f"On {case.name}, the bound integrates to {total:.4g}, and what lies below a density to 1 at most.",
        )
        _check_cells(case, grid, (logs + grid.log_weights).exp(), variance)
    if not judged:
        raise DoesNotApply("no toy that it takes can be integrated over")


def _check_cells(case: Case, grid: Grid, mass: Tensor, variance: Tensor) -> None:
    """Hold the bound's share of every cell to what samples say that it may be at most.

    Arguments:
        mass: of the grid's events under the bound, `(M,)`.
        variance: of its logarithm, by chance.
    """
    samples = scoped(lambda: case.wide.sample(_SAMPLES)).double()
    where, drawn = grid.cells(grid.events), grid.cells(samples)
    count = int(torch.cat([where, drawn]).max()) + 1
    claimed, error = (
        torch.zeros(count, dtype=torch.float64).index_add_(0, where, take_part)
        for take_part in (mass, mass.square() * variance)
    )
    least = (_SLACK * claimed - 6 * error.sqrt()).clamp(0.0, 1.0)
    seen = torch.bincount(drawn, minlength=count)
    unlikely = stats.binom.cdf(seen.numpy(), _SAMPLES, least.numpy())
    worst = int(unlikely.argmin())
    expect(
        unlikely[worst] > FALSE_ALARMS / count,
        f"On {case.name}, the bound gives a region the probability {claimed[worst]:.3g}, and {int(seen[worst])} of "
        f"{_SAMPLES} samples lie there.",
    )


def bound_tightens(subject: Subject) -> None:
    """With more draws the bound lies higher on average, unless one draw leaves nothing to chance."""
    for case in subject.principal:
        fresh = case.parts().generator.double().eval()  # draws of which differ more than those of a trained one
        if not isinstance(fresh, LikelihoodBound):
            continue
        given = take_part(case.given(), slice(_EVENTS))
        one = torch.stack([bound(fresh, given, 1, seed) for seed in range(_REPEATS)])
        many = torch.stack([bound(fresh, given, _DRAWS, seed) for seed in range(_REPEATS // 8)])
        gains = many.mean(0) - one.mean(0)
        gain = gains.mean().item()
        error = ((one.var(0) / len(one) + many.var(0) / len(many)).sum().sqrt() / len(gains)).item()
        expect(
            gain > -6 * error - 1e-9,
            f"On {case.name}, the bound of {_DRAWS} draws lies {-gain:.3g} nats below that of one.",
        )
        due = (one - many.mean(0)).exp().var(0).mean().item() / 2  # of a logarithm of a mean, where draws differ little
        if one.var(0).mean() > 1e-12 and due > 10 * error:
            expect(gain > 4 * error, f"On {case.name}, the bound of {_DRAWS} draws lies no higher than that of one.")


PROMISES = tuple(Promise.of(check, "likelihood-bound") for check in (bound_shape, bound_lies_below, bound_tightens))
