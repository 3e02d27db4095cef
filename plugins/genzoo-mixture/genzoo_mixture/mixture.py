"""A mixture of Gaussians; one Gaussian is the mixture of one.

References:
    "Finite Mixture Models" (McLachlan and Peel, 2000).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genzoo import Components, DataSpec, Generator, Likelihood, Parts
from genzoo_mixture.covariance import COVARIANCES
from genzoo_mixture.covariance.covariance import Covariance
from genzoo_mixture.options import GaussianOptions, MixtureOptions


def build_gaussian(config: GaussianOptions, data: DataSpec) -> Parts:
    """One Gaussian over the columns of the data."""
    return Parts(_mixture(config, 1, "random", data))


def build_mixture(config: MixtureOptions, data: DataSpec) -> Parts:
    """A mixture over the columns of the data."""
    return Parts(_mixture(config, config.components, config.start, data))


def _mixture(config: GaussianOptions, components: int, start: str, data: DataSpec) -> GaussianMixture:
    if any(feature.kind != "continuous" for feature in data.features):
        raise ValueError("every column must be continuous")
    covariance = COVARIANCES[config.covariance](components, data.event_shape[0], config.reg_covar)
    return GaussianMixture(covariance, start)


class GaussianMixture(Generator, Likelihood, Components):
    """K Gaussians with weights.

    Arguments:
        covariance: of all components.
        start: how EM finds the first means.

    Shape:
        Events `(N, C)`.
    """

    log_weights: Tensor
    means: Tensor

    def __init__(self, covariance: Covariance, start: str) -> None:
        super().__init__()
        components = covariance.components
        self.start = start
        self.covariance = covariance
        self.register_buffer("log_weights", torch.full((components,), -math.log(components)))
        self.register_buffer("means", torch.zeros(components, covariance.columns))

    @property
    def degrees_of_freedom(self) -> int:
        return self.means.numel() + len(self.means) - 1 + self.covariance.degrees_of_freedom

    def log_joint(self, x: Tensor) -> Tensor:
        """Log-density of `x (N, C)` with each component, `(N, K)`."""
        constant = self.log_weights - self.covariance.log_det() - 0.5 * self.covariance.columns * math.log(2 * math.pi)
        return constant - 0.5 * self.covariance.distances(x, self.means)

    def log_prob(self, x: Tensor) -> Tensor:
        return self.log_joint(x).logsumexp(1)

    def log_posterior(self, x: Tensor) -> Tensor:
        return self.log_joint(x).log_softmax(1)

    def sample(self, n: int, *, condition: Tensor | None = None, **options: object) -> Tensor:
        component = torch.multinomial(self.log_weights.exp(), n, replacement=True)
        noise = torch.randn(n, self.covariance.columns, device=self.means.device, dtype=self.means.dtype)
        return self.means[component] + self.covariance.stretch(noise, component)
