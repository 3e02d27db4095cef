"""A linear factor model with one normal factor, and a bound by draws from a learned normal."""

import math

import torch
from torch import nn

import genzoo
from wrong_models.normal import check


def log_normal(x, mean, log_deviation):
    z = (x - mean) * (-log_deviation).exp()
    return -0.5 * z.square() - log_deviation - 0.5 * math.log(2 * math.pi)


class Right(genzoo.Generator, genzoo.LikelihoodBound, genzoo.Decoder, genzoo.Encoder):
    def __init__(self, config, data):
        check(data)
        super().__init__()
        columns = data.size
        self.encoder = nn.Linear(columns, 1)
        self.decoder = nn.Linear(1, columns)
        self.log_deviation = nn.Parameter(torch.full((columns,), -config.share))
        self.log_width = nn.Parameter(torch.tensor(-0.2))

    def weights(self, x, draws):
        """Compute the log-weights of draws from the posterior, `(draws, N)`."""
        mean = self.encoder(x)
        noise = torch.randn(draws, *mean.shape, device=x.device, dtype=x.dtype)
        z = mean + noise * self.log_width.exp()
        explained = log_normal(x, self.decoder(z), self.log_deviation).sum(-1)
        return explained + log_normal(z, 0.0, torch.zeros_like(self.log_width)).sum(-1) - self.posterior(z, mean)

    def posterior(self, z, mean):
        return log_normal(z, mean, self.log_width).sum(-1)

    def log_prob_bound(self, x, *, draws=1):
        return self.weights(x, draws).logsumexp(0) - math.log(draws)

    def loss(self, x, missing):
        return -Right.log_prob_bound(self, x).mean()

    @property
    def latent(self):
        return 1

    def prior_sample(self, n):
        weight = self.decoder.weight
        return torch.randn(n, 1, device=weight.device, dtype=weight.dtype)

    def decode(self, z):
        return self.decoder(z)

    def encode(self, x):
        return self.encoder(x)

    def sample(self, n, *, condition=None, **options):
        mean = self.decode(self.prior_sample(n))
        return mean + torch.randn_like(mean) * self.log_deviation.exp()


class Ragged(Right):
    def log_prob_bound(self, x, *, draws=1):
        found = super().log_prob_bound(x, draws=draws)
        return found[:, None] if draws == 3 else found


class Above(Right):
    def log_prob_bound(self, x, *, draws=1):
        return super().log_prob_bound(x, draws=draws) + 0.3


class Lopsided(Right):
    """Above the log-density on one side, and so far below it on the other that the total integral is below 1."""

    def log_prob_bound(self, x, *, draws=1):
        return super().log_prob_bound(x, draws=draws) + torch.where(x[:, 0] > 0.5, 0.5, -3.0).to(x)


class OneDraw(Right):
    def log_prob_bound(self, x, *, draws=1):
        return super().log_prob_bound(x, draws=1)


class OneOfMean(OneDraw):
    """Says that its bounds are means of draws, and takes one draw."""

    draws_tighten = False
