"""Normal columns with one variance per component, the same for all columns."""

from __future__ import annotations

from torch import Tensor

from genzoo_mixture.emission.diagonal import Diagonal
from genzoo_mixture.emission.families import FAMILIES


class Spherical(Diagonal):
    """Normal distributions with `means (K, C)` and standard deviations `scale (K,)`."""

    family = FAMILIES["VII"]

    def _shape(self) -> tuple[int, ...]:
        return (self.components,)

    def _deviations(self) -> Tensor:
        return self.scale[:, None].expand_as(self.means)

    def _common(self, added: Tensor) -> Tensor:
        return added.mean()

    def _renewed(self, filled: Tensor) -> Tensor:
        return filled.any(1)

    def _variance(self, squares: Tensor, present: Tensor, added: Tensor) -> Tensor:
        return squares.sum(1) / present.expand_as(squares).sum(1) + added
