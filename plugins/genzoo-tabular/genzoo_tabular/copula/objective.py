"""The objective of `copula`: one fit of marginals and correlations, with no steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from genzoo import Batch, ConfigError, DirectObjective, Model
from genzoo_tabular.copula.fitting import Rows, fit
from genzoo_tabular.copula.model import Copula
from genzoo_tabular.copula.options import FitOptions


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
        parts = [(batch.x.double(), batch.missing, batch.weight) for batch in blocks]
        x = torch.cat([part for part, _, _ in parts])
        missing = torch.cat(
            [torch.zeros_like(part, dtype=torch.bool) if mask is None else mask for part, mask, _ in parts]
        )
        weights = torch.cat(
            [part.new_ones(len(part)) if weight is None else weight.double() for part, _, weight in parts]
        )
        seen = (weights > 0).nonzero().flatten()
        return fit(model.generator, Rows(x, missing, weights).take(seen), self.sweeps)


def build(options: FitOptions) -> MarginalsAndCorrelations:
    """Build the objective."""
    return MarginalsAndCorrelations(options.sweeps)
