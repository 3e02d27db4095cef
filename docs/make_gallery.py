"""Make docs/gallery.md and its pictures: a grid of samples of each image model, on three datasets.

    python docs/make_gallery.py --emoji emoji-datasource-google/package/img/google/64
    python docs/make_gallery.py --only fashion-mnist --models vae dcgan

Each model trains for at most two minutes on two cores. Models and scores of earlier runs in `--work` are kept, so a
second call makes only what is missing. The distances (KID) are to test images that no model was trained on,
on the features that `--features` names.

The npm package `emoji-datasource-google` has the emoji.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

PAGE = Path(__file__).parent / "gallery.md"
PICTURES = Path(__file__).parent / "images" / "gallery"

SHOWN = 42
"""Number of images in a grid: 6 rows of 7."""

METRICS = ("kernel-distance", "coverage")
"""Scores of the page, in the order of its columns, which need no features of the training images."""

FEW_STEPS = "-o sampling.sampler=dpm++ -o sampling.steps=10"
"""Sampling options that draw large images from `diffusion` in a quarter of its usual time."""

QUICK_GAN = "-o objective.penalty_every=4 -o training.schedule.name=cosine"
"""Training options with which `dcgan` learns large images better in the time there is."""

COLORS = 256
"""Colors of a grid. More cannot be seen, and take three times the space."""

GENZOO = (sys.executable, "-m", "genzoo")


@dataclass(frozen=True)
class Entry:
    """One model on one dataset.

    Arguments:
        model: name of the model.
        options: options of `genzoo train`, besides data, length and folder.
        minutes: length of the training. Defaults to `None`, which leaves the length to the model.
        sampling: sampling options for samples and scores.
    """

    model: str
    options: str = ""
    minutes: float | None = None
    sampling: str = ""


@dataclass(frozen=True)
class Section:
    """One dataset of the gallery.

    Arguments:
        name: title, and the name of the data if it is built in.
        text: what the images are.
        entries: the models, in the order of the page.
        options: data options of all of them.
        scale: how many times larger than the grid of `genzoo sample` the picture is, along each side.
    """

    name: str
    text: str
    entries: tuple[Entry, ...]
    options: str = ""
    scale: int = 2


@dataclass
class Shown:
    """What the page shows of a model: its command, its cost and its scores."""

    entry: Entry
    command: str
    seconds: float
    scores: dict[str, float | None] = field(default_factory=dict)


SECTIONS = (
    Section(
        "digits",
        "1,797 handwritten digits of 8×8 pixels with 17 levels, from scikit-learn.",
        (
            Entry("gaussian"),
            Entry("gmm", "-o n_components=30 -o covariance_type=diag"),
            Entry("vae", minutes=2),
            Entry("dcgan", minutes=2),
            Entry("r3gan", "--condition label", minutes=2),
            Entry("diffusion", minutes=2),
            Entry("made", minutes=1),
            Entry("pixelcnn", minutes=2),
        ),
    ),
    Section(
        "fashion-mnist",
        "60,000 photographs of clothes, 28×28 pixels in gray.",
        (
            Entry("gaussian"),
            Entry("vae", minutes=2),
            Entry("dcgan", f"--condition label {QUICK_GAN}", minutes=2),
            Entry("r3gan", "--condition label", minutes=2),
            Entry("diffusion", minutes=2, sampling=FEW_STEPS),
            Entry("made", minutes=2),
            Entry("pixelcnn", minutes=2),
        ),
    ),
    Section(
        "emoji",
        "3,800 colored emoji of Google's Noto font, 32×32 pixels. "
        "`emoji` is the folder `img/google/64` of the npm package.",
        (
            Entry("vae", minutes=2),
            Entry("dcgan", QUICK_GAN, minutes=2),
            Entry("r3gan", "-o objective.augment=0.3", minutes=2),
            Entry("diffusion", minutes=2, sampling=FEW_STEPS),
        ),
        "--size 32 --color rgb",
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emoji", type=Path, help="folder of emoji; by default, their section is left out")
    parser.add_argument("--only", nargs="*", help="datasets to make pictures of; all by default")
    parser.add_argument("--models", nargs="*", help="models to make pictures of; all by default")
    parser.add_argument("--features", default="efficientnet-lite0", help="feature extractor of KID")
    parser.add_argument("--work", type=Path, default=Path("runs/gallery"), help="folder of the runs")
    parser.add_argument("--samples", type=int, default=1000, help="samples of each model that its scores compare")
    parser.add_argument("--steps", type=int, help="train so many steps only, to try this script")
    parser.add_argument("--page", type=Path, default=PAGE, help="page to write")
    parser.add_argument("--pictures", type=Path, default=PICTURES, help="folder of the pictures")
    arguments = parser.parse_args()
    arguments.pictures.mkdir(parents=True, exist_ok=True)
    parts = [INTRODUCTION]
    for section in SECTIONS:
        if arguments.only and section.name not in arguments.only:
            continue
        if section.name == "emoji" and arguments.emoji is None:
            continue
        data = str(arguments.emoji) if section.name == "emoji" else section.name
        shown = [
            make(section, entry, data, arguments)
            for entry in section.entries
            if not arguments.models or entry.model in arguments.models
        ]
        parts.append(page_of(section, shown, arguments))
    arguments.page.write_text("\n".join(parts), encoding="utf-8")


def make(section: Section, entry: Entry, data: str, arguments: argparse.Namespace) -> Shown:
    """Train a model unless its run exists, draw its picture and compute its scores."""
    run = arguments.work / f"{section.name}-{entry.model}"
    words = f"{entry.model} --data {{data}} {section.options} {entry.options}".split()
    if arguments.steps is not None:
        words += ["--steps", str(arguments.steps)] if entry.minutes is not None else []
    elif entry.minutes is not None:
        words += ["--minutes", f"{entry.minutes:g}"]
    cost = run / "cpu-seconds.json"
    if not cost.exists():
        seconds = call("train", *(word.format(data=data) for word in words), "--out", str(run))
        cost.write_text(json.dumps(seconds), encoding="utf-8")
    seconds = json.loads(cost.read_text(encoding="utf-8"))
    picture = run / "grid.png"
    call("sample", str(run), "-n", str(SHOWN), *entry.sampling.split(), "--out", str(picture))
    with Image.open(picture) as grid:
        size = (grid.width * section.scale, grid.height * section.scale)
        # Pixel art of large pixels compresses well, and looks as it is.
        large = grid.resize(size, Image.Resampling.NEAREST)
        few = large.quantize(COLORS) if large.mode == "RGB" else large
        few.save(arguments.pictures / f"{run.name}.png", optimize=True)
    scores = scores_of(run, entry.sampling, arguments)
    command = " ".join(["genzoo train", *(word.format(data=section.name) for word in words)])
    return Shown(entry, command, seconds, scores)


def scores_of(run: Path, sampling: str, arguments: argparse.Namespace) -> dict[str, float | None]:
    """Return the scores of a run that the page shows."""
    metrics = [word for metric in METRICS for word in ("--metric", metric)]
    terms = ["--features", arguments.features, "--samples", str(arguments.samples), *sampling.split()]
    command = [*GENZOO, "evaluate", str(run), *metrics, *terms, "--json"]
    kept = run / "scores.json"
    if kept.exists() and (found := json.loads(kept.read_text(encoding="utf-8")))["terms"] == terms:
        return dict(found["scores"])
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)  # noqa: S603
    scores = {name: score["value"] for name, score in answer["metrics"].items()}
    kept.write_text(json.dumps({"terms": terms, "scores": scores}), encoding="utf-8")
    return scores


def call(*words: str) -> float:
    """Run a command of genzoo, and return the CPU seconds it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*GENZOO, *words], check=True)  # noqa: S603
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def page_of(section: Section, shown: list[Shown], arguments: argparse.Namespace) -> str:
    """Return a dataset's part of the page."""
    lines = [f"## {section.name}", "", section.text, "", "| model | CPU seconds | KID | coverage |"]
    lines.append("|---|---|---|---|")
    for one in shown:
        figures = (one.scores.get(metric) for metric in METRICS)
        cells = ("–" if figure is None else f"{figure:.3f}" for figure in figures)
        name = one.entry.model
        lines.append(f"| [`{name}`](#{section.name}-{name}) | {one.seconds:.0f} | {' | '.join(cells)} |")
    for one in shown:
        path = (arguments.pictures / f"{section.name}-{one.entry.model}.png").relative_to(arguments.page.parent)
        command = re.sub(" +", " ", one.command).strip()
        lines += ["", f"### {section.name}: {one.entry.model}", "", f"`{command}`", ""]
        if one.entry.sampling:
            lines += [f"Samples and scores with `{one.entry.sampling}`.", ""]
        lines.append(f"![{SHOWN} samples of {one.entry.model}]({path.as_posix()})")
    return "\n".join([*lines, ""])


INTRODUCTION = """# Gallery

Samples of each image model, as they come: no sample was left out, and none was picked. `python docs/make_gallery.py`
trains the models, draws the grids and writes this page. Each model trains for at most two minutes on two cores. CPU
seconds include the scores of held-out images at the end. KID is to test images, on features of EfficientNet-Lite0.
Coverage is the share of test images that have a sample near them.
"""


if __name__ == "__main__":
    main()
