"""What EM reports about a fit: whether it is a proper maximum, how exact it is, and its starts."""

from __future__ import annotations

from collections.abc import Mapping

from genzoo.config.training import EMTraining
from genzoo.engine.em import EMEngine
from genzoo.metrics.resting import Resting
from genzoo.training.setup import TrainingSetup

NO_MAXIMUM = "no proper maximum of the likelihood"
"""Beginning of the reason why figures of a degenerate fit are missing or not ranked."""


def fault_of(setup: TrainingSetup, resting: Resting | None) -> str | None:
    """Return why a fit by EM is no proper maximum of the likelihood, as a clause; `None` if it is, and for other fits.

    Arguments:
        resting: what its density rests on, other than the data.
    """
    engine = setup.engine
    if not isinstance(engine, EMEngine) or engine.kept is None or engine.kept["fault"] is None:
        return None
    return str(engine.kept["fault"]) + ("" if resting is None else f"; {resting.reason}")


def resolution_of(setup: TrainingSetup) -> float:
    """Return the smallest meaningful difference of log-likelihoods, nats per row.

    EM stops when one pass changes the mean by less than `tol`. If it converges slowly, the distance to the maximum is a
    multiple of that last change. Ten times `tol` is a cautious value.
    """
    training = setup.config.training
    return 10 * training.tol if isinstance(training, EMTraining) else 0.0


def starts_of(setup: TrainingSetup) -> Mapping[str, int] | None:
    return setup.engine.starts if isinstance(setup.engine, EMEngine) else None
