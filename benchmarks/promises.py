"""Measure the time of the conformance kit on the built-in models: `python benchmarks/promises.py [MODEL...]`.

Prints wall-clock and processor seconds on one thread, not counting imports.
"""

from __future__ import annotations

import sys
import time

import torch

from genzoo.testing.check import check_promises

MODELS = ("gaussian", "gmm", "naive-bayes", "vae", "dcgan")


def main() -> None:
    torch.set_num_threads(1)
    wall, processor, count = 0.0, 0.0, 0
    for name in sys.argv[1:] or MODELS:
        began, used = time.monotonic(), time.process_time()
        outcomes = check_promises(name)
        began, used = time.monotonic() - began, time.process_time() - used
        wall, processor = wall + began, processor + used
        checked = [outcome for outcome in outcomes if outcome.state != "does not apply"]
        broken = [outcome.promise.name for outcome in checked if outcome.state == "broken"]
        count += len(checked)
        print(f"{name:12} {len(checked):3} promises {began:6.1f} s, {used:6.1f} s of processor time {' '.join(broken)}")
    print(f"{'all':12} {count:3} promises {wall:6.1f} s, {processor:6.1f} s of processor time")


if __name__ == "__main__":
    main()
