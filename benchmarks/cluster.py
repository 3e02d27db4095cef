"""Measure comparisons on Dask clusters of this machine: speed of two workers, cost of sending, and what kills cost.

    python benchmarks/cluster.py workers [--rounds 3] [--steps 100]
    python benchmarks/cluster.py kills [--kills 20] [--every 7] [--candidates 8]
    python benchmarks/cluster.py overhead [--trials 1920] [--workers 64] [--milliseconds 25]

1. `workers`: 16 fits on two workers of one core each against one worker, in alternating rounds; workers have imported
   everything before. The reports must be equal. Two cores may be slower together than one alone: beside it stands what
   two processes reach that compute the same without a cluster.
2. `kills`: a scheduler and two workers as processes of their own. A random one is killed again and again, and started
   again. The comparison is resumed after the scheduler was killed. No fit that has ended may run again, and the
   report must equal the local one.
3. `overhead`: fits that only sleep, on workers within this process: the seconds beyond the sleep, for each fit.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import logging
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from distributed import Client, LocalCluster

import genzoo
from genzoo.comparison.api import prepare_comparison
from genzoo.comparison.cluster import connect, work
from genzoo.comparison.cluster.dispatch import run_on_cluster
from genzoo.comparison.fits.job import FitJob, FitResult
from genzoo.errors import GenzooError
from genzoo.runtime.progress import Phase

ROOT = Path(__file__).parents[1]


def data(rows: int) -> Any:
    return np.random.default_rng(0).normal(size=(rows, 8))


def timeless(report: Any) -> Any:
    """Return a report without seconds, memory and paths."""
    content = report.as_dict()
    for row in content["rows"]:
        for name in ("seconds", "cost", "run"):
            row.pop(name)
    return content


def candidates(count: int, steps: int) -> list[dict[str, Any]]:
    """Return mixtures that are fitted for a fixed number of passes, and so take equally long."""
    training = {"tol": 1e-300, "max_iter": steps, "n_init": 1}
    return [
        {"model": "gmm", "n_components": 8, "reg_covar": 1e-6 * (1 + i), "training": training} for i in range(count)
    ]


def fit_alone(count: int, steps: int, rows: int) -> float:
    """Return the seconds of a comparison within this process."""
    started = time.perf_counter()
    genzoo.compare(candidates(count, steps), data(rows), jobs=1, progress=False)
    return time.perf_counter() - started


def side_by_side(client: Client, options: argparse.Namespace) -> float:
    """Return the seconds of two processes that share only the machine, over twice the seconds of one."""
    one, two = (
        max(client.gather([client.submit(fit_alone, 4, options.steps, options.rows, pure=False) for _ in range(count)]))
        for count in (1, 2)
    )
    return two / (2 * one)


def workers(options: argparse.Namespace) -> None:
    seconds: dict[int, list[float]] = {1: [], 2: []}
    found, ideal = [], []
    with contextlib.ExitStack() as stack:
        clients = {count: stack.enter_context(connect("dask", workers=count)) for count in seconds}
        for client in clients.values():
            genzoo.compare(["gaussian"], data(200), on=client, progress=False)  # imports everything
        for _ in range(options.rounds):
            for count, times in seconds.items():
                started = time.perf_counter()
                report = genzoo.compare(
                    candidates(8, options.steps), data(options.rows), on=clients[count], progress=False
                )
                times.append(time.perf_counter() - started)
                found.append(timeless(report))
            ideal.append(side_by_side(clients[2], options))
    one, two = (statistics.median(times) for times in seconds.values())
    print(f"16 fits: 1 worker {one:.2f} s, 2 workers {two:.2f} s, ratio {two / one:.3f} (bar 0.55)")
    print(
        f"two processes that share only the machine: {statistics.median(ideal):.3f} of the time of one after the other"
    )
    rounds = {count: [round(value, 2) for value in times] for count, times in seconds.items()}
    print(f"rounds: {rounds}; equal reports: {all(one == found[0] for one in found)}")


def overhead(options: argparse.Namespace) -> None:
    logging.getLogger("distributed").setLevel(logging.ERROR)
    made = prepare_comparison(
        ["gaussian"],
        (None, {"source": "iris"}),
        {},
        by=None,
        folds=0,
        seeds=1,
        jobs=1,
        threads=1,
        out=None,
    )
    config = made.candidates[0].config
    trials = [FitJob(number, config, "criteria") for number in range(options.trials)]
    seconds = options.milliseconds / 1000

    def sleep(_dataset: Any, _division: Any, trial: FitJob) -> FitResult:
        time.sleep(seconds)
        return FitResult(trial, seconds)

    work.run_fit_job = sleep  # type: ignore[assignment]  # workers are threads of this process
    with (
        LocalCluster(
            n_workers=options.workers, threads_per_worker=1, processes=False, memory_limit=0, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        started, busy = time.perf_counter(), time.process_time()
        with Phase("fitting", len(trials), "fits") as phase:
            results = run_on_cluster(
                made.dataset,
                made.division,
                trials,
                on=client,
                settings=made.settings,
                workers=None,
                threads=1,
                phase=phase,
            )
            count = len({result.trial.candidate for result in results})
        total, busy = time.perf_counter() - started, time.process_time() - busy
    ideal = len(trials) * seconds / options.workers
    each = (total - ideal) / len(trials) * 1000
    print(
        f"{count} fits of {options.milliseconds} ms on {options.workers} workers: {total:.2f} s, ideal {ideal:.2f} s, "
        f"{each:.2f} ms more for each fit (bar 5); CPU {busy / len(trials) * 1000:.2f} ms"
    )


class Processes:
    """A scheduler and two workers as processes of their own, which are started again when they have been killed."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self._folder, self._running = folder, dict[str, subprocess.Popen[bytes]]()
        self._ended = threading.Event()
        self.kills: dict[str, int] = {"scheduler": 0, "worker": 0}

    def start(self, name: str) -> None:
        words = {
            "scheduler": ["scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard"],
            "worker": ["worker", self.address, "--nthreads", "1", "--no-dashboard", "--no-nanny"],
        }[name.partition(" ")[0]]
        # Nothing is left if this process is killed itself.
        words += ["--idle-timeout", "60"] if name == "scheduler" else ["--death-timeout", "60"]
        with (self._folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", "dask", *words], stdout=log, stderr=log, cwd=self._folder
            )

    def keep(self) -> None:
        """Start what has ended again, until `end`."""
        for name in ("scheduler", "worker 1", "worker 2"):
            self.start(name)
        while not self._ended.wait(0.2):
            for name, process in list(self._running.items()):
                if process.poll() is not None:
                    self.start(name)

    def kill(self, name: str) -> None:
        self._running[name].kill()
        self.kills[name.partition(" ")[0]] += 1

    def end(self, keeper: threading.Thread) -> None:
        self._ended.set()
        keeper.join()
        for process in self._running.values():
            process.kill()
            process.wait()


