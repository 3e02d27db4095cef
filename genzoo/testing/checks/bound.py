"""Promises of models that give a lower bound on the log-likelihood, or an estimate of it.

The exact value is unknown, so the bound cannot be compared with it event by event. But if it lies below the log-density
everywhere, then its exponential integrates to at most the model's probability of any region. The space of events is
divided into cells, and the number of the model's own samples in a cell is binomial with that probability. A bound is
rejected if it claims so much probability for a cell that this few samples would be too unlikely.

An estimate must be the log-likelihood itself, up to its solver's error, if it takes no probes. Estimates by probes must
scatter around it as their standard errors say.
"""

from __future__ import annotations

from typing import Any

import torch
from scipy import stats
from torch import Tensor

from genzoo.models.base import Generator, Likelihood, LikelihoodBound, LikelihoodEstimate
from genzoo.testing.given import Given, copied, take_part
from genzoo.testing.promise import DoesNotApply, Promise, expect
from genzoo.testing.quadrature import Grid, grid_of
from genzoo.testing.subject import Case, Subject, scoped

FALSE_ALARMS = 1e-6
"""Largest probability that the test rejects a valid bound, for one toy dataset."""


_SAMPLES = 20_000
"""Samples of the model that are counted in cells."""


_NUMBERS = 3_000
"""Smallest number of bounds that an integral averages over."""


_FEW = 4
"""Draws of each bound in an integral."""


_SLACK = 0.97
"""Factor on a cell's integral that allows for the error of the quadrature."""


_DRAWS = 16
"""Draws of the bound that should be tighter than a bound of one draw."""


_REPEATS = 64
"""Repetitions of the bound of one draw."""


_EVENTS = 60
"""Events whose bounds of one and of more draws are compared."""


_FINE, _COARSE = 40, 20
"""Steps of an estimate, and of the one that shows the error of its solver."""


_NODES = 200
"""Nodes of an integral of estimates over one number."""


_OFF = 0.05
"""How far the integral of estimates may be from 1, on top of the errors of quadrature and solver."""


_PROBES = (4, 32)
"""Numbers of probes whose estimates are compared, the second much larger."""


_ESTIMATED = 12
"""Events whose estimates by probes are repeated."""


def bound(generator: Generator, given: Given, draws: int, seed: int = 0) -> Tensor:
    """Compute the bounds of events, `(N,)` nats, with the random draws of a seed."""
    assert isinstance(generator, LikelihoodBound)
    return scoped(lambda: copied(given).ask(generator.log_prob_bound, draws=draws), seed)


def bound_shape(subject: Subject) -> None:
    """`log_prob_bound` returns one finite number per event, for any number of draws."""
    for case in subject.having(LikelihoodBound):
        for count, draws in ((37, 1), (1, 3), (37, 3)):
            bounds = bound(case.wide, case.given(count), draws)
            expect(
                tuple(bounds.shape) == (count,),
                f"On {case.name}, log_prob_bound of {count} events has shape {tuple(bounds.shape)}, not {(count,)}.",
            )
            expect(bool(bounds.isfinite().all()), f"On {case.name}, log_prob_bound is not finite for some events.")


