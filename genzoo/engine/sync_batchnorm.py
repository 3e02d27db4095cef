"""Batch normalization over all processes, on any device; torch's own `SyncBatchNorm` works on GPUs only."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm


class Adder(Protocol):
    """An object that adds up tensors over processes."""

    rank: int
    count: int

    def add(self, x: Tensor) -> Tensor:
        """Replace `x` by its sum over all processes, and return it."""


class _Sum(torch.autograd.Function):
    """The sum over all processes, with gradients.

    Each process computes its own loss from the same sum, and the total loss is the sum of these. By the chain rule, the
    gradient of a summand is therefore the sum over all processes of the gradients of the sum.
    """

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
    """Batch normalization with the mean and variance over the events of all processes while training.

    Arguments:
        layer: the layer to replace; its parameters and buffers are used, not copied.
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
        if not self.training:  # like torch: without running moments, the batch's own are used
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
        """Return the number of values of a channel, `()`, their mean, and their sum of squared deviations, `(C,)`.

        All are over all processes. Moments of the processes are merged instead of sums of squares, which would lose
        digits if the mean is large against the deviation.

        References:
            "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances" (Chan, Golub and LeVeque, 1979).
        """
        axes = [axis for axis in range(x.ndim) if axis != 1]
        own_count = x.new_full((1,), x.numel() // x.shape[1])
        own_mean = x.mean(axes)
        own_squares = (x - own_mean.view(1, -1, *[1] * (x.ndim - 2))).square().sum(axes)
        rank, others = self._adder.rank, self._adder.count - 1
        # Each process fills its own row of a table and leaves the others 0, so the sum holds the rows of all.
        row = torch.cat([own_count, own_mean, own_squares])[None]
        table: Tensor = _Sum.apply(F.pad(row, (0, 0, rank, others - rank)), self._adder)  # type: ignore[no-untyped-call]
        counts, means, squares = torch.split(table, [1, self.num_features, self.num_features], 1)
        count = counts.sum()
        mean = (counts * means).sum(0) / count
        return count, mean, squares.sum(0) + (counts * (means - mean).square()).sum(0)

    @torch.no_grad()
    def _remember(self, count: Tensor, mean: Tensor, squares: Tensor) -> None:
        """Move the running mean and variance toward the moments of a batch."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = self.momentum if self.momentum is not None else 1.0 / self.num_batches_tracked
        self.running_mean.mul_(1 - share).add_(share * mean)
        self.running_var.mul_(1 - share).add_(share * squares / (count - 1))


def convert_batchnorm(module: nn.Module, adder: Adder) -> None:
    """Replace a module's batch normalization layers by synchronized ones."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            setattr(module, name, SyncBatchNorm(child, adder))
        else:
            convert_batchnorm(child, adder)
