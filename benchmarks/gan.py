"""Measure `r3gan` on the modes of a mixture, and models of images beside `dcgan` after equal times.

    modes    25 Gaussians on a grid in the plane: how many have at least a quarter of their share of 5,000 samples
             within four deviations, and what share of all samples is there; and how many have any sample within three,
             as they are counted elsewhere. For each of `--seeds` seeds. Of `--rows` rows, a tenth is held out for
             validation and a tenth for tests.
    fashion  Fashion-MNIST: KID to the test images, for `dcgan` and `--models`, and the ratio of the best one to `dcgan`
    labels   Fashion-MNIST given its label, for `--models`: the share of samples that a network trained on real images
             labels as asked, the same share of the test images, and KID
    emoji    a folder of images of 64×64 pixels, such as `img/google/64` of the npm package `emoji-datasource-google`:
             KID to a tenth that is held out, for the same models

`fashion labels` trains each of `--models` once, given the label, for both parts. The `dcgan` beside them has default
settings and no labels. It may be among `--models`, too, with labels and the options of `-o`:

    python benchmarks/gan.py fashion labels --models dcgan -o objective.penalty_every=4 -o training.schedule.name=cosine

Images need the features of `efficientnet-lite0`, see docs/metrics.md. Each training of images has `--minutes`, or as
many steps as `--steps` says. Bars stand in parentheses. `--out` keeps the runs, whose folders `samples` have grids.

    python benchmarks/gan.py [modes] [fashion] [labels] [emoji] [--seed 0] [--seeds 1] [--emoji FOLDER] [--minutes 10]
        [--steps N] [--rows 10000] [--models r3gan,diffusion] [--samples 5000] [--features efficientnet-lite0]
        [--out FOLDER] [-o KEY=VALUE]...
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import genzoo
from genzoo.config.layers import parse_assignments
from genzoo.data.download import fashion_mnist

PARTS = ("modes", "fashion", "labels", "emoji")
MODES = np.array([(x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)], dtype=float)
DEVIATION, DRAWS = 0.05, 5_000
GOAL = {"fashion": " (0.8)"}
PEER = "dcgan"
CLASSES, CLASSIFIER_STEPS, BATCH = 10, 2000, 128


class Asked(argparse.Namespace):
    """What the command line asks for."""

    parts: list[str]
    out: Path | None
    seed: int
    seeds: int
    minutes: float
    steps: int | None
    models: str
    rows: int
    samples: int
    features: str
    emoji: Path | None
    o: list[str]

    @property
    def training(self) -> dict[str, Any]:
        """Settings of all trainings on images."""
        return {"steps": self.steps} if self.steps else {"minutes": self.minutes}


class Trained(NamedTuple):
    """A trained model, and the KID of its samples."""

    run: genzoo.Run
    kid: float


class Images:
    """A data set of images, and the models that are trained on it: each one once, and given its label if asked.

    Arguments:
        name: what results and folders of runs are named after.
        source: the images.
        split: shares of images that are held out.
        condition: columns that `--models` are trained given. The `dcgan` beside them is given none.
        asked: what the command line asks for.
        folder: where runs go.
    """

    def __init__(
        self, name: str, source: Any, split: dict[str, float], condition: list[str], asked: Asked, folder: Path
    ) -> None:
        self.name, self._source, self._split, self._asked, self._folder = name, source, split, asked, folder
        self._condition = condition
        self._trained: dict[str, Trained] = {}

    def peer(self) -> Trained:
        """Train `dcgan` as it is by default, unless it is trained already, and print the KID of its samples."""
        return self._scored(PEER, f"{self.name}-peer", {})

    def trained(self, model: str) -> Trained:
        """Train one of `--models`, unless it is trained already, and print the KID of its samples to the test images.

        The condition and the options of the command line count for it.
        """
        settings = parse_assignments(self._asked.o)
        given = {"condition": self._condition} if self._condition else {}
        what = f"{model} given {self._condition[0]}" if given else model
        return self._scored(model, f"{self.name}-{model}", {**settings, **given}, what)

    def _scored(self, model: str, place: str, settings: dict[str, Any], what: str = f"{PEER} as it is") -> Trained:
        if place not in self._trained:
            settings = {"split": self._split, **self._asked.training, **settings}
            run, seconds = train(model, self._source, self._asked.seed, self._folder / place, **settings)
            terms = {"features": self._asked.features, "samples": self._asked.samples}
            score = run.evaluate(metrics="kernel-distance", **terms).scores["kernel-distance"]
            figures = f"KID {score.value:.5f} ± {score.error:.5f}, {seconds:.0f} CPU s"
            print(f"{self.name}, {what}: {figures}", flush=True)
            self._trained[place] = Trained(run, score.value)
        return self._trained[place]


def measure_modes(asked: Asked, folder: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = MODES[rng.integers(len(MODES), size=asked.rows)] + rng.normal(0, DEVIATION, (asked.rows, 2))
    training = {"steps": asked.steps} if asked.steps else {}
    # With bounds, samples far outside would be moved to the edge of the data, and so into modes there.
    settings = {"preset": "rows", "bounds": ["none"], **training}
    run, seconds = train("r3gan", rows, seed, folder / f"modes-{seed}", **settings)
    samples = run.sample(DRAWS, seed=seed, output="array")
    distances = np.linalg.norm(samples[:, None] - MODES, axis=2)
    nearest, near = distances.argmin(1), distances.min(1) < 4 * DEVIATION
    counts = np.bincount(nearest[near], minlength=len(MODES))
    any_near = len(set(nearest[distances.min(1) < 3 * DEVIATION]))
    found = int((counts >= DRAWS / len(MODES) / 4).sum())
    print(
        f"modes, seed {seed}: {found} of 25 (25), with any sample {any_near}, the rarest {counts.min()} and the most "
        f"frequent {counts.max()} of {DRAWS:,}, {near.mean():.1%} of samples near one, {seconds:.0f} CPU s",
        flush=True,
    )


def compare_images(images: Images, asked: Asked) -> None:
    """Print the KID of each model, and the ratio of the best one to `dcgan` as it is by default."""
    peer = images.peer().kid
    scores = {model: images.trained(model).kid for model in asked.models.split(",")}
    best = min(scores, key=scores.__getitem__)
    ratio = scores[best] / peer
    goal = GOAL.get(images.name, "")
    print(f"{images.name}: {best} has {ratio:.2f} times the KID of {PEER} as it is{goal}", flush=True)


def measure_labels(images: Images, dataset: genzoo.Dataset, asked: Asked) -> None:
    """Print the share of samples that a network trained on real images labels as they were asked for."""
    events, labels = torch.from_numpy(np.array(dataset.events)), torch.from_numpy(np.array(dataset.labels)).long()
    own = len(events) - dataset.test_rows
    classifier = trained_classifier(events[:own], labels[:own], asked)
    best = share_right(classifier, events[own:], labels[own:])
    levels = dataset.label.levels if dataset.label is not None else tuple(map(str, range(CLASSES)))
    each = asked.samples // CLASSES
    wanted = torch.arange(CLASSES).repeat_interleave(each)
    for model in asked.models.split(","):
        run = images.trained(model).run
        drawn = [run.sample(each, seed=asked.seed, given={"label": level}, output="array") for level in levels]
        right = share_right(classifier, torch.from_numpy(np.concatenate(drawn)), wanted)
        print(f"labels, {model}: {right:.1%} right (85%), {best:.1%} of test images", flush=True)


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


def train(model: str, data: Any, seed: int, place: Path, **settings: Any) -> tuple[genzoo.Run, float]:
    """Train a model; return the run and the CPU seconds."""
    begun = time.process_time()
    run = genzoo.train(model, data, seed=seed, out=place, **settings)
    return run, time.process_time() - begun


def measure(chosen: Sequence[str], asked: Asked, folder: Path) -> None:
    """Print the figures of the chosen parts."""
    if "modes" in chosen:
        for seed in range(asked.seed, asked.seed + asked.seeds):
            measure_modes(asked, folder, seed)
    if {"fashion", "labels"} & set(chosen):
        dataset = fashion_mnist()
        images = Images("fashion", dataset, {"validation": 0.0}, ["label"] if "labels" in chosen else [], asked, folder)
        if "labels" in chosen:
            measure_labels(images, dataset, asked)
        if "fashion" in chosen:
            compare_images(images, asked)
    if "emoji" in chosen and asked.emoji is not None:
        images = Images("emoji", str(asked.emoji), {"validation": 0.0, "test": 0.1}, [], asked, folder)
        compare_images(images, asked)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=1, help="seeds of the part modes, from --seed on")
    parser.add_argument("--emoji", type=Path, help="folder of images; by default the part is left out")
    parser.add_argument("--minutes", type=float, default=10.0, help="length of each training on images")
    parser.add_argument("--steps", type=int, help="steps of each training, instead of minutes")
    parser.add_argument("--models", default="r3gan,diffusion", help="models of images to measure")
    parser.add_argument("--rows", type=int, default=10_000, help="rows of the mixture; four fifths are trained on")
    parser.add_argument("--samples", type=int, default=5000, help="samples of each model of images")
    parser.add_argument("--features", default="efficientnet-lite0", help="as for genzoo evaluate")
    parser.add_argument("--out", type=Path, help="folder to keep runs and grids in")
    parser.add_argument("-o", action="append", default=[], metavar="KEY=VALUE", help="options of --models")
    asked = parser.parse_args(namespace=Asked())
    chosen = asked.parts or PARTS
    if unknown := set(chosen).difference(PARTS):
        parser.error(f"unknown part {unknown.pop()!r}; known: {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        measure(chosen, asked, folder)


if __name__ == "__main__":
    main()
