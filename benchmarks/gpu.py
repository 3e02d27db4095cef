"""How fast genzoo is on one GPU, beside the same work as a plain PyTorch loop, eager and under torch.compile.

Keeps to a budget of 8 minutes, needs no network, and writes each row to docs/performance.md as soon as it is measured.
Rows that no longer fit are named and skipped. On a CPU the sizes are shortened, so the figures mean nothing: they are
printed, and written only with --out.

    python benchmarks/gpu.py [--minutes 8] [--only NAME ...] [--short] [--device auto] [--out PAGE]
"""

from __future__ import annotations

import argparse
import datetime
import platform
import sys
import time
from pathlib import Path

import torch
from gpu_rows.limits import Limits, measure_limits
from gpu_rows.measure import measure
from gpu_rows.page import DASH, Machine, cells, number, update
from gpu_rows.row import Place, Row
from gpu_rows.rows import ROWS

import genzoo
from genzoo.errors import GenzooError
from genzoo.runtime.device import resolve_device

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


def main() -> None:
    arguments = parse()
    try:
        device = resolve_device(arguments.device)
    except GenzooError as error:
        sys.exit(str(error))
    place = Place(device, arguments.short or device.type != "cuda")
    out = arguments.out or (None if place.short else PAGE)
    print(f"{place.machine}; {', '.join(f'{name} {version}' for name, version in versions(place).items())}")
    if not place.on_gpu:
        torch.set_num_threads(1)  # sizes are too small for more
    if place.short:
        print("Shortened sizes: the figures only show that every row runs.")
    skipped, failed = run(chosen(arguments.only), place, 60 * arguments.minutes, out)
    if skipped:
        print(f"\nSkipped, since {arguments.minutes:g} minutes are over: {', '.join(skipped)}.")
        print(f"To run them: python benchmarks/gpu.py --only {' '.join(skipped)}")
    if out is not None:
        print(f"\nWritten to {out}.")
    if failed:
        sys.exit(f"\nFailed: {', '.join(failed)}.")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.0, help="time budget [default: 8]")
    parser.add_argument(
        "--only", nargs="+", choices=sorted(row.name for row in ROWS), metavar="NAME", help="rows to run: %(choices)s"
    )
    parser.add_argument("--short", action="store_true", help="shortened sizes; always on a CPU")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N [default: auto]")
    parser.add_argument(
        "--out", type=Path, help="page to write [default: docs/performance.md, or none with shortened sizes]"
    )
    return parser.parse_args()


def chosen(names: list[str] | None) -> list[Row]:
    """Return the rows of these names, or all, the shortest first."""
    return sorted((row for row in ROWS if names is None or row.name in names), key=lambda row: row.seconds)


def run(rows: list[Row], place: Place, seconds: float, out: Path | None) -> tuple[list[str], list[str]]:
    """Measure rows one by one, and print and write each at once.

    Returns:
        The names of the rows that no longer fitted into `seconds`, and of those in which genzoo failed.
    """
    deadline = time.monotonic() + seconds
    limits: dict[str, Limits] = {}
    skipped, failed = [], []
    for row in rows:
        expected = 0.0 if place.short else row.seconds
        if time.monotonic() + expected > deadline:
            skipped.append(row.name)
            continue
        precision = row.precision(place)
        if precision not in limits:
            limits[precision] = measure_limits(place.device, precision)
        print(f"\n{row.name}: {row.describe(place)}", flush=True)
        result = measure(row, place, limits[precision], deadline)
        if "genzoo" in result.failures:
            failed.append(row.name)
        machine = describe(place, limits)
        line = cells(row, place, result, machine)
        show(line, result.seconds)
        if out is not None:
            update(out, machine, line)
    return skipped, failed


def describe(place: Place, limits: dict[str, Limits]) -> Machine:
    """Return the machine with its versions and measured limits."""
    products = ", ".join(f"{number(limit.flops / 1e12)} TFLOP/s in {name}" for name, limit in limits.items())
    first = next(iter(limits.values()))
    words = f"{products}; {number(first.bandwidth / 1e9)} GB/s copied; {first.launch * 1e6:.1f} µs per launch."
    name = f"{place.machine} (shortened sizes)" if place.short else place.machine
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    return Machine(name, versions(place), f"Limits: {words}", date)


def versions(place: Place) -> dict[str, str]:
    found = {"genzoo": genzoo.__version__, "torch": torch.__version__, "Python": platform.python_version()}
    return {**found, "CUDA": str(torch.version.cuda)} if place.on_gpu else found


def show(line: dict[str, str], seconds: float) -> None:
    """Print what was measured of a row, a column per line."""
    for column, text in line.items():
        if column not in ("row", "workload", "measured") and text != DASH:
            print(f"    {column:20} {text.replace('**', '')}")
    print(f"    {'measured in':20} {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
