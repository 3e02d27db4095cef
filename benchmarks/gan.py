"""Measure `r3gan`: modes of a mixture, and images beside `dcgan` and other models after equal times.

    modes    25 Gaussians on a grid in the plane: how many have at least a quarter of their share of 5,000 samples
             within four deviations, and what share of all samples is there
    fashion  Fashion-MNIST: KID to the test images, for `dcgan` and `--models`, and the ratio of the best one to `dcgan`
    labels   Fashion-MNIST given its label: the share of samples that a network trained on real images labels as asked,
             and the same share of the test images
    emoji    a folder of images of 64×64 pixels, such as `img/google/64` of the npm package `emoji-datasource-google`:
             KID to a tenth that is held out, for the same models

Images need the features of `efficientnet-lite0`, see docs/metrics.md. Each training of images has `--minutes`, or as
many steps as `--steps` says. Bars stand in parentheses. `--out` keeps the runs, whose folders `samples` have grids.

    python benchmarks/gan.py [modes] [fashion] [labels] [emoji] [--seed 0] [--emoji FOLDER] [--minutes 10] [--steps N]
        [--models r3gan,diffusion] [--samples 5000] [--features efficientnet-lite0] [--out FOLDER] [-o KEY=VALUE]...
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import genzoo
from genzoo.config.layers import parse_assignments
from genzoo.data.download import fashion_mnist

PARTS = ("modes", "fashion", "labels", "emoji")
MODES = np.array([(x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)], dtype=float)
DEVIATION, ROWS, DRAWS = 0.05, 10_000, 5_000
GOAL = {"fashion": " (0.8)"}
CLASSES, CLASSIFIER_STEPS, BATCH = 10, 2000, 128


class Asked(argparse.Namespace):
    """What the command line asks for."""

    parts: list[str]
    out: Path | None
    seed: int
    minutes: float
    steps: int | None
    models: str
    samples: int
    features: str
    emoji: Path | None
    o: list[str]

    @property
    def training(self) -> dict[str, Any]:
        """Settings of all trainings on images."""
        return {"steps": self.steps} if self.steps else {"minutes": self.minutes}


def measure_modes(asked: Asked, folder: Path) -> None:
    rng = np.random.default_rng(asked.seed)
    rows = MODES[rng.integers(len(MODES), size=ROWS)] + rng.normal(0, DEVIATION, (ROWS, 2))
    training = {"steps": asked.steps} if asked.steps else {}
    run, seconds = train("r3gan", rows, asked, folder / "modes", preset="rows", **training)
    samples = run.sample(DRAWS, seed=asked.seed, output="array")
    distances = np.linalg.norm(samples[:, None] - MODES, axis=2)
    near = distances.min(1) < 4 * DEVIATION
    counts = np.bincount(distances.argmin(1)[near], minlength=len(MODES))
    found = int((counts >= DRAWS / len(MODES) / 4).sum())
    print(f"modes: {found} of 25 (25), {near.mean():.1%} of samples near one, {seconds:.0f} CPU s", flush=True)


def compare_images(part: str, source: str, split: dict[str, float], asked: Asked, folder: Path) -> None:
    """Print the KID of each model to the test images."""
    scores: dict[str, float] = {}
    for model in ("dcgan", *asked.models.split(",")):
        options = parse_assignments(asked.o) if model == "r3gan" else {}
        place = folder / f"{part}-{model}"
        run, seconds = train(model, source, asked, place, split=split, **asked.training, **options)
        given = {"features": asked.features, "samples": asked.samples}
        score = run.evaluate(metrics="kernel-distance", **given).scores["kernel-distance"]
        scores[model] = score.value
        print(f"{part}, {model}: KID {score.value:.5f} ± {score.error:.5f}, {seconds:.0f} CPU s", flush=True)
    others = {model: value for model, value in scores.items() if model != "dcgan"}
    best = min(others, key=others.__getitem__)
    ratio = others[best] / scores["dcgan"]
    print(f"{part}: {best} has {ratio:.2f} times the KID of dcgan{GOAL.get(part, '')}", flush=True)


def measure_labels(asked: Asked, folder: Path) -> None:
    """Print the share of samples that a network trained on real images labels as they were asked for."""
    dataset = fashion_mnist()
    images, labels = torch.from_numpy(np.array(dataset.events)), torch.from_numpy(np.array(dataset.labels)).long()
    own = len(images) - dataset.test_rows
    classifier = trained_classifier(images[:own], labels[:own], asked)
    options = {**asked.training, **parse_assignments(asked.o)}
    run, seconds = train("r3gan", dataset, asked, folder / "labels", condition=["label"], **options)
    each = asked.samples // CLASSES
    levels = dataset.label.levels if dataset.label is not None else tuple(map(str, range(CLASSES)))
    drawn = [run.sample(each, seed=asked.seed, given={"label": level}, output="array") for level in levels]
    wanted = torch.arange(CLASSES).repeat_interleave(each)
    right = share_right(classifier, torch.from_numpy(np.concatenate(drawn)), wanted)
    best = share_right(classifier, images[own:], labels[own:])
    print(f"labels: {right:.1%} right (85%), {best:.1%} of test images, {seconds:.0f} CPU s", flush=True)


def trained_classifier(images: Tensor, labels: Tensor, asked: Asked) -> nn.Module:
    """Train a small network on real images; a few steps if the trainings of models are short."""
    torch.manual_seed(asked.seed)
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 7 * 7, 128),
        nn.ReLU(),
        nn.Linear(128, CLASSES),
    )
    steps = asked.steps or CLASSIFIER_STEPS
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for _ in range(min(steps, CLASSIFIER_STEPS)):
        rows = torch.randint(len(images), (BATCH,))
        optimizer.zero_grad()
        F.cross_entropy(network(images[rows].float() / 255), labels[rows]).backward()
        optimizer.step()
    return network


@torch.no_grad()
def share_right(classifier: nn.Module, images: Tensor, labels: Tensor) -> float:
    pairs = zip(images.split(1000), labels.split(1000), strict=True)
    return sum(int((classifier(x.float() / 255).argmax(1) == y).sum()) for x, y in pairs) / len(images)


def train(model: str, data: Any, asked: Asked, place: Path, **settings: Any) -> tuple[genzoo.Run, float]:
    """Train a model; return the run and the CPU seconds."""
    begun = time.process_time()
    run = genzoo.train(model, data, seed=asked.seed, out=place, **settings)
    return run, time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--emoji", type=Path, help="folder of images; by default the part is left out")
    parser.add_argument("--minutes", type=float, default=10.0, help="length of each training on images")
    parser.add_argument("--steps", type=int, help="steps of each training, instead of minutes")
    parser.add_argument("--models", default="r3gan,diffusion", help="models of images beside dcgan")
    parser.add_argument("--samples", type=int, default=5000, help="samples of each model of images")
    parser.add_argument("--features", default="efficientnet-lite0", help="as for genzoo evaluate")
    parser.add_argument("--out", type=Path, help="folder to keep runs and grids in")
    parser.add_argument("-o", action="append", default=[], metavar="KEY=VALUE", help="options of r3gan on images")
    asked = parser.parse_args(namespace=Asked())
    chosen = asked.parts or PARTS
    if unknown := set(chosen).difference(PARTS):
        parser.error(f"unknown part {unknown.pop()!r}; known: {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if "modes" in chosen:
            measure_modes(asked, folder)
        if "fashion" in chosen:
            compare_images("fashion", "fashion-mnist", {"validation": 0.0}, asked, folder)
        if "labels" in chosen:
            measure_labels(asked, folder)
        if "emoji" in chosen and asked.emoji is not None:
            compare_images("emoji", str(asked.emoji), {"validation": 0.0, "test": 0.1}, asked, folder)


if __name__ == "__main__":
    main()
