"""The objective of `mvae`: evidence lower bounds of all parts of an event, and of random subsets of them.

    E log p(x_S | z) + log p(z) - log q(z | x_S),    z ~ q(z | x_S),

is a lower bound of log p(x_S) for every set S of parts. With the bounds of subsets, each encoder learns to do alone, so
that parts can be missing later.

References:
    "Multimodal Generative Models for Scalable Weakly-Supervised Learning" (Wu and Goodman, 2018).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from genzoo import Batch, GradientObjective, Model, Progress
from genzoo_vae.multimodal_options import SubsetELBOOptions
from genzoo_vae.mvae import MVAE

_MONITOR_DRAWS = 4
"""Latent vectors drawn for each validation event."""


class SubsetELBO(GradientObjective):
    """Minus the sum of the bounds of all parts and of random subsets of them; its value is the first one alone.

    Arguments:
        options: number of subsets, beta and warm-up.
    """

    stages: ClassVar[tuple[str, ...]] = ("loss",)
    likelihood_losses: ClassVar[tuple[str, ...]] = ("generator",)

    def __init__(self, options: SubsetELBOOptions) -> None:
        self.options = options
        self.settled = options.warmup

    def losses(self, model: Model, batch: Batch, progress: Progress) -> Iterator[Mapping[str, Tensor]]:
        yield {"generator": self.loss(model, batch.x, batch.missing, progress.fraction)}

    def loss(self, model: Model, x: Any, missing: Any, fraction: Tensor) -> Tensor:
        """Compute the loss of events, dicts of `(N, *part)`, `()` nats per event.

        Arguments:
            fraction: share of the training budget spent so far, from 0 to 1, `()`; it sets the warm-up.
        """
        mvae = _mvae(model)
        experts, seen = mvae.experts(x, missing)
        visible = torch.stack([seen, *(subset_of(seen) for _ in range(self.options.subsets))])  # (1 + S, M, N)
        posterior = mvae.joined(experts, visible)
        z = posterior.draw(mvae.prior)  # (1 + S, N, L)
        explained = torch.where(visible, mvae.log_likelihoods(x, missing, z), 0.0).sum(1)
        known = mvae.prior.log_prob(z)
        divergence = posterior.log_prob(z[None], known[None])[0] - known
        each = (self._weight(fraction) * divergence - explained).mean(1)
        # Subtracting the bounds of subsets from themselves leaves their gradient, and the bound of all as the value.
        subsets = each[1:].sum()
        return each[0] + (subsets - subsets.detach())

    def _weight(self, fraction: Tensor) -> Tensor | float:
        if not self.options.warmup:
            return self.options.beta
        weight: Tensor = self.options.beta * (fraction / self.options.warmup).clamp_max(1.0)
        return weight

    def monitor(self, model: Model, batch: Batch) -> Tensor:
        mvae = _mvae(model)
        bounds = [mvae.log_prob_bound(batch.x, batch.missing) for _ in range(_MONITOR_DRAWS)]
        return -torch.stack(bounds).mean()


def subset_of(seen: Tensor) -> Tensor:
    """Draw a subset of the parts that each event has, `(M, N)`: never none of them, and never all of several.

    One part is kept, another one is left out, and each of the rest stays with probability 1/2.
    """
    order = torch.rand(seen.shape, device=seen.device).masked_fill(~seen, -1.0)
    kept = order == order.amax(0)
    least = order.masked_fill(~seen, 2.0)
    left = (least == least.amin(0)) & ~kept
    coin = torch.rand(seen.shape, device=seen.device) < 0.5
    return seen & ~left & (kept | coin)


def _mvae(model: Model) -> MVAE:
    assert isinstance(model.generator, MVAE)
    return model.generator


def subset_elbo(options: SubsetELBOOptions) -> SubsetELBO:
    """Build the objective `subset-elbo`."""
    return SubsetELBO(options)
