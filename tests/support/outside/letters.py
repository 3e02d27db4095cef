"""A language model of letters: a recurrent network that draws each byte of a text given the bytes before it."""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import nn

from genzoo import Generator, Likelihood

Width = Annotated[int, Field(ge=1, le=4096, description="units of the recurrent layers")]
Layers = Annotated[int, Field(ge=1, le=12, description="recurrent layers")]


class Letters(Generator, Likelihood):
    """Gated recurrent network (Cho and others, 2014) over the symbols of texts."""

    degrees_of_freedom = None
    input = "raw"
    modalities, kinds, data = ("text",), ("categorical",), "names.txt"
    training: ClassVar = {"epochs": 20, "batch_size": 64, "optimizer": {"lr": 0.003}, "schedule": {"name": "cosine"}}

    def __init__(self, data, width: Width = 64, layers: Layers = 1):
        super().__init__()
        self.longest, self.end = data.event_shape[0], data.end
        self.symbols = nn.Embedding(self.end + 1, width)  # the code of the end also stands before the first symbol
        self.memory = nn.GRU(width, width, layers, batch_first=True)
        self.head = nn.Linear(width, self.end + 1)

    def log_prob(self, x):
        codes = x.long()  # (N, L)
        before = nn.functional.pad(codes[:, :-1], (1, 0), value=self.end)
        h, _ = self.memory(self.symbols(before))
        logs = self.head(h).log_softmax(2).gather(2, codes[..., None])[..., 0]
        after = (codes == self.end).cumsum(1) - (codes == self.end).long() > 0  # places after the first end
        return logs.masked_fill(after, 0).sum(1)

    def sample(self, n, *, condition=None):
        weight = self.head.weight
        codes = torch.zeros(n, self.longest, dtype=torch.int64, device=weight.device)
        last, state = torch.full((n, 1), self.end, device=weight.device), None
        for place in range(self.longest):
            h, state = self.memory(self.symbols(last), state)
            last = torch.multinomial(self.head(h[:, 0]).softmax(1), 1)
            codes[:, place] = last[:, 0]  # whatever follows the first end is ignored
        return codes.to(weight.dtype)
