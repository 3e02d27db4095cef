"""Measure the density of `flow` on tables: against Gaussian mixtures on wine, the truth on toys, and zuko's speed.

    wine     red and white wine quality, 11 columns without the quality, rows that differ, values rounded to the grid
             they were recorded on: the log-probability of the grid cell in nats, mean over ten paired folds, for
             `flow`, the best `gmm`, and the best `gmm` after `marginal`; CPU seconds of a training. The search for the
             best goes on to more components until two numbers in a row are worse
    truth    10,000 rows from densities that can be computed, with one recipe: nats per dimension that the density of
             10,000 new rows lacks; CPU seconds of a training
    speed    steps of training 512 rows with 6 couplings, taken in turn with zuko's flow of equal size and precision:
             median milliseconds of CPU time, for networks of the default width 64 and of two others; also the time of
             the matrix products alone, which both flows need. zuko is optional: `pip install zuko`

Each training also has the largest error of the inverse in model space, with rows and weights in float32. Noise has the
float64 that it is computed in. In parentheses: the error if noise is rounded to float32, too.

Bars, which stand in parentheses beside the figures:

    wine     `flow` is better than the best `gmm` by 0.6 nats on red wine and 0.3 on white, and than the best `gmm`
             after `marginal` by 0.15; a training takes at most 15 and 40 seconds
    truth    at most 0.02 nats per dimension below the truth, 60 seconds a training, and 1e-5 for the inverse. With
             `-o autoregressive=true`, too
    speed    twice as fast as zuko. At width 512, matrix products take more than half of a step of `flow`

The wine tables are winequality-red.csv and winequality-white.csv of the UCI repository, in the folder that --wine
names. That part is left out if they are not there.

    python benchmarks/density.py [wine] [truth] [speed] [--wine FOLDER] [--color red white] [--folds 10] [--rows 10000]
        [--seed 0] [--density NAME...] [--rounds 30] [-o key=value]...
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

import genzoo
from genzoo.config.layers import parse_assignments
from genzoo.errors import GenzooError
from genzoo_flow.autoregressive import Conditionals
from genzoo_flow.coupling import Couplings
from genzoo_flow.options import FlowOptions

PARTS = ("wine", "truth", "speed")
GRID = np.array([0.1, 0.01, 0.01, 0.1, 0.001, 1, 1, 1e-4, 0.01, 0.01, 0.1])
DRAWS = 64
COMPONENTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
NO_SPLIT = {"validation": 0.0, "test": 0.0}
TARGETS = {"red": (0.6, 0.15, 15.0), "white": (0.3, 0.15, 40.0), "truth": (0.02, 60.0), "speed": 2.0}
Array = np.ndarray[Any, np.dtype[np.float64]]


def trained(model: str, rows: Array, **settings: Any) -> tuple[genzoo.TrainedModel, float]:
    """Train on all rows, and return the model with the CPU seconds that it took."""
    spec = genzoo.DataSpec(
        rows.shape[1:], "table", tuple(genzoo.Feature(f"x{place}") for place in range(rows.shape[1])), storage="float64"
    )
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        dataset = genzoo.Dataset("rows", spec, np.ascontiguousarray(rows))
        run = genzoo.train(model, dataset, out=Path(folder) / "run", split=NO_SPLIT, seed=0, **settings)
        return run.load(), time.process_time() - begun


def inverse_errors(fitted: genzoo.TrainedModel, rows: Array) -> str:
    """Describe the largest difference of rows from what the inverse makes of their noise, in model space."""
    (flow,) = (module for module in fitted.generator.children() if isinstance(module, Couplings | Conditionals))
    x = fitted.transform(torch.from_numpy(rows)).float()
    with torch.no_grad():
        noise, _ = flow.eval()(x)
        exact, rounded = (float((flow.sample(kept) - x).abs().max()) for kept in (noise, noise.float()))
    return f"inverse {exact:.0e} (rounded noise {rounded:.0e})"


def wine(folder: Path, color: str) -> Array:
    """Return the different rows of a wine table, on their grid, in random order."""
    names = folder / f"winequality-{color}.csv"
    with names.open() as lines:
        first = lines.readline()
    header, separator = not first[0].isdigit(), ";" if ";" in first else ","
    rows = np.loadtxt(names, delimiter=separator, skiprows=int(header))[:, : len(GRID)]
    rows = np.unique(np.round(np.round(rows / GRID) * GRID, 6), axis=0)
    return np.asarray(np.random.default_rng(0).permutation(rows))


def cell_scores(fitted: genzoo.TrainedModel, rows: Array) -> Array:
    """Return the log-probabilities of the grid cells of rows, `(n,)`: means of the density over places in the cell."""
    if fitted.dequantized:
        return np.asarray(fitted.log_prob_bound(rows, draws=DRAWS))
    noise = np.random.default_rng(0).random((DRAWS, *rows.shape)) - 0.5
    logs = fitted.log_prob((rows + noise * GRID).reshape(-1, rows.shape[1])).reshape(DRAWS, -1)
    return np.asarray(np.logaddexp.reduce(logs, axis=0) - math.log(DRAWS) + np.log(GRID).sum())


def gmm_score(train: Array, test: Array, count: int, after: bool) -> float | None:
    """Return the mean score of a Gaussian mixture on held-out rows; `None` if it cannot be fitted."""
    if after:
        settings: dict[str, Any] = {"transforms": {f"x{place}": "marginal" for place in range(len(GRID))}}
    else:
        settings, rng = {}, np.random.default_rng(count)
        train = train + (rng.random(train.shape) - 0.5) * GRID
    try:
        fitted, _ = trained("gmm", train, n_components=count, **settings)
    except GenzooError:
        return None
    return float(cell_scores(fitted, test).mean())


def best_mixture(folds: list[tuple[Array, Array]], after: bool) -> tuple[int, float, str]:
    """Return the number of components with the best mean over folds, that mean, and all means as a text.

    Numbers of components rise until two in a row are worse than the best.
    """
    means: dict[int, float] = {}
    for count in COMPONENTS:
        found = [score for train, test in folds if (score := gmm_score(train, test, count, after)) is not None]
        if len(found) == len(folds):
            means[count] = statistics.mean(found)
        best = max(means, key=means.__getitem__, default=count)
        if sum(other > best for other in COMPONENTS if other <= count) >= 2:
            break
    return best, means[best], ", ".join(f"{count}: {mean:.3f}" for count, mean in means.items())


def measure_wine(folder: Path, color: str, folds: int, options: dict[str, Any]) -> None:
    rows = wine(folder, color)
    parts = np.array_split(np.arange(len(rows)), 10)[:folds]
    pairs = [(np.delete(rows, part, axis=0), rows[part]) for part in parts]
    flows, seconds = [], []
    for number, (train, test) in enumerate(pairs):
        fitted, spent = trained("flow", train, **options)
        flows.append(float(cell_scores(fitted, test).mean()))
        seconds.append(spent)
        errors = inverse_errors(fitted, test)
        print(f"{color:8} fold {number}: flow {flows[-1]:8.3f} in {spent:5.1f} s, {errors}", flush=True)
    flow, bars = statistics.mean(flows), TARGETS[color]
    assert isinstance(bars, tuple)
    print(f"{color:8} {len(rows)} rows, {len(pairs)} folds: flow {flow:.3f} nats, {max(seconds):.1f} s ({bars[2]:g})")
    for place, after in enumerate((False, True)):
        best, mean, all_means = best_mixture(pairs, after)
        name = f"gmm{' after marginal' if after else ''}"
        print(f"{color:8} {name}, {best} components: {mean:.3f}, {flow - mean:+.3f} (+{bars[place]:g})", flush=True)
        print(f"{color:8} {name}, by components: {all_means}", flush=True)


Sampler = Callable[[np.random.Generator, int], Array]
LogDensity = Callable[[Array], Array]


def _gaussians(rng: np.random.Generator, n: int) -> Array:
    angle = 2 * math.pi * rng.integers(0, 8, n) / 8
    return np.stack([np.cos(angle), np.sin(angle)], 1) * 2.83 + 0.354 * rng.normal(size=(n, 2))


def _gaussians_log(x: Array) -> Array:
    angle = 2 * math.pi * np.arange(8) / 8
    centers = 2.83 * np.stack([np.cos(angle), np.sin(angle)], 1)
    each = stats.norm.logpdf(x[:, None], centers, 0.354).sum(2)
    return np.asarray(np.logaddexp.reduce(each, axis=1) - math.log(8))


def _rings(rng: np.random.Generator, n: int) -> Array:
    angle, radius = 2 * math.pi * rng.random(n), rng.integers(1, 3, n) + 0.12 * rng.normal(size=n)
    return np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None]


def _rings_log(x: Array) -> Array:
    radius = np.linalg.norm(x, axis=1)
    each = stats.norm.pdf(radius[:, None], [1, 2], 0.12) + stats.norm.pdf(-radius[:, None], [1, 2], 0.12)
    return np.asarray(np.log(each.mean(1) / (2 * math.pi * radius)))


def _pinwheel(rng: np.random.Generator, n: int) -> Array:
    f = rng.normal(size=(n, 2)) * [0.3, 0.1] + [1.0, 0.0]
    return _turned(f, 2 * math.pi * rng.integers(0, 5, n) / 5 + 0.25 * np.exp(f[:, 0]))


def _turned(f: Array, angle: Array) -> Array:
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.stack([cosine * f[:, 0] - sine * f[:, 1], sine * f[:, 0] + cosine * f[:, 1]], 1)


def _pinwheel_log(x: Array) -> Array:
    """Sum over arms: in each, the length along the arm solves an equation, with solutions searched on a grid."""
    total = np.zeros(len(x))
    for arm in range(5):
        start = 2 * math.pi * arm / 5

        def rest(f0: Array, start: float = start) -> Array:
            return f0 - _turned(x, -(start + 0.25 * np.exp(f0)))[:, 0]

        nodes = np.linspace(-0.8, 2.8, 46)
        values = np.stack([rest(np.full(len(x), node)) for node in nodes])
        for low, high, below, above in zip(nodes[:-1], nodes[1:], values[:-1], values[1:], strict=True):
            crossed = below * above < 0
            if not crossed.any():
                continue
            ends = [np.full(len(x), low), np.full(len(x), high)]
            for _ in range(40):
                middle = (ends[0] + ends[1]) / 2
                same = rest(middle) * below > 0
                ends = [np.where(same, middle, ends[0]), np.where(same, ends[1], middle)]
            f0 = (ends[0] + ends[1]) / 2
            f = _turned(x, -(start + 0.25 * np.exp(f0)))
            density = stats.norm.pdf(f[:, 0], 1.0, 0.3) * stats.norm.pdf(f[:, 1], 0.0, 0.1)
            total += np.where(crossed, density / np.abs(1 - 0.25 * np.exp(f[:, 0]) * f[:, 1]) / 5, 0.0)
    return np.asarray(np.log(total))


def _center(x: Array, place: int) -> Array:
    first = np.sin(x[:, place - 1]) if place else np.zeros(len(x))
    return np.asarray(first + (0.5 * x[:, place - 2] if place > 1 else 0.0))


def _heavy(rng: np.random.Generator, n: int) -> Array:
    x = np.zeros((n, 8))
    for place in range(8):
        x[:, place] = _center(x, place) + 0.5 * rng.standard_t(4, n)
    return x


def _heavy_log(x: Array) -> Array:
    return np.asarray(sum(stats.t.logpdf(x[:, place], 4, _center(x, place), 0.5) for place in range(8)))


DENSITIES: dict[str, tuple[Sampler, LogDensity]] = {
    "8-gaussians": (_gaussians, _gaussians_log),
    "two-rings": (_rings, _rings_log),
    "pinwheel": (_pinwheel, _pinwheel_log),
    "heavy-8d": (_heavy, _heavy_log),
}


def measure_truth(names: list[str], count: int, seed: int, options: dict[str, Any]) -> None:
    for name in names:
        draw, log_density = DENSITIES[name]
        rng = np.random.default_rng(seed)
        train, test = draw(rng, count), draw(rng, 10_000)
        fitted, spent = trained("flow", train, **options)
        lacking = (log_density(test) - fitted.log_prob(test)) / train.shape[1]
        error = lacking.std() / math.sqrt(len(test))
        shown = f"{lacking.mean():.4f} ± {error:.4f} nats per dimension below the truth (0.02)"
        print(f"{name:12} {shown}, {spent:.1f} s (60), {inverse_errors(fitted, test)} (1e-5)", flush=True)


def measure_speed(rounds: int) -> None:
    if importlib.util.find_spec("zuko") is None:
        print("speed: zuko is not installed; pip install zuko")
        return
    import zuko

    torch.set_num_threads(1)
    for width in (64, 128, 512):
        config = FlowOptions(dropout=0.0, widths=(width, width), bins=8)
        ours: torch.nn.Module = Couplings(6, 0, config)
        theirs = zuko.flows.NSF(6, 0, bins=8, transforms=6, passes=2, hidden_features=[width, width])
        data = torch.randn(512, 6)
        found = _medians(
            {
                "flow": _step(ours, lambda flow=ours, x=data: flow.log_prob(x)),
                "zuko": _step(theirs, lambda flow=theirs, x=data: flow().log_prob(x)),
                "products": _products(ours, len(data)),
            },
            rounds,
        )
        sizes = [sum(p.numel() for p in flow.parameters()) for flow in (ours, theirs)]
        print(
            f"speed: 512 rows, 6 columns, 6 couplings, width {width}: {found['flow']:.1f} ms, "
            f"zuko {found['zuko']:.1f} ms, {found['zuko'] / found['flow']:.2f} times as fast (2); "
            f"products of matrices alone {found['products']:.1f} ms, so at most "
            f"{found['zuko'] / found['products']:.2f} times; weights {sizes[0]}, {sizes[1]}",
            flush=True,
        )


def _medians(steps: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Return the median milliseconds of CPU time of steps taken in turn, without the first ones."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            begun = time.process_time()
            step()
            times[name].append(1e3 * (time.process_time() - begun))
    return {name: statistics.median(found[rounds // 5 :]) for name, found in times.items()}


def _products(module: torch.nn.Module, rows: int) -> Callable[[], None]:
    """Return a function that computes only the matrix products of a training step, without what is between them."""
    layers = [layer for layer in module.modules() if isinstance(layer, torch.nn.Linear)]
    pairs = [(torch.randn(rows, layer.in_features), torch.randn(rows, layer.out_features)) for layer in layers]

    @torch.no_grad()
    def step() -> None:
        for layer, (x, y) in zip(layers, pairs, strict=True):
            torch.mm(x, layer.weight.mT)
            torch.mm(y.mT, x)
            if layer.in_features > 3:  # the rows that a network sees need a gradient, too, but it is small
                torch.mm(y, layer.weight)

    return step


def _step(module: torch.nn.Module, log_prob: Callable[[], torch.Tensor]) -> Callable[[], None]:
    optimizer = torch.optim.AdamW(module.parameters(), 1e-3, fused=True)

    def step() -> None:
        (-log_prob().mean()).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"some of {', '.join(PARTS)}; all by default")
    parser.add_argument("--wine", type=Path, default=Path("../shared/data"))
    parser.add_argument("--color", nargs="+", default=["red", "white"], choices=["red", "white"])
    parser.add_argument("--folds", type=int, default=10)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="of the rows drawn from densities")
    parser.add_argument("--density", nargs="+", default=list(DENSITIES), choices=list(DENSITIES))
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("-o", dest="options", action="append", default=[], metavar="KEY=VALUE")
    given = parser.parse_args()
    parts, options = given.parts or PARTS, parse_assignments(given.options)
    if "wine" in parts:
        for color in given.color:
            if (given.wine / f"winequality-{color}.csv").is_file():
                measure_wine(given.wine, color, given.folds, options)
            else:
                print(f"{color}: winequality-{color}.csv is not in {given.wine}")
    if "truth" in parts:
        measure_truth(given.density, given.rows, given.seed, options)
    if "speed" in parts:
        measure_speed(given.rounds)


if __name__ == "__main__":
    main()
