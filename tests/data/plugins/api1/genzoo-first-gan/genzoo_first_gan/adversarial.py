"""The objective: a generator function that yields the losses of one step, after each of which the core updates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

from genzoo import Batch, GradientObjective, Model, Progress
from genzoo_first_gan.options import AdversarialOptions


class Adversarial(GradientObjective):
    """The critic is updated once, then the generator, which sees the critic after its update."""

    needs_discriminator = True

    def __init__(self, options: AdversarialOptions) -> None:
        self.hinge = options.loss == "hinge"
        self.noise = options.noise

    def losses(self, model: Model, batch: Batch, progress: Progress) -> Iterator[Mapping[str, Tensor]]:
        with torch.no_grad():
            samples = model.generator.sample(len(batch)).to(batch.x.dtype)
        real, false = self.judge(model, batch.x), self.judge(model, samples)
        if self.hinge:
            yield {"critic": relu(1 - real).mean() + relu(1 + false).mean()}
        else:
            yield {"critic": softplus(-real).mean() + softplus(false).mean()}
        passed = self.judge(model, model.generator.sample(len(batch)))
        yield {"generator": -passed.mean() if self.hinge else softplus(-passed).mean()}

    def judge(self, model: Model, x: Tensor) -> Tensor:
        """The critic's logits of `x (N, *event)` under noise, which keeps it from being certain, `(N,)`."""
        logits: Tensor = model.discriminator(x + self.noise * torch.randn_like(x))
        return logits


def build(options: AdversarialOptions) -> Adversarial:
    """The objective."""
    return Adversarial(options)
