"""Expectation-maximisation of the mixture. The core owns passes, restarts and convergence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from genzoo import Batch, EMObjective, Model
from genzoo_first_em.model import Mixture
from genzoo_first_em.options import EMOptions

LEAST = 1e-6
"""The smallest scale, as a share of that of all events together."""


class MixtureEM(EMObjective):
    """Sums over events, each weighed by its share in a component and less the further out it lies."""

    def least_events(self, model: Model) -> int:
        return len(mixture(model).log_weights)

    def initialise(self, model: Model, blocks: Iterable[Batch]) -> None:
        """Components of equal weight and the scale of all events, about means drawn from where these lie."""
        sums = [(len(batch), batch.x.double().sum(0), batch.x.double().square().sum(0)) for batch in blocks]
        count, first, second = (sum(parts[1:], parts[0]) for parts in zip(*sums, strict=True))
        mean = first / count
        scale = (second / count - mean.square()).clamp_min(1e-300).sqrt()
        own = mixture(model)
        own.log_weights.fill_(1 / len(own.means)).log_()
        own.means.copy_(mean + scale * torch.randn_like(own.means))
        own.scales.copy_(scale.expand_as(own.scales))
        own.least.copy_(LEAST * scale)

    def statistics(self, model: Model, batch: Batch) -> dict[str, Tensor]:
        own = mixture(model)
        squares = own.squares(batch.x)
        joint = own.joint(squares)
        weight = torch.ones_like(joint[:, 0]) if batch.weight is None else batch.weight.to(joint.dtype)
        share = (joint.softmax(1) * weight[:, None]).double()  # (N, K)
        moved = share[..., None] * ((own.tail + 1) / (own.tail + squares)).double()  # (N, K, C)
        deviation = (batch.x[:, None] - own.means).double()
        return {
            "log_likelihood": (joint.logsumexp(1) * weight).sum(dtype=torch.float64),
            "weight": weight.sum(dtype=torch.float64),
            "share": share.sum(0),
            "moved": moved.sum(0),
            "first": (moved * deviation).sum(0),
            "second": (moved * deviation.square()).sum(0),
        }

    def maximise(self, model: Model, statistics: Mapping[str, Tensor]) -> None:
        own, share = mixture(model), statistics["share"].clamp_min(1e-300)
        shift = statistics["first"] / statistics["moved"].clamp_min(1e-300)
        variance = (statistics["second"] - statistics["first"] * shift) / share[:, None]
        own.log_weights.copy_((share / share.sum()).log())
        own.means.add_(shift.to(own.means.dtype))
        own.scales.copy_(torch.maximum(variance.clamp_min(0).sqrt(), own.least))

    def fault(self, model: Model) -> str | None:
        own = mixture(model)
        return "a component collapsed to a point; use fewer" if (own.scales <= own.least).any() else None


def mixture(model: Model) -> Mixture:
    """The generator, as what it is."""
    assert isinstance(model.generator, Mixture)
    return model.generator


def build(options: EMOptions) -> MixtureEM:
    """The objective."""
    return MixtureEM()
