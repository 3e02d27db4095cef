"""A mixture of events of several parts, such as images with their labels: a component draws each value on its own."""

import math
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import nn

from genzoo import Generator, Likelihood

Components = Annotated[int, Field(ge=1, le=1000, description="number of components")]


class Labeled(Generator, Likelihood):
    """Mixture of products of normals for numbers and of categorical distributions for codes."""

    degrees_of_freedom = None
    dequantized = True
    missing = True
    modalities, kinds = ("parts",), ("continuous", "binary", "categorical")
    data = "labeled-digits"
    training: ClassVar = {"epochs": 60, "batch_size": 128, "optimizer": {"lr": 0.02}, "schedule": {"name": "cosine"}}

    def __init__(self, data, n_components: Components = 20):
        super().__init__()
        self.parts = data.parts
        self.weights = nn.Parameter(torch.zeros(n_components))
        self.normals, self.codes = nn.ParameterDict(), nn.ParameterDict()
        for name, part in self.parts.items():
            self.normals[name] = nn.Parameter(0.5 * torch.randn(2, n_components, part.size))  # means and raw deviations
            for place, feature in enumerate(part.places):
                if feature.levels is not None:
                    self.codes[f"{name}-{place}"] = nn.Parameter(0.1 * torch.randn(n_components, len(feature.levels)))

    def coded(self, name):
        """Return the places of codes in a part, each with the log-probabilities of its levels, (K, levels)."""
        found = ((place, f"{name}-{place}") for place in range(self.parts[name].size))
        return [(place, self.codes[key].log_softmax(1)) for place, key in found if key in self.codes]

    def log_prob(self, x, missing=None):
        total = self.weights.log_softmax(0)  # (K,)
        for name in self.parts:
            values, (mean, raw) = x[name].flatten(1), self.normals[name]
            scale = nn.functional.softplus(raw) + 0.05
            logs = -0.5 * ((values[:, None] - mean) / scale).square() - scale.log() - 0.5 * math.log(2 * math.pi)
            for place, shares in self.coded(name):
                masses = shares.T[values[:, place].long()]  # (N, K)
                logs = torch.cat([logs[:, :, :place], masses[:, :, None], logs[:, :, place + 1 :]], 2)
            if missing is not None:
                logs = logs.masked_fill(missing[name].flatten(1)[:, None], 0.0)
            total = total + logs.sum(2)
        return total.logsumexp(1)

    def sample(self, n, *, condition=None):
        chosen = torch.multinomial(self.weights.softmax(0), n, replacement=True)
        drawn = {}
        for name, part in self.parts.items():
            mean, raw = self.normals[name][:, chosen]
            x = mean + (nn.functional.softplus(raw) + 0.05) * torch.randn_like(mean)
            for place, shares in self.coded(name):
                x[:, place] = torch.multinomial(shares[chosen].exp(), 1)[:, 0].to(x.dtype)
            drawn[name] = x.view(n, *part.event_shape)
        return drawn
