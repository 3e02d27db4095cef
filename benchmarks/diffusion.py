"""Measure `diffusion`: digits, also in one step, densities of the plane, and the time of samples of 28 x 28 pixels.

    digits   training with the defaults on digits, for each seed: CPU seconds, coverage, distances to the nearest
             training digit, median, divided by the median for held-out digits, the accuracy of a classifier between
             samples and digits beside the accuracy for `dcgan`, coverage and distances of ancestral samples, the bound
             of test digits in bits per dimension, and the kernel distance between draws of 10 and of 50 steps, with its
             standard error
    one-step the same training by mean-flow, in three fifths of the steps, which take as long: coverage of samples in
             one step and in two, beside the coverage of 20 steps after training by velocity, and their distances
    toys     two moons and eight Gaussians, 5,000 training rows: mean log-density of 2,000 new rows in nats beside the
             one of `flow`. The density of `diffusion` is a solution of its equation with exact divergences; the error
             of the solver is the largest difference to half as many steps
    speed    seconds for 10,000 images of 28 x 28 pixels in 20 steps, for each solver, in float32 and in the precision
             that `auto` chooses

Bars stand in parentheses: coverage of .94, distances of .85, accuracy of `dcgan`, a kernel distance within two standard
errors, nine tenths of the coverage in one step, .05 nats, and 180 CPU seconds, as two cores have in 90 seconds.

    python benchmarks/diffusion.py [digits] [one-step] [toys] [speed] [--seeds 3] [--draws 10000] [--rows 5000]
        [--images 10000] [--threads 1] [--alone] [-o KEY=VALUE]...
"""

from __future__ import annotations

import argparse
import itertools
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits, make_moons
from sklearn.neighbors import NearestNeighbors

import genzoo
from genzoo.config.data import SplitSettings
from genzoo.config.layers import parse_assignments
from genzoo.metrics.mmd import kernel_distance
from genzoo.metrics.precision_recall import coverage
from genzoo_diffusion.diffusion import DiffusionDensity, build
from genzoo_diffusion.options import DiffusionOptions

PARTS = ("digits", "one-step", "toys", "speed")
ONE_STEP = 0.6
SOLVER_STEPS = 40
Array = np.ndarray[Any, np.dtype[np.float64]]


def measure_digits(seed: int, draws: int, options: dict[str, Any], folder: Path, *, alone: bool) -> None:
    begun = time.process_time()
    run = genzoo.train("diffusion", "digits", seed=seed, out=folder / f"diffusion-{seed}", **options)
    seconds = time.process_time() - begun
    train, held_out = parts(seed)
    few, many = (flat(run.sample(draws, seed=seed + steps, options={"steps": steps})) for steps in (10, 50))
    covered, far = covered_and_far(many, train, held_out)
    noisy = flat(run.sample(len(held_out), seed=seed, options={"sampler": "ancestral"}))
    apart = kernel_distance.score(genzoo.MetricInput(real_features=few, sample_features=many))
    found = f"coverage {covered:.3f} (.94)  distances {far:.3f} (.85)  accuracy {accuracy(run):.3f}"
    if not alone:
        gan = genzoo.train("dcgan", "digits", seed=seed, out=folder / f"dcgan-{seed}")
        found += f" ({accuracy(gan):.3f})"
    covered, far = covered_and_far(noisy, train, held_out)
    found += f"  ancestral: coverage {covered:.3f}  distances {far:.3f}"
    bits = run.evaluate(metrics="bits-per-dim").scores["bits-per-dim"]
    found += f"  bound {bits.value:.3f} ± {bits.error:.3f} bits/dim"
    found += f"  10 and 50 steps apart by {apart.value:.1f} ± {apart.error:.1f} (2 errors)"
    print(f"digits, seed {seed}: {found}  {seconds:.0f} CPU s (60)", flush=True)


def measure_one_step(seed: int, options: dict[str, Any], folder: Path) -> None:
    training = {"steps": 5000, **options.get("training", {})}
    fewer = {**options, "training": {**training, "steps": max(1, round(ONE_STEP * training["steps"]))}}
    train, held_out = parts(seed)
    for name, given, steps in (("velocity", options, (20,)), ("mean-flow", fewer, (1, 2))):
        begun = time.process_time()
        run = genzoo.train("diffusion", "digits", objective=name, seed=seed, out=folder / f"{name}-{seed}", **given)
        seconds = time.process_time() - begun
        for count in steps:
            samples = flat(run.sample(len(held_out), seed=seed, options={"steps": count}))
            covered, far = covered_and_far(samples, train, held_out)
            about = f"{name} in {count} steps: coverage {covered:.3f}  distances {far:.3f}"
            print(f"one-step, seed {seed}: {about}  {seconds:.0f} CPU s (60)", flush=True)


