"""Independent normals: a correct model with everything in closed form, and others with one fault each."""

import math

import numpy as np
import torch
from torch import nn

import genzoo


def check(data):
    for feature in data.features:
        if feature.kind != "continuous":
            raise ValueError(f"column {feature.name!r} is {feature.kind}, and normals are of continuous columns")


class Implicit(genzoo.Generator, genzoo.Decoder):
    """Has no density."""

    def __init__(self, config, data):
        check(data)
        if data.modality == "image":
            raise KeyError("image")
        super().__init__()
        self.mean = nn.Parameter(torch.full(data.event_shape, 0.3))
        self.log_deviation = nn.Parameter(torch.full(data.event_shape, -config.share / getattr(config, "parts", 1)))

    def density(self, x):
        z = (x - self.mean) * (-self.log_deviation).exp()
        return (-0.5 * z.square() - self.log_deviation - 0.5 * math.log(2 * math.pi)).sum(1)

    def loss(self, x, missing):
        return -self.density(x).mean()

    @property
    def latent(self):
        return len(self.mean)

    def prior_sample(self, n):
        return torch.randn(n, self.latent, device=self.mean.device, dtype=self.mean.dtype)

    def decode(self, z):
        return self.mean + z * self.log_deviation.exp()

    def sample(self, n, *, condition=None, **options):
        return self.decode(self.prior_sample(n))


class Deaf(Implicit):
    """Builds for events of three numbers, for any data."""

    def __init__(self, config, data):
        super().__init__(config, data)
        self.mean = nn.Parameter(torch.full((3,), 0.3))
        self.log_deviation = nn.Parameter(torch.full((3,), -config.share))


class Right(Implicit, genzoo.Likelihood, genzoo.Encoder, genzoo.Reconstruction):
    @property
    def degrees_of_freedom(self):
        return 2 * len(self.mean)

    def log_prob(self, x):
        return self.density(x)

    def encode(self, x):
        return (x - self.mean) * (-self.log_deviation).exp()

    def reconstruct(self, x):
        return Right.decode(self, Right.encode(self, x))


class Massive(Right):
    """Declares its densities as probabilities, which no transform changes."""

    def __init__(self, config, data):
        super().__init__(config, data)
        self.measures = ("mass",) * len(data.features)


class Mute(Right):
    def __init__(self, config, data):
        if any(feature.kind != "continuous" for feature in data.features):
            raise ValueError("this does not work")
        super().__init__(config, data)


class Narrow(Right):
    def sample(self, n, *, condition=None, **options):
        return super().sample(n).float()


class Loud(Implicit):
    """Samples in other units than its training data."""

    def sample(self, n, *, condition=None, **options):
        return 255.0 * super().sample(n)


class Heated(Right):
    """Samples at a temperature, by default that of its density."""

    def sample(self, n, *, condition=None, temperature=1.0):
        return self.decode(temperature * self.prior_sample(n))


class Cooled(Right):
    def sample(self, n, *, condition=None, temperature=0.7):
        return self.decode(temperature * self.prior_sample(n))


