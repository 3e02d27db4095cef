"""DCGAN: the tutorial recipe, and the default recipe on larger images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

import genzoo
from genzoo.config.run_config import RunConfig
from genzoo.config.training import GradientTraining
from gpu_rows.gradient import GradientRow, PlainEMA, PlainStep, make_adam, scaled
from gpu_rows.row import Place


@dataclass(frozen=True, kw_only=True)
class TutorialDCGAN(GradientRow):
    """Cross-entropy, both losses from one forward pass, dropout, Adam without a moving average."""

    model: str = "dcgan"
    shape: tuple[int, int, int] = (1, 28, 28)
    settings: dict[str, Any] = field(default_factory=lambda: {"preset": "tutorial"})

    def describe(self, place: Place) -> str:
        return f"{super().describe(place)}, tutorial recipe"

    def plain_step(self, place: Place, model: genzoo.Model, config: RunConfig, compiled: bool) -> PlainStep:
        generator, discriminator, training = model.generator, model.discriminator, config.training
        assert isinstance(training, GradientTraining)
        runtime = self.runtime(place)
        optimizers = [make_adam(network.parameters(), training.optimizer) for network in (generator, discriminator)]
        entropy = F.binary_cross_entropy_with_logits

        def losses(real: Tensor) -> tuple[Tensor, Tensor]:
            samples = generator.sample(len(real)).to(real.dtype)
            real_logits, sample_logits = discriminator(real), discriminator(samples)
            ones, zeros = torch.ones_like(real_logits), torch.zeros_like(real_logits)
            loss = entropy(real_logits, ones) + entropy(sample_logits, zeros)
            return loss, entropy(sample_logits, ones)

        both = place.compile(losses) if compiled else losses

        def step(images: Tensor) -> None:
            real = scaled(images, 127.5, 127.5)
            with runtime.autocast():
                discriminator_loss, generator_loss = both(real)
            discriminator_loss.backward(inputs=[*discriminator.parameters()], retain_graph=True)
            generator_loss.backward(inputs=[*generator.parameters()])
            for optimizer in optimizers:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)

        return step


@dataclass(frozen=True, kw_only=True)
class DefaultDCGAN(GradientRow):
    """Relativistic pairing with R1 and R2 penalties, one update after the other, and a moving average."""

    model: str = "dcgan"

    def describe(self, place: Place) -> str:
        return f"{super().describe(place)}, default recipe"

    def plain_step(self, place: Place, model: genzoo.Model, config: RunConfig, compiled: bool) -> PlainStep:
        generator, discriminator, training = model.generator, model.discriminator, config.training
        assert isinstance(training, GradientTraining)
        runtime, gamma = self.runtime(place), config.objective.options["gamma"]
        optimizers = [make_adam(network.parameters(), training.optimizer) for network in (generator, discriminator)]
        ema = PlainEMA(generator, training)

        def scored(x: Tensor) -> tuple[Tensor, Tensor]:
            """Logits, and the squared norm of their gradient by the image."""
            with torch.autocast(place.device.type, enabled=False):
                if compiled:  # the form of it that torch.compile can trace
                    gradient, logits = torch.func.grad(lambda x: _with_sum(discriminator(x)), has_aux=True)(x)
                else:
                    x = x.detach().requires_grad_()
                    logits = discriminator(x)
                    (gradient,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
                return logits, gradient.square().flatten(1).sum(1)

        def discriminator_loss(real: Tensor) -> Tensor:
            with torch.no_grad():
                samples = generator.sample(len(real)).to(real.dtype)
            logits, squared = scored(torch.cat([real, samples]))
            real_logits, sample_logits = logits.chunk(2)
            at_real, at_samples = squared.chunk(2)
            penalty = 0.5 * gamma * (at_real.mean() + at_samples.mean())
            return F.softplus(sample_logits - real_logits).mean() + penalty

        def generator_loss(real: Tensor) -> Tensor:
            logits = discriminator(generator.sample(len(real)))
            with torch.no_grad():
                partners = discriminator(real)
            return F.softplus(partners - logits).mean()

        losses = [generator_loss, discriminator_loss]
        if compiled:
            losses = [place.compile(loss) for loss in losses]
        parts = [*zip(losses, (generator, discriminator), optimizers, strict=True)][::-1]

        def step(images: Tensor) -> None:
            real = scaled(images, 127.5, 127.5)
            for loss, network, optimizer in parts:
                with runtime.autocast():
                    value = loss(real)
                value.backward(inputs=[*network.parameters()])
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            ema.update()

        return step


def _with_sum(logits: Tensor) -> tuple[Tensor, Tensor]:
    return logits.sum(), logits
