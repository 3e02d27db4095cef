"""Check standard errors by simulation: how often intervals hold the truth, and how often equal models seem to differ.

Each pair draws real rows and the samples of two equal generators. The truth of a metric is its mean over all pairs, at
these numbers of rows. Printed for each metric: the mean; its standard deviation over pairs; the root of the mean
squared standard error; the coverage of value ± 1.96 errors (95 % is right); and the false-difference rate: how often
1.96 errors of the difference do not hold 0 (5 % is right, less is cautious). Cases are Gaussians; the generators are
right, or shifted by a number of deviations.

    python benchmarks/truth.py [--pairs 2000] [--rows 200 1000] [--columns 2 8] [--shifts 0 0.5]

`classifier-two-sample` and `tstr` train models for each score, so they get a twentieth of the pairs. The error of
`tstr` is over test rows, so all pairs of a case have the same training rows and samples for it, and both generators the
same score. `membership-auc` takes the true density, under which training rows are as likely as others.

With `--mclust`, compare the BIC of mixtures with R's mclust instead: every family of covariances with 1 to 9 components
(5 for fewer than 100 rows), on tables of R and scikit-learn as they are and scaled. Printed for each table and family:
how many fits mclust has a value for, in how many of them ours is lower or higher by more than 0.01, and in how many we
have none. At the end: how many tables and fits have a BIC as low as in mclust.

    python benchmarks/truth.py --mclust [--tables iris wine] [--most 9]
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_wine

import genzoo
from genzoo.errors import DataError
from genzoo.metrics.evaluation.choice import find_metrics
from genzoo.metrics.metric import Metric, MetricInput, Score, error_of_difference
from genzoo.plugins.manager import get_registry

REACH = 1.959964

TABLES = {
    "iris": "iris[, 1:4]",
    "faithful": "faithful",
    "diabetes": "{data(diabetes); diabetes[, 2:4]}",
    "wine": None,
    "banknote": "{data(banknote); banknote[, -1]}",
    "thyroid": "{data(thyroid); thyroid[, -1]}",
    "USArrests": "USArrests",
    "swiss": "swiss",
    "trees": "trees",
    "EuroUnemployment": "{data(EuroUnemployment); EuroUnemployment}",
    "airquality": "na.omit(airquality)[, 1:4]",
    "rock": "rock",
    "LifeCycleSavings": "LifeCycleSavings",
    "stackloss": "stackloss",
    "attitude": "attitude",
}
"""Tables in R, and scikit-learn's wine."""

SMALL = 100
"""Tables of fewer rows get at most 5 components."""

CLOSE = 1e-2

USUAL = {"VVV": "full", "EEE": "tied", "VVI": "diagonal", "VII": "spherical"}

MCLUST = """
suppressMessages(library(mclust))
words <- commandArgs(trailingOnly = TRUE)
x <- as.data.frame(TABLE)
write.csv(x, words[1], row.names = FALSE)
if (words[3] == "TRUE") x <- scale(x)
most <- min(as.integer(words[4]), if (nrow(x) < as.integer(words[5])) 5 else 9)
bic <- mclustBIC(x, G = 1:most, modelNames = mclust.options("emModelNames"), verbose = FALSE)
class(bic) <- "matrix"
write.csv(matrix(bic, ncol = 14, dimnames = list(NULL, mclust.options("emModelNames"))), words[2], row.names = FALSE)
"""

SLOW = {"classifier-two-sample": 20, "tstr": 20}

LEFT_OUT = ("log-likelihood", "total-variation")
"""Metrics whose error is of a mean, or of data that Gaussians are not."""


def mixed(rng: np.random.Generator, rows: int, columns: int, shift: float) -> np.ndarray:
    """Return Gaussian rows, `(rows, columns)`, in which neighboring columns have a correlation of 0.5."""
    x = rng.normal(size=(rows, columns))
    for i in range(1, columns):
        x[:, i] = 0.5 * x[:, i - 1] + np.sqrt(0.75) * x[:, i]
    return x + shift


def log_density(x: np.ndarray) -> np.ndarray:
    """Return the log-densities of `mixed` rows without a shift, up to a constant."""
    steps = np.diff(x, axis=1) + 0.5 * x[:, :-1]  # x[i] - 0.5 x[i - 1]
    found: np.ndarray = -(x[:, 0] ** 2 + (steps**2).sum(axis=1) / 0.75) / 2
    return found


