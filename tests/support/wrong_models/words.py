"""Symbols that are drawn alike at every place of a text: a correct model, and others with one fault each."""

import torch
from torch import nn

import genzoo


class Right(genzoo.Generator, genzoo.Likelihood):
    degrees_of_freedom = None

    def __init__(self, config, data):
        super().__init__()
        self.longest, self.end = data.event_shape[0], data.end
        self.logits = nn.Parameter(torch.full((self.end + 1,), config.share))

    def loss(self, x, missing):
        return -self.log_prob(x).mean()

    def log_prob(self, x):
        codes = x.long()
        ends = (codes == self.end).long()
        logs = self.logits.log_softmax(0)[codes]
        return logs.masked_fill(ends.cumsum(1) > ends, 0).sum(1)

    def sample(self, n, *, condition=None):
        codes = torch.multinomial(self.logits.softmax(0).expand(n, -1), self.longest, replacement=True)
        return codes.to(self.logits.dtype)


class Widthwise(Right):
    """Counts the places that a batch leaves out."""

    def log_prob(self, x):
        return super().log_prob(x) - 0.1 * (self.longest - x.shape[1])


class Endless(Right):
    """Draws texts that never end before the longest."""

    def sample(self, n, *, condition=None):
        shares = self.logits[: self.end].softmax(0).expand(n, -1)
        return torch.multinomial(shares, self.longest, replacement=True).to(self.logits.dtype)
