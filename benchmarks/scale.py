"""What a mixture costs on data larger than memory should hold: time and anonymous memory by the number of rows.

For each size a float32 table of 16 columns is written to disk, a mixture of four Gaussians is fitted to it by a number
of passes in a process of its own, which maps the file, and that process' anonymous memory is watched (RssAnon: pages
of the mapped file do not count). A fit may converge before its last pass, when rounding ends it; its time in all is
then given for the number of passes that was asked for, at what a pass took, so that sizes can be compared.

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
    """Anonymous memory of a process in MB."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("RssAnon")), 0)


class Fit(NamedTuple):
    """What a fit cost.

    Arguments:
        passes: how many it made.
        em: mean seconds of a pass after the first.
        whole: seconds of the process, as if it had made all passes asked for.
        peak: of its anonymous memory, in MB.
    """

    passes: int
    em: float
    whole: float
    peak: int


def fit(data: Path, out: Path, passes: int) -> Fit:
    """Fit a mixture to a table in a process of its own."""
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
    """Two at least, as the first is not timed."""
    if int(word) < 2:
        raise argparse.ArgumentTypeError("at least 2, as the first pass is not timed")
    return int(word)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 2, 5, 10], help="millions")
    parser.add_argument("--passes", type=number_of_passes, default=8)
    parser.add_argument("--rounds", type=int, default=1, help="the least time of so many is taken")
    parser.add_argument("--folder", type=Path, help="where the tables are written; a temporary folder by default")
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
                f"{millions:3d} million rows: {em:6.2f} s a pass ({em / millions:.3f} s a million), {whole:6.1f} s in "
                f"all, RssAnon at most {peak} MB (asked: 600)"
                + (f", converged after {fewer} passes" if fewer < arguments.passes else ""),
                flush=True,
            )
    rows, em_seconds, seconds = np.array(found).T
    if len(found) > 1:
        slope = np.polyfit(np.log(rows), np.log(em_seconds), 1)[0]
        line, start = np.polyfit(rows, seconds, 1)
        print(f"slope of log seconds a pass on log rows: {slope:.3f} (asked: 1 within 0.1)")
        print(f"in all: {start:.1f} s and {line:.2f} s for every million")


if __name__ == "__main__":
    main()
