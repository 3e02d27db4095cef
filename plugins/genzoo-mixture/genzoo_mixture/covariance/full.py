"""A covariance matrix of its own for every component."""

from __future__ import annotations

import torch
from torch import Tensor

from genzoo_mixture.covariance.covariance import Covariance


class Full(Covariance):
    """`scale (K, C, C)` is the lower Cholesky factor of each covariance, `whitener` its inverse, transposed."""

    scale: Tensor
    whitener: Tensor

    def __init__(self, components: int, columns: int, reg_covar: float) -> None:
        super().__init__(components, columns, reg_covar)
        identity = torch.eye(columns).repeat(components, 1, 1)
        self.register_buffer("scale", identity)
        self.register_buffer("whitener", identity.clone())

    @property
    def degrees_of_freedom(self) -> int:
        return self.components * self.columns * (self.columns + 1) // 2

    def _whiten(self, x: Tensor, means: Tensor) -> Tensor:
        """Deviations as standard normals, `(N, K, C)`: one matrix product for all components."""
        wide = self.whitener.permute(1, 0, 2).reshape(self.columns, -1)  # (C, K * C)
        centre = torch.einsum("kc,kcd->kd", means, self.whitener)  # (K, C)
        return torch.addmm(centre.flatten().neg(), x, wide).view(len(x), self.components, self.columns)

    def distances(self, x: Tensor, means: Tensor) -> Tensor:
        return self._whiten(x, means).square().sum(2)

    def log_det(self) -> Tensor:
        return self.scale.diagonal(dim1=1, dim2=2).log().sum(1)

    def stretch(self, noise: Tensor, component: Tensor) -> Tensor:
        return torch.einsum("ncd,nd->nc", self.scale[component], noise)

    def scatter(self, x: Tensor, means: Tensor, share: Tensor) -> Tensor:
        y = self._whiten(x, means) * share.sqrt()[:, :, None]
        y = y.transpose(0, 1)  # (K, N, C)
        return torch.bmm(y.transpose(1, 2), y).double()

    def maximise(self, scatter: Tensor, counts: Tensor, shift: Tensor) -> None:
        scale = self.scale.double()
        within = scale @ (scatter / counts[:, None, None]) @ scale.mT - shift[:, :, None] * shift[:, None, :]
        within.diagonal(dim1=1, dim2=2).add_(self.reg_covar)
        factor = torch.linalg.cholesky(within)
        identity = torch.eye(self.columns, dtype=factor.dtype, device=factor.device)
        self.scale.copy_(factor)
        self.whitener.copy_(torch.linalg.solve_triangular(factor, identity, upper=False).mT)
