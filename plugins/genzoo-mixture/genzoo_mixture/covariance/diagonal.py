"""Independent columns: a variance per component and column."""

from __future__ import annotations

import torch
from torch import Tensor

from genzoo_mixture.covariance.covariance import Covariance


class Diagonal(Covariance):
    """`scale (K, C)` holds standard deviations.

    Squares are expanded into matrix products, in float64: expanded in float32 they would cancel where means lie far
    from the centre, and written out they would fill `(N, K, C)`.
    """

    scale: Tensor

    def __init__(self, components: int, columns: int, reg_covar: float) -> None:
        super().__init__(components, columns, reg_covar)
        self.register_buffer("scale", torch.ones(components, columns))

    @property
    def degrees_of_freedom(self) -> int:
        return self.components * self.columns

    def distances(self, x: Tensor, means: Tensor) -> Tensor:
        wide, mean, precision = x.double(), means.double(), self.scale.double() ** -2
        squares = wide.square() @ precision.T - 2 * wide @ (mean * precision).T
        return squares.add_((mean.square() * precision).sum(1)).clamp_min_(0.0).to(x.dtype)

    def log_det(self) -> Tensor:
        return self.scale.log().sum(1)

    def stretch(self, noise: Tensor, component: Tensor) -> Tensor:
        return noise * self.scale[component]

    def scatter(self, x: Tensor, means: Tensor, share: Tensor) -> Tensor:
        wide, mean, weight = x.double(), means.double(), share.double()
        return weight.T @ wide.square() - 2 * mean * (weight.T @ wide) + mean.square() * weight.sum(0)[:, None]

    def maximise(self, scatter: Tensor, counts: Tensor, shift: Tensor) -> None:
        variance = (scatter / counts[:, None] - shift.square()).clamp_min(0.0) + self.reg_covar
        self.scale.copy_(variance.sqrt())
