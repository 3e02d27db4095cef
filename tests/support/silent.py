"""Run long commands with their output in a pipe, and check that none is silent for more than five seconds.

Run it with `python tests/support/silent.py [NAME]...`; `make full` does. It takes about ten minutes. It is no test of
pytest, because a loaded machine may pause any process for that long.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

LONGEST = 5.0
"""Seconds without a line."""

VAE = "train vae --data images.npy --range 0..255 --out vae --steps 60"
GMM = "train gmm --data holes.csv --out gmm -o n_components=8 -o training.tol=0"

COMMANDS = {
    "train-vae": VAE,
    "train-gmm": f"{GMM} -o training.max_iter=40",
    "evaluate": "evaluate vae --data images.npy --range 0..255 --samples 2000",
    "evaluate-classifier": "evaluate digits --features classifier",
    "score": "score vae --data images.npy --range 0..255 --out scores.csv",
    "embed": "embed vae --data images.npy --range 0..255 --out latent.npy",
    "sample": "sample vae -n 30000 --out samples.npz",
    "impute": "impute gmm --data holes.csv --out whole.csv",
    "cluster": "cluster gmm --data holes.csv --out clusters.csv",
    "describe": "describe vae --data images.npy --range 0..255",
    "describe-table": "describe gmm --data holes.csv --out picture.png",
    "report": "report vae",
    "compare": "compare gmm:n_components=1..8 gaussian --data table.csv --folds 3 --out one",
    "compare-jobs": "compare gmm:n_components=1..8 gaussian --data table.csv --folds 3 --jobs 2 --out two",
    "compare-vae": "compare vae --data images.npy --range 0..255 -o training.steps=60",
    "data": "data table.csv",
    "check": "plugins check gmm",
}
"""Commands by name, in an order in which each finds the runs it needs."""

BEFORE = {"evaluate-classifier": "train dcgan --data digits --out digits --steps 20"}
"""What has to run first, and is not measured."""


def make_data(folder: Path) -> None:
    """Write images, and tables without and with missing values."""
    rng = np.random.default_rng(0)
    np.save(folder / "images.npy", rng.integers(0, 256, (4_000, 1, 28, 28), dtype=np.uint8))
    centers = 4 * rng.normal(size=(6, 8))
    table = centers[rng.integers(6, size=150_000)] + rng.normal(size=(150_000, 8))
    np.savetxt(folder / "table.csv", table, "%.5f", ",", header="a,b,c,d,e,f,g,h", comments="")
    table[rng.random(table.shape) < 0.1] = np.nan
    lines = (",".join("" if np.isnan(value) else f"{value:.5f}" for value in row) for row in table)
    (folder / "holes.csv").write_text("\n".join(["a,b,c,d,e,f,g,h", *lines]) + "\n")


def stamped(words: str, folder: Path) -> Iterator[tuple[float, str]]:
    """Run a command, and yield each line of its output with its time.

    Raises:
        SystemExit: the command failed.
    """
    command = [sys.executable, "-m", "genzoo", *words.split()]
    began = time.monotonic()
    done = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "GENZOO_CACHE": str(folder / "cache")},
    )
    assert done.stdout is not None
    yield 0.0, "(began)"
    for line in done.stdout:
        yield time.monotonic() - began, line.rstrip()
    if done.wait():
        raise SystemExit(f"genzoo {words} ended with exit code {done.returncode}.")


def longest_gap(words: str, folder: Path) -> tuple[float, str, float]:
    """Return the longest time without a line, the line before it, and the duration of the command."""
    found = list(stamped(words, folder))
    gap, line = max((later[0] - earlier[0], earlier[1]) for earlier, later in itertools.pairwise(found))
    return gap, line, found[-1][0]


def main(names: list[str]) -> int:
    """Run the commands, print their longest gaps, and return the exit code."""
    silent = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_data(folder)
        for name, words in COMMANDS.items():
            if names and name not in names:
                continue
            if name in BEFORE:
                list(stamped(BEFORE[name], folder))
            gap, line, duration = longest_gap(words, folder)
            print(f"{name:20} {duration:6.1f} s, longest gap {gap:4.1f} s after: {line[:80]}", flush=True)
            if gap > LONGEST:
                silent.append(name)
    if silent:
        print(f"Silent for more than {LONGEST:.0f} s: {', '.join(silent)}")
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
