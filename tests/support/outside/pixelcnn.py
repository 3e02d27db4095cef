"""A PixelCNN: each pixel is drawn given the pixels above it and to its left."""

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from genzoo import Generator, Likelihood

Width = Annotated[int, Field(ge=1, le=512, description="channels of the hidden layers")]
Depth = Annotated[int, Field(ge=0, le=30, description="hidden layers")]


class MaskedConv2d(nn.Conv2d):
    """A convolution that sees only the pixels before its own, or also its own."""

    def __init__(self, ins, outs, size, own):
        super().__init__(ins, outs, size, padding=size // 2)
        mask = torch.ones(size, size)
        mask[size // 2, size // 2 + own :] = 0
        mask[size // 2 + 1 :] = 0
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x):
        return functional.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)


class PixelCNN(Generator, Likelihood):
    """PixelCNN (van den Oord, Kalchbrenner and Kavukcuoglu, 2016)."""

    measures = ("mass",)
    degrees_of_freedom = None
    input = "raw"
    modalities, kinds = ("image",), ("continuous", "binary")
    data = "digits"
    training: ClassVar = {"epochs": 30, "batch_size": 64, "optimizer": {"lr": 0.003}, "schedule": {"name": "cosine"}}

    def __init__(self, data, width: Width = 32, depth: Depth = 3):
        super().__init__()
        if data.quantum is None or data.bounds is None:
            raise ValueError("pixels must lie on a grid with bounds, such as 0, 1, ..., 255")
        self.low, self.step = data.bounds[0], data.quantum
        self.levels = round((data.bounds[1] - self.low) / self.step) + 1
        self.event = tuple(data.event_shape)
        if self.event[0] > 1 or self.levels > 32:
            raise ValueError(f"images must have 1 channel and at most 32 values, not {self.event[0]} and {self.levels}")
        layers = [MaskedConv2d(1, width, 7, own=0)]
        for _ in range(depth):
            layers += [nn.ReLU(), MaskedConv2d(width, width, 3, own=1)]
        self.layers = nn.Sequential(*layers, nn.ReLU(), nn.Conv2d(width, self.levels, 1))

    def log_shares(self, codes):
        """Return the log-probabilities of all values of each pixel, (N, levels, H, W)."""
        return self.layers(2 * codes / (self.levels - 1) - 1).log_softmax(1)

    def log_prob(self, x):
        codes = (x - self.low) / self.step
        return self.log_shares(codes).gather(1, codes.round().long())[:, 0].flatten(1).sum(1)

    def sample(self, n, *, condition=None):
        weight = self.layers[0].weight
        codes = torch.zeros(n, *self.event, dtype=weight.dtype, device=weight.device)
        for row in range(self.event[1]):
            for column in range(self.event[2]):
                shares = self.log_shares(codes)[:, :, row, column].exp()
                codes[:, 0, row, column] = torch.multinomial(shares, 1)[:, 0].to(codes.dtype)
        return codes * self.step + self.low
