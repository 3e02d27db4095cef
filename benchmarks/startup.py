"""Time `genzoo --help` and `genzoo models`, relative to the bare import of their dependencies.

python benchmarks/startup.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

IMPORT = "import click, pydantic, pluggy"
COMMANDS = {
    IMPORT: [sys.executable, "-c", IMPORT],
    "genzoo --help": [sys.executable, "-m", "genzoo", "--help"],
    "genzoo models": [sys.executable, "-m", "genzoo", "models"],
}
TARGETS = {"genzoo --help": 1, "genzoo models": 2}
"""Largest ratio to the import."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(rounds + 1):
        for name, command in COMMANDS.items():
            begun = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if turn:  # the first round fills the caches
                seconds[name].append(time.perf_counter() - begun)
    for name, values in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(values, seconds[IMPORT], strict=True))
        target = f" (target: below {TARGETS[name]})" if name in TARGETS else ""
        print(f"{name:32} {statistics.median(values) * 1e3:6.0f} ms, {ratio:.2f} times the import{target}")


if __name__ == "__main__":
    main()
