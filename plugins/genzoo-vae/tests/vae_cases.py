"""Autoencoders with known parameters that are Gaussians with an exact log-likelihood."""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats
from torch import nn

import genzoo
from genzoo_vae.build import build
from genzoo_vae.observation import GaussianObservation
from genzoo_vae.options import VAEOptions
from genzoo_vae.prior import Normal
from genzoo_vae.vae import VAE

IMAGE = genzoo.DataSpec((1, 4, 4), "image", (genzoo.Feature("pixel"),), (0.0, 16.0), 1.0, "uint8")
BINARY = genzoo.DataSpec((1, 4, 4), "image", (genzoo.Feature("pixel", "binary", ("0", "1")),), (0.0, 1.0), 1.0, "uint8")
MIXED = genzoo.DataSpec(
    (5,),
    "table",
    (
        genzoo.Feature("smokes", "binary", ("no", "yes")),
        genzoo.Feature("height"),
        genzoo.Feature("town", "categorical", ("a", "b", "c")),
        genzoo.Feature("visits", "count"),
        genzoo.Feature("weight"),
    ),
    storage="float64",
)


def table(columns, missing=False):
    features = tuple(genzoo.Feature(f"x{i}") for i in range(columns))
    return genzoo.DataSpec((columns,), "table", features, storage="float64", missing=missing)


def made(data, **options):
    """Build the autoencoder of some options, in float64."""
    torch.manual_seed(0)
    return build(VAEOptions(**options), data).generator.double().eval()


class Factors:
    """Factor analysis, x = W z + b + noise: in closed form, and as an autoencoder."""

    def __init__(self, columns=5, latent=2, seed=0):
        rng = np.random.default_rng(seed)
        self.weight = rng.normal(0, 1, (columns, latent))
        self.shift = rng.normal(0, 1, columns)
        self.variance = rng.uniform(0.2, 0.8, columns)
        self.covariance = self.weight @ self.weight.T + np.diag(self.variance)
        self.precision = np.eye(latent) + self.weight.T @ (self.weight / self.variance[:, None])

    def sample(self, n, seed=1):
        return np.random.default_rng(seed).multivariate_normal(self.shift, self.covariance, n)

    def log_prob(self, x, seen=None):
        seen = np.ones(x.shape[1], bool) if seen is None else seen
        return stats.multivariate_normal(self.shift[seen], self.covariance[np.ix_(seen, seen)]).logpdf(x[:, seen])

    def conditional(self, x, seen):
        """Return the mean and covariance of an event's missing values, given its observed ones."""
        gain = self.covariance[np.ix_(~seen, seen)] @ np.linalg.inv(self.covariance[np.ix_(seen, seen)])
        mean = self.shift[~seen] + gain @ (x[seen] - self.shift[seen])
        return mean, self.covariance[np.ix_(~seen, ~seen)] - gain @ self.covariance[np.ix_(seen, ~seen)]

    def elbo(self, x):
        """Compute the ELBO of the best diagonal q(z | x): log p(x) minus its divergence from the true posterior."""
        variances = 1 / np.diag(self.precision)
        _, log_det = np.linalg.slogdet(self.precision)
        return self.log_prob(x) - 0.5 * (-log_det - np.log(variances).sum())

    def autoencoder(self, widen=1.0, draws=100):
        """Build the autoencoder with the true decoder and the best diagonal q(z | x), its variances times `widen`."""
        columns, latent = self.weight.shape
        solved = np.linalg.solve(self.precision, self.weight.T / self.variance)
        encoder, decoder = nn.Linear(columns, 2 * latent), nn.Linear(latent, columns)
        observation = GaussianObservation(columns, "place", 0.5, 1e-3)
        vae = (
            VAE(encoder, decoder, observation, Normal(latent), (columns,), latent, imputation_draws=draws)
            .double()
            .eval()
        )
        with torch.no_grad():
            encoder.weight.copy_(torch.as_tensor(np.concatenate([solved, np.zeros_like(solved)])))
            log_variance = np.log(widen / np.diag(self.precision))
            encoder.bias.copy_(torch.as_tensor(np.concatenate([-solved @ self.shift, log_variance])))
            decoder.weight.copy_(torch.as_tensor(self.weight))
            decoder.bias.copy_(torch.as_tensor(self.shift))
            set_deviation(observation, np.sqrt(self.variance))
        return vae


def set_deviation(observation, deviation):
    """Set the observation's parameters so that it has these standard deviations.

    The logarithm of a deviation is `least + softplus(raw + start)`.
    """
    raw = observation.spread.raw
    rises = {}
    for value in (-1e4, 0.0):
        raw.fill_(value)
        rises[value] = observation.spread(raw).clone()
    least = rises[-1e4]
    start = torch.log(torch.expm1(rises[0.0] - least))
    raw.copy_(torch.log(torch.expm1(torch.as_tensor(np.log(deviation)) - least)) - start)
    assert np.allclose(observation.spread(raw).exp(), deviation, rtol=1e-12)