def pair(metrics: list[Metric], case: tuple[int, int, float], number: int, skipped: set[str]) -> list[list[Score]]:
    """Return the scores of two equal generators on the same real rows."""
    rows, columns, shift = case
    rng = np.random.default_rng([number, rows, columns])
    spec = genzoo.DataSpec((columns,), "table", tuple(genzoo.Feature(f"x{i}") for i in range(columns)))
    real, train = mixed(rng, rows, columns, 0.0), mixed(rng, rows, columns, 0.0)
    fixed = np.random.default_rng([rows, columns])
    learned, drawn = mixed(fixed, rows, columns, 0.0), mixed(fixed, rows, columns, shift)
    found = []
    for _ in range(2):
        samples = mixed(rng, rows, columns, shift)
        given = MetricInput(
            spec,
            real,
            samples,
            real,
            samples,
            train,
            log_density(real),
            seed=number,
            target=spec.features[-1].name,
            train=learned,
            synthetic=drawn,
            train_log_likelihoods=log_density(train),
        )
        found.append(list(scores([metric for metric in metrics if metric.name not in skipped], given)))
    return found


def scores(metrics: list[Metric], given: MetricInput) -> Iterator[Score]:
    """Yield the scores; `tstr` has none if the real rows, which pairs share, do not predict better than chance."""
    for metric in metrics:
        try:
            yield metric.score(given)
        except DataError:
            assert metric.name == "tstr"


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


def of_mclust(table: str, scaled: bool, most: int) -> tuple[np.ndarray, list[dict[str, str]]]:
    """Return a table, and the BIC of mclust for each number of components, by the name of the family."""
    with tempfile.TemporaryDirectory() as folder:
        data, bic = Path(folder, "data.csv"), Path(folder, "bic.csv")
        code = TABLES[table]
        if code is None:
            x = load_wine().data
            header = ",".join(f"x{i}" for i in range(x.shape[1]))
            np.savetxt(data, x, delimiter=",", header=header, comments="", fmt="%.17g")
        script = MCLUST.replace("TABLE", code or "read.csv(words[1])")
        words = [str(data), str(bic), str(scaled).upper(), str(most), str(SMALL)]
        subprocess.run(["Rscript", "-e", script, *words], check=True, capture_output=True)
        x = np.loadtxt(data, delimiter=",", skiprows=1)
        with bic.open(encoding="utf-8") as file:
            return (x - x.mean(0)) / x.std(0, ddof=1) if scaled else x, list(csv.DictReader(file))


def agree(table: str, scaled: bool, most: int) -> tuple[bool, int, int]:
    """Fit a table with all families, and print how often our BIC is as low as in mclust.

    Returns:
        Whether the best BIC is as low; in how many fits it is as low, and how many there are.
    """
    x, expected = of_mclust(table, scaled, most)
    begun = time.perf_counter()
    report = genzoo.compare([f"gmm:covariance_type=all,n_components=1..{len(expected)}"], x)
    found = {row.id: row for row in report.rows}
    known, beaten, worse, missing = (dict.fromkeys(expected[0], 0) for _ in range(4))
    for components, line in enumerate(expected, 1):
        for name, value in line.items():
            row = found[f"gmm:covariance_type={USUAL.get(name, name)},n_components={components}"]
            if value == "NA":
                continue
            known[name] += 1
            missing[name] += row.bic is None
            worse[name] += row.bic is not None and row.bic > CLOSE - float(value)
            beaten[name] += row.bic is not None and row.bic < -CLOSE - float(value)
    rows, columns = x.shape
    how = ", scaled" if scaled else ""
    total = sum(known.values())
    print(f"\n{table}{how}: {rows} rows, {columns} columns, {total} fits, {time.perf_counter() - begun:.0f} s")
    best = min(-float(value) for line in expected for value in line.values() if value != "NA")
    ours = min((row.bic for row in report.rows if row.bic is not None), default=float("nan"))
    print(f"best BIC {ours:.2f}, mclust {best:.2f}")
    print(f"{'':8}" + "".join(f"{name:>5}" for name in [*known, "all"]))
    for what, counts in (("fits", known), ("better", beaten), ("worse", worse), ("none", missing)):
        print(f"{what:8}" + "".join(f"{count:5}" for count in [*counts.values(), sum(counts.values())]), flush=True)
    return ours <= best + CLOSE, total - sum(worse.values()) - sum(missing.values()), total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--rows", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--columns", type=int, nargs="+", default=[2, 8])
    parser.add_argument("--shifts", type=float, nargs="+", default=[0.0])
    parser.add_argument("--metrics", nargs="+")
    parser.add_argument("--mclust", action="store_true")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--most", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.mclust:
        for scaled in (False, True):
            found = [agree(table, scaled, arguments.most) for table in arguments.tables]
            reached, low, fits = (sum(numbers) for numbers in zip(*found, strict=True))
            print(f"\nas low as in mclust: the best BIC of {reached} of {len(found)} tables, and {low} of {fits} fits")
        return
    metrics = list(find_metrics(get_registry(), arguments.metrics))
    metrics = [metric for metric in metrics if metric.takes("table") and metric.name not in LEFT_OUT]
    for rows in arguments.rows:
        for columns in arguments.columns:
            for shift in arguments.shifts:
                calibrate(metrics, (rows, columns, shift), arguments.pairs)


if __name__ == "__main__":
    main()
