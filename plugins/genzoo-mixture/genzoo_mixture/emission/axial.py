"""Normal columns, independent given the component, with variances of one of mclust's families."""

from __future__ import annotations

import torch
from torch import Tensor

from genzoo_mixture.emission.diagonal import Diagonal
from genzoo_mixture.emission.emission import EMPTY, Added
from genzoo_mixture.emission.families import CovarianceFamily, Guess


class Axial(Diagonal):
    """Normal distributions with `means (K, C)` and standard deviations `scale (K, C)` of a family.

    Values are taken to be missing at random. They count with the squared deviations that the last parameters expect.

    Arguments:
        family: one whose columns are not correlated.

    The buffer `own (K,)` holds the mean squared deviation of a component's events from its mean, in units of its
    variances. It is 1, but for families whose components share a volume.
    """

    own: Tensor

    def __init__(self, family: CovarianceFamily, components: int, columns: int, added: Added) -> None:
        super().__init__(components, columns, added)
        self.family = family
        self.register_buffer("own", torch.ones(components))

    def _renewed(self, filled: Tensor) -> Tensor:
        return filled.any(1, keepdim=True)

    def _completed(self, squares: Tensor, present: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        every = counts[:, None] + EMPTY
        return squares + (every - present).clamp_min(0.0) * self.scale.double().square(), every

    def _variance(self, squares: Tensor, present: Tensor, added: Tensor) -> Tensor:
        scatter = (squares / present + added).expand_as(self.means)
        counts = present.expand_as(scatter)[:, 0]
        volumes = self.scale.double().log().mul(2).mean(1).exp()
        found, _ = self.family.fit(scatter, counts / counts.sum(), Guess(volumes))
        if (own := self.family.own_volumes(scatter, found)) is not None:
            self.own.copy_(own)
        return found

    def _common(self, added: Tensor) -> Tensor:
        return added.mean() if self.family.round else added

    def _own_variances(self) -> Tensor:
        return super()._own_variances() * self.own.double()[:, None]
