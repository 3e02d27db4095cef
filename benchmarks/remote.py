"""Measure time and memory of fitting a mixture to Parquet files behind a local S3 server, by the number of rows.

One part of 16 float32 columns is written, and a server in a process of its own serves it under many names. For each
number of names, a mixture of four Gaussians is fitted in a new process; the largest number is also fitted by several
processes together. Each computes in one thread. Its memory is the resident one, with all that PyTorch takes itself
(about 270 MB). Seconds are also given as CPU seconds, which a busy machine changes less. The busiest process's are the
time if every process has a core for itself.

    python benchmarks/remote.py [--parts 5 10 20 100] [--processes 1 2] [--rows 1000000] [--passes 10] [--folder DIR]
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
    """The cost of a fit: seconds on the clock and of the CPU, and the peak of resident memory in MB.

    `busiest` are the CPU seconds of the busiest process: the time of the fit if each process has a core for itself.
    """

    seconds: float
    cpu: float
    busiest: float
    peak: int


def resident(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)


def spent(process: int) -> float:
    """Return the CPU seconds of a process so far."""
    try:
        words = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def below(process: int) -> list[int]:
    """Return a process and all that it has started, and so on."""
    found = [process]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += map(int, task.read_text(encoding="ascii").split())
            except OSError:
                continue
    return found


def fit(url: str, out: Path, passes: int, processes: int) -> Fit:
    """Fit a mixture to all parts in new processes."""
    every = ["-o", "training.tol=0", "-o", "training.n_init=1", "-o", f"training.max_iter={passes}"]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    start = [sys.executable, *(launcher if processes > 1 else []), "-m", "genzoo"]
    command = [*start, "train", "gmm", "--data", "s3://bucket/part-*.parquet", "--device", "cpu"]
    keys = dict.fromkeys(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"], "genzoo")
    variables = {**os.environ, **keys, "AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": "us-east-1"}
    variables["OMP_NUM_THREADS"] = "1"
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.Popen(
        [*command, "--out", str(out), "-o", "n_components=4", *every],
        env=variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    peak, busiest = 0, 0.0
    while process.poll() is None:
        running = below(process.pid)
        peak = max([peak, *map(resident, running)])
        busiest = max([busiest, *map(spent, running)])
        time.sleep(0.05)
    if process.returncode:
        sys.exit(process.stderr.read().decode() if process.stderr else "failed")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Fit(time.perf_counter() - begun, cpu, busiest, peak)


def measured(path: Path, out: Path, parts: int, passes: int, processes: int) -> Fit:
    """Serve a part under some names, and fit a mixture to them."""
    words = [sys.executable, __file__, "--serve", str(path), "--parts", str(parts)]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    try:
        return fit(server.stdout.readline().strip(), out, passes, processes)
    finally:
        server.terminate()
        server.wait()


def show(rows: int, processes: int, cost: Fit) -> None:
    print(
        f"{rows:11,d} rows, {processes} process{'es'[: 2 * (processes > 1)]}: {cost.seconds:7.1f} s, {cost.cpu:7.1f} "
        f"CPU s, {cost.busiest:7.1f} CPU s of the busiest process, resident at most {cost.peak} MB (target: 800)",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=int, nargs="+", default=[5, 10, 20, 100])
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of a part")
    parser.add_argument("--passes", type=int, default=10, help="passes of EM")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="for the largest number of parts")
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
            cost = measured(path, Path(folder) / f"run{number}", parts, arguments.passes, 1)
            found.append((parts * arguments.rows, cost.cpu))
            show(parts * arguments.rows, 1, cost)
        alone = cost
        for processes in sorted({*arguments.processes} - {1}):
            cost = measured(path, Path(folder) / f"together{processes}", parts, arguments.passes, processes)
            show(parts * arguments.rows, processes, cost)
            print(
                f"{processes} processes take {cost.seconds / alone.seconds:.2f} of the time of one (target: 0.60); the "
                f"busiest takes {cost.busiest / alone.busiest:.2f} of its CPU seconds"
            )
    if len(found) > 1:
        rows, seconds = np.array(found).T
        line, start = np.polyfit(rows, seconds, 1)
        print(f"CPU seconds: {start:.1f} plus {line * 1e6:.2f} per million rows")


if __name__ == "__main__":
    main()
