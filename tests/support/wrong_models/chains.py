"""Symbols that are drawn given the one before them: a correct model, and others with one fault each."""

import itertools

import torch
from torch import nn
from torch.nn.functional import pad

import genzoo


class Right(genzoo.Generator, genzoo.Likelihood, genzoo.Autoregressive):
    degrees_of_freedom = None

    def __init__(self, config, data):
        super().__init__()
        self.longest, self.end = data.event_shape[0], data.end
        self.logits = nn.Parameter(config.share * torch.eye(self.end + 1))  # the end also stands before the first

    def loss(self, x, missing):
        return -self.log_prob(x).mean()

    def log_prob_each(self, x):
        codes = x.long()
        before = pad(codes[:, :-1], (1, 0), value=self.end)
        logs = self.logits.log_softmax(1)[before, codes]
        return logs.masked_fill(~self.counts(codes), 0)

    def counts(self, codes):
        """Return whether a place is not after the first end, (N, L)."""
        ends = (codes == self.end).long()
        return ends.cumsum(1) <= ends

    def log_prob(self, x):
        return Right.log_prob_each(self, x).sum(1)

    def generate(self, prompt, *, condition=None, **options):
        last = prompt[:, -1] if prompt.shape[1] else prompt.new_full((len(prompt),), self.end)
        while True:
            last = genzoo.draw_symbols(self.logits[last], **options)
            yield last

    def sample(self, n, *, condition=None, **options):
        nothing = torch.empty(n, 0, dtype=torch.long, device=self.logits.device)
        drawn = itertools.islice(self.generate(nothing, **options), self.longest)
        return torch.stack(list(drawn), 1).to(self.logits.dtype)


class Scaled(Right):
    """Counts nine tenths of each symbol."""

    def log_prob_each(self, x):
        return 0.9 * super().log_prob_each(x)


class Trailing(Right):
    """Spreads the end over all places after it."""

    def log_prob_each(self, x):
        each, ends = super().log_prob_each(x), (x.long() == self.end).long().cumsum(1) > 0
        shared = each.masked_fill(~ends, 0).sum(1, keepdim=True) / ends.sum(1, keepdim=True).clamp(min=1)
        return torch.where(ends, shared, each)


class Averaged(Right):
    """Gives all symbols of a text the same share of its probability."""

    def log_prob_each(self, x):
        counts = self.counts(x.long())
        return self.log_prob(x)[:, None] * counts / counts.sum(1, keepdim=True)


class Overwriting(Right):
    """Changes its prompt."""

    def generate(self, prompt, *, condition=None, **options):
        drawn = super().generate(prompt.clone(), **options)
        prompt.zero_()
        return drawn


class Hasty(Right):
    """Draws all texts again before it returns them."""

    def sample(self, n, *, condition=None, **options):
        super().sample(n, **options)
        return super().sample(n, **options)


class Forgetful(Right):
    """Continues a text as if it began anew."""

    def generate(self, prompt, *, condition=None, **options):
        return super().generate(prompt[:, :0], **options)


class Plain(Right):
    """Draws no symbol above 127, as if all texts were ASCII."""

    def generate(self, prompt, *, condition=None, **options):
        last = prompt[:, -1] if prompt.shape[1] else prompt.new_full((len(prompt),), self.end)
        strange = torch.zeros(self.end + 1, dtype=torch.bool, device=prompt.device)
        strange[128 : self.end] = True
        while True:
            last = genzoo.draw_symbols(self.logits[last].masked_fill(strange, -torch.inf), **options)
            yield last


class Cooled(Right):
    """Makes probable symbols more probable, unless it is asked for something else."""

    def generate(self, prompt, *, condition=None, temperature=0.3, **options):
        return super().generate(prompt, temperature=temperature, **options)
