"""Measure `genzoo score` of a large Parquet file beside the same work as a plain loop of pyarrow and torch.

A mixture of Gaussians with full covariance matrices is fitted to some rows, and many rows are scored from Parquet to
Parquet. The plain loop reads blocks of the same file, standardizes them, multiplies by the same whitening matrices, and
writes the same columns: the number of the row and its log-likelihood. It has no checks, no explanations and no display.
Each contender runs in a process of its own, in turns. Seconds do not include the start of the processes. The memory is
anonymous memory (RssAnon).

    python benchmarks/scoring.py [--rows 1 10] [--components 16] [--rounds 3] [--folder DIR]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import torch
from pyarrow import parquet

import genzoo

COLUMNS, BLOCK = 16, 2**16
MILLION = 1_000_000


def write(path: Path, rows: int, seed: int) -> None:
    """Write rows of four clusters as float32, in row groups of 2^18 rows."""
    means = np.random.default_rng(0).normal(0, 3, (4, COLUMNS))
    rng = np.random.default_rng(seed)
    schema = pa.schema([(f"c{place}", pa.float32()) for place in range(COLUMNS)])
    with parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, 2**18):
            count = min(2**18, rows - start)
            part = means[rng.integers(4, size=count)] + rng.standard_normal((count, COLUMNS))
            writer.write_table(pa.table(list(part.astype(np.float32).T), schema=schema))


class Cost(NamedTuple):
    """What scoring took: seconds, seconds of CPU, MB of anonymous memory."""

    seconds: float
    cpu: float
    peak: float


def measured(work: Callable[[], object]) -> Cost:
    """Run work in this process and return what it took."""
    peak, done = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
            now = next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)
            peak = max(peak, now)

    watcher = threading.Thread(target=watch)
    watcher.start()
    begun, cpu = time.perf_counter(), time.process_time()
    try:
        work()
    finally:
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        done.set()
        watcher.join()
    return Cost(seconds, cpu, peak / 1024)


def score_with_genzoo(run: Path, data: Path, out: Path) -> None:
    genzoo.score(run, data, out=out)


class Plain:
    """The same mixture as matrices: the log-likelihood of rows by a plain loop.

    Arguments:
        run: the trained model.
        chunk: rows computed at a time.
    """

    def __init__(self, run: Path, chunk: int) -> None:
        fitted = genzoo.load(run)
        state = fitted.generator.state_dict()
        whitener, means = state["emissions.0.whitener"].double(), state["emissions.0.means"].double()
        self.components, self.chunk = len(means), chunk
        shift, scale = fitted.transform.shift.double(), fitted.transform.scale.double()
        self.shift, self.scale = shift.float(), scale.float()
        self.matrix = whitener.reshape(-1, COLUMNS).float()
        self.offset = (whitener @ means[:, :, None]).reshape(-1, 1).float()
        half_log_det = state["emissions.0.scale"].double().diagonal(dim1=1, dim2=2).log().sum(1)
        weights = state["log_weights"].double().log_softmax(0)
        constant = weights - half_log_det - 0.5 * COLUMNS * math.log(2 * math.pi) - scale.log().sum()
        self.constant = constant.float()[:, None]

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        """Return log-likelihoods of rows `(N, C)`, `(N,)`."""
        parts = []
        for start in range(0, len(x), self.chunk):
            y = torch.addmm(
                self.offset, self.matrix, ((x[start : start + self.chunk] - self.shift) / self.scale).T, beta=-1
            )
            squares = y.view(self.components, COLUMNS, -1).square_().sum(1)
            parts.append((self.constant - 0.5 * squares).logsumexp(0))
        return torch.cat(parts)


@torch.no_grad()
def score_plainly(run: Path, data: Path, out: Path, chunk: int = 2048) -> None:
    plain, first = Plain(run, chunk), 0
    schema = pa.schema([("row", pa.int64()), ("log_likelihood", pa.float64())])
    with parquet.ParquetFile(data, pre_buffer=False) as file, parquet.ParquetWriter(out, schema) as writer:
        for batch in file.iter_batches(BLOCK, use_threads=False):
            x = torch.from_numpy(np.stack([column.to_numpy() for column in batch.columns], 1))
            values = plain.log_prob(x).double().numpy()
            writer.write_table(pa.table([np.arange(first, first + len(x)), values], schema=schema))
            first += len(x)


@torch.no_grad()
def compute_only(run: Path, data: Path, chunk: int = 2048) -> None:
    """Compute the log-likelihoods of the rows of the file's first block again and again: arithmetic, without files."""
    plain = Plain(run, chunk)
    with parquet.ParquetFile(data) as file:
        rows = file.metadata.num_rows
        batch = next(file.iter_batches(BLOCK))
    x = torch.from_numpy(np.stack([column.to_numpy() for column in batch.columns], 1))
    for start in range(0, rows, len(x)):
        plain.log_prob(x[: rows - start])


