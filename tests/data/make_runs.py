"""Write the runs that every later version must load: python tests/data/make_runs.py FOLDER.

They are checked in under `runs/<version>/` once, when a version is released, and never written again.
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np

import genzoo

FIXED = {"device": "cpu", "precision": "fp32", "seed": 1}
RUNS = {
    "gmm": {"model": "gmm", "data": "iris", "components": 2, "training": {"n_init": 2}},
    "vae": {
        "model": "vae",
        "data": "digits",
        "widths": [8],
        "latent": 2,
        "components": 3,
        "training": {"steps": 8, "batch_size": 64, "ema": 0.9, "sample_every": 8},
    },
    "dcgan": {
        "model": "dcgan",
        "data": "digits",
        "generator_widths": [4, 4, 4],
        "discriminator_widths": [4, 4],
        "latent": 4,
        "training": {"steps": 6, "batch_size": 32, "sample_every": 6},
    },
}


def write(folder: Path) -> None:
    for name, settings in RUNS.items():
        run = genzoo.train(**settings, **FIXED, out=folder / name)
        np.save(folder / f"{name}-samples.npy", run.sample(16, seed=3))
    score = genzoo.load(folder / "gmm").log_prob(genzoo.load(folder / "gmm").sample(16, seed=3))
    np.save(folder / "gmm-scores.npy", score)
    try:
        genzoo.train(**RUNS["gmm"], **FIXED, out=folder / "gmm-interrupted", watchers=[interrupt])
    except genzoo.GenzooError as stopped:
        print(stopped)


def interrupt(step: object) -> None:
    if getattr(step, "number", 0) == 3:
        os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
