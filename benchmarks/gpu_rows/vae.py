"""VAE with its default recipe and an mlp."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

import genzoo
from genzoo.config.run_config import RunConfig
from genzoo.config.training import GradientTraining
from gpu_rows.gradient import GradientRow, PlainEMA, PlainStep, make_adam, scaled
from gpu_rows.row import Place


@dataclass(frozen=True, kw_only=True)
class DefaultVAE(GradientRow):
    """Evidence lower bound with a warm-up, a learned mixture as prior, Adam with a cosine, and a moving average."""

    model: str = "vae"
    shape: tuple[int, int, int] = (1, 28, 28)
    settings: dict[str, Any] = field(default_factory=lambda: {"network": "mlp"})

    def describe(self, place: Place) -> str:
        return f"{super().describe(place)}, default recipe with an mlp"

    def plain_step(self, place: Place, model: genzoo.Model, config: RunConfig, compiled: bool) -> PlainStep:
        vae, training = model.generator, config.training
        assert isinstance(training, GradientTraining)
        runtime, budget = self.runtime(place), training.steps or 10_000
        optimizer, ema = make_adam(vae.parameters(), training.optimizer), PlainEMA(vae, training)
        weight, done = torch.zeros((), device=place.device), 0

        def loss(x: Tensor, weight: Tensor) -> Tensor:
            posterior = vae.posterior(x)
            z = posterior.draw(1)
            divergence = (posterior.log_prob(z) - vae.prior.log_prob(z)).mean()
            return weight * divergence - vae.log_likelihood(x, None, z).mean()

        evaluate = place.compile(loss) if compiled else loss

        def step(images: Tensor) -> None:
            nonlocal done
            fraction = done % budget / budget
            done += 1
            weight.fill_(min(1.0, fraction / 0.3))
            for group in optimizer.param_groups:
                group["lr"] = training.optimizer.lr * 0.5 * (1 + math.cos(math.pi * fraction))
            with runtime.autocast():
                value = evaluate(scaled(images, 0.0, 255.0), weight)
            value.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            ema.update()

        return step
