"""Measure the quality of the digits that `genzoo train dcgan` learns with its defaults.

For each seed, train, draw 500 samples, and compare their pixels with 500 held-out digits (nearest neighbors, k = 5). An
SVC trained on the real training digits labels the samples; the table has the share of the rarest class. The row `real`
compares real training digits with the same held-out digits: the scores of a perfect model.

    python benchmarks/digits.py [--seeds 5] [-o KEY=VALUE]...
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.svm import SVC

import genzoo
from genzoo.config.data import SplitSettings
from genzoo.config.layers import parse_assignments
from genzoo.metrics.precision_recall import coverage, density, precision, recall

EVENTS = 500
METRICS = (coverage, precision, recall, density)
TARGETS = {"coverage": 0.92, "precision": 0.88, "recall": 0.75, "rarest class": 0.05}


def measure(seed: int, options: dict[str, Any], folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Return the scores of one trained model, and the scores of real digits."""
    begun = time.perf_counter()
    run = genzoo.train("dcgan", "digits", seed=seed, out=folder / f"seed-{seed}", **options)
    seconds = time.perf_counter() - begun
    bunch = load_digits()
    data = genzoo.DataSpec((1, 8, 8), "image", (genzoo.Feature("pixel"),))
    split = genzoo.Dataset("digits", data, bunch.images[:, None]).split(SplitSettings(), seed)
    held_out = np.random.default_rng(seed).permutation(np.concatenate([split.validation, split.test]))[:EVENTS]
    real, train = bunch.data[held_out], bunch.data[split.train]
    samples = run.sample(EVENTS, seed=seed).reshape(EVENTS, -1).astype(np.float64)
    classifier = SVC(C=10, gamma=0.001).fit(train, bunch.target[split.train])
    scores = scores_of(real, samples, classifier) | {"seconds": seconds}
    others = np.random.default_rng(seed).permutation(train)[:EVENTS]
    return scores, scores_of(real, others, classifier)


def scores_of(real: Any, samples: Any, classifier: SVC) -> dict[str, float]:
    """Compute all scores of a set of samples."""
    given = genzoo.MetricInput(real_features=real, sample_features=samples)
    scores = {metric.name: metric.score(given).value for metric in METRICS}
    classes = np.bincount(classifier.predict(samples), minlength=10)
    return scores | {"rarest class": float(classes.min() / len(samples))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("-o", action="append", default=[], metavar="KEY=VALUE", help="as for genzoo train")
    arguments = parser.parse_args()
    options = parse_assignments(arguments.o)
    rows, real = [], []
    print("seed      " + "  ".join(f"{name:>12}" for name in [*(m.name for m in METRICS), "rarest class", "seconds"]))
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(arguments.seeds):
            scores, best = measure(seed, options, Path(folder))
            rows.append(scores)
            real.append(best)
            show(str(seed), scores)
    show("mean", {name: statistics.mean(row[name] for row in rows) for name in rows[0]})
    show("least", {name: min(row[name] for row in rows) for name in rows[0]})
    show("real", {name: statistics.mean(row[name] for row in real) for name in real[0]})
    show("target", TARGETS)


def show(title: str, scores: dict[str, float]) -> None:
    names = [*(m.name for m in METRICS), "rarest class", "seconds"]
    cells = (f"{scores[name]:12.3f}" if name in scores else " " * 12 for name in names)
    print(f"{title:10}" + "  ".join(cells), flush=True)


if __name__ == "__main__":
    main()
