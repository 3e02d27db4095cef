"""A language model of letters: each symbol of a text is drawn given the symbols before it."""

from itertools import islice
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn.functional import pad

from genzoo import Autoregressive, Generator, Likelihood, TextSampling, TokenOptions, draw_symbols

Width = Annotated[int, Field(ge=1, le=4096, description="channels of the layers")]
Depth = Annotated[int, Field(ge=1, le=12, description="layers; each doubles the number of symbols that are seen")]
Tokens = Annotated[Literal["bytes", "characters", "bpe"], Field(description="what one symbol of a text is")]


class LettersOptions(TokenOptions):
    """Options of the model. genzoo itself turns texts into such tokens, so the constructor takes the others alone."""

    tokens: Tokens = "bytes"
    width: Width = 32
    depth: Depth = 3


class Letters(Generator, Likelihood, Autoregressive):
    """Causal dilated convolutions (van den Oord and others, 2016) over the symbols of texts."""

    Options = LettersOptions
    degrees_of_freedom = None
    input = "raw"
    modalities, kinds = ("text",), ("categorical",)
    training: ClassVar = {"epochs": 10, "batch_size": 64, "optimizer": {"lr": 0.003}, "schedule": {"name": "cosine"}}
    Sampling = TextSampling

    def __init__(self, data, width=32, depth=3):
        super().__init__()
        self.longest, self.end = data.event_shape[0], data.end
        self.symbols = nn.Embedding(self.end + 1, width)  # the code of the end also stands before the first symbol
        self.layers = nn.ModuleList(nn.Conv1d(width, width, 2, dilation=2**level) for level in range(depth))
        self.head = nn.Linear(width, self.end + 1)

    def logits(self, codes):
        """Return the logits of every symbol and of the end, at each place of texts, (N, L, symbols + 1)."""
        h = self.symbols(pad(codes[:, :-1], (1, 0), value=self.end)).mT  # (N, width, L)
        for layer in self.layers:
            h = h + layer(pad(h, (layer.dilation[0], 0))).relu()
        return self.head(h.mT)

    def log_prob_each(self, x):
        codes = x.long()  # (N, L)
        logs = self.logits(codes).log_softmax(2).gather(2, codes[..., None])[..., 0]
        ends = (codes == self.end).long()
        return logs.masked_fill(ends.cumsum(1) > ends, 0)  # whatever follows the first end does not count

    def log_prob(self, x):
        return self.log_prob_each(x).sum(1)

    def generate(self, prompt, *, condition=None, **options):
        codes = prompt
        while True:
            drawn = draw_symbols(self.logits(pad(codes, (0, 1)))[:, -1], **options)  # the last place is not looked at
            codes = torch.cat([codes, drawn[:, None]], 1)
            yield drawn

    def sample(self, n, *, condition=None, **options):
        nothing = torch.empty(n, 0, dtype=torch.long, device=self.head.weight.device)
        drawn = islice(self.generate(nothing, **options), self.longest)
        return torch.stack(list(drawn), 1).to(self.head.weight.dtype)  # what follows an end is ignored