class Brittle(Heated):
    """Divides by an option minus its smallest value."""

    def sample(self, n, *, condition=None, temperature=1.0, rounds=2):
        return super().sample(n, temperature=temperature + 0 // (rounds - 1))


class Seeded(Right):
    def sample(self, n, *, condition=None, **options):
        torch.manual_seed(0)
        return super().sample(n)


OWN = torch.Generator().manual_seed(0)


class OwnGenerator(Right):
    def sample(self, n, *, condition=None, **options):
        return self.decode(torch.randn(n, self.latent, generator=OWN, dtype=self.mean.dtype))


class NumPyNoise(Right):
    def sample(self, n, *, condition=None, **options):
        return self.decode(torch.as_tensor(np.random.standard_normal((n, self.latent))).to(self.mean))


class NumPyStart(Right):
    def __init__(self, config, data):
        super().__init__(config, data)
        with torch.no_grad():
            self.mean.add_(float(np.random.normal(0, 0.1)))


class Attribute(Right):
    """Keeps what it learns about the events in an attribute that is not saved."""

    shift = 0.0

    def log_prob(self, x):
        return super().log_prob(x - self.shift)

    def sample(self, n, *, condition=None, **options):
        return super().sample(n) + self.shift


class Doubled(Right):
    """Rests on a setting with twice the density that it has."""

    def floors(self, x, missing=None):
        return [genzoo.Floor("share", torch.eye(len(self.mean), dtype=x.dtype)[:1], torch.full_like(x[:, 0], 2.0))]


class CenteredEncoder(Right):
    def encode(self, x):
        return super().encode(x - x.mean(0))


class Remembering(Right):
    def __init__(self, config, data):
        super().__init__(config, data)
        self.register_buffer("asked", torch.zeros((), dtype=torch.int64))

    def encode(self, x):
        self.asked += 1
        return super().encode(x)


class InPlace(Right):
    """Changes its input in place."""

    def encode(self, x):
        return x.sub_(self.mean).mul_((-self.log_deviation).exp())

    def log_prob(self, x):
        z = x.sub_(self.mean) if not torch.is_grad_enabled() else x - self.mean
        return super().log_prob(z + self.mean)


class Rounding(Right):
    def encode(self, x):
        return super().encode(x).float()


class Overflowing(Right):
    """Gives NaN for events far away."""

    def log_prob(self, x):
        return super().log_prob(x) + 0.0 * (1e-3 * x.square()).exp().sum(1).clamp(max=1e30) * _far(x)


def _far(x):
    return torch.where(x.abs().amax(1) > 1e5, torch.nan, 1.0).to(x)


class BatchNormalized(Right):
    """Normalizes by the batch, also in eval mode."""

    def log_prob(self, x):
        return super().log_prob(x - 1e-3 * x.mean(0).tanh())


class Keeping(Right):
    """Keeps what it computes, where threads would find what others have kept."""

    thread_safe = True

    def log_prob(self, x):
        self.kept = super().log_prob(x)
        return self.kept


class Counting(Right):
    """Counts how often it is asked, in a list that stays the same."""

    thread_safe = True

    def __init__(self, config, data):
        super().__init__(config, data)
        self.asked = []

    def log_prob(self, x):
        self.asked.append(len(x))
        return super().log_prob(x)


class Wasting(Right):
    """Draws random numbers that it does not need."""

    thread_safe = True

    def log_prob(self, x):
        torch.rand(1)
        return super().log_prob(x)


class Twofold(Right):
    def log_prob(self, x):
        return super().log_prob(x) + math.log(2)


class WithoutConstant(Right):
    def log_prob(self, x):
        return super().log_prob(x) + 0.5 * self.latent * math.log(2 * math.pi)


class Hot(Right):
    """Samples at a temperature above 1."""

    def sample(self, n, *, condition=None, **options):
        return self.decode(1.1 * self.prior_sample(n))


class Shifted(Right):
    def sample(self, n, *, condition=None, **options):
        return super().sample(n) + 0.1


class Miscounted(Right):
    @property
    def degrees_of_freedom(self):
        return 2 * len(self.mean) + 1


class LongPrior(Implicit):
    def prior_sample(self, n):
        return torch.randn(n, self.latent + 1, device=self.mean.device, dtype=self.mean.dtype)

    def decode(self, z):
        return super().decode(z[:, : self.latent])


class LongCode(Right):
    def encode(self, x):
        return torch.cat([super().encode(x), x], 1)


class Standing(Right):
    def reconstruct(self, x):
        return super().reconstruct(x)[:, :, None]


class Surprised(Right, genzoo.AnomalyScore):
    @property
    def score_meaning(self):
        return "minus the log-density in nats"

    def anomaly_score(self, x):
        return -self.density(x)


class UpsideDown(Surprised):
    def anomaly_score(self, x):
        return self.density(x)


class Estimated(Right, genzoo.LikelihoodEstimate):
    """Estimates its density by probes whose products are 0 on average, with an error that falls with the steps."""

    def log_prob_estimate(self, x, *, probes, steps):
        value = self.density(x) + x.sum(1) * steps**-4
        if not probes:
            return value, torch.zeros_like(value)
        signs = torch.randint(0, 2, (probes, *x.shape)).to(x) * 2 - 1
        noise = 0.3 * (signs.sum(2).square() - x.shape[1])
        return value + noise.mean(0), noise.std(0) / probes**0.5


class Errorless(Estimated):
    def log_prob_estimate(self, x, *, probes, steps):
        value, error = super().log_prob_estimate(x, probes=probes, steps=steps)
        return value, error.mean()


class Biased(Estimated):
    def log_prob_estimate(self, x, *, probes, steps):
        value, error = super().log_prob_estimate(x, probes=probes, steps=steps)
        return value + 0.3, error


class Boasting(Estimated):
    """Takes two probes, and claims the error of as many as were asked for."""

    def log_prob_estimate(self, x, *, probes, steps):
        value, error = super().log_prob_estimate(x, probes=min(probes, 2), steps=steps)
        return value, error * (2 / max(probes, 2)) ** 0.5
