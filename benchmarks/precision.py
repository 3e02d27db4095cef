"""Train every model that learns by gradients in full and in half precision, and compare where they end.

Each model is trained with each of its objectives on each dataset that it takes, for the same steps and seeds. Printed
is a figure of the test rows in both precisions: the bound of the log-likelihood, in nats per row, where a model has
one, else the coverage of samples. The last number is the difference of the two means in standard errors. Runs whose
loss is not finite are counted, and end the program with exit code 1.

    python benchmarks/precision.py [--data NAME ...] [--model NAME ...] [--half bf16] [--steps 2000] [--seeds 3]
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from genzoo.plugins.manager import get_registry

DATA = ("digits", "fashion-mnist", "breast-cancer", "moons")
MODALITY = {"digits": "image", "fashion-mnist": "image"}
DIVERGED = 6
"""Exit code of a training whose loss is not finite."""


def genzoo(*words: str, accepted: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run([sys.executable, "-m", "genzoo", *words], capture_output=True, text=True, check=False)
    if ended.returncode not in accepted:
        sys.exit(f"genzoo {' '.join(words)} ended with {ended.returncode}: {ended.stderr}")
    return ended


def models(names: list[str], data: list[str]) -> list[tuple[str, str, str, str]]:
    """Return model, objective, dataset and metric of each combination."""
    registry, found = get_registry(), []
    for entry in registry.models:
        spec = entry.spec
        takes = [one for one in data if MODALITY.get(one, "table") in spec.modalities and "continuous" in spec.kinds]
        metric = "log-likelihood" if "likelihood-bound" in spec.capabilities else "coverage"
        for objective in spec.objectives:
            learns = registry.objectives.get(objective).spec.kind == "gradient"
            if learns and spec.name in (names or [spec.name]):
                found += [(spec.name, objective, one, metric) for one in takes]
    return found


def figure(folder: Path, model: str, objective: str, data: str, metric: str, words: list[str]) -> float:
    """Train once, and return the figure of the test rows; NaN if a loss was not finite."""
    run = str(folder / "run")
    command = ["train", model, "--data", data, "-o", f"objective={objective}", "--out", run, *words]
    if genzoo(*command, accepted=(0, DIVERGED)).returncode == DIVERGED:
        return math.nan
    found = json.loads(genzoo("evaluate", run, "--metric", metric, "--samples", "1000", "--json").stdout)
    return float(found["metrics"][metric]["value"])


def compare(model: str, objective: str, data: str, metric: str, arguments: argparse.Namespace) -> int:
    """Print one line, and return the number of runs whose loss was not finite."""
    found: dict[str, list[float]] = {"fp32": [], arguments.half: []}
    for seed in range(arguments.seeds):
        for precision, figures in found.items():
            words = ["--precision", precision, "--seed", str(seed), "--steps", str(arguments.steps)]
            with tempfile.TemporaryDirectory() as folder:
                figures.append(figure(Path(folder), model, objective, data, metric, words))
    full, half = ([value for value in figures if not math.isnan(value)] for figures in found.values())
    lost = 2 * arguments.seeds - len(full) - len(half)
    line = f"{model:12} {objective:16} {data:14} {metric:15}"
    if full and half:
        line += f" {statistics.mean(full):11.4f} {statistics.mean(half):11.4f}"
    if min(len(full), len(half)) > 1:
        error = math.sqrt(statistics.variance(full) / len(full) + statistics.variance(half) / len(half))
        line += f" {(statistics.mean(half) - statistics.mean(full)) / error if error else 0.0:+6.1f}"
    print(line + (f" {lost} not finite" if lost else ""), flush=True)
    return lost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", default=list(DATA))
    parser.add_argument("--model", nargs="+", default=[], help="names of models; all by default")
    parser.add_argument("--half", default="bf16", choices=["bf16", "fp16"])
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{'model':12} {'objective':16} {'data':14} {'figure':15} {'fp32':>11} {arguments.half:>11}  errors")
    sys.exit(min(1, sum(compare(*case, arguments) for case in models(arguments.model, arguments.data))))


if __name__ == "__main__":
    main()
