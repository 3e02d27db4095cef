"""One covariance matrix for all components."""

from __future__ import annotations

import torch
from torch import Tensor

from genzoo_mixture.covariance.covariance import Covariance


class Tied(Covariance):
    """`scale (C, C)` is the lower Cholesky factor of the covariance, `whitener` its inverse, transposed."""

    scale: Tensor
    whitener: Tensor

    def __init__(self, components: int, columns: int, reg_covar: float) -> None:
        super().__init__(components, columns, reg_covar)
        self.register_buffer("scale", torch.eye(columns))
        self.register_buffer("whitener", torch.eye(columns))

    @property
    def degrees_of_freedom(self) -> int:
        return self.columns * (self.columns + 1) // 2

    def distances(self, x: Tensor, means: Tensor) -> Tensor:
        return torch.cdist(
            x @ self.whitener, means @ self.whitener, compute_mode="donot_use_mm_for_euclid_dist"
        ).square()

    def log_det(self) -> Tensor:
        return self.scale.diagonal().log().sum().expand(self.components)

    def stretch(self, noise: Tensor, component: Tensor) -> Tensor:
        return noise @ self.scale.mT

    def scatter(self, x: Tensor, means: Tensor, share: Tensor) -> Tensor:
        # Sum over components of deviations' squares, by way of each event's own mean mean: no (N, K, C) is made.
        weight = share.sum(1)
        centre = (share @ means) / weight.clamp_min(torch.finfo(weight.dtype).tiny)[:, None]
        y = (x - centre) * weight.sqrt()[:, None]
        around = y.T @ y
        spread = torch.einsum("nk,kc,kd->cd", share, means, means) - (centre * weight[:, None]).T @ centre
        return around.double() + spread.double()

    def maximise(self, scatter: Tensor, counts: Tensor, shift: Tensor) -> None:
        within = (scatter - (shift * counts[:, None]).mT @ shift) / counts.sum()
        within.diagonal().add_(self.reg_covar)
        factor = torch.linalg.cholesky(within)
        identity = torch.eye(self.columns, dtype=factor.dtype, device=factor.device)
        self.scale.copy_(factor)
        self.whitener.copy_(torch.linalg.solve_triangular(factor, identity, upper=False).mT)
