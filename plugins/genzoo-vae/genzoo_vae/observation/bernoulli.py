"""Binary values."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from genzoo_vae.observation.observation import Observation


class Bernoulli(Observation):
    """Independent Bernoulli distributions. The decoder gives their logits."""

    @property
    def width(self) -> int:
        return self.places

    def log_prob(self, x: Tensor, given: Tensor) -> Tensor:
        # The same as x * given - softplus(given), with fewer passes over memory in the backward step.
        logits, values = torch.broadcast_tensors(given, x)  # type: ignore[no-untyped-call]
        return -F.binary_cross_entropy_with_logits(logits, values, reduction="none")

    def sample(self, given: Tensor) -> Tensor:
        return torch.bernoulli(given.sigmoid())

    def expectation(self, given: Tensor) -> Tensor:
        return given.sigmoid()
