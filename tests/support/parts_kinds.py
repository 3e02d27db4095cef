"""Models of images with labels: a mixture fitted by EM, the same in one call, and an autoencoder with a bound."""

import math
from typing import ClassVar

import torch
from torch import nn
from torch.nn.functional import one_hot

import genzoo


class ByEM(genzoo.EMObjective):
    """EM for normal pixels and categorical labels."""

    def initialize(self, model, blocks):
        first = next(iter(blocks)).x
        rows = torch.randperm(len(first["label"]))[: len(model.generator.weights)]
        model.generator.mean.copy_(first["image"].flatten(1)[rows])

    def statistics(self, model, batch):
        found = model.generator
        joint = found.joint(batch.x, batch.missing).double()
        shares = joint.softmax(1)
        seen = genzoo.map_events(lambda x: torch.ones_like(x, dtype=torch.bool), batch.x)
        seen = seen if batch.missing is None else genzoo.map_events(torch.logical_not, batch.missing)
        pixels, known = (each["image"].flatten(1).double() for each in (batch.x, seen))
        codes = one_hot(batch.x["label"][:, 0].long(), found.levels.shape[1]).double() * seen["label"]
        return {
            "log_likelihood": joint.logsumexp(1).sum(),
            "weight": joint.new_tensor(len(joint)),
            "shares": shares.sum(0),
            "known": shares.T @ known,
            "first": shares.T @ (pixels * known),
            "second": shares.T @ (pixels.square() * known),
            "levels": shares.T @ codes,
        }

    def maximize(self, model, statistics):
        found, known = model.generator, statistics["known"] + 1e-9
        mean = statistics["first"] / known
        found.weights.copy_(statistics["shares"] / statistics["shares"].sum())
        found.mean.copy_(mean)
        found.scale.copy_((statistics["second"] / known - mean.square()).clamp_min(0.01).sqrt())
        levels = statistics["levels"] + 0.01
        found.levels.copy_(levels / levels.sum(1, keepdim=True))


class AtOnce(genzoo.DirectObjective):
    """The maximum for a single component."""

    exact_maximum = True

    def fit(self, model, blocks):
        steps = [ByEM().statistics(model, batch) for batch in blocks]
        ByEM().maximize(model, {name: sum(step[name] for step in steps) for name in steps[0]})


class Mixture(genzoo.Generator, genzoo.Likelihood, genzoo.Components, genzoo.Imputation):
    """Mixture of images and labels that are independent in each component."""

    modalities, kinds, missing, dequantized = ("parts",), ("continuous", "categorical"), True, True
    data, objective, degrees_of_freedom = "labeled-digits", ByEM, None
    parts = 3

    def __init__(self, data):
        super().__init__()
        self.shape, levels = data.parts["image"].event_shape, len(data.parts["label"].features[0].levels)
        size = data.parts["image"].size
        self.register_buffer("weights", torch.full((self.parts,), 1 / self.parts))
        self.register_buffer("mean", torch.zeros(self.parts, size))
        self.register_buffer("scale", torch.ones(self.parts, size))
        self.register_buffer("levels", torch.full((self.parts, levels), 1 / levels))

    def joint(self, x, missing):
        pixels = torch.distributions.Normal(self.mean, self.scale).log_prob(x["image"].flatten(1)[:, None])
        label = self.levels.log().T[x["label"][:, 0].long()]
        if missing is not None:
            pixels = pixels.masked_fill(missing["image"].flatten(1)[:, None], 0.0)
            label = label.masked_fill(missing["label"], 0.0)
        return self.weights.log() + pixels.sum(2) + label  # (N, K)

    def log_prob(self, x, missing=None):
        return self.joint(x, missing).logsumexp(1)

    def log_posterior(self, x, missing=None):
        return self.joint(x, missing).log_softmax(1)

    def drawn(self, which):
        image = torch.normal(self.mean[which], self.scale[which]).view(-1, *self.shape)
        return {"label": torch.multinomial(self.levels[which], 1).to(image.dtype), "image": image}

    def sample(self, n, *, condition=None):
        return self.drawn(torch.multinomial(self.weights, n, replacement=True))

    def impute(self, x, missing, *, draw=False):
        which = self.log_posterior(x, missing).exp()
        which = torch.multinomial(which, 1)[:, 0] if draw else which.argmax(1)
        return genzoo.map_events(lambda old, gone, new: torch.where(gone, new, old), x, missing, self.drawn(which))


class Single(Mixture):
    """One component, fitted in one call."""

    objective, parts = AtOnce, 1


class Autoencoder(genzoo.Generator, genzoo.LikelihoodBound, genzoo.Decoder, genzoo.Encoder, genzoo.Reconstruction):
    """Autoencoder of images and labels together."""

    modalities, kinds, missing, dequantized = ("parts",), ("continuous", "categorical"), True, True
    data, latent = "labeled-digits", 2
    training: ClassVar = {"steps": 4, "batch_size": 32}

    def __init__(self, data):
        super().__init__()
        self.shape, self.count = data.parts["image"].event_shape, len(data.parts["label"].features[0].levels)
        size = data.parts["image"].size
        self.down, self.up = nn.Linear(size + self.count, 2 * self.latent), nn.Linear(self.latent, size + self.count)

    def posterior(self, x, missing):
        label = one_hot(x["label"][:, 0].long(), self.count)
        label = label if missing is None else label * ~missing["label"]
        mean, raw = self.down(torch.cat([x["image"].flatten(1), label.to(x["image"].dtype)], 1)).chunk(2, 1)
        return torch.distributions.Normal(mean, nn.functional.softplus(raw) + 0.01)

    def log_prob_bound(self, x, missing=None, *, draws=1):
        found, prior, logs = self.posterior(x, missing), torch.distributions.Normal(0.0, 1.0), []
        for _ in range(draws):
            z = found.rsample()
            pixels, levels = self.up(z).split([math.prod(self.shape), self.count], 1)
            pixels = torch.distributions.Normal(pixels, 1.0).log_prob(x["image"].flatten(1))
            label = levels.log_softmax(1).gather(1, x["label"].long())
            if missing is not None:
                pixels = pixels.masked_fill(missing["image"].flatten(1), 0.0)
                label = label.masked_fill(missing["label"], 0.0)
            logs.append(pixels.sum(1) + label.sum(1) + (prior.log_prob(z) - found.log_prob(z)).sum(1))
        return torch.stack(logs).logsumexp(0) - math.log(draws)

    def prior_sample(self, n):
        return torch.randn(n, self.latent, dtype=self.up.weight.dtype)

    def decode(self, z):
        pixels, levels = self.up(z).split([math.prod(self.shape), self.count], 1)
        return {"label": levels.argmax(1, keepdim=True).to(z.dtype), "image": pixels.view(-1, *self.shape)}

    def sample(self, n, *, condition=None):
        return self.decode(self.prior_sample(n))

    def encode(self, x, missing=None):
        return self.posterior(x, missing).mean

    def reconstruct(self, x, missing=None):
        return self.decode(self.encode(x, missing))
