"""Normal columns with covariance matrices of one of mclust's families."""

from __future__ import annotations

import torch
from torch import Tensor

from genzoo_mixture.emission.emission import Added
from genzoo_mixture.emission.families import CovarianceFamily, Guess
from genzoo_mixture.emission.full import Full, factorize


class Structured(Full):
    """Normal distributions N(mu_k, Sigma_k) whose covariances belong to a family.

    Arguments:
        family: one whose columns may be correlated.

    The buffer `own (K,)` holds the mean squared deviation of a component's events from its mean, in units of its
    covariance. It is 1, but for families whose components share a volume. `axes (C, C)` are the common axes, if the
    family has some to search for; 0 before the first M-step.
    """

    own: Tensor
    axes: Tensor

    def __init__(self, family: CovarianceFamily, components: int, columns: int, added: Added) -> None:
        super().__init__(components, columns, added)
        self.family = family
        self.register_buffer("own", torch.ones(components))
        if family.axes_are_shared:
            self.register_buffer("axes", torch.zeros(columns, columns))

    @property
    def effort(self) -> float:
        # Many small operations, about as many as there are columns.
        return 5e5 * self.columns if self.family.axes_are_shared else 0.0

    def _constrain(self, factor: Tensor, counts: Tensor, added: Tensor) -> Tensor:
        within = factor @ factor.mT
        found, guess = self.family.fit(within, counts / counts.sum(), self._guess())
        if (own := self.family.own_volumes(within, found)) is not None:
            self.own.copy_(own)
        if guess.axes is not None:
            self.axes.copy_(guess.axes)
        return factorize(found, added)

    def _guess(self) -> Guess | None:
        """Return where the iteration of the M-step begins: at the parameters, or anywhere in the first M-step."""
        volumes = self.scale.double().diagonal(dim1=-2, dim2=-1).log().mul(2).mean(-1).exp()
        if not self.family.axes_are_shared:
            return Guess(volumes)
        return Guess(volumes, self.axes.double()) if bool(self.axes.any()) else None

    def spread(self, low: Tensor, high: Tensor) -> None:
        super().spread(low, high)
        if self.family.axes_are_shared:
            self.axes.zero_()

    def _own_scale(self) -> Tensor:
        return super()._own_scale() * self.own.double().sqrt()[:, None, None]
