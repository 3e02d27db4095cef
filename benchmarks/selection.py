"""Check how often `genzoo compare` selects the right model, on data with a known truth.

1. BIC picks the true K among 1..7, on 1,000 events from mixtures of K = 2..5 Gaussians in the plane. Any two means are
   at least 5 apart in Mahalanobis distance.
2. The verdict on two models that are equally good by construction is "not told apart". The models are two fixed
   densities on either side of the truth (by 500 test events and by 10-fold cross-validation), and one mixture from two
   starts with the same optimum.
3. Of two fixed densities with a true gap of 4 standard errors of the paired difference, the better one is best and the
   other one "worse".
4. The one-standard-error rule names K = 3 on mixtures of three Gaussians, with 10 folds and K = 1..6.

    python benchmarks/selection.py [--repeats 100] [--jobs 2] [--only bic equal gap simplest]
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

import genzoo
from genzoo.plugins.manager import get_manager

GENZOO_API = 2
EVENTS = 1_000
FOLDS = 10


class Fixed(genzoo.Generator, genzoo.Likelihood):
    """A normal with a given mean and standard deviation 1, so that the true difference of two of them is known."""

    def __init__(self, mean: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean))

    @property
    def degrees_of_freedom(self) -> int:
        return 0

    def log_prob(self, x: Tensor) -> Tensor:
        return -0.5 * (x[:, 0] - self.mean).square() - 0.5 * math.log(2 * math.pi)

    def sample(self, n: int, *, condition: Tensor | None = None, **options: object) -> Tensor:
        return self.mean + torch.randn(n, 1)


class FixedOptions(genzoo.Settings):
    mean: float = 0.0


class Still(genzoo.EMObjective):
    """An objective that does not change the parameters."""

    def initialize(self, model: genzoo.Model, blocks: Any) -> None:
        pass

    def statistics(self, model: genzoo.Model, batch: genzoo.Batch) -> dict[str, Tensor]:
        assert isinstance(model.generator, Fixed)
        total = model.generator.log_prob(batch.x).double().sum()
        return {"log_likelihood": total, "weight": torch.tensor(float(len(batch)), dtype=torch.float64)}

    def maximize(self, model: genzoo.Model, statistics: Mapping[str, Tensor]) -> None:
        pass


class StillOptions(genzoo.Settings):
    pass


def build(config: FixedOptions, _: genzoo.DataSpec) -> genzoo.Parts:
    return genzoo.Parts(Fixed(config.mean))


def build_objective(_: StillOptions) -> Still:
    return Still()


@genzoo.hookimpl
def register_models(register: Callable[[genzoo.ModelSpec], None]) -> None:
    register(
        genzoo.ModelSpec(
            name="fixed",
            family="benchmark",
            summary="A normal that is not fitted",
            builder=f"{__name__}:build",
            config=f"{__name__}:FixedOptions",
            objectives=("still",),
            capabilities=frozenset({"likelihood"}),
            input="raw",
            training={"n_init": 1},
        )
    )


@genzoo.hookimpl
def register_objectives(register: Callable[[genzoo.ObjectiveSpec], None]) -> None:
    register(
        genzoo.ObjectiveSpec(
            "still", "Nothing", f"{__name__}:build_objective", f"{__name__}:StillOptions", kind="gradient"
        )
    )


def mixture(k: int, rng: np.random.Generator) -> Any:
    """Draw events from `k` Gaussians in the plane with weights of at least 0.1 and means at least 5 apart."""
    while True:
        roots = rng.normal(size=(k, 2, 2)) + 1.5 * np.eye(2)
        covariances = roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(2)
        means = rng.uniform(-4 * k, 4 * k, (k, 2))
        if all(apart(means[i] - means[j], (covariances[i] + covariances[j]) / 2) for i in range(k) for j in range(i)):
            break
    weights = 0.1 + (1 - 0.1 * k) * rng.dirichlet(np.full(k, 5.0))
    labels = rng.choice(k, EVENTS, p=weights)
    factors = np.linalg.cholesky(covariances)
    return means[labels] + (factors[labels] @ rng.normal(size=(EVENTS, 2, 1)))[:, :, 0]


def apart(gap: Any, covariance: Any) -> bool:
    return bool(gap @ np.linalg.solve(covariance, gap) >= 25)


def bic(repeats: int, jobs: int) -> None:
    """Check claim 1: BIC picks the true K."""
    right, wrong = 0, Counter[tuple[int, str | None]]()
    for seed in range(repeats):
        k = 2 + seed % 4
        report = genzoo.compare(
            ["gmm:n_components=1..7"], mixture(k, np.random.default_rng(seed)), seed=seed, jobs=jobs
        )
        assert report.by == "bic", report.notes
        right += report.best == f"gmm:n_components={k}"
        if report.best != f"gmm:n_components={k}":
            wrong[k, report.best] += 1
    show("BIC picks the true K", right, repeats, 95, wrong)


def equal(repeats: int, jobs: int) -> None:
    """Check claim 2: equal models are not told apart."""
    fixed = ["fixed:mean=0.1", "fixed:mean=-0.1"]
    for folds, how in ((0, "test rows"), (FOLDS, "cross-validation")):
        right = 0
        for seed in range(repeats):
            data = np.random.default_rng(seed).normal(size=(EVENTS, 1))
            report = genzoo.compare(fixed, data, seed=seed, folds=folds, by="cv" if folds else "test", split=HALF)
            right += report.rows[1].verdict == "not told apart"
        show(f"not told apart, fixed densities, {how}", right, repeats, 90)
    right = 0
    for seed in range(repeats):
        data = mixture(3, np.random.default_rng(seed))
        starts = ["gmm:n_components=3,init_params=kmeans|k-means++"]
        report = genzoo.compare(starts, data, seed=seed, by="test", split=HALF, jobs=jobs)
        right += report.rows[1].verdict == "not told apart"
    show("not told apart, one mixture from two starts", right, repeats, 90)


def gap(repeats: int, _: int) -> None:
    """Check claim 3: a gap of 4 standard errors is found."""
    for folds, n in ((0, EVENTS // 2), (FOLDS, EVENTS)):
        # A mean of m instead of 0 costs m²/2 nats per event on average, and the difference has standard deviation m. So
        # the gap is sqrt(n) m / 2 standard errors, which is 4 for m = 8 / sqrt(n).
        models = ["fixed:mean=0.0", f"fixed:mean={8 / math.sqrt(n):.6f}"]
        right = 0
        for seed in range(repeats):
            data = np.random.default_rng(seed).normal(size=(EVENTS, 1))
            report = genzoo.compare(models, data, seed=seed, folds=folds, by="cv" if folds else "test", split=HALF)
            right += report.best == models[0] and report.rows[1].verdict == "worse"
        show(f"a gap of 4 standard errors is found, {'cross-validation' if folds else 'test rows'}", right, repeats, 95)


def simplest(repeats: int, jobs: int) -> None:
    """Check claim 4: the one-standard-error rule names K = 3."""
    right, wrong = 0, Counter[str | None]()
    for seed in range(repeats):
        data = mixture(3, np.random.default_rng(seed))
        report = genzoo.compare(["gmm:n_components=1..6"], data, seed=seed, folds=FOLDS, jobs=jobs)
        right += report.simplest == "gmm:n_components=3"
        if report.simplest != "gmm:n_components=3":
            wrong[report.simplest] += 1
    show("the one-standard-error rule names K = 3", right, repeats, 85, wrong)


HALF = {"test": 0.5}
CLAIMS = {"bic": bic, "equal": equal, "gap": gap, "simplest": simplest}


def show(what: str, right: int, repeats: int, least: int, wrong: Mapping[Any, int] | None = None) -> None:
    instead = f"  instead: {dict(wrong)}" if wrong else ""
    print(f"{what:64} {right:3} of {repeats} (target: at least {least} of 100){instead}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=list(CLAIMS), default=list(CLAIMS))
    arguments = parser.parse_args()
    get_manager().add("benchmark", sys.modules[__name__])
    for name in arguments.only:
        begun = time.perf_counter()
        CLAIMS[name](arguments.repeats, arguments.jobs)
        print(f"  {time.perf_counter() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()
