"""Random numbers in several processes that equal the random numbers of a single process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_DRAWS: dict[Callable[..., Any], tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
    torch.randn: (torch.empty, Tensor.normal_),
    torch.rand: (torch.empty, Tensor.uniform_),
    torch.randn_like: (torch.empty_like, Tensor.normal_),
    torch.rand_like: (torch.empty_like, Tensor.uniform_),
}
"""For each function: one that makes an empty tensor from its arguments, and one that fills it."""


class SlicedNoise(TorchFunctionMode):
    """A mode in which `torch.randn` and `torch.rand` return this process's slice of the noise of the whole batch.

    Every process draws the noise of the whole batch from the same seed, and keeps its own slice. That takes more
    computation but no communication, and the result does not depend on the number of processes.

    The dimension of the events is the first one of size `events`, or else the first one whose size is a multiple of it.
    A tensor without such a dimension is drawn once for all events, so it is the same in all processes.

    Arguments:
        seed: seed of the noise, the same in all processes.
        rank, count: rank of the process, and number of processes.
        events: number of events that each process computes at a time.
    """

    def __init__(self, seed: int, rank: int, count: int, events: int) -> None:
        super().__init__()
        self._seed = seed
        self._rank = rank
        self._count = count
        self._events = events
        self._generators: dict[torch.device, torch.Generator] = {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = kwargs or {}
        draw = _DRAWS.get(func)
        if draw is None or options.get("generator") is not None or options.get("out") is not None:
            return func(*args, **options)
        empty, fill = draw
        return self._draw(empty(*args, **{key: value for key, value in options.items() if key != "generator"}), fill)

    def _draw(self, own: Tensor, fill: Callable[..., Tensor]) -> Tensor:
        """Fill a tensor of this process with its slice of the noise."""
        generator = self._generator(own.device)
        place = self._dimension(own.shape)
        with torch.no_grad():
            if place is None:
                return fill(own, generator=generator)
            size = own.shape[place]
            shape = [*own.shape[:place], size * self._count, *own.shape[place + 1 :]]
            # Numbers are drawn in memory order, so the whole batch needs the same layout as in a single process.
            layout = torch.channels_last if _channels_last(own) else torch.contiguous_format
            whole = torch.empty(shape, dtype=own.dtype, device=own.device, memory_format=layout)
            return own.copy_(fill(whole, generator=generator).narrow(place, self._rank * size, size))

    def _dimension(self, shape: torch.Size) -> int | None:
        """Return the dimension of the events in a tensor of this shape, or `None`."""
        equal = [place for place, size in enumerate(shape) if size == self._events]
        multiple = [place for place, size in enumerate(shape) if size and size % self._events == 0]
        return next(iter(equal + multiple), None)

    def _generator(self, device: torch.device) -> torch.Generator:
        if device not in self._generators:
            self._generators[device] = torch.Generator(device)
            self._generators[device].manual_seed(self._seed)
        return self._generators[device]


def _channels_last(x: Tensor) -> bool:
    return x.ndim == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)
