"""Measure time and memory of fitting a mixture to Parquet files behind a local S3 server, by the number of rows.

One part of 16 float32 columns is written, and a server in a process of its own serves it under many names. For each
number of names, a mixture of four Gaussians is fitted in a new process. Its memory is the resident one, with all that
PyTorch takes itself (about 270 MB). Seconds are also given as CPU seconds, which a busy machine changes less.

    python benchmarks/remote.py [--parts 5 10 20 100] [--rows 1000000] [--passes 2] [--folder DIR]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import parquet

SUPPORT = Path(__file__).parents[1] / "tests" / "support"
COLUMNS, GROUPS = 16, 4


def write(path: Path, rows: int) -> None:
    """Write a part in four row groups."""
    rng = np.random.default_rng(0)
    means = rng.normal(0, 3, (4, COLUMNS)).astype(np.float32)
    table = means[rng.integers(4, size=rows)] + rng.standard_normal((rows, COLUMNS), np.float32)
    columns = {f"c{place}": table[:, place] for place in range(COLUMNS)}
    parquet.write_table(pa.table(columns), path, row_group_size=-(-rows // GROUPS), use_dictionary=False)


def serve(path: Path, names: int) -> None:
    """Serve a part under many names, until the process is ended."""
    sys.path.insert(0, str(SUPPORT))
    from object_store import serving

    with serving({f"bucket/part-{number:03d}.parquet": path for number in range(names)}) as server:
        print(server.url, flush=True)
        while True:
            time.sleep(1)


class Fit(NamedTuple):
    """The cost of a fit: seconds on the clock and of the CPU, and the peak of resident memory in MB."""

    seconds: float
    cpu: float
    peak: int


def resident(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)


def fit(url: str, out: Path, passes: int) -> Fit:
    """Fit a mixture to all parts in a new process."""
    every = ["-o", "training.tol=0", "-o", "training.n_init=1", "-o", f"training.max_iter={passes}"]
    command = [sys.executable, "-m", "genzoo", "train", "gmm", "--data", "s3://bucket/part-*.parquet"]
    keys = dict.fromkeys(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"], "genzoo")
    variables = {**os.environ, **keys, "AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": "us-east-1"}
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(
        [*command, "--out", str(out), "-o", "n_components=4", *every],
        env=variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    peak = 0
    while process.poll() is None:
        peak = max(peak, resident(process.pid))
        time.sleep(0.02)
    if process.returncode:
        sys.exit(process.stderr.read().decode() if process.stderr else "failed")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Fit(time.perf_counter() - begun, cpu, peak)


def measured(path: Path, out: Path, parts: int, passes: int) -> Fit:
    """Serve a part under some names, and fit a mixture to them."""
    words = [sys.executable, __file__, "--serve", str(path), "--parts", str(parts)]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    try:
        return fit(server.stdout.readline().strip(), out, passes)
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=int, nargs="+", default=[5, 10, 20, 100])
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of a part")
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="folder for the part; a temporary one by default")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.parts[0])
    found = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "part.parquet"
        write(path, arguments.rows)
        for number, parts in enumerate(arguments.parts):
            cost = measured(path, Path(folder) / f"run{number}", parts, arguments.passes)
            found.append((parts * arguments.rows, cost.cpu))
            print(
                f"{parts * arguments.rows:11,d} rows: {cost.seconds:7.1f} s, {cost.cpu:7.1f} CPU s, resident at most "
                f"{cost.peak} MB (target: 800)",
                flush=True,
            )
    if len(found) > 1:
        rows, seconds = np.array(found).T
        line, start = np.polyfit(rows, seconds, 1)
        print(f"CPU seconds: {start:.1f} plus {line * 1e6:.2f} per million rows")


if __name__ == "__main__":
    main()
