"""Promises of models whose density is known exactly."""

from __future__ import annotations

import torch
from torch import Tensor

from genzoo.models.base import Generator, Likelihood
from genzoo.testing.checks.capabilities import LOG_PROB, Given, stands_alone, take_part
from genzoo.testing.promise import DoesNotApply, Promise, expect
from genzoo.testing.quadrature import Grid, grid_of
from genzoo.testing.sample_density import disagreement
from genzoo.testing.subject import Case, Subject, copied, scoped

_NODES, _PAIR = 2_000, 200
"""Nodes of a number where an event holds one, and where it holds two."""


_PART = 4_000
"""Events that are asked about at once: of networks, several times more take twice as long for each."""


_LEAST = 1e-3
"""How far from 1 a density may integrate, besides what the quadrature is wrong by."""


_ROUGH = 0.02
"""How far the integral from half the nodes may lie from that of all, for these to be enough."""


_FAR = 1e6
"""Times as far as events lie what lies far away."""


_SMALL = 6
"""Places of events that are walked among; larger ones only where a model takes no smaller."""


_MARGINAL = 1e-2
"""How far the density of a part may lie from the integral over the rest, in parts of its peak."""


def log_prob(case: Case, *given: Tensor) -> Tensor:
    """Log-densities under the trained model in float64, in parts that fit into a processor's cache."""
    generator = case.wide
    assert isinstance(generator, Likelihood)
    parts = zip(*(torch.split(tensor, _PART) for tensor in given), strict=True)
    return scoped(lambda: torch.cat([generator.log_prob(*copied(some)) for some in parts]))


def log_prob_shape(subject: Subject) -> None:
    """`log_prob` gives one number for each event, finite for events and for the model's own samples, and a number or
    minus infinity for what lies far away.
    """
    for case in subject.having(Likelihood):
        for what, given in _asked(case):
            found = log_prob(case, *given)
            wanted = (len(given[0]),)
            expect(
                tuple(found.shape) == wanted,
                f"On {case.name}, log_prob of {wanted[0]} {what} has the shape {tuple(found.shape)} and not {wanted}.",
            )
            bad = found[~found.isfinite()]
            expect(not len(bad), f"On {case.name}, log_prob of {what} is {bad[:1].tolist()} for some.")
        far = log_prob(case, _FAR * (1.0 + case.batch(7, torch.float64).x.abs()))
        strange = far[far.isnan() | far.isposinf()]
        expect(not len(strange), f"On {case.name}, log_prob of events far away is {strange[:1].tolist()}.")


def _asked(case: Case) -> list[tuple[str, Given]]:
    given = case.given()
    samples = scoped(lambda: case.wide.sample(200))
    found: list[tuple[str, Given]] = [
        ("events", given),
        ("events", take_part(given, slice(1))),
        ("samples", (samples,)),
    ]
    return found


def log_prob_stands_alone(subject: Subject) -> None:
    """`log_prob` of an event does not depend on the others in the batch, nor on whether the model was training."""
    for case in subject.having(Likelihood):
        stands_alone(case, LOG_PROB)
        fitted, asked = case.fitted, case.dataset.events[:37]
        if fitted.dequantized:
            continue
        before = fitted.log_prob(asked)
        fitted.generator.train()
        try:
            same = bool((fitted.log_prob(asked) == before).all())
        finally:
            fitted.generator.eval()
        expect(same, f"On {case.name}, log_prob is another once the model was set to train.")


def log_prob_integrates_to_one(subject: Subject) -> None:
    """The density integrates to 1, and probabilities sum to 1: by quadrature over numbers, by enumeration of codes."""
    judged = 0
    for case in subject.having(Likelihood):
        grid = grid_of(case, 200_000, _NODES, _PAIR)
        if grid is None:
            continue
        total, coarse = grid.integral(log_prob(case, grid.events))
        if abs(total - coarse) > _ROUGH:
            continue
        judged += 1
        expect(
            abs(total - 1) < _LEAST + 3 * abs(total - coarse),
            f"On {case.name}, the density integrates to {total:.5g} and not to 1.",
        )
    if not judged:
        raise DoesNotApply("no toy that it takes has a density that can be integrated on a grid")


def log_prob_agrees_with_samples(subject: Subject) -> None:
    """The density is that of the model's own samples, as far as ten thousand of them tell (see `walk`)."""
    whole = [case for case in subject.having(Likelihood) if not case.data.missing]
    small = [case for case in whole if case.data.size <= _SMALL] or whole[:1]
    if not small:
        raise DoesNotApply("it takes no toy without missing values")
    for case in small:
        seen = disagreement(case, lambda x, case=case: log_prob(case, x))  # type: ignore[misc]
        expect(seen is None, f"On {case.name}, samples are not of the density: {seen}.")


