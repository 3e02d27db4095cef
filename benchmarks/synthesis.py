"""Samples of tables: their Wasserstein-1 distance to held-out rows, in the protocol of ForestDiffusion.

python benchmarks/synthesis.py [--model NAME[:option=value] ...] [--draws 5] [--json FILE]

For each of three splits (80% training rows, stratified by the class), a model learns the training rows with the class
as a column, and as many rows are drawn five times. Numbers are scaled by the range of the training rows, classes are
one-hot and halved. The distance between both sets of rows is under the city-block metric, solved as a linear program.
`train` is the distance to the training rows, and `test` the distance to the held-out ones.

With five draws, as in that protocol, the figures for wine still move by 0.02, because classes are drawn at random. Use
`--draws 40` to compare models. The distance to few held-out rows is smaller for samples that vary too little.

Two rows are no models. `training rows` compares the training rows themselves, and `resampled rows` draws from them with
replacement: no model that draws independent rows of the true distribution is expected to be much closer.

`--red FILE` adds the 11 measurements of red wine quality (Cortez et al., 2009), which it reads from a CSV file without
header: equal rows are dropped, a fifth is held out, and four times as many rows are learned and drawn, with no class.
`ratio` is the distance to the held-out rows, divided by the distance from the training rows to them.

Published figures of others are from "Generating and Imputing Tabular Data via Diffusion and Flow-based Gradient-Boosted
Trees" (Jolicoeur-Martineau, Fatras and Kachman, 2024) and its repository. They were not measured here.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import optimize, sparse
from scipy.spatial.distance import cdist
from sklearn.datasets import load_iris, load_wine
from sklearn.model_selection import train_test_split

import genzoo

PUBLISHED = {
    "iris": {"ForestFlow": 0.328, "TabDDPM": 0.329, "TVAE": 0.485, "Gaussian copula of SDV": 0.733},
    "wine": {"ForestFlow": 1.421, "TabDDPM": 1.531, "TVAE": 1.788, "Gaussian copula of SDV": 2.097},
}
Array = np.ndarray[Any, np.dtype[Any]]
Draw = Callable[[int], Array]
Table = tuple[Array, Array | None]


def wasserstein(first: Array, second: Array) -> float:
    """Return the Wasserstein-1 distance of two sets of rows under the city-block metric."""
    cost = cdist(first, second, "cityblock")
    cost = cost if len(first) >= len(second) else cost.T
    n, m = cost.shape
    if n % m == 0:  # then each of the second is assigned to as many of the first
        row, column = optimize.linear_sum_assignment(np.tile(cost, n // m))
        return float(np.tile(cost, n // m)[row, column].mean())
    rows = sparse.kron(sparse.eye(n), np.ones((1, m)))
    columns = sparse.kron(np.ones((1, n)), sparse.eye(m))
    shares = np.concatenate([np.full(n, 1 / n), np.full(m, 1 / m)])
    found = optimize.linprog(cost.ravel(), A_eq=sparse.vstack([rows, columns]).tocsr(), b_eq=shares, method="highs")
    return float(found.fun)


def load(name: str) -> Table:
    """Return the numbers and the classes of a table of scikit-learn."""
    x, y = {"iris": load_iris, "wine": load_wine}[name](return_X_y=True)
    return x, y


def red_wine(file: Path) -> Table:
    """Return the different rows of red wine quality without the grade, and no class."""
    return np.unique(np.loadtxt(file, delimiter=",")[:, :11], axis=0), None


def split_of(x: Array, y: Array | None, seed: int) -> tuple[Array, Array]:
    """Return training rows and held-out rows, a multiple of each other if there is no class."""
    if y is not None:
        parts = train_test_split(x, y, test_size=0.2, random_state=seed, stratify=y)
        train, test = (np.column_stack([parts[k], parts[k + 2]]) for k in (0, 1))
        return train, test
    held = len(x) // 5
    order = np.random.default_rng(seed).permutation(len(x))
    return x[order[held : 5 * held]], x[order[:held]]


def scaled(rows: Array, train: Array, classes: int) -> Array:
    """Return rows with numbers in units of the range of training rows, and the class one-hot and halved."""
    if not classes:
        return (rows - train.min(0)) / np.ptp(train, 0)
    low, high = train[:, :-1].min(0), train[:, :-1].max(0)
    return np.column_stack([(rows[:, :-1] - low) / (high - low), np.eye(classes)[rows[:, -1].astype(int)] / 2])


def resampled(train: Array, seed: int) -> Draw:
    """Return a function that draws rows of `train` with replacement."""
    return lambda draw: train[np.random.default_rng(1000 * seed + draw).integers(len(train), size=len(train))]


def trained(name: str, train: Array, seed: int, classes: int) -> Draw:
    """Train a model of genzoo, and return a function that draws rows."""
    model, _, text = name.partition(":")
    options = dict(part.split("=", 1) for part in text.split(",")) if text else {}
    frame = pd.DataFrame(train, columns=[f"x{i}" for i in range(train.shape[1])])
    if classes:
        frame = frame.iloc[:, :-1].assign(**{"class": pd.Categorical(train[:, -1].astype(int).astype(str))})
    with tempfile.TemporaryDirectory() as folder:
        run = genzoo.train(
            model, data=frame, out=Path(folder, "run"), seed=seed, validation=0.0, test=0.0, device="cpu", **options
        )
        fitted = run.load()
    return lambda draw: np.asarray(fitted.sample(len(train), seed=1000 * seed + draw, output="array"), np.float64)


def measure(table: Table, name: str, draws: int) -> dict[str, float]:
    """Return the mean distances of one model on one table, and their standard errors over splits and draws."""
    x, y = table
    classes, found = 0 if y is None else len(np.unique(y)), []
    for seed in range(3):
        train, test = split_of(x, y, seed)
        draw: Draw
        if name == "training rows":
            draw = lambda _, train=train: train  # noqa: E731
        else:
            draw = resampled(train, seed) if name == "resampled rows" else trained(name, train, seed, classes)
        for number in range(1 if name == "training rows" else draws):
            rows = scaled(draw(number), train, classes)
            found.append([wasserstein(scaled(part, train, classes), rows) for part in (train, test)])
    means, errors = np.mean(found, 0), np.std(found, 0) / np.sqrt(len(found))
    return {"train": means[0], "test": means[1], "se": errors[1]}


def main() -> None:
    """Print a table of all models."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", nargs="+", default=["copula", "copula:marginals=normal"], help="NAME[:option=value,...]"
    )
    parser.add_argument("--table", nargs="*", default=["iris", "wine"], choices=["iris", "wine"])
    parser.add_argument("--red", type=Path, help="CSV file of red wine quality")
    parser.add_argument("--draws", type=int, default=5, help="draws of each trained model")
    parser.add_argument("--json", type=Path, help="file for the figures")
    given = parser.parse_args()
    figures: dict[str, dict[str, dict[str, float]]] = {}
    tables: dict[str, Table] = {name: load(name) for name in given.table}
    if given.red:
        tables["red"] = red_wine(given.red)
    for table, rows in tables.items():
        print(f"\n{table}: Wasserstein-1 distance, lower is better")
        print(f"{'model':32}{'train':>9}{'test':>9}{'± SE':>9}{'ratio':>9}")
        for name in ("training rows", "resampled rows", *given.model):
            row = figures.setdefault(table, {})[name] = measure(rows, name, given.draws)
            row["ratio"] = row["test"] / figures[table]["training rows"]["test"]
            print(f"{name:32}" + "".join(f"{row[key]:9.3f}" for key in ("train", "test", "se", "ratio")), flush=True)
        for name, value in PUBLISHED.get(table, {}).items():
            print(f"{name + ' (published)':32}{'':9}{value:9.3f}")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
