"""Measure how well `mvae` draws a digit given its label, and a label given its digit, on labeled digits.

A support vector machine that was trained on the same training digits judges drawn digits, and is what labels that are
drawn given a digit are compared with. Test digits are seen only here; nothing was chosen by them. Prints the means over
seeds, with CPU seconds of training.

    image given label   share of 1,000 drawn digits that the judge finds to have the label they were drawn given
    label given image   share of test digits whose most probable label is right, beside the judge's share
    joint samples       share of 1,000 samples whose digit and label agree by the judge
    bounds              held-out bounds on log p of both parts, of the digit and of the label, in nats

    python benchmarks/parts.py [--seeds 3] [-o training.steps=4000] [-o experts=mixture-of-products]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

import genzoo

DRAWN = 1_000


def measure(seed: int, options: dict[str, str], folder: Path) -> dict[str, float]:
    """Train one model, and return its figures by name."""
    found = load_digits()
    images, labels = found.images.astype(np.uint8), found.target.astype(str)
    train, test, known, truth = train_test_split(images, labels, test_size=0.25, random_state=seed, stratify=labels)
    judge = SVC(gamma=0.001, C=10).fit(train.reshape(len(train), -1), known)
    start = time.process_time()
    run = genzoo.train(
        "mvae", {"image": train, "label": known}, seed=seed, precision="fp32", out=folder / f"{seed}", **options
    )
    seconds = time.process_time() - start
    model = genzoo.load(run.path)

    def judged(events: np.ndarray) -> np.ndarray:
        return judge.predict(events.reshape(len(events), -1))

    given = np.arange(DRAWN) % 10
    drawn = model.impute({"image": None, "label": given.astype(str)}, draw=True, seed=seed)
    labeled = model.impute({"image": test, "label": None}, seed=seed)
    joint = model.sample(DRAWN, seed=seed)
    held_out = {"image": test, "label": truth}
    return {
        "image given label": float((judged(np.asarray(drawn["image"])) == given.astype(str)).mean()),
        "label given image": float((np.asarray(labeled["label"]).astype(str) == truth).mean()),
        "the judge's labels": float((judged(test) == truth).mean()),
        "joint samples": float((judged(np.asarray(joint["image"])) == np.asarray(joint["label"]).astype(str)).mean()),
        "bound of both parts": float(model.log_prob_bound(held_out).mean()),
        "bound of the digit": float(model.log_prob_bound({**held_out, "label": None}).mean()),
        "bound of the label": float(model.log_prob_bound({**held_out, "image": None}).mean()),
        "CPU seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("-o", dest="options", action="append", default=[], metavar="KEY=VALUE")
    arguments = parser.parse_args()
    options: dict[str, str] = dict(text.split("=", 1) for text in arguments.options)
    steps = {"steps": int(options.pop("training.steps"))} if "training.steps" in options else {}
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(seed, {**options, **steps}, Path(folder)) for seed in range(arguments.seeds)]
    for name in rows[0]:
        values = [row[name] for row in rows]
        print(f"{name:20} {np.mean(values):8.3f}   from {min(values):.3f} to {max(values):.3f}")


if __name__ == "__main__":
    main()
