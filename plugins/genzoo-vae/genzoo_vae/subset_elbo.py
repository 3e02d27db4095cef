"""The objective of `mvae`: the evidence lower bound of all parts of an event, and terms of subsets of them.

    E sum_m w_m log p(x_m | z) + log p(z) - log q(z | x_S),    z ~ q(z | x_S),

is maximized for the set S of all parts, and for smaller ones: each part alone, or random sets. Latent vectors of a set
explain the parts outside it, too, so each encoder learns to find what the parts share, from its own part alone.

With weights 1, every term is a lower bound of log p(x), or of log p(x_S) if the parts outside S have the weight 0. In
training, large parts weigh less. The values of an image or of the levels of a sound depend on each other much more than
the decoder says, and thousands of them would decide alone what the latent vector means. Then training maximizes no
bound; what is printed is the bound of all parts, with weights 1.

References:
    "Multimodal Generative Models for Scalable Weakly-Supervised Learning" (Wu and Goodman, 2018), for subsets;
    "Variational Mixture-of-Experts Autoencoders for Multi-Modal Deep Generative Models" (Shi et al., 2019), for latent
    vectors of one part that explain the others, and for weights of parts;
    "Generalized Multimodal ELBO" (Sutter, Daunhawer and Vogt, 2021), for terms of all subsets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from genzoo import Batch, GradientObjective, Model, Progress
from genzoo_vae.multimodal_options import SubsetELBOOptions
from genzoo_vae.mvae import MVAE

_FEW = 4
"""Largest number of parts that are all trained alone by default."""

_MONITOR_DRAWS = 4
"""Latent vectors drawn for each validation event."""


class SubsetELBO(GradientObjective):
    """Minus the terms of all parts and of subsets of them; its value is minus the bound of all parts.

    Arguments:
        options: subsets, weights of parts, beta and warm-up.
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
        visible = torch.stack([seen, *self._subsets(seen)])  # (1 + S, M, N)
        posterior = mvae.joined(experts, visible)
        z = posterior.draw(mvae.prior)  # (1 + S, N, L)
        known = mvae.prior.log_prob(z)
        divergence = self._weight(fraction) * (posterior.log_prob(z[None], known[None])[0] - known)
        explained = mvae.log_likelihoods(x, missing, z)  # (1 + S, M, N)
        trained = explained * explained.new_tensor(self._part_weights(mvae))[:, None]
        # A subset with no part is drawn from the prior, and explains nothing.
        left_out = self.options.left_out * visible.any(1, keepdim=True)
        trained = torch.where(visible, trained, left_out * trained)
        total = (divergence - trained.sum(1)).mean(1).sum()
        # Subtracting what is trained from itself leaves its gradient, and the bound of all parts as the value.
        bound = (divergence[0] - explained[0].sum(0)).mean().detach()
        return bound + (total - total.detach())

    def _subsets(self, seen: Tensor) -> list[Tensor]:
        """Return S subsets of the parts that each event has, `(M, N)` each."""
        if self.options.subsets is None and len(seen) <= _FEW:
            return list(seen & torch.eye(len(seen), dtype=torch.bool, device=seen.device)[..., None])
        return [subset_of(seen) for _ in range(1 if self.options.subsets is None else self.options.subsets)]

    def _part_weights(self, mvae: MVAE) -> list[float]:
        most = self.options.balance
        return [min(1.0, most / size) if most else 1.0 for size in mvae.sizes]

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
