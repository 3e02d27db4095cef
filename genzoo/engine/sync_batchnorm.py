"""Batch normalization over all processes, on any device."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm


class Adder(Protocol):
    """What adds tensors up over processes."""

    rank: int
    count: int

    def add(self, x: Tensor) -> Tensor:
        """Put the sum over all processes in the place of `x`; returns it."""


class _Sum(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of theirs, as each has its own use for it."""

    @staticmethod
    def forward(x: Tensor, adder: Adder) -> Tensor:
        return adder.add(x.contiguous().clone())

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Adder], _: Tensor) -> None:
        ctx.adder = inputs[1]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Sum.apply(gradient, ctx.adder), None  # type: ignore[no-untyped-call]


class SyncBatchNorm(_BatchNorm):
    """Batch normalisation whose mean and variance, while training, are those of all processes' events.

    Arguments:
        layer: whose parameters and buffers it takes over, by name and as they are.
        adder: the processes.

    Shape:
        `(N, C)` or `(N, C, *)`, where C is the number of features.
    """

    def __init__(self, layer: _BatchNorm, adder: Adder) -> None:
        super().__init__(layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats)
        self._parameters = layer._parameters
        self._buffers = layer._buffers
        self.train(layer.training)
        self._adder = adder

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - as in torch
        if not self.training:  # as torch has it, also where nothing is remembered
            known, alone = (self.running_mean, self.running_var), self.running_mean is None
            return F.batch_norm(input, *known, self.weight, self.bias, training=alone, eps=self.eps)
        x = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
        shape = [1, -1, *[1] * (x.ndim - 2)]
        count, mean, squares = self._moments(x)
        self._remember(count, mean.detach(), squares.detach())
        scale = (squares / count + self.eps).rsqrt()
        y = (x - mean.view(shape)) * scale.view(shape)
        if self.affine:
            y = y * self.weight.view(shape) + self.bias.view(shape)
        return y.to(input.dtype)

    def _moments(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """How many numbers of a channel all processes have, `()`; their mean and sum of squared deviations, `(C,)`."""
        axes = [axis for axis in range(x.ndim) if axis != 1]
        own_count = x.new_full((1,), x.numel() // x.shape[1])
        own_mean = x.mean(axes)
        own_squares = (x - own_mean.view(1, -1, *[1] * (x.ndim - 2))).square().sum(axes)
        rank, others = self._adder.rank, self._adder.count - 1
        row = torch.cat([own_count, own_mean, own_squares])[None]
        table: Tensor = _Sum.apply(F.pad(row, (0, 0, rank, others - rank)), self._adder)  # type: ignore[no-untyped-call]
        counts, means, squares = torch.split(table, [1, self.num_features, self.num_features], 1)
        count = counts.sum()
        mean = (counts * means).sum(0) / count
        return count, mean, squares.sum(0) + (counts * (means - mean).square()).sum(0)

    @torch.no_grad()
    def _remember(self, count: Tensor, mean: Tensor, squares: Tensor) -> None:
        """Move the running mean and variance towards those of a batch."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = self.momentum if self.momentum is not None else 1.0 / self.num_batches_tracked
        self.running_mean.mul_(1 - share).add_(share * mean)
        self.running_var.mul_(1 - share).add_(share * squares / (count - 1))


def convert_batchnorm(module: nn.Module, adder: Adder) -> None:
    """Put synchronised layers in the place of a module's layers of batch normalisation."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            setattr(module, name, SyncBatchNorm(child, adder))
        else:
            convert_batchnorm(child, adder)
