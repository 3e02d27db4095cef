"""Measure time and memory of fitting a mixture to large data, by the number of rows, columns and components.

For each size, write a float32 table to disk, and fit a mixture of Gaussians with full covariance matrices to it in a
new process, which memory-maps the file. The memory is anonymous memory (RssAnon), which does not include pages of the
mapped file. A fit may converge early, when only rounding is left; its total time is then extrapolated to all passes, so
that sizes can be compared. With several numbers of columns or components, each is varied at the fewest rows, the others
at their first value.

    python benchmarks/scale.py [--rows 1 2 5 10] [--columns 16] [--components 4] [--passes 8] [--rounds 1]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

import genzoo

MILLION = 1_000_000


def write(path: Path, rows: int, columns: int) -> None:
    rng = np.random.default_rng(0)
    means = rng.normal(0, 3, (4, columns)).astype(np.float32)
    table = np.lib.format.open_memmap(path, "w+", np.float32, (rows, columns))
    for start in range(0, rows, MILLION // 4):
        part = table[start : start + MILLION // 4]
        part[:] = means[rng.integers(4, size=len(part))] + rng.standard_normal(part.shape, np.float32)
    table.flush()


def anonymous(process: int) -> int:
    """Return the anonymous memory of a process, in MB."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("RssAnon")), 0)


class Fit(NamedTuple):
    """The cost of a fit.

    Arguments:
        passes: number of passes it ran.
        em: mean seconds per pass after the first.
        em_cpu: the same in seconds of CPU, which other processes hardly change.
        whole: seconds of the process, extrapolated to all passes.
        peak: peak anonymous memory, in MB.
    """

    passes: int
    em: float
    em_cpu: float
    whole: float
    peak: int


def fit(data: Path, out: Path, components: int, passes: int) -> Fit:
    """Fit a mixture to a table in a new process."""
    command = [sys.executable, __file__, "--fit", str(data), str(out), str(components), str(passes)]
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak = 0
    while process.poll() is None:
        peak = max(peak, anonymous(process.pid))
        time.sleep(0.02)
    shown, problems = process.communicate()
    if process.returncode:
        sys.exit(problems or "failed")
    whole = time.perf_counter() - begun
    times = json.loads(shown.splitlines()[-1])
    made = len(times)  # at least two: convergence shows in a change from one pass to the next
    em, cpu = ((times[-1][clock] - times[0][clock]) / (made - 1) for clock in (0, 1))
    return Fit(made, em, cpu, whole + (passes - made) * em, peak)


def fit_here(data: str, out: str, components: str, passes: str) -> None:
    """Fit a mixture in this process, and print the time and the CPU time at the end of each pass."""
    times: list[tuple[float, float]] = []
    training = {"tol": 0.0, "log_every": 1, "n_init": 1, "max_iter": int(passes)}

    def note(_: object) -> None:
        times.append((time.perf_counter(), time.process_time()))

    genzoo.train("gmm", data, out=out, n_components=int(components), training=training, callbacks=[note])
    print(json.dumps(times))


def measure(folder: Path, rows: int, columns: int, components: int, passes: int, rounds: int) -> Fit:
    """Fit a mixture to a table of some size several times, and return the least costs."""
    name = f"{rows}-{columns}-{components}"
    data = folder / f"{name}.npy"
    write(data, rows, columns)
    runs = [fit(data, folder / f"run-{name}-{time.time_ns()}", components, passes) for _ in range(rounds)]
    data.unlink()
    least = (min(getattr(run, field) for run in runs) for field in ("passes", "em", "em_cpu", "whole"))
    return Fit(*least, max(run.peak for run in runs))


def vary(folder: Path, what: str, sizes: list[tuple[int, int, int]], passes: int, rounds: int) -> None:
    """Measure fits of several sizes, and print how their time grows.

    Arguments:
        what: what differs: rows, columns or components.
        sizes: rows, columns and components of each fit.
    """
    place = ("rows", "columns", "components").index(what)
    found = []
    for size in sizes:
        cost = measure(folder, *size, passes, rounds)
        found.append((size[place], cost.em_cpu, cost.whole))
        early = f", converged after {cost.passes} passes" if cost.passes < passes else ""
        print(
            f"{size[0] / MILLION:5g} million rows, {size[1]:4d} columns, {size[2]:4d} components: {cost.em:7.2f} s per "
            f"pass, {cost.em_cpu:7.2f} s of CPU, {cost.whole:7.1f} s in total, RssAnon at most {cost.peak} MB (target: "
            f"600){early}",
            flush=True,
        )
    if len(found) > 1:
        amounts, em_seconds, seconds = np.array(found).T
        slope = np.polyfit(np.log(amounts), np.log(em_seconds), 1)[0]
        line, start = np.polyfit(amounts, seconds, 1)
        print(f"slope of log CPU seconds per pass on log {what}: {slope:.3f}")
        if what == "rows":
            print(f"total time: {start:.1f} s plus {line * MILLION:.2f} s per million rows (slope 1 within 0.1 wanted)")


def number_of_passes(word: str) -> int:
    """Parse a number of passes of at least 2, as the first is not timed."""
    if int(word) < 2:
        raise argparse.ArgumentTypeError("at least 2, as the first pass is not timed")
    return int(word)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=float, nargs="+", default=[1, 2, 5, 10], help="millions")
    parser.add_argument("--columns", type=int, nargs="+", default=[16])
    parser.add_argument("--components", type=int, nargs="+", default=[4])
    parser.add_argument("--passes", type=number_of_passes, default=8)
    parser.add_argument("--rounds", type=int, default=1, help="number of fits per size; the fastest counts")
    parser.add_argument("--folder", type=Path, help="folder for the tables; a temporary one by default")
    parser.add_argument("--fit", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.fit:
        fit_here(*arguments.fit)
        return
    rows = [round(millions * MILLION) for millions in arguments.rows]
    columns, components = arguments.columns, arguments.components
    curves = {
        "rows": [(count, columns[0], components[0]) for count in rows],
        "columns": [(min(rows), count, components[0]) for count in columns],
        "components": [(min(rows), columns[0], count) for count in components],
    }
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for what, sizes in curves.items():
            if what == "rows" or len(sizes) > 1:
                vary(Path(folder), what, sizes, arguments.passes, arguments.rounds)


if __name__ == "__main__":
    main()
