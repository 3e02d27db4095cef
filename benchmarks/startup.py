"""How long `genzoo --help` and `genzoo models` take, beside the bare import of what they stand on.

python benchmarks/startup.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

CONTENDERS = {
    "import click, pydantic, pluggy": [sys.executable, "-c", "import click, pydantic, pluggy"],
    "genzoo --help": [sys.executable, "-m", "genzoo", "--help"],
    "genzoo models": [sys.executable, "-m", "genzoo", "models"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for turn in range(rounds + 1):
        for name, command in CONTENDERS.items():
            begun = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if turn:  # the first round fills the caches
                seconds[name].append(time.perf_counter() - begun)
    base = next(iter(seconds.values()))
    for name, values in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(values, base, strict=True))
        print(f"{name:32} {statistics.median(values) * 1e3:6.0f} ms, {ratio:.2f} times the import (asked: under 2)")


if __name__ == "__main__":
    main()
