"""Promises of models with an exact log-likelihood.

Two promises complement each other. `log_prob_agrees_with_samples` compares the density with the model's samples, but
cannot see a constant factor. `log_prob_integrates_to_one` finds it: if a density integrates to c instead of 1, every
log-likelihood is off by log c, and comparisons between models are wrong.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from genzoo.models.base import Generator, Likelihood
from genzoo.runtime.cores import one_core_each
from genzoo.testing.checks.capabilities import LOG_PROB, stands_alone
from genzoo.testing.event_values import impossible
from genzoo.testing.given import Given, copied, take_part
from genzoo.testing.promise import DoesNotApply, Promise, expect
from genzoo.testing.quadrature import Grid, grid_of
from genzoo.testing.sample_density import disagreement
from genzoo.testing.subject import Case, Subject, scoped

_NODES, _PAIR = 2_000, 200
"""Nodes of the quadrature: of the only continuous number of an event, and of each of two."""


_PART = 4_000
"""Events per call of `log_prob`. Larger batches leave the processor's cache and take twice as long per event."""


_THREADS, _TIMES = 4, 8
"""Threads that ask for densities at the same time, and how often each of them does."""


_LEAST = 1e-3
"""How far from 1 the integral of a density may be, on top of the error of the quadrature."""


_ROUGH = 0.02
"""Largest difference between the integrals over all and over half the nodes for the grid to be fine enough."""


_ERRORS = 3
"""Estimated errors of the quadrature by which an integral may be off."""


_DRAWN, _DEVIATIONS = 20_000, 4
"""Samples that are counted outside the grid, and standard errors by which their share may be off."""


_FAR = 1e6
"""Factor by which far-away events exceed the data."""


_SMALL = 6
"""Largest number of values per event for the test of samples; larger events only if the model takes no smaller ones."""


_MARGINAL = 1e-2
"""Largest error of a marginal density, as a share of its peak."""


def log_prob(case: Case, given: Given) -> Tensor:
    """Compute log-densities under the trained model in float64, `(N,)`, a part of the events at a time.

    Events that no data can hold have minus infinity; the core never asks about them.
    """
    generator = case.wide
    assert isinstance(generator, Likelihood)
    parts = [take_part(given, slice(start, start + _PART)) for start in range(0, len(given.x), _PART)]
    logs = scoped(lambda: torch.cat([copied(some).ask(generator.log_prob) for some in parts]))
    never = impossible(given.x, case.data)
    return logs.masked_fill(never, -torch.inf) if never.any() else logs


def log_prob_shape(subject: Subject) -> None:
    """`log_prob` returns one number per event, finite for data and samples, and never NaN or plus infinity."""
    for case in subject.having(Likelihood):
        for what, given in _inputs(case):
            logs = log_prob(case, given)
            wanted = (len(given.x),)
            expect(
                tuple(logs.shape) == wanted,
                f"On {case.name}, log_prob of {wanted[0]} {what} has shape {tuple(logs.shape)}, not {wanted}.",
            )
            bad = logs[~logs.isfinite()]
            expect(not len(bad), f"On {case.name}, log_prob of some {what} is {bad[:1].tolist()}.")
        far = log_prob(case, _far_events(case))
        strange = far[far.isnan() | far.isposinf()]
        expect(not len(strange), f"On {case.name}, log_prob of events far from the data is {strange[:1].tolist()}.")


def _far_events(case: Case) -> Given:
    """Return events far from the data. Values with a probability mass stay: the core passes no others to a model."""
    x = case.given(7).x
    dense = torch.tensor([measure == "density" for measure in case.measures()]).view(case.data.event_shape)
    return Given(torch.where(dense, _FAR * (1.0 + x.abs()), x), None, case.conditions(7), case.data)


