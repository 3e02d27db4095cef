"""Metrics of samples, an evaluation being a step."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

import genzoo
from genzoo.metrics.evaluation.choice import find_metrics
from genzoo.metrics.mmd import median_distance
from genzoo.plugins.manager import get_registry
from gpu_rows.limits import Work
from gpu_rows.row import Contender, Place, Row

_BLOCK = 2048
"""Rows whose distances to all others are on the device at a time."""

_K = 5
"""Which neighbor bounds a neighborhood, as in genzoo."""

Array = np.ndarray[Any, np.dtype[Any]]
Compile = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True, kw_only=True)
class MetricRow(Row):
    """Metrics of as many samples as real rows.

    Genzoo computes them on the CPU, in float64 if that matters, and with standard errors. The plain loop computes the
    values alone, on the device.
    """

    metrics: tuple[str, ...]
    events: int = 50_000
    columns: int = 128
    warm_up: int = 1
    most_steps: int = 100
    on_host: bool = True

    unit = "s"
    higher_is_better = False

    @abstractmethod
    def score(self, real: Tensor, samples: Tensor, compile_block: Compile) -> Callable[[], Sequence[Tensor]]:
        """Return what computes the scores, `()` each, from float64 features `(N, F)` on the device."""

    def describe(self, place: Place) -> str:
        return f"{', '.join(self.metrics)} of {self._events(place):,} rows and as many samples, {self.columns} columns"

    def _events(self, place: Place) -> int:
        return 500 if place.short else self.events

    def data(self, place: Place) -> tuple[Array, Array]:
        rng, shape = np.random.default_rng(0), (self._events(place), self.columns)
        return rng.standard_normal(shape), 0.95 * rng.standard_normal(shape) + 0.02

    def genzoo(self, place: Place, data: tuple[Array, Array]) -> Contender:
        metrics, scores = find_metrics(get_registry(), self.metrics), dict[str, Tensor]()

        def advance(count: int) -> None:
            for _ in range(count):
                given = genzoo.MetricInput(real_features=data[0], sample_features=data[1])
                scores.update({metric.name: torch.tensor(metric.score(given).value) for metric in metrics})

        return Contender(advance, lambda: scores)

    def plain(self, place: Place, data: tuple[Array, Array], *, compiled: bool) -> Contender:
        real, samples = (torch.from_numpy(part).to(place.device) for part in data)
        compute = self.score(real, samples, place.compile if compiled else lambda block: block)
        scores: dict[str, Tensor] = {}

        @torch.no_grad()
        def advance(count: int) -> None:
            for _ in range(count):
                scores.update(zip(self.metrics, compute(), strict=True))

        return Contender(advance, lambda: scores)

    def work(self, place: Place, data: Any, plain: Contender) -> Work:
        raise NotImplementedError("Genzoo computes metrics on the CPU.")

    def precision(self, place: Place) -> str:
        return "fp64"

    def figure(self, place: Place, seconds: float) -> float:
        return seconds


@dataclass(frozen=True, kw_only=True)
class Frechet(MetricRow):
    """The plain loop takes covariances and their roots in float64. Its decompositions do not compile."""

    metrics: tuple[str, ...] = ("frechet-distance",)
    compiles: bool = False

    def score(self, real: Tensor, samples: Tensor, compile_block: Compile) -> Callable[[], Sequence[Tensor]]:
        def compute() -> list[Tensor]:
            gap, a, b = real.mean(0) - samples.mean(0), real.T.cov(), samples.T.cov()
            values, vectors = torch.linalg.eigh(a)
            root = vectors * values.clamp_min(0).sqrt() @ vectors.T
            crossed = torch.linalg.eigvalsh(root @ b @ root).clamp_min(0).sqrt().sum()
            return [gap @ gap + a.trace() + b.trace() - 2 * crossed]

        return compute


@dataclass(frozen=True, kw_only=True)
class Neighbors(MetricRow):
    """The plain loop takes distances in float32, block by block."""

    metrics: tuple[str, ...] = ("precision", "recall", "density", "coverage")

    def score(self, real: Tensor, samples: Tensor, compile_block: Compile) -> Callable[[], Sequence[Tensor]]:
        real, samples = real.float(), samples.float()

        def radii(part: Tensor, events: Tensor) -> Tensor:
            return torch.cdist(part, events).topk(_K + 1, largest=False).values[:, -1]  # the nearest is the row itself

        def meet(part: Tensor, own: Tensor, others: Tensor, theirs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            distances = torch.cdist(part, others)
            inside = distances <= theirs
            return inside.sum(1), inside.any(0), (distances <= own[:, None]).any(0)

        radii, meet = compile_block(radii), compile_block(meet)

        def compute() -> list[Tensor]:
            within_real, within_samples = (
                torch.cat([radii(part, events).clone() for part in events.split(_BLOCK)]) for events in (real, samples)
            )
            parts = zip(samples.split(_BLOCK), within_samples.split(_BLOCK), strict=True)
            held, covered, reached = zip(*(_copies(meet(*part, real, within_real)) for part in parts), strict=True)
            holding, recalled = torch.cat(held), torch.stack(reached).any(0)
            density = holding.double().mean() / _K
            shares = [flags.double().mean() for flags in (holding > 0, recalled, torch.stack(covered).any(0))]
            return [shares[0], shares[1], density, shares[2]]

        return compute


@dataclass(frozen=True, kw_only=True)
class MMD(MetricRow):
    """The plain loop sums Gaussian kernels in float32, block by block, with genzoo's bandwidth."""

    metrics: tuple[str, ...] = ("mmd",)

    def score(self, real: Tensor, samples: Tensor, compile_block: Compile) -> Callable[[], Sequence[Tensor]]:
        bandwidth = median_distance(real.cpu().numpy())
        x, y = (real / bandwidth).float(), (samples / bandwidth).float()

        def kernel_sum(part: Tensor, events: Tensor) -> Tensor:
            return (-0.5 * torch.cdist(part, events).square()).exp().sum(dtype=torch.float64)

        kernel_sum = compile_block(kernel_sum)

        def mean(a: Tensor, b: Tensor) -> Tensor:
            total = torch.stack([kernel_sum(part, b).clone() for part in a.split(_BLOCK)]).sum()
            return (total - len(a)) / (len(a) * (len(a) - 1)) if a is b else total / (len(a) * len(b))

        def compute() -> list[Tensor]:
            return [mean(x, x) + mean(y, y) - 2 * mean(x, y)]

        return compute


def _copies(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Copies, since CUDA graphs reuse the memory of their outputs in the next call."""
    return [tensor.clone() for tensor in tensors]