@contextlib.contextmanager
def processes() -> Iterator[Processes]:
    with tempfile.TemporaryDirectory() as folder:
        found = Processes(Path(folder))
        thread = threading.Thread(target=found.keep, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            found.end(thread)


def kills(options: argparse.Namespace) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # a time limit ends the cluster, too
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    rng = random.Random(options.seed)
    settings: dict[str, Any] = {
        "candidates": candidates(options.candidates, options.steps),
        "data": data(options.rows),
        "folds": 3,
        "threads": 1,  # sums depend on the number of threads
        "progress": False,
    }
    want = timeless(genzoo.compare(**settings))
    ended = threading.Event()

    def kill_at_random(cluster: Processes) -> None:
        while sum(cluster.kills.values()) < options.kills and not ended.wait(rng.expovariate(1 / options.every)):
            cluster.kill(rng.choice(["scheduler", "worker 1", "worker 2", "worker 1", "worker 2"]))

    with processes() as cluster, tempfile.TemporaryDirectory() as folder:
        killer = threading.Thread(target=kill_at_random, args=(cluster,), daemon=True)
        killer.start()
        reports, calls = list[Any](), 0
        try:
            while sum(cluster.kills.values()) < options.kills:
                out = Path(folder) / f"out{len(reports)}"
                report, tries = until_finished({**settings, "on": cluster.address, "out": out}, 5 * options.candidates)
                reports.append(timeless(report))
                calls += tries
        finally:
            ended.set()
            killer.join()
    print(
        f"kills: {cluster.kills}; {calls} calls finished {len(reports)} comparisons; no fit that had arrived ran "
        f"again; equal reports: {all(report == want for report in reports)}"
    )


def until_finished(settings: dict[str, Any], fits: int) -> tuple[Any, int]:
    """Repeat a comparison until it ends, and check that each call begins with the fits that had not arrived.

    Returns:
        The report, and the number of calls.
    """
    left = fits
    for calls in itertools.count(1):
        seen = [0, left]
        stopped = None

        def count(done: int, total: int, _: str, seen: list[int] = seen) -> None:
            seen[:] = [done, total]

        try:
            report = genzoo.compare(**settings, callback=count)
        except GenzooError as error:
            stopped = error
        print(f"  {seen[0]} of {seen[1]} fits, then: {stopped or 'finished'}", flush=True)
        assert seen[1] == left, f"{left} fits were missing, and {seen[1]} began."
        left -= seen[0]
        if stopped is None:
            assert left == 0
            return report, calls
    raise AssertionError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["workers", "kills", "overhead"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--candidates", type=int, default=8, help="of kills")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--every", type=float, default=7.0, help="mean seconds between two kills")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=1920)
    parser.add_argument("--workers", type=int, default=64)
    parser.add_argument("--milliseconds", type=float, default=25.0)
    options = parser.parse_args()
    {"workers": workers, "kills": kills, "overhead": overhead}[options.what](options)


if __name__ == "__main__":
    main()