def _inputs(case: Case) -> list[tuple[str, Given]]:
    """Return what `log_prob` must be finite for, with a name for messages."""
    given = case.given()
    samples = scoped(lambda: case.sample(200))
    return [
        ("events", given),
        ("events", take_part(given, slice(1))),
        ("samples", Given(samples, None, case.conditions(200), case.data)),
    ]


def log_prob_stands_alone(subject: Subject) -> None:
    """`log_prob` of an event depends neither on the rest of the batch nor on whether the model is in training mode."""
    for case in subject.having(Likelihood):
        stands_alone(case, LOG_PROB)
        fitted, events = case.fitted, case.dataset.given(slice(37))
        if "likelihood" not in fitted.capabilities:
            continue
        before = fitted.log_prob(events)
        fitted.generator.train()
        try:
            same = bool((fitted.log_prob(events) == before).all())
        finally:
            fitted.generator.eval()
        expect(same, f"On {case.name}, log_prob changes after generator.train().")


def log_prob_in_threads(subject: Subject) -> None:
    """`log_prob` changes nothing in a generator that is `thread_safe`, and threads get what one thread gets."""
    checked = 0
    for case in subject.having(Likelihood):
        generator = case.wide
        assert isinstance(generator, Likelihood)
        if not generator.thread_safe:
            continue
        checked += 1
        given = case.given()
        parts = [take_part(given, slice(start, None)) for start in range(min(_THREADS, len(given.x)))]

        def asked(part: Given, ask: Callable[..., Tensor] = generator.log_prob) -> Tensor:
            return copied(part).ask(ask)

        before, random = _attributes(generator), torch.get_rng_state()
        alone = list(map(torch.no_grad()(asked), parts))
        changed = [name for name, seen in _attributes(generator).items() if not _is_same(before.get(name), seen)]
        shown = f"On {case.name}, the generator is thread_safe, and log_prob"
        expect(not changed, f"{shown} changes its {', '.join(changed[:3])}.")
        expect(torch.equal(torch.get_rng_state(), random), f"{shown} draws random numbers.")
        together = list(one_core_each(asked, parts * _TIMES, _THREADS))
        same = all(map(torch.allclose, together, alone * _TIMES))
        expect(same, f"{shown} in {_THREADS} threads returns other values than in one.")
    if not checked:
        raise DoesNotApply("it is not thread_safe")


def _attributes(generator: torch.nn.Module) -> dict[str, tuple[object, object]]:
    """Return the attributes of all modules of a generator by name, and what shows a change of each in place."""
    found: dict[str, tuple[object, object]] = {}
    for path, module in generator.named_modules():
        held = {**vars(module), **module._parameters, **module._buffers}
        found |= {f"{path}.{name}".lstrip("."): (value, _content(value)) for name, value in held.items()}
    return found


def _content(value: object) -> object:
    """Return what changes with a value in place: a tensor's version, or which objects a container holds."""
    if isinstance(value, Tensor):
        return value._version
    if isinstance(value, dict):
        return {key: id(item) for key, item in value.items()}
    return list(map(id, value)) if isinstance(value, list | set) else None


def _is_same(before: tuple[object, object] | None, after: tuple[object, object]) -> bool:
    return before is not None and before[0] is after[0] and before[1] == after[1]


def log_prob_integrates_to_one(subject: Subject) -> None:
    """The density integrates to 1 (quadrature over numbers), and probabilities sum to 1 (enumeration of codes)."""
    checked = 0
    for case in subject.having(Likelihood):
        grid = grid_of(case, 200_000, _NODES, _PAIR)
        if grid is None:
            continue
        total, coarse = grid.integral(log_prob(case, case.under_one(grid.events)))
        if abs(total - coarse) > _ROUGH:  # the density has details that fall between the nodes
            continue
        checked += 1
        allowed = _LEAST + _ERRORS * abs(total - coarse)
        if total < 1 - allowed:
            outside, error = _outside(case, grid)
            total, allowed = total + outside, allowed + error
        expect(abs(total - 1) < allowed, f"On {case.name}, the density integrates to {total:.5g}, not to 1.")
    if not checked:
        raise DoesNotApply("no toy dataset that it accepts gives a density that can be integrated on a grid")


