"""Diffusion on images: training by flow matching, and samples by Heun's method."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import genzoo
from genzoo.config.run_config import RunConfig
from genzoo.config.training import GradientTraining
from genzoo_diffusion.diffusion import Diffusion
from gpu_rows.gradient import GradientRow, NetworkRow, PlainEMA, PlainStep, make_adam, scaled
from gpu_rows.limits import Work
from gpu_rows.row import Contender, Place

_CENTER, _DEVIATION = 127.5, 73.9
"""Mean and standard deviation of noise of 256 levels, about."""

_LOCATION, _SPREAD, _LEAST, _END = -1.0, 1.3, 1e-3, 1e-4
STEPS = 20


@dataclass(frozen=True, kw_only=True)
class TrainedDiffusion(GradientRow):
    """Logarithms of the error of the velocity, Adam with a cosine, and a moving average."""

    model: str = "diffusion"
    shape: tuple[int, int, int] = (1, 28, 28)

    def plain_step(self, place: Place, model: genzoo.Model, config: RunConfig, compiled: bool) -> PlainStep:
        own, training = model.generator, config.training
        assert isinstance(own, Diffusion)
        assert isinstance(training, GradientTraining)
        runtime, budget, done = self.runtime(place), training.steps or 10_000, 0
        optimizer, ema = make_adam(own.parameters(), training.optimizer), PlainEMA(own, training)
        network = own.network

        def loss(x: Tensor) -> Tensor:
            share = (torch.arange(len(x), device=x.device) + torch.rand(1, device=x.device)) / len(x)
            ratio = (_LOCATION + _SPREAD * torch.special.ndtri(_END + (1 - 2 * _END) * share)).exp()
            s = ratio / (1 + ratio)
            a = 1 - s
            near, far = a[:, None, None, None], s[:, None, None, None]
            scale = (near.square() + far.square()).rsqrt()
            noise = torch.randn_like(x)
            found = network(scale * (near * x + far * noise), a, s, None, None)
            errors = (found - scale * (far * x - near * noise)).square().flatten(1).mean(1)
            return (errors + _LEAST).log().mean()

        evaluate = place.compile(loss) if compiled else loss

        def step(images: Tensor) -> None:
            nonlocal done
            for group in optimizer.param_groups:
                group["lr"] = training.optimizer.lr * 0.5 * (1 + math.cos(math.pi * (done % budget) / budget))
            done += 1
            with runtime.autocast():
                value = evaluate(scaled(images, _CENTER, _DEVIATION))
            value.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            ema.update()

        return step


@dataclass(frozen=True, kw_only=True)
class DiffusionSamples(NetworkRow):
    """Samples of an untrained network in float32, from noise to values in model space."""

    model: str = "diffusion"
    shape: tuple[int, int, int] = (1, 28, 28)

    def describe(self, place: Place) -> str:
        return f"samples of {super().describe(place)}, {STEPS} steps of Heun's method"

    def precision(self, place: Place) -> str:
        return "fp32"

    def genzoo(self, place: Place, data: Any) -> Contender:
        own = self._network(place)
        return self._contender(place, own, lambda: own.sample(self.batch_size(place), sampler="heun", steps=STEPS))

    def plain(self, place: Place, data: Any, *, compiled: bool) -> Contender:
        own = self._network(place)
        network = cast("Callable[..., Tensor]", place.compile(own.network) if compiled else own.network)
        times = torch.linspace(1.0, 0.0, STEPS + 1, device=place.device)

        def velocity(x: Tensor, t: Tensor) -> Tensor:
            a, s = 1 - t, t
            variance = a.square() + s.square()
            found = network(variance.rsqrt() * x, a.expand(len(x)), s.expand(len(x)), None, None)
            return (s - a) / variance * x - variance.rsqrt() * found

        def sample() -> Tensor:
            x = torch.randn(self.batch_size(place), *self.shape, device=place.device)
            for now, then in itertools.pairwise(times[:-1]):
                first = velocity(x, now)
                x = x + (then - now) * (first + velocity(x + (then - now) * first, then)) / 2
            return x - times[-2] * velocity(x, times[-2])

        return self._contender(place, own, sample)

    def work(self, place: Place, data: Any, plain: Contender) -> Work:
        parameters = sum(part.numel() for module in plain.modules for part in module.parameters())
        with FlopCounterMode(display=False) as counter:
            plain.advance(1)
        return Work(counter.get_total_flops(), 2 * STEPS * 4 * parameters)

    def _network(self, place: Place) -> Diffusion:
        own = self.networks(place)[0].generator
        assert isinstance(own, Diffusion)
        return own.eval()

    def _contender(self, place: Place, own: Diffusion, sample: Callable[[], Tensor]) -> Contender:
        last = torch.empty(self.batch_size(place), *self.shape, device=place.device)
        torch.manual_seed(0)

        @torch.no_grad()
        def advance(count: int) -> None:
            for _ in range(count):
                place.begin_step()
                last.copy_(sample())

        return Contender(advance, lambda: {"samples": last}, [own.network])
