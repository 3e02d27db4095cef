"""Gradients on their way between processes: one message for many parameters, in memory that every step uses again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

_BUCKET = 2**22
"""Largest number of values that are sent together."""


class GradientMessage:
    """The gradients of some parameters as one vector, which the caller adds up over all processes.

    All processes must send vectors of the same size in the same order, or they would wait for each other forever. So a
    parameter without a gradient here sends zeros, since it may have one in another process.

    One flag for each parameter follows the gradients: 1 if it has a gradient here. The sum is 0 if no process has one.
    Then the gradient stays `None`, and the optimizer skips the parameter; a gradient of zeros would still apply
    momentum and weight decay to it. The last numbers are the loss and `extra` numbers of the caller.

    Arguments:
        parameters: at least one, all of one type on one device.
        extra: how many numbers follow the loss.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], extra: int) -> None:
        self._parameters = parameters
        first = parameters[0]
        sizes = [parameter.numel() for parameter in parameters]
        self._vector = torch.empty(sum(sizes) + len(sizes) + 1 + extra, dtype=first.dtype, device=first.device)
        *self._sums, self._flags, self._loss, self._extra = torch.split(self._vector, [*sizes, len(sizes), 1, extra])
        self._usual = torch.tensor([1.0] * len(sizes) + [0.0] * (1 + extra), dtype=first.dtype, device=first.device)
        self._parts: list[Tensor] = []
        self._all_here = True

    def fill(self, loss: Tensor, extra: Sequence[float]) -> Tensor:
        """Return the vector of this process's numbers; it is the same memory in every step.

        Arguments:
            loss: `()`.
            extra: the caller's numbers.
        """
        own = [parameter.grad is not None for parameter in self._parameters]
        self._parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in self._parameters]
        self._all_here = all(own)
        usual = self._all_here and not any(extra)
        rest = self._usual if usual else self._usual.new_tensor([*own, 0.0, *extra])
        torch.cat([*(part.reshape(-1) for part in self._parts), rest], out=self._vector)
        self._loss.copy_(loss.detach().reshape(1))
        return self._vector

    def give_out(self) -> None:
        """Make the sums in the vector the gradients of the parameters.

        They lie in the vector's memory, so take them before the next `fill`.
        """
        # `tolist` waits for the device; usually it is not needed.
        anywhere = [True] * len(self._parameters) if self._all_here else (self._flags > 0).tolist()
        for parameter, part, found, given in zip(self._parameters, self._parts, self._sums, anywhere, strict=True):
            parameter.grad = _in_memory_order(found, part) if given else None
        self._parts = []

    def mean_loss(self, count: int) -> Tensor:
        """Return the sum of the losses divided by the number of processes, `()`."""
        return self._loss.reshape(()).div(count)

    def extra(self) -> list[float]:
        """Return the sums of the caller's numbers. Waits for the device."""
        found: list[float] = self._extra.tolist()
        return found


def in_messages(parameters: Iterable[nn.Parameter], extra: int) -> list[GradientMessage]:
    """Return the messages that carry all parameters in order. Each has parameters of one type, and a limited size."""
    return [GradientMessage(bucket, extra) for bucket in _buckets(parameters)]


def _buckets(parameters: Iterable[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    bucket: list[nn.Parameter] = []
    size = 0
    for parameter in parameters:
        if bucket and (size + parameter.numel() > _BUCKET or parameter.dtype != bucket[0].dtype):
            yield bucket
            bucket, size = [], 0
        bucket.append(parameter)
        size += parameter.numel()
    if bucket:
        yield bucket


def _in_memory_order(values: Tensor, part: Tensor) -> Tensor:
    """Return flat `values` in the shape and memory order of `part`, without a copy if its order is the usual one."""
    shaped = values.view(part.shape)
    return shaped if part.is_contiguous() else part.copy_(shaped)