def _outside(case: Case, grid: Grid) -> tuple[float, float]:
    """Return the share of samples that lie outside a grid, as far tails do, and the error that it may have."""
    drawn = scoped(functools.partial(case.sample, _DRAWN, None, case.one_condition(_DRAWN)))
    share = grid.outside(drawn.double()).double().mean().item()
    return share, _DEVIATIONS * math.sqrt(share * (1 - share) / _DRAWN)


def log_prob_agrees_with_samples(subject: Subject) -> None:
    """The model's samples follow its density, as far as a test on 10,000 of them can detect."""
    whole = [case for case in subject.having(Likelihood) if not case.data.missing]
    small = [case for case in whole if case.data.size <= _SMALL] or whole[:1]
    if not small:
        raise DoesNotApply("it accepts only toy datasets with missing values")
    for case in small:
        difference = disagreement(case, functools.partial(_under_own_conditions, case))
        expect(difference is None, f"On {case.name}, samples do not follow the density: {difference}.")


def _under_own_conditions(case: Case, x: Tensor) -> Tensor:
    return log_prob(case, Given(x, None, case.conditions(len(x)), case.data))


def degrees_of_freedom(subject: Subject) -> None:
    """`degrees_of_freedom` equals the number of directions in which the parameters change the density."""
    checked = 0
    for case in subject.having(Likelihood):
        generator = case.wide
        assert isinstance(generator, Likelihood)
        claimed = generator.degrees_of_freedom
        if claimed is None or case.data.missing or case.data.size > 8:
            continue
        rank = rank_of(case)
        if rank is None:
            continue
        checked += 1
        expect(
            claimed == rank,
            f"On {case.name}, degrees_of_freedom is {claimed}, but the parameters change the density in {rank} "
            f"directions. Numbers with a constraint, such as probabilities that sum to 1, count once too often unless "
            f"log_prob normalizes them.",
        )
    if not checked:
        raise DoesNotApply("degrees_of_freedom is None, or the model has too many parameters to count directions")


def missing_values_are_integrated_out(subject: Subject) -> None:
    """With missing values, `log_prob` is the density of the observed ones: the integral over the missing ones."""
    checked = 0
    for case in subject.having(Likelihood):
        parted = case.data.has_parts  # see 'missing-parts-are-integrated-out'
        grid = grid_of(case, 200_000, _NODES, _PAIR) if case.data.missing and not parted else None
        if grid is None:
            continue
        checked += 1
        check_marginals(case, grid, [[place] for place in range(len(grid.axes))])
    if not checked:
        raise DoesNotApply("it accepts no toy dataset with missing values that can be integrated over")


def check_marginals(case: Case, grid: Grid, groups: Sequence[Sequence[int]]) -> None:
    """Compare the density of some numbers alone with the joint density, integrated over all others.

    Arguments:
        groups: places of the numbers that are observed together.
    """
    x = grid.events
    joint = log_prob(case, case.under_one(x, torch.zeros_like(x, dtype=torch.bool)))
    same = torch.allclose(joint, log_prob(case, case.under_one(x)), rtol=1e-6, atol=1e-6)
    total = grid.integral(joint)[0]
    normal = abs(total - 1) < _LEAST  # if not, 'log-prob-integrates-to-one' reports it, and only shapes are compared
    expect(
        same, f"On {case.name}, log_prob with a mask in which nothing is missing differs from log_prob with no mask."
    )
    for places in groups:
        own = grid.of(places)
        some = torch.zeros(len(own.events), len(grid.axes), dtype=torch.float64)
        some[:, list(places)] = own.events
        gone = torch.ones_like(some, dtype=torch.bool)
        gone[:, list(places)] = False
        expected, half = grid.marginal(joint, places)
        marginal = log_prob(case, case.under_one(some, gone)).exp()
        error = (expected - half).abs()  # of the quadrature, large where a density has edges
        if not normal:
            marginal, expected = (density / (density * own.log_weights.exp()).sum() for density in (marginal, expected))
        far = (((marginal - expected).abs() - _ERRORS * error).max() / expected.max()).item()
        names = " and ".join(case.data.value_name(place) for place in places)
        expect(far < _MARGINAL, f"On {case.name}, log_prob of {names} alone is off by {far:.1%} of its peak.")


