"""One variance per component, the same in every direction."""

from __future__ import annotations

import torch
from torch import Tensor

from genzoo_mixture.covariance.covariance import Covariance


class Spherical(Covariance):
    """`scale (K,)` holds standard deviations."""

    scale: Tensor

    def __init__(self, components: int, columns: int, reg_covar: float) -> None:
        super().__init__(components, columns, reg_covar)
        self.register_buffer("scale", torch.ones(components))

    @property
    def degrees_of_freedom(self) -> int:
        return self.components

    def _squares(self, x: Tensor, means: Tensor) -> Tensor:
        """Squared Euclidean distances, `(N, K)`."""
        return torch.cdist(x, means, compute_mode="donot_use_mm_for_euclid_dist").square()

    def distances(self, x: Tensor, means: Tensor) -> Tensor:
        return self._squares(x, means) / self.scale.square()

    def log_det(self) -> Tensor:
        return self.scale.log() * self.columns

    def stretch(self, noise: Tensor, component: Tensor) -> Tensor:
        return noise * self.scale[component, None]

    def scatter(self, x: Tensor, means: Tensor, share: Tensor) -> Tensor:
        return (self._squares(x, means) * share).sum(0, dtype=torch.float64)

    def maximise(self, scatter: Tensor, counts: Tensor, shift: Tensor) -> None:
        variance = (scatter / counts - shift.square().sum(1)).clamp_min(0.0) / self.columns + self.reg_covar
        self.scale.copy_(variance.sqrt())