def bound_lies_below(subject: Subject) -> None:
    """The bound gives no region more probability than the model's own samples do, and no more than 1 in total."""
    checked = 0
    for case in subject.having(LikelihoodBound):
        grid = None if case.data.missing else grid_of(case, 10_000, 400, 50)
        if grid is None:
            continue
        checked += 1
        repeats = max(4, _NUMBERS // len(grid.events))
        bounds = torch.stack([bound(case.wide, case.under_one(grid.events), _FEW, seed) for seed in range(repeats)])
        logs, variance = bounds.mean(0), bounds.var(0) / repeats
        total, coarse = grid.integral(logs)
        expect(
            total < 1.01 + 3 * abs(total - coarse),
            f"On {case.name}, the bound integrates to {total:.4g}. A lower bound of a density integrates to at most 1.",
        )
        _check_cells(case, grid, (logs + grid.log_weights).exp(), variance)
    if not checked:
        raise DoesNotApply("no toy dataset that it accepts can be integrated over")


def _check_cells(case: Case, grid: Grid, mass: Tensor, variance: Tensor) -> None:
    """Check that the bound claims no more probability for a cell than the samples there allow.

    Arguments:
        mass: probability mass of the grid's events under the bound, `(M,)`.
        variance: variance of the log-mass, as bounds are averages of random draws, `(M,)`.
    """
    assert isinstance(case.wide, LikelihoodBound)
    options = case.wide.bound_options
    samples = scoped(lambda: case.sample(_SAMPLES, condition=case.one_condition(_SAMPLES), options=options)).double()
    cell_of_node, cell_of_sample = grid.cells(grid.events), grid.cells(samples)
    cells = int(torch.cat([cell_of_node, cell_of_sample]).max()) + 1
    claimed, error = (
        torch.zeros(cells, dtype=torch.float64).index_add_(0, cell_of_node, values)
        for values in (mass, mass.square() * variance)  # Var(exp(l)) is about exp(l)² Var(l)
    )
    least = (_SLACK * claimed - 6 * error.sqrt()).clamp(0.0, 1.0)
    counts = torch.bincount(cell_of_sample, minlength=cells)
    p_values = stats.binom.cdf(counts.numpy(), _SAMPLES, least.numpy())
    worst = int(p_values.argmin())
    expect(
        p_values[worst] > FALSE_ALARMS / cells,  # Bonferroni: any of the cells may raise the alarm
        f"On {case.name}, the bound gives a region the probability {claimed[worst]:.3g}, but only "
        f"{int(counts[worst])} of {_SAMPLES} samples lie there.",
    )


def bound_tightens(subject: Subject) -> None:
    """More draws raise the bound on average or, if it is a mean of draws, make it less random."""
    for case in subject.principal:
        # Weights of an untrained model vary more, so the gain from more draws is easier to see.
        fresh = case.parts().generator.double().eval()
        if not isinstance(fresh, LikelihoodBound):
            continue
        given = take_part(case.given(), slice(_EVENTS))
        one = torch.stack([bound(fresh, given, 1, seed) for seed in range(_REPEATS)])
        many = torch.stack([bound(fresh, given, _DRAWS, seed) for seed in range(_REPEATS // 8)])
        gains = many.mean(0) - one.mean(0)
        gain = gains.mean().item()
        error = ((one.var(0) / len(one) + many.var(0) / len(many)).sum().sqrt() / len(gains)).item()
        if not fresh.draws_tighten:
            _check_mean(case, one, many, gain, error)
            continue
        expect(
            gain > -6 * error - 1e-9,
            f"On {case.name}, the bound of {_DRAWS} draws lies {-gain:.3g} nats below the bound of one draw.",
        )
        # For importance weights w of mean 1 and small variance, log E[w] - E[log w] is about Var(w) / 2: the gap that
        # one draw leaves and many close. Only a gap well above the noise can be demanded.
        due = (one - many.mean(0)).exp().var(0).mean().item() / 2
        if one.var(0).mean() > 1e-12 and due > 10 * error:
            expect(
                gain > 4 * error,
                f"On {case.name}, the bound of {_DRAWS} draws is no higher than the bound of one draw.",
            )


def _check_mean(case: Case, one: Tensor, many: Tensor, gain: float, error: float) -> None:
    """Check that bounds of many draws have the mean of bounds of one draw, and scatter less.

    Arguments:
        one, many: repeated bounds of one draw and of more, `(R, N)`.
        gain, error: difference of their means, and its standard error.
    """
    expect(
        abs(gain) < 6 * error + 1e-9,
        f"On {case.name}, the bound of {_DRAWS} draws is called a mean of draws, and its mean differs by {gain:.3g} "
        f"nats from the bound of one draw.",
    )
    single, several = one.var(0).mean().item(), many.var(0).mean().item()
    expect(
        several < 4 * single / _DRAWS + 1e-12,
        f"On {case.name}, the bound of {_DRAWS} draws is as random as the bound of one draw.",
    )


def estimate(generator: Generator, given: Given, probes: int, steps: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Compute the estimates of events, `(N,)` nats, and their standard errors, with the random probes of a seed."""
    assert isinstance(generator, LikelihoodEstimate)

    def ask() -> tuple[Tensor, Tensor]:
        answer: Any = copied(given).ask(generator.log_prob_estimate, probes=probes, steps=steps)
        return answer[0], answer[1]

    return scoped(ask, seed)


def estimate_shape(subject: Subject) -> None:
    """`log_prob_estimate` returns a finite number and a standard error per event; the error is 0 without probes."""
    for case in subject.having(LikelihoodEstimate):
        for count, probes in ((37, 0), (1, 2), (37, 2)):
            for values in estimate(case.wide, case.given(count), probes, 2):
                expect(
                    tuple(values.shape) == (count,),
                    f"On {case.name}, log_prob_estimate of {count} events has the shape {tuple(values.shape)}, not "
                    f"{(count,)}.",
                )
                expect(bool(values.isfinite().all()), f"On {case.name}, log_prob_estimate is not finite for some.")
            expect(bool((values >= 0).all()), f"On {case.name}, a standard error of log_prob_estimate is negative.")
            expect(
                probes > 0 or not values.any(),
                f"On {case.name}, an estimate without probes has a standard error over probes.",
            )


def estimate_is_the_density(subject: Subject) -> None:
    """Without probes, the estimate is the exact log-density; if there is none, its exponential integrates to 1."""
    checked = 0
    for case in subject.having(LikelihoodEstimate):
        if isinstance(case.wide, Likelihood):
            _check_exact(case, case.wide)
        elif (grid := None if case.data.missing else grid_of(case, 2 * _NODES, _NODES, 2 * _NODES)) is not None:
            given = case.under_one(grid.events)
            total, half = grid.integral(estimate(case.wide, given, 0, _FINE)[0])
            rough, _ = grid.integral(estimate(case.wide, given, 0, _COARSE)[0])
            expect(
                abs(total - 1) < _OFF + 3 * abs(total - half) + abs(total - rough),
                f"On {case.name}, the estimate integrates to {total:.4g}, and a density to 1.",
            )
        else:
            continue
        checked += 1
    if not checked:
        raise DoesNotApply("no toy dataset that it accepts can be integrated over")


def _check_exact(case: Case, generator: Likelihood) -> None:
    """Check that estimates differ from exact log-densities by no more than the error of the solver."""
    given = case.given(_EVENTS)
    exact = copied(given).ask(generator.log_prob)
    fine, coarse = (estimate(case.wide, given, 0, steps)[0] for steps in (_FINE, _COARSE))
    away, slack = (fine - exact).abs(), (fine - coarse).abs() + 1e-6
    worst = int((away - slack).argmax())
    expect(
        bool((away <= slack).all()),
        f"On {case.name}, an estimate in {_FINE} steps is {away[worst]:.3g} nats from log_prob, and {slack[worst]:.2g} "
        f"from one in {_COARSE} steps.",
    )


def estimate_error_shrinks(subject: Subject) -> None:
    """Estimates by probes scatter around the one without as their standard errors say, and less with more probes."""
    for case in subject.principal:
        if not isinstance(case.parts().generator, LikelihoodEstimate):
            continue
        given, few, many = case.given(_ESTIMATED), *_PROBES
        exact = estimate(case.wide, given, 0, 4)[0]
        spreads = []
        for probes in (few, many):
            found = [estimate(case.wide, given, probes, 4, seed) for seed in range(8)]
            away = torch.stack([values - exact for values, _ in found]).square().mean().sqrt().item()
            claimed = torch.stack([errors for _, errors in found]).square().mean().sqrt().item()
            expect(
                away < 2 * claimed + 1e-6 and claimed < 2 * away + 1e-6,
                f"On {case.name}, estimates by {probes} probes are {away:.3g} nats from the one without probes, and "
                f"their standard error is {claimed:.3g}.",
            )
            spreads.append(away)
        expect(
            spreads[1] < 0.7 * spreads[0] + 1e-6,
            f"On {case.name}, estimates by {many} probes scatter by {spreads[1]:.3g} nats, and by {few} by "
            f"{spreads[0]:.3g}.",
        )


PROMISES = (
    *(Promise.of(check, "likelihood-bound") for check in (bound_shape, bound_lies_below, bound_tightens)),
    *(
        Promise.of(check, "likelihood-estimate")
        for check in (estimate_shape, estimate_is_the_density, estimate_error_shrinks)
    ),
)
