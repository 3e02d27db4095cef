"""Time `genzoo --help` and `genzoo models`, relative to the bare import of their dependencies.

Also time `import genzoo` beyond an empty Python, and `run.sample(1)` after the first call. Python may keep compiled
modules, as it does for an installed package, even if PYTHONDONTWRITEBYTECODE is set.

python benchmarks/startup.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time

IMPORT = "import click, pydantic, pluggy"
EMPTY, FACADE = "empty Python", "import genzoo"
COMMANDS = {
    EMPTY: [sys.executable, "-c", ""],
    FACADE: [sys.executable, "-c", FACADE],
    IMPORT: [sys.executable, "-c", IMPORT],
    "genzoo --help": [sys.executable, "-m", "genzoo", "--help"],
    "genzoo models": [sys.executable, "-m", "genzoo", "models"],
}
TARGETS = {"genzoo --help": 1, "genzoo models": 2}
"""Largest ratio to the import."""
SAMPLED = ("gmm", "vae", "dcgan")
"""Models that are trained on digits for a moment, and sampled."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    seconds = command_seconds(rounds)
    for name, values in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(values, seconds[IMPORT], strict=True))
        target = f" (target: below {TARGETS[name]})" if name in TARGETS else ""
        print(f"{name:32} {statistics.median(values) * 1e3:6.0f} ms, {ratio:.2f} times the import{target}")
    beyond = statistics.median(a - b for a, b in zip(seconds[FACADE], seconds[EMPTY], strict=True))
    print(f"{FACADE + ' beyond an empty Python':32} {beyond * 1e3:6.0f} ms (target: below 50 ms)")
    for model in SAMPLED:
        print(f"{f'run.sample(1), {model}':32} {sampling_seconds(model) * 1e3:6.2f} ms (target: below 5 ms)")


def command_seconds(rounds: int) -> dict[str, list[float]]:
    """Return the wall time of every command in every round."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        for turn in range(rounds + 1):
            for name, command in COMMANDS.items():
                begun = time.perf_counter()
                subprocess.run(
                    command, check=True, stdout=subprocess.DEVNULL, env=kept | {"PYTHONPYCACHEPREFIX": folder}
                )
                if turn:  # the first round fills the caches
                    seconds[name].append(time.perf_counter() - begun)
    return seconds


def sampling_seconds(model: str) -> float:
    """Return the median time of `run.sample(1)` after the first call."""
    import genzoo

    with tempfile.TemporaryDirectory() as folder:
        length = {"max_iter": 3} if model == "gmm" else {"steps": 3}
        run = genzoo.train(model, "digits", out=f"{folder}/run", **length)
        run.sample(1)
        seconds = []
        for seed in range(50):
            begun = time.perf_counter()
            run.sample(1, seed=seed)
            seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
