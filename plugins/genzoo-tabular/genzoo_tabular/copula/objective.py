"""The objective of `copula`: one fit of marginals and correlations, with no steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from genzoo import Batch, ConfigError, DirectObjective, Model
from genzoo_tabular.copula.fitting import fit
from genzoo_tabular.copula.model import Copula
from genzoo_tabular.copula.options import FitOptions
from genzoo_tabular.rows import TrainingRows


class MarginalsAndCorrelations(DirectObjective):
    """Fit the marginal of each column, then the correlations of their normal scores.

    References:
        "Asymptotic Efficiency of the Two-Stage Estimation Method for Copula-Based Models" (Joe, 2005).

    Arguments:
        sweeps: draws of the scores that ranks or missing values leave open.
    """

    weighted = True

    def __init__(self, sweeps: int) -> None:
        self.sweeps = sweeps

    def fit(self, model: Model, blocks: Iterable[Batch]) -> dict[str, Any]:
        if not isinstance(model.generator, Copula):
            raise ConfigError("This objective fits copulas, and this model is none.")
        return fit(model.generator, TrainingRows.of(blocks), self.sweeps)


def build(options: FitOptions) -> MarginalsAndCorrelations:
    """Build the objective."""
    return MarginalsAndCorrelations(options.sweeps)
