"""Compare the time of `genzoo models` with fifty installed plugins and with three.

python benchmarks/plugins.py [--rounds 15] [--many 50] [--few 3]

The plugins are generated: each is a distribution with one model and one objective. Other installed plugins are not
loaded.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from distributions import plugin_files, unpack


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--many", type=int, default=50)
    parser.add_argument("--few", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sites = {count: make(Path(folder, str(count)), count) for count in (given.few, given.many)}
        seconds: dict[int, list[float]] = {count: [] for count in sites}
        for turn in range(given.rounds + 1):
            for count, variables in sites.items():
                taken = listing(variables, count)
                if turn:  # the first round compiles
                    seconds[count].append(taken)
    ratio = statistics.median(b / a for a, b in zip(seconds[given.few], seconds[given.many], strict=True))
    for count, values in seconds.items():
        print(f"genzoo models with {count:3} plugins  {statistics.median(values) * 1e3:6.0f} ms")
    print(f"{given.many} plugins take {ratio:.2f} times as long as {given.few} (target: under 2)")


def make(folder: Path, count: int) -> dict[str, str]:
    """Write plugins to a folder, and return the environment variables that load only these."""
    names = [f"genzoo-bench-{number}" for number in range(count)]
    for number, name in enumerate(names):
        unpack(folder, name, plugin_files(f"genzoo_bench_{number}", f"bench-{number}"))
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "GENZOO_LOAD_PLUGINS": ",".join(names)}


def listing(variables: dict[str, str], count: int) -> float:
    """Run `genzoo models` once, and return its time in seconds."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "genzoo", "models"]
    shown = subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout
    taken = time.perf_counter() - begun
    assert len(shown.splitlines()) == count + 1, shown
    return taken


if __name__ == "__main__":
    main()