def covered_and_far(samples: Array, train: Array, held_out: Array) -> tuple[float, float]:
    """Return the coverage of held-out digits, and the median distance to training digits by the usual one."""
    samples = samples[: len(held_out)]
    covered = coverage.score(genzoo.MetricInput(real_features=held_out, sample_features=samples)).value
    nearest = NearestNeighbors(n_neighbors=1).fit(train)
    far, usual = (float(np.median(nearest.kneighbors(x)[0])) for x in (samples, held_out))
    return float(covered), far / usual


def accuracy(run: genzoo.Run) -> float:
    return float(run.evaluate(metrics="classifier-two-sample").scores["classifier-two-sample"].value)


def flat(x: Any) -> Array:
    return np.asarray(x, np.float64).reshape(len(x), -1)


def parts(seed: int) -> tuple[Array, Array]:
    """Return the training digits of a seed, and up to 500 of the others."""
    images = load_digits().images[:, None]
    data = genzoo.DataSpec((1, 8, 8), "image", (genzoo.Feature("pixel"),))
    split = genzoo.Dataset("digits", data, images).split(SplitSettings(), seed)
    others = np.random.default_rng(seed).permutation(np.concatenate([split.validation, split.test]))[:500]
    return flat(images[split.train]), flat(images[others])


def gaussians(rng: np.random.Generator, n: int) -> Array:
    angle = 2 * math.pi * rng.integers(0, 8, n) / 8
    return np.stack([np.cos(angle), np.sin(angle)], 1) * 2.83 + 0.354 * rng.normal(size=(n, 2))


def moons(rng: np.random.Generator, n: int) -> Array:
    return np.asarray(make_moons(n, noise=0.08, random_state=int(rng.integers(2**31)))[0])


def measure_toys(count: int, options: dict[str, Any], folder: Path, *, alone: bool) -> None:
    for name, draw in {"two moons": moons, "8 Gaussians": gaussians}.items():
        rng = np.random.default_rng(0)
        train, test = draw(rng, count), draw(rng, 2000)
        data = genzoo.DataSpec((2,), "table", (genzoo.Feature("a"), genzoo.Feature("b")), storage="float64")
        dataset, split = genzoo.Dataset(name, data, train), {"validation": 0.0, "test": 0.0}
        begun = time.process_time()
        ours = genzoo.train("diffusion", dataset, split=split, out=folder / f"{name} diffusion", **options).load()
        spent = time.process_time() - begun
        logs, error = densities(ours, test)
        print(f"{name}: {logs.mean():.3f} nats, solver within {error:.0e}, {spent:.0f} CPU s", flush=True)
        if not alone:
            flow = genzoo.train("flow", dataset, split=split, out=folder / f"{name} flow").load()
            lead = logs - flow.log_prob(test)
            print(f"  {lead.mean():+.3f} ± {lead.std() / math.sqrt(len(lead)):.3f} against flow (-.05)", flush=True)


def densities(fitted: genzoo.TrainedModel, rows: Array) -> tuple[Array, float]:
    """Return log-densities in data units, `(N,)`, and the largest difference to half as many steps of the solver."""
    own, x = fitted.generator.double().eval(), torch.from_numpy(rows)
    assert isinstance(own, DiffusionDensity)
    y, change = fitted.transform(x), fitted.transform.log_det(x)
    fine, rough = (own.log_prob_estimate(y, probes=0, steps=steps)[0] for steps in (SOLVER_STEPS, SOLVER_STEPS // 2))
    return np.asarray((fine + change).numpy()), float((fine - rough).abs().max())


def measure_speed(images: int, threads: int) -> None:
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    data = genzoo.DataSpec((1, 28, 28), "image", (genzoo.Feature("pixel"),))
    own = build(DiffusionOptions(), data).generator.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    for sampler, precision in itertools.product(("dpm++", "euler", "heun"), ("fp32", "auto")):
        begun, clock = time.process_time(), time.perf_counter()
        with torch.no_grad():
            for _ in range(0, images, 250):
                own.sample(min(images, 250), sampler=sampler, steps=20, precision=precision)
        seconds, clock = time.process_time() - begun, time.perf_counter() - clock
        print(f"{sampler}, {precision}: {images:,} images in {seconds:.1f} CPU s (180), {clock:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of speed")
    parser.add_argument("--alone", action="store_true", help="leave out dcgan and flow")
    parser.add_argument("-o", action="append", default=[], metavar="KEY=VALUE", help="as for genzoo train")
    arguments = parser.parse_args()
    options, chosen = parse_assignments(arguments.o), arguments.parts or PARTS
    if unknown := set(chosen).difference(PARTS):
        parser.error(f"unknown part {unknown.pop()!r}; known: {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(arguments.seeds if "digits" in chosen else 0):
            measure_digits(seed, arguments.draws, options, Path(folder), alone=arguments.alone)
        for seed in range(arguments.seeds if "one-step" in chosen else 0):
            measure_one_step(seed, options, Path(folder))
        if "toys" in chosen:
            measure_toys(arguments.rows, options, Path(folder), alone=arguments.alone)
    if "speed" in chosen:
        measure_speed(arguments.images, arguments.threads)


if __name__ == "__main__":
    main()
