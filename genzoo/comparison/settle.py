"""Take EM on until ICL has converged to the digits that a report prints.

When EM stops, the log-likelihood is flat, and its error is of second order in the parameters'. The second term of ICL,
the log-probability of each row's likeliest component, is not flat, and its error is of first order.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from genzoo.engine.em import EMEngine
from genzoo.models.base import Components
from genzoo.models.objective import Batch
from genzoo.training.setup import TrainingSetup

TOLERANCE_OF_SUM = 0.01
"""Change of the log-likelihood of all rows, in nats, at which EM has converged in a fit for information criteria."""

_WITHIN = 2.5e-3
"""Largest error of ICL: a quarter of a step in the second decimal."""

_ROUNDING = 1e-11
"""Changes of ICL below this share of it may be nothing but rounding errors of its sums."""

_SLOWEST = 0.999
"""Largest share of its last change that a pass is taken to change ICL by."""


def settle(setup: TrainingSetup, events: float) -> None:
    """Take further passes from the best restart until ICL has converged, at most `max_iter`.

    EM with a coarser tolerance was asked to stop early, and is left as it is.

    Arguments:
        setup: training that has ended.
        events: number of training rows, or the sum of their weights.

    Changes shrink by a constant factor from pass to pass as EM converges (Böhning et al., 1994). Their sum estimates
    how far ICL still has to go.
    """
    engine, generator = setup.engine, setup.engine.trained
    training = setup.config.training
    if not isinstance(engine, EMEngine) or not isinstance(generator, Components) or training.kind != "em":
        return
    if not engine.converged or training.tol * events > 2 * TOLERANCE_OF_SUM:
        return
    blocks = next(setup.loader.items(1))
    last = change = float("inf")
    for _ in range(training.max_iter):
        certainty = _certainty(generator, blocks)
        icl = -2 * (engine.refine(blocks) + certainty)
        before, change, last = change, abs(icl - last), icl
        factor = min(change / before, _SLOWEST) if before > 0 else 0.0
        if change / (1 - factor) <= max(_WITHIN, _ROUNDING * abs(icl)) and before < float("inf"):
            return


@torch.no_grad()
def _certainty(generator: Components, blocks: Iterable[Batch]) -> float:
    """Return the sum over events of the log-probability of their likeliest component."""
    total = 0.0
    for batch in blocks:
        mask = () if batch.missing is None else (batch.missing,)
        surest = generator.log_posterior(batch.x, *mask).amax(1).double()
        total += float(surest.sum() if batch.weight is None else surest @ batch.weight.double())
    return total
