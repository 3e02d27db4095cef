"""The interface of p(x | z), the distribution of an event given its latent vector."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from genzoo_vae.observation.head import Head


class Observation(Head):
    """A distribution p(x | z) of the D values of an event, which are independent given z unless `dependent`.

    Its error is minus the log-density or log-probability, in nats. For levels, this is the cross-entropy.
    """

    dependent: ClassVar[bool] = False
    """Whether values also depend on the ones before them."""

    @abstractmethod
    def log_prob(self, x: Tensor, given: Tensor) -> Tensor:
        """Compute the log-density or log-probability of each value of `x (..., D)`, given values before it."""

    def complete(self, x: Tensor, missing: Tensor, given: Tensor) -> Tensor:
        """Draw each missing value of `x (N, D)` given the values before it, `(..., D)`, in the shape of `given`."""
        return torch.where(missing, self.sample(given), x)

    def error(self, x: Tensor, given: Tensor) -> Tensor:
        return -self.log_prob(x, given)

    def narrow(self, given: Tensor) -> Tensor | None:
        """Return where a density is about as narrow as `least_scale` allows, for `given (N, width)`, `(N, D)` bool.

        Returns `None` if no value has such a density.
        """
        return None
