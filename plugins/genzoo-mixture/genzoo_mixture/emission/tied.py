"""Normal columns with one covariance matrix for all components."""

from __future__ import annotations

from torch import Tensor

from genzoo_mixture.emission.families import FAMILIES
from genzoo_mixture.emission.full import Full


class Tied(Full):
    """Normal distributions N(mu_k, Sigma): all components share `scale (C, C)` and `whitener (C, C)`.

    All components are whitened by the same L, so their scatter adds up, and the weighted scatter of the means is
    subtracted.
    """

    family = FAMILIES["EEE"]

    def _shape(self) -> tuple[int, ...]:
        return (self.columns, self.columns)

    def _gather(self, scatter: Tensor) -> Tensor:
        return scatter.sum(0)

    def _within(self, scatter: Tensor, weights: Tensor, divisors: Tensor, shift: Tensor) -> Tensor:
        return (scatter - (shift * weights[:, None]).mT @ shift) / divisors.sum()

    def _where_not_empty(self, counts: Tensor, new: Tensor, old: Tensor) -> Tensor:
        return new
