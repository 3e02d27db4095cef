"""An exponential moving average of a module, which often samples better than its last weights."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class Average(Generic[ModuleT]):
    """The moving average of a module's parameters and floating buffers; integer buffers are copied.

    Arguments:
        module: what is averaged.
        decay: weight of the past, in (0, 1). Over the first steps it rises as `(1 + t) / (5 + t)`, so that the
            random weights at the start are soon forgotten.
    """

    def __init__(self, module: ModuleT, decay: float) -> None:
        self.module = copy.deepcopy(module).eval().requires_grad_(False)
        self._decay = decay
        pairs = list(zip(self._tensors(self.module), self._tensors(module), strict=True))
        self._floating = [(mine, theirs) for mine, theirs in pairs if mine.is_floating_point()]
        self._integer = [(mine, theirs) for mine, theirs in pairs if not mine.is_floating_point()]

    @staticmethod
    def _tensors(module: nn.Module) -> list[torch.Tensor]:
        return [*module.parameters(), *module.buffers()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the module, as of the end of `step` (from 1)."""
        decay = min(self._decay, (1 + step) / (5 + step))
        mine, theirs = zip(*self._floating, strict=True)
        get_ema_multi_avg_fn(decay)(mine, theirs, step)  # type: ignore[no-untyped-call]
        for target, source in self._integer:
            target.copy_(source)
