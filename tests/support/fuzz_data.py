"""A mutation fuzzer over data files.

Usage: python tests/support/fuzz_data.py [MUTANTS [SEED [FORMAT ...]]].

Every mutant is read as `genzoo data` and a training read it, in a process of limited memory. It must be used, or
refused in words with exit code 4, or 2 if nothing is left of it. A traceback, another exception, a crash or five
seconds of work is a failure. It is reported with the number that makes the same mutant again.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SECONDS = 5.0
SPARE = 3 * 2**30
"""Bytes of memory that a mutant may take, beyond what the process has before: a page of Parquet may declare 2 GiB."""


class Hang(BaseException):
    """A mutant took too long."""


@dataclass
class Tally:
    """The outcomes of the mutants of one format."""

    name: str
    ends: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def line(self) -> str:
        ends = ", ".join(f"{count} {end}" for end, count in self.ends.most_common())
        return f"{self.name:<10} {sum(self.ends.values()):>6}  {ends}"


def fuzz(name: str, mutants: int, seed: int) -> Tally:
    """Read mutants of one format in processes of their own; a process that ends early is replaced."""
    tally, first = Tally(name), 0
    while first < mutants:
        words = [sys.executable, __file__, "--child", name, str(first), str(mutants), str(seed)]
        with tempfile.TemporaryDirectory() as space, Path(space, "err").open("w+", encoding="utf-8") as err:
            ended = subprocess.run([*words, space], stdout=subprocess.PIPE, stderr=err, text=True, check=False)
            err.seek(0)
            said = err.read()
        number = first
        for line in ended.stdout.splitlines():
            number, end = int(line.partition(" ")[0]) + 1, line.partition(" ")[2]
            _count(tally, end, number - 1, seed)
        if number < mutants:
            how = "hang" if "Timeout" in said else "crash"
            _count(tally, f"FAILED {how}: exit {ended.returncode}: {said[-1500:]}", number, seed)
            number += 1
        first = number
    return tally


def _count(tally: Tally, end: str, number: int, seed: int) -> None:
    if end.startswith("FAILED"):
        tally.failures.append(f"{tally.name}, mutant {number} of seed {seed}: {end}")
        end = " ".join(end.split()[:2]).rstrip(":")
    tally.ends[end] += 1


def child(name: str, first: int, last: int, seed: int, space: Path) -> None:
    """Read mutants from `first` to `last`, and print the number and the outcome of each."""
    import data_mutants
    import torch

    import genzoo.cli.data  # what reads is loaded before memory is limited
    import genzoo.data.columns.listing
    import genzoo.data.readers.arrow.parquet  # noqa: F401

    faulthandler.enable()
    torch.set_num_threads(1)
    for number in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(number, _alarm)
    read(data_mutants.FORMATS[name], random.Random("0"), space)
    taken = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + SPARE, taken + SPARE))
    for number in range(first, last):
        begun = time.process_time()
        end = timed(data_mutants.FORMATS[name], random.Random(f"{seed}/{name}/{number}"), space)
        if time.process_time() - begun > SECONDS:
            end = f"FAILED hang: {end}"
        print(number, " ".join(end.split()), flush=True)


def _alarm(*_: object) -> None:
    raise Hang


def timed(make: object, draw: random.Random, space: Path) -> str:
    """Return the outcome of a mutant; the process ends if nothing interrupts it."""
    faulthandler.dump_traceback_later(6 * SECONDS, exit=True)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_REAL, 4 * SECONDS)  # wall-clock time, generous for a busy machine
    try:
        return read(make, draw, space)
    except Hang:
        return "FAILED hang"
    except BaseException as error:
        return f"FAILED {type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()


def read(make, draw: random.Random, space: Path) -> str:  # type: ignore[no-untyped-def]
    """Make a mutant and read it, with the command line and as a training does."""
    from genzoo.cli.main import main
    from genzoo.config.data import DataSettings
    from genzoo.data.loading import open_dataset
    from genzoo.errors import ConfigError, DataError
    from genzoo.plugins.manager import get_registry

    shutil.rmtree(space / "mutant", ignore_errors=True)
    (space / "mutant").mkdir()
    suffix, content = make(draw)
    path = space / "mutant" / f"m{suffix}"
    path.write_bytes(content)
    source = path.parent if make.__name__ == "image" else path
    out, err = io.StringIO(), io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ResourceWarning)  # NumPy and openpyxl leave damaged files open
        code = main(["data", str(source)])
    said = " ".join(err.getvalue().split())
    if code not in (0, 2, 4) or "Traceback" in said or "Warning" in said or "Memory" in said:
        return f"FAILED exit {code}: {said[-600:]}"
    try:
        dataset = open_dataset(DataSettings(source=str(source)), get_registry())
        dataset.events[: len(dataset)]
    except (DataError, ConfigError):
        return "refused"
    return "used" if code == 0 else f"FAILED only a training reads it: {said[-600:]}"


def run(mutants: int = 2_000, seed: int = 0, *formats: str) -> int:
    import data_mutants

    os.environ["OMP_NUM_THREADS"] = "1"
    print(f"{'test':<10} {'count':>6}  outcome")
    failures = []
    for name in formats or data_mutants.FORMATS:
        tally = fuzz(name, mutants, seed)
        print(tally.line(), flush=True)
        print(*(f"    {failure[:1500]}" for failure in tally.failures[:20]), sep="\n", end="\n" * bool(tally.failures))
        failures += tally.failures
    print(f"\nown errors, crashes and hangs over {SECONDS:g} s: {len(failures)}")
    return 1 if failures else 0


def _numbers(words: list[str]) -> Iterator[int]:
    yield from map(int, words)


if __name__ == "__main__":
    given = sys.argv[1:]
    if given[:1] == ["--child"]:
        child(given[1], *_numbers(given[2:5]), Path(given[5]))
    else:
        sys.exit(run(*_numbers(given[:2]), *given[2:]))