def degrees_of_freedom(subject: Subject) -> None:
    """`degrees_of_freedom` is the number of directions in which its parameters change the density."""
    judged = 0
    for case in subject.having(Likelihood):
        generator = case.wide
        assert isinstance(generator, Likelihood)
        claimed = generator.degrees_of_freedom
        if claimed is None or case.data.missing or case.data.size > 8:
            continue
        found = rank_of(case)
        if found is None:
            continue
        judged += 1
        expect(
            claimed == found,
            f"On {case.name}, it says that it has {claimed} degrees of freedom, and its parameters change the density "
            f"in {found} directions.",
        )
    if not judged:
        raise DoesNotApply("it says None, or has too many parameters to count directions")


def missing_values_are_integrated_out(subject: Subject) -> None:
    """With values missing, `log_prob` is that of the observed ones: the integral over all that the others could be."""
    judged = 0
    for case in subject.having(Likelihood):
        grid = grid_of(case, 200_000, _NODES, _PAIR) if case.data.missing else None
        if grid is None:
            continue
        judged += 1
        _check_marginals(case, grid)
    if not judged:
        raise DoesNotApply("it takes no toy with missing values that can be integrated over")


def _check_marginals(case: Case, grid: Grid) -> None:
    x = grid.events
    joint = log_prob(case, x, torch.zeros_like(x, dtype=torch.bool))
    same = torch.allclose(joint, log_prob(case, x), rtol=1e-6, atol=1e-6)
    total = grid.integral(joint)[0]
    normal = abs(total - 1) < _LEAST  # where it is not, 'log-prob-integrates-to-one' says so
    expect(same, f"On {case.name}, log_prob is another with a mask in which nothing is missing than without one.")
    for place, axis in enumerate(grid.axes):
        asked = torch.zeros(len(axis.values), len(grid.axes), dtype=torch.float64)
        asked[:, place] = axis.values
        gone = torch.ones_like(asked, dtype=torch.bool)
        gone[:, place] = False
        summed, found = grid.marginal(joint, place), log_prob(case, asked, gone).exp()
        if not normal:
            found, summed = (density / (density * axis.log_weights.exp()).sum() for density in (found, summed))
        far = ((found - summed).abs().max() / summed.max()).item()
        expect(
            far < _MARGINAL,
            f"On {case.name}, log_prob of {case.data.features[place].name!r} alone is off by {far:.1%} of its peak.",
        )


PROMISES = tuple(
    Promise.of(check, "likelihood")
    for check in (
        log_prob_shape,
        log_prob_stands_alone,
        log_prob_integrates_to_one,
        log_prob_agrees_with_samples,
        degrees_of_freedom,
        missing_values_are_integrated_out,
    )
)


_SHARE = 0.25
"""How much of the way from its start to its end training has gone where directions are counted."""


_STEP = 1e-5
"""Of a central difference, in units of a parameter's size; its error is the square of that."""


_SMALLEST = 1e-7
"""Singular values below that share of the largest are 0 but for rounding."""


_MOST = 200
"""Parameters beyond which a model is no small case."""


def rank_of(case: Case) -> int | None:
    """The number of directions; `None` where the model has too many parameters."""
    generator = case.generator()
    assert isinstance(generator, Likelihood)
    free = _free(case, generator)
    count = sum(tensor.numel() for tensor in free)
    if not 0 < count <= _MOST:
        return None
    x = torch.cat([case.batch(dtype=torch.float64).x, scoped(lambda: generator.sample(4 * count))])
    columns = [_derivative(generator, x, tensor.view(-1), place) for tensor in free for place in range(tensor.numel())]
    jacobian = torch.stack([torch.ones(len(x), dtype=torch.float64), *columns], 1)
    norms = jacobian.norm(dim=0)
    jacobian = jacobian[:, norms > 1e-9 * norms.max()]
    values = torch.linalg.svdvals(jacobian / jacobian.norm(dim=0))
    return int((values > _SMALLEST * values[0]).sum()) - 1


def _free(case: Case, generator: Generator) -> list[Tensor]:
    """The parameters that gradients train; of models without, the numbers that training changed.

    They are moved back towards where training began, as estimates may lie at the edge of what they can be, where
    some directions change nothing.
    """
    parts = case.parts()
    trainable = {name for name, value in parts.generator.named_parameters() if value.requires_grad}
    untrained = parts.generator.state_dict()
    found = []
    for name, value in generator.state_dict().items():
        begun = untrained[name].to(value)
        if name in trainable or (not trainable and value.is_floating_point() and not torch.equal(value, begun)):
            value.copy_(torch.lerp(begun, value, _SHARE))
            found.append(value)
    return found


def _derivative(generator: Generator, x: Tensor, values: Tensor, place: int) -> Tensor:
    """Of the log-densities of `x` by one number of a tensor of the generator, `(N,)`."""
    assert isinstance(generator, Likelihood)
    before = values[place].item()
    step = _STEP * max(1.0, abs(before))
    found = []
    for moved in (before + step, before - step):
        values[place] = moved
        found.append(scoped(lambda: generator.log_prob(x.clone())))
    values[place] = before
    return (found[0] - found[1]) / (2 * step)