CONTENDERS: dict[str, Callable[[Path, Path, Path], None]] = {
    "genzoo": score_with_genzoo,
    "plain": score_plainly,
    "arithmetic": lambda run, data, _: compute_only(run, data),
}


def contender(name: str, run: Path, data: Path, out: Path) -> Cost:
    """Run a contender in a process of its own."""
    words = [sys.executable, __file__, "--contender", name, str(run), str(data), str(out)]
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    if found.returncode:
        sys.exit(found.stderr or "failed")
    return Cost(*json.loads(found.stdout.splitlines()[-1]))


def compare(run: Path, folder: Path, millions: int, rounds: int) -> None:
    """Measure all contenders on a table of some rows, and print a line for each."""
    data, rows = folder / f"{millions}m.parquet", millions * MILLION
    write(data, rows, 1)
    costs: dict[str, list[Cost]] = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name in CONTENDERS:
            costs[name].append(contender(name, run, data, folder / f"{name}.parquet"))
    best = {name: Cost(*(min(one[i] for one in found) for i in range(3))) for name, found in costs.items()}
    for name, cost in best.items():
        print(
            f"{millions:4d} million rows, {name:10}: {cost.seconds:7.2f} s, {cost.cpu:7.2f} s of CPU, "
            f"{rows / cost.cpu / MILLION:.3f} million rows per CPU second, RssAnon at most {cost.peak:.0f} MB",
            flush=True,
        )
    for name in ("plain", "arithmetic"):
        by_time, by_cpu = (best[name][i] / best["genzoo"][i] for i in (0, 1))
        print(f"     genzoo has {by_time:.2f} of the rate of {name} by the clock, {by_cpu:.2f} by CPU time", flush=True)
    found, wanted = (
        parquet.read_table(folder / f"{name}.parquet")["log_likelihood"].to_numpy() for name in ("genzoo", "plain")
    )
    print(f"     largest difference of a log-likelihood: {abs(found - wanted).max():.2g} nats", flush=True)
    data.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 10], help="millions")
    parser.add_argument("--components", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3, help="runs of each contender; the fastest counts")
    parser.add_argument("--folder", type=Path, help="folder for the tables; a temporary one by default")
    parser.add_argument("--contender", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        name, *paths = arguments.contender
        run, data, out = map(Path, paths)
        print(json.dumps(measured(lambda: CONTENDERS[name](run, data, out))))
        return
    print(f"{os.cpu_count()} cores, {torch.get_num_threads()} threads of torch")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        folder = Path(temporary)
        write(folder / "few.parquet", 20_000, 0)
        data, training = str(folder / "few.parquet"), {"max_iter": 30, "n_init": 1}
        genzoo.train("gmm", data, out=folder / "run", n_components=arguments.components, training=training)
        for millions in arguments.rows:
            compare(folder / "run", folder, millions, arguments.rounds)


if __name__ == "__main__":
    main()
