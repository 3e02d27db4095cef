"""What rows of models trained by gradients have in common: genzoo's engine, and the feed and EMA of a plain loop."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import genzoo
from genzoo.config.resolve import layer, resolve_config
from genzoo.config.run_config import RunConfig
from genzoo.config.training import GradientTraining, OptimizerConfig
from genzoo.engine.loss_buffer import LossBuffer
from genzoo.engine.schedule import Budget
from genzoo.models.factory import build_model
from genzoo.plugins.manager import get_registry
from genzoo.runtime.device import Runtime, resolve_runtime
from genzoo.training.run_training import LOSS_BLOCK
from genzoo.training.setup import build_setup
from genzoo.training.trainer import Trainer
from gpu_rows.limits import Work, count_gradient_work
from gpu_rows.row import Contender, Place, Row

PlainStep = Callable[[Tensor], None]
"""Takes one step on uint8 images `(N, C, H, W)`, or on what else the row's data are."""


@dataclass(frozen=True, kw_only=True)
class NetworkRow(Row):
    """A model of noise images of 256 levels that has networks.

    Arguments:
        model: its name.
        shape: of an image, `(C, H, W)`.
        batch, short_batch: images per step, and in shortened runs.
        rows: images in the training set, all of them on the device.
        settings: options as for `genzoo train -o`, such as a preset.
    """

    model: str
    shape: tuple[int, int, int]
    batch: int
    short_batch: int
    rows: int = 60_000
    settings: dict[str, Any] = field(default_factory=dict)

    def batch_size(self, place: Place) -> int:
        return self.short_batch if place.short else self.batch

    def describe(self, place: Place) -> str:
        channels, height, width = self.shape
        return f"`{self.model}`, batch {self.batch_size(place)} of {channels}×{height}×{width}"

    def data(self, place: Place) -> np.ndarray[Any, Any]:
        rows = 4 * self.short_batch if place.short else self.rows
        return np.random.default_rng(0).integers(0, 256, (rows, *self.shape), dtype=np.uint8)

    def figure(self, place: Place, seconds: float) -> float:
        return self.batch_size(place) / seconds

    def spec(self, place: Place) -> genzoo.DataSpec:
        return genzoo.DataSpec(self.shape, "image", (genzoo.Feature("pixel"),), (0.0, 255.0), 1.0, "uint8")

    def runtime(self, place: Place) -> Runtime:
        return resolve_runtime(str(place.device), "auto")

    def config(self, place: Place) -> RunConfig:
        settings = {
            **self.settings,
            "training": {"batch_size": self.batch_size(place), "patience": None, "eval_steps": None},
        }
        settings |= {"split": {"validation": 0.0, "test": 0.0}, "device": str(place.device)}
        return resolve_config(get_registry(), self.model, layer(settings))

    def networks(self, place: Place) -> tuple[genzoo.Model, RunConfig]:
        """The networks of a plain loop: genzoo's architecture, in training mode and in genzoo's memory layout."""
        config = self.config(place)
        torch.manual_seed(0)
        model = genzoo.Model(build_model(get_registry().models.get(self.model), config.options, self.spec(place)))
        model = model.to(place.device).to(memory_format=torch.channels_last).train()
        return model, config


@dataclass(frozen=True, kw_only=True)
class GradientRow(NetworkRow):
    """A model trained by gradients."""

    @abstractmethod
    def plain_step(self, place: Place, model: genzoo.Model, config: RunConfig, compiled: bool) -> PlainStep:
        """The step of a plain loop that trains the networks of `model`."""

    def genzoo(self, place: Place, data: np.ndarray[Any, Any]) -> Contender:
        dataset = genzoo.Dataset("noise", self.spec(place), data)
        setup = build_setup(self.config(place), dataset)
        buffer = LossBuffer(place.device, LOSS_BLOCK)
        trainer = Trainer(setup.engine, setup.loader, Budget(10**9, None), seed=0, losses=buffer)

        def advance(count: int) -> None:
            for _ in range(count):
                trainer.train_step()

        return Contender(advance, setup.engine.tensors)

    def plain(self, place: Place, data: np.ndarray[Any, Any], *, compiled: bool) -> Contender:
        model, config = self.networks(place)
        step, batches = self.plain_step(place, model, config, compiled), _batches(place, data, self.batch_size(place))

        def advance(count: int) -> None:
            for _ in range(count):
                place.begin_step()
                step(next(batches))

        return Contender(advance, lambda: dict(model.named_parameters()), [*model.groups.values()])

    def work(self, place: Place, data: Any, plain: Contender) -> Work:
        return count_gradient_work(plain.modules, lambda: plain.advance(1))

    def precision(self, place: Place) -> str:
        return self.runtime(place).precision


def _batches(place: Place, data: np.ndarray[Any, Any], size: int) -> Iterator[Tensor]:
    """Shuffled batches of images that stay on the device."""
    images = torch.from_numpy(data).to(place.device)
    while True:
        order = torch.randperm(len(images), device=place.device)
        for chosen in order.split(size):
            if len(chosen) == size:
                yield images.index_select(0, chosen)


def scaled(images: Tensor, shift: float, scale: float) -> Tensor:
    """Images `(N, C, H, W)` as floats in genzoo's memory layout."""
    return images.float().sub(shift).div(scale).contiguous(memory_format=torch.channels_last)


def make_adam(parameters: Iterable[nn.Parameter], settings: OptimizerConfig) -> torch.optim.Adam:
    return torch.optim.Adam(parameters, settings.lr, settings.betas, weight_decay=settings.weight_decay, fused=True)


class PlainEMA:
    """The moving average of a network, with the decay that genzoo's has after its first steps."""

    def __init__(self, network: nn.Module, training: GradientTraining) -> None:
        self._decay = training.ema
        self._sources = [tensor.detach() for tensor in network.state_dict().values() if tensor.is_floating_point()]
        self._targets = [tensor.clone() for tensor in self._sources]

    @torch.no_grad()
    def update(self) -> None:
        if self._decay:
            torch._foreach_lerp_(self._targets, self._sources, 1 - self._decay)
