"""In how many directions the parameters of a model change its density: the rank of a Jacobian.

The column of a parameter is the derivative of the log-densities of many events by it. A direction in which a density
stays normalised has a derivative that averages to 0 over the model's own events, and one that only changes the
normalisation, of weights that are not normalised or of a constant kept apart, has a constant. So the rank is taken
together with a column of ones, which is not counted. Differences are central, in float64, so that any code is
differentiated, whether or not gradients pass through it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from genzoo.model import Generator, Likelihood
from genzoo.testing.subject import Case, scoped

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
