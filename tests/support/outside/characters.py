"""A character model: each letter is drawn given the letters before it."""

import math
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import nn

from genzoo import Generator, Likelihood

Width = Annotated[int, Field(ge=4, le=1024, multiple_of=4, description="width of the network")]
Depth = Annotated[int, Field(ge=1, le=24, description="layers of the network")]


class Characters(Generator, Likelihood):
    """Autoregressive transformer (Vaswani and others, 2017) over columns of categories."""

    degrees_of_freedom = None
    input = "raw"
    modalities, kinds = ("table",), ("binary", "categorical")
    training: ClassVar = {"epochs": 40, "batch_size": 64, "optimizer": {"lr": 0.002}, "schedule": {"name": "cosine"}}

    def __init__(self, data, width: Width = 32, depth: Depth = 2):
        super().__init__()
        counts = [len(feature.levels) for feature in data.places]
        self.length, self.most = len(counts), max(counts)
        absent = torch.arange(self.most) >= torch.tensor(counts)[:, None]  # (T, levels)
        self.register_buffer("ban", torch.zeros(absent.shape).masked_fill(absent, -math.inf), persistent=False)
        later = torch.ones(self.length, self.length).triu(1).bool()
        self.register_buffer("later", torch.zeros(later.shape).masked_fill(later, -math.inf), persistent=False)
        self.letters = nn.Embedding(self.most + 1, width)  # the last one stands before the first letter
        self.places = nn.Parameter(0.02 * torch.randn(self.length, width))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
            for _ in range(depth)
        )
        self.head = nn.Linear(width, self.most)

    def log_shares(self, codes):
        """Return the log-probabilities of all levels of each column, (N, T, levels)."""
        start = torch.full_like(codes[:, :1], self.most)
        h = self.letters(torch.cat([start, codes[:, :-1]], 1)) + self.places
        for layer in self.layers:
            h = layer(h, src_mask=self.later)
        return (self.head(h) + self.ban).log_softmax(2)

    def log_prob(self, x):
        codes = x.long()
        return self.log_shares(codes).gather(2, codes[..., None])[..., 0].sum(1)

    def sample(self, n, *, condition=None):
        codes = torch.zeros(n, self.length, dtype=torch.int64, device=self.places.device)
        for place in range(self.length):
            codes[:, place] = torch.multinomial(self.log_shares(codes)[:, place].exp(), 1)[:, 0]
        return codes.to(self.places.dtype)
