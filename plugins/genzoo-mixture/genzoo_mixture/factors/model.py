"""Mixtures of factor analyzers, and factor analysis, which has one component."""

from __future__ import annotations

import torch
from torch import Tensor

from genzoo import Decoder, Encoder, Reconstruction
from genzoo_mixture.factors.emission import Factors
from genzoo_mixture.mixture import Mixture


class FactorMixture(Mixture, Encoder, Reconstruction):
    """A mixture whose components are factor models, p(x | k) = N(mu_k, W_k W_k^T + Psi_k).

    `encode` returns the posterior mean of the factors, E[z | x] = sum_k p(k | x) E[z | x, k]. `reconstruct` returns
    sum_k p(k | x) (mu_k + W_k E[z | x, k]). Missing values are integrated out.
    """

    thread_safe = False  # `Factors` derives the matrices that it computes with anew

    @property
    def factors(self) -> Factors:
        """The only emission."""
        emission = self.emissions[0]
        assert isinstance(emission, Factors)
        return emission

    def encode(self, x: Tensor, missing: Tensor | None = None) -> Tensor:
        share, z = self._infer(x, missing)
        return torch.einsum("nk,knq->nq", share, z)

    def reconstruct(self, x: Tensor, missing: Tensor | None = None) -> Tensor:
        share, z = self._infer(x, missing)
        own = self.factors
        means = own.means[:, None] + z @ own.loadings.mT
        return torch.einsum("nk,knc->nc", share, means).view(x.shape)

    def _infer(self, x: Tensor, missing: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the posterior of the components, `(N, K)`, and of the factors given each, `(K, N, q)`."""
        hidden = None if missing is None else missing.flatten(1)
        return self.log_posterior(x, missing).exp(), self.factors.infer(x.flatten(1), hidden)


class FactorModel(FactorMixture, Decoder):
    """Factor analysis or probabilistic principal components: one component. `decode` returns mu + W z."""

    @property
    def latent(self) -> int:
        return self.factors.factors

    def prior_sample(self, n: int) -> Tensor:
        return torch.randn(n, self.latent, device=self.log_weights.device, dtype=self.log_weights.dtype)

    def decode(self, z: Tensor) -> Tensor:
        first = torch.zeros(len(z), dtype=torch.int64, device=z.device)
        return self.factors.compose(z, first).view(-1, *self.event_shape)
