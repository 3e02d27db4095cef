"""Gaussian mixtures by EM, a step being a pass over all rows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

import genzoo
from genzoo.config.resolve import layer, resolve_config
from genzoo.engine.em import EMEngine
from genzoo.plugins.manager import get_registry
from genzoo.training.setup import build_setup
from gpu_rows.limits import Work
from gpu_rows.row import Contender, Place, Row

PASSES = 100


@dataclass(frozen=True, slots=True)
class Parameters:
    """Of K components: `weights (K,)`, `means (K, C)`, and variances `(K, C)` or Cholesky factors `(K, C, C)`."""

    weights: Tensor
    means: Tensor
    scales: Tensor


@dataclass(frozen=True, kw_only=True)
class GMM(Row):
    """EM on noise, from means at the first rows, equal weights and unit covariances.

    Arguments:
        covariance: of each component.
        rows, columns, components: N, C and K; shortened runs have 4,000 rows.
        chunks: parts that the plain loop takes a pass in, so that it never holds a number per row and component.
    """

    covariance: Literal["diagonal", "full"]
    rows: int
    columns: int
    components: int
    chunks: int
    most_steps: int = PASSES

    unit = f"s for {PASSES} passes"
    higher_is_better = False

    def describe(self, place: Place) -> str:
        return f"`gmm`, {self.covariance}, {self._rows(place):,}×{self.columns}, K={self.components}"

    def _rows(self, place: Place) -> int:
        return 4000 if place.short else self.rows

    def data(self, place: Place) -> np.ndarray[Any, Any]:
        """Return centered rows on the host; every contender takes its own copy to the device."""
        x = np.random.default_rng(0).standard_normal((self._rows(place), self.columns), np.float32)
        x -= x.mean(0, dtype=np.float64).astype(np.float32)
        return x

    def genzoo(self, place: Place, data: np.ndarray[Any, Any]) -> Contender:
        features = tuple(genzoo.Feature(f"x{i}") for i in range(self.columns))
        dataset = genzoo.Dataset("noise", genzoo.DataSpec((self.columns,), "table", features), data)
        options = {"n_components": self.components, "covariance_type": self.covariance, "reg_covar": 1e-6}
        settings = {"training": {"max_iter": 10**6, "tol": 0.0}, "split": {"validation": 0.0, "test": 0.0}}
        config = layer({**options, **settings, "device": str(place.device), "precision": "fp32"})
        setup = build_setup(resolve_config(get_registry(), "gmm", config), dataset)
        engine, blocks = setup.engine, next(setup.loader.items(1))
        assert isinstance(engine, EMEngine)
        start = {name: value.clone() for name, value in engine.tensors().items()}
        start["model.generator.emissions.0.means"] = torch.from_numpy(data[: self.components]).to(place.device)
        numbers = {**engine.numbers(), "pass": 1}  # the parameters are set, so no pass begins with k-means

        def advance(count: int) -> None:
            engine.restore(start, numbers)  # always the same passes, long before EM converges
            for number in range(1, count + 1):
                engine.update(blocks, number, 0.0)

        return Contender(advance, engine.tensors)

    def plain(self, place: Place, data: np.ndarray[Any, Any], *, compiled: bool) -> Contender:
        x = torch.from_numpy(data).to(place.device)
        expect: Any = _expect_diagonal if self.covariance == "diagonal" else _expect_full
        maximize = _maximize_diagonal if self.covariance == "diagonal" else _maximize_full
        if compiled:
            expect = place.compile(expect)
        parts = x.split(-(-len(x) // self.chunks))
        weights = torch.full((self.components,), 1 / self.components, device=place.device)
        scales = torch.ones(self.components, self.columns, device=place.device)
        if self.covariance == "full":
            scales = scales.diag_embed()
        start = found = Parameters(weights, x[: self.components].clone(), scales)

        @torch.no_grad()
        def advance(count: int) -> None:
            nonlocal found
            found = start
            for _ in range(count):
                total: list[Tensor] = []
                for part in parts:
                    place.begin_step()
                    sums = expect(part, found.weights, found.means, found.scales)
                    total = [a + b for a, b in zip(total, sums, strict=True)] if total else [s.clone() for s in sums]
                *sums, _ = total
                found = maximize(*sums)

        return Contender(advance, lambda: {"weights": found.weights, "means": found.means, "scales": found.scales})

    def work(self, place: Place, data: Any, plain: Contender) -> Work:
        """Both steps are matrix products with the distinct products of the columns; the rows are read once.

        Of the columns, their squares (diagonal) or their C (C + 1) / 2 pairs (full), and the columns themselves.
        """
        columns, rows = self.columns, self._rows(place)
        products = 2 * columns if self.covariance == "diagonal" else columns * (columns + 3) // 2
        return Work(2 * 2 * rows * self.components * products, 4 * rows * columns)

    def precision(self, place: Place) -> str:
        return "fp32"

    def figure(self, place: Place, seconds: float) -> float:
        return PASSES * seconds


def _share(joint: Tensor) -> tuple[Tensor, Tensor]:
    """Return the share of each component and the log-likelihood, `()`, from weighted log-densities `(N, K)`."""
    log_density = joint.logsumexp(1, keepdim=True)
    return (joint - log_density).exp(), log_density.sum(dtype=torch.float64)


def _expect_diagonal(x: Tensor, weights: Tensor, means: Tensor, variances: Tensor) -> tuple[Tensor, ...]:
    precision, squares = 1 / variances, x.square()
    constant = weights.log() - 0.5 * (means.square() * precision + variances.log() + math.log(2 * math.pi)).sum(1)
    share, log_likelihood = _share(x @ (means * precision).T - 0.5 * squares @ precision.T + constant)
    return share.sum(0).double(), (share.T @ x).double(), (share.T @ squares).double(), log_likelihood


def _maximize_diagonal(counts: Tensor, first: Tensor, second: Tensor) -> Parameters:
    means = first / counts[:, None]
    variances = second / counts[:, None] - means.square() + 1e-6
    return Parameters((counts / counts.sum()).float(), means.float(), variances.float())


def _expect_full(x: Tensor, weights: Tensor, means: Tensor, factors: Tensor) -> tuple[Tensor, ...]:
    identity = torch.eye(x.shape[1], device=x.device).expand_as(factors)
    whitener = torch.linalg.solve_triangular(factors, identity, upper=False)  # (K, C, C)
    y = x @ whitener.mT - (means[:, None] @ whitener.mT)  # (K, N, C)
    half_log_det = factors.diagonal(dim1=1, dim2=2).log().sum(1)
    constant = weights.log() - half_log_det - 0.5 * x.shape[1] * math.log(2 * math.pi)
    share, log_likelihood = _share((constant[:, None] - 0.5 * y.square().sum(2)).T)
    weighted = share.T[:, :, None] * x  # (K, N, C)
    return share.sum(0).double(), (share.T @ x).double(), (weighted.mT @ x).double(), log_likelihood


def _maximize_full(counts: Tensor, first: Tensor, second: Tensor) -> Parameters:
    means = first / counts[:, None]
    covariances = second / counts[:, None, None] - means[:, :, None] * means[:, None]
    covariances.diagonal(dim1=1, dim2=2).add_(1e-6)
    return Parameters((counts / counts.sum()).float(), means.float(), torch.linalg.cholesky_ex(covariances).L.float())
