"""Normals, with normals ten times as wide around the same means for outliers; values may be missing."""

import math

import torch
from torch import nn

import genzoo
from wrong_models.normal import check


class Right(genzoo.Generator, genzoo.Likelihood, genzoo.Imputation, genzoo.Outliers):
    def __init__(self, config, data):
        check(data)
        super().__init__()
        self.mean = nn.Parameter(torch.full(data.event_shape, 0.3))
        self.log_deviation = nn.Parameter(torch.full(data.event_shape, -config.share))
        self.odds = nn.Parameter(torch.tensor(2.0))

    @property
    def degrees_of_freedom(self):
        return 2 * len(self.mean) + 1

    def joint(self, x, missing=None):
        """Compute the log-density of the observed values under both components, `(N, 2)`."""
        found = []
        for rise, odds in ((0.0, self.odds), (math.log(10.0), -self.odds)):
            log_deviation = self.log_deviation + rise
            z = (x - self.mean) * (-log_deviation).exp()
            each = -0.5 * z.square() - log_deviation - 0.5 * math.log(2 * math.pi)
            each = each if missing is None else each.masked_fill(missing, 0.0)
            found.append(each.sum(1) + nn.functional.logsigmoid(odds))
        return torch.stack(found, 1)

    def log_prob(self, x, missing=None):
        return self.joint(x, missing).logsumexp(1)

    def loss(self, x, missing):
        return -self.joint(x, missing).logsumexp(1).mean()

    def log_posterior(self, x, missing=None):
        return self.joint(x, missing).log_softmax(1)

    @property
    def outlier(self):
        return 1

    def covers(self, x, missing=None):
        return torch.ones(len(x), dtype=torch.bool, device=x.device)

    def draw(self, wide):
        """Sample an event for each entry of `wide (N,)`, which is true for outliers."""
        noise = torch.randn(len(wide), len(self.mean), device=self.mean.device, dtype=self.mean.dtype)
        return self.mean + noise * self.log_deviation.exp() * torch.where(wide, 10.0, 1.0)[:, None].to(noise)

    def sample(self, n, *, condition=None, **options):
        return self.draw(torch.rand(n, device=self.mean.device) < torch.sigmoid(-self.odds))

    def impute(self, x, missing, *, draw=False):
        if not draw:
            return torch.where(missing, self.mean.expand_as(x), x)
        share = self.joint(x, missing).softmax(1)[:, 1]
        return torch.where(missing, self.draw(torch.rand(len(x), device=x.device) < share), x)


class Unmasked(Right):
    """Treats the zeros of missing values as observed values."""

    def log_prob(self, x, missing=None):
        return super().log_prob(x)


class WithoutConstant(Right):
    """Leaves out the normalizing constant of each observed value."""

    def joint(self, x, missing=None):
        observed = x.shape[1] if missing is None else (~missing).sum(1, keepdim=True)
        return super().joint(x, missing) + 0.5 * math.log(2 * math.pi) * observed


class Joint(Right):
    def log_posterior(self, x, missing=None):
        return self.joint(x, missing)


class Misnamed(Right):
    @property
    def outlier(self):
        return 0


class Overwriting(Right):
    """Changes observed values, too."""

    def impute(self, x, missing, *, draw=False):
        return super().impute(x, missing, draw=draw) if draw else 0.9 * x + 0.1 * self.mean


class Squeezed(Right):
    """Drops the dimension of a batch of one."""

    def impute(self, x, missing, *, draw=False):
        return super().impute(x, missing, draw=draw).squeeze(0)


class Mean(Right):
    def impute(self, x, missing, *, draw=False):
        return super().impute(x, missing)
