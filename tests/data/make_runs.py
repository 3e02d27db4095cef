"""Write what every later version must load: python tests/data/make_runs.py tests/data VERSION.

Everything that genzoo keeps is here once: runs, one of them stopped, a comparison and one that has not ended, an
estimator, and a model folder of each bundled model, with samples and scores that it gave. `FOLDER/KIND/VERSION/` is
written when a version is released, and never again.
"""

import contextlib
import itertools
import os
import shutil
import signal
import sys
import tempfile
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import genzoo
from genzoo.plugins.manager import get_registry
from genzoo.sklearn import GMM

FIXED: dict[str, Any] = {"device": "cpu", "precision": "fp32", "seed": 1}
BRIEF: dict[str, Any] = {"steps": 6, "batch_size": 8, "sample_every": 6}
RUNS: dict[str, dict[str, Any]] = {
    "gmm": {"model": "gmm", "data": "iris", "n_components": 2, "training": {"n_init": 2}},
    "vae": {
        "model": "vae",
        "data": "digits",
        "widths": [2],
        "latent": 2,
        "n_components": 3,
        "training": {"steps": 8, "batch_size": 64, "ema": 0.9, "sample_every": 8},
    },
    "dcgan": {
        "model": "dcgan",
        "data": "digits",
        "generator_widths": [2, 2, 2],
        "discriminator_widths": [2, 2],
        "latent": 4,
        "training": BRIEF,
    },
}
ROWS = np.random.default_rng(0).normal(size=(40, 2)) @ np.array([[1.0, 0.5], [0.0, 2.0]]) + 9.0
MIXED = pa.table(
    {"size": ROWS[:, 0], "visits": [3, 0, 1, 1, 2, 5, 0, 1] * 5, "color": ["red", "blue", None, "red"] * 10}
)
NAMES = [first + last for first in ("an", "bo", "ka", "mi") for last in ("na", "ra", "to", "li", "son")]
SMALL: dict[str, dict[str, Any]] = {
    "arf": {"data": ROWS, "trees": 2},
    "autoencoder": {"data": ROWS, "widths": [4], "latent": 1, "training": BRIEF},
    "copula": {"data": MIXED},
    "dcgan": {**RUNS["dcgan"], "condition": ["label"]},
    "diffusion": {"data": ROWS, "width": 4, "layers": 1, "training": BRIEF},
    "factor-analysis": {"data": "iris", "n_factors": 1},
    "flow": {"data": ROWS, "widths": [4], "layers": 2, "bins": 3, "training": BRIEF},
    "gaussian": {"data": ROWS, "transforms": {"x0": "log"}},
    "gmm": {"data": "iris", "n_components": 2, "noise": True},
    "gpt": {"data": NAMES, "width": 4, "layers": 1, "heads": 1, "tokens": "characters", "training": BRIEF},
    "kde": {"data": ROWS},
    "made": {
        "data": MIXED,
        "width": 2,
        "layers": 1,
        "embedding": 1,
        "condition": ["color"],
        "drop_missing": True,
        "training": BRIEF,
    },
    "mfa": {"data": "iris", "n_factors": 1},
    "mvae": {"data": "labeled-digits", "widths": [2], "latent": 2, "training": BRIEF},
    "naive-bayes": {"data": "iris", "n_components": 2},
    "ngram": {"data": NAMES, "order": 2},
    "ngram-sounds": {"model": "ngram", "data": "sounds", "order": 1},
    "pixelcnn": {"data": "digits", "width": 2, "layers": 1, "first": 1, "training": BRIEF},
    "ppca": {"data": "iris", "n_factors": 1},
    "r3gan": {"data": ROWS, "row_width": 4, "latent": 2, "waves": 0, "training": BRIEF},
    "smote": {"data": ROWS},
    "t-mixture": {"data": "iris", "n_components": 2},
    "vae": {"data": "iris", "widths": [4], "latent": 1, "training": BRIEF},
}
"""The smallest useful model of each kind; some with conditions, transforms, counts or a component of outliers."""
COMPARISON: dict[str, Any] = {
    "candidates": ["gaussian", "gmm:n_components=2"],
    "data": ROWS,
    "folds": 2,
    "device": "cpu",
    "precision": "fp64",
}


