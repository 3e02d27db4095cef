"""Build the untrained copula for the columns of a table."""

from __future__ import annotations

import torch
from torch import Tensor

from genzoo import ConfigError, DataSpec, Likelihood, LikelihoodBound, Parts
from genzoo_tabular.copula.marginals import Marginals, Parametric, Quantiles
from genzoo_tabular.copula.model import Copula
from genzoo_tabular.copula.options import CopulaOptions

_EXACT = 2
"""Largest number of columns with intervals of scores whose joint probability is computed exactly."""


class ExactCopula(Copula, Likelihood):
    """A copula with at most two columns of counts and categories besides the grouping one, whose density is exact."""

    @property
    def degrees_of_freedom(self) -> int | None:
        """None: marginals and correlations are fitted one after the other, so the likelihood has no maximum here."""
        return None

    def log_prob(self, x: Tensor, missing: Tensor | None = None) -> Tensor:
        return torch.logsumexp(self.log_joint(x, missing, 1), 0).to(x)


class BoundedCopula(Copula, LikelihoodBound):
    """A copula with more columns of counts and categories, whose density random draws bound from below."""

    def log_prob_bound(self, x: Tensor, missing: Tensor | None = None, *, draws: int = 1) -> Tensor:
        return torch.logsumexp(self.log_joint(x, missing, draws), 0).to(x)


def build(config: CopulaOptions, data: DataSpec) -> Parts:
    """Build the copula of a table.

    Raises:
        ConfigError: no column with levels has the name of `by`.
    """
    names = [feature.name for feature in data.features]
    named = [feature.name for feature in data.features if feature.levels is not None]
    if config.by not in ("auto", "none", *named):
        known = f"columns with levels are: {', '.join(named)}" if named else "no column has levels"
        raise ConfigError(f"by={config.by} is no column with levels of these data; {known}.")
    by = names.index(config.by) if config.by in named else -1
    numbers = sum(feature.levels is None for feature in data.features)
    marginals: Marginals = (
        Quantiles(numbers) if config.marginals == "empirical" else Parametric(numbers, config.marginals == "normal")
    )
    open_ = sum(feature.kind != "continuous" for feature in data.features) - (by >= 0)
    kind = ExactCopula if open_ <= _EXACT else BoundedCopula
    return Parts(kind(data.features, marginals, by, config.by == "auto"))
