"""Measure how well `mvae` draws a digit given its label or its sound, and the other way round.

Judges that were trained on the same training rows find the class of drawn parts: a support vector machine for images,
and the network of `sound.py` for sounds. Test rows are seen only here; nothing was chosen by them. Prints the means
over seeds, with CPU seconds of training.

    labels    digits of 8 x 8 pixels and their labels
    sounds    the same, each with a spoken digit of its class; every training recording comes once, with a random image.
              A part given a sound or an image of the test is expected, not drawn: it has no noise

    image given label   share of 1,000 drawn digits that the judge finds to have the label they were drawn given
    label given image   share of test digits whose most probable label is right, beside the judge's share
    joint samples       share of 1,000 samples whose digit and label agree by the judge
    bounds              held-out bounds on log p of both parts, of the digit and of the label, in nats
    image given sound   share of test recordings whose image the judge finds to have their class
    sound given image   share of test digits whose sound the judge finds to have their class

    [GENZOO_DATA=FOLDER] python benchmarks/parts.py [labels] [sounds] [--seeds 3] [-o training.steps=4000]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC
from sound import STEPS, Judge, made

import genzoo
from genzoo.config.layers import merge, parse_assignments
from genzoo.data.dataset import Dataset
from genzoo.data.sounds.builtin import spoken_digits
from genzoo.inference.trained_model import TrainedModel

ROWS = ("labels", "sounds")
BARS = {"image given sound": 0.85, "sound given image": 0.75}
DRAWN = 1_000
WITH_SOUNDS: dict[str, Any] = {
    "network": "mlp",
    "spread": "shared",
    "training": {"steps": 1800, "patience": None},
    "split": {"validation": 0.05, "test": 0.0},  # the test rows are others, which the model never sees
}


class Images:
    """Digits, split into training and test rows, and the judge that learned the former."""

    def __init__(self, seed: int, classes: int = 10) -> None:
        found = load_digits(n_class=classes)
        images = found.images.astype(np.uint8)
        split = train_test_split(images, found.target, test_size=0.25, random_state=seed, stratify=found.target)
        self.train, self.test, self.known, self.truth = split
        self._judge = SVC(gamma=0.001, C=10).fit(self.train.reshape(len(self.train), -1), self.known)

    def judged(self, images: Any) -> np.ndarray[Any, Any]:
        """Return the class of each image, `(N,)`."""
        return np.asarray(self._judge.predict(np.asarray(images).reshape(len(images), -1)))


def labels(seed: int, options: dict[str, Any], folder: Path, _: bool) -> dict[str, float]:
    """Train a model of digits and labels, and return its figures by name."""
    digits = Images(seed)
    known, truth = digits.known.astype(str), digits.truth.astype(str)
    model, seconds = trained({"image": digits.train, "label": known}, seed, options, folder)
    given = np.arange(DRAWN) % 10
    drawn = model.impute({"image": None, "label": given.astype(str)}, draw=True, seed=seed)
    labeled = model.impute({"image": digits.test, "label": None}, seed=seed)
    joint = model.sample(DRAWN, seed=seed)
    held_out = {"image": digits.test, "label": truth}
    return {
        "image given label": float((digits.judged(drawn["image"]) == given).mean()),
        "label given image": float((np.asarray(labeled["label"]).astype(str) == truth).mean()),
        "the judge's labels": float((digits.judged(digits.test) == digits.truth).mean()),
        "joint samples": float((digits.judged(joint["image"]) == np.asarray(joint["label"]).astype(int)).mean()),
        "bound of both parts": float(model.log_prob_bound(held_out).mean()),
        "bound of the digit": float(model.log_prob_bound({**held_out, "label": None}).mean()),
        "bound of the label": float(model.log_prob_bound({**held_out, "image": None}).mean()),
        "CPU seconds": seconds,
    }


def sounds(seed: int, options: dict[str, Any], folder: Path, short: bool) -> dict[str, float]:
    """Train a model of digits, labels and spoken digits, and return its figures by name."""
    recordings = made() if short else spoken_digits()
    digits = Images(seed, 4 if short else 10)
    events, known = recordings.events, np.asarray(recordings.labels)
    train, test = np.split(np.arange(len(events)), [len(events) - recordings.test_rows])
    rng = np.random.default_rng(seed)
    partners = np.array([rng.choice(np.flatnonzero(digits.known == one)) for one in known[train]])
    together = {
        "image": digits.train[partners],
        "label": known[train].astype(str),
        "sound": Dataset("sound", recordings.spec, events[train]),
    }
    model, seconds = trained(together, seed, merge(WITH_SOUNDS, options), folder)
    judge = Judge(recordings, 20 if short else STEPS)
    shown = model.impute({"image": None, "label": None, "sound": events[test]}, seed=seed)
    heard = model.impute({"image": digits.test, "label": None, "sound": None}, seed=seed)
    given = np.arange(DRAWN) % (known.max() + 1)
    drawn = model.impute({"image": None, "label": given.astype(str), "sound": None}, draw=True, seed=seed)
    return {
        "image given sound": float((digits.judged(shown["image"]) == known[test]).mean()),
        "sound given image": float((judge(np.asarray(heard["sound"])) == digits.truth).mean()),
        "image given label": float((digits.judged(drawn["image"]) == given).mean()),
        "label given sound": float((np.asarray(shown["label"]).astype(int) == known[test]).mean()),
        "label given image": float((np.asarray(heard["label"]).astype(int) == digits.truth).mean()),
        "the judge of sounds": float((judge(events[test]) == known[test]).mean()),
        "CPU seconds": seconds,
    }


def trained(data: dict[str, Any], seed: int, options: dict[str, Any], folder: Path) -> tuple[TrainedModel, float]:
    """Train `mvae`, and return the model and CPU seconds."""
    start = time.process_time()
    run = genzoo.train("mvae", data, seed=seed, precision="fp32", out=folder / f"{len(data)}-{seed}", **options)
    return genzoo.load(run.path), time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("-o", dest="options", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--short", action="store_true", help="tones instead of spoken digits, and a weak judge of them")
    arguments = parser.parse_args()
    rows = arguments.rows or ROWS
    if unknown := set(rows).difference(ROWS):
        parser.error(f"unknown row {unknown.pop()!r}; known: {', '.join(ROWS)}")
    options = parse_assignments(arguments.options)
    measures = {"labels": labels, "sounds": sounds}
    with tempfile.TemporaryDirectory() as folder:
        for row in rows:
            found = [measures[row](seed, options, Path(folder), arguments.short) for seed in range(arguments.seeds)]
            print(f"{row}:")
            for name in found[0]:
                values = [one[name] for one in found]
                bar = f"   at least {BARS[name]:g}" if name in BARS else ""
                print(
                    f"{name:20} {np.mean(values):8.3f}   from {min(values):.3f} to {max(values):.3f}{bar}", flush=True
                )


if __name__ == "__main__":
    main()
