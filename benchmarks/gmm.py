"""Compare the time of a pass of EM with scikit-learn's, from the same start.

Both run the same number of passes on the same data, taking turns in one process. Prints medians of the time per pass,
their ratio, and the relative difference of the final log-likelihoods. The last figure compares genzoo's pass with the
matrix products in it alone, of the same shapes, with operands that stay in the cache: the share of their rate that the
whole pass reaches.

    python benchmarks/gmm.py [--rounds 3] [--passes 3] [--case 0]...
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
import warnings
from typing import Any

import numpy as np
import torch
from sklearn.mixture import GaussianMixture as Reference

import genzoo
from genzoo.config.training import EMTraining
from genzoo.engine.em import EMEngine
from genzoo_mixture.em import MixtureEM
from genzoo_mixture.emission import COVARIANCES
from genzoo_mixture.emission.emission import Added
from genzoo_mixture.mixture import Mixture

CASES: tuple[tuple[int, int, int, str, str, float], ...] = (
    (200_000, 16, 16, "full", "fp32", 8.0),
    (200_000, 16, 16, "full", "fp64", 2.5),
    (50_000, 64, 32, "full", "fp32", 5.0),
    (500_000, 8, 8, "full", "fp32", 5.0),
    (200_000, 32, 32, "diagonal", "fp32", 4.0),
)
SIZES = (1008, 2032, 5680, 16_368)
KINDS = {"full": "full", "diagonal": "diag"}


def problem(rows: int, columns: int, components: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    means = rng.normal(0, 3, (components, columns))
    labels = rng.integers(components, size=rows)
    return means[labels] + rng.normal(size=(rows, columns)), means + rng.normal(0, 0.3, means.shape)


def reference(x: Any, means: Any, kind: str, passes: int) -> tuple[float, float]:
    """Fit with scikit-learn, from unit covariances and equal weights; return seconds per pass and log-likelihood."""
    components, columns = means.shape
    ones = np.ones((components, columns)) if kind == "diagonal" else np.tile(np.eye(columns), (components, 1, 1))

    def fit(count: int) -> tuple[float, Reference]:
        model = Reference(
            components,
            covariance_type=KINDS[kind],
            max_iter=count,
            tol=0.0,
            weights_init=np.full(components, 1 / components),
            means_init=means,
            precisions_init=ones,
            init_params="random",
        )
        begun = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(x)
        return time.perf_counter() - begun, model

    alone, _ = fit(1)
    whole, model = fit(passes + 1)
    return (whole - alone) / passes, float(model.score_samples(x).sum())


def ours(x: Any, means: Any, kind: str, passes: int, precision: str) -> tuple[float, float]:
    """Fit with genzoo from the same start; return seconds per pass and log-likelihood."""
    dtype = torch.float64 if precision == "fp64" else torch.float32
    center = x.mean(0)
    emission = COVARIANCES[kind](*means.shape, Added(1e-6))
    generator = Mixture([emission], [range(means.shape[1])], "random").to(dtype)
    emission.means.copy_(torch.as_tensor(means - center))
    rows = torch.as_tensor(x - center).to(dtype)
    model, objective = genzoo.Model(genzoo.Parts(generator)), Started()
    blocks = [genzoo.Batch(part) for part in rows.split(objective.block(model))]
    engine = EMEngine(model, objective, EMTraining(max_iter=10**6, tol=0.0), seed=0)
    engine.update(blocks, 1, 0.0)
    begun = time.perf_counter()
    for number in range(passes):
        engine.update(blocks, number + 2, 0.0)
    seconds = (time.perf_counter() - begun) / passes
    generator.double()
    with torch.no_grad():
        parts = torch.as_tensor(x - center).split(8192)
        return seconds, float(sum(generator.log_prob(part).sum() for part in parts))


def products(rows: int, columns: int, components: int, kind: str, precision: str) -> float:
    """Return the seconds that the multiply-adds of one pass take as nothing but matrix products.

    They are computed for some events at a time; the number of events is the fastest of several.
    """
    dtype = torch.float64 if precision == "fp64" else torch.float32
    terms = (columns + 1) * (columns + 2) // 2 if kind == "full" else 2 * columns
    coefficients = torch.rand(components, terms, dtype=dtype)
    best = math.inf
    for size in SIZES:
        monomials = torch.rand(terms, size, dtype=dtype)
        for _ in range(5):
            begun = time.perf_counter()
            for _ in range(max(1, rows // size)):
                share = coefficients @ monomials
                monomials @ share.T
            best = min(best, (time.perf_counter() - begun) / max(1, rows // size) / size)
    return best * rows


class Started(MixtureEM):
    """EM that starts from the parameters of the model."""

    def initialize(self, model: genzoo.Model, blocks: Any) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--case", type=int, action="append", choices=range(len(CASES)))
    arguments = parser.parse_args()
    for number in arguments.case or range(len(CASES)):
        rows, columns, components, kind, precision, target = CASES[number]
        x, means = problem(rows, columns, components)
        theirs, mine, bare = [], [], []
        for _ in range(arguments.rounds):
            theirs.append(reference(x, means, kind, arguments.passes))
            mine.append(ours(x, means, kind, arguments.passes, precision))
            bare.append(products(rows, columns, components, kind, precision))
        ratios = [a / b for (a, _), (b, _) in zip(theirs, mine, strict=True)]
        share = statistics.median(a / b for a, (b, _) in zip(bare, mine, strict=True))
        apart = abs(theirs[-1][1] - mine[-1][1]) / abs(theirs[-1][1])
        print(
            f"{rows:,}×{columns}, K={components}, {kind}, {precision}: scikit-learn "
            f"{statistics.median(s for s, _ in theirs):.3f} s per pass, genzoo "
            f"{statistics.median(s for s, _ in mine):.3f} s, {statistics.median(ratios):.1f} times as fast "
            f"(target: {target:g}), relative difference of log-likelihoods {apart:.1e}; "
            f"{share:.2f} of the rate of its matrix products alone (target for full, fp32: 0.4)",
            flush=True,
        )


if __name__ == "__main__":
    main()