def write_runs(folder: Path) -> None:
    """Write finished runs with their samples and scores, and one that was stopped after 3 steps."""
    for name, settings in RUNS.items():
        run = genzoo.train(**settings, **FIXED, out=folder / name)
        np.save(folder / f"{name}-samples.npy", run.sample(16, seed=3))
    scores = genzoo.load(folder / "gmm").log_prob(genzoo.load(folder / "gmm").sample(16, seed=3))
    np.save(folder / "gmm-scores.npy", scores)
    try:
        genzoo.train(**RUNS["gmm"], **FIXED, out=folder / "gmm-interrupted", callbacks=[stop_after(3)])
    except genzoo.Interrupted as stopped:
        print(stopped)


def write_models(folder: Path) -> None:
    """Write a model folder of each bundled model, and beside it `NAME.npz` with samples and their scores."""
    folder.mkdir(parents=True)
    for name, settings in SMALL.items():
        with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
            write_sounds(Path("sounds"))
            run = genzoo.train(**{"model": name, **settings}, **FIXED, out="run")
            shutil.copytree(run.model, folder / name, ignore=lambda *_: {"README.md"})  # which nothing reads
        model = genzoo.load(folder / name)
        given = {"label": 3} if name == "dcgan" else None
        samples = model.sample(4, seed=3, output="array", given=given)
        np.savez_compressed(folder / f"{name}.npz", samples=samples, **scores_of(model, samples))


def write_sounds(folder: Path) -> None:
    """Write 20 sounds of 32 samples."""
    folder.mkdir()
    for number in range(20):
        with wave.open(str(folder / f"{number}.wav"), "wb") as file:
            file.setparams((1, 2, 8_000, 0, "NONE", ""))
            file.writeframes((8_000 * np.sin(np.arange(32) * (number + 2) / 9)).astype("<i2").tobytes())


def scores_of(model: genzoo.TrainedModel, events: np.ndarray) -> dict[str, np.ndarray]:
    """Return what a model says of events, by the name of the method, with draws of a fixed seed."""
    condition = {} if not model.data.condition else {"condition": np.zeros((len(events), len(model.data.condition)))}
    methods: dict[str, Callable[[], np.ndarray]] = {
        "likelihood": lambda: model.log_prob(events, **condition),
        "likelihood-bound": lambda: model.log_prob_bound(events, draws=2, seed=3, **condition),
        "anomaly-score": lambda: model.anomaly_score(events, **condition),
        "components": lambda: model.log_posterior(events, **condition),
        "encoder": lambda: model.encode(events, **condition),
    }
    return {name: method() for name, method in methods.items() if name in model.capabilities}


def write_comparisons(folder: Path) -> None:
    """Write a finished comparison with no page or pictures, and one that was stopped within a candidate."""
    folder.mkdir(parents=True)
    with contextlib.chdir(folder):  # a report has the path that it was given
        genzoo.compare(**COMPARISON, out="rows")
        for name in ("report.html", "report.csv", "report.md"):
            Path("rows", name).unlink(missing_ok=True)
        shutil.rmtree("rows/pictures")
        try:
            genzoo.compare(**COMPARISON, out="rows-interrupted", callback=stop_after(3))
        except genzoo.Interrupted as stopped:
            print(stopped)


def write_estimators(folder: Path) -> None:
    """Write an estimator of scikit-learn, and what it scores."""
    folder.mkdir(parents=True)
    fitted = GMM(n_components=2, random_state=1).fit(ROWS)
    fitted.save(folder / "gmm")
    np.save(folder / "gmm-scores.npy", fitted.score_samples(ROWS[:4]))


def stop_after(count: int) -> Callable[..., None]:
    """Return a callback that interrupts this process when it is called for the `count`-th time."""
    calls = itertools.count(1)

    def interrupt(*_: Any) -> None:
        if next(calls) == count:
            os.kill(os.getpid(), signal.SIGINT)

    return interrupt


def main(folder: Path, version: str) -> None:
    left = set(get_registry().models.names()) - {settings.get("model", name) for name, settings in SMALL.items()}
    assert not left, f"SMALL has no {left}"
    for kind in ("runs", "models", "comparisons", "estimators"):
        shutil.rmtree(folder / kind / version, ignore_errors=True)
    write_runs(folder / "runs" / version)
    write_models(folder / "models" / version)
    write_comparisons(folder / "comparisons" / version)
    write_estimators(folder / "estimators" / version)
    for place in [*folder.glob(f"*/{version}/**/.lock"), *folder.glob(f"*/{version}/**/samples/step-*")]:
        place.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2])
