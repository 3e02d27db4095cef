"""A model of texts in a file: every symbol is independent of the others, and samples are drawn at once."""

import torch

from genzoo import Generator, Likelihood


class Symbols(Generator, Likelihood):
    """Probabilities of the symbols and of the end."""

    modalities, kinds, input, degrees_of_freedom = ("text",), ("categorical",), "raw", None

    def __init__(self, data):
        super().__init__()
        self.longest, self.end = data.event_shape[0], data.end
        self.logits = torch.nn.Parameter(torch.zeros(self.end + 1))

    def log_prob(self, x):
        codes = x.long()
        ends = (codes == self.end).long()
        return self.logits.log_softmax(0)[codes].masked_fill(ends.cumsum(1) > ends, 0).sum(1)

    def sample(self, n, *, condition=None):
        codes = torch.multinomial(self.logits.softmax(0), n * self.longest, replacement=True)
        return codes.view(n, self.longest).to(self.logits.dtype)