PROMISES = tuple(
    Promise.of(check, "likelihood")
    for check in (
        log_prob_shape,
        log_prob_stands_alone,
        log_prob_in_threads,
        log_prob_integrates_to_one,
        log_prob_agrees_with_samples,
        degrees_of_freedom,
        missing_values_are_integrated_out,
    )
)


_SHARE = 0.25
"""Where directions are counted, between the untrained (0) and the trained parameters (1)."""


_STEP = 1e-5
"""Step of a central difference, relative to the parameter; its error is of the order of the step squared."""


_SMALLEST = 1e-7
"""Singular values below this share of the largest count as 0: errors of the differences are 1e-10, directions more."""


_MOST = 200
"""Largest number of parameters for which directions are counted."""


def rank_of(case: Case) -> int | None:
    """Count the directions in which the parameters change the density.

    Near theta, log p(x; theta + d) is about log p(x; theta) + J d, and J has a row of scores for each event x. The rank
    of J is the number of parameters that data can identify, as in "Identification in Parametric Models" (Rothenberg,
    1971).

    Returns:
        The rank, or `None` if the model has too many parameters.
    """
    generator = case.generator()
    assert isinstance(generator, Likelihood)
    free = _free(case, generator)
    count = sum(tensor.numel() for tensor in free)
    if not 0 < count <= _MOST:
        return None
    drawn = scoped(lambda: case.sample(4 * count, generator))
    x = torch.cat([case.given().x, drawn])
    given = Given(x, None, case.conditions(len(x)), case.data)
    columns = [
        _derivative(generator, given, tensor.view(-1), place) for tensor in free for place in range(tensor.numel())
    ]
    # The column of ones (taken off the rank below) absorbs directions that only add a constant to every log-density:
    # a missing normalization is no degree of freedom.
    jacobian = torch.stack([torch.ones(len(x), dtype=torch.float64), *columns], 1)
    norms = jacobian.norm(dim=0)
    jacobian = jacobian[:, norms > 1e-9 * norms.max()]
    values = torch.linalg.svdvals(jacobian / jacobian.norm(dim=0))  # columns of unit length: no unit of theta matters
    return int((values > _SMALLEST * values[0]).sum()) - 1


def _free(case: Case, generator: Generator) -> list[Tensor]:
    """Return the generator's free parameters: those that gradients train, or else the numbers that training changed.

    They are moved back towards their untrained values: an estimate may lie on the edge of its range, where some
    directions change nothing.
    """
    parts = case.parts()
    trainable = {name for name, value in parts.generator.named_parameters() if value.requires_grad}
    untrained = parts.generator.state_dict()
    free = []
    for name, value in generator.state_dict().items():
        begun = untrained[name].to(value)
        if name in trainable or (not trainable and value.is_floating_point() and not torch.equal(value, begun)):
            value.copy_(torch.lerp(begun, value, _SHARE))
            free.append(value)
    return free


def _derivative(generator: Generator, given: Given, values: Tensor, place: int) -> Tensor:
    """Differentiate the log-densities of events by one number of the generator's state, `(N,)`."""
    assert isinstance(generator, Likelihood)
    before = values[place].item()
    step = _STEP * max(1.0, abs(before))
    logs = []
    for moved in (before + step, before - step):
        values[place] = moved
        logs.append(scoped(lambda: copied(given).ask(generator.log_prob)))
    values[place] = before
    return (logs[0] - logs[1]) / (2 * step)
