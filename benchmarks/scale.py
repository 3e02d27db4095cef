"""Measure time and memory of fitting a mixture to large data, by the number of rows.

For each size, write a float32 table of 16 columns to disk, and fit a mixture of four Gaussians to it in a new process,
which memory-maps the file. The memory is anonymous memory (RssAnon), which does not include pages of the mapped file. A
fit may converge early, when only rounding is left; its total time is then extrapolated to all passes, so that sizes can
be compared.

    python benchmarks/scale.py [--rows 1 2 5 10] [--passes 8] [--rounds 1] [--folder DIR]
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

COLUMNS = 16
MILLION = 1_000_000


def write(path: Path, rows: int) -> None:
    rng = np.random.default_rng(0)
    means = rng.normal(0, 3, (4, COLUMNS)).astype(np.float32)
    table = np.lib.format.open_memmap(path, "w+", np.float32, (rows, COLUMNS))
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
        whole: seconds of the process, extrapolated to all passes.
        peak: peak anonymous memory, in MB.
    """

    passes: int
    em: float
    whole: float
    peak: int


def fit(data: Path, out: Path, passes: int) -> Fit:
    """Fit a mixture to a table in a new process."""
    every = ["-o", "training.tol=0", "-o", "training.log_every=1", "-o", "training.n_init=1"]
    settings = ["-o", "n_components=4", "-o", f"training.max_iter={passes}", *every]
    command = [sys.executable, "-m", "genzoo", "train", "gmm", "--data", str(data), "--out", str(out), *settings]
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = 0
    while process.poll() is None:
        peak = max(peak, anonymous(process.pid))
        time.sleep(0.02)
    if process.returncode:
        sys.exit(process.stderr.read().decode() if process.stderr else "failed")
    whole = time.perf_counter() - begun
    log = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    logged = {line["step"]: line["seconds"] for line in map(json.loads, log)}
    made = max(logged)  # at least two: convergence shows in a change from one pass to the next
    em = (logged[made] - logged[1]) / (made - 1)
    return Fit(made, em, whole + (passes - made) * em, peak)


def number_of_passes(word: str) -> int:
    """Parse a number of passes of at least 2, as the first is not timed."""
    if int(word) < 2:
        raise argparse.ArgumentTypeError("at least 2, as the first pass is not timed")
    return int(word)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 2, 5, 10], help="millions")
    parser.add_argument("--passes", type=number_of_passes, default=8)
    parser.add_argument("--rounds", type=int, default=1, help="number of fits per size; the fastest counts")
    parser.add_argument("--folder", type=Path, help="folder for the tables; a temporary one by default")
    arguments = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for number, millions in enumerate(arguments.rows):
            data = Path(folder) / f"{millions}m.npy"
            write(data, millions * MILLION)
            runs = [fit(data, Path(folder) / f"run{number}-{i}", arguments.passes) for i in range(arguments.rounds)]
            data.unlink()
            em, whole, peak = min(run.em for run in runs), min(run.whole for run in runs), max(run.peak for run in runs)
            found.append((millions, em, whole))
            fewer = min(run.passes for run in runs)
            print(
                f"{millions:3d} million rows: {em:6.2f} s per pass ({em / millions:.3f} s per million), {whole:6.1f} s "
                f"in total, RssAnon at most {peak} MB (target: 600)"
                + (f", converged after {fewer} passes" if fewer < arguments.passes else ""),
                flush=True,
            )
    rows, em_seconds, seconds = np.array(found).T
    if len(found) > 1:
        slope = np.polyfit(np.log(rows), np.log(em_seconds), 1)[0]
        line, start = np.polyfit(rows, seconds, 1)
        print(f"slope of log seconds per pass on log rows: {slope:.3f} (target: 1 within 0.1)")
        print(f"total time: {start:.1f} s plus {line:.2f} s per million rows")


if __name__ == "__main__":
    main()
