"""Check standard errors by simulation: how often intervals hold the truth, and how often equal models seem to differ.

Each pair draws real rows and the samples of two equal generators. The truth of a metric is its mean over all pairs, at
these numbers of rows. Printed for each metric: the mean; its standard deviation over pairs; the root of the mean
squared standard error; the coverage of value ± 1.96 errors (95 % is right); and the false-difference rate: how often
1.96 errors of the difference do not hold 0 (5 % is right, less is cautious). Cases are Gaussians; the generators are
right, or shifted by a number of deviations.

    python benchmarks/truth.py [--pairs 2000] [--rows 200 1000] [--columns 2 8] [--shifts 0 0.5]

`classifier-two-sample` trains a network for each score, so it gets a twentieth of the pairs.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict

import numpy as np
import torch

import genzoo
from genzoo.metrics.evaluator import find_metrics
from genzoo.metrics.metric import Metric, MetricInput, Score, error_of_difference
from genzoo.plugins.manager import get_registry

REACH = 1.959964

SLOW = {"classifier-two-sample": 20}

LEFT_OUT = ("memorization", "log-likelihood", "bits-per-dim", "total-variation")
"""Metrics without a sampling error, of no samples, or of columns that Gaussians do not have."""


def mixed(rng: np.random.Generator, rows: int, columns: int, shift: float) -> np.ndarray:
    """Return Gaussian rows, `(rows, columns)`, in which neighboring columns have a correlation of 0.5."""
    x = rng.normal(size=(rows, columns))
    for i in range(1, columns):
        x[:, i] = 0.5 * x[:, i - 1] + np.sqrt(0.75) * x[:, i]
    return x + shift


def pair(metrics: list[Metric], case: tuple[int, int, float], number: int, skipped: set[str]) -> list[list[Score]]:
    """Return the scores of two equal generators on the same real rows."""
    rows, columns, shift = case
    rng = np.random.default_rng([number, rows, columns])
    spec = genzoo.DataSpec((columns,), "table", tuple(genzoo.Feature(f"x{i}") for i in range(columns)))
    real = mixed(rng, rows, columns, 0.0)
    found = []
    for _ in range(2):
        samples = mixed(rng, rows, columns, shift)
        given = MetricInput(spec, real, samples, real, samples, seed=number)
        found.append([metric.score(given) for metric in metrics if metric.name not in skipped])
    return found


def calibrate(metrics: list[Metric], case: tuple[int, int, float], pairs: int) -> None:
    """Simulate one case, and print its table."""
    begun = time.perf_counter()
    values, errors, gaps = defaultdict(list), defaultdict(list), defaultdict(list)
    for number in range(pairs):
        skipped = {name for name, every in SLOW.items() if number % every}
        for one, other in zip(*pair(metrics, case, number, skipped), strict=True):
            error = error_of_difference(one, other)
            assert one.error is not None
            assert error is not None
            values[one.metric].append(one.value)
            errors[one.metric].append(one.error)
            gaps[one.metric].append(abs(one.value - other.value) > REACH * error)
    rows, columns, shift = case
    print(f"\n{rows} rows, {columns} columns, shift {shift:g}: {pairs} pairs, {time.perf_counter() - begun:.0f} s")
    print(f"{'':24}{'mean':>10}{'sd':>10}{'error':>10}{'coverage':>10}{'false':>10}{'pairs':>8}")
    for name, found in values.items():
        value, error = np.array(found), np.array(errors[name])
        held = np.mean(np.abs(value - value.mean()) <= REACH * error)
        size = np.sqrt(np.mean(error**2))
        print(
            f"{name:24}{value.mean():10.4f}{value.std():10.4f}{size:10.4f}{held:10.1%}{np.mean(gaps[name]):10.1%}"
            f"{len(value):8}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--rows", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--columns", type=int, nargs="+", default=[2, 8])
    parser.add_argument("--shifts", type=float, nargs="+", default=[0.0])
    parser.add_argument("--metrics", nargs="+")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    metrics = list(find_metrics(get_registry(), arguments.metrics))
    metrics = [metric for metric in metrics if metric.name not in LEFT_OUT]
    for rows in arguments.rows:
        for columns in arguments.columns:
            for shift in arguments.shifts:
                calibrate(metrics, (rows, columns, shift), arguments.pairs)


if __name__ == "__main__":
    main()
